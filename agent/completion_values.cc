// What a shell offers as the value of an option or argument.

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "agent/ask.h"
#include "agent/commands.h"
#include "agent/flow/settings_file.h"
#include "agent/settings.h"
#include "agent/spec/render.h"
#include "processors/registry.h"

namespace runnel {
namespace {

// `~/` as the shell will read it: it completes words before it does that.
std::string in_home(const std::string& path) {
  const char* const home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

// Of the agent that runs there; none: it does not.
std::vector<std::string> names_at(const std::string& state_dir, bool is_connections) {
  std::vector<std::string> names;
  auto client = ControlClient::connect(state_dir);
  if (!client.ok()) return names;
  const auto status = client->ask({{"command", "status"}});
  if (!status.ok()) return names;
  for (const Json& one : (*status)[is_connections ? "connections" : "processors"])
    names.push_back(text_member(one, is_connections ? "name" : "path"));
  return names;
}

}  // namespace

std::vector<Candidate> completed_values(const std::string& value, const std::string& option,
                                        const std::vector<std::string>& words) {
  std::vector<Candidate> out;
  if (value == "TYPE") {
    for (const ComponentSpec& spec : component_specs())
      out.push_back({spec.type, std::string(first_sentence(spec.doc))});
  } else if (value == "SHELL") {
    out = {{"bash"}, {"zsh"}, {"fish"}};
  } else if (value == "FORMAT") {
    out = {{"mermaid"}, {"dot"}};
  } else if (value == "CONNECTION" || value == "COMPONENT") {
    const auto state = std::find(words.begin(), words.end(), "--state");
    if (state != words.end() && state + 1 != words.end())
      for (std::string& name : names_at(in_home(*(state + 1)), value == "CONNECTION"))
        out.push_back({std::move(name)});
  } else if (value == "DIR" || option == "--state") {
    out = {{std::string(kAnyFolder)}};
  } else if (value == "FLOW" || value == "FILE" || option == "--config" || option == "--flow" ||
             option.ends_with("-file") || option.ends_with("-ca")) {
    out = {{std::string(kAnyFile)}};
  }
  for (const PropertySpec& spec : setting_specs()) {
    if (flag_of(spec.name) != option) continue;
    for (const Choice& one : spec.choices) out.push_back({one.value, one.doc});
  }
  return out;
}

}  // namespace runnel
