// Parses cron expressions and finds the next moment; a door to `date` for the time zones.

#include "agent/flow/cron.h"

#include <date/tz.h>

#include <array>
#include <span>
#include <stdexcept>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::int64_t kDay = 86'400;

constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays{"SUN", "MON", "TUE", "WED",
                                                    "THU", "FRI", "SAT"};

struct Range {
  std::string_view name;
  unsigned min;
  unsigned max;
  std::span<const std::string_view> names = {};  // names[0] is `min`
};

constexpr Range kSeconds{"seconds", 0, 59};
constexpr Range kMinutes{"minutes", 0, 59};
constexpr Range kHours{"hours", 0, 23};
constexpr Range kDays{"day of month", 1, 31};
const Range kMonthRange{"month", 1, 12, kMonths};
const Range kWeekdayRange{"day of week", 1, 7, kWeekdays};
constexpr Range kYears{"year", 1970, 2099};

Error bad(const Range& range, std::string_view text) {
  std::string what = "cron: `" + std::string(text) + "` is no " + std::string(range.name) + ": " +
                     std::to_string(range.min) + " to " + std::to_string(range.max);
  if (!range.names.empty()) {
    what += " or " + std::string(range.names.front()) + " to " + std::string(range.names.back());
  }
  return invalid(what + ", `*`, lists, ranges and steps are allowed");
}

Result<unsigned> parse_value(const Range& range, std::string_view text) {
  for (std::size_t i = 0; i < range.names.size(); ++i) {
    if (equal_ignoring_case(range.names[i], text)) return range.min + static_cast<unsigned>(i);
  }
  const bool is_digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  const Result<std::int64_t> number = is_digits ? parse_int(text) : bad(range, text);
  if (!number.ok() || *number < range.min || *number > range.max) return bad(range, text);
  return static_cast<unsigned>(*number);
}

// One part of a list: `*`, `5`, `1-5`, `0/15`, `*/2`, `/2` (the same, as Quartz has it), `10-50/5`.
template <typename Visit>
Result<> parse_part(const Range& range, std::string_view part, Visit&& visit) {
  unsigned step = 1;
  const std::size_t slash = part.find('/');
  if (slash != part.npos) {
    const Result<std::int64_t> parsed = parse_int(part.substr(slash + 1));
    if (!parsed.ok() || *parsed < 1 || *parsed > range.max) return bad(range, part);
    step = static_cast<unsigned>(*parsed);
  }
  const std::string_view base = slash == 0 ? "*" : part.substr(0, slash);
  unsigned from = range.min;
  unsigned to = range.max;
  const std::size_t dash = base.find('-');
  if (base != "*" && dash != base.npos) {
    TRY_ASSIGN(first, parse_value(range, base.substr(0, dash)));
    TRY_ASSIGN(last, parse_value(range, base.substr(dash + 1)));
    from = first;
    to = last;
  } else if (base != "*") {
    TRY_ASSIGN(only, parse_value(range, base));
    from = only;
    if (slash == part.npos) to = only;
  }
  const unsigned span = range.max - range.min + 1;
  if (to < from) to += span;
  for (unsigned value = from; value <= to; value += step) {
    visit(value > range.max ? value - span : value);
  }
  return {};
}

template <std::size_t N>
Result<> parse_field(const Range& range, std::string_view field, std::bitset<N>& into,
                     unsigned base = 0) {
  for (const std::string_view part : split(field, ',')) {
    TRY(parse_part(range, part, [&](unsigned value) { into.set(value - base); }));
  }
  return {};
}

// What stands behind `L`: nothing, or `-3`.
Result<unsigned> parse_before_last(std::string_view part, std::string_view text) {
  if (text.empty()) return 0U;
  const Result<std::int64_t> before = text[0] == '-' ? parse_int(text.substr(1)) : 0;
  if (!before.ok() || *before < 1 || *before > 30) {
    return invalid("cron: `" + std::string(part) + "`: `L-1` to `L-30` are allowed");
  }
  return static_cast<unsigned>(*before);
}

std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == text.npos) break;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    fields.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return fields;
}

date::year_month_day date_of(int year, unsigned month, unsigned day) {
  return date::year{year} / static_cast<int>(month) / static_cast<int>(day);
}

unsigned last_day_of(int year, unsigned month) {
  const date::year_month_day_last last{date::year{year}, date::month_day_last{date::month{month}}};
  return static_cast<unsigned>(last.day());
}

unsigned weekday_of(int year, unsigned month, unsigned day) {
  return date::weekday{date::sys_days{date_of(year, month, day)}}.c_encoding();
}

// The weekday (Monday to Friday) nearest to this day, within the same month; 0: it has no such day.
unsigned nearest_weekday(int year, unsigned month, unsigned day) {
  const unsigned last = last_day_of(year, month);
  if (day == 0 || day > last) return 0;
  switch (weekday_of(year, month, day)) {
    case 6:
      return day == 1 ? 3 : day - 1;
    case 0:
      return day == last ? day - 2 : day + 1;
    default:
      return day;
  }
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  const std::vector<std::string_view> fields = fields_of(text);
  if (fields.size() != 6 && fields.size() != 7) {
    return invalid("cron: `" + std::string(text.substr(0, 80)) + "` has " +
                   std::to_string(fields.size()) +
                   " fields; it needs 6 or 7: seconds minutes hours day-of-month month day-of-week "
                   "[year]");
  }
  Cron cron;
  cron.text_ = std::string(text);
  TRY(parse_field(kSeconds, fields[0], cron.seconds_));
  TRY(parse_field(kMinutes, fields[1], cron.minutes_));
  TRY(parse_field(kHours, fields[2], cron.hours_));
  TRY(cron.parse_day_of_month(fields[3]));
  TRY(parse_field(kMonthRange, fields[4], cron.months_));
  TRY(cron.parse_day_of_week(fields[5]));
  TRY(parse_field(kYears, fields.size() == 7 ? fields[6] : "*", cron.years_, kFirstYear));
  return cron;
}

Result<> Cron::parse_day_of_month(std::string_view field) {
  any_day_of_month_ = field == "?" || field == "*";
  if (any_day_of_month_) return {};
  for (const std::string_view part : split(field, ',')) {
    const bool is_nearest = part.size() > 1 && (part.back() == 'W' || part.back() == 'w');
    const std::string_view day_text = part.substr(0, part.size() - (is_nearest ? 1 : 0));
    const bool is_from_last = equal_ignoring_case(day_text.substr(0, 1), "L");
    if (is_from_last) {
      TRY_ASSIGN(before, parse_before_last(part, day_text.substr(1)));
      if (is_nearest) {
        nearest_weekdays_.push_back({.day = before, .is_from_last = true});
      } else {
        days_before_last_.push_back(before);
      }
    } else if (is_nearest) {
      TRY_ASSIGN(day, parse_value(kDays, day_text));
      nearest_weekdays_.push_back({.day = day, .is_from_last = false});
    } else {
      TRY(parse_part(kDays, part, [this](unsigned day) { days_.set(day); }));
    }
  }
  return {};
}

Result<> Cron::parse_day_of_week(std::string_view field) {
  any_day_of_week_ = field == "?" || field == "*";
  if (any_day_of_week_) return {};
  for (const std::string_view part : split(field, ',')) {
    const std::size_t hash = part.find('#');
    if (equal_ignoring_case(part, "L")) {
      weekdays_.set(6);  // Quartz: by itself it is Saturday
    } else if (hash != part.npos) {
      TRY_ASSIGN(weekday, parse_value(kWeekdayRange, part.substr(0, hash)));
      const Result<std::int64_t> nth = parse_int(part.substr(hash + 1));
      if (!nth.ok() || *nth < 1 || *nth > 5) {
        return invalid("cron: `" + std::string(part) + "`: `#1` to `#5` are allowed");
      }
      nth_weekdays_.push_back({weekday - 1, static_cast<unsigned>(*nth)});
    } else if (part.size() > 1 && (part.back() == 'L' || part.back() == 'l')) {
      TRY_ASSIGN(weekday, parse_value(kWeekdayRange, part.substr(0, part.size() - 1)));
      nth_weekdays_.push_back({weekday - 1, 0});
    } else {
      TRY(parse_part(kWeekdayRange, part, [this](unsigned day) { weekdays_.set(day - 1); }));
    }
  }
  return {};
}

bool Cron::day_of_month_holds(int year, unsigned month, unsigned day) const {
  if (any_day_of_month_ || days_[day]) return true;
  const unsigned last = last_day_of(year, month);
  for (const unsigned before : days_before_last_) {
    if (last > before && day == last - before) return true;
  }
  for (const NearestWeekday& nearest : nearest_weekdays_) {
    const unsigned wanted = !nearest.is_from_last ? nearest.day
                            : last > nearest.day  ? last - nearest.day
                                                  : 0;
    if (day == nearest_weekday(year, month, wanted)) return true;
  }
  return false;
}

bool Cron::day_of_week_holds(int year, unsigned month, unsigned day) const {
  if (any_day_of_week_) return true;
  const unsigned weekday = weekday_of(year, month, day);
  if (weekdays_[weekday]) return true;
  for (const NthWeekday& nth : nth_weekdays_) {
    if (nth.weekday != weekday) continue;
    if (nth.nth == 0 ? day + 7 > last_day_of(year, month) : (day - 1) / 7 + 1 == nth.nth) {
      return true;
    }
  }
  return false;
}

bool Cron::holds_on(int year, unsigned month, unsigned day) const {
  return day_of_month_holds(year, month, day) && day_of_week_holds(year, month, day);
}

std::optional<std::int64_t> Cron::next_in_day(std::int64_t second_of_day) const {
  for (std::int64_t hour = second_of_day / 3600; hour < 24; ++hour) {
    if (!hours_[static_cast<std::size_t>(hour)]) continue;
    const std::int64_t in_hour = std::max<std::int64_t>(0, second_of_day - hour * 3600);
    for (std::int64_t minute = in_hour / 60; minute < 60; ++minute) {
      if (!minutes_[static_cast<std::size_t>(minute)]) continue;
      for (std::int64_t second = std::max<std::int64_t>(0, in_hour - minute * 60); second < 60;
           ++second) {
        if (seconds_[static_cast<std::size_t>(second)]) return hour * 3600 + minute * 60 + second;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> Cron::next_local(std::int64_t local_s) const {
  using date::days;
  std::int64_t day_number = local_s >= 0 ? local_s / kDay : (local_s - kDay + 1) / kDay;
  std::int64_t second = local_s - day_number * kDay;
  while (true) {
    const date::year_month_day day{date::sys_days{days{day_number}}};
    const int year = static_cast<int>(day.year());
    const unsigned month = static_cast<unsigned>(day.month());
    if (year > kLastYear) return std::nullopt;
    if (year < kFirstYear || !years_[static_cast<std::size_t>(year - kFirstYear)]) {
      day_number = date::sys_days{date_of(year + 1, 1, 1)}.time_since_epoch().count();
      second = 0;
      continue;
    }
    if (!months_[month]) {
      day_number += last_day_of(year, month) - static_cast<unsigned>(day.day()) + 1;
      second = 0;
      continue;
    }
    if (holds_on(year, month, static_cast<unsigned>(day.day()))) {
      if (const auto found = next_in_day(second)) return day_number * kDay + *found;
    }
    ++day_number;
    second = 0;
  }
}

Result<std::optional<std::int64_t>> Cron::next(std::int64_t after_ms,
                                               std::string_view time_zone) const {
  using std::chrono::seconds;
  const date::time_zone* zone = nullptr;
  try {
    zone = time_zone.empty() ? date::current_zone() : date::locate_zone(time_zone);
  } catch (const std::exception&) {
    if (!time_zone.empty()) {
      return invalid("no time zone `" + std::string(time_zone) +
                     "` on this machine; is the package tzdata installed?");
    }  // a machine that does not know where it is lives in UTC
  }
  std::int64_t from = (after_ms >= 0 ? after_ms / 1000 : (after_ms - 999) / 1000) + 1;
  if (!zone) {
    const auto found = next_local(from);
    return found ? std::optional(*found * 1000) : std::nullopt;
  }
  // Whether it means moments of the day, rather than something that recurs each hour.
  const bool is_by_hour = !hours_.all();
  std::int64_t repeated_until = INT64_MIN;  // local seconds that the last change gave twice
  for (int changes = 0; changes < 1000; ++changes) {
    const date::sys_info info = zone->get_info(date::sys_seconds{seconds{from}});
    const std::int64_t offset = info.offset.count();
    const std::int64_t end = info.end.time_since_epoch().count();
    const std::int64_t begin = info.begin.time_since_epoch().count();
    if (is_by_hour && begin > 0) {
      const date::sys_info before = zone->get_info(date::sys_seconds{seconds{begin - 1}});
      repeated_until = begin + before.offset.count();
    }
    const auto found = next_local(std::max(from + offset, is_by_hour ? repeated_until : INT64_MIN));
    if (!found) return std::optional<std::int64_t>{};
    if (*found - offset < end) return std::optional((*found - offset) * 1000);
    const std::int64_t next_offset = zone->get_info(info.end).offset.count();
    // Left out by the change. What recurs hourly comes at its minute of the hour behind it.
    if (is_by_hour && *found < end + next_offset) return std::optional(end * 1000);
    from = end;
  }
  return std::optional<std::int64_t>{};
}

}  // namespace runnel
