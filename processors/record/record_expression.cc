// Reading expressions of records, and evaluating them.

#include "processors/record/record_expression.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/flow/el/unicode.h"

namespace runnel {

class RecordExpressionParser {
 public:
  using Part = RecordExpression::Part;
  using Kind = RecordExpression::Kind;
  explicit RecordExpressionParser(std::string_view text) : text_(text) {}

  Result<Part> whole() {
    TRY_ASSIGN(part, next(0));
    skip_blanks();
    if (at_ != text_.size()) return bad("nothing may follow");
    return part;
  }

 private:
  struct Function {
    std::string_view name;
    Kind kind;
    std::size_t least;
    std::size_t most;
  };
  static constexpr std::array<Function, 8> kFunctions{
      {{"coalesce", Kind::kCoalesce, 1, RecordExpression::kPartsMax},
       {"concat", Kind::kConcat, 1, RecordExpression::kPartsMax},
       {"substringAfter", Kind::kSubstringAfter, 2, 2},
       {"substringBefore", Kind::kSubstringBefore, 2, 2},
       {"toLowerCase", Kind::kToLowerCase, 1, 1},
       {"toString", Kind::kToString, 1, 2},
       {"toUpperCase", Kind::kToUpperCase, 1, 1},
       {"trim", Kind::kTrim, 1, 1}}};

  Error bad(std::string_view what) const {
    return invalid("the record path `" + std::string(text_) + "`, at character " +
                   std::to_string(at_ + 1) + ": " + std::string(what));
  }
  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool takes(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<Part> next(std::size_t depth) {
    if (++parts_ > RecordExpression::kPartsMax) return bad("it has too many parts");
    if (depth > RecordExpression::kDepthMax) return bad("its functions are too deep");
    skip_blanks();
    const char first = at_ < text_.size() ? text_[at_] : '\0';
    if (first == '/' || first == '\0') return path(depth);
    if (first == '\'' || first == '"') return literal(first);
    return function(depth);
  }

  // A path ends where its argument does, but for what is quoted in it; alone, where the text does.
  Result<Part> path(std::size_t depth) {
    const std::size_t began = at_;
    bool is_quoted = false;
    for (; at_ < text_.size() && depth > 0; ++at_) {
      if (text_[at_] == '\'') is_quoted = !is_quoted;
      if (!is_quoted && (text_[at_] == ',' || text_[at_] == ')')) break;
    }
    if (depth == 0) at_ = text_.size();
    std::string_view written = text_.substr(began, at_ - began);
    if (depth > 0) written = trimmed(written);
    TRY_ASSIGN(path, RecordPath::compile(written));
    return Part{.path = std::move(path)};
  }

  Result<Part> literal(char quote) {
    Part part{.kind = Kind::kText};
    const std::size_t began = at_++;
    while (at_ < text_.size()) {
      const char one = text_[at_++];
      if (one != quote) {
        part.text += one;
      } else if (!takes(quote)) {
        return part;
      } else {
        part.text += quote;
      }
    }
    at_ = began;
    return bad("the quote does not end");
  }

  Result<Part> function(std::size_t depth) {
    const std::size_t size = std::min(text_.find('(', at_), text_.size()) - at_;
    const std::string_view name = trimmed(text_.substr(at_, size));
    const auto* const known =
        std::find_if(kFunctions.begin(), kFunctions.end(),
                     [name](const Function& one) { return one.name == name; });
    if (at_ + size == text_.size()) return bad("a path begins with `/`");
    if (known == kFunctions.end()) {
      std::string names;
      for (const Function& one : kFunctions)
        names += (names.empty() ? "`" : ", `") + std::string(one.name) + "`";
      return bad("there is no function `" + std::string(name) + "`; there are " + names);
    }
    const std::size_t began = at_;
    at_ += size + 1;
    Part part{.kind = known->kind};
    do {
      TRY_ASSIGN(argument, next(depth + 1));
      part.arguments.push_back(std::move(argument));
      skip_blanks();
    } while (takes(','));
    if (!takes(')')) return bad("`,` or `)` is missing");
    const std::size_t count = part.arguments.size();
    if (count < known->least || count > known->most) {
      at_ = began;
      return bad("`" + std::string(name) + "` takes " + std::to_string(known->least) +
                 (known->least == known->most ? ""
                  : known->most == 2          ? " or 2"
                                              : " or more") +
                 (known->most == 1 ? " argument" : " arguments"));
    }
    const bool is_utf8 = count < 2 || equal_ignoring_case(part.arguments[1].text, "UTF-8") ||
                         equal_ignoring_case(part.arguments[1].text, "UTF8");
    if (known->kind == Kind::kToString && !is_utf8) {
      at_ = began;
      return bad("texts are UTF-8");
    }
    return part;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::size_t parts_ = 0;
};

namespace {

Error too_long() {
  return invalid("a record path makes a text of more than " +
                 std::to_string(RecordExpression::kTextMax) + " bytes");
}

}  // namespace

Result<RecordExpression> RecordExpression::compile(std::string_view text) {
  TRY_ASSIGN(part, RecordExpressionParser(text).whole());
  if (part.kind == Kind::kText)
    return invalid("the record path `" + std::string(text) +
                   "` is a text, the same in each record");
  RecordExpression made;
  made.part_ = std::move(part);
  return made;
}

const RecordPath* RecordExpression::path() const {
  return part_.kind == Kind::kPath ? &part_.path : nullptr;
}

Result<std::vector<Value>> RecordExpression::evaluate(Value& root) const {
  return evaluate(part_, root);
}

Result<std::vector<Value>> RecordExpression::evaluate(const Part& part, Value& root) {
  switch (part.kind) {
    case Kind::kPath: {
      std::vector<Value> out;
      for (const Value* one : part.path.select(root)) out.push_back(*one);
      return out;
    }
    case Kind::kText:
      return std::vector<Value>{Value{part.text}};
    case Kind::kConcat:
      return concat(part, root);
    case Kind::kCoalesce:
      return coalesce(part, root);
    default:
      return each_text(part, root);
  }
}

Result<std::vector<Value>> RecordExpression::concat(const Part& part, Value& root) {
  std::string text;
  for (const Part& argument : part.arguments) {
    TRY_ASSIGN(values, evaluate(argument, root));
    for (const Value& one : values) {
      text += text_of(one);
      if (text.size() > kTextMax) return too_long();
    }
  }
  return std::vector<Value>{Value{std::move(text)}};
}

Result<std::vector<Value>> RecordExpression::coalesce(const Part& part, Value& root) {
  for (const Part& argument : part.arguments) {
    TRY_ASSIGN(values, evaluate(argument, root));
    for (Value& one : values) {
      if (!one.is_null()) return std::vector<Value>{std::move(one)};
    }
  }
  return std::vector<Value>{};
}

Result<std::vector<Value>> RecordExpression::each_text(const Part& part, Value& root) {
  TRY_ASSIGN(values, evaluate(part.arguments[0], root));
  std::string mark;
  if (part.kind == Kind::kSubstringBefore || part.kind == Kind::kSubstringAfter) {
    TRY_ASSIGN(marks, evaluate(part.arguments[1], root));
    if (!marks.empty()) mark = text_of(marks[0]);
  }
  std::vector<Value> out;
  for (const Value& one : values) {
    if (!one.is_scalar()) continue;
    std::string text = text_of(one);
    if (text.size() > kTextMax) return too_long();
    const std::size_t found = mark.empty() ? text.npos : el::find_text(text, mark);
    switch (part.kind) {
      case Kind::kSubstringBefore:
        if (found != text.npos) text.resize(found);
        break;
      case Kind::kSubstringAfter:
        if (found != text.npos) text.erase(0, found + mark.size());
        break;
      case Kind::kToUpperCase:
        text = el::upper_case(text);
        break;
      case Kind::kToLowerCase:
        text = el::lower_case(text);
        break;
      case Kind::kTrim:
        text = std::string(trimmed(text));
        break;
      default:
        break;
    }
    out.push_back(Value{std::move(text)});
  }
  return out;
}

}  // namespace runnel
