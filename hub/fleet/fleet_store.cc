// What a restart of the hub must not forget of the agents, and who has fallen silent. The fleet
// owns the table agents.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/words.h"
#include "hub/fleet/fleet.h"

namespace runnel::hub {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSelectAll =
    "SELECT id, class, registered_ms, seen_ms, facts FROM agents";
constexpr std::string_view kSave = "INSERT OR REPLACE INTO agents VALUES (?, ?, ?, ?, ?)";
constexpr std::int64_t kSeenSavedEveryMs = 5 * 60'000;
constexpr std::size_t kUnsavedOperationsMax = 100'000;
constexpr std::size_t kOfflineEventsMax = 100;  // of one sweep; the rest is counted in one more

// {"heartbeat": the last one without lists, "manifest_hash", "interval_ms", "target": [flow id,
// deployed_ms],
//  "acked", "failure": absent when it has not failed,
//  "run": [state, asked_ms, author]: absent when nothing was asked of this agent alone}
std::string facts_of(const Agent& agent) {
  c2::Heartbeat small;
  small.device = agent.last.device;
  small.agent.identifier = agent.id;
  small.agent.agent_class = agent.agent_class;
  small.agent.manifest_hash = agent.manifest_hash;
  small.flow.flow_id = agent.last.flow.flow_id;
  if (agent.last.runnel) {
    small.runnel.emplace();
    small.runnel->boot = agent.last.runnel->boot;
    small.runnel->flow_name = agent.last.runnel->flow_name;
    small.runnel->flow_version = agent.last.runnel->flow_version;
    small.runnel->flow_sha256 = agent.last.runnel->flow_sha256;
  }
  Json facts{{"heartbeat", c2::to_json(small)},
             {"manifest_hash", agent.manifest_hash},
             {"interval_ms", agent.interval_ms},
             {"target", Json::array({agent.target_flow_id, agent.target_deployed_ms})},
             {"acked", agent.acked_flow_id},
             {"sync", static_cast<int>(agent.noted_sync)}};
  if (agent.is_failed) facts["failure"] = agent.failure;
  if (agent.run.state != WantedRun::State::kUnset) {
    facts["run"] = Json::array({name_of(agent.run.state), agent.run.asked_ms, agent.run.author});
  }
  return facts.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void read_facts(Agent& agent, std::string_view text) {
  const Json facts = Json::parse(text, nullptr, false);
  if (!facts.is_object()) return;
  const auto string = [&](const char* key) {
    const auto found = facts.find(key);
    return found != facts.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (auto heartbeat = c2::heartbeat_from_json(string("heartbeat")); heartbeat.ok()) {
    agent.last = std::move(heartbeat).value();
  }
  agent.manifest_hash = string("manifest_hash");
  agent.acked_flow_id = string("acked");
  agent.interval_ms = facts.value("interval_ms", std::int64_t{0});
  agent.noted_sync = static_cast<Sync>(std::clamp(facts.value("sync", 4), 0, 4));
  const auto target = facts.find("target");
  if (target != facts.end() && target->is_array() && target->size() == 2 &&
      (*target)[0].is_string() && (*target)[1].is_number_integer()) {
    agent.target_flow_id = (*target)[0].get<std::string>();
    agent.target_deployed_ms = (*target)[1].get<std::int64_t>();
  }
  const auto run = facts.find("run");
  if (run != facts.end() && run->is_array() && run->size() == 3 && (*run)[0].is_string() &&
      (*run)[1].is_number_integer() && (*run)[2].is_string()) {
    agent.run = {run_state_of((*run)[0].get<std::string>()), (*run)[1].get<std::int64_t>(),
                 (*run)[2].get<std::string>()};
  }
  agent.is_failed = facts.contains("failure");
  agent.failure = string("failure");
}

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::open(FleetParts parts) {
  std::unique_ptr<Fleet> fleet(new Fleet(parts));
  TRY(fleet->load());
  return fleet;
}

Result<> Fleet::load() {
  TRY(parts_.store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectAll));
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      auto agent = std::make_unique<Agent>();
      agent->id = select.text(0);
      agent->agent_class = select.text(1);
      agent->registered_ms = select.integer(2);
      agent->seen_ms = select.integer(3);
      agent->heard_at = started_at_;
      agent->announced = Connectivity::kLate;
      read_facts(*agent, select.text(4));
      agent->manifest = parts_.manifests.find(agent->manifest_hash);
      Shard& shard = shard_of(agent->id);
      Lock lock(shard.mutex);
      shard.agents[agent->id] = std::move(agent);
      ++agents_total_;
    }
  }));
  TRY_ASSIGN(open, load_open_operations(parts_.store));
  for (Operation& operation : open) {
    Shard& shard = shard_of(operation.agent);
    Lock lock(shard.mutex);
    const auto found = shard.agents.find(operation.agent);
    if (found == shard.agents.end()) continue;
    Agent& agent = *found->second;
    // That it took the place of an older one may not have come to disk.
    for (Operation& older : agent.operations) {
      if (older.is_open() && supersedes(operation, older)) {
        end(agent, older, {OperationState::kSuperseded, "a newer operation took its place"});
      }
    }
    Lock operations(operations_mutex_);
    agent_of_operation_[operation.id] = operation.agent;
    if (operation.verb == "update") operation.flow_id = operation.target.value_or("");
    agent.operations.push_back(std::move(operation));
  }
  // Agents go to disk in batches, what operators ask for at once: it may be newer.
  TRY_ASSIGN(orders, load_run_orders(parts_.store));
  for (const Operation& order : orders) {
    Shard& shard = shard_of(order.agent);
    Lock lock(shard.mutex);
    const auto found = shard.agents.find(order.agent);
    if (found != shard.agents.end()) note_run_order(*found->second, order);
  }
  return Ok{};
}

void Fleet::sweep() {
  const SteadyTime now = parts_.clock.steady();
  std::size_t gone = 0;
  visit_all([&](Agent& agent) {
    expire(agent);
    trim(agent);
    const Connectivity connectivity = connectivity_of(agent, now);
    if (connectivity != Connectivity::kOffline || agent.announced == Connectivity::kOffline) return;
    agent.announced = Connectivity::kOffline;
    agent.rates = {};
    agent.processor_rates.clear();
    if (++gone <= kOfflineEventsMax)
      say(agent, "agent_offline", "warning", agent.id + " has fallen silent");
  });
  if (gone > kOfflineEventsMax) {
    FleetEvent event;
    event.kind = "agent_offline";
    event.severity = "error";
    event.message = "and " + counted(gone - kOfflineEventsMax, "more agent") + " at the same time";
    parts_.events.add(std::move(event));
  }
}

Result<> Fleet::flush() {
  const std::int64_t now = parts_.clock.wall_ms();
  const bool writes_seen = now - seen_saved_ms_ >= kSeenSavedEveryMs;
  if (writes_seen) seen_saved_ms_ = now;
  std::vector<AgentRecord> rows;
  visit_all([&](Agent& agent) {
    if (!agent.is_dirty && !(writes_seen && agent.is_heard)) return;
    agent.is_dirty = false;
    rows.push_back(
        {agent.id, agent.agent_class, agent.registered_ms, agent.seen_ms, facts_of(agent)});
  });
  std::vector<Operation> operations;
  {
    Lock lock(operations_mutex_);
    operations.swap(unsaved_operations_);
  }
  if (rows.empty() && operations.empty()) return Ok{};
  const Result<> written = parts_.store.write([&](Database& database) -> Result<> {
    TRY(save_operations(database, operations));
    if (writes_seen) TRY(forget_operations(database, now - kOperationsKeptMs));
    TRY_ASSIGN(save, database.prepare(kSave));
    for (const AgentRecord& row : rows) {
      TRY(save.bind_text(1, row.id)
              .bind_text(2, row.agent_class)
              .bind(3, row.registered_ms)
              .bind(4, row.seen_ms)
              .bind_text(5, row.facts)
              .run());
    }
    return Ok{};
  });
  if (!written.ok()) write_again(rows, std::move(operations));
  return written;
}

// After a write that failed (a full disk): with the next one.
void Fleet::write_again(const std::vector<AgentRecord>& rows, std::vector<Operation> operations) {
  for (const AgentRecord& row : rows) {
    Shard& shard = shard_of(row.id);
    Lock lock(shard.mutex);
    const auto found = shard.agents.find(row.id);
    if (found != shard.agents.end()) found->second->is_dirty = true;
  }
  Lock lock(operations_mutex_);
  if (unsaved_operations_.size() + operations.size() > kUnsavedOperationsMax) return;
  unsaved_operations_.insert(unsaved_operations_.begin(),
                             std::make_move_iterator(operations.begin()),
                             std::make_move_iterator(operations.end()));
}

}  // namespace runnel::hub
