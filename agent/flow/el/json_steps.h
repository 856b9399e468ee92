// A compiled JSON path: its steps and the conditions in its filters.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/flow/el/json_path.h"
#include "agent/flow/el/json_tree.h"
#include "agent/flow/el/regex.h"

namespace runnel::el {

struct JsonCondition;

enum class StepKind : std::uint8_t { kNames, kIndexes, kSlice, kWildcard, kFilter, kFunction };

struct JsonStep {
  StepKind kind = StepKind::kWildcard;
  bool is_deep = false;  // `..`: at each level below too
  std::vector<std::string> names;
  std::vector<std::int64_t> indexes;
  std::optional<std::int64_t> begin;  // kSlice
  std::optional<std::int64_t> end;
  std::int64_t stride = 1;
  std::shared_ptr<const JsonCondition> condition;
};

struct JsonSteps {
  std::vector<JsonStep> steps;

  bool is_definite() const;
};

// One side of a comparison: a path from `@` or `$`, or a constant.
struct JsonOperand {
  enum class Kind : std::uint8_t { kCurrent, kRoot, kConstant, kRegex };
  Kind kind = Kind::kConstant;
  JsonSteps path;
  JsonNode constant;
  std::optional<Regex> regex;
};

enum class JsonOperator : std::uint8_t {
  kExists,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kMatches,
  kIn,
  kNotIn,
  kContains,
  kSize,
  kEmpty,
};

struct JsonCondition {
  enum class Kind : std::uint8_t { kAnd, kOr, kNot, kTest };
  Kind kind = Kind::kTest;
  std::vector<std::shared_ptr<const JsonCondition>> parts;  // kAnd, kOr, kNot
  JsonOperator op = JsonOperator::kExists;
  JsonOperand left;
  JsonOperand right;
};

// Follows the steps through a document. One use, one thread.
class JsonWalk {
 public:
  explicit JsonWalk(const JsonNode& root) : root_(root) {}

  // The nodes that the steps name, in document order. kInvalid above the bounds of JsonPath.
  Result<std::vector<const JsonNode*>> find(const JsonNode& from, const JsonSteps& steps);
  // The same for a path that ends in a function: its one result.
  Result<JsonNode> apply_function(const JsonStep& function,
                                  const std::vector<const JsonNode*>& nodes,
                                  bool is_definite) const;

 private:
  using Found = std::vector<const JsonNode*>;
  bool walk(const JsonNode& node, const JsonSteps& steps, std::size_t at, Found& found);
  bool take(const JsonNode& node, const JsonSteps& steps, std::size_t at, Found& found);
  bool take_slice(const JsonNode& node, const JsonSteps& steps, std::size_t at, Found& found);
  bool holds(const JsonNode& current, const JsonCondition& condition);
  bool test(const JsonNode& current, const JsonCondition& condition);
  const JsonNode* value_of(const JsonNode& current, const JsonOperand& operand, JsonNode& storage);
  bool are_equal(const JsonNode& a, const JsonNode& b);
  bool is_within(const JsonNode& item, const JsonNode& list);
  // Counts the work; false when the bound is reached.
  bool spend(std::size_t visits);

  const JsonNode& root_;
  std::size_t visits_ = 0;
  bool is_over_ = false;
};

// Compiles the text of a path; kInvalid with its column.
Result<JsonSteps> parse_json_path(std::string_view text);

}  // namespace runnel::el

namespace runnel {

struct JsonPath::Steps {
  std::string text;
  el::JsonSteps path;
};

}  // namespace runnel
