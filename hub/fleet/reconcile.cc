// Bringing agents to what is wanted: which operations they are given, and what their answers mean.

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "hub/fleet/fleet.h"
#include "hub/http/message.h"

namespace runnel::hub {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kRetryFirstMs = 30'000;
constexpr std::int64_t kRetryMaxMs = 3'600'000;
// A deployment does not expire; the contract wants a time.
constexpr std::int64_t kUpdateMs = std::int64_t{10} * 365 * 86'400'000;
constexpr std::size_t kToldMax = 16'000;  // bytes of what an agent tells of a success

Operation* find_open(Agent& agent, std::string_view verb) {
  for (Operation& operation : agent.operations) {
    if (operation.is_open() && operation.verb == verb) return &operation;
  }
  return nullptr;
}

// A flow that could not be fetched may be fetched later; one that does not run will not run by
// being sent again.
bool may_pass(std::string_view reason) {
  const std::string text = to_lower(reason);
  for (const std::string_view word :
       {"fetch", "retriev", "couldn't load", "download", "timed out", "connect"}) {
    if (text.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string reason_of(const c2::Acknowledgement& acknowledgement) {
  std::string reason = acknowledgement.details.value_or("");
  if (const auto& failure = acknowledgement.failure) {
    const auto add = [&](const std::string& text) {
      if (text.empty() || reason.find(text) != std::string::npos || reason.size() > 2000) return;
      if (!reason.empty()) reason += "; ";
      reason += text;
    };
    add(failure->message);
    for (const std::string& each : failure->caused_by) add(each);
    for (const c2::ValidationResult& each : failure->validation) {
      if (!each.is_valid) add(each.subject + ": " + each.explanation);
    }
  }
  if (reason.empty())
    reason = std::string(c2::name_of(acknowledgement.state)) + ", without a reason";
  return reason.substr(0, 4000);
}

// What the agent says of a success; of what its components remember, a line for each key.
std::string told_by(const c2::Acknowledgement& acknowledgement, const Agent& agent) {
  std::string told = acknowledgement.details.value_or("");
  if (!acknowledgement.memories) return told;
  const auto name_of_component = [&agent](const std::string& id) {
    if (agent.last.runnel) {
      for (const c2::ProcessorDetail& each : agent.last.runnel->processors) {
        if (each.id == id) return each.name;
      }
      for (const c2::ServiceDetail& each : agent.last.runnel->services) {
        if (each.id == id) return each.name;
      }
    }
    return id;
  };
  for (const c2::ComponentMemory& one : *acknowledgement.memories) {
    const std::string name = name_of_component(one.id);
    for (const auto& [key, value] : one.values) {
      std::string line = "\n" + name + ": " + key + " = " + value;
      if (told.size() + line.size() > kToldMax) return told + "\n…";
      told += line;
    }
  }
  return told;
}

}  // namespace

bool is_supported(const Agent& agent, std::string_view verb, std::string_view operand) {
  if (agent.manifest == nullptr)
    return (verb == "describe" && operand == "manifest") || verb == "update";
  const std::string_view asked = operand == "agent" ? std::string_view() : operand;
  if (asked.empty()) {
    const auto first = agent.manifest->operations.lower_bound(std::string(verb) + "/");
    return first != agent.manifest->operations.end() && first->starts_with(std::string(verb) + "/");
  }
  return agent.manifest->supports(verb, asked);
}

// ------------------------------------------------------------------------- what is to be done

void Fleet::queue(Agent& agent, Operation operation) {
  for (Operation& older : agent.operations) {
    if (older.is_open() && supersedes(operation, older)) {
      end(agent, older, {OperationState::kSuperseded, "a newer operation took its place"});
    }
  }
  Lock lock(operations_mutex_);
  agent_of_operation_[operation.id] = agent.id;
  unsaved_operations_.push_back(operation);
  agent.operations.push_back(std::move(operation));
}

void Fleet::end(Agent& agent, Operation& operation, Ending ending) {
  operation.state = ending.state;
  if (!ending.detail.empty()) operation.detail = std::move(ending.detail);
  operation.finished_ms = parts_.clock.wall_ms();
  agent.is_dirty = true;
  {
    Lock lock(operations_mutex_);
    agent_of_operation_.erase(operation.id);
    unsaved_operations_.push_back(operation);
  }
  if (operation.author != kHubAuthor || is_run_order(operation)) {
    say(agent, "operation_finished", operation.state == OperationState::kDone ? "info" : "warning",
        operation.verb + " " + operation.operand +
            (operation.target_name ? " " + *operation.target_name : "") + " on " + agent.id + ": " +
            std::string(name_of(operation.state)) +
            (operation.detail ? ": " + *operation.detail : ""));
  }
}

void Fleet::aim(Agent& agent, const ClassState* wanted) {
  const std::string id = wanted == nullptr || wanted->desired == nullptr ? "" : wanted->desired->id;
  const std::int64_t deployed_ms = wanted == nullptr ? 0 : wanted->deployed_ms;
  if (agent.target_flow_id == id && agent.target_deployed_ms == deployed_ms) return;
  agent.target_flow_id = id;
  agent.target_deployed_ms = deployed_ms;
  agent.is_failed = false;
  agent.failure.clear();
  agent.retry_at_ms = 0;
  agent.failures_in_a_row = 0;
  agent.fetched_flow_id.clear();
  agent.acked_flow_id.clear();
  agent.is_dirty = true;
  if (Operation* older = find_open(agent, "update")) {
    end(agent, *older, {OperationState::kSuperseded, "a newer deployment took its place"});
  }
}

void Fleet::settle(Agent& agent, const ClassState* wanted) {
  const std::int64_t now = parts_.clock.wall_ms();
  // A manifest that is not known is asked for, one question at a time.
  if (agent.manifest == nullptr && find_open(agent, "describe") == nullptr &&
      (agent.is_runnel() || !agent.manifest_hash.empty())) {
    queue(agent, {.id = random_uuid().text(),
                  .agent = agent.id,
                  .verb = "describe",
                  .operand = "manifest",
                  .author = std::string(kHubAuthor),
                  .created_ms = now,
                  .expires_ms = now + kOperationMs});
  }
  if (wanted == nullptr || wanted->desired == nullptr) return;
  const FlowVersion& version = *wanted->desired;
  Operation* update = find_open(agent, "update");
  const bool reports = agent.reported_flow_id() == version.id;
  if (reports && agent.is_runnel()) {
    agent.is_failed = false;
    if (update != nullptr)
      end(agent, *update, {OperationState::kDone, "runs " + ref_text(version)});
    return;
  }
  if (!agent.is_runnel() &&
      (agent.acked_flow_id == version.id || (reports && update == nullptr && !agent.is_failed))) {
    return;
  }
  if (agent.manifest != nullptr && !agent.manifest->is_runnel()) {
    agent.is_failed = true;
    agent.failure = "agents of type `" + agent.manifest->agent_type +
                    "` do not read the format of " + ref_text(version);
    return;
  }
  if (agent.is_failed && (agent.retry_at_ms == 0 || now < agent.retry_at_ms)) return;
  if (agent.is_failed) {
    agent.is_failed = false;
    agent.fetched_flow_id.clear();
  }
  if (update != nullptr) return;
  queue(agent, {.id = random_uuid().text(),
                .agent = agent.id,
                .verb = "update",
                .operand = "configuration",
                .target = version.id,
                .target_name = ref_text(version),
                .author = wanted->author,
                .created_ms = now,
                .expires_ms = now + kUpdateMs,
                .flow_id = version.id});
}

bool Fleet::may_send(const Agent& agent, const Operation& operation) const {
  if (operation.state == OperationState::kQueued) return true;
  if (operation.state != OperationState::kDelivered || !agent.is_runnel()) return false;
  const auto& update = agent.last.runnel->update;
  if (operation.verb == "update" && update.state == c2::UpdateState::kApplying &&
      update.flow_id == operation.target.value_or("")) {
    return false;
  }
  // A Runnel agent carries out the same identifier once, so that a lost answer may be said again.
  const auto patience = std::max(milliseconds(15'000), milliseconds(3 * agent.interval_ms));
  return parts_.clock.steady() - operation.sent_at >= patience;
}

c2::Operation Fleet::update_operation(const Agent& agent, const Operation& operation,
                                      const FlowVersion& version) const {
  const std::string relative = "flows/" + version.id + "/content?aid=" + percent_encoded(agent.id);
  const std::string absolute = agent.host_url + "/efm/api/" + relative;
  c2::Operation out;
  out.identifier = operation.id;
  out.verb = c2::Verb::kUpdate;
  out.operand = "configuration";
  out.arguments = {{.name = "flowId", .value = version.id},
                   {.name = "location", .value = absolute},
                   {.name = "flowUrl", .value = absolute},
                   {.name = "relativeFlowUrl", .value = relative},
                   {.name = "persist", .value = "true"}};
  if (agent.is_runnel()) {
    out.arguments.push_back({.name = "flowVersion", .value = std::to_string(version.version)});
    out.arguments.push_back({.name = "sha256", .value = version.sha256});
  }
  return out;
}

void Fleet::offer(Agent& agent, const ClassState* wanted, c2::HeartbeatResponse& response) {
  const std::size_t most = agent.is_runnel() ? kOperationsAnswer : 1;
  for (Operation& operation : agent.operations) {
    if (response.operations.size() >= most) return;
    if (!operation.is_open() || !may_send(agent, operation)) continue;
    if (operation.verb == "update") {
      if (wanted == nullptr || wanted->desired == nullptr) continue;
      // Only what is known to be understood: an unknown operation makes a Java agent reject all.
      if (agent.manifest != nullptr && !agent.manifest->supports("update", "configuration"))
        continue;
      response.operations.push_back(update_operation(agent, operation, *wanted->desired));
    } else {
      response.operations.push_back(to_c2(operation));
    }
    operation.sent_at = parts_.clock.steady();
    ++operation.times_sent;
    if (operation.state == OperationState::kQueued) {
      operation.state = OperationState::kDelivered;
      operation.delivered_ms = parts_.clock.wall_ms();
      Lock lock(operations_mutex_);
      unsaved_operations_.push_back(operation);
    }
  }
}

void Fleet::expire(Agent& agent) {
  const std::int64_t now = parts_.clock.wall_ms();
  for (Operation& operation : agent.operations) {
    if (!operation.is_open()) continue;
    if (now >= operation.expires_ms) {
      end(agent, operation, {OperationState::kExpired, "nobody took it in time"});
      continue;
    }
    if (operation.state != OperationState::kDelivered || agent.is_runnel()) continue;
    // Others acknowledge once, if at all: the answer may be lost, so there is a time limit.
    const std::int64_t limit = std::max(kForeignAckMs, 3 * agent.interval_ms);
    if (now - operation.delivered_ms.value_or(now) < limit) continue;
    if (operation.verb == "update" && agent.reported_flow_id() == operation.target.value_or("")) {
      agent.acked_flow_id = agent.reported_flow_id();
      end(agent, operation, {OperationState::kDone, "reported, never acknowledged"});
    } else if (operation.verb == "update") {
      const bool is_last = ++agent.failures_in_a_row >= kForeignTries;
      end(agent, operation, {OperationState::kExpired, "no acknowledgement"});
      if (is_last)
        fail(agent, "no acknowledgement after " + std::to_string(kForeignTries) + " tries");
    } else {
      end(agent, operation, {OperationState::kExpired, "no acknowledgement"});
    }
  }
}

void Fleet::trim(Agent& agent) {
  std::size_t finished = 0;
  for (const Operation& operation : agent.operations) finished += operation.is_open() ? 0U : 1U;
  std::erase_if(agent.operations, [&](const Operation& operation) {
    if (operation.is_open() || finished <= Agent::kFinishedOperations) return false;
    --finished;
    return true;
  });
}

// ------------------------------------------------------------------------------ what became of it

void Fleet::fail(Agent& agent, const std::string& reason) {
  agent.is_failed = true;
  agent.failure = reason;
  agent.retry_at_ms = 0;
  if (may_pass(reason)) {
    const std::int64_t wait =
        std::min(kRetryMaxMs, kRetryFirstMs << std::min(agent.failures_in_a_row, 10));
    agent.retry_at_ms = parts_.clock.wall_ms() + wait;
  }
  ++agent.failures_in_a_row;
  agent.is_dirty = true;
}

void Fleet::acknowledge(c2::Acknowledgement acknowledgement) {
  std::string id;
  {
    Lock lock(operations_mutex_);
    const auto found = agent_of_operation_.find(acknowledgement.operation_id);
    if (found != agent_of_operation_.end()) id = found->second;
  }
  if (id.empty()) return;  // it has ended already, or is none of ours
  ManifestPtr manifest;
  if (acknowledgement.described && !acknowledgement.described->agent.manifest_json.empty()) {
    const c2::AgentInfo& info = acknowledgement.described->agent;
    manifest = parts_.manifests.add(info.manifest_hash, info.manifest_json).value_or(nullptr);
  }
  const bool is_partial = acknowledgement.state == c2::AckState::kPartiallyApplied;
  Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  const auto found = shard.agents.find(id);
  if (found == shard.agents.end()) return;
  Agent& agent = *found->second;
  if (manifest != nullptr) {
    agent.manifest = manifest;
    agent.manifest_hash = manifest->hash;
  }
  for (Operation& operation : agent.operations) {
    if (operation.id != acknowledgement.operation_id || !operation.is_open()) continue;
    // A Runnel agent that could not start all of a flow runs it, and tries again by itself.
    const bool is_done = acknowledgement.is_success() ||
                         (is_partial && operation.verb == "update" && agent.is_runnel());
    const std::string detail =
        is_done && !is_partial ? told_by(acknowledgement, agent) : reason_of(acknowledgement);
    if (operation.verb == "update" && operation.target == agent.target_flow_id) {
      if (is_done) {
        agent.acked_flow_id = agent.target_flow_id;
        agent.is_failed = false;
        agent.failures_in_a_row = 0;
      } else {
        fail(agent, detail);
      }
    }
    end(agent, operation, {is_done ? OperationState::kDone : OperationState::kFailed, detail});
    break;
  }
  note_sync(agent, parts_.classes.find(agent.agent_class).get());
}

void Fleet::note_sync(Agent& agent, const ClassState* wanted) {
  const Judgement judgement = judge(agent, wanted, parts_.clock.steady());
  const Sync sync = judgement.sync;
  if (sync == agent.noted_sync) return;
  const FlowVersion* version = wanted == nullptr ? nullptr : wanted->desired.get();
  if (version != nullptr && sync == Sync::kInSync) {
    const std::string runs = agent.id + " runs " + ref_text(*version);
    if (judgement.sync_reason.empty()) {
      say(agent, "flow_applied", "info", runs, version);
    } else {
      say(agent, "flow_applied", "warning", runs + "; " + judgement.sync_reason, version);
    }
  } else if (version != nullptr && sync == Sync::kFailed) {
    say(agent, "flow_failed", "error",
        agent.id + " could not run " + ref_text(*version) + ": " + agent.failure, version);
  }
  agent.noted_sync = sync;
  agent.is_dirty = true;
}

}  // namespace runnel::hub
