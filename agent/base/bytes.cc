// Text and bytes, as bytes.h says.

#include "agent/base/bytes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>

#include "agent/base/units.h"
#include "agent/base/words.h"

namespace runnel {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The length of the well-formed UTF-8 sequence at the head of `text`, or 0 (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

struct Unit {
  std::string_view name;
  double factor;
};

// Splits "12.5 MB" into its number and its unit.
Result<std::pair<double, std::string>> number_and_unit(std::string_view text) {
  const std::string_view whole = trimmed(text);
  const std::size_t end = whole.find_first_not_of("0123456789.");
  if (end == 0 || whole.empty())
    return invalid("`" + std::string(text) + "` begins with no number");
  TRY_ASSIGN(number, parse_double(whole.substr(0, end)));
  const std::string_view unit =
      end == std::string_view::npos ? std::string_view{} : trimmed(whole.substr(end));
  return std::pair(number, to_lower(unit));
}

constexpr std::array<Unit, 6> kSizeUnits{{{"b", 1.0},
                                          {"kb", 1024.0},
                                          {"mb", 1048576.0},
                                          {"gb", 1073741824.0},
                                          {"tb", 1099511627776.0},
                                          {"pb", 1125899906842624.0}}};

// NiFi's FormatUtils: nanoseconds to weeks, each with its short and long names.
constexpr std::array<Unit, 28> kPeriodUnits{
    {{"ns", 1.0},      {"nano", 1.0},     {"nanos", 1.0},        {"nanoseconds", 1.0},
     {"us", 1e3},      {"micros", 1e3},   {"microseconds", 1e3}, {"ms", 1e6},
     {"milli", 1e6},   {"millis", 1e6},   {"milliseconds", 1e6}, {"millisecond", 1e6},
     {"s", 1e9},       {"sec", 1e9},      {"secs", 1e9},         {"second", 1e9},
     {"seconds", 1e9}, {"m", 60e9},       {"min", 60e9},         {"mins", 60e9},
     {"minute", 60e9}, {"minutes", 60e9}, {"h", 3600e9},         {"hr", 3600e9},
     {"hrs", 3600e9},  {"hour", 3600e9},  {"hours", 3600e9},     {"d", 86400e9}}};
constexpr std::array<Unit, 6> kLongPeriodUnits{{{"day", 86400e9},
                                                {"days", 86400e9},
                                                {"w", 604800e9},
                                                {"wk", 604800e9},
                                                {"week", 604800e9},
                                                {"weeks", 604800e9}}};

// Two neighbours that changed places count as one edit: it is the commonest slip.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substituted});
      const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// What people and machines mostly write: a few digits, perhaps a point and some more. The digits
// and the power of ten are exact as doubles, so that the quotient is the nearest double, as
// std::from_chars has it. False: it is written otherwise.
bool take_plain(std::string_view text, double& number) {
  constexpr std::size_t kDigitsMax = 15;
  static constexpr std::array<double, kDigitsMax + 1> kPowers{
      1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool is_negative = at != end && *at == '-';
  if (is_negative) ++at;
  if (at == end || end - at > static_cast<std::ptrdiff_t>(kDigitsMax)) return false;
  std::int64_t digits = 0;
  const auto take_digits = [&] {
    const char* const begin = at;
    for (; at != end; ++at) {
      const auto digit = static_cast<unsigned char>(*at - '0');
      if (digit > 9) break;
      digits = digits * 10 + digit;
    }
    return at - begin;
  };
  if (take_digits() == 0) return false;
  std::ptrdiff_t decimals = 0;
  if (at != end) {
    if (*at++ != '.') return false;
    decimals = take_digits();
    if (at != end || decimals == 0) return false;
  }
  number = static_cast<double>(digits);
  if (decimals != 0) number /= kPowers[static_cast<std::size_t>(decimals)];
  if (is_negative) number = -number;
  return true;
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

std::string to_hex(std::span<const std::byte> bytes) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Result<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return invalid("hexadecimal text of odd length");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return invalid("no hexadecimal digit at " + std::to_string(i));
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= have ? kBase64Digits[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return invalid("base64 text of impossible length");
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kBase64Digits.find(text[i]);
    if (digit == std::string_view::npos) return invalid("no base64 digit at " + std::to_string(i));
    group = (group << 6) | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>((group >> bits) & 0xFF);
    }
  }
  return bytes;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : to_utf8(text)) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  if (!text.empty() && !is_blank(text.front()) && !is_blank(text.back())) return text;
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && to_lower(a) == to_lower(b);
}

Result<std::int64_t> parse_int(std::string_view text) {
  const std::string_view whole = trimmed(text);
  const std::string_view digits = !whole.empty() && whole[0] == '+' ? whole.substr(1) : whole;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range) {
    return invalid("`" + std::string(whole) + "` is too large");
  }
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return invalid("`" + std::string(text.substr(0, 64)) + "` is no whole number");
  }
  return number;
}

Result<double> parse_double(std::string_view text) {
  double number = 0;
  if (take_plain(text, number)) return number;
  const std::string_view whole = trimmed(text);
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), number);
  if (error != std::errc{} || end != whole.data() + whole.size()) {
    return invalid("`" + std::string(text.substr(0, 64)) + "` is no number");
  }
  return number;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  TRY_ASSIGN(parts, number_and_unit(text));
  const auto& [number, unit] = parts;
  double factor = 0;
  for (const Unit& one : kSizeUnits) {
    if (one.name == (unit.empty() ? "b" : std::string_view(unit))) factor = one.factor;
  }
  if (factor == 0) {
    return invalid("`" + std::string(text) + "`: unknown unit `" + unit +
                   "`; use B, KB, MB, GB, TB or PB");
  }
  const double bytes = number * factor;
  if (bytes > 9.0e18) return invalid("`" + std::string(text) + "` is too large");
  return static_cast<std::uint64_t>(std::llround(bytes));
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames{"B", "KB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return value == std::floor(value) ? fmt::format("{:.0f} {}", value, kNames[unit])
                                    : fmt::format("{:.1f} {}", value, kNames[unit]);
}

Result<std::chrono::nanoseconds> parse_period(std::string_view text) {
  TRY_ASSIGN(parts, number_and_unit(text));
  const auto& [number, unit] = parts;
  double factor = 0;
  for (const Unit& one : kPeriodUnits) {
    if (one.name == unit) factor = one.factor;
  }
  for (const Unit& one : kLongPeriodUnits) {
    if (one.name == unit) factor = one.factor;
  }
  if (factor == 0) {
    return invalid("`" + std::string(text) + "` has " +
                   (unit.empty() ? "no unit" : "an unknown unit `" + unit + "`") +
                   "; write for example `100 ms`, `5 sec`, `1 min`, `2 hours` or `3 days`");
  }
  const double nanoseconds = number * factor;
  if (nanoseconds > 9.0e18) return invalid("`" + std::string(text) + "` is too long");
  return std::chrono::nanoseconds(std::llround(nanoseconds));
}

std::vector<std::string_view> size_units() {
  std::vector<std::string_view> names;
  for (const Unit& one : kSizeUnits) names.push_back(one.name);
  return names;
}

std::vector<std::string_view> period_units() {
  std::vector<std::string_view> names;
  for (const Unit& one : kPeriodUnits) names.push_back(one.name);
  for (const Unit& one : kLongPeriodUnits) names.push_back(one.name);
  return names;
}

std::string period_text(std::chrono::nanoseconds period) {
  struct Step {
    std::int64_t ns;
    std::string_view name;
  };
  constexpr std::array<Step, 7> kSteps{{{86'400'000'000'000, "day"},
                                        {3'600'000'000'000, "hour"},
                                        {60'000'000'000, "min"},
                                        {1'000'000'000, "sec"},
                                        {1'000'000, "ms"},
                                        {1'000, "us"},
                                        {1, "ns"}}};
  if (period.count() == 0) return "0 sec";
  for (const Step& step : kSteps) {
    if (period.count() % step.ns == 0) {
      const std::int64_t count = period.count() / step.ns;
      // The short names stand for one and for many.
      const bool is_word = step.name == "day" || step.name == "hour";
      return is_word ? counted(count, step.name) : fmt::format("{} {}", count, step.name);
    }
  }
  return fmt::format("{} ns", period.count());
}

std::string iso_time(std::int64_t wall_ms) {
  std::int64_t seconds = wall_ms / 1000;
  std::int64_t millis = wall_ms % 1000;
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return "(out of range)";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     millis);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  if (word.size() > 256) return {};
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(to_lower(word), to_lower(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best_distance <= std::max<std::size_t>(1, word.size() / 3) ? best : std::string_view{};
}

std::string_view nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return nearest(word, std::span<const std::string_view>(views));
}

}  // namespace runnel
