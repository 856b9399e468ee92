// Parts of text: substrings and fields.

#include <array>

#include "agent/flow/el/program.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

// SubstringEvaluator: beyond the text is empty, a begin behind the end is an error.
Value substring(Call& call) {
  const auto text = call.subject_text();
  if (!text) return text_value("");
  const auto begin = call.whole(0);
  const auto end = call.has(1) ? call.whole(1) : std::optional<std::int64_t>(0);
  if (!begin || !end) return call.fail("a position is no number");
  const auto size = static_cast<std::int64_t>(character_count(*text));
  const std::int64_t stop = call.has(1) ? *end : size;
  if (*begin < 0 || stop < 0 || *begin > size || stop > size) return text_value("");
  if (*begin > stop) {
    return call.fail("the begin " + std::to_string(*begin) + " is behind the end " +
                     std::to_string(stop));
  }
  const std::size_t from = byte_of(*text, static_cast<std::size_t>(*begin));
  return text_value(text->substr(from, byte_of(*text, static_cast<std::size_t>(stop)) - from));
}

enum class Side { kBefore, kAfter };

Value part(Call& call, Side side, bool is_last) {
  const auto text = call.subject_text();
  if (!text) return text_value("");
  const auto mark = call.text(0);
  if (!mark || mark->empty()) return text_value(*text);
  const std::size_t at = is_last ? text->rfind(*mark) : find_text(*text, *mark);
  if (at == std::string_view::npos) return text_value(*text);
  return text_value(side == Side::kBefore ? text->substr(0, at) : text->substr(at + mark->size()));
}

Value substring_before(Call& call) { return part(call, Side::kBefore, false); }
Value substring_before_last(Call& call) { return part(call, Side::kBefore, true); }
Value substring_after(Call& call) { return part(call, Side::kAfter, false); }
Value substring_after_last(Call& call) { return part(call, Side::kAfter, true); }

struct FieldMarks {
  char delimiter = ',';
  char quote = '"';
  char escape = '\\';
  bool is_stripped = false;
};

// GetDelimitedFieldEvaluator, letter by letter.
std::string field_of(std::string_view text, std::int64_t wanted, const FieldMarks& marks) {
  std::string field;
  bool is_quoted = false;
  bool is_escaped = false;
  std::int64_t index = 1;
  for (const char c : text) {
    if (c == marks.quote && !is_escaped) {
      is_quoted = !is_quoted;
      if (!marks.is_stripped && index == wanted) field += c;
    } else if (c == marks.delimiter && !is_escaped && !is_quoted) {
      if (index++ == wanted) return field;
    } else if (index == wanted && (c != marks.escape || !marks.is_stripped)) {
      field += c;
    }
    is_escaped = c == marks.escape && !is_escaped;
  }
  return index == wanted ? field : std::string();
}

Value get_delimited_field(Call& call) {
  const auto text = call.subject_text();
  if (!text || text->empty()) return text_value("");
  const auto index = call.whole(0);
  if (!index) return call.fail("the index is no number");
  if (*index < 1) return text_value("");
  FieldMarks marks;
  const std::array<char*, 3> places{&marks.delimiter, &marks.quote, &marks.escape};
  constexpr std::array<std::string_view, 3> kNames{"the delimiter", "the quote character",
                                                   "the escape character"};
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!call.has(i + 1)) continue;
    const auto mark = call.text(i + 1);
    if (!mark || mark->size() != 1) {
      return call.fail(std::string(kNames[i]) + " must be exactly one ASCII character");
    }
    *places[i] = mark->front();
  }
  if (marks.delimiter == marks.quote || marks.quote == marks.escape ||
      marks.delimiter == marks.escape) {
    return call.fail("delimiter, quote and escape character must differ");
  }
  marks.is_stripped = to_boolean(call.argument(4)).value_or(false);
  return call.hold(field_of(*text, *index, marks));
}

constexpr std::array<Function, 6> kPartFunctions{{
    {"substring", kNeeds, 1, 2, "begin, end?", Type::kString,
     "The characters from `begin` up to, and without, `end`, counted from 0. Empty when either is "
     "outside of the text.",
     substring},
    {"substringBefore", kNeeds, 1, 1, "mark", Type::kString,
     "What stands before the first `mark`; the whole text without one.", substring_before},
    {"substringBeforeLast", kNeeds, 1, 1, "mark", Type::kString,
     "What stands before the last `mark`; the whole text without one.", substring_before_last},
    {"substringAfter", kNeeds, 1, 1, "mark", Type::kString,
     "What stands behind the first `mark`; the whole text without one.", substring_after},
    {"substringAfterLast", kNeeds, 1, 1, "mark", Type::kString,
     "What stands behind the last `mark`; the whole text without one.", substring_after_last},
    {"getDelimitedField", kNeeds, 1, 5, "index, delimiter?, quote?, escape?, strip?", Type::kString,
     "The field of a delimited line, counted from 1. By default `,` `\"` `\\`; `strip` takes "
     "quotes and escapes away.",
     get_delimited_field},
}};

}  // namespace

std::span<const Function> part_functions() { return kPartFunctions; }

}  // namespace runnel::el
