// Compiling JSON paths, as json_steps.h says.

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"
#include "agent/flow/el/json_steps.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

constexpr std::size_t kMaxSteps = 256;
constexpr std::size_t kMaxNesting = 32;
constexpr std::array<std::string_view, 10> kFunctions{"length", "size", "keys",   "min",   "max",
                                                      "sum",    "avg",  "stddev", "first", "last"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
// What a name without quotes may hold. In a filter, operators end it.
bool is_name(char c) {
  return !is_space(c) &&
         std::string_view(".[]()'\"?*,:$@=!<>&|~/").find(c) == std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<JsonSteps> parse() {
    skip_space();
    if (peek() != '$') return error("a JSON path begins with `$`");
    ++at_;
    TRY_ASSIGN(steps, steps_of(false));
    skip_space();
    if (at_ < text_.size()) return error("unexpected `" + std::string(1, peek()) + "`");
    return steps;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool sees(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool skip(std::string_view word) {
    if (!sees(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  Error error(std::string_view what) const {
    return invalid("JSON path, column " + std::to_string(at_ + 1) + ": " + std::string(what));
  }

  Result<JsonSteps> steps_of(bool is_in_filter) {
    JsonSteps path;
    while (true) {
      if (!is_in_filter) skip_space();
      if (peek() != '.' && peek() != '[') return path;
      if (path.steps.size() >= kMaxSteps) {
        return error("more than " + std::to_string(kMaxSteps) + " steps");
      }
      if (!path.steps.empty() && path.steps.back().kind == StepKind::kFunction) {
        return error("a function must be the last step");
      }
      JsonStep step;
      if (skip("..")) {
        step.is_deep = true;
        if (peek() == '[') {
          TRY(bracket(step));
        } else {
          TRY(dotted(step));
        }
      } else if (skip(".")) {
        if (peek() == '[') {
          TRY(bracket(step));
        } else {
          TRY(dotted(step));
        }
      } else {
        TRY(bracket(step));
      }
      path.steps.push_back(std::move(step));
    }
  }

  Result<> dotted(JsonStep& step) {
    if (skip("*")) {
      step.kind = StepKind::kWildcard;
      return {};
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (name.empty()) return error("a name, `*` or `[` is missing behind the dot");
    step.kind = StepKind::kNames;
    step.names.push_back(name);
    if (!skip("(")) return {};
    skip_space();
    if (std::find(kFunctions.begin(), kFunctions.end(), name) == kFunctions.end() || !skip(")")) {
      return error("unknown function `" + name +
                   "()`; known are length size keys min max sum avg stddev first last");
    }
    step.kind = StepKind::kFunction;
    return {};
  }

  Result<> bracket(JsonStep& step) {
    ++at_;
    skip_space();
    if (skip("*")) {
      step.kind = StepKind::kWildcard;
    } else if (skip("?")) {
      skip_space();
      if (!skip("(")) return error("a filter is written `[?(…)]`");
      TRY_ASSIGN(condition, disjunction());
      skip_space();
      if (!skip(")")) return error("the filter is never closed by `)`");
      step.kind = StepKind::kFilter;
      step.condition = std::move(condition);
    } else if (peek() == '\'' || peek() == '"') {
      step.kind = StepKind::kNames;
      do {
        skip_space();
        TRY_ASSIGN(name, quoted());
        step.names.push_back(std::move(name));
        skip_space();
      } while (skip(","));
    } else {
      TRY(numbers(step));
    }
    skip_space();
    if (!skip("]")) return error("expected `]`");
    return {};
  }

  Result<> numbers(JsonStep& step) {
    std::optional<std::int64_t> first;
    if (peek() != ':') {
      TRY_ASSIGN(number, integer());
      first = number;
    }
    skip_space();
    if (peek() == ':') {
      step.kind = StepKind::kSlice;
      step.begin = first;
      ++at_;
      skip_space();
      if (peek() != ']' && peek() != ':') {
        TRY_ASSIGN(number, integer());
        step.end = number;
      }
      skip_space();
      if (skip(":")) {
        skip_space();
        TRY_ASSIGN(number, integer());
        if (number < 1) return error("the step of a slice must be 1 or more");
        step.stride = number;
      }
      return {};
    }
    step.kind = StepKind::kIndexes;
    step.indexes.push_back(*first);
    while (skip(",")) {
      skip_space();
      TRY_ASSIGN(number, integer());
      step.indexes.push_back(number);
      skip_space();
      if (step.indexes.size() > kMaxSteps) return error("too many indexes");
    }
    return {};
  }

  Result<std::int64_t> integer() {
    const std::size_t begin = at_;
    if (peek() == '-') ++at_;
    while (is_digit(peek())) ++at_;
    auto number = parse_int(text_.substr(begin, at_ - begin));
    constexpr std::int64_t kFar = 1'000'000'000;
    if (!number.ok() || *number > kFar || *number < -kFar) {
      at_ = begin;
      return error("expected an index, a name in quotes, `*` or a filter");
    }
    return number;
  }

  Result<std::string> quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return error("expected a name in quotes");
    const std::size_t begin = at_++;
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        constexpr std::string_view kFrom = "ntrbf";
        constexpr std::string_view kTo = "\n\t\r\b\f";
        const std::size_t known = kFrom.find(text_[at_]);
        out += known == std::string_view::npos ? text_[at_] : kTo[known];
      } else {
        out += text_[at_];
      }
      ++at_;
    }
    if (at_ == text_.size()) {
      at_ = begin;
      return error("the quotes are never closed");
    }
    ++at_;
    return out;
  }

  using Condition = std::shared_ptr<const JsonCondition>;

  Result<Condition> joined(JsonCondition::Kind kind, std::string_view word,
                           Result<Condition> (Parser::*part)()) {
    TRY_ASSIGN(first, (this->*part)());
    auto whole = std::make_shared<JsonCondition>();
    whole->kind = kind;
    whole->parts.push_back(std::move(first));
    for (skip_space(); skip(word); skip_space()) {
      TRY_ASSIGN(next, (this->*part)());
      whole->parts.push_back(std::move(next));
      if (whole->parts.size() > kMaxSteps) return error("too many conditions");
    }
    if (whole->parts.size() == 1) return whole->parts.front();
    return Condition(std::move(whole));
  }
  Result<Condition> disjunction() {
    return joined(JsonCondition::Kind::kOr, "||", &Parser::conjunction);
  }
  Result<Condition> conjunction() {
    return joined(JsonCondition::Kind::kAnd, "&&", &Parser::condition);
  }

  Result<Condition> condition() {
    if (++nesting_ > kMaxNesting) return error("the filter is nested too deep");
    skip_space();
    Result<Condition> result = nested_condition();
    --nesting_;
    return result;
  }

  Result<Condition> nested_condition() {
    if (peek() == '!' && peek(1) != '=') {
      ++at_;
      TRY_ASSIGN(inner, condition());
      auto negation = std::make_shared<JsonCondition>();
      negation->kind = JsonCondition::Kind::kNot;
      negation->parts.push_back(std::move(inner));
      return Condition(std::move(negation));
    }
    if (skip("(")) {
      TRY_ASSIGN(inner, disjunction());
      skip_space();
      if (!skip(")")) return error("expected `)`");
      return inner;
    }
    return comparison();
  }

  Result<Condition> comparison() {
    auto test = std::make_shared<JsonCondition>();
    TRY_ASSIGN(left, operand());
    test->left = std::move(left);
    skip_space();
    struct Word {
      std::string_view text;
      JsonOperator op;
    };
    constexpr std::array<Word, 12> kWords{{{"==", JsonOperator::kEqual},
                                           {"!=", JsonOperator::kNotEqual},
                                           {"<=", JsonOperator::kLessOrEqual},
                                           {"<", JsonOperator::kLess},
                                           {">=", JsonOperator::kGreaterOrEqual},
                                           {">", JsonOperator::kGreater},
                                           {"=~", JsonOperator::kMatches},
                                           {"in ", JsonOperator::kIn},
                                           {"nin ", JsonOperator::kNotIn},
                                           {"contains ", JsonOperator::kContains},
                                           {"size ", JsonOperator::kSize},
                                           {"empty ", JsonOperator::kEmpty}}};
    for (const Word& word : kWords) {
      if (!skip(word.text)) continue;
      test->op = word.op;
      skip_space();
      TRY_ASSIGN(right, operand());
      test->right = std::move(right);
      if (!names_one(test->left) || !names_one(test->right)) {
        return error("a path in a comparison must name one value, or end in a function");
      }
      const bool has_regex = test->right.kind == JsonOperand::Kind::kRegex;
      if (has_regex != (word.op == JsonOperator::kMatches)) {
        return error("`=~` needs a regular expression `/…/` behind it, and nothing else takes one");
      }
      return Condition(std::move(test));
    }
    if (test->left.kind == JsonOperand::Kind::kConstant ||
        test->left.kind == JsonOperand::Kind::kRegex) {
      return error("expected a comparison");
    }
    return Condition(std::move(test));
  }

  static bool names_one(const JsonOperand& operand) {
    const auto& steps = operand.path.steps;
    if (steps.empty() || steps.back().kind != StepKind::kFunction)
      return operand.path.is_definite();
    const std::string& name = steps.back().names.front();
    return name != "first" && name != "last";  // `[0]` and `[-1]` say the same without a copy
  }

  Result<JsonOperand> operand() {
    JsonOperand operand;
    const char c = peek();
    if (c == '@' || c == '$') {
      if (++nesting_ > kMaxNesting) return error("the filter is nested too deep");
      ++at_;
      operand.kind = c == '@' ? JsonOperand::Kind::kCurrent : JsonOperand::Kind::kRoot;
      TRY_ASSIGN(path, steps_of(true));
      operand.path = std::move(path);
      --nesting_;
      return operand;
    }
    if (c == '/') {
      operand.kind = JsonOperand::Kind::kRegex;
      TRY_ASSIGN(regex, regex_literal());
      operand.regex = std::move(regex);
      return operand;
    }
    TRY_ASSIGN(constant, constant_value());
    operand.constant = std::move(constant);
    return operand;
  }

  // `/pattern/flags`; the flags are Java's i, s, m.
  Result<Regex> regex_literal() {
    ++at_;
    std::string pattern;
    while (at_ < text_.size() && text_[at_] != '/') {
      if (text_[at_] == '\\' && peek(1) == '/') ++at_;
      pattern += text_[at_++];
    }
    if (!skip("/")) return error("the regular expression is never closed by `/`");
    std::string flags;
    while (peek() == 'i' || peek() == 's' || peek() == 'm') flags += text_[at_++];
    if (!flags.empty()) pattern.insert(0, "(?" + flags + ")");
    return Regex::compile(pattern);
  }

  Result<JsonNode> constant_value() {
    JsonNode node;
    if (peek() == '\'' || peek() == '"') {
      TRY_ASSIGN(text, quoted());
      node.kind = JsonKind::kString;
      node.text = std::move(text);
      return node;
    }
    if (skip("[")) {
      if (++nesting_ > kMaxNesting) return error("the filter is nested too deep");
      node.kind = JsonKind::kArray;
      skip_space();
      while (!skip("]")) {
        if (!node.items.empty() && !skip(",")) return error("expected `,` or `]`");
        skip_space();
        TRY_ASSIGN(item, constant_value());
        node.items.push_back(std::move(item));
        skip_space();
      }
      --nesting_;
      return node;
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (word == "true" || word == "false") {
      node.kind = JsonKind::kBoolean;
      node.boolean = word == "true";
    } else if (parse_double(word).ok()) {
      node.kind = JsonKind::kNumber;
      node.text = word;
    } else if (word != "null") {
      at_ = begin;
      return error("expected `@`, `$`, a number, text in quotes, true, false or null");
    }
    return node;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t nesting_ = 0;
};

}  // namespace

Result<JsonSteps> parse_json_path(std::string_view text) {
  if (text.size() > JsonPath::kMaxText) {
    return invalid("the JSON path is longer than " + std::to_string(JsonPath::kMaxText) + " bytes");
  }
  return Parser(text).parse();
}

}  // namespace runnel::el
