// What the parser makes of an expression, and what a function sees of it while it runs.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/el/expression.h"
#include "agent/flow/el/value.h"

namespace runnel::el {

struct Function;

enum class NodeKind : std::uint8_t {
  kLiteral,           // `literal`
  kAttribute,         // the attribute named `literal.text`
  kFact,              // the same for a name of FlowFileFacts: it goes before an attribute
  kDynamicAttribute,  // the attribute that the value of `subject` names
  kTemplate,          // `arguments`, one behind the other, as text
  kCurrent,           // the value that the multi-attribute function at hand looks at
  kCall,              // `function` on `subject` with `arguments`
  kMulti,             // `subject` (a chain that begins with kCurrent) for each value of `function`
};

struct Node {
  NodeKind kind = NodeKind::kLiteral;
  std::size_t offset = 0;  // in the text
  Value literal;
  const Function* function = nullptr;
  const Node* subject = nullptr;
  std::vector<const Node*> arguments;
  std::shared_ptr<const void> prepared;  // what the function made of its constant arguments
};

// What one evaluation needs beside the program. On the stack of the evaluating thread.
class Context {
 public:
  // Intermediate texts of one evaluation together.
  static constexpr std::size_t kMaxHeld = 16 * Expression::kMaxResult;
  // `evaluateELString` inside `evaluateELString`.
  static constexpr int kMaxReentry = 8;

  static constexpr int kMaxInside = 1000;  // texts evaluated by `evaluateELString` in all

  explicit Context(const Scope& scope) : scope_(scope) {}

  const Scope& scope() const { return scope_; }
  int reentry() const { return reentry_; }

  // Keeps `text` until the evaluation ends. Text beyond the bounds fails the evaluation.
  std::string_view hold(std::string text);
  // The first failure is the one that counts. Returns null, for `return call.fail(…)`.
  Value fail(std::string text);
  bool has_failed() const { return has_failed_; }
  const std::string& failure() const { return failure_; }
  // The value of another text in this evaluation's scope, held here.
  Value evaluate_inside(const Expression& expression);

  Value current;  // what kCurrent is

 private:
  const Scope& scope_;
  int reentry_ = 0;
  int own_inside_ = 0;
  int* inside_ = &own_inside_;
  bool has_failed_ = false;
  std::size_t held_bytes_ = 0;
  std::forward_list<std::string> held_;
  std::string failure_;
};

// The value of `node`; null when the context has failed.
Value evaluate(const Node& node, Context& context);
// Appends a value as text; null is nothing. Dates look as Java's Date.toString.
void append_text(std::string& out, const Value& value, Context& context);

// One call of a function at run time.
class Call {
 public:
  Call(const Node& node, Context& context, const Value& subject_value)
      : subject(subject_value), node_(node), context_(context) {}

  const Value subject;

  bool has_subject() const { return node_.subject != nullptr; }
  std::size_t count() const { return node_.arguments.size(); }
  bool has(std::size_t index) const { return index < count(); }
  // The value of an argument, evaluated now; null when it is absent.
  Value argument(std::size_t index) {
    return has(index) ? evaluate(*node_.arguments[index], context_) : null_value();
  }

  // Values as text: nothing for null.
  std::optional<std::string_view> text(const Value& value);
  std::optional<std::string_view> subject_text() { return text(subject); }
  std::optional<std::string_view> text(std::size_t index) { return text(argument(index)); }
  std::optional<std::int64_t> whole(std::size_t index) { return to_whole(argument(index)); }

  Value hold(std::string result) { return text_value(context_.hold(std::move(result))); }
  Value fail(std::string_view why);

  // What `Function::prepare` made, or nullptr when an argument was no constant.
  template <typename T>
  const T* prepared() const {
    return static_cast<const T*>(node_.prepared.get());
  }
  Context& context() { return context_; }
  const Scope& scope() const { return context_.scope(); }

 private:
  const Node& node_;
  Context& context_;
};

enum class SubjectRule : std::uint8_t {
  kNeeds,   // ${a:toUpper()}
  kNone,    // ${now()}
  kEither,  // ${math('random')} and ${a:math('abs')}
  kMulti,   // ${anyAttribute('a', 'b'):…}: the rest of the chain runs for each
};
inline constexpr auto kNeeds = SubjectRule::kNeeds;  // most functions do

// One function as data. The tables in functions_*.cc are the only list of them.
struct Function {
  // Its constant arguments, checked and made ready when the expression is compiled; those that are
  // no constants are nothing here. May return nullptr: then it is made ready at each call.
  using Constants = std::span<const std::optional<Value>>;
  using Prepare = Result<std::shared_ptr<const void>> (*)(Constants arguments);

  std::string_view name;
  SubjectRule subject = SubjectRule::kNeeds;
  std::size_t arguments_min = 0;
  std::size_t arguments_max = 0;
  std::string_view arguments;    // names, as the reference shows them: "start, end?"
  Type returns = Type::kString;  // kNull: depends
  std::string_view doc;
  Value (*evaluate)(Call& call) = nullptr;
  Prepare prepare = nullptr;
  bool is_reducer = false;  // count, join: take all values of a multi-attribute function together
};

// All functions by their sections, and one by its name (nullptr when there is none).
struct FunctionGroup {
  std::string_view title;
  std::span<const Function> functions;
};
std::span<const FunctionGroup> function_groups();
const Function* find_function(std::string_view name);

std::span<const Function> logic_functions();
std::span<const Function> text_functions();
std::span<const Function> part_functions();
std::span<const Function> search_functions();
std::span<const Function> escape_functions();
std::span<const Function> encode_functions();
std::span<const Function> number_functions();
std::span<const Function> date_functions();
std::span<const Function> json_functions();
std::span<const Function> system_functions();
std::span<const Function> multi_functions();

// Runs a kMulti node.
Value evaluate_multi(const Node& node, Context& context);

}  // namespace runnel::el

namespace runnel {

struct Expression::Program {
  std::string text;
  bool is_constant = true;
  std::string constant;
  std::vector<const el::Node*> parts;  // text and expressions in turn
  std::deque<el::Node> nodes;
  std::deque<std::string> strings;
};

}  // namespace runnel
