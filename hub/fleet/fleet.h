// Fleet: all agents, what they say and what is asked of them.
//
// Agents live in memory, in shards with a lock each; heartbeats are answered from there. What a
// restart must not forget is collected and written by `flush`. Locks of other parts (catalog,
// classes, manifests, events) are taken inside a shard's lock, never the other way round; the
// database is never touched inside one.

#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "hub/fleet/agent.h"
#include "hub/fleet/events.h"

namespace runnel::hub {

struct FleetParts {
  Store& store;
  Catalog& catalog;
  Classes& classes;
  Manifests& manifests;
  Events& events;
  const Clock& clock;
  std::int64_t idle_ms = 5'000;  // heartbeats of a small fleet while nothing is under way
};

// What an operator asks for.
struct OperationWish {
  std::string verb;
  std::string operand;
  std::string target;  // id or name; empty: none
};

class Fleet {
 public:
  static constexpr std::size_t kAgentsMax = 200'000;
  static constexpr std::int64_t kOperationMs = 3'600'000;  // an operation that nobody took expires
  static constexpr std::int64_t kOperationsKeptMs = std::int64_t{30} * 86'400'000;
  static constexpr std::int64_t kForeignAckMs = 5 * 60'000;  // EFM's time limit
  static constexpr int kForeignTries = 3;
  static constexpr std::size_t kOperationsAnswer =
      4;  // in one answer to a Runnel agent; others get one
  static constexpr std::int64_t kBusyMs =
      1'000;  // heartbeats while something is under way or watched
  static constexpr std::int64_t kIdleMsMax = 60'000;
  static constexpr std::int64_t kPerSecond =
      500;  // heartbeats of the whole fleet that are aimed at

  static Result<std::unique_ptr<Fleet>> open(FleetParts parts);

  // ---- what agents say; any thread
  // `host_url`: how the agent reached us. kInvalid: it does not say who it is. kFull: too many
  // agents.
  Result<c2::HeartbeatResponse> heartbeat(c2::Heartbeat heartbeat, const std::string& host_url);
  void acknowledge(c2::Acknowledgement acknowledgement);
  void fetched(const std::string& agent, const std::string& flow_id);

  // ---- what operators want; any thread. Durable when they return.
  // kNotFound: no such agent, or nothing of the target's name. kInvalid: the agent does not support
  // it.
  Result<Operation> ask(const std::string& agent, const OperationWish& wish,
                        const std::string& author);
  // Of each agent of the class that supports it; the others are left out. Starting and stopping the
  // flow is wanted of the class from then on, also of agents that come later.
  Result<std::vector<Operation>> ask_class(const std::string& agent_class,
                                           const OperationWish& wish, const std::string& author);

  // ---- looking
  // Runs `look` with the agent, inside its shard's lock; false: there is none.
  bool look_at(std::string_view id, const std::function<void(const Agent&)>& look) const;
  void look_at_all(const std::function<void(const Agent&)>& look) const;
  // Its heartbeats come faster for a while.
  void watch(std::string_view id);
  std::size_t size() const { return agents_total_.load(); }
  // Changes with everything that an operator does: what was counted before is stale.
  std::uint64_t generation() const { return generation_.load(); }
  void touch() { ++generation_; }
  std::vector<ManifestUse> manifests_of(
      std::string_view agent_class) const;  // empty: of all agents

  // ---- time passes; one thread
  // Who has fallen silent, which operations have expired.
  void sweep();
  Result<> flush();
  // As look_at_all, for the one who keeps marks in it.
  void visit_all(const std::function<void(Agent&)>& visit);

 private:
  static constexpr std::size_t kShards = 32;
  struct Shard {
    mutable Mutex mutex;
    std::unordered_map<std::string, std::unique_ptr<Agent>> agents GUARDED_BY(mutex);
  };
  struct AgentRecord {  // a row of the table agents
    std::string id;
    std::string agent_class;
    std::int64_t registered_ms;
    std::int64_t seen_ms;
    std::string facts;
  };
  struct Ending {
    OperationState state;
    std::string detail;
  };

  explicit Fleet(FleetParts parts) : parts_(parts), started_at_(parts.clock.steady()) {}
  Result<> load();
  Shard& shard_of(std::string_view id) const;
  void write_again(const std::vector<AgentRecord>& rows, std::vector<Operation> operations);

  // All below: inside the agent's shard's lock.
  void take(Agent& agent, c2::Heartbeat&& heartbeat, const std::string& host_url);
  void say_restarted(Agent& agent, const c2::Heartbeat& next);
  void take_bulletins(Agent& agent, std::vector<c2::ProcessorBulletin> bulletins,
                      bool is_same_process);
  void aim(Agent& agent, const ClassState* wanted);
  void settle(Agent& agent, const ClassState* wanted);
  void settle_run(Agent& agent, const ClassState* wanted);
  void offer(Agent& agent, const ClassState* wanted, c2::HeartbeatResponse& response);
  bool may_send(const Agent& agent, const Operation& operation) const;
  c2::Operation update_operation(const Agent& agent, const Operation& operation,
                                 const FlowVersion& version) const;
  void queue(Agent& agent, Operation operation);
  void end(Agent& agent, Operation& operation, Ending ending);
  void fail(Agent& agent, const std::string& reason);
  void expire(Agent& agent);
  void trim(Agent& agent);
  void note_sync(Agent& agent, const ClassState* wanted);
  std::int64_t wanted_interval(const Agent& agent) const;
  Result<Operation> make(const Agent& agent, const OperationWish& wish,
                         const std::string& author) const;
  void queue_all(const std::vector<Operation>& operations);
  void say(const Agent& agent, std::string_view kind, std::string_view severity,
           std::string message, const FlowVersion* version = nullptr);

  FleetParts parts_;
  const SteadyTime started_at_;
  mutable std::array<Shard, kShards> shards_;
  std::atomic<std::size_t> agents_total_{0};
  std::atomic<std::uint64_t> generation_{0};

  // Whose an operation is; acknowledgements do not say.
  mutable Mutex operations_mutex_;
  std::unordered_map<std::string, std::string> agent_of_operation_ GUARDED_BY(operations_mutex_);
  std::vector<Operation> unsaved_operations_ GUARDED_BY(operations_mutex_);
  std::int64_t seen_saved_ms_ = 0;  // the flusher's
};

// Whether the agent can be asked for it; with the words of the REST contract.
bool is_supported(const Agent& agent, std::string_view verb, std::string_view operand);

}  // namespace runnel::hub
