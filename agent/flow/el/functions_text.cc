// Text: case, joining, padding, replacing.

#include <array>
#include <limits>

#include "agent/flow/el/program.h"
#include "agent/flow/el/regex.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

constexpr std::string_view kMinus = " must not be negative";

Value to_upper(Call& call) {
  const auto text = call.subject_text();
  return text ? call.hold(upper_case(*text)) : null_value();
}

Value to_lower(Call& call) {
  const auto text = call.subject_text();
  return text ? call.hold(lower_case(*text)) : null_value();
}

// String.trim: all up to the space.
Value trim(Call& call) {
  auto text = call.subject_text();
  if (!text) return null_value();
  while (!text->empty() && static_cast<unsigned char>(text->front()) <= ' ') text->remove_prefix(1);
  while (!text->empty() && static_cast<unsigned char>(text->back()) <= ' ') text->remove_suffix(1);
  return text_value(*text);
}

Value append(Call& call) {
  std::string out(call.subject_text().value_or(""));
  out += call.text(0).value_or("");
  return call.hold(std::move(out));
}

Value prepend(Call& call) {
  std::string out(call.text(0).value_or(""));
  out += call.subject_text().value_or("");
  return call.hold(std::move(out));
}

Value to_string(Call& call) {
  const auto text = call.subject_text();
  return text ? text_value(*text) : null_value();
}

Value length(Call& call) {
  return number_value(static_cast<std::int64_t>(character_count(call.subject_text().value_or(""))));
}

// PaddingEvaluator: a length that is none, or no Java int, changes nothing.
Value pad(Call& call, bool is_left) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  const auto wanted = call.whole(0);
  std::string_view padding = call.has(1) ? call.text(1).value_or("") : "";
  if (padding.empty()) padding = "_";
  const auto size = static_cast<std::int64_t>(character_count(*text));
  constexpr std::int64_t kJavaMax = std::numeric_limits<std::int32_t>::max();
  if (!wanted || *wanted <= size || *wanted > kJavaMax) return text_value(*text);
  if (*wanted > static_cast<std::int64_t>(Expression::kMaxResult)) {
    return call.fail("the length " + std::to_string(*wanted) + " is above the limit of " +
                     std::to_string(Expression::kMaxResult));
  }
  const auto missing = static_cast<std::size_t>(*wanted - size);
  const std::size_t padding_size = character_count(padding);
  std::string out;
  for (std::size_t i = 0; i < missing / padding_size; ++i) {
    out += padding;
    if (out.size() > Expression::kMaxResult) break;
  }
  out += padding.substr(0, byte_of(padding, missing % padding_size));
  return call.hold(is_left ? out + std::string(*text) : std::string(*text) + out);
}

Value pad_left(Call& call) { return pad(call, true); }
Value pad_right(Call& call) { return pad(call, false); }

Value repeat(Call& call) {
  const auto text = call.subject_text();
  if (!text) return text_value("");
  const auto least = call.whole(0);
  const auto most = call.has(1) ? call.whole(1) : least;
  if (!least || !most) return call.fail("the number of repeats is no number");
  if (*least < 0) return call.fail("the number of repeats" + std::string(kMinus));
  if (*most < *least) return call.fail("the second number must not be less than the first");
  std::uint64_t times = static_cast<std::uint64_t>(*least);
  if (*most > *least) {
    times += call.scope().random() % (static_cast<std::uint64_t>(*most - *least) + 1);
  }
  if (text->empty()) return text_value("");
  if (times > Expression::kMaxResult / text->size()) {
    return call.fail("the result is above the limit of " + std::to_string(Expression::kMaxResult) +
                     " bytes");
  }
  std::string out;
  for (std::uint64_t i = 0; i < times; ++i) out += *text;
  return call.hold(std::move(out));
}

Value replace(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  const auto search = call.text(0);
  const auto replacement = call.text(1);
  if (!search || !replacement) return text_value(*text);
  std::string out;
  std::size_t at = 0;
  if (search->empty()) {
    // As Java: the replacement stands before each character and at the end.
    while (at < text->size()) {
      const std::size_t begin = at;
      next_character(*text, at);
      out += *replacement;
      out += text->substr(begin, at - begin);
      if (out.size() > Expression::kMaxResult) break;
    }
    out += *replacement;
    return call.hold(std::move(out));
  }
  std::size_t found = find_text(*text, *search);
  if (found == std::string_view::npos) return text_value(*text);
  for (; found != std::string_view::npos; found = find_text(*text, *search, at)) {
    out += text->substr(at, found - at);
    out += *replacement;
    at = found + search->size();
    if (out.size() > Expression::kMaxResult) break;
  }
  out += text->substr(at);
  return call.hold(std::move(out));
}

Result<std::shared_ptr<const void>> prepare_replace(Function::Constants arguments) {
  if (!arguments[0]) return std::shared_ptr<const void>();
  TRY_ASSIGN(regex, Regex::compile(arguments[0]->text));
  if (arguments[1] && arguments[1]->type == Type::kString) {
    TRY(regex.check_replacement(arguments[1]->text));
  }
  return std::shared_ptr<const void>(std::make_shared<const Regex>(std::move(regex)));
}

Value replace_regex(Call& call, bool is_all) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  const Regex* regex = call.prepared<Regex>();
  std::optional<Regex> own;
  if (regex == nullptr) {
    auto compiled = Regex::compile(call.text(0).value_or(""));
    if (!compiled.ok()) return call.fail(compiled.error().text());
    own = std::move(compiled).value();
    regex = &*own;
  }
  const std::string_view replacement = call.text(1).value_or("");
  auto result = is_all ? regex->replace_all(*text, replacement, Expression::kMaxResult)
                       : regex->replace_first(*text, replacement, Expression::kMaxResult);
  return result.ok() ? call.hold(std::move(result).value()) : call.fail(result.error().text());
}

Value replace_all(Call& call) { return replace_regex(call, true); }
Value replace_first(Call& call) { return replace_regex(call, false); }

Value replace_null(Call& call) { return call.subject.is_null() ? call.argument(0) : call.subject; }

Value replace_empty(Call& call) {
  const auto text = call.subject_text();
  const bool is_blank = !text || text->find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
  return is_blank ? call.argument(0) : call.subject;
}

Value evaluate_el_string(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  if (call.context().reentry() >= Context::kMaxReentry) {
    return call.fail("the attribute's value evaluates itself");
  }
  ElError error;
  auto program = Expression::compile(*text, error);
  if (!program) {
    return call.fail("in the attribute's value, column " + std::to_string(error.offset + 1) + ": " +
                     error.text);
  }
  return call.context().evaluate_inside(*program);
}

constexpr std::array<Function, 16> kTextFunctions{{
    {"toUpper", kNeeds, 0, 0, "", Type::kString, "The text in upper case.", to_upper},
    {"toLower", kNeeds, 0, 0, "", Type::kString, "The text in lower case.", to_lower},
    {"trim", kNeeds, 0, 0, "", Type::kString, "The text without white space at both ends.", trim},
    {"append", kNeeds, 1, 1, "value", Type::kString, "The text with the argument behind it.",
     append},
    {"prepend", kNeeds, 1, 1, "value", Type::kString, "The text with the argument before it.",
     prepend},
    {"toString", kNeeds, 0, 0, "", Type::kString, "The subject as text.", to_string},
    {"length", kNeeds, 0, 0, "", Type::kNumber, "How many characters the text has; 0 for null.",
     length},
    {"padLeft", kNeeds, 1, 2, "length, padding?", Type::kString,
     "The text, filled up on the left with the padding (`_`) to so many characters.", pad_left},
    {"padRight", kNeeds, 1, 2, "length, padding?", Type::kString,
     "The text, filled up on the right with the padding (`_`) to so many characters.", pad_right},
    {"repeat", kNeeds, 1, 2, "least, most?", Type::kString,
     "The text so many times; with two numbers, at random between them.", repeat},
    {"replace", kNeeds, 2, 2, "search, replacement", Type::kString,
     "The text with every `search` replaced. No regular expression.", replace},
    {"replaceFirst", kNeeds, 2, 2, "regex, replacement", Type::kString,
     "The text with the first match of the regular expression replaced; `$1` is its first group.",
     replace_first, prepare_replace},
    {"replaceAll", kNeeds, 2, 2, "regex, replacement", Type::kString,
     "The text with every match of the regular expression replaced; `$1` is its first group.",
     replace_all, prepare_replace},
    {"replaceNull", kNeeds, 1, 1, "value", Type::kNull,
     "The argument when the subject is null, else the subject.", replace_null},
    {"replaceEmpty", kNeeds, 1, 1, "value", Type::kString,
     "The argument when the subject is null, empty or white space, else the subject.",
     replace_empty},
    {"evaluateELString", kNeeds, 0, 0, "", Type::kString,
     "The text with the expressions in it evaluated.", evaluate_el_string},
}};

}  // namespace

std::span<const Function> text_functions() { return kTextFunctions; }

}  // namespace runnel::el
