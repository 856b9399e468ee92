// A recursive descent over the text, as parser.h says.

#include "agent/flow/el/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/flow/el/lexer.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

constexpr std::array<std::string_view, 5> kFacts{"flowFileId", "fileSize", "entryDate",
                                                 "lineageStartDate", "lastQueueDate"};

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

class Parser {
 public:
  Parser(Expression::Program& program, ElError& error) : program_(program), error_(error) {}

  bool parse_all(std::string_view text) {
    return parse_template(Source{text, 0, nullptr}, true, program_.parts);
  }

 private:
  std::nullptr_t fail(std::size_t offset, std::string text) {
    if (error_.text.empty()) error_ = {offset, std::move(text)};
    return nullptr;
  }

  Node* add(NodeKind kind, std::size_t offset) {
    Node& node = program_.nodes.emplace_back();
    node.kind = kind;
    node.offset = offset;
    return &node;
  }
  std::string_view keep(std::string text) { return program_.strings.emplace_back(std::move(text)); }
  Node* add_text(std::string text, std::size_t offset) {
    Node* node = add(NodeKind::kLiteral, offset);
    node->literal = text_value(keep(std::move(text)));
    return node;
  }

  bool parse_template(Source source, bool is_strict, std::vector<const Node*>& parts);
  const Node* parse_expression(Cursor& in);
  const Node* parse_subject(Cursor& in, const Node*& multi);
  const Node* parse_call(Cursor& in, std::string_view name, std::size_t offset, const Node* subject,
                         bool has_subject);
  bool parse_arguments(Cursor& in, std::string_view name, std::size_t offset, Node& call);
  const Node* parse_argument(Cursor& in);
  const Node* parse_string(Cursor& in);
  const Node* parse_number(Cursor& in);
  const Node* attribute(std::string_view name, std::size_t offset);
  const Node* finish_chain(const Node* chain, const Node* multi, std::size_t offset);
  bool check_call(const Function* function, std::string_view name, const Node& call,
                  bool has_subject);
  bool prepare(Node& call);

  Expression::Program& program_;
  ElError& error_;
  std::size_t nesting_ = 0;
};

// Text outside of `${…}` is taken as it stands, but for the dollars before a brace: each pair of
// them is one, and an odd one begins an expression (NiFi, "Escaping Expression Language").
bool Parser::parse_template(Source source, bool is_strict, std::vector<const Node*>& parts) {
  const std::string_view text = source.text;
  std::string plain;
  std::size_t plain_offset = source.offset(0);
  const std::size_t last_brace = text.rfind('}');
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t dollar = text.find('$', at);
    if (dollar == std::string_view::npos) break;
    plain += text.substr(at, dollar - at);
    std::size_t brace = dollar;
    while (brace < text.size() && text[brace] == '$') ++brace;
    const std::size_t dollars = brace - dollar;
    at = brace;
    if (brace == text.size() || text[brace] != '{') {
      plain.append(dollars, '$');
      continue;
    }
    const bool is_closed = last_brace != std::string_view::npos && last_brace > brace;
    const bool is_expression = dollars % 2 == 1;
    if (!is_closed && is_expression && is_strict) {
      fail(source.offset(brace - 1), "`${` is never closed by `}`; write `$${` for a literal `${`");
      return false;
    }
    plain.append(is_closed ? dollars / 2 : dollars, '$');
    if (!is_closed || !is_expression) {
      // `$${` escapes the expression; one that is never closed stands as it is.
      plain += '{';
      at = brace + 1;
      continue;
    }
    if (!plain.empty()) parts.push_back(add_text(std::exchange(plain, {}), plain_offset));
    Cursor in{source, brace - 1};
    const Node* node = parse_expression(in);
    if (node == nullptr) return false;
    parts.push_back(node);
    at = in.at;
    plain_offset = source.offset(at);
  }
  if (at < text.size()) plain += text.substr(at);
  if (!plain.empty()) parts.push_back(add_text(std::move(plain), plain_offset));
  return true;
}

// At `${`. Leaves the cursor behind the closing brace.
const Node* Parser::parse_expression(Cursor& in) {
  const std::size_t begin = in.offset();
  if (++nesting_ > Expression::kMaxNesting) {
    return fail(begin, "more than " + std::to_string(Expression::kMaxNesting) +
                           " expressions inside one another");
  }
  in.at += 2;
  in.skip_space();
  const Node* multi = nullptr;
  const Node* chain = parse_subject(in, multi);
  if (chain == nullptr) return nullptr;
  std::size_t links = 0;
  for (in.skip_space(); in.peek() == ':'; in.skip_space()) {
    ++in.at;
    in.skip_space();
    const std::size_t offset = in.offset();
    const std::string_view name = in.read_name();
    if (name.empty()) return fail(offset, "a function is missing behind `:`");
    if (++links > Expression::kMaxArguments) {
      return fail(offset, "more than " + std::to_string(Expression::kMaxArguments) +
                              " functions in one chain");
    }
    chain = parse_call(in, name, offset, chain, true);
    if (chain == nullptr) return nullptr;
  }
  if (in.at_end()) {
    return fail(begin, "`${` is never closed by `}`; write `$${` for a literal `${`");
  }
  if (in.peek() != '}') {
    return fail(in.offset(), "expected `:` and a function, or `}`, but found " +
                                 quoted(in.source.text.substr(in.at, 1)) +
                                 "; put attribute names with special characters in quotes");
  }
  ++in.at;
  --nesting_;
  return finish_chain(chain, multi, begin);
}

// What stands before the first `:`. For a multi-attribute function, `multi` is its call and the
// subject is what it looks at in turn.
const Node* Parser::parse_subject(Cursor& in, const Node*& multi) {
  const std::size_t offset = in.offset();
  const char c = in.peek();
  if (c == '\'' || c == '"') {
    const Node* name = parse_string(in);
    if (name == nullptr) return nullptr;
    if (name->kind == NodeKind::kLiteral) return attribute(name->literal.text, offset);
    Node* node = add(NodeKind::kDynamicAttribute, offset);
    node->subject = name;
    return node;
  }
  if (in.sees("${")) {
    const Node* name = parse_expression(in);
    if (name == nullptr) return nullptr;
    Node* node = add(NodeKind::kDynamicAttribute, offset);
    node->subject = name;
    return node;
  }
  if (c == '}') return fail(offset, "the expression is empty; write `${attribute}`");
  if (is_digit(c)) {
    return fail(offset,
                "an attribute name that begins with a digit needs quotes; for a number write "
                "`literal(…)`");
  }
  const std::string_view name = in.read_name();
  if (name.empty()) {
    if (in.at_end()) return fail(offset, "`${` is never closed by `}`");
    return fail(offset, "expected an attribute or a function, but found " +
                            quoted(in.source.text.substr(in.at, 1)));
  }
  const std::size_t behind_name = in.at;
  in.skip_space();
  if (in.peek() != '(') {
    in.at = behind_name;
    return attribute(name, offset);
  }
  const Node* call = parse_call(in, name, offset, nullptr, false);
  if (call == nullptr || call->function->subject != SubjectRule::kMulti) return call;
  multi = call;
  return add(NodeKind::kCurrent, offset);
}

const Node* Parser::attribute(std::string_view name, std::size_t offset) {
  const bool is_fact = std::find(kFacts.begin(), kFacts.end(), name) != kFacts.end();
  Node* node = add(is_fact ? NodeKind::kFact : NodeKind::kAttribute, offset);
  node->literal = text_value(keep(std::string(name)));
  return node;
}

const Node* Parser::parse_call(Cursor& in, std::string_view name, std::size_t offset,
                               const Node* subject, bool has_subject) {
  const Function* function = find_function(name);
  if (function == nullptr) {
    const std::vector<std::string_view> names = function_names();
    const std::string_view near = nearest(name, names);
    std::string text = "unknown function " + quoted(name);
    if (!near.empty()) text += "; did you mean " + quoted(near) + "?";
    return fail(offset, std::move(text));
  }
  in.skip_space();
  if (in.peek() != '(') {
    return fail(offset, quoted(name) + " is a function and needs its parentheses: `" +
                            std::string(name) + "(" + std::string(function->arguments) + ")`");
  }
  Node* call = add(NodeKind::kCall, offset);
  call->function = function;
  call->subject = subject;
  if (!parse_arguments(in, name, offset, *call)) return nullptr;
  if (!check_call(function, name, *call, has_subject) || !prepare(*call)) return nullptr;
  return call;
}

// At `(`. Leaves the cursor behind `)`.
bool Parser::parse_arguments(Cursor& in, std::string_view name, std::size_t offset, Node& call) {
  ++in.at;
  in.skip_space();
  if (in.peek() == ')') {
    ++in.at;
    return true;
  }
  while (true) {
    in.skip_space();
    const Node* argument = parse_argument(in);
    if (argument == nullptr) return false;
    call.arguments.push_back(argument);
    if (call.arguments.size() > Expression::kMaxArguments) {
      fail(offset, quoted(name) + " has more than " + std::to_string(Expression::kMaxArguments) +
                       " arguments");
      return false;
    }
    in.skip_space();
    if (in.peek() == ')') {
      ++in.at;
      return true;
    }
    if (in.peek() != ',') {
      fail(in.at_end() ? offset : in.offset(),
           in.at_end() ? "the arguments of " + quoted(name) + " are never closed by `)`"
                       : "expected `,` or `)` in the arguments of " + quoted(name) +
                             ", but found " + quoted(in.source.text.substr(in.at, 1)));
      return false;
    }
    ++in.at;
  }
}

const Node* Parser::parse_argument(Cursor& in) {
  const std::size_t offset = in.offset();
  const char c = in.peek();
  if (c == '\'' || c == '"') return parse_string(in);
  if (in.sees("${")) return parse_expression(in);
  if (is_digit(c) || c == '-' || c == '+' || c == '.') return parse_number(in);
  const std::string_view word = in.read_name();
  if (word == "true" || word == "false" || word == "null") {
    Node* node = add(NodeKind::kLiteral, offset);
    if (word != "null") node->literal = boolean_value(word == "true");
    return node;
  }
  if (word.empty()) return fail(offset, "an argument is missing");
  std::string text = quoted(word) + " is no argument: ";
  if (find_function(word) != nullptr) text += "for a function's value write `${…}` around it; ";
  text += "for text write `'" + std::string(word) + "'`, for an attribute `${" + std::string(word) +
          "}`";
  return fail(offset, std::move(text));
}

const Node* Parser::parse_number(Cursor& in) {
  const std::size_t offset = in.offset();
  const std::string_view text = in.read_number();
  const Value value =
      text.find_first_of("xXIN") == std::string_view::npos ? number_from(text) : null_value();
  if (value.is_null()) {
    return fail(offset,
                quoted(text) + " is no number; for text write `'" + std::string(text) + "'`");
  }
  Node* node = add(NodeKind::kLiteral, offset);
  node->literal = value;
  return node;
}

// At a quote. A string with expressions inside is a template.
const Node* Parser::parse_string(Cursor& in) {
  const std::size_t offset = in.offset();
  const char quote = in.peek();
  std::string text;
  std::vector<std::size_t> map;
  if (!in.read_quoted(text, map)) {
    return fail(offset, std::string("the text is never closed by `") + quote + "`");
  }
  if (text.find("${") == std::string::npos) return add_text(std::move(text), offset);

  if (++nesting_ > Expression::kMaxNesting) return fail(offset, "too deep");
  std::vector<const Node*> parts;
  const bool is_good = parse_template(Source{text, offset, &map}, false, parts);
  --nesting_;
  if (!is_good) return nullptr;
  if (parts.size() == 1 && parts.front()->kind == NodeKind::kLiteral) return parts.front();
  Node* node = add(NodeKind::kTemplate, offset);
  node->arguments = std::move(parts);
  return node;
}

bool Parser::check_call(const Function* function, std::string_view name, const Node& call,
                        bool has_subject) {
  const std::string shape = "`" + std::string(name) + "(" + std::string(function->arguments) + ")`";
  if (has_subject &&
      (function->subject == SubjectRule::kNone || function->subject == SubjectRule::kMulti)) {
    fail(call.offset, quoted(name) + " has no subject: begin an expression with it, `${" +
                          std::string(name) + "(" + std::string(function->arguments) + ")}`");
    return false;
  }
  if (!has_subject && function->subject == SubjectRule::kNeeds) {
    fail(call.offset, quoted(name) + " needs a subject: write `${attribute:" + std::string(name) +
                          "(" + std::string(function->arguments) + ")}`");
    return false;
  }
  const std::size_t count = call.arguments.size();
  if (count < function->arguments_min || count > function->arguments_max) {
    std::string text = quoted(name) + " takes ";
    if (function->arguments_max == 0) {
      text += "no arguments";
    } else {
      text += std::to_string(function->arguments_min);
      if (function->arguments_max >= Expression::kMaxArguments) {
        text += " or more";
      } else if (function->arguments_max != function->arguments_min) {
        text += " to " + std::to_string(function->arguments_max);
      }
      text +=
          function->arguments_min == 1 && function->arguments_max == 1 ? " argument" : " arguments";
    }
    fail(call.offset, text + ", not " + std::to_string(count) + ": " + shape);
    return false;
  }
  return true;
}

// Lets the function make its constant arguments ready, so that a wrong pattern is found now.
bool Parser::prepare(Node& call) {
  if (call.function->prepare == nullptr) return true;
  std::vector<std::optional<Value>> constants;
  for (const Node* argument : call.arguments) {
    const bool is_constant = argument->kind == NodeKind::kLiteral;
    constants.push_back(is_constant ? std::optional(argument->literal) : std::nullopt);
  }
  auto prepared = call.function->prepare(constants);
  if (!prepared.ok()) {
    const std::size_t offset = call.arguments.empty() ? call.offset : call.arguments[0]->offset;
    fail(offset, quoted(call.function->name) + ": " + prepared.error().text());
    return false;
  }
  call.prepared = std::move(prepared).value();
  return true;
}

const Node* Parser::finish_chain(const Node* chain, const Node* multi, std::size_t offset) {
  for (const Node* node = chain->subject; chain->kind == NodeKind::kCall && node != nullptr;
       node = node->subject) {
    if (node->kind != NodeKind::kCall) break;
    if (node->function->is_reducer) {
      return fail(node->offset, quoted(node->function->name) +
                                    " must be the last function; to go on, write `${literal(${…:" +
                                    std::string(node->function->name) + "(…)}):…}`");
    }
  }
  if (multi == nullptr) return chain;
  const bool is_call = chain->kind == NodeKind::kCall;
  const bool is_boolean = is_call && chain->function->returns == Type::kBoolean;
  const bool is_all = multi->function->name.starts_with("all");
  if (!is_boolean && !(is_all && is_call && chain->function->is_reducer)) {
    return fail(multi->offset, quoted(multi->function->name) +
                                   " needs a condition behind it, such as `:contains('x')`" +
                                   (is_all ? ", or `:count()` or `:join(',')`" : ""));
  }
  Node* node = add(NodeKind::kMulti, offset);
  node->function = multi->function;
  node->arguments = multi->arguments;
  node->prepared = multi->prepared;
  node->subject = chain;
  return node;
}

}  // namespace

std::shared_ptr<const Expression::Program> parse(std::string_view text, ElError& error) {
  error = {};
  if (text.size() > Expression::kMaxText) {
    error = {Expression::kMaxText,
             "longer than " + std::to_string(Expression::kMaxText) + " bytes"};
    return nullptr;
  }
  auto program = std::make_shared<Expression::Program>();
  program->text = text;
  Parser parser(*program, error);
  if (!parser.parse_all(text)) return nullptr;
  for (const Node* part : program->parts) {
    if (part->kind != NodeKind::kLiteral) program->is_constant = false;
  }
  if (program->is_constant) {
    for (const Node* part : program->parts) program->constant += part->literal.text;
  }
  return program;
}

}  // namespace runnel::el
