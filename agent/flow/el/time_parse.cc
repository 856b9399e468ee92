// Reading dates, as time_format.h says.

#include <array>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/flow/el/calendar.h"
#include "agent/flow/el/time_format.h"

namespace runnel::el {
namespace {

// Far beyond any date, and small enough that no sum below overflows.
constexpr std::int64_t kFieldMax = 1'000'000'000;
constexpr std::int64_t kYearMax = 1'000'000;

using Piece = TimeFormat::Piece;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_numeric(const Piece& piece) {
  if (piece.letter == 'M' || piece.letter == 'L') return piece.count <= 2;
  return std::string_view("yuYdDwWFHkKhmsSAnNQq").find(piece.letter) != std::string_view::npos;
}

struct Fields {
  std::int64_t year = 1970;
  std::int64_t month = 1;
  std::int64_t day = 1;
  std::optional<std::int64_t> day_of_year;
  std::int64_t hour = 0;
  std::optional<std::int64_t> hour_of_half;  // 0..11
  bool is_afternoon = false;
  bool is_before_christ = false;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t nano = 0;
  std::optional<std::int64_t> nano_of_day;
  std::optional<TimeZone> zone;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

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
        return read_name(kWeekdays, nullptr);
      case 'e':
      case 'c':
        return piece.count >= 3 ? read_name(kWeekdays, nullptr) : number(1, false).has_value();
      case 'a':
        return read_half(fields);
      case 'G':
        return read_era(fields);
      case 'z':
      case 'V':
      case 'O':
        return read_zone(fields);
      case 'X':
      case 'x':
      case 'Z':
        return read_offset(fields);
      case 'M':
      case 'L':
        if (piece.count >= 3) return read_name(kMonths, &fields.month);
        break;
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
    const bool is_of_day = piece.letter == 'A' || piece.letter == 'N' || piece.letter == 'n';
    const bool is_small = value <= kFieldMax && value >= -kFieldMax;
    if (is_of_day ? value < 0 : !is_small) return false;
    switch (piece.letter) {
      case 'y':
      case 'u':
      case 'Y':
        if (value > kYearMax || value < -kYearMax) return false;
        fields.year = piece.count == 2 && digits == 2 ? 2000 + value : value;
        return true;
      case 'M':
      case 'L':
        fields.month = value;
        return true;
      case 'd':
        fields.day = value;
        return true;
      case 'D':
        fields.day_of_year = value;
        return true;
      case 'H':
        fields.hour = value;
        return true;
      case 'k':
        fields.hour = value == 24 ? 0 : value;
        return true;
      case 'K':
      case 'h':
        fields.hour_of_half = value == 12 ? 0 : value;
        return true;
      case 'm':
        fields.minute = value;
        return true;
      case 's':
        fields.second = value;
        return true;
      case 'n':
        fields.nano = value;
        return value <= 999'999'999;
      case 'A':
        if (value > 86'400'000) return false;
        fields.nano_of_day = value * 1'000'000;
        return true;
      case 'N':
        fields.nano_of_day = value;
        return value <= 86'400'000'000'000;
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
  bool read_name(const std::array<std::string_view, N>& names, std::int64_t* index) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}}) {
      for (std::size_t i = 0; i < N; ++i) {
        const std::string_view name = size == 0 ? names[i] : names[i].substr(0, size);
        if (!equal_ignoring_case(text_.substr(at_, name.size()), name)) continue;
        at_ += name.size();
        if (index != nullptr) *index = static_cast<std::int64_t>(i) + 1;
        return true;
      }
    }
    return false;
  }

  bool read_half(Fields& fields) {
    const std::string_view half = text_.substr(at_, 2);
    fields.is_afternoon = equal_ignoring_case(half, "pm");
    if (!fields.is_afternoon && !equal_ignoring_case(half, "am")) return false;
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

  bool read_zone(Fields& fields) {
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_letter(text_[end]) || is_digit(text_[end]) ||
            std::string_view("/_+-:").find(text_[end]) != std::string_view::npos)) {
      ++end;
    }
    if (end == at_) return false;
    auto zone = TimeZone::find(text_.substr(at_, end - at_));
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
  std::size_t at_ = 0;
};

}  // namespace

Result<Moment> TimeFormat::parse(std::string_view text, const TimeZone& zone) const {
  const std::string_view body = trimmed(text);
  const auto wrong = [&] {
    return invalid("`" + std::string(text.substr(0, 100)) + "` does not fit the date pattern");
  };
  if (body.size() > 4 * kMaxPattern) return wrong();
  Reader reader(body);
  Fields fields;
  if (!reader.read(pieces_, 0, pieces_.size(), fields) || !reader.at_end()) return wrong();

  if (fields.is_before_christ) fields.year = 1 - fields.year;
  if (fields.hour_of_half) {
    fields.hour = *fields.hour_of_half + (fields.is_afternoon ? 12 : 0);
  } else if (fields.is_afternoon && fields.hour < 12) {
    fields.hour += 12;
  }
  const std::int64_t month = fields.month - 1;
  const std::int64_t year = fields.year + floor_divide(month, 12);
  std::int64_t days = days_from_civil(year, floor_modulo(month, 12) + 1, 1) + fields.day - 1;
  if (fields.day_of_year) days = days_from_civil(year, 1, 1) + *fields.day_of_year - 1;
  std::int64_t second = days * 86400 + fields.hour * 3600 + fields.minute * 60 + fields.second;
  if (fields.nano_of_day) {
    second = days * 86400 + *fields.nano_of_day / 1'000'000'000;
    fields.nano = *fields.nano_of_day % 1'000'000'000;
  }
  const std::int64_t utc = (fields.zone ? *fields.zone : zone).to_utc(second);
  return Moment{utc * 1000 + fields.nano / 1'000'000,
                static_cast<std::uint32_t>(fields.nano % 1'000'000)};
}

}  // namespace runnel::el
