// Draws the tree.

#include "agent/admin/lineage_view.h"

#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kLinesMax = 200;
constexpr std::size_t kKinMax = 20;
constexpr std::size_t kDepthMax = 16;

// Cut after so many characters; a character may be several bytes.
std::string cut(const std::string& text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (++columns == kColumns) {
      std::size_t rest = i + 1;
      while (rest < text.size() && (static_cast<unsigned char>(text[rest]) & 0xC0) == 0x80) ++rest;
      return rest == text.size() ? text : text.substr(0, i) + "…";
    }
  }
  return text;
}

std::string doing(const StatusJson& event) {
  return event["kind"].get<std::string>() + " at " + event["component"].get<std::string>();
}

class Drawing {
 public:
  Drawing(const StatusJson& lineage, std::string& out) : lineage_(lineage), out_(out) {
    for (const StatusJson& one : lineage["flowfiles"])
      flowfiles_[one["id"].get<std::uint64_t>()] = &one;
  }

  // `ancestry` goes from child to parent, `descent` from parent to child.
  void draw(const char* title, const char* which, const char* from, const char* to) {
    bonds_.clear();
    drawn_.clear();
    lines_ = 0;
    for (const StatusJson& bond : lineage_[which])
      bonds_[bond[from].get<std::uint64_t>()].push_back(&bond);
    to_ = to;
    left_out_ = &lineage_[std::string(to) == "parent" ? "parents_left_out" : "children_left_out"];
    const auto root = lineage_["flowfile"].get<std::uint64_t>();
    if (bonds_.empty() && left_out_->empty()) return;
    out_ += std::string("\n") + title + "\n";
    branches(root, "", 1);
  }

 private:
  void line(const std::string& text) {
    ++lines_;
    out_ += cut(text) + "\n";
  }

  std::uint64_t left_out_of(std::uint64_t flowfile) const {
    const auto found = left_out_->find(std::to_string(flowfile));
    return found == left_out_->end() ? 0 : found->get<std::uint64_t>();
  }

  void branches(std::uint64_t flowfile, const std::string& indent, std::size_t depth) {
    const auto found = bonds_.find(flowfile);
    static const std::vector<const StatusJson*> kNobody;
    const auto& kin = found == bonds_.end() ? kNobody : found->second;
    const bool is_too_deep = depth > kDepthMax;
    std::size_t shown = 0;
    std::uint64_t more = left_out_of(flowfile);
    for (; shown < kin.size() && shown < kKinMax && !is_too_deep && lines_ < kLinesMax; ++shown) {
      const bool is_last = more == 0 && shown + 1 == kin.size();
      branch(*kin[shown], indent, is_last, depth);
    }
    more += kin.size() - shown;
    if (more > 0) line(indent + fmt::format("└─ … {} more", more));
  }

  void branch(const StatusJson& bond, const std::string& indent, bool is_last, std::size_t depth) {
    const auto one = bond[to_].get<std::uint64_t>();
    const bool is_known = !drawn_.insert(one).second;
    std::string text = fmt::format("{}{} {}  {}", indent, is_last ? "└─" : "├─", one, doing(bond));
    const auto flowfile = flowfiles_.find(one);
    if (is_known) {
      text += "; see above";
    } else if (flowfile != flowfiles_.end() && !(*flowfile->second)["last_event"].is_null()) {
      const StatusJson& last = (*flowfile->second)["last_event"];
      if (last["id"] != bond["event_id"]) text += "; last " + doing(last);
    }
    line(text);
    if (!is_known) branches(one, indent + (is_last ? "   " : "│  "), depth + 1);
  }

  const StatusJson& lineage_;
  std::string& out_;
  std::map<std::uint64_t, const StatusJson*> flowfiles_;
  std::map<std::uint64_t, std::vector<const StatusJson*>> bonds_;
  std::set<std::uint64_t> drawn_;
  const char* to_ = "";
  const StatusJson* left_out_ = nullptr;
  std::size_t lines_ = 0;
};

}  // namespace

std::string lineage_text(const StatusJson& lineage) {
  const auto root = lineage["flowfile"].get<std::uint64_t>();
  std::string out;
  for (const StatusJson& one : lineage["flowfiles"]) {
    if (one["id"] != root) continue;
    out = fmt::format("FlowFile {}  {}\n", root, one["uuid"].get<std::string>());
    const StatusJson& last = one["last_event"];
    if (!last.is_null())
      out += cut(fmt::format("last {}, {}", doing(last),
                             iso_time(last["at_ms"].get<std::int64_t>()))) +
             "\n";
  }
  Drawing drawing(lineage, out);
  drawing.draw("made of", "ancestry", "child", "parent");
  drawing.draw("made into", "descent", "parent", "child");
  if (lineage["ancestry"].empty() && lineage["descent"].empty()) out += "\nno relatives\n";
  if (const auto damaged = lineage["damaged_blocks"].get<std::uint64_t>(); damaged > 0)
    out += fmt::format("\n{} blocks of provenance could not be read\n", damaged);
  return out;
}

}  // namespace runnel
