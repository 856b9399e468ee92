// Reading dates, as time_format.h says.

#include <algorithm>
#include <array>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/flow/el/calendar.h"
#include "agent/flow/el/time_format.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

// Far beyond any date, and small enough that no sum below overflows.
constexpr std::int64_t kYearMax = 1'000'000;

using Piece = TimeFormat::Piece;

bool is_numeric(const Piece& piece) {
  if (piece.letter == 'M' || piece.letter == 'L') return piece.count <= 2;
  return std::string_view("yuYdDwWFHkKhmsSAnNQq").find(piece.letter) != std::string_view::npos;
}

struct Fields {
  std::int64_t year = 1970;
  std::int64_t month = 1;
  std::int64_t day = 1;
  bool has_year = false;
  bool has_month = false;
  bool has_day = false;
  std::int64_t weekday = 0;  // 1: Sunday; 0: none was read
  std::optional<std::int64_t> day_of_year;
  std::optional<std::int64_t> hour;
  std::optional<std::int64_t> hour_of_half;  // 0..11
  std::optional<bool> is_afternoon;
  bool is_before_christ = false;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t nano = 0;
  std::optional<std::int64_t> nano_of_day;
  std::optional<TimeZone> zone;

  // Year 1 before Christ is 0.
  std::int64_t counted_year() const { return is_before_christ ? 1 - year : year; }
};

class Reader {
 public:
  Reader(std::string_view text, const TimeZone& zone) : text_(text), zone_(zone) {}

  bool at_end() const { return at_ == text_.size(); }
  std::size_t at() const { return at_; }
  void go_back(std::size_t at) { at_ = at; }

  bool read(const std::vector<Piece>& pieces, std::size_t begin, std::size_t end, Fields& fields) {
    for (std::size_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[i];
      if (piece.letter == '[') {
        const std::size_t close = closing(pieces, i, end);
        const Fields before = fields;
        const std::size_t where = at_;
        if (!read(pieces, i + 1, close, fields)) {
          fields = before;
          at_ = where;
        }
        i = close;
        continue;
      }
      if (piece.letter == ']') continue;
      const bool is_adjacent = i + 1 < end && is_numeric(pieces[i + 1]);
      if (!read_piece(piece, is_adjacent, fields)) return false;
    }
    return true;
  }

 private:
  static std::size_t closing(const std::vector<Piece>& pieces, std::size_t open, std::size_t end) {
    int depth = 0;
    for (std::size_t i = open; i < end; ++i) {
      if (pieces[i].letter == '[') ++depth;
      if (pieces[i].letter == ']' && --depth == 0) return i;
    }
    return end;
  }

  bool read_piece(const Piece& piece, bool is_adjacent, Fields& fields) {
    switch (piece.letter) {
      case '\0':
        return read_literal(piece.literal);
      case 'E':
        return read_name(kWeekdays, fields.weekday);
      case 'e':
      case 'c':
        return piece.count >= 3 ? read_name(kWeekdays, fields.weekday)
                                : number(1, false).has_value();
      case 'a':
        return read_half(fields);
      case 'G':
        return read_era(fields);
      case 'z':
      case 'V':
      case 'O':
        return read_zone(piece.letter == 'z', fields);
      case 'X':
      case 'x':
      case 'Z':
        return read_offset(fields);
      case 'M':
      case 'L':
        if (piece.count < 3) break;
        fields.has_month = true;
        return read_name(kMonths, fields.month);
      case 'S':
        return read_fraction(piece.count, is_adjacent, fields);
      default:
        break;
    }
    const std::size_t before = at_;
    const std::optional<std::int64_t> value = number(piece.count, is_adjacent);
    return value && set(piece, *value, at_ - before, fields);
  }

  bool set(const Piece& piece, std::int64_t value, std::size_t digits, Fields& fields) {
    const auto within = [value](std::int64_t least, std::int64_t most) {
      return value >= least && value <= most;
    };
    switch (piece.letter) {
      case 'y':
      case 'u':
      case 'Y':
        fields.year = piece.count == 2 && digits == 2 ? 2000 + value : value;
        fields.has_year = piece.letter != 'Y';
        return within(-kYearMax, kYearMax) && (piece.letter != 'y' || fields.year > 0);
      case 'M':
      case 'L':
        fields.month = value;
        fields.has_month = true;
        return within(1, 12);
      case 'd':
        fields.day = value;
        fields.has_day = true;
        return within(1, 31);
      case 'D':
        fields.day_of_year = value;
        return within(1, 366);
      case 'H':
        fields.hour = value;
        return within(0, 24);
      case 'k':
        fields.hour = value % 24;
        return within(0, 24);
      case 'K':
        fields.hour_of_half = value;
        return within(0, 11);
      case 'h':
        fields.hour_of_half = value % 12;
        return within(0, 12);
      case 'm':
        fields.minute = value;
        return within(0, 59);
      case 's':
        fields.second = value;
        return within(0, 59);
      case 'n':
        fields.nano = value;
        return within(0, 999'999'999);
      case 'A':
        if (!within(0, 86'399'999)) return false;
        fields.nano_of_day = value * 1'000'000;
        return true;
      case 'N':
        fields.nano_of_day = value;
        return within(0, 86'399'999'999'999);
      default:  // weeks, quarters and days of the week are read and not needed
        return true;
    }
  }

  // As many digits as there are, or as the pattern has letters when digits of another field follow.
  std::optional<std::int64_t> number(int count, bool is_adjacent) {
    bool is_negative = false;
    if (!at_end() && (text_[at_] == '-' || text_[at_] == '+') && at_ + 1 < text_.size() &&
        is_digit(text_[at_ + 1]) && count != 2) {
      is_negative = text_[at_] == '-';
      ++at_;
    }
    const std::size_t limit = is_adjacent ? static_cast<std::size_t>(count) : 17;
    std::int64_t value = 0;
    std::size_t digits = 0;
    while (digits < limit && !at_end() && is_digit(text_[at_])) {
      value = value * 10 + (text_[at_] - '0');
      ++digits;
      ++at_;
    }
    if (digits == 0) return std::nullopt;
    return is_negative ? -value : value;
  }

  bool read_fraction(int count, bool is_adjacent, Fields& fields) {
    const int limit = is_adjacent ? count : 9;
    std::int64_t value = 0;
    int digits = 0;
    while (digits < limit && !at_end() && is_digit(text_[at_])) {
      value = value * 10 + (text_[at_++] - '0');
      ++digits;
    }
    if (digits == 0) return false;
    for (int i = digits; i < 9; ++i) value *= 10;
    fields.nano = value;
    return true;
  }

  bool read_literal(std::string_view literal) {
    if (!equal_ignoring_case(text_.substr(at_, literal.size()), literal)) return false;
    at_ += literal.size();
    return true;
  }

  // The full name or its first three letters.
  template <std::size_t N>
  bool read_name(const std::array<std::string_view, N>& names, std::int64_t& index) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}}) {
      for (std::size_t i = 0; i < N; ++i) {
        const std::string_view name = size == 0 ? names[i] : names[i].substr(0, size);
        if (!equal_ignoring_case(text_.substr(at_, name.size()), name)) continue;
        at_ += name.size();
        index = static_cast<std::int64_t>(i) + 1;
        return true;
      }
    }
    return false;
  }

  bool read_half(Fields& fields) {
    const std::string_view half = text_.substr(at_, 2);
    fields.is_afternoon = equal_ignoring_case(half, "pm");
    if (!*fields.is_afternoon && !equal_ignoring_case(half, "am")) return false;
    at_ += 2;
    return true;
  }

  bool read_era(Fields& fields) {
    const std::string_view era = text_.substr(at_, 2);
    fields.is_before_christ = equal_ignoring_case(era, "bc");
    if (!fields.is_before_christ && !equal_ignoring_case(era, "ad")) return false;
    at_ += 2;
    return true;
  }

  bool read_zone(bool may_be_short, Fields& fields) {
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_letter(text_[end]) || is_digit(text_[end]) ||
            std::string_view("/_+-:").find(text_[end]) != std::string_view::npos)) {
      ++end;
    }
    if (end == at_) return false;
    const std::string_view name = text_.substr(at_, end - at_);
    auto zone = may_be_short ? TimeZone::of_short_name(name, zone_) : TimeZone::find(name);
    if (!zone.ok()) return false;
    fields.zone = std::move(zone).value();
    at_ = end;
    return true;
  }

  bool read_offset(Fields& fields) {
    std::size_t end = at_;
    if (end < text_.size() && (text_[end] == 'Z' || text_[end] == 'z')) {
      fields.zone = *TimeZone::find("UTC");
      ++at_;
      return true;
    }
    if (text_.substr(end, 3) == "GMT") end += 3;
    if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
    while (end < text_.size() &&
           (is_digit(text_[end]) ||
            (text_[end] == ':' && end + 1 < text_.size() && is_digit(text_[end + 1])))) {
      ++end;
    }
    if (end == at_) return false;
    auto zone = TimeZone::find(text_.substr(at_, end - at_));
    if (!zone.ok()) return false;
    fields.zone = std::move(zone).value();
    at_ = end;
    return true;
  }

  std::string_view text_;
  const TimeZone& zone_;
  std::size_t at_ = 0;
};

std::int64_t days_of_month(std::int64_t year, std::int64_t month) {
  const std::int64_t next = days_from_civil(year + month / 12, month % 12 + 1, 1);
  return next - days_from_civil(year, month, 1);
}

// The fields as seconds since 1970 in local time; nothing when they contradict each other. As
// java.time with ResolverStyle.SMART: a day that its month does not have is the month's last.
std::optional<std::int64_t> local_second(const Fields& fields) {
  const std::int64_t year = fields.counted_year();
  const std::int64_t day = std::min(fields.day, days_of_month(year, fields.month));
  std::int64_t days = days_from_civil(year, fields.month, day);
  if (fields.day_of_year) {
    days = days_from_civil(year, 1, 1) + *fields.day_of_year - 1;
    if (days >= days_from_civil(year + 1, 1, 1)) return std::nullopt;
  }
  const bool is_date =
      fields.has_year && (fields.day_of_year || (fields.has_month && fields.has_day));
  const bool is_weekday = fields.weekday > 0;
  if (is_date && is_weekday && floor_modulo(days + 4, 7) != fields.weekday - 1) return std::nullopt;
  if (fields.nano_of_day) return days * 86400 + *fields.nano_of_day / 1'000'000'000;

  const bool is_afternoon = fields.is_afternoon.value_or(false);
  std::int64_t hour = fields.hour.value_or(is_afternoon ? 12 : 0);
  if (fields.hour_of_half) {
    hour = *fields.hour_of_half + (is_afternoon ? 12 : 0);
  } else if (hour == 24) {
    if (fields.minute != 0 || fields.second != 0 || fields.nano != 0) return std::nullopt;
  } else if (fields.is_afternoon && is_afternoon != (hour >= 12)) {
    return std::nullopt;
  }
  return days * 86400 + hour * 3600 + fields.minute * 60 + fields.second;
}

// Whether it means another day than it names.
bool has_turned(const Fields& fields) {
  return fields.day > days_of_month(fields.counted_year(), fields.month) || fields.hour == 24;
}

}  // namespace

Result<Moment> TimeFormat::parse(std::string_view text, const TimeZone& zone) const {
  return parse(text, zone, false);
}

bool TimeFormat::fits_strictly(std::string_view text, const TimeZone& zone) const {
  return parse(text, zone, true).ok();
}

Result<Moment> TimeFormat::parse(std::string_view text, const TimeZone& zone,
                                 bool is_strict) const {
  const std::string_view body = trimmed(text);
  const auto wrong = [&] {
    return invalid("`" + std::string(text.substr(0, 100)) + "` does not fit the date pattern");
  };
  if (body.size() > 4 * kMaxPattern) return wrong();
  Reader reader(body, zone);
  Fields fields;
  if (!reader.read(pieces_, 0, pieces_.size(), fields) || !reader.at_end()) return wrong();
  const std::optional<std::int64_t> second = local_second(fields);
  if (!second) return wrong();
  if (fields.nano_of_day) fields.nano = *fields.nano_of_day % 1'000'000'000;
  const TimeZone& there = fields.zone ? *fields.zone : zone;
  const std::int64_t utc = there.to_utc(*second);
  const bool is_resolved = has_turned(fields) || utc + there.at(utc).seconds != *second;
  if (is_strict && is_resolved) return wrong();
  return Moment{utc * 1000 + fields.nano / 1'000'000,
                static_cast<std::uint32_t>(fields.nano % 1'000'000)};
}

}  // namespace runnel::el
