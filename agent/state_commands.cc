// `runnel-agent state`: what components of a running agent remember.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/admin/status_json.h"
#include "agent/ask.h"
#include "agent/base/bytes.h"
#include "agent/base/words.h"
#include "agent/commands.h"
#include "agent/output.h"

namespace runnel {
namespace {

std::string list_text(const Json& states) {
  Table table({"COMPONENT", "ID", "KEYS", "SIZE"});
  for (const Json& one : states)
    table.add({one["is_removed"].get<bool>() ? "(no longer in the flow)" : text_member(one, "path"),
               text_member(one, "id"), count_text(one, "key_count"), size_member(one, "bytes")});
  return states.empty() ? "nothing remembers anything\n" : table.text();
}

// On one line, whatever it holds.
std::string shown(const Json& entry, const char* name, const std::string& base64) {
  if (!entry.contains(name)) return "base64: " + text_member(entry, base64.c_str());
  const auto text = entry[name].get<std::string>();
  const bool is_plain =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  return is_plain ? text : json_quoted(text);
}

std::string view_text(const Json& view) {
  std::string out;
  for (const Json& one : view["entries"]) {
    out += shown(one, "key", "key_base64") + " = " + shown(one, "value", "value_base64");
    if (one["is_cut"].get<bool>()) out += " … (" + size_member(one, "size") + ")";
    out += "\n";
  }
  const auto left = view["key_count"].get<std::uint64_t>() - view["entries"].size();
  if (left != 0) out += "… and " + counted(left, "more key") + "\n";
  return out;
}

}  // namespace

int state_list_command(const Inspection& where) {
  return ask(where, {{"command", "state_list"}}, list_text);
}

int state_show_command(const Inspection& where, const std::string& component, std::int64_t limit) {
  return ask(where,
             {{"command", "state_show"}, {"component", component}, {"limit", positive(limit)}},
             view_text);
}

int state_clear_command(const Inspection& where, const std::string& component) {
  return ask(where, {{"command", "state_clear"}, {"component", component}}, [](const Json& done) {
    return counted(done["removed_count"].get<std::uint64_t>(), "key") + " removed\n";
  });
}

}  // namespace runnel
