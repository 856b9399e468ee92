// Conditions: null, equality, order, and, or, not.

#include <array>

#include "agent/flow/el/program.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

Value is_null(Call& call) { return boolean_value(call.subject.is_null()); }
Value not_null(Call& call) { return boolean_value(!call.subject.is_null()); }

bool is_blank(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > ' ') return false;
  }
  return true;
}

Value is_empty(Call& call) {
  const auto text = call.subject_text();
  return boolean_value(!text || is_blank(*text));
}

// EqualsEvaluator: null equals nothing; equal types compare as they are, others as text.
bool are_equal(Call& call, const Value& a, const Value& b) {
  if (a.is_null() || b.is_null()) return false;
  if (a.type == b.type) {
    switch (a.type) {
      case Type::kString:
        return a.text == b.text;
      case Type::kNumber:
      case Type::kDate:
        return a.number == b.number;
      case Type::kInstant:
        return a.number == b.number && a.nanos == b.nanos;
      case Type::kDecimal:
        return a.decimal == b.decimal || (a.decimal != a.decimal && b.decimal != b.decimal);
      case Type::kBoolean:
        return a.boolean == b.boolean;
      case Type::kNull:
        return false;
    }
  }
  // A date is its milliseconds beside any other type.
  const auto plain = [](const Value& value) {
    return value.type == Type::kDate ? number_value(value.number) : value;
  };
  return *call.text(plain(a)) == *call.text(plain(b));
}

Value equals(Call& call) { return boolean_value(are_equal(call, call.subject, call.argument(0))); }

Value equals_ignore_case(Call& call) {
  const auto a = call.subject_text();
  if (!a) return boolean_value(false);
  const auto b = call.text(0);
  return boolean_value(b && equal_ignoring_letter_case(*a, *b));
}

Value in(Call& call) {
  const auto subject = call.subject_text();
  if (!subject) return boolean_value(false);
  for (std::size_t i = 0; i < call.count(); ++i) {
    const auto option = call.text(i);
    if (option && *option == *subject) return boolean_value(true);
  }
  return boolean_value(false);
}

// Whether both sides are numbers, and the order of the first to the second is one of the wanted.
template <typename Wanted>
Value compare(Call& call, Wanted is_wanted) {
  const Value a = to_numeric(call.subject);
  if (a.is_null()) return boolean_value(false);
  const Value b = to_numeric(call.argument(0));
  if (b.is_null()) return boolean_value(false);
  if (a.type == Type::kNumber && b.type == Type::kNumber) {
    return boolean_value(is_wanted(a.number, b.number));
  }
  return boolean_value(is_wanted(*to_decimal(a), *to_decimal(b)));
}

Value gt(Call& call) {
  return compare(call, [](auto a, auto b) { return a > b; });
}
Value ge(Call& call) {
  return compare(call, [](auto a, auto b) { return a >= b; });
}
Value lt(Call& call) {
  return compare(call, [](auto a, auto b) { return a < b; });
}
Value le(Call& call) {
  return compare(call, [](auto a, auto b) { return a <= b; });
}

Value logical_and(Call& call) {
  if (!to_boolean(call.subject).value_or(false)) return boolean_value(false);
  return boolean_value(to_boolean(call.argument(0)).value_or(false));
}

Value logical_or(Call& call) {
  if (to_boolean(call.subject).value_or(false)) return boolean_value(true);
  return boolean_value(to_boolean(call.argument(0)).value_or(false));
}

Value logical_not(Call& call) { return boolean_value(!to_boolean(call.subject).value_or(false)); }

Value if_else(Call& call) {
  return call.argument(to_boolean(call.subject).value_or(false) ? 0 : 1);
}

constexpr std::array<Function, 14> kLogicFunctions{{
    {"isNull", kNeeds, 0, 0, "", Type::kBoolean,
     "Whether the subject is null: the attribute is absent.", is_null},
    {"notNull", kNeeds, 0, 0, "", Type::kBoolean, "Whether the subject is there.", not_null},
    {"isEmpty", kNeeds, 0, 0, "", Type::kBoolean,
     "Whether the subject is null, empty or nothing but white space.", is_empty},
    {"equals", kNeeds, 1, 1, "value", Type::kBoolean,
     "Whether both are equal. Values of different types are compared as text; null equals nothing.",
     equals},
    {"equalsIgnoreCase", kNeeds, 1, 1, "value", Type::kBoolean,
     "Whether both texts are equal but for upper and lower case.", equals_ignore_case},
    {"in", kNeeds, 1, Expression::kMaxArguments, "value, …", Type::kBoolean,
     "Whether the subject equals one of the arguments, as text.", in},
    {"gt", kNeeds, 1, 1, "number", Type::kBoolean,
     "Whether the subject is greater. False when either is no number.", gt},
    {"ge", kNeeds, 1, 1, "number", Type::kBoolean,
     "Whether the subject is greater or equal. False when either is no number.", ge},
    {"lt", kNeeds, 1, 1, "number", Type::kBoolean,
     "Whether the subject is less. False when either is no number.", lt},
    {"le", kNeeds, 1, 1, "number", Type::kBoolean,
     "Whether the subject is less or equal. False when either is no number.", le},
    {"and", kNeeds, 1, 1, "condition", Type::kBoolean,
     "Whether both are true. The argument is evaluated only when it matters.", logical_and},
    {"or", kNeeds, 1, 1, "condition", Type::kBoolean,
     "Whether at least one is true. The argument is evaluated only when it matters.", logical_or},
    {"not", kNeeds, 0, 0, "", Type::kBoolean, "The opposite: true for all that is not `true`.",
     logical_not},
    {"ifElse", kNeeds, 2, 2, "then, else", Type::kString,
     "The first argument when the subject is true, else the second. Only that one is evaluated.",
     if_else},
}};

}  // namespace

std::span<const Function> logic_functions() { return kLogicFunctions; }

}  // namespace runnel::el
