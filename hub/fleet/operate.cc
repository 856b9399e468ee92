// What operators ask of agents.

#include <algorithm>

#include "agent/base/ids.h"
#include "hub/fleet/fleet.h"

namespace runnel::hub {
namespace {

struct Target {
  std::string id;
  std::string name;
};

// A processor or connection by its id or name: in what the agent reports, else in the flow's own
// text.
Result<Target> find_target(const Agent& agent, const Flow* flow, const OperationWish& wish) {
  if (wish.operand == "processor") {
    if (agent.last.runnel) {
      for (const c2::ProcessorDetail& each : agent.last.runnel->processors) {
        if (each.id == wish.target || each.name == wish.target) return Target{each.id, each.name};
      }
    }
    if (flow != nullptr) {
      if (const ProcessorNode* node = find_processor(*flow, wish.target))
        return Target{node->id, node->name};
    }
    for (const c2::ProcessorStatus& each : agent.last.flow.processors) {
      if (each.id == wish.target) return Target{each.id, each.id};
    }
    if (wish.verb == kRunOnce && flow != nullptr) {
      if (const ProcessGroup* group = find_group(*flow, wish.target))
        return Target{group->id, group->path};
    }
    return not_found("agent `" + agent.id + "` reports no processor `" + wish.target + "`");
  }
  for (const c2::Queue& each : agent.last.flow.queues) {
    if (each.id == wish.target || each.name == wish.target) return Target{each.id, each.name};
  }
  if (flow != nullptr) {
    if (const Connection* connection = find_connection(*flow, wish.target)) {
      return Target{connection->id, connection->name};
    }
  }
  return not_found("agent `" + agent.id + "` reports no connection `" + wish.target + "`");
}

bool is_known_pair(const OperationWish& wish) {
  const bool is_run = wish.verb == "start" || wish.verb == "stop";
  return (is_run && (wish.operand == "flow" || wish.operand == "processor")) ||
         (wish.verb == kRunOnce && wish.operand == "processor") ||
         (wish.verb == "clear" && wish.operand == "connection") ||
         (wish.verb == "restart" && wish.operand == "agent") ||
         (wish.verb == "describe" &&
          (wish.operand == "manifest" || wish.operand == "corecomponentstate"));
}

}  // namespace

Result<Operation> Fleet::make(const Agent& agent, const OperationWish& wish,
                              const std::string& author) const {
  const std::int64_t now = parts_.clock.wall_ms();
  Operation operation{.id = random_uuid().text(),
                      .agent = agent.id,
                      .verb = wish.verb,
                      .operand = wish.operand,
                      .author = author,
                      .created_ms = now,
                      .expires_ms = now + kOperationMs};
  if (!is_supported(agent, wish.verb, wish.operand)) {
    return unavailable("agent `" + agent.id + "` does not support " + wish.verb + " " +
                       wish.operand);
  }
  const auto open = std::count_if(agent.operations.begin(), agent.operations.end(),
                                  [](const Operation& each) { return each.is_open(); });
  if (open >= static_cast<std::ptrdiff_t>(Agent::kOpenOperations)) {
    return full("agent `" + agent.id + "` has as many operations waiting as it may");
  }
  if (wish.operand == "processor" || wish.operand == "connection") {
    if (wish.target.empty()) return invalid("`target` has to name the " + wish.operand);
    TextPtr text;
    if (const VersionPtr version = parts_.catalog.find_id(agent.reported_flow_id())) {
      text = parts_.catalog.text(version).value_or(nullptr);
    }
    TRY_ASSIGN(target, find_target(agent, text == nullptr ? nullptr : text->flow.get(), wish));
    operation.target = target.id;
    operation.target_name = target.name;
  }
  return operation;
}

void Fleet::queue_all(const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) {
    Shard& shard = shard_of(operation.agent);
    Lock lock(shard.mutex);
    const auto found = shard.agents.find(operation.agent);
    if (found == shard.agents.end()) continue;
    note_run_order(*found->second, operation);
    queue(*found->second, operation);
  }
  ++generation_;
}

Result<Operation> Fleet::ask(const std::string& id, const OperationWish& wish,
                             const std::string& author) {
  if (!is_known_pair(wish))
    return invalid("`" + wish.verb + " " + wish.operand + "` is no operation");
  Result<Operation> made = not_found("there is no agent `" + id + "`");
  look_at(id, [&](const Agent& agent) {
    made = make(agent, wish, author);
    if (!made.ok() || !is_run_order(*made)) return;
    // It holds before whatever was asked earlier, also when the clock has been set back since.
    const ClassPtr of_class = parts_.classes.find(agent.agent_class);
    const std::int64_t before = wanted_run(agent, of_class.get()).asked_ms;
    made->created_ms = std::max(made->created_ms, before + 1);
  });
  if (!made.ok()) return made;
  TRY(parts_.store.write([&](Database& database) { return save_operations(database, {*made}); }));
  queue_all({*made});
  return made;
}

Result<std::vector<Operation>> Fleet::ask_class(const std::string& agent_class,
                                                const OperationWish& wish,
                                                const std::string& author) {
  if (!is_known_pair(wish))
    return invalid("`" + wish.verb + " " + wish.operand + "` is no operation");
  const ClassPtr of_class = parts_.classes.find(agent_class);
  if (of_class == nullptr) return not_found("there is no class `" + agent_class + "`");
  std::vector<Operation> made;
  std::optional<Error> refused;
  std::int64_t asked_ms = std::max(parts_.clock.wall_ms(), of_class->run.asked_ms + 1);
  look_at_all([&](const Agent& agent) {
    if (agent.agent_class != agent_class) return;
    asked_ms = std::max(asked_ms, agent.run.asked_ms + 1);
    auto one = make(agent, wish, author);
    if (one.ok()) {
      one->of_class = agent_class;
      made.push_back(std::move(one).value());
    } else if (!refused) {
      refused = one.error();
    }
  });
  if (made.empty() && refused) return *refused;
  const auto save = [&](Database& database) { return save_operations(database, made); };
  if (wish.operand == "flow") {
    for (Operation& each : made) each.created_ms = asked_ms;
    const auto state =
        wish.verb == "stop" ? WantedRun::State::kStopped : WantedRun::State::kRunning;
    TRY(parts_.classes.run(agent_class, {state, asked_ms, author}, save));
  } else {
    TRY(parts_.store.write(save));
  }
  queue_all(made);
  return made;
}

}  // namespace runnel::hub
