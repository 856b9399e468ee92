// The door to nlohmann's parser, as json_tree.h says.
//
// Its events build our own tree: its own objects either forget the order of members or take
// quadratic time in their number, which a hostile document would use.

#include "agent/flow/el/json_tree.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "agent/base/bytes.h"

namespace runnel::el {
namespace {

// Receives the parser's events. All its functions return whether to go on.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  JsonNode root;
  std::string error;

  bool null() { return scalar(JsonKind::kNull, {}); }
  bool boolean(bool value) {
    JsonNode* node = place();
    if (node == nullptr) return false;
    node->kind = JsonKind::kBoolean;
    node->boolean = value;
    return true;
  }
  bool number_integer(number_integer_t value) {
    return scalar(JsonKind::kNumber, std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) {
    return scalar(JsonKind::kNumber, std::to_string(value));
  }
  bool number_float(number_float_t /*value*/, const string_t& text) {
    return scalar(JsonKind::kNumber, text);
  }
  bool string(string_t& value) { return scalar(JsonKind::kString, std::move(value)); }
  bool binary(binary_t& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return start(JsonKind::kObject); }
  bool start_array(std::size_t /*size*/) { return start(JsonKind::kArray); }
  bool key(string_t& value) {
    open_.back()->keys.push_back(std::move(value));
    return true;
  }
  bool end_object() {
    drop_duplicates(*open_.back());
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& why) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error …"
    std::string_view text(why.what());
    if (const std::size_t end = text.find("] "); end != std::string_view::npos) {
      text.remove_prefix(end + 2);
    }
    error =
        "no JSON: " + std::string(text.substr(0, 300)) + " (byte " + std::to_string(position) + ")";
    return false;
  }

 private:
  // Where the next value goes; nullptr: there are too many. Pointers into `items` of the open ones
  // stay good: only the innermost grows.
  JsonNode* place() {
    if (++nodes_ > JsonDocument::kMaxNodes) {
      error = "the JSON has more than " + std::to_string(JsonDocument::kMaxNodes) + " values";
      return nullptr;
    }
    if (open_.empty()) return &root;
    return &open_.back()->items.emplace_back();
  }
  bool scalar(JsonKind kind, std::string text) {
    JsonNode* node = place();
    if (node == nullptr) return false;
    node->kind = kind;
    node->text = std::move(text);
    return true;
  }
  bool start(JsonKind kind) {
    if (open_.size() >= JsonDocument::kMaxDepth) {
      error = "the JSON is more than " + std::to_string(JsonDocument::kMaxDepth) + " levels deep";
      return false;
    }
    JsonNode* node = place();
    if (node == nullptr) return false;
    node->kind = kind;
    open_.push_back(node);
    return true;
  }
  // The last of several members with one name counts, at the place of the first.
  static void drop_duplicates(JsonNode& object) {
    if (object.keys.size() < 2) return;
    std::unordered_map<std::string_view, std::size_t> first;
    bool has_duplicates = false;
    for (std::size_t i = 0; i < object.keys.size(); ++i) {
      const auto [at, is_new] = first.emplace(object.keys[i], i);
      if (is_new) continue;
      object.items[at->second] = std::move(object.items[i]);
      object.items[i].is_doomed = true;
      has_duplicates = true;
    }
    if (has_duplicates) object.sweep();
  }

  std::vector<JsonNode*> open_;
  std::size_t nodes_ = 0;
};

}  // namespace

const JsonNode* JsonNode::member(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

JsonNode& JsonNode::set_member(std::string_view key) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return items[i];
  }
  keys.emplace_back(key);
  return items.emplace_back();
}

void JsonNode::sweep() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_doomed) continue;
    items[i].sweep();
    if (kept != i) {
      items[kept] = std::move(items[i]);
      if (kind == JsonKind::kObject) keys[kept] = std::move(keys[i]);
    }
    ++kept;
  }
  items.resize(kept);
  if (kind == JsonKind::kObject) keys.resize(kept);
}

Result<JsonNode> parse_json(std::string_view text) {
  if (text.size() > JsonDocument::kMaxText) {
    return invalid("the JSON is larger than " + std::to_string(JsonDocument::kMaxText) + " bytes");
  }
  Builder builder;
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return invalid(builder.error.empty() ? "no JSON" : builder.error);
  }
  return std::move(builder.root);
}

void append_json(std::string& out, const JsonNode& node) {
  switch (node.kind) {
    case JsonKind::kNull:
      out += "null";
      return;
    case JsonKind::kBoolean:
      out += node.boolean ? "true" : "false";
      return;
    case JsonKind::kNumber:
      out += node.text;
      return;
    case JsonKind::kString:
      out += json_quoted(node.text);
      return;
    case JsonKind::kArray:
    case JsonKind::kObject:
      break;
  }
  const bool is_object = node.kind == JsonKind::kObject;
  out += is_object ? '{' : '[';
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0) out += ',';
    if (is_object) out += json_quoted(node.keys[i]) + ":";
    append_json(out, node.items[i]);
  }
  out += is_object ? '}' : ']';
}

JsonMatch match_of(const JsonNode& node) {
  JsonMatch match;
  match.kind = node.kind;
  if (node.kind == JsonKind::kString) {
    match.text = node.text;
  } else {
    append_json(match.text, node);
  }
  return match;
}

}  // namespace runnel::el
