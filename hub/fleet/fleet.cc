// All agents: what they say.

#include "hub/fleet/fleet.h"

#include <algorithm>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/base/name.h"

namespace runnel::hub {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kIntervalMaxMs = std::int64_t{7} * 86'400'000;  // believed of an agent

constexpr std::size_t kClassShown = 100;  // bytes of a name that cannot be a class's

constexpr auto kSharedAgain = std::chrono::hours(1);

// The class of an agent that names none, or names it as classes of ours cannot be named.
std::string class_of(const c2::Heartbeat& heartbeat) {
  std::string name = heartbeat.agent.agent_class.substr(0, 64);
  if (name.empty()) return "default";
  for (char& c : name) {
    if (!is_good_name(std::string_view(&c, 1)) && c != '.') c = '_';
  }
  return is_good_name(name) ? name : "default";
}

// What is told when an agent comes into a class; foreign agents may name theirs as they like.
struct Arrival {
  std::string severity = "info";
  std::string text;
};

Arrival arrival(const Agent& agent, const std::string& named, const std::string& class_before) {
  Arrival out{.text = agent.id + " registered in class " + agent.agent_class};
  if (!class_before.empty()) out.text += "; it was in " + class_before;
  if (named.empty() || named == agent.agent_class) return out;
  out.severity = "warning";
  out.text += ": it calls its class `" + to_utf8(named.substr(0, kClassShown)) +
              "`, and the name of a class is " + std::string(kGoodName);
  return out;
}

bool is_new_process(const Agent& agent, const c2::Heartbeat& next) {
  if (!agent.is_heard) return false;
  if (next.runnel && agent.last.runnel) return next.runnel->boot != agent.last.runnel->boot;
  const auto& before = agent.last.agent.status.uptime_ms;
  const auto& now = next.agent.status.uptime_ms;
  return before && now && *now < *before;
}

}  // namespace

Fleet::Shard& Fleet::shard_of(std::string_view id) const {
  return shards_[std::hash<std::string_view>()(id) % kShards];
}

Result<c2::HeartbeatResponse> Fleet::heartbeat(c2::Heartbeat heartbeat,
                                               const std::string& host_url) {
  const std::string id = heartbeat.agent.identifier;
  if (!is_good_agent_id(id)) {
    return invalid("a heartbeat needs `agentInfo.identifier`: 1 to 128 visible ASCII characters");
  }
  const std::string agent_class = class_of(heartbeat);
  const ClassPtr wanted = parts_.classes.find_or_make(agent_class);
  ManifestPtr manifest;
  if (!heartbeat.agent.manifest_json.empty()) {
    // A manifest that cannot be read is asked for again; until then the agent is managed without
    // one.
    manifest = parts_.manifests.add(heartbeat.agent.manifest_hash, heartbeat.agent.manifest_json)
                   .value_or(nullptr);
    heartbeat.agent.manifest_json.clear();
    heartbeat.agent.manifest_json.shrink_to_fit();
  } else if (!heartbeat.agent.manifest_hash.empty()) {
    manifest = parts_.manifests.find(heartbeat.agent.manifest_hash);
  }

  c2::HeartbeatResponse response;
  Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  auto& place = shard.agents[id];
  if (place == nullptr) {
    if (agents_total_.load() >= kAgentsMax) {
      shard.agents.erase(id);
      return full("the hub holds as many agents as it may");
    }
    place = std::make_unique<Agent>();
    place->id = id;
    place->agent_class = agent_class;
    place->registered_ms = parts_.clock.wall_ms();
    place->is_dirty = true;
    ++agents_total_;
    ++generation_;
    const Arrival said = arrival(*place, heartbeat.agent.agent_class, "");
    say(*place, "agent_registered", said.severity, said.text);
    place->announced = Connectivity::kOnline;
  }
  Agent& agent = *place;
  if (agent.agent_class != agent_class) {
    const std::string before = std::exchange(agent.agent_class, agent_class);
    const Arrival said = arrival(agent, heartbeat.agent.agent_class, before);
    say(agent, "agent_registered", said.severity, said.text);
    agent.is_dirty = true;
    ++generation_;
  }
  const std::string hash = manifest != nullptr && heartbeat.agent.manifest_hash.empty()
                               ? manifest->hash
                               : heartbeat.agent.manifest_hash;
  if (agent.manifest_hash != hash) agent.is_dirty = true;
  agent.manifest_hash = hash;
  if (manifest != nullptr || agent.manifest == nullptr || agent.manifest->hash != hash)
    agent.manifest = manifest;

  take(agent, std::move(heartbeat), host_url);
  expire(agent);
  aim(agent, wanted.get());
  settle(agent, wanted.get());
  settle_run(agent, wanted.get());
  offer(agent, wanted.get(), response);
  note_sync(agent, wanted.get());
  trim(agent);
  if (agent.is_runnel()) {
    const std::int64_t interval = wanted_interval(agent);
    if (std::abs(interval - agent.interval_ms) * 5 > interval) {
      response.heartbeat_ms = interval;
      // Who is told to come less often is not late by what it said before.
      agent.interval_ms = std::max(agent.interval_ms, interval);
    }
  }
  return response;
}

// A process that has ended does not come back: who was there before its successor is a second
// agent. Both are heard in turn, so that is said now and then only.
void Fleet::say_restarted(Agent& agent, const c2::Heartbeat& next) {
  const bool is_shared = next.runnel && next.runnel->boot == agent.boot_before;
  if (agent.last.runnel) agent.boot_before = agent.last.runnel->boot;
  if (!is_shared) return say(agent, "agent_restarted", "warning", agent.id + " has started anew");
  const SteadyTime now = parts_.clock.steady();
  if (now < agent.shared_again_at) return;
  agent.shared_again_at = now + kSharedAgain;
  say(agent, "agent_restarted", "error",
      "two agents go by the id `" + agent.id + "`; give each one of its own by --agent-id");
}

void Fleet::take(Agent& agent, c2::Heartbeat&& heartbeat, const std::string& host_url) {
  const SteadyTime now = parts_.clock.steady();
  const bool is_restarted = is_new_process(agent, heartbeat);
  if (is_restarted) {
    say_restarted(agent, heartbeat);
    // A new process tries a flow anew that its predecessor could not run.
    if (agent.is_failed && !agent.is_runnel()) agent.is_failed = false;
    agent.bulletins.clear();
  }
  update_rates(agent, heartbeat, now);
  if (agent.reported_flow_id() != heartbeat.flow.flow_id) agent.is_dirty = true;

  if (heartbeat.runnel && heartbeat.runnel->interval_ms > 0) {
    agent.interval_ms = std::min(heartbeat.runnel->interval_ms, kIntervalMaxMs);
  } else if (agent.is_heard) {
    const std::int64_t gap = std::chrono::duration_cast<milliseconds>(now - agent.heard_at).count();
    agent.interval_ms = agent.interval_ms == 0 ? gap : (agent.interval_ms * 7 + gap) / 8;
  }
  auto bulletins = std::move(heartbeat.flow.bulletins);
  heartbeat.flow.bulletins.clear();
  agent.last = std::move(heartbeat);
  agent.heard_at = now;
  agent.seen_ms = parts_.clock.wall_ms();
  agent.host_url = host_url;
  take_bulletins(agent, std::move(bulletins), !is_restarted);
  if (agent.announced == Connectivity::kOffline) {
    say(agent, "agent_online", "info", agent.id + " is back");
  }
  agent.is_heard = true;
  agent.announced = Connectivity::kOnline;
}

void Fleet::take_bulletins(Agent& agent, std::vector<c2::ProcessorBulletin> bulletins,
                           bool is_same_process) {
  // They come again with each heartbeat. The first ones after the hub's start are no news either.
  const bool is_first = !agent.is_heard;
  std::size_t told = 0;
  for (c2::ProcessorBulletin& bulletin : bulletins) {
    const bool is_known =
        std::any_of(agent.bulletins.begin(), agent.bulletins.end(), [&](const auto& each) {
          return each.id == bulletin.id && each.timestamp_ms == bulletin.timestamp_ms;
        });
    if (is_known) continue;
    const bool is_error = equal_ignoring_case(bulletin.level, "ERROR");
    if (is_error && !(is_first && is_same_process) && told++ == 0) {
      say(agent, "bulletin", "error", bulletin.source_name + ": " + bulletin.message);
    }
    agent.bulletins.push_back(std::move(bulletin));
    if (agent.bulletins.size() > Agent::kBulletins) agent.bulletins.pop_front();
  }
}

std::int64_t Fleet::wanted_interval(const Agent& agent) const {
  const auto total = static_cast<std::int64_t>(agents_total_.load());
  const std::int64_t idle =
      std::max(parts_.idle_ms, std::min(total * 1000 / kPerSecond, kIdleMsMax));
  const bool is_busy = parts_.clock.steady() < agent.watched_until ||
                       std::any_of(agent.operations.begin(), agent.operations.end(),
                                   [](const auto& each) { return each.is_open(); });
  // A whole fleet that is busy at once must not come five times as often.
  return is_busy ? std::max(kBusyMs, std::min(idle, total * 1000 / (2 * kPerSecond))) : idle;
}

void Fleet::fetched(const std::string& agent, const std::string& flow_id) {
  Shard& shard = shard_of(agent);
  Lock lock(shard.mutex);
  const auto found = shard.agents.find(agent);
  if (found != shard.agents.end()) found->second->fetched_flow_id = flow_id;
}

bool Fleet::look_at(std::string_view id, const std::function<void(const Agent&)>& look) const {
  const Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  const auto found = shard.agents.find(std::string(id));
  if (found == shard.agents.end()) return false;
  look(*found->second);
  return true;
}

void Fleet::look_at_all(const std::function<void(const Agent&)>& look) const {
  for (const Shard& shard : shards_) {
    Lock lock(shard.mutex);
    for (const auto& [id, agent] : shard.agents) look(*agent);
  }
}

void Fleet::visit_all(const std::function<void(Agent&)>& visit) {
  for (Shard& shard : shards_) {
    Lock lock(shard.mutex);
    for (auto& [id, agent] : shard.agents) visit(*agent);
  }
}

void Fleet::watch(std::string_view id) {
  Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  const auto found = shard.agents.find(std::string(id));
  if (found != shard.agents.end()) {
    found->second->watched_until = parts_.clock.steady() + std::chrono::seconds(15);
  }
}

std::vector<ManifestUse> Fleet::manifests_of(std::string_view agent_class) const {
  std::vector<ManifestUse> uses;
  look_at_all([&](const Agent& agent) {
    if (agent.manifest == nullptr || (!agent_class.empty() && agent.agent_class != agent_class))
      return;
    // Hashes differ with each agent; what they can run does not.
    const auto same = std::find_if(uses.begin(), uses.end(), [&](const ManifestUse& use) {
      return use.manifest->bundles_hash == agent.manifest->bundles_hash &&
             use.manifest->agent_type == agent.manifest->agent_type &&
             use.manifest->agent_version == agent.manifest->agent_version;
    });
    if (same == uses.end()) {
      uses.push_back({agent.manifest, 1});
    } else {
      ++same->agents;
    }
  });
  return uses;
}

void Fleet::say(const Agent& agent, std::string_view kind, std::string_view severity,
                std::string message, const FlowVersion* version) {
  FleetEvent event;
  event.kind = kind;
  event.severity = severity;
  event.agent = agent.id;
  event.agent_class = agent.agent_class;
  if (version != nullptr) {
    event.flow = version->flow;
    event.version = version->version;
  }
  event.message = std::move(message);
  parts_.events.add(std::move(event));
}

}  // namespace runnel::hub
