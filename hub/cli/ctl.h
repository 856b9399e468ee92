// The commands of runnelctl. Each prints its result, or the hub's own JSON, and returns an exit
// code.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/cli/client.h"

namespace runnel::hub {

struct Ctl {
  Client client;
  bool is_json = false;
};

int ctl_login(const HubAccess& access, const std::string& user, const std::string& password_file);
int ctl_agents(const Ctl& ctl,
               const std::vector<std::string>& filters);  // "class=trucks", as the REST query
int ctl_agent(const Ctl& ctl, const std::string& id);
int ctl_flows(const Ctl& ctl);
int ctl_push(const Ctl& ctl, const std::string& file, const std::string& message);
int ctl_show(const Ctl& ctl, const std::string& ref);  // name[@version]: its text
int ctl_diff(const Ctl& ctl, const std::string& name, std::int64_t from, std::int64_t to);
struct DeployOptions {
  std::string ref;  // name[@version]; without a version: the latest
  std::string agent_class;
  bool waits = false;
  std::int64_t timeout_s = 300;
};
int ctl_deploy(const Ctl& ctl, const DeployOptions& options);
int ctl_status(const Ctl& ctl, const std::string& name);
int ctl_events(const Ctl& ctl, std::int64_t limit);
struct RunOptions {
  std::string verb;  // start, stop
  bool is_once = false;
  std::string agent;
  std::string agent_class;
  std::string processor;  // or process group, with is_once; empty: the whole flow
};
int ctl_run(const Ctl& ctl, const RunOptions& options);

// "name@3" → name and 3; "name" → name and 0. kInvalid for a bad number.
struct FlowRefText {
  std::string name;
  std::int64_t version = 0;
};
Result<FlowRefText> read_flow_ref(const std::string& text);

}  // namespace runnel::hub
