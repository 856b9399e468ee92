// Reading the keys of one map, strictly.

#include "agent/flow/yaml_fields.h"

#include <algorithm>
#include <set>

#include "agent/base/bytes.h"

namespace runnel {

Fields::Fields(const YamlNode& node, std::string what, Complaints& complaints,
               std::string_view cure)
    : node_(node),
      what_(std::move(what)),
      complaints_(complaints),
      is_map_(node.is(YamlNode::Kind::kMap)) {
  if (is_map_) return;
  std::string text = what_ + " must be a map, not " + std::string(name_of(node.kind));
  if (!cure.empty()) text += "; write " + std::string(cure);
  complaints_.add(node.at, std::move(text));
}

const YamlNode* Fields::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  if (!is_map_) return nullptr;
  for (const YamlNode::Entry& entry : node_.entries) {
    if (entry.key == key) return entry.value;
  }
  return nullptr;
}

const YamlNode* Fields::require(std::string_view key) {
  const YamlNode* found = find(key);
  if (found == nullptr && is_map_) {
    complaints_.add(node_.at, what_ + " needs the key " + backquoted(key));
  }
  return found;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  return scalar_text(*node, backquoted(key), complaints_);
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->is(YamlNode::Kind::kScalar)) {
    if (node->text == "true") return true;
    if (node->text == "false") return false;
  }
  complaints_.add(node->at, backquoted(key) + " must be `true` or `false`");
  return std::nullopt;
}

std::optional<std::uint64_t> Fields::count(std::string_view key, std::uint64_t min,
                                           std::uint64_t max) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto text = scalar_text(*node, backquoted(key), complaints_);
  if (!text) return std::nullopt;
  const auto number = parse_int(*text);
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < min ||
      static_cast<std::uint64_t>(*number) > max) {
    complaints_.add(node->at, backquoted(key) + " must be a whole number from " +
                                  std::to_string(min) + " to " + std::to_string(max) + ", not " +
                                  backquoted(*text));
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number);
}

std::optional<std::uint64_t> Fields::size(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto text = scalar_text(*node, backquoted(key), complaints_);
  if (!text) return std::nullopt;
  const auto bytes = parse_size(*text);
  if (bytes) return *bytes;
  complaints_.add(node->at, backquoted(key) + ": " + bytes.error().text());
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> Fields::period(std::string_view key,
                                                       std::chrono::nanoseconds min,
                                                       std::chrono::nanoseconds max) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto text = scalar_text(*node, backquoted(key), complaints_);
  if (!text) return std::nullopt;
  return bounded_period(*text, node->at, backquoted(key), min, max, complaints_);
}

std::optional<std::size_t> Fields::choice(std::string_view key,
                                          std::span<const std::string_view> words) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto text = scalar_text(*node, backquoted(key), complaints_);
  if (!text) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::vector<std::string> all(words.begin(), words.end());
  complaints_.add(node->at, backquoted(key) + " is one of " + listed(all) + ", not " +
                                backquoted(*text) + did_you_mean(*text, all));
  return std::nullopt;
}

std::vector<NamedPlace> Fields::words(std::string_view key) {
  std::vector<NamedPlace> out;
  const YamlNode* node = find(key);
  if (node == nullptr) return out;
  if (!node->is(YamlNode::Kind::kList)) {
    std::string text = backquoted(key) + " must be a list, not " + std::string(name_of(node->kind));
    if (node->is(YamlNode::Kind::kScalar)) text += "; write `[" + to_utf8(node->text) + "]`";
    complaints_.add(node->at, std::move(text));
    return out;
  }
  std::set<std::string_view> seen;
  for (const YamlNode* item : node->items) {
    const auto word = scalar_text(*item, "an item of " + backquoted(key), complaints_);
    if (!word) continue;
    if (!seen.insert(item->text).second) {
      complaints_.add(item->at, backquoted(*word) + " stands twice in " + backquoted(key));
      continue;
    }
    out.push_back({*word, item->at});
  }
  return out;
}

void Fields::refuse_others() {
  for (const YamlNode::Entry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    if (complaints_.is_full()) {
      complaints_.add(entry.key_at, {});
      continue;
    }
    std::string cure = did_you_mean(entry.key, known_);
    if (entry.key == "<<") cure = "; merge keys are not known here: name the anchor as the value";
    if (cure.empty()) cure = "; " + what_ + " knows " + listed(known_);
    complaints_.add(entry.key_at, "unknown key " + backquoted(entry.key) + cure);
  }
}

std::optional<std::string> scalar_text(const YamlNode& node, std::string_view what,
                                       Complaints& complaints) {
  if (node.is(YamlNode::Kind::kScalar)) return node.text;
  std::string text =
      std::string(what) + " must be one value, not " + std::string(name_of(node.kind));
  if (node.is(YamlNode::Kind::kNull)) text += R"(; write `""` for an empty one)";
  complaints.add(node.at, std::move(text));
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> bounded_period(std::string_view text, Position at,
                                                       std::string_view what,
                                                       std::chrono::nanoseconds min,
                                                       std::chrono::nanoseconds max,
                                                       Complaints& complaints) {
  const auto period = parse_period(text);
  if (!period) {
    complaints.add(at, std::string(what) + ": " + period.error().text());
    return std::nullopt;
  }
  if (*period >= min && *period <= max) return *period;
  complaints.add(at, std::string(what) + " must be from " + period_text(min) + " to " +
                         period_text(max) + ", not " + backquoted(text));
  return std::nullopt;
}

}  // namespace runnel
