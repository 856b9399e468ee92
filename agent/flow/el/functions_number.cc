// Numbers: arithmetic, radix, java.lang.Math, conversions.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "agent/base/bytes.h"
#include "agent/flow/el/program.h"

namespace runnel::el {
namespace {

// Whole numbers wrap around as Java's long does.
std::uint64_t bits(std::int64_t number) { return static_cast<std::uint64_t>(number); }
std::int64_t number(std::uint64_t bits_value) { return static_cast<std::int64_t>(bits_value); }

// Both sides as numbers: whole when both are, else decimals. Null when either is none.
template <typename Whole, typename Decimal>
Value arithmetic(Call& call, Whole whole, Decimal decimal) {
  const Value a = to_numeric(call.subject);
  if (a.is_null()) return a;
  const Value b = to_numeric(call.argument(0));
  if (b.is_null()) return b;
  if (a.type == Type::kNumber && b.type == Type::kNumber) return whole(a.number, b.number);
  return decimal_value(decimal(*to_decimal(a), *to_decimal(b)));
}

Value plus(Call& call) {
  return arithmetic(
      call, [](auto a, auto b) { return number_value(number(bits(a) + bits(b))); },
      [](double a, double b) { return a + b; });
}
Value minus(Call& call) {
  return arithmetic(
      call, [](auto a, auto b) { return number_value(number(bits(a) - bits(b))); },
      [](double a, double b) { return a - b; });
}
Value multiply(Call& call) {
  return arithmetic(
      call, [](auto a, auto b) { return number_value(number(bits(a) * bits(b))); },
      [](double a, double b) { return a * b; });
}
Value divide(Call& call) {
  return arithmetic(
      call,
      [&](std::int64_t a, std::int64_t b) {
        if (b == 0) return call.fail("division by zero");
        return number_value(b == -1 ? number(0 - bits(a)) : a / b);
      },
      [](double a, double b) { return a / b; });
}
Value mod(Call& call) {
  return arithmetic(
      call,
      [&](std::int64_t a, std::int64_t b) {
        if (b == 0) return call.fail("division by zero");
        return number_value(b == -1 ? 0 : a % b);
      },
      [](double a, double b) { return std::fmod(a, b); });
}

Value to_number(Call& call) {
  const auto whole = to_whole(call.subject);
  return whole ? number_value(*whole) : null_value();
}

Value to_decimal_value(Call& call) {
  const auto decimal = to_decimal(call.subject);
  return decimal ? decimal_value(*decimal) : null_value();
}

bool is_radix(const std::optional<std::int64_t>& radix) {
  return radix && *radix >= 2 && *radix <= 36;
}

Value to_radix(Call& call) {
  const auto whole = to_whole(call.subject);
  if (!whole) return null_value();
  const auto radix = call.whole(0);
  if (!is_radix(radix)) return call.fail("the base must be a number from 2 to 36");
  const auto width = call.has(1) ? call.whole(1) : std::optional<std::int64_t>(0);
  if (!width || *width < 0 || *width > 10'000) {
    return call.fail("the padding must be a number from 0 to 10000");
  }
  std::array<char, 72> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), *whole, static_cast<int>(*radix))
          .ptr;
  const std::string digits(buffer.data(), end);
  const auto wanted = static_cast<std::size_t>(*width);
  const std::size_t missing = wanted > digits.size() ? wanted - digits.size() : 0;
  return call.hold(std::string(missing, '0') + digits);
}

Value from_radix(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  const auto radix = call.whole(0);
  if (!is_radix(radix)) return call.fail("the base must be a number from 2 to 36");
  std::string_view digits = *text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::int64_t result = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), result,
                                    static_cast<int>(*radix));
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || digits.empty()) {
    return call.fail("`" + std::string(text->substr(0, 100)) + "` is no number of base " +
                     std::to_string(*radix));
  }
  return number_value(result);
}

using Real = double (*)(double);
struct RealMethod {
  std::string_view name;
  Real method;
};
double signum(double a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : a; }
double to_radians(double a) { return a * 0.017453292519943295; }
double to_degrees(double a) { return a * 57.29577951308232; }
double ulp(double a) {
  return std::isnan(a) || std::isinf(a) ? std::fabs(a)
                                        : std::nextafter(std::fabs(a), HUGE_VAL) - std::fabs(a);
}
double next_up(double a) { return std::nextafter(a, HUGE_VAL); }
double next_down(double a) { return std::nextafter(a, -HUGE_VAL); }

// The static methods of java.lang.Math that take one double.
const std::array<RealMethod, 26> kRealMethods{{{"acos", std::acos},
                                               {"asin", std::asin},
                                               {"atan", std::atan},
                                               {"cbrt", std::cbrt},
                                               {"ceil", std::ceil},
                                               {"cos", std::cos},
                                               {"cosh", std::cosh},
                                               {"exp", std::exp},
                                               {"expm1", std::expm1},
                                               {"floor", std::floor},
                                               {"log", std::log},
                                               {"log10", std::log10},
                                               {"log1p", std::log1p},
                                               {"nextDown", next_down},
                                               {"nextUp", next_up},
                                               {"rint", std::nearbyint},
                                               {"signum", signum},
                                               {"sin", std::sin},
                                               {"sinh", std::sinh},
                                               {"sqrt", std::sqrt},
                                               {"tan", std::tan},
                                               {"tanh", std::tanh},
                                               {"toDegrees", to_degrees},
                                               {"toRadians", to_radians},
                                               {"ulp", ulp},
                                               {"abs", std::fabs}}};

struct RealPair {
  std::string_view name;
  double (*method)(double, double);
};
double java_max(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
}
double java_min(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
}
const std::array<RealPair, 8> kRealPairs{{{"atan2", std::atan2},
                                          {"copySign", std::copysign},
                                          {"hypot", std::hypot},
                                          {"IEEEremainder", std::remainder},
                                          {"max", java_max},
                                          {"min", java_min},
                                          {"nextAfter", std::nextafter},
                                          {"pow", std::pow}}};

std::optional<Value> math_of_whole(Call& call, std::string_view name, std::int64_t a) {
  if (name == "abs") return number_value(a < 0 ? number(0 - bits(a)) : a);
  if (name == "negateExact" || name == "absExact") {
    if (name == "absExact" && a >= 0) return number_value(a);
    if (a == std::numeric_limits<std::int64_t>::min()) return call.fail("long overflow");
    return number_value(-a);
  }
  if (name == "incrementExact" || name == "decrementExact") {
    std::int64_t result = 0;
    if (__builtin_add_overflow(a, name.starts_with("inc") ? 1 : -1, &result)) {
      return call.fail("long overflow");
    }
    return number_value(result);
  }
  if (name == "toIntExact") {
    if (a < std::numeric_limits<std::int32_t>::min() ||
        a > std::numeric_limits<std::int32_t>::max()) {
      return call.fail("integer overflow");
    }
    return number_value(a);
  }
  return std::nullopt;
}

constexpr std::array<std::string_view, 7> kQuotients{
    "floorDiv", "ceilDiv", "floorMod", "ceilMod", "divideExact", "floorDivExact", "ceilDivExact"};

// By one of `kQuotients`.
Value whole_quotient(Call& call, std::string_view name, std::int64_t a, std::int64_t b) {
  if (b == 0) return call.fail("division by zero");
  const bool is_mod = name.ends_with("Mod");
  if (b == -1) {
    const bool has_overflowed = a == std::numeric_limits<std::int64_t>::min();
    if (has_overflowed && name.ends_with("Exact")) return call.fail("long overflow");
    return number_value(is_mod ? 0 : number(0 - bits(a)));
  }
  // C++ cuts toward zero; the other neighbour is one further away.
  const bool is_negative = (a < 0) != (b < 0);
  std::int64_t away = 0;
  if (a % b != 0 && name.starts_with("floor") && is_negative) away = -1;
  if (a % b != 0 && name.starts_with("ceil") && !is_negative) away = 1;
  return number_value(is_mod ? a % b - away * b : a / b + away);
}

std::optional<Value> math_of_wholes(Call& call, std::string_view name, std::int64_t a,
                                    std::int64_t b) {
  if (name == "max") return number_value(std::max(a, b));
  if (name == "min") return number_value(std::min(a, b));
  if (std::find(kQuotients.begin(), kQuotients.end(), name) != kQuotients.end())
    return whole_quotient(call, name, a, b);
  std::int64_t result = 0;
  bool has_overflowed = false;
  if (name == "addExact") {
    has_overflowed = __builtin_add_overflow(a, b, &result);
  } else if (name == "subtractExact") {
    has_overflowed = __builtin_sub_overflow(a, b, &result);
  } else if (name == "multiplyExact") {
    has_overflowed = __builtin_mul_overflow(a, b, &result);
  } else {
    return std::nullopt;
  }
  return has_overflowed ? call.fail("long overflow") : number_value(result);
}

std::optional<Value> math_of_decimal(std::string_view name, double a) {
  if (name == "round") {
    // Not floor(a + 0.5): the sum itself is rounded.
    const double below = std::floor(a);
    return number_value(*to_whole(decimal_value(a - below < 0.5 ? below : below + 1)));
  }
  if (name == "getExponent") {
    if (!std::isfinite(a)) return number_value(1024);
    return number_value(std::isnormal(a) ? std::ilogb(a) : -1023);
  }
  for (const RealMethod& known : kRealMethods) {
    if (known.name == name) return decimal_value(known.method(a));
  }
  return std::nullopt;
}

std::optional<Value> math_of_decimals(std::string_view name, double a, double b) {
  for (const RealPair& known : kRealPairs) {
    if (known.name == name) return decimal_value(known.method(a, b));
  }
  return std::nullopt;
}

std::optional<Value> math_of_mixed(std::string_view name, const Value& a, const Value& b) {
  if (a.type != Type::kDecimal || b.type != Type::kNumber || name != "scalb") return std::nullopt;
  const std::int64_t exponent = std::clamp<std::int64_t>(b.number, -10'000, 10'000);
  return decimal_value(std::scalbn(a.decimal, static_cast<int>(exponent)));
}

// MathEvaluator: the method is chosen by the types of subject and argument, as Java overloads.
Value math(Call& call) {
  const auto name = call.text(0);
  if (!name) return call.fail("the name of the method is null");
  const auto unknown = [&](std::string_view types) {
    return call.fail("java.lang.Math has no `" + std::string(name->substr(0, 100)) + "(" +
                     std::string(types) +
                     ")`; a Number is a long, a Decimal a double: convert with toNumber() or "
                     "toDecimal()");
  };
  if (!call.has_subject()) {
    if (*name != "random" || call.has(1)) return unknown("");
    return decimal_value(static_cast<double>(call.scope().random() >> 11) * 0x1.0p-53);
  }
  const Value a = to_numeric(call.subject);
  if (a.is_null()) return a;
  const bool is_whole = a.type == Type::kNumber;
  if (!call.has(1)) {
    const auto value =
        is_whole ? math_of_whole(call, *name, a.number) : math_of_decimal(*name, a.decimal);
    return value ? *value : unknown(is_whole ? "long" : "double");
  }
  const Value b = to_numeric(call.argument(1));
  if (b.is_null()) return b;
  std::optional<Value> value;
  if (is_whole && b.type == Type::kNumber) {
    value = math_of_wholes(call, *name, a.number, b.number);
  } else if (!is_whole && b.type == Type::kDecimal) {
    value = math_of_decimals(*name, a.decimal, b.decimal);
  } else {
    value = math_of_mixed(*name, a, b);
  }
  if (value) return *value;
  return unknown(std::string(is_whole ? "long" : "double") +
                 (b.type == Type::kNumber ? ", long" : ", double"));
}

constexpr std::array<Function, 10> kNumberFunctions{{
    {"plus", kNeeds, 1, 1, "number", Type::kNumber,
     "The sum. A Decimal when either is one; null when either is no number; whole numbers wrap "
     "around.",
     plus},
    {"minus", kNeeds, 1, 1, "number", Type::kNumber, "The difference, by the same rules.", minus},
    {"multiply", kNeeds, 1, 1, "number", Type::kNumber, "The product, by the same rules.",
     multiply},
    {"divide", kNeeds, 1, 1, "number", Type::kNumber,
     "The quotient, by the same rules: whole when both are whole. A whole division by zero is an "
     "error.",
     divide},
    {"mod", kNeeds, 1, 1, "number", Type::kNumber,
     "The remainder, by the same rules; it has the sign of the subject.", mod},
    {"toNumber", kNeeds, 0, 0, "", Type::kNumber,
     "The subject as a whole number, decimals cut off; of a date its milliseconds; null when it is "
     "none. `0x1F` is hexadecimal.",
     to_number},
    {"toDecimal", kNeeds, 0, 0, "", Type::kDecimal,
     "The subject as a decimal; null when it is none.", to_decimal_value},
    {"toRadix", kNeeds, 1, 2, "base, width?", Type::kString,
     "The whole number written in another base (2 to 36), with zeros in front up to the width.",
     to_radix},
    {"fromRadix", kNeeds, 1, 1, "base", Type::kNumber,
     "The whole number that the text is in that base (2 to 36).", from_radix},
    {"math", SubjectRule::kEither, 1, 2, "method, number?", Type::kNull,
     "A method of java.lang.Math, chosen by the types: `${a:toDecimal():math('pow', 2.5)}`, "
     "`${math('random')}`.",
     math},
}};

}  // namespace

std::span<const Function> number_functions() { return kNumberFunctions; }

}  // namespace runnel::el
