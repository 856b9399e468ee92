// Drawing graphs as text; what graph_text.h promises.

#include "agent/graph_text.h"

#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

using Json = StatusJson;

std::string member(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Within a label in quotes. Mermaid knows entities written with `#`, and takes what begins with a
// backquote for Markdown.
std::string mermaid_escaped(std::string_view text) {
  std::string out;
  for (const char c : to_utf8(text)) {
    if (c == '\n') {
      out += "<br/>";
    } else if (std::string_view("\"#<>&;`\\").find(c) != std::string_view::npos) {
      out += fmt::format("#{};", static_cast<int>(c));
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string dot_escaped(std::string_view text) {
  std::string out;
  for (const char c : to_utf8(text)) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

class Drawing {
 public:
  Drawing(const Json& graph, const Json& status, GraphFormat format)
      : graph_(graph), is_mermaid_(format == GraphFormat::kMermaid) {
    if (status.is_object()) {
      for (const Json& one : status["processors"]) processors_[member(one, "id")] = &one;
      for (const Json& one : status["connections"]) connections_[member(one, "id")] = &one;
    }
    for (const Json& node : graph["nodes"]) {
      names_[member(node, "id")] = "n" + std::to_string(names_.size() + 1);
      in_group_[member(node, "group")].push_back(&node);
    }
  }

  std::string text() {
    out_ = is_mermaid_ ? "flowchart LR\n"
                       : "digraph \"" + dot_escaped(member(graph_, "flow")) +
                             "\" {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n";
    group("root", 1);
    for (const Json& one : graph_["edges"]) edge(one);
    std::size_t count = 0;
    for (const Json& one : graph_["labels"]) note(member(one, "text"), ++count);
    if (!is_mermaid_) out_ += "}\n";
    return std::move(out_);
  }

 private:
  std::string escaped(std::string_view text) const {
    return is_mermaid_ ? mermaid_escaped(text) : dot_escaped(text);
  }

  void line(int depth, const std::string& text) {
    out_ += std::string(static_cast<std::size_t>(depth) * 2, ' ') + text + '\n';
  }

  // What a group's ports let in and out, where that is not everything at once.
  static std::string policies_of(const Json& group) {
    const std::string concurrency = member(group, "flowfile_concurrency");
    if (concurrency.empty()) return {};
    const bool is_batch_output = member(group, "outbound_policy") == "batch";
    return "\n(" + concurrency + " in" + (is_batch_output ? ", batch out)" : ")");
  }

  void group(const std::string& id, int depth) {
    for (const Json* one : in_group_[id]) {
      if (member(*one, "kind") != "group") {
        node(*one, depth);
        continue;
      }
      const std::string label = escaped(member(*one, "name") + policies_of(*one));
      const std::string& name = names_[member(*one, "id")];
      line(depth, is_mermaid_ ? fmt::format("subgraph {}[\"{}\"]", name, label)
                              : fmt::format("subgraph \"cluster_{}\" {{", name));
      if (!is_mermaid_) line(depth + 1, fmt::format("label=\"{}\";", label));
      group(member(*one, "id"), depth + 1);
      line(depth, is_mermaid_ ? "end" : "}");
    }
  }

  void node(const Json& one, int depth) {
    const std::string kind = member(one, "kind");
    std::string label = member(one, "name");
    if (kind == "processor") label += "\n" + member(one, "type");
    if (const auto found = processors_.find(member(one, "id")); found != processors_.end()) {
      if (const std::string state = member(*found->second, "state"); state != "running")
        label += "\n(" + state + ")";
    } else if (one.value("is_stopped", false)) {
      label += "\n(stopped)";
    }
    const std::string& name = names_[member(one, "id")];
    if (!is_mermaid_) {
      const std::string shape = kind == "processor" ? ""
                                : kind == "funnel"  ? ", shape=circle"
                                                    : ", shape=cds, style=solid";
      return line(depth, fmt::format("{} [label=\"{}\"{}];", name, escaped(label), shape));
    }
    const auto [open, close] = kind == "processor" ? std::pair("[", "]")
                               : kind == "funnel"  ? std::pair("((", "))")
                                                   : std::pair("([", "])");
    line(depth, fmt::format("{}{}\"{}\"{}", name, open, escaped(label), close));
  }

  void edge(const Json& one) {
    std::string label;
    for (const Json& relationship : one["relationships"])
      label += (label.empty() ? "" : ", ") + relationship.get<std::string>();
    bool is_full = false;
    if (const auto found = connections_.find(member(one, "id")); found != connections_.end()) {
      const Json& queue = *found->second;
      is_full = queue.value("is_full", false);
      const auto count = queue.value("count", std::uint64_t{0});
      if (!label.empty()) label += '\n';
      label += fmt::format("{} queued", count);
      if (count > 0) label += ", " + size_text(queue.value("bytes", std::uint64_t{0}));
      if (is_full) label += ", full";
    }
    const std::string& from = names_[member(one, "from")];
    const std::string& to = names_[member(one, "to")];
    if (is_mermaid_) {
      const std::string arrow = is_full ? "==>" : "-->";
      line(1, label.empty() ? fmt::format("{} {} {}", from, arrow, to)
                            : fmt::format("{} {}|\"{}\"| {}", from, arrow, escaped(label), to));
    } else {
      line(1, fmt::format("{} -> {} [label=\"{}\"{}];", from, to, escaped(label),
                          is_full ? ", penwidth=3" : ""));
    }
  }

  void note(const std::string& text, std::size_t number) {
    line(1, is_mermaid_ ? fmt::format("note{}>\"{}\"]", number, escaped(text))
                        : fmt::format("note{} [shape=note, style=solid, label=\"{}\"];", number,
                                      escaped(text)));
  }

  const Json& graph_;
  const bool is_mermaid_;
  std::map<std::string, const Json*> processors_;
  std::map<std::string, const Json*> connections_;
  std::map<std::string, std::string> names_;
  std::map<std::string, std::vector<const Json*>> in_group_;
  std::string out_;
};

}  // namespace

std::string graph_text(const StatusJson& graph, const StatusJson& status, GraphFormat format) {
  return Drawing(graph, status, format).text();
}

}  // namespace runnel
