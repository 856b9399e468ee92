// Coercions, as value.h says.

#include "agent/flow/el/value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "agent/base/bytes.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Java's narrowing of a double to a long: saturates, NaN is 0.
std::int64_t truncated(double decimal) {
  if (std::isnan(decimal)) return 0;
  if (decimal >= 9223372036854775808.0) return std::numeric_limits<std::int64_t>::max();
  if (decimal < -9223372036854775808.0) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(decimal);
}

template <typename Predicate>
std::size_t run(std::string_view text, std::size_t from, Predicate is_member) {
  std::size_t end = from;
  while (end < text.size() && is_member(text[end])) ++end;
  return end;
}

// The end of an exponent ("e+10") that begins at `from`, or `from` when there is none.
std::size_t exponent_end(std::string_view text, std::size_t from, char lower, char upper) {
  if (from >= text.size() || (text[from] != lower && text[from] != upper)) return from;
  std::size_t at = from + 1;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  const std::size_t end = run(text, at, is_digit);
  return end == at ? from : end;
}

// What from_chars does not say: whether it is too large or too small. A locale does not matter,
// since the programs never set one.
double out_of_range(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

Value signed_whole(std::uint64_t magnitude, bool is_negative) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  if (is_negative ? magnitude > kLimit : magnitude >= kLimit) {
    const double decimal = static_cast<double>(magnitude);
    return decimal_value(is_negative ? -decimal : decimal);
  }
  return number_value(static_cast<std::int64_t>(is_negative ? 0 - magnitude : magnitude));
}

// `body` has no sign and no "0x".
Value hex_from(std::string_view body, bool is_negative) {
  const std::size_t whole = run(body, 0, is_hex);
  std::size_t end = whole;
  std::size_t digits = whole;
  if (end < body.size() && body[end] == '.') {
    end = run(body, end + 1, is_hex);
    digits += end - whole - 1;
  }
  if (digits == 0) return null_value();
  if (end == body.size()) {
    std::uint64_t magnitude = 0;
    if (whole != body.size()) return null_value();  // Java wants the exponent: 0x1.1 is none
    const auto result = std::from_chars(body.data(), body.data() + body.size(), magnitude, 16);
    return result.ec == std::errc() ? signed_whole(magnitude, is_negative) : null_value();
  }
  if (exponent_end(body, end, 'p', 'P') != body.size() || end == body.size()) return null_value();
  // from_chars takes hexadecimal without "0x", and with an exponent that has no plus.
  std::string plain(body);
  if (plain.front() == '.') plain.insert(plain.begin(), '0');
  if (const std::size_t plus = plain.find('+'); plus != std::string::npos) plain.erase(plus, 1);
  double decimal = 0;
  const auto result =
      std::from_chars(plain.data(), plain.data() + plain.size(), decimal, std::chars_format::hex);
  if (result.ec == std::errc::result_out_of_range) {
    decimal = out_of_range("0x" + plain);
  }
  return decimal_value(is_negative ? -decimal : decimal);
}

}  // namespace

std::string_view name_of(Type type) {
  constexpr std::array<std::string_view, 7> kNames{"null", "String",  "Number", "Decimal",
                                                   "Date", "Instant", "Boolean"};
  return kNames[static_cast<std::size_t>(type)];
}

Value number_from(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  if (text.empty()) return null_value();
  const bool is_negative = text.front() == '-';
  if (is_negative || text.front() == '+') text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    return hex_from(text.substr(2), is_negative);
  }
  if (text == "Infinity") return decimal_value(is_negative ? -HUGE_VAL : HUGE_VAL);
  if (text == "NaN") return decimal_value(std::numeric_limits<double>::quiet_NaN());

  const std::size_t whole = run(text, 0, is_digit);
  if (whole == text.size() && whole > 0) {
    std::uint64_t magnitude = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), magnitude);
    if (result.ec == std::errc()) return signed_whole(magnitude, is_negative);
  }
  std::size_t end = whole;
  std::size_t digits = whole;
  if (end < text.size() && text[end] == '.') {
    end = run(text, end + 1, is_digit);
    digits += end - whole - 1;
  }
  if (digits == 0 || exponent_end(text, end, 'e', 'E') != text.size()) return null_value();
  double decimal = 0;
  std::string plain(text);
  if (const std::size_t plus = plain.find('+'); plus != std::string::npos) plain.erase(plus, 1);
  const auto result = std::from_chars(plain.data(), plain.data() + plain.size(), decimal);
  if (result.ec == std::errc::result_out_of_range) {
    decimal = out_of_range(plain);
  } else if (result.ec != std::errc()) {
    return null_value();
  }
  return decimal_value(is_negative ? -decimal : decimal);
}

Value to_numeric(const Value& value) {
  switch (value.type) {
    case Type::kString:
      return number_from(value.text);
    case Type::kNumber:
    case Type::kDecimal:
      return value;
    case Type::kDate:
    case Type::kInstant:
      return number_value(value.number);
    case Type::kNull:
    case Type::kBoolean:
      break;
  }
  return null_value();
}

std::optional<std::int64_t> to_whole(const Value& value) {
  const Value numeric = to_numeric(value);
  if (numeric.type == Type::kNumber) return numeric.number;
  if (numeric.type == Type::kDecimal) return truncated(numeric.decimal);
  return std::nullopt;
}

std::optional<double> to_decimal(const Value& value) {
  const Value numeric = to_numeric(value);
  if (numeric.type == Type::kNumber) return static_cast<double>(numeric.number);
  if (numeric.type == Type::kDecimal) return numeric.decimal;
  return std::nullopt;
}

std::optional<bool> to_boolean(const Value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.type == Type::kBoolean) return value.boolean;
  return value.type == Type::kString && equal_ignoring_case(value.text, "true");
}

void append_decimal(std::string& out, double decimal) {
  if (std::isnan(decimal)) {
    out += "NaN";
    return;
  }
  if (std::signbit(decimal)) out += '-';
  const double size = std::fabs(decimal);
  if (std::isinf(size)) {
    out += "Infinity";
    return;
  }
  std::array<char, 400> buffer{};
  if (size == 0 || (size >= 1e-3 && size < 1e7)) {
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), size, std::chars_format::fixed)
            .ptr;
    const std::string_view digits(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    out += digits;
    if (digits.find('.') == std::string_view::npos) out += ".0";
    return;
  }
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), size,
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view all(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = all.find('e');
  out += all.substr(0, e);
  if (all.substr(0, e).find('.') == std::string_view::npos) out += ".0";
  out += 'E';
  std::string_view exponent = all.substr(e + 1);
  if (exponent.front() == '-') out += '-';
  exponent.remove_prefix(1);  // the sign, which to_chars always writes
  while (exponent.size() > 1 && exponent.front() == '0') exponent.remove_prefix(1);
  out += exponent;
}

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 24> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  out.append(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
}

}  // namespace runnel::el
