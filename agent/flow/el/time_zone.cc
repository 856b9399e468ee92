// The door to the date library: time zones by the system's own zone files, as time_format.h says.

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "agent/base/bytes.h"
#include "agent/flow/el/time_format.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

// The library's own limit is the year 32767; zones have no rules that far away anyhow.
constexpr std::int64_t kFarSeconds = 900'000'000'000;

struct ShortId {
  std::string_view id;
  std::string_view zone;
};
// java.time.ZoneId.SHORT_IDS; EST, MST and HST are fixed offsets there, and IANA zones here.
constexpr std::array<ShortId, 25> kShortIds{{{"ACT", "Australia/Darwin"},
                                             {"AET", "Australia/Sydney"},
                                             {"AGT", "America/Argentina/Buenos_Aires"},
                                             {"ART", "Africa/Cairo"},
                                             {"AST", "America/Anchorage"},
                                             {"BET", "America/Sao_Paulo"},
                                             {"BST", "Asia/Dhaka"},
                                             {"CAT", "Africa/Harare"},
                                             {"CNT", "America/St_Johns"},
                                             {"CST", "America/Chicago"},
                                             {"CTT", "Asia/Shanghai"},
                                             {"EAT", "Africa/Addis_Ababa"},
                                             {"ECT", "Europe/Paris"},
                                             {"IET", "America/Indiana/Indianapolis"},
                                             {"IST", "Asia/Kolkata"},
                                             {"JST", "Asia/Tokyo"},
                                             {"MIT", "Pacific/Apia"},
                                             {"NET", "Asia/Yerevan"},
                                             {"NST", "Pacific/Auckland"},
                                             {"PLT", "Asia/Karachi"},
                                             {"PNT", "America/Phoenix"},
                                             {"PRT", "America/Puerto_Rico"},
                                             {"PST", "America/Los_Angeles"},
                                             {"SST", "Pacific/Guadalcanal"},
                                             {"VST", "Asia/Ho_Chi_Minh"}}};

// Names in texts that are no ids, or those of other zones; where several places use one, the place
// that java.time.format takes in Locale.US.
constexpr std::array<ShortId, 32> kTextNames{
    {{"ACDT", "Australia/Adelaide"},  {"ACST", "Australia/Adelaide"},
     {"ADT", "America/Halifax"},      {"AEDT", "Australia/Sydney"},
     {"AEST", "Australia/Sydney"},    {"AKDT", "America/Anchorage"},
     {"AKST", "America/Anchorage"},   {"ART", "America/Argentina/Buenos_Aires"},
     {"AST", "America/Halifax"},      {"AWST", "Australia/Perth"},
     {"BRT", "America/Sao_Paulo"},    {"BST", "Europe/London"},
     {"CDT", "America/Chicago"},      {"CEST", "Europe/Paris"},
     {"CLT", "America/Santiago"},     {"EDT", "America/New_York"},
     {"EEST", "Europe/Bucharest"},    {"GST", "Asia/Dubai"},
     {"HKT", "Asia/Hong_Kong"},       {"ICT", "Asia/Bangkok"},
     {"KST", "Asia/Seoul"},           {"MDT", "America/Denver"},
     {"MSK", "Europe/Moscow"},        {"NDT", "America/St_Johns"},
     {"NZDT", "Pacific/Auckland"},    {"NZST", "Pacific/Auckland"},
     {"PDT", "America/Los_Angeles"},  {"PKT", "Asia/Karachi"},
     {"SAST", "Africa/Johannesburg"}, {"SGT", "Asia/Singapore"},
     {"SST", "Pacific/Pago_Pago"},    {"WEST", "Europe/Lisbon"}}};

// "+8", "+08", "+0830", "+08:30", "-03:30:15" as seconds.
bool read_offset(std::string_view text, std::int64_t& seconds) {
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return false;
  const bool is_west = text[0] == '-';
  text.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ':' && i + 2 < text.size() + 0 && i > 0) {
      if (digits.size() == 1) digits.insert(digits.begin(), '0');
      continue;
    }
    if (!is_digit(text[i])) return false;
    digits += text[i];
  }
  if (digits.size() == 1) digits.insert(digits.begin(), '0');
  if (digits.size() != 2 && digits.size() != 4 && digits.size() != 6) return false;
  const auto two = [&](std::size_t at) {
    return at < digits.size() ? (digits[at] - '0') * 10 + (digits[at + 1] - '0') : 0;
  };
  if (two(0) > 18 || two(2) > 59 || two(4) > 59) return false;
  seconds = two(0) * 3600 + two(2) * 60 + two(4);
  if (is_west) seconds = -seconds;
  return true;
}

const date::time_zone* locate(std::string_view name) {
  try {
    return date::locate_zone(std::string(name));
  } catch (const std::exception&) {
    return nullptr;
  }
}

// TZ in the environment goes first, as in Java and in the C library; then /etc/localtime; then UTC.
const date::time_zone* machine_zone() {
  if (const char* name = std::getenv("TZ"); name != nullptr && *name != '\0') {
    std::string_view zone(name);
    if (zone.front() == ':') zone.remove_prefix(1);
    if (const date::time_zone* found = locate(zone)) return found;
  }
  try {
    return date::current_zone();
  } catch (const std::exception&) {
    return nullptr;
  }
}

date::sys_seconds sys(std::int64_t seconds) {
  return date::sys_seconds(std::chrono::seconds(std::clamp(seconds, -kFarSeconds, kFarSeconds)));
}

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  if (name.empty()) {
    static const date::time_zone* const kMachine = machine_zone();
    if (kMachine == nullptr) return TimeZone("UTC", nullptr, 0);
    return TimeZone(kMachine->name(), kMachine, 0);
  }
  if (name == "Z" || name == "UTC" || name == "GMT" || name == "UT") {
    return TimeZone(std::string(name == "Z" ? "UTC" : name), nullptr, 0);
  }
  std::string_view offset = name;
  if (offset.starts_with("GMT") || offset.starts_with("UTC")) offset.remove_prefix(3);
  std::int64_t seconds = 0;
  if (read_offset(offset, seconds)) return TimeZone(std::string(name), nullptr, seconds);
  if (name.size() > 64) return invalid("no time zone has a name that long");
  for (const ShortId& known : kShortIds) {
    if (known.id == name) name = known.zone;
  }
  if (const date::time_zone* zone = locate(name)) return TimeZone(zone->name(), zone, 0);
  return invalid("unknown time zone `" + std::string(name) +
                 "`; write it as `Europe/Berlin`, `UTC` or `+01:00`");
}

Result<TimeZone> TimeZone::of_short_name(std::string_view name, const TimeZone& zone) {
  constexpr std::int64_t kJanuary = 1'704'067'200;  // 2024: the names that a zone has nowadays
  constexpr std::int64_t kJuly = 1'719'792'000;
  if (name == "GMT" || name == "UTC") return find(name);  // also where London's winter is meant
  for (const std::int64_t moment : {kJanuary, kJuly}) {
    if (equal_ignoring_case(zone.at(moment).abbreviation, name)) return zone;
  }
  for (const ShortId& known : kTextNames) {
    if (equal_ignoring_case(known.id, name)) return find(known.zone);
  }
  return find(name);
}

TimeZone::Offset TimeZone::at(std::int64_t utc_seconds) const {
  if (zone_ == nullptr) return {fixed_seconds_, name_};
  try {
    const auto info = static_cast<const date::time_zone*>(zone_)->get_info(sys(utc_seconds));
    return {info.offset.count(), info.abbrev};
  } catch (const std::exception&) {
    return {0, "UTC"};
  }
}

std::int64_t TimeZone::to_utc(std::int64_t local_seconds) const {
  if (zone_ == nullptr) return local_seconds - fixed_seconds_;
  try {
    const date::local_seconds local(
        std::chrono::seconds(std::clamp(local_seconds, -kFarSeconds, kFarSeconds)));
    const auto info = static_cast<const date::time_zone*>(zone_)->get_info(local);
    return local_seconds - info.first.offset.count();
  } catch (const std::exception&) {
    return local_seconds;
  }
}

}  // namespace runnel::el
