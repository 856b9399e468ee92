// Searching in text.

#include <array>

#include "agent/flow/el/program.h"
#include "agent/flow/el/regex.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

// A test of the subject's text against the argument's; false when either is null.
template <typename Test>
Value test(Call& call, Test is_so) {
  const auto text = call.subject_text();
  if (!text) return boolean_value(false);
  const auto argument = call.text(0);
  return boolean_value(argument && is_so(*text, *argument));
}

Value starts_with(Call& call) {
  return test(call, [](auto text, auto value) { return text.starts_with(value); });
}
Value ends_with(Call& call) {
  return test(call, [](auto text, auto value) { return text.ends_with(value); });
}
Value contains(Call& call) {
  return test(call, [](auto text, auto value) { return find_text(text, value) != text.npos; });
}

Value index(Call& call, bool is_last) {
  const auto text = call.subject_text();
  const auto value = call.text(0);
  if (!text || !value) return number_value(-1);
  const std::size_t at = is_last ? text->rfind(*value) : find_text(*text, *value);
  if (at == std::string_view::npos) return number_value(-1);
  return number_value(static_cast<std::int64_t>(character_count(text->substr(0, at))));
}

Value index_of(Call& call) { return index(call, false); }
Value last_index_of(Call& call) { return index(call, true); }

Result<std::shared_ptr<const void>> prepare_regex(Function::Constants arguments) {
  if (!arguments[0] || arguments[0]->type != Type::kString) return std::shared_ptr<const void>();
  TRY_ASSIGN(regex, Regex::compile(arguments[0]->text));
  return std::shared_ptr<const void>(std::make_shared<const Regex>(std::move(regex)));
}

Value match(Call& call, bool is_whole) {
  const auto text = call.subject_text();
  if (!text) return boolean_value(false);
  if (const Regex* regex = call.prepared<Regex>()) {
    return boolean_value(is_whole ? regex->matches(*text) : regex->find(*text));
  }
  const auto pattern = call.text(0);
  if (!pattern) return boolean_value(false);
  const auto regex = Regex::compile(*pattern);
  if (!regex.ok()) return call.fail(regex.error().text());
  return boolean_value(is_whole ? regex->matches(*text) : regex->find(*text));
}

Value matches(Call& call) { return match(call, true); }
Value find(Call& call) { return match(call, false); }

constexpr std::array<Function, 7> kSearchFunctions{{
    {"startsWith", kNeeds, 1, 1, "value", Type::kBoolean,
     "Whether the text begins with the argument.", starts_with},
    {"endsWith", kNeeds, 1, 1, "value", Type::kBoolean, "Whether the text ends with the argument.",
     ends_with},
    {"contains", kNeeds, 1, 1, "value", Type::kBoolean,
     "Whether the argument is somewhere in the text.", contains},
    {"find", kNeeds, 1, 1, "regex", Type::kBoolean,
     "Whether the regular expression matches somewhere in the text.", find, prepare_regex},
    {"matches", kNeeds, 1, 1, "regex", Type::kBoolean,
     "Whether the regular expression matches the whole text.", matches, prepare_regex},
    {"indexOf", kNeeds, 1, 1, "value", Type::kNumber,
     "Where the argument begins in the text for the first time, counted from 0; -1 when it does "
     "not.",
     index_of},
    {"lastIndexOf", kNeeds, 1, 1, "value", Type::kNumber,
     "Where the argument begins in the text for the last time, counted from 0; -1 when it does "
     "not.",
     last_index_of},
}};

}  // namespace

std::span<const Function> search_functions() { return kSearchFunctions; }

}  // namespace runnel::el
