// Reading JSON from strangers; what lenient.h promises.

#include "agent/c2/lenient.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/c2/messages.h"

namespace runnel::c2 {
namespace {

// Whether brackets nest deeper than Limits::kDepth. The parser would survive it, but not what walks
// the tree by recursion.
bool is_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > Limits::kDepth) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

Json parsed(std::string_view text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
    ++at;
  return at;
}

// Past the value that begins at `at`; the text is JSON.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') {
        in_string = false;
        if (depth == 0) return at + 1;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      return at;
    }
  }
  return text.size();
}

std::int64_t clamped(double number) {
  if (std::isnan(number)) return 0;
  constexpr auto kEdge = static_cast<double>(kIntegerMax);
  return static_cast<std::int64_t>(std::clamp(number, -kEdge, kEdge));
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (text.size() > Limits::kMessage)
    return invalid("a C2 message of " + size_text(text.size()) + "; at most " +
                   size_text(Limits::kMessage) + " are read");
  if (is_too_deep(text))
    return invalid("a C2 message that nests deeper than " + std::to_string(Limits::kDepth));
  Json json = parsed(text);
  if (json.is_discarded() && !is_utf8(text)) json = parsed(to_utf8(text));
  if (json.is_discarded()) return invalid("a C2 message that is not JSON");
  return json;
}

std::string_view raw_member(std::string_view object, std::string_view name) {
  std::size_t at = skip_spaces(object, 0);
  if (at >= object.size() || object[at] != '{') return {};
  std::string_view found;
  for (at = skip_spaces(object, at + 1); at < object.size() && object[at] == '"';) {
    const std::size_t key_end = skip_value(object, at);
    const std::string_view key = object.substr(at + 1, key_end - at - 2);
    const std::size_t value = skip_spaces(object, skip_spaces(object, key_end) + 1);
    const std::size_t value_end = skip_value(object, value);
    if (key == name) found = object.substr(value, value_end - value);  // as in the tree: the last
    at = skip_spaces(object, value_end);
    if (at < object.size() && object[at] == ',') at = skip_spaces(object, at + 1);
  }
  return found;
}

const Json* member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(name));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json* object_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  return found != nullptr && found->is_object() ? found : nullptr;
}

const Json* list_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  return found != nullptr && found->is_array() ? found : nullptr;
}

std::string text_of(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return text.size() <= Limits::kText ? text
                                        : to_utf8(std::string_view(text).substr(0, Limits::kText));
  }
  if (value.is_number() || value.is_boolean()) return value.dump();
  return {};
}

std::string text_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  return found == nullptr ? std::string() : text_of(*found);
}

std::optional<std::int64_t> integer_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::nullopt;
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(kIntegerMax))
    return kIntegerMax;
  if (found->is_number_integer())
    return std::clamp(found->get<std::int64_t>(), -kIntegerMax, kIntegerMax);
  if (found->is_number_float()) return clamped(found->get<double>());
  if (found->is_string()) {
    auto number = parse_int(found->get_ref<const std::string&>());
    if (number.ok()) return std::clamp(*number, -kIntegerMax, kIntegerMax);
  }
  return std::nullopt;
}

std::optional<double> decimal_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::nullopt;
  if (found->is_number()) return found->get<double>();
  if (found->is_string()) {
    auto number = parse_double(found->get_ref<const std::string&>());
    if (number.ok()) return *number;
  }
  return std::nullopt;
}

std::optional<bool> boolean_member(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::nullopt;
  if (found->is_boolean()) return found->get<bool>();
  if (found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    if (equal_ignoring_case(text, "true")) return true;
    if (equal_ignoring_case(text, "false")) return false;
  }
  return std::nullopt;
}

}  // namespace runnel::c2
