// A YAML text as a tree in which every node keeps its place. One document, one value a key, no
// custom tags; bounded in size, depth and what aliases may expand to.
//
// The library behind it accepts duplicate keys without a word, and takes the byte 0x04 for the end
// of the text; both are refused here.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/flow/complaints.h"
#include "agent/flow/model.h"

namespace runnel {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry {
    std::string key;
    Position key_at;
    const YamlNode* value;
  };

  Kind kind = Kind::kNull;
  Position at;
  std::size_t offset = 0;  // of `at` in the text, without its byte order mark
  std::string text;        // of a scalar, quotes and escapes undone
  std::vector<const YamlNode*> items;
  std::vector<Entry> entries;  // keys are unique

  bool is(Kind wanted) const { return kind == wanted; }
};

// "a value", "a list", "a map", "nothing".
std::string_view name_of(YamlNode::Kind kind);

struct YamlLimits {
  std::size_t text_max;
  std::size_t depth_max;
  std::size_t nodes_max;  // aliases counted as often as they are used
};

// Owns its nodes. Neither copied nor moved: nodes point at each other.
class YamlDocument {
 public:
  // What is wrong goes to `complaints`; `root` is then nullptr if nothing useful is left.
  YamlDocument(std::string_view text, const YamlLimits& limits, Complaints& complaints);
  YamlDocument(const YamlDocument&) = delete;
  YamlDocument& operator=(const YamlDocument&) = delete;

  const YamlNode* root() const { return root_; }
  std::string_view text() const { return text_; }  // without its byte order mark

  // Where the bytes of a scalar's value stand in the text, as exactly as its style allows.
  std::vector<PropertySource::Span> spans_of(const YamlNode& scalar) const;

 private:
  class Builder;

  std::string_view text_;
  std::deque<YamlNode> nodes_;
  const YamlNode* root_ = nullptr;
};

}  // namespace runnel
