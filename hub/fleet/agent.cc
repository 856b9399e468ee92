// What follows from what an agent said.

#include "hub/fleet/agent.h"

#include <algorithm>

namespace runnel::hub {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kIntervalUnknownMs = 30'000;
constexpr std::int64_t kErrorMatters = 5 * 60'000;

std::string seconds_text(std::int64_t ms) {
  const std::int64_t s = ms / 1000;
  if (s < 120) return std::to_string(s) + " s";
  if (s < 7200) return std::to_string(s / 60) + " min";
  return std::to_string(s / 3600) + " h";
}

std::int64_t silent_ms(const Agent& agent, SteadyTime now) {
  return std::chrono::duration_cast<milliseconds>(now - agent.heard_at).count();
}

std::int64_t interval_of(const Agent& agent) {
  return agent.interval_ms > 0 ? agent.interval_ms : kIntervalUnknownMs;
}

const Operation* open_update(const Agent& agent) {
  for (const Operation& operation : agent.operations) {
    if (operation.is_open() && operation.verb == "update") return &operation;
  }
  return nullptr;
}

// What of the flow that runs could not be started; empty: nothing that the agent tells of.
std::string not_started(const Agent& agent) {
  constexpr std::size_t kNamed = 3;
  if (!agent.last.runnel) return {};
  std::string text;
  std::size_t count = 0;
  for (const c2::ProcessorDetail& one : agent.last.runnel->processors) {
    if (one.run_state != "starting" && one.run_state != "invalid") continue;
    if (++count > kNamed) continue;
    text += (count == 1 ? "not all of it runs: `" : "; `") + one.name + "`";
    if (!one.error.empty()) text += ": " + one.error;
  }
  if (count > kNamed) text += "; and " + std::to_string(count - kNamed) + " more";
  return text;
}

void judge_sync(const Agent& agent, const ClassState* wanted, Judgement& judgement) {
  if (wanted == nullptr || wanted->desired == nullptr) return;
  const std::string& desired = wanted->desired->id;
  const bool is_current =
      agent.target_flow_id == desired && agent.target_deployed_ms == wanted->deployed_ms;
  if (is_current && agent.is_failed) {
    judgement.sync = Sync::kFailed;
    judgement.sync_reason = agent.failure;
    return;
  }
  const Operation* update = open_update(agent);
  const bool reports = agent.reported_flow_id() == desired;
  if (agent.is_runnel() ? reports
                        : agent.acked_flow_id == desired || (reports && update == nullptr)) {
    judgement.sync = Sync::kInSync;
    judgement.sync_reason = not_started(agent);
    return;
  }
  const auto& runnel = agent.last.runnel;
  const bool says_applying = runnel && runnel->update.state == c2::UpdateState::kApplying &&
                             runnel->update.flow_id == desired;
  if (says_applying || (is_current && agent.fetched_flow_id == desired)) {
    judgement.sync = Sync::kApplying;
    judgement.sync_reason = "the agent has " + ref_text(*wanted->desired) + " and brings it to run";
    return;
  }
  judgement.sync = Sync::kPending;
  const std::string what = ref_text(*wanted->desired);
  if (judgement.connectivity == Connectivity::kOffline) {
    judgement.sync_reason = what + " waits for the agent to come back";
  } else if (is_current && update != nullptr && update->state == OperationState::kDelivered) {
    judgement.sync_reason = what + " was offered; not fetched yet";
  } else {
    judgement.sync_reason = what + " goes out with the next heartbeat";
  }
}

void judge_health(const Agent& agent, Judgement& judgement) {
  if (!agent.is_heard) return;
  if (const auto& runnel = agent.last.runnel) {
    judgement.health_reason = runnel->health_reason;
    switch (runnel->health) {
      case c2::Health::kUnknown:
        judgement.health = Health::kUnknown;
        break;
      case c2::Health::kOk:
        judgement.health = Health::kOk;
        break;
      case c2::Health::kDegraded:
        judgement.health = Health::kDegraded;
        break;
      case c2::Health::kBackPressure:
        judgement.health = Health::kBackPressure;
        break;
      case c2::Health::kStopped:
        judgement.health = Health::kStopped;
        break;
    }
    return;
  }
  if (agent.last.flow.run_status == c2::RunStatus::kStopped) {
    judgement.health = Health::kStopped;
    judgement.health_reason = "the flow is stopped";
    return;
  }
  for (auto bulletin = agent.bulletins.rbegin(); bulletin != agent.bulletins.rend(); ++bulletin) {
    if (bulletin->level == "ERROR" && agent.seen_ms - bulletin->timestamp_ms < kErrorMatters) {
      judgement.health = Health::kDegraded;
      judgement.health_reason = bulletin->source_name + ": " + bulletin->message;
      return;
    }
  }
  for (const c2::Queue& queue : agent.last.flow.queues) {
    if (queue.size_max.value_or(0) > 0 && queue.size.value_or(0) >= *queue.size_max) {
      judgement.health = Health::kBackPressure;
      judgement.health_reason = (queue.name.empty() ? queue.id : queue.name) + " is full";
      return;
    }
  }
  if (agent.last.flow.run_status == c2::RunStatus::kRunning) judgement.health = Health::kOk;
}

std::optional<double> rate(std::int64_t before, std::int64_t now, double seconds) {
  if (seconds <= 0 || now < before) return std::nullopt;
  return static_cast<double>(now - before) / seconds;
}

}  // namespace

std::string_view name_of(Connectivity connectivity) {
  switch (connectivity) {
    case Connectivity::kOnline:
      return "online";
    case Connectivity::kLate:
      return "late";
    case Connectivity::kOffline:
      return "offline";
    case Connectivity::kNeverSeen:
      return "never_seen";
  }
  return "never_seen";
}

std::string_view name_of(Sync sync) {
  switch (sync) {
    case Sync::kInSync:
      return "in_sync";
    case Sync::kPending:
      return "pending";
    case Sync::kApplying:
      return "applying";
    case Sync::kFailed:
      return "failed";
    case Sync::kUnassigned:
      return "unassigned";
  }
  return "unassigned";
}

std::string_view name_of(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kDegraded:
      return "degraded";
    case Health::kBackPressure:
      return "back_pressure";
    case Health::kStopped:
      return "stopped";
    case Health::kUnknown:
      return "unknown";
  }
  return "unknown";
}

Connectivity connectivity_of(const Agent& agent, SteadyTime now) {
  if (agent.seen_ms == 0) return Connectivity::kNeverSeen;
  const std::int64_t silent = silent_ms(agent, now);
  const std::int64_t interval = interval_of(agent);
  if (silent <= interval * 3 / 2 + 1000) {
    // A hub that has just been started has heard nobody yet.
    return agent.is_heard ? Connectivity::kOnline : Connectivity::kLate;
  }
  return silent <= interval * 3 + 5000 ? Connectivity::kLate : Connectivity::kOffline;
}

Judgement judge(const Agent& agent, const ClassState* wanted, SteadyTime now) {
  Judgement judgement;
  judgement.connectivity = connectivity_of(agent, now);
  if (judgement.connectivity == Connectivity::kLate ||
      judgement.connectivity == Connectivity::kOffline) {
    judgement.connectivity_reason =
        agent.is_heard
            ? "silent for " + seconds_text(silent_ms(agent, now)) + "; it comes every " +
                  seconds_text(interval_of(agent))
            : "not heard since the hub was started " + seconds_text(silent_ms(agent, now)) + " ago";
  }
  judge_sync(agent, wanted, judgement);
  judge_health(agent, judgement);
  return judgement;
}

std::optional<FlowRef> reported_flow(const Agent& agent, const Catalog& catalog) {
  const std::string& id = agent.reported_flow_id();
  if (!id.empty()) {
    if (const VersionPtr version = catalog.find_id(id))
      return FlowRef{version->flow, version->version};
  }
  const auto& runnel = agent.last.runnel;
  if (!runnel || runnel->flow_name.empty()) return std::nullopt;
  const VersionPtr version = catalog.find_sha256(runnel->flow_name, runnel->flow_sha256);
  return FlowRef{runnel->flow_name,
                 version == nullptr ? std::nullopt : std::optional(version->version)};
}

std::string agent_type(const Agent& agent) {
  if (agent.manifest != nullptr && !agent.manifest->agent_type.empty())
    return agent.manifest->agent_type;
  return agent.is_runnel() ? "runnel" : "unknown";
}

std::string agent_version(const Agent& agent) {
  return agent.manifest == nullptr ? std::string() : agent.manifest->agent_version;
}

bool has_queues(const Agent& agent) { return agent.is_heard && !agent.last.flow.queues.empty(); }

std::int64_t added(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

std::int64_t queued_count(const Agent& agent) {
  std::int64_t sum = 0;
  for (const c2::Queue& queue : agent.last.flow.queues) sum = added(sum, queue.size.value_or(0));
  return sum;
}

std::int64_t queued_bytes(const Agent& agent) {
  std::int64_t sum = 0;
  for (const c2::Queue& queue : agent.last.flow.queues)
    sum = added(sum, queue.data_size.value_or(0));
  return sum;
}

std::optional<std::int64_t> queued_age_ms(const Agent& agent) {
  if (!agent.last.runnel) return std::nullopt;
  std::int64_t oldest = 0;
  for (const c2::QueueDetail& queue : agent.last.runnel->queues)
    oldest = std::max(oldest, queue.age_ms_max);
  return oldest;
}

void update_rates(Agent& agent, const c2::Heartbeat& next, SteadyTime now) {
  const double seconds = std::chrono::duration<double>(now - agent.heard_at).count();
  Rates rates;
  std::map<std::string, Rates, std::less<>> by_processor;
  const bool is_same_process =
      agent.is_heard &&
      (!next.runnel || (agent.last.runnel && next.runnel->boot == agent.last.runnel->boot));
  if (is_same_process && seconds > 0.05) {
    if (next.runnel) {
      const c2::Traffic& before = agent.last.runnel->traffic;
      const c2::Traffic& after = next.runnel->traffic;
      rates.in_records_per_s = rate(before.in_records, after.in_records, seconds);
      rates.in_bytes_per_s = rate(before.in_bytes, after.in_bytes, seconds);
      rates.out_records_per_s = rate(before.out_records, after.out_records, seconds);
      rates.out_bytes_per_s = rate(before.out_bytes, after.out_bytes, seconds);
    }
    std::map<std::string_view, const c2::ProcessorStatus*> before;
    for (const c2::ProcessorStatus& each : agent.last.flow.processors) before[each.id] = &each;
    for (const c2::ProcessorStatus& each : next.flow.processors) {
      const auto found = before.find(each.id);
      if (found == before.end()) continue;
      const c2::ProcessorStatus& was = *found->second;
      by_processor[each.id] = {rate(was.flow_files_in, each.flow_files_in, seconds),
                               rate(was.bytes_in, each.bytes_in, seconds),
                               rate(was.flow_files_out, each.flow_files_out, seconds),
                               rate(was.bytes_out, each.bytes_out, seconds)};
    }
  }
  agent.rates = rates;
  agent.processor_rates = std::move(by_processor);
}

}  // namespace runnel::hub
