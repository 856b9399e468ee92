// Text: a property in which `${…}` is evaluated for each FlowFile. EnvironmentText: once, at start,
// without a FlowFile.

#pragma once

#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/flow/el/expression.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/flowfile.h"

namespace runnel {

// What an expression sees of a FlowFile.
class FlowFileScope final : public Scope {
 public:
  explicit FlowFileScope(const FlowFile& flowfile, Clock& clock = system_clock())
      : flowfile_(flowfile), clock_(clock) {}

  std::optional<std::string_view> attribute(std::string_view name) const override {
    if (!flowfile_) return std::nullopt;
    return flowfile_.attribute(name);
  }
  void each_attribute(const Visit& visit) const override;
  std::optional<FlowFileFacts> facts() const override;
  Clock& clock() const override { return clock_; }

 private:
  const FlowFile& flowfile_;
  Clock& clock_;
};

class Text {
 public:
  Text() = default;
  Text(std::string_view constant) : expression_(Expression::literal(std::string(constant))) {}
  explicit Text(Expression expression) : expression_(std::move(expression)) {}

  bool is_empty() const { return is_constant() && constant().empty(); }
  bool is_constant() const { return expression_.is_constant(); }
  std::string_view constant() const { return expression_.constant(); }
  const Expression& expression() const { return expression_; }

  // kInvalid when a value does not fit a function: route the FlowFile to failure.
  Result<std::string> of(const FlowFile& flowfile) const {
    if (is_constant()) return std::string(constant());
    return expression_.evaluate(FlowFileScope(flowfile));
  }
  // The value, without a copy when it is constant; `into` holds it otherwise.
  Result<std::string_view> of(const FlowFile& flowfile, std::string& into) const {
    if (is_constant()) return constant();
    into.clear();
    TRY(expression_.append_to(into, FlowFileScope(flowfile)));
    return std::string_view(into);
  }

 private:
  Expression expression_;
};

struct EnvironmentText {
  std::string value;

  EnvironmentText() = default;
  EnvironmentText(std::string_view text) : value(text) {}
};

template <>
struct PropertyTraits<Text> {
  static constexpr PropertyKind kKind = PropertyKind::kText;
  static constexpr ExpressionScope kExpressions = ExpressionScope::kFlowFile;
  static Result<Text> parse(std::string_view text) {
    TRY_ASSIGN(expression, Expression::compile(text));
    return Text(std::move(expression));
  }
  static std::string text(const Text& value) { return std::string(value.expression().text()); }
};

template <>
struct PropertyTraits<EnvironmentText> {
  static constexpr PropertyKind kKind = PropertyKind::kText;
  static constexpr ExpressionScope kExpressions = ExpressionScope::kEnvironment;
  static Result<EnvironmentText> parse(std::string_view text) {
    TRY_ASSIGN(expression, Expression::compile(text));
    TRY_ASSIGN(value, expression.evaluate(empty_scope()));
    return EnvironmentText(value);
  }
  static std::string text(const EnvironmentText& value) { return value.value; }
};

}  // namespace runnel
