// Whether agents' flows run as operators want it: what was asked of a class holds for agents that
// come later and for those that come back, until one agent is asked for something else.

#include <algorithm>

#include "agent/base/ids.h"
#include "hub/fleet/fleet.h"

namespace runnel::hub {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAgainFirst{15'000};
constexpr milliseconds kAgainMax{3'600'000};

bool has_flow(const Agent& agent) {
  return !agent.reported_flow_id().empty() ||
         (agent.last.runnel && !agent.last.runnel->flow_name.empty());
}

bool is_as_wanted(const Agent& agent, WantedRun::State wanted) {
  const c2::RunStatus said = agent.last.flow.run_status;
  return said ==
         (wanted == WantedRun::State::kRunning ? c2::RunStatus::kRunning : c2::RunStatus::kStopped);
}

std::string reason_of(const WantedRun& run, bool is_own, const Agent& agent) {
  return (is_own ? agent.id : "class " + agent.agent_class) + " is to be " +
         std::string(name_of(run.state)) +
         (run.author.empty() ? "" : ", as " + run.author + " asked");
}

}  // namespace

bool is_run_order(const Operation& operation) {
  return operation.operand == "flow" && (operation.verb == "start" || operation.verb == "stop");
}

const WantedRun& wanted_run(const Agent& agent, const ClassState* wanted) {
  return wanted == nullptr || agent.run.asked_ms > wanted->run.asked_ms ? agent.run : wanted->run;
}

void Fleet::settle_run(Agent& agent, const ClassState* wanted) {
  const WantedRun& run = wanted_run(agent, wanted);
  const bool is_told = agent.last.flow.run_status != c2::RunStatus::kUnknown && has_flow(agent);
  if (run.state == WantedRun::State::kUnset || !is_told) return;
  if (is_as_wanted(agent, run.state)) {
    agent.run_tries = 0;
    return;
  }
  // A flow that is on its way comes first: it may begin running, whatever the one before it did.
  const bool is_under_way =
      std::any_of(agent.operations.begin(), agent.operations.end(), [](const Operation& each) {
        return each.is_open() && (each.verb == "update" || is_run_order(each));
      });
  const SteadyTime now = parts_.clock.steady();
  if (is_under_way || (agent.run_tries > 0 && now < agent.run_again_at)) return;
  const std::string verb = run.state == WantedRun::State::kRunning ? "start" : "stop";
  if (!is_supported(agent, verb, "flow")) return;
  const int doublings = std::min(agent.run_tries++, 10);
  agent.run_again_at = now + std::min(kAgainMax, kAgainFirst * (1 << doublings));
  const std::int64_t wall = parts_.clock.wall_ms();
  queue(agent, {.id = random_uuid().text(),
                .agent = agent.id,
                .verb = verb,
                .operand = "flow",
                .detail = reason_of(run, &run == &agent.run, agent),
                .author = std::string(kHubAuthor),
                .created_ms = wall,
                .expires_ms = wall + kOperationMs});
}

void note_run_order(Agent& agent, const Operation& operation) {
  if (!is_run_order(operation) || operation.author == kHubAuthor || operation.of_class) return;
  if (operation.created_ms <= agent.run.asked_ms) return;
  agent.run = {operation.verb == "start" ? WantedRun::State::kRunning : WantedRun::State::kStopped,
               operation.created_ms, operation.author};
  agent.run_tries = 0;
  agent.is_dirty = true;
}

}  // namespace runnel::hub
