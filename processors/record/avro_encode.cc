// Writing Avro's binary form.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "agent/base/bytes.h"
#include "processors/record/avro_codec.h"

namespace runnel::avro {
namespace {

std::optional<std::int64_t> integer_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value.held)) return *number;
  if (const auto* number = std::get_if<double>(&value.held)) {
    const bool is_whole = std::trunc(*number) == *number && std::fabs(*number) < 9e15;
    if (is_whole) return static_cast<std::int64_t>(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value.held)) {
    const auto parsed = parse_int(trimmed(*text));
    if (parsed.ok()) return *parsed;
  }
  return std::nullopt;
}

std::optional<double> floating_of(const Value& value) {
  if (const auto* number = std::get_if<double>(&value.held)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value.held))
    return static_cast<double>(*number);
  std::string_view text;
  if (const auto* big = std::get_if<BigInteger>(&value.held)) text = big->digits;
  if (const auto* own = std::get_if<std::string>(&value.held)) text = trimmed(*own);
  const auto parsed = parse_double(text);
  return parsed.ok() ? std::optional<double>(*parsed) : std::nullopt;
}

std::optional<bool> flag_of(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value.held)) return *flag;
  const auto* text = std::get_if<std::string>(&value.held);
  if (text == nullptr) return std::nullopt;
  if (equal_ignoring_case(*text, "true")) return true;
  if (equal_ignoring_case(*text, "false")) return false;
  return std::nullopt;
}

bool is_empty_text(const Value& value) {
  const auto* text = std::get_if<std::string>(&value.held);
  return text != nullptr && text->empty();
}

enum class Fit { kNone, kAsLast, kConverted, kExact };

Fit fit_if(bool is_exact, bool is_converted) {
  return is_exact ? Fit::kExact : is_converted ? Fit::kConverted : Fit::kNone;
}

// How well a branch of a union takes the value.
Fit fit_of(const Type& type, const Value& value) {
  const bool is_text = std::holds_alternative<std::string>(value.held);
  const bool is_list = std::holds_alternative<Value::List>(value.held);
  const bool is_fields = std::holds_alternative<Value::Fields>(value.held);
  switch (type.kind) {
    case Kind::kNull:
      return value.is_null() ? Fit::kExact : is_empty_text(value) ? Fit::kAsLast : Fit::kNone;
    case Kind::kBoolean:
      return fit_if(std::holds_alternative<bool>(value.held), flag_of(value).has_value());
    case Kind::kInt:
    case Kind::kLong: {
      const auto number = integer_of(value);
      if (!number) return Fit::kNone;
      if (type.kind == Kind::kInt && !std::in_range<std::int32_t>(*number)) return Fit::kNone;
      return fit_if(std::holds_alternative<std::int64_t>(value.held), true);
    }
    case Kind::kFloat:
      if (const auto number = floating_of(value);
          number && std::isfinite(*number) &&
          std::fabs(*number) > std::numeric_limits<float>::max())
        return Fit::kNone;
      [[fallthrough]];
    case Kind::kDouble:
      return fit_if(std::holds_alternative<double>(value.held), floating_of(value).has_value());
    case Kind::kString:
      return fit_if(is_text, !value.is_null() && !is_list && !is_fields);
    case Kind::kBytes:
      return fit_if(false, is_text);
    case Kind::kFixed:
      return fit_if(false, is_text && std::get<std::string>(value.held).size() == type.size);
    case Kind::kEnum:
      return fit_if(is_text && std::find(type.symbols.begin(), type.symbols.end(),
                                         std::get<std::string>(value.held)) != type.symbols.end(),
                    false);
    case Kind::kArray:
      return fit_if(is_list, false);
    case Kind::kRecord:
      return fit_if(is_fields, false);
    case Kind::kMap:
      return fit_if(false, is_fields);
    case Kind::kUnion:
      return Fit::kNone;
  }
  return Fit::kNone;
}

class Encoder {
 public:
  explicit Encoder(std::string& into) : into_(into) {}

  Result<> value(const Type& type, const Value& value, std::size_t depth) {
    if (depth > kDepthMax) return invalid("values nest too deeply");
    if (type.kind == Kind::kUnion) return union_of(type, value, depth);
    if (type.kind == Kind::kNull && is_empty_text(value)) return {};
    if (fit_of(type, value) == Fit::kNone) return misfit(type, value);
    switch (type.kind) {
      case Kind::kNull:
      case Kind::kUnion:
        return {};
      case Kind::kBoolean:
        into_ += *flag_of(value) ? '\1' : '\0';
        return {};
      case Kind::kInt:
      case Kind::kLong:
        append_number(into_, *integer_of(value));
        return {};
      case Kind::kFloat:
        append(static_cast<float>(*floating_of(value)));
        return {};
      case Kind::kDouble:
        append(*floating_of(value));
        return {};
      case Kind::kBytes:
      case Kind::kString:
        text(text_of(value));
        return {};
      case Kind::kFixed:
        into_ += std::get<std::string>(value.held);
        return {};
      case Kind::kEnum: {
        const auto found =
            std::find(type.symbols.begin(), type.symbols.end(), std::get<std::string>(value.held));
        append_number(into_, found - type.symbols.begin());
        return {};
      }
      case Kind::kArray:
        return list(*type.branches[0], std::get<Value::List>(value.held), depth);
      case Kind::kMap:
        return map(*type.branches[0], std::get<Value::Fields>(value.held), depth);
      case Kind::kRecord:
        return record(type, std::get<Value::Fields>(value.held), depth);
    }
    return {};
  }

  Result<> record(const Type& type, const Value::Fields& fields, std::size_t depth) {
    static const Value kNone;
    std::size_t next = 0;  // they are mostly in the schema's order
    for (const MemberField& field : type.fields) {
      const Value* found = find_from(next, field.name, fields);
      if (found == nullptr) found = field.default_value ? &*field.default_value : &kNone;
      TRY(value(*field.type, *found, depth + 1).within("`" + field.name + "`"));
    }
    return {};
  }

 private:
  static Error misfit(const Type& type, const Value& value) {
    const std::string shown = value.is_null() ? "null" : runnel::text_of(value).substr(0, 100);
    return invalid("`" + shown + "` is no " +
                   (type.name.empty() ? std::string(name_of(type.kind)) : "`" + type.name + "`"));
  }

  template <typename F>
  void append(F number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);  // both are little-endian
    into_.append(bytes, sizeof bytes);
  }
  void text(const std::string& text) {
    append_number(into_, static_cast<std::int64_t>(text.size()));
    into_ += text;
  }

  Result<> union_of(const Type& type, const Value& value, std::size_t depth) {
    std::size_t best = 0;
    Fit fit = Fit::kNone;
    for (std::size_t i = 0; i < type.branches.size(); ++i) {
      const Fit one = fit_of(*type.branches[i], value);
      if (one <= fit) continue;
      fit = one;
      best = i;
    }
    if (fit == Fit::kNone) return misfit(type, value);
    append_number(into_, static_cast<std::int64_t>(best));
    return this->value(*type.branches[best], value, depth + 1);
  }

  Result<> list(const Type& items, const Value::List& list, std::size_t depth) {
    if (!list.empty()) append_number(into_, static_cast<std::int64_t>(list.size()));
    for (const Value& one : list) TRY(value(items, one, depth + 1));
    append_number(into_, 0);
    return {};
  }

  Result<> map(const Type& values, const Value::Fields& fields, std::size_t depth) {
    if (!fields.empty()) append_number(into_, static_cast<std::int64_t>(fields.size()));
    for (const Field& one : fields) {
      text(one.name);
      TRY(value(values, one.value, depth + 1).within("`" + one.name + "`"));
    }
    append_number(into_, 0);
    return {};
  }

  std::string& into_;
};

}  // namespace

Result<> encode(std::string& into, const Type& type, const Value& value) {
  return Encoder(into).value(type, value, 0);
}

Result<> encode(std::string& into, const Type& type, const Value::Fields& fields) {
  return Encoder(into).record(type, fields, 0);
}

void append_number(std::string& into, std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63);
  for (; bits >= 0x80; bits >>= 7) into += static_cast<char>((bits & 0x7F) | 0x80);
  into += static_cast<char>(bits);
}

}  // namespace runnel::avro
