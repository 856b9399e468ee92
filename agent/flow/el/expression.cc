// Compiled expressions and their evaluation, as expression.h says.

#include "agent/flow/el/expression.h"

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"
#include "agent/flow/el/parser.h"
#include "agent/flow/el/program.h"
#include "agent/flow/el/time_format.h"

namespace runnel {
namespace el {
namespace {

Value fact(const Node& node, Context& context) {
  const std::string_view name = node.literal.text;
  if (const std::optional<FlowFileFacts> facts = context.scope().facts()) {
    if (name == "flowFileId") return number_value(static_cast<std::int64_t>(facts->id));
    if (name == "fileSize") return number_value(static_cast<std::int64_t>(facts->size));
    if (name == "entryDate") return number_value(facts->entry_ms);
    if (name == "lineageStartDate") return number_value(facts->lineage_start_ms);
    if (name == "lastQueueDate") return number_value(facts->last_queue_ms);
  }
  const auto value = context.scope().attribute(name);
  return value ? text_value(*value) : null_value();
}

Value dynamic_attribute(const Node& node, Context& context) {
  const Value name = evaluate(*node.subject, context);
  if (name.is_null()) return name;
  std::string text;
  append_text(text, name, context);
  const auto value = context.scope().attribute(text);
  return value ? text_value(*value) : null_value();
}

// A chain of calls from its begin to its end, without recursion: the stack grows with nesting only.
Value chain_value(const Node& last, Context& context) {
  std::array<const Node*, Expression::kMaxArguments + 1>
      calls;  // the parser's bound, and a first one
  std::size_t count = 0;
  const Node* at = &last;
  for (; at != nullptr && at->kind == NodeKind::kCall; at = at->subject) calls[count++] = at;
  Value value = at == nullptr ? null_value() : evaluate(*at, context);
  while (count > 0 && !context.has_failed()) {
    const Node& node = *calls[--count];
    Call call(node, context, value);
    value = node.function->evaluate(call);
  }
  return context.has_failed() ? null_value() : value;
}

Value template_value(const Node& node, Context& context) {
  std::string out;
  for (const Node* part : node.arguments) {
    append_text(out, evaluate(*part, context), context);
    if (context.has_failed()) return null_value();
    if (out.size() > Expression::kMaxResult) break;
  }
  return text_value(context.hold(std::move(out)));
}

}  // namespace

std::string_view Context::hold(std::string text) {
  if (text.size() > Expression::kMaxResult) {
    fail("a value of " + std::to_string(text.size()) + " bytes is above the limit of " +
         std::to_string(Expression::kMaxResult));
    return {};
  }
  held_bytes_ += text.size();
  if (held_bytes_ > kMaxHeld) {
    fail("the values on the way to the result are above the limit of " + std::to_string(kMaxHeld) +
         " bytes");
    return {};
  }
  return held_.emplace_front(std::move(text));
}

Value Context::fail(std::string text) {
  if (!has_failed_) failure_ = std::move(text);
  has_failed_ = true;
  return null_value();
}

Value Context::evaluate_inside(const Expression& expression) {
  if (++*inside_ > kMaxInside) {
    return fail("more than " + std::to_string(kMaxInside) + " values are evaluated as expressions");
  }
  Context inner(scope_);
  inner.reentry_ = reentry_ + 1;
  inner.inside_ = inside_;
  std::string out;
  for (const Node* part : expression.program().parts) {
    append_text(out, evaluate(*part, inner), inner);
    if (inner.has_failed()) return fail(inner.failure());
    if (out.size() > Expression::kMaxResult) break;
  }
  return text_value(hold(std::move(out)));
}

Value evaluate(const Node& node, Context& context) {
  switch (node.kind) {
    case NodeKind::kLiteral:
      return node.literal;
    case NodeKind::kAttribute: {
      const auto value = context.scope().attribute(node.literal.text);
      return value ? text_value(*value) : null_value();
    }
    case NodeKind::kCall:
      return chain_value(node, context);
    case NodeKind::kFact:
      return fact(node, context);
    case NodeKind::kDynamicAttribute:
      return dynamic_attribute(node, context);
    case NodeKind::kTemplate:
      return template_value(node, context);
    case NodeKind::kCurrent:
      return context.current;
    case NodeKind::kMulti:
      return evaluate_multi(node, context);
  }
  return null_value();
}

void append_text(std::string& out, const Value& value, Context& context) {
  switch (value.type) {
    case Type::kNull:
      return;
    case Type::kString:
      out += value.text;
      return;
    case Type::kNumber:
      append_number(out, value.number);
      return;
    case Type::kDecimal:
      append_decimal(out, value.decimal);
      return;
    case Type::kBoolean:
      out += value.boolean ? "true" : "false";
      return;
    case Type::kDate:
      append_java_date(out, value.number, context.scope().time_zone());
      return;
    case Type::kInstant:
      append_java_instant(out, value.number, value.nanos);
      return;
  }
}

std::optional<std::string_view> Call::text(const Value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.type == Type::kString) return value.text;
  std::string out;
  append_text(out, value, context_);
  return context_.hold(std::move(out));
}

Value Call::fail(std::string_view why) {
  return context_.fail("`" + std::string(node_.function->name) + "` at column " +
                       std::to_string(node_.offset + 1) + ": " + std::string(why));
}

}  // namespace el

namespace {

std::shared_ptr<const Expression::Program> constant_program(std::string text) {
  auto program = std::make_shared<Expression::Program>();
  program->constant = text;
  program->text = std::move(text);
  return program;
}

}  // namespace

Expression::Expression() {
  static const std::shared_ptr<const Program> kEmpty = constant_program({});
  program_ = kEmpty;
}

Expression Expression::literal(std::string text) {
  return Expression(constant_program(std::move(text)));
}

std::optional<Expression> Expression::compile(std::string_view text, ElError& error) {
  auto program = el::parse(text, error);
  if (program == nullptr) return std::nullopt;
  return Expression(std::move(program));
}

Result<Expression> Expression::compile(std::string_view text) {
  ElError error;
  if (auto expression = compile(text, error)) return *std::move(expression);
  return invalid("column " + std::to_string(error.offset + 1) + ": " + error.text);
}

bool Expression::is_constant() const { return program_->is_constant; }
std::string_view Expression::constant() const { return program_->constant; }
std::string_view Expression::text() const { return program_->text; }

std::vector<std::string> Expression::attributes() const {
  std::vector<std::string> names;
  for (const el::Node& node : program_->nodes) {
    if (node.kind == el::NodeKind::kAttribute || node.kind == el::NodeKind::kFact) {
      names.emplace_back(node.literal.text);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<> Expression::append_to(std::string& out, const Scope& scope) const {
  if (program_->is_constant) {
    out += program_->constant;
    return {};
  }
  const std::size_t before = out.size();
  el::Context context(scope);
  for (const el::Node* part : program_->parts) {
    el::append_text(out, el::evaluate(*part, context), context);
    if (!context.has_failed() && out.size() - before > kMaxResult) {
      context.fail("the result is above the limit of " + std::to_string(kMaxResult) + " bytes");
    }
    if (context.has_failed()) {
      out.resize(before);
      return invalid(context.failure());
    }
  }
  return {};
}

Result<std::string> Expression::evaluate(const Scope& scope) const {
  std::string out;
  TRY(append_to(out, scope));
  return out;
}

Result<bool> Expression::evaluate_bool(const Scope& scope) const {
  if (program_->is_constant) return equal_ignoring_case(program_->constant, "true");
  if (program_->parts.size() == 1) {
    el::Context context(scope);
    const el::Value value = el::evaluate(*program_->parts.front(), context);
    if (context.has_failed()) return invalid(context.failure());
    return el::to_boolean(value).value_or(false);
  }
  TRY_ASSIGN(text, evaluate(scope));
  return equal_ignoring_case(text, "true");
}

}  // namespace runnel
