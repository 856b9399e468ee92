// Agents as the REST contract has them.

#pragma once

#include "hub/fleet/agent.h"
#include "hub/fleet/summary.h"
#include "hub/http/message.h"

namespace runnel::hub {

// An agent with what is wanted of it.
struct AgentView {
  const Agent& agent;
  const ClassState* wanted;  // may be nullptr
  const Catalog& catalog;
  SteadyTime now;
};

Json agent_row(const AgentView& view);
// `flow`: the text that it reports to run, from the catalog; may be nullptr.
Json agent_detail(const AgentView& view, const Flow* flow, std::int64_t now_ms);
Json json_of(const Operation& operation);
Json json_of(const Counts& counts, const char* axis);  // "connectivity", "sync", "health"
Json json_of(const std::optional<FlowRef>& flow);
Json desired_json(const ClassState* wanted);
// null: nobody asked whether it is to run.
Json json_of(const WantedRun& run, bool is_of_agent);
std::string agent_name(const Agent& agent);

Json or_null(const std::optional<std::int64_t>& value);
Json or_null(const std::optional<std::string>& value);
Json text_or_null(const std::string& text);

}  // namespace runnel::hub
