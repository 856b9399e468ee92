// Value: what an expression computes with, and how one type becomes another, as NiFi coerces.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::el {

enum class Type : std::uint8_t { kNull, kString, kNumber, kDecimal, kDate, kInstant, kBoolean };

std::string_view name_of(Type type);

// Small and trivially copied: text is a view of what the program, the scope or the context holds.
struct Value {
  Type type = Type::kNull;
  bool boolean = false;
  std::uint32_t nanos = 0;  // kInstant: nanoseconds within the millisecond
  std::int64_t number = 0;  // kNumber; kDate and kInstant: milliseconds since 1970
  double decimal = 0;
  std::string_view text;

  bool is_null() const { return type == Type::kNull; }
};

inline Value null_value() { return {}; }
inline Value text_value(std::string_view text) {
  Value value;
  value.type = Type::kString;
  value.text = text;
  return value;
}
inline Value number_value(std::int64_t number) {
  Value value;
  value.type = Type::kNumber;
  value.number = number;
  return value;
}
inline Value decimal_value(double decimal) {
  Value value;
  value.type = Type::kDecimal;
  value.decimal = decimal;
  return value;
}
inline Value boolean_value(bool boolean) {
  Value value;
  value.type = Type::kBoolean;
  value.boolean = boolean;
  return value;
}
inline Value date_value(std::int64_t ms) {
  Value value;
  value.type = Type::kDate;
  value.number = ms;
  return value;
}
inline Value instant_value(std::int64_t ms, std::uint32_t nanos) {
  Value value;
  value.type = Type::kInstant;
  value.number = ms;
  value.nanos = nanos;
  return value;
}

// A number as NiFi's NumberParsing reads it, around which spaces are allowed: "12", "-0x1F"
// (kNumber), "1.5", ".5E2", "0xF.Fp10", "Infinity", "NaN" (kDecimal). A whole number beyond 64 bits
// is read as kDecimal. Anything else is kNull.
Value number_from(std::string_view text);

// The number that a value is, kNumber or kDecimal, or kNull. Dates are their milliseconds.
Value to_numeric(const Value& value);
// The same as a whole number, decimals cut off toward zero.
std::optional<std::int64_t> to_whole(const Value& value);
std::optional<double> to_decimal(const Value& value);
// "true" in any case of letters is true, all else is false; nothing for null.
std::optional<bool> to_boolean(const Value& value);

// As Java's Double.toString: "1.5", "100.0", "1.0E10", "NaN".
void append_decimal(std::string& out, double decimal);
void append_number(std::string& out, std::int64_t number);

}  // namespace runnel::el
