// Compiled JSON paths, as json_path.h says.

#include "agent/flow/el/json_path.h"

#include <algorithm>

#include "agent/flow/el/json_steps.h"
#include "agent/flow/el/json_tree.h"

namespace runnel {
namespace {

using el::JsonNode;

Result<JsonNode> node_of(JsonPath::Value value) {
  if (value.is_json) return el::parse_json(value.text);
  JsonNode node;
  node.kind = JsonKind::kString;
  node.text = value.text;
  return node;
}

bool ends_in_function(const el::JsonSteps& path) {
  return !path.steps.empty() && path.steps.back().kind == el::StepKind::kFunction;
}

// The document with `change` applied to each node that the path names. The last ones come first, so
// that a change of a node never touches one that is still to come.
template <typename Change>
Result<std::string> changed(const JsonDocument& document, const el::JsonSteps& path,
                            std::size_t added_bytes, Change change) {
  if (ends_in_function(path)) return invalid("a JSON path with a function names no place");
  JsonNode root = document.tree().root;
  el::JsonWalk walk(root);
  TRY_ASSIGN(found, walk.find(root, path));
  if (added_bytes > 0 && found.size() > JsonDocument::kMaxText / added_bytes) {
    return invalid("the document would grow above " + std::to_string(JsonDocument::kMaxText) +
                   " bytes");
  }
  for (auto at = found.rbegin(); at != found.rend(); ++at) {
    TRY(change(const_cast<JsonNode&>(**at)));  // they are nodes of `root`, which is ours
  }
  std::string out;
  if (!root.is_doomed) {
    root.sweep();
    el::append_json(out, root);
  }
  return out;
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  TRY_ASSIGN(root, el::parse_json(text));
  auto tree = std::make_shared<Tree>();
  tree->root = std::move(root);
  return JsonDocument(std::move(tree));
}

Result<JsonPath> JsonPath::compile(std::string_view text) {
  TRY_ASSIGN(path, el::parse_json_path(text));
  auto steps = std::make_shared<Steps>();
  steps->text = text;
  steps->path = std::move(path);
  return JsonPath(std::move(steps));
}

bool JsonPath::is_definite() const { return steps_->path.is_definite(); }
std::string_view JsonPath::text() const { return steps_->text; }

Result<std::vector<JsonMatch>> JsonPath::find(const JsonDocument& document) const {
  el::JsonWalk walk(document.tree().root);
  TRY_ASSIGN(found, walk.find(document.tree().root, steps_->path));
  std::vector<JsonMatch> matches;
  if (ends_in_function(steps_->path)) {
    auto result = walk.apply_function(steps_->path.steps.back(), found, is_definite());
    if (result.ok()) matches.push_back(el::match_of(*result));
    if (!result.ok() && result.code() != Code::kNotFound) return std::move(result).error();
    return matches;
  }
  std::size_t bytes = 0;
  for (const JsonNode* node : found) {
    bytes += matches.emplace_back(el::match_of(*node)).text.size();
    if (bytes > JsonDocument::kMaxText) {
      return invalid("the JSON path finds more than " + std::to_string(JsonDocument::kMaxText) +
                     " bytes");
    }
  }
  return matches;
}

Result<JsonMatch> JsonPath::read(const JsonDocument& document) const {
  el::JsonWalk walk(document.tree().root);
  TRY_ASSIGN(found, walk.find(document.tree().root, steps_->path));
  if (ends_in_function(steps_->path)) {
    TRY_ASSIGN(result, walk.apply_function(steps_->path.steps.back(), found, is_definite()));
    return el::match_of(result);
  }
  if (is_definite()) {
    if (found.empty()) return not_found("the JSON path `" + steps_->text + "` finds nothing");
    return el::match_of(*found.front());
  }
  JsonMatch all;
  all.kind = JsonKind::kArray;
  all.text = "[";
  for (const JsonNode* node : found) {
    if (all.text.size() > 1) all.text += ',';
    el::append_json(all.text, *node);
    if (all.text.size() > JsonDocument::kMaxText) {
      return invalid("the JSON path finds more than " + std::to_string(JsonDocument::kMaxText) +
                     " bytes");
    }
  }
  all.text += ']';
  return all;
}

Result<std::string> JsonPath::set(const JsonDocument& document, Value value) const {
  TRY_ASSIGN(replacement, node_of(value));
  return changed(document, steps_->path, value.text.size(), [&](JsonNode& node) -> Result<> {
    node = replacement;
    return {};
  });
}

Result<std::string> JsonPath::add(const JsonDocument& document, Value value) const {
  TRY_ASSIGN(item, node_of(value));
  return changed(document, steps_->path, value.text.size(), [&](JsonNode& node) -> Result<> {
    if (node.kind != JsonKind::kArray) {
      return invalid("the JSON path `" + steps_->text + "` names what is no array");
    }
    node.items.push_back(item);
    return {};
  });
}

Result<std::string> JsonPath::put(const JsonDocument& document, std::string_view key,
                                  Value value) const {
  TRY_ASSIGN(member, node_of(value));
  return changed(document, steps_->path, value.text.size() + key.size(),
                 [&](JsonNode& node) -> Result<> {
                   if (node.kind != JsonKind::kObject) {
                     return invalid("the JSON path `" + steps_->text + "` names what is no object");
                   }
                   node.set_member(key) = member;
                   return {};
                 });
}

Result<std::string> JsonPath::remove(const JsonDocument& document) const {
  return changed(document, steps_->path, 0, [](JsonNode& node) -> Result<> {
    node.is_doomed = true;
    return {};
  });
}

}  // namespace runnel
