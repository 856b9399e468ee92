// The door to yaml-cpp: its events become our tree.

#include "agent/flow/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <streambuf>
#include <string>
#include <unordered_map>

#include "agent/base/bytes.h"
#include "agent/base/words.h"

namespace runnel {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Position position_of(const YAML::Mark& mark) {
  if (mark.line < 0) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

// Stops the library from within; caught at this door only.
struct Refusal {
  Position at;
  std::string text;
};

// Reads from memory that others own.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

Position place_in(std::string_view text, std::size_t offset) {
  Position at{1, 1};
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    ++at.column;
    if (text[i] == '\n') at = {at.line + 1, 1};
  }
  return at;
}

// The first byte that no text may hold, or npos.
std::size_t first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) return i;
  }
  return std::string_view::npos;
}

}  // namespace

std::string_view name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

class YamlDocument::Builder final : public YAML::EventHandler {
 public:
  Builder(YamlDocument& document, const YamlLimits& limits, Complaints& complaints)
      : document_(document), limits_(limits), complaints_(complaints) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode& node = make(YamlNode::Kind::kNull, mark, anchor);
    attach(&node, node.at, {1, 0});
    if (anchor != YAML::NullAnchor) sizes_[anchor] = {1, 0};
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Position at = position_of(mark);
    const auto found = anchors_.find(anchor);
    const auto size = sizes_.find(anchor);
    if (found == anchors_.end() || size == sizes_.end()) {
      throw Refusal{at, "an alias stands within what it names; write it out"};
    }
    count(at, size->second);
    attach(found->second, at, size->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag, "str");
    YamlNode& node = make(YamlNode::Kind::kScalar, mark, anchor);
    node.text = value;
    const Size size{1, value.size()};
    count(node.at, {0, value.size()});
    attach(&node, node.at, size);
    if (anchor != YAML::NullAnchor) sizes_[anchor] = size;
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag, "seq");
    open(make(YamlNode::Kind::kList, mark, anchor), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag, "map");
    open(make(YamlNode::Kind::kMap, mark, anchor), anchor);
  }
  void OnMapEnd() override { close(); }

  bool is_empty() const { return document_.root_ == nullptr; }

 private:
  struct Size {
    std::size_t nodes = 0;
    std::size_t bytes = 0;
  };
  struct Level {
    YamlNode* node;
    YAML::anchor_t anchor;
    Size size;
    const YamlNode* key = nullptr;  // of a map: read, its value is not
    Position key_at = {};
    bool is_ignored = false;                               // the value of a key that was refused
    std::map<std::string_view, std::uint32_t> lines = {};  // of keys
  };

  YamlNode& make(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    const Position at = position_of(mark);
    count(at, {1, 0});
    YamlNode& node = document_.nodes_.emplace_back();
    node.kind = kind;
    node.at = at;
    node.offset = mark.pos < 0 ? 0 : static_cast<std::size_t>(mark.pos);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = &node;
    return node;
  }

  void count(Position at, Size more) {
    total_.nodes += more.nodes;
    total_.bytes += more.bytes;
    if (total_.nodes > limits_.nodes_max || total_.bytes > 2 * limits_.text_max) {
      throw Refusal{at, "the text has more than " + std::to_string(limits_.nodes_max) +
                            " keys and values, what its aliases repeat included"};
    }
  }

  static void check_tag(const YAML::Mark& mark, const std::string& tag, std::string_view kind) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    if (tag == "tag:yaml.org,2002:" + std::string(kind)) return;
    throw Refusal{position_of(mark),
                  "the tag " + backquoted(tag) + " means nothing here; leave it out"};
  }

  void open(YamlNode& node, YAML::anchor_t anchor) {
    if (levels_.size() >= limits_.depth_max) {
      throw Refusal{node.at, "nested deeper than " + std::to_string(limits_.depth_max) + " levels"};
    }
    levels_.push_back({&node, anchor, {1, 0}});
  }

  void close() {
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    if (done.anchor != YAML::NullAnchor) sizes_[done.anchor] = done.size;
    attach(done.node, done.node->at, done.size);
  }

  // Hangs a finished node into the one around it.
  void attach(const YamlNode* node, Position at, Size size) {
    if (levels_.empty()) {
      document_.root_ = node;
      return;
    }
    Level& level = levels_.back();
    level.size.nodes += size.nodes;
    level.size.bytes += size.bytes;
    if (level.node->is(YamlNode::Kind::kList)) {
      level.node->items.push_back(node);
    } else if (level.key == nullptr) {
      begin_entry(level, node, at);
    } else {
      if (!level.is_ignored) level.node->entries.push_back({level.key->text, level.key_at, node});
      level.key = nullptr;
    }
  }

  void begin_entry(Level& level, const YamlNode* key, Position at) {
    level.key = key;
    level.is_ignored = true;
    level.key_at = at;
    if (!key->is(YamlNode::Kind::kScalar)) {
      complaints_.add(at, "a key must be a word, not " + std::string(name_of(key->kind)));
      return;
    }
    const auto [found, is_new] = level.lines.emplace(key->text, at.line);
    if (!is_new) {
      complaints_.add(at, "duplicate key " + backquoted(key->text) + "; it stands in line " +
                              std::to_string(found->second) + " already");
      return;
    }
    level.is_ignored = false;
  }

  YamlDocument& document_;
  const YamlLimits& limits_;
  Complaints& complaints_;
  std::unordered_map<YAML::anchor_t, YamlNode*> anchors_;
  std::unordered_map<YAML::anchor_t, Size> sizes_;  // of finished nodes only
  std::vector<Level> levels_;
  Size total_;
};

YamlDocument::YamlDocument(std::string_view text, const YamlLimits& limits, Complaints& complaints)
    : text_(text) {
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  if (text_.size() > limits.text_max) {
    complaints.add({}, "the text is " + too_long_text(text_.size(), limits.text_max));
    return;
  }
  if (!is_utf8(text_)) {
    complaints.add({}, "the text is no UTF-8");
    return;
  }
  if (const std::size_t bad = first_bad_byte(text_); bad != std::string_view::npos) {
    complaints.add(place_in(text_, bad),
                   "a control character stands in the text; write it as "
                   "an escape in double quotes, such as \"\\x1f\"");
    return;
  }
  ViewBuffer buffer(text_);
  std::istream stream(&buffer);
  Builder builder(*this, limits, complaints);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      complaints.add({1, 1}, "the text is empty");
      return;
    }
    if (parser) {
      complaints.add({1, 1}, "the text holds several documents (`---`); write one");
    }
  } catch (const Refusal& refusal) {
    complaints.add(refusal.at, refusal.text);
    root_ = nullptr;
  } catch (const YAML::Exception& error) {
    complaints.add(position_of(error.mark), "this is no YAML: " + error.msg);
    root_ = nullptr;
  }
}

}  // namespace runnel
