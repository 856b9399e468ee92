// Writing dates, and what both directions share, as time_format.h says.

#include "agent/flow/el/time_format.h"

#include <array>

#include "agent/flow/el/calendar.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

void append_padded(std::string& out, std::int64_t number, int width) {
  const std::string digits = std::to_string(number < 0 ? -number : number);
  if (number < 0) out += '-';
  const auto size = static_cast<int>(digits.size());
  if (size < width) out.append(static_cast<std::size_t>(width - size), '0');
  out += digits;
}

// "+08", "+0830", "+08:30": by java.time's count of X, x and Z.
void append_offset(std::string& out, std::int64_t seconds, bool has_minutes, bool has_colon,
                   bool are_minutes_optional) {
  const std::int64_t size = seconds < 0 ? -seconds : seconds;
  out += seconds < 0 ? '-' : '+';
  append_padded(out, size / 3600, 2);
  const std::int64_t minutes = size / 60 % 60;
  if (!has_minutes || (are_minutes_optional && minutes == 0)) return;
  if (has_colon) out += ':';
  append_padded(out, minutes, 2);
}

void append_gmt_offset(std::string& out, std::int64_t seconds, bool is_full) {
  out += "GMT";
  if (seconds == 0) return;
  const std::int64_t size = seconds < 0 ? -seconds : seconds;
  out += seconds < 0 ? '-' : '+';
  append_padded(out, size / 3600, is_full ? 2 : 1);
  if (is_full || size / 60 % 60 != 0) {
    out += ':';
    append_padded(out, size / 60 % 60, 2);
  }
}

void append_zone(std::string& out, const TimeFormat::Piece& piece, const TimeZone& zone,
                 const TimeZone::Offset& offset) {
  switch (piece.letter) {
    case 'z':
      out += offset.abbreviation;
      return;
    case 'V':
      out += zone.name();
      return;
    case 'O':
      append_gmt_offset(out, offset.seconds, piece.count >= 4);
      return;
    case 'Z':
      if (piece.count == 4) return append_gmt_offset(out, offset.seconds, true);
      if (piece.count == 5 && offset.seconds == 0) {
        out += 'Z';
        return;
      }
      return append_offset(out, offset.seconds, true, piece.count == 5, false);
    default:  // X and x
      if (piece.letter == 'X' && offset.seconds == 0) {
        out += 'Z';
        return;
      }
      append_offset(out, offset.seconds, true, piece.count == 3 || piece.count == 5,
                    piece.count == 1);
  }
}

void append_name(std::string& out, std::string_view name, int count) {
  out += name.substr(0, count == 4 ? name.size() : (count == 5 ? 1 : 3));
}

void append_date(std::string& out, const TimeFormat::Piece& piece, const LocalTime& local) {
  const int count = piece.count;
  switch (piece.letter) {
    case 'G':
      out += local.year > 0 ? "AD" : "BC";
      return;
    case 'y':
    case 'u':
    case 'Y': {
      std::int64_t year = piece.letter == 'Y' ? local.week_year() : local.year;
      if (piece.letter == 'y' && year <= 0) year = 1 - year;
      if (count == 2) return append_padded(out, (year < 0 ? -year : year) % 100, 2);
      return append_padded(out, year, count);
    }
    case 'M':
    case 'L':
      if (count <= 2) return append_padded(out, local.month, count);
      return append_name(out, kMonths[static_cast<std::size_t>(local.month - 1)], count);
    case 'Q':
    case 'q':
      if (count >= 3) out += 'Q';
      return append_padded(out, (local.month + 2) / 3, count >= 3 ? 1 : count);
    case 'E':
      return append_name(out, kWeekdays[static_cast<std::size_t>(local.weekday)], count);
    case 'e':
    case 'c':
      if (count <= 2) return append_padded(out, local.weekday + 1, count);
      return append_name(out, kWeekdays[static_cast<std::size_t>(local.weekday)], count);
    case 'd':
      return append_padded(out, local.day, count);
    case 'D':
      return append_padded(out, local.day_of_year, count);
    case 'w':
      return append_padded(out, local.week_of_year(), count);
    case 'W':
      return append_padded(out, local.week_of_month(), count);
    default:  // F
      return append_padded(out, (local.day - 1) / 7 + 1, count);
  }
}

void append_time(std::string& out, const TimeFormat::Piece& piece, const LocalTime& local) {
  const int count = piece.count;
  const std::int64_t second_of_day = (local.hour * 60 + local.minute) * 60 + local.second;
  switch (piece.letter) {
    case 'a':
      out += local.hour < 12 ? "AM" : "PM";
      return;
    case 'H':
      return append_padded(out, local.hour, count);
    case 'k':
      return append_padded(out, local.hour == 0 ? 24 : local.hour, count);
    case 'K':
      return append_padded(out, local.hour % 12, count);
    case 'h':
      return append_padded(out, local.hour % 12 == 0 ? 12 : local.hour % 12, count);
    case 'm':
      return append_padded(out, local.minute, count);
    case 's':
      return append_padded(out, local.second, count);
    case 'S': {
      std::string digits;
      append_padded(digits, local.nano, 9);
      digits.resize(static_cast<std::size_t>(count), '0');
      out += digits;
      return;
    }
    case 'A':
      return append_padded(out, second_of_day * 1000 + local.nano / 1'000'000, count);
    case 'n':
      return append_padded(out, local.nano, count);
    default:  // N
      return append_padded(out, second_of_day * 1'000'000'000 + local.nano, count);
  }
}

}  // namespace

Result<TimeFormat> TimeFormat::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) {
    return invalid("the date pattern is longer than " + std::to_string(kMaxPattern) + " bytes");
  }
  std::vector<Piece> pieces;
  int optional_depth = 0;
  const auto literal = [&](std::string_view text) {
    if (pieces.empty() || pieces.back().letter != '\0') pieces.push_back({});
    pieces.back().literal += text;
  };
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\'') {
      const std::size_t end = pattern.find('\'', i + 1);
      if (end == std::string_view::npos) {
        return invalid("the date pattern `" + std::string(pattern) + "` never closes its `'`");
      }
      literal(end == i + 1 ? "'" : pattern.substr(i + 1, end - i - 1));
      // 'o''clock': two quotes inside a quoted part are one.
      i = end;
      while (end != i + 1 && i + 1 < pattern.size() && pattern[i + 1] == '\'') {
        const std::size_t next = pattern.find('\'', i + 2);
        if (next == std::string_view::npos) break;
        literal("'");
        literal(pattern.substr(i + 2, next - i - 2));
        i = next;
      }
    } else if (c == '[' || c == ']') {
      optional_depth += c == '[' ? 1 : -1;
      if (optional_depth < 0) return invalid("the date pattern closes a `]` that is not open");
      if (optional_depth > 8) return invalid("the date pattern nests `[` more than 8 deep");
      pieces.push_back({c, 1, {}});
    } else if (!is_letter(c)) {
      literal(pattern.substr(i, 1));
    } else {
      if (std::string_view("GyuYMLQqEecdDwWFaHkKhmsSAnNzVOZXx").find(c) == std::string_view::npos) {
        return invalid("`" + std::string(1, c) +
                       "` is no letter of a date pattern; put text in `'`");
      }
      std::size_t end = i;
      while (end < pattern.size() && pattern[end] == c) ++end;
      const std::size_t count = end - i;
      if (count > 19 || (c == 'S' && count > 9)) {
        return invalid("the date pattern repeats `" + std::string(1, c) + "` too often");
      }
      pieces.push_back({c, static_cast<int>(count), {}});
      i = end - 1;
    }
  }
  return TimeFormat(std::move(pieces));
}

std::string TimeFormat::format(Moment moment, const TimeZone& zone) const {
  const std::int64_t second = floor_divide(moment.ms, 1000);
  const TimeZone::Offset offset = zone.at(second);
  LocalTime local = local_time(second + offset.seconds);
  local.nano = floor_modulo(moment.ms, 1000) * 1'000'000 + moment.nanos;
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.letter == '\0') {
      out += piece.literal;
    } else if (std::string_view("GyuYMLQqEecdDwWF").find(piece.letter) != std::string_view::npos) {
      append_date(out, piece, local);
    } else if (std::string_view("zVOZXx").find(piece.letter) != std::string_view::npos) {
      append_zone(out, piece, zone, offset);
    } else if (piece.letter != '[' && piece.letter != ']') {
      append_time(out, piece, local);
    }
  }
  return out;
}

void append_java_date(std::string& out, std::int64_t ms, std::string_view zone_name) {
  static const TimeFormat kFormat = *TimeFormat::compile("EEE MMM dd HH:mm:ss z yyyy");
  auto zone = TimeZone::find(zone_name);
  if (!zone.ok()) zone = TimeZone::find("UTC");
  out += kFormat.format({ms, 0}, *zone);
}

void append_java_instant(std::string& out, std::int64_t ms, std::uint32_t nanos) {
  static const TimeFormat kSecond = *TimeFormat::compile("uuuu-MM-dd'T'HH:mm:ss");
  static const TimeZone kUtc = *TimeZone::find("UTC");
  out += kSecond.format({ms, nanos}, kUtc);
  const std::int64_t nano = floor_modulo(ms, 1000) * 1'000'000 + nanos;
  if (nano != 0) {
    std::string digits;
    append_padded(digits, nano, 9);
    while (digits.ends_with("000")) digits.resize(digits.size() - 3);
    out += '.' + digits;
  }
  out += 'Z';
}

}  // namespace runnel::el
