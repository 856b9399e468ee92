// Following a JSON path through a document, as json_steps.h says.

#include <algorithm>
#include <cmath>

#include "agent/flow/el/json_steps.h"
#include "agent/flow/el/value.h"

namespace runnel::el {
namespace {

std::optional<double> number_of(const JsonNode& node) {
  return node.kind == JsonKind::kNumber ? to_decimal(number_from(node.text)) : std::nullopt;
}

// Less, equal, greater as -1, 0, 1; nothing for what has no order: only numbers and texts have.
std::optional<int> order_of(const JsonNode& a, const JsonNode& b) {
  if (a.kind == JsonKind::kNumber && b.kind == JsonKind::kNumber) {
    const double x = *number_of(a);
    const double y = *number_of(b);
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (a.kind == JsonKind::kString && b.kind == JsonKind::kString) {
    const int order = a.text.compare(b.text);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  return std::nullopt;
}

std::optional<std::size_t> size_of(const JsonNode& node) {
  if (node.kind == JsonKind::kString) return node.text.size();
  if (node.kind == JsonKind::kArray || node.kind == JsonKind::kObject) return node.items.size();
  return std::nullopt;
}

JsonNode number_node(double number) {
  JsonNode node;
  if (!std::isfinite(number)) return node;
  node.kind = JsonKind::kNumber;
  append_decimal(node.text, number);
  return node;
}

}  // namespace

bool JsonSteps::is_definite() const {
  return std::all_of(steps.begin(), steps.end(), [](const JsonStep& step) {
    if (step.is_deep) return false;
    if (step.kind == StepKind::kNames) return step.names.size() == 1;
    if (step.kind == StepKind::kIndexes) return step.indexes.size() == 1;
    return step.kind == StepKind::kFunction;
  });
}

bool JsonWalk::spend(std::size_t visits) {
  visits_ += visits;
  if (visits_ > JsonPath::kMaxVisits) is_over_ = true;
  return !is_over_;
}

// Comparing costs as looking does: a filter may ask for the same large value again and again.
bool JsonWalk::are_equal(const JsonNode& a, const JsonNode& b) {
  if (!spend(1 + a.text.size() / 64) || a.kind != b.kind) return false;
  switch (a.kind) {
    case JsonKind::kNull:
      return true;
    case JsonKind::kBoolean:
      return a.boolean == b.boolean;
    case JsonKind::kNumber:
      return a.text == b.text || number_of(a) == number_of(b);
    case JsonKind::kString:
      return a.text == b.text;
    case JsonKind::kArray:
      return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                        [&](const JsonNode& x, const JsonNode& y) { return are_equal(x, y); });
    case JsonKind::kObject:
      if (a.items.size() != b.items.size()) return false;
      for (std::size_t i = 0; i < a.keys.size(); ++i) {
        if (!spend(b.keys.size() / 8)) return false;
        const JsonNode* other = b.member(a.keys[i]);
        if (other == nullptr || !are_equal(a.items[i], *other)) return false;
      }
      return true;
  }
  return false;
}

bool JsonWalk::is_within(const JsonNode& item, const JsonNode& list) {
  if (list.kind != JsonKind::kArray) return false;
  return std::any_of(list.items.begin(), list.items.end(),
                     [&](const JsonNode& other) { return are_equal(item, other); });
}

Result<std::vector<const JsonNode*>> JsonWalk::find(const JsonNode& from, const JsonSteps& steps) {
  Found found;
  walk(from, steps, 0, found);
  if (is_over_) {
    return invalid("the JSON path looks at more than " + std::to_string(JsonPath::kMaxVisits) +
                   " values or finds more than " + std::to_string(JsonPath::kMaxMatches));
  }
  return found;
}

// Returns false when a bound is reached.
bool JsonWalk::walk(const JsonNode& node, const JsonSteps& steps, std::size_t at, Found& found) {
  if (!spend(1)) return false;
  if (at == steps.steps.size() || steps.steps[at].kind == StepKind::kFunction) {
    if (found.size() >= JsonPath::kMaxMatches) {
      is_over_ = true;
      return false;
    }
    found.push_back(&node);
    return true;
  }
  if (!take(node, steps, at, found)) return false;
  if (!steps.steps[at].is_deep) return true;
  for (const JsonNode& item : node.items) {
    if (!walk(item, steps, at, found)) return false;
  }
  return true;
}

// What one step takes from one node, without going deeper for `..`.
bool JsonWalk::take(const JsonNode& node, const JsonSteps& steps, std::size_t at, Found& found) {
  const JsonStep& step = steps.steps[at];
  switch (step.kind) {
    case StepKind::kNames:
      if (node.kind != JsonKind::kObject) return true;
      for (const std::string& name : step.names) {
        if (!spend(node.keys.size() / 8)) return false;
        const JsonNode* member = node.member(name);
        if (member != nullptr && !walk(*member, steps, at + 1, found)) return false;
      }
      return true;
    case StepKind::kIndexes:
      if (node.kind != JsonKind::kArray) return true;
      for (const std::int64_t index : step.indexes) {
        const auto size = static_cast<std::int64_t>(node.items.size());
        const std::int64_t place = index < 0 ? size + index : index;
        if (place < 0 || place >= size) continue;
        if (!walk(node.items[static_cast<std::size_t>(place)], steps, at + 1, found)) return false;
      }
      return true;
    case StepKind::kSlice:
      return take_slice(node, steps, at, found);
    case StepKind::kWildcard:
      for (const JsonNode& item : node.items) {
        if (!walk(item, steps, at + 1, found)) return false;
      }
      return true;
    case StepKind::kFilter: {
      // On an object Jayway asks the object itself, on an array each item.
      if (node.kind == JsonKind::kObject && !step.is_deep) {
        return !holds(node, *step.condition) ? !is_over_ : walk(node, steps, at + 1, found);
      }
      if (node.kind != JsonKind::kArray) return true;
      for (const JsonNode& item : node.items) {
        if (holds(item, *step.condition) && !walk(item, steps, at + 1, found)) return false;
        if (is_over_) return false;
      }
      return true;
    }
    case StepKind::kFunction:
      break;
  }
  return true;
}

bool JsonWalk::take_slice(const JsonNode& node, const JsonSteps& steps, std::size_t at,
                          Found& found) {
  if (node.kind != JsonKind::kArray) return true;
  const JsonStep& step = steps.steps[at];
  const auto size = static_cast<std::int64_t>(node.items.size());
  const auto place = [&](std::int64_t index) {
    return std::clamp<std::int64_t>(index < 0 ? size + index : index, 0, size);
  };
  const std::int64_t end = step.end ? place(*step.end) : size;
  for (std::int64_t i = step.begin ? place(*step.begin) : 0; i < end; i += step.stride) {
    if (!walk(node.items[static_cast<std::size_t>(i)], steps, at + 1, found)) return false;
  }
  return true;
}

bool JsonWalk::holds(const JsonNode& current, const JsonCondition& condition) {
  if (!spend(1)) return false;
  switch (condition.kind) {
    case JsonCondition::Kind::kAnd:
      return std::all_of(condition.parts.begin(), condition.parts.end(),
                         [&](const auto& part) { return holds(current, *part); });
    case JsonCondition::Kind::kOr:
      return std::any_of(condition.parts.begin(), condition.parts.end(),
                         [&](const auto& part) { return holds(current, *part); });
    case JsonCondition::Kind::kNot:
      return !holds(current, *condition.parts.front());
    case JsonCondition::Kind::kTest:
      return test(current, condition);
  }
  return false;
}

// The node that an operand stands for, or nullptr when its path finds none. A path that is not
// definite says only whether there is one (the parser lets it stand by itself only).
const JsonNode* JsonWalk::value_of(const JsonNode& current, const JsonOperand& operand,
                                   JsonNode& storage) {
  if (operand.kind == JsonOperand::Kind::kConstant) return &operand.constant;
  if (operand.kind == JsonOperand::Kind::kRegex) return nullptr;
  Found found;
  const JsonNode& from = operand.kind == JsonOperand::Kind::kRoot ? root_ : current;
  walk(from, operand.path, 0, found);
  if (is_over_) return nullptr;
  const auto& steps = operand.path.steps;
  if (steps.empty() || steps.back().kind != StepKind::kFunction) {
    return found.empty() ? nullptr : found.front();
  }
  for (const JsonNode* node : found) {
    if (!spend(node->items.size())) return nullptr;
  }
  auto result = apply_function(steps.back(), found, operand.path.is_definite());
  if (!result.ok()) return nullptr;
  storage = std::move(result).value();
  return &storage;
}

bool JsonWalk::test(const JsonNode& current, const JsonCondition& condition) {
  JsonNode left_storage;
  const JsonNode* left = value_of(current, condition.left, left_storage);
  if (condition.op == JsonOperator::kExists) return left != nullptr;
  if (condition.op == JsonOperator::kMatches) {
    return left != nullptr && condition.right.regex && left->kind == JsonKind::kString &&
           spend(left->text.size() / 64) && condition.right.regex->matches(left->text);
  }
  JsonNode right_storage;
  const JsonNode* right = value_of(current, condition.right, right_storage);
  if (left == nullptr || right == nullptr) return condition.op == JsonOperator::kNotEqual;
  if (!spend(left->text.size() / 64)) return false;
  const std::optional<int> order = order_of(*left, *right);
  switch (condition.op) {
    case JsonOperator::kEqual:
      return are_equal(*left, *right);
    case JsonOperator::kNotEqual:
      return !are_equal(*left, *right);
    case JsonOperator::kLess:
      return order && *order < 0;
    case JsonOperator::kLessOrEqual:
      return order && *order <= 0;
    case JsonOperator::kGreater:
      return order && *order > 0;
    case JsonOperator::kGreaterOrEqual:
      return order && *order >= 0;
    case JsonOperator::kIn:
      return is_within(*left, *right);
    case JsonOperator::kNotIn:
      return !is_within(*left, *right);
    case JsonOperator::kContains:
      if (left->kind == JsonKind::kString && right->kind == JsonKind::kString) {
        return left->text.find(right->text) != std::string::npos;
      }
      return is_within(*right, *left);
    case JsonOperator::kSize:
      return size_of(*left) && number_of(*right) == static_cast<double>(*size_of(*left));
    case JsonOperator::kEmpty:
      return size_of(*left) && (*size_of(*left) == 0) == (right->boolean);
    case JsonOperator::kExists:
    case JsonOperator::kMatches:
      break;
  }
  return false;
}

Result<JsonNode> JsonWalk::apply_function(const JsonStep& function,
                                          const std::vector<const JsonNode*>& nodes,
                                          bool is_definite) const {
  const std::string& name = function.names.front();
  if (is_definite && nodes.empty()) return not_found("the JSON path finds nothing");
  JsonNode result;
  result.kind = JsonKind::kNumber;
  if (name == "length" || name == "size") {
    const auto size = is_definite ? size_of(*nodes.front()) : nodes.size();
    if (!size) return JsonNode{};
    result.text = std::to_string(*size);
    return result;
  }
  if (name == "keys") {
    if (!is_definite || nodes.front()->kind != JsonKind::kObject) return JsonNode{};
    result.kind = JsonKind::kArray;
    for (const std::string& key : nodes.front()->keys) {
      JsonNode& item = result.items.emplace_back();
      item.kind = JsonKind::kString;
      item.text = key;
    }
    return result;
  }
  if (is_definite && (name == "first" || name == "last")) {
    const std::vector<JsonNode>& items = nodes.front()->items;
    if (items.empty()) return not_found("the JSON path finds nothing");
    return name == "first" ? items.front() : items.back();
  }
  std::vector<double> numbers;
  const auto add = [&](const JsonNode& node) {
    if (const auto number = number_of(node)) numbers.push_back(*number);
  };
  for (const JsonNode* node : nodes) {
    add(*node);
    if (node->kind == JsonKind::kArray) std::for_each(node->items.begin(), node->items.end(), add);
  }
  if (numbers.empty()) return invalid("`" + name + "()` finds no number");
  if (name == "min") return number_node(*std::min_element(numbers.begin(), numbers.end()));
  if (name == "max") return number_node(*std::max_element(numbers.begin(), numbers.end()));
  double sum = 0;
  for (const double number : numbers) sum += number;
  if (name == "sum") return number_node(sum);
  const double mean = sum / static_cast<double>(numbers.size());
  if (name == "avg") return number_node(mean);
  double squares = 0;
  for (const double number : numbers) squares += (number - mean) * (number - mean);
  return number_node(std::sqrt(squares / static_cast<double>(numbers.size())));  // stddev
}

}  // namespace runnel::el
