// All functions together: by section, by name, and as a page for people.

#include <algorithm>
#include <array>

#include "agent/flow/el/program.h"

namespace runnel {
namespace el {
namespace {

const std::vector<const Function*>& sorted_functions() {
  static const std::vector<const Function*> kSorted = [] {
    std::vector<const Function*> all;
    for (const FunctionGroup& group : function_groups()) {
      for (const Function& function : group.functions) all.push_back(&function);
    }
    std::sort(all.begin(), all.end(),
              [](const Function* a, const Function* b) { return a->name < b->name; });
    return all;
  }();
  return kSorted;
}

std::string shape_of(const Function& function) {
  const std::string call = std::string(function.name) + "(" + std::string(function.arguments) + ")";
  switch (function.subject) {
    case SubjectRule::kNeeds:
      return "${a:" + call + "}";
    case SubjectRule::kNone:
      return "${" + call + "}";
    case SubjectRule::kEither:
      return "${" + call + "}` or `${a:" + call + "}";
    case SubjectRule::kMulti:
      return "${" + call + ":…}";
  }
  return call;
}

}  // namespace

std::span<const FunctionGroup> function_groups() {
  static const std::array<FunctionGroup, 11> kGroups{
      {{"Conditions", logic_functions()},
       {"Text", text_functions()},
       {"Parts of text", part_functions()},
       {"Searching", search_functions()},
       {"Escaping", escape_functions()},
       {"Encoding, ids and digests", encode_functions()},
       {"Numbers", number_functions()},
       {"Dates", date_functions()},
       {"JSON", json_functions()},
       {"Without a subject", system_functions()},
       {"Several attributes at once", multi_functions()}}};
  return kGroups;
}

const Function* find_function(std::string_view name) {
  const auto& sorted = sorted_functions();
  const auto at = std::lower_bound(
      sorted.begin(), sorted.end(), name,
      [](const Function* function, std::string_view wanted) { return function->name < wanted; });
  return at != sorted.end() && (*at)->name == name ? *at : nullptr;
}

}  // namespace el

std::vector<std::string_view> function_names() {
  std::vector<std::string_view> names;
  for (const el::Function* function : el::sorted_functions()) names.push_back(function->name);
  return names;
}

std::string functions_reference() {
  std::string out =
      "<!-- Generated from the tables in agent/flow/el/functions_*.cc by `./dev generate`; edit "
      "those. "
      "-->\n\n# Functions of the expression language\n\n"
      "How expressions are written is in [grammar.md](grammar.md). `a` stands for any subject; a "
      "`?` marks an argument that may be left out, `…` one that may be repeated.\n";
  for (const el::FunctionGroup& group : el::function_groups()) {
    out += "\n## " + std::string(group.title) +
           "\n\n| function | gives | what it does |\n|---|---|---|\n";
    for (const el::Function& function : group.functions) {
      out += "| `" + el::shape_of(function) + "` | ";
      out += function.returns == el::Type::kNull ? "depends" : el::name_of(function.returns);
      out += " | ";
      for (const char c : function.doc) {
        if (c == '|') out += '\\';
        out += c;
      }
      out += " |\n";
    }
  }
  return out;
}

}  // namespace runnel
