// What the hub holds of one agent: what it last said, what was asked of it, and what follows from
// both.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/c2/messages.h"
#include "hub/catalog/catalog.h"
#include "hub/catalog/classes.h"
#include "hub/catalog/manifests.h"
#include "hub/fleet/operation.h"

namespace runnel::hub {

enum class Connectivity { kOnline, kLate, kOffline, kNeverSeen };
enum class Sync { kInSync, kPending, kApplying, kFailed, kUnassigned };
enum class Health { kOk, kDegraded, kBackPressure, kStopped, kUnknown };

std::string_view name_of(Connectivity connectivity);
std::string_view name_of(Sync sync);
std::string_view name_of(Health health);

struct Rates {
  std::optional<double> in_records_per_s = {};
  std::optional<double> in_bytes_per_s = {};
  std::optional<double> out_records_per_s = {};
  std::optional<double> out_bytes_per_s = {};
};

struct Agent {
  static constexpr std::size_t kBulletins = 50;
  static constexpr std::size_t kFinishedOperations = 20;
  static constexpr std::size_t kOpenOperations = 100;

  std::string id;
  std::string agent_class;
  std::int64_t registered_ms = 0;

  // Of the last heartbeat, without its manifest and bulletins.
  bool is_heard = false;  // since the hub started
  SteadyTime heard_at{};  // the hub's start, until it is heard
  std::int64_t seen_ms = 0;
  std::int64_t interval_ms = 0;  // as it says, or as it is seen to come
  c2::Heartbeat last;
  std::string host_url;                         // by what address it reached us: "https://hub:8444"
  std::deque<c2::ProcessorBulletin> bulletins;  // oldest first
  std::string manifest_hash;
  ManifestPtr manifest;  // nullptr: not known yet

  // Rates between the last two heartbeats; by processor id for processors.
  Rates rates;
  std::map<std::string, Rates, std::less<>> processor_rates;

  // The deployment that it is being brought to, and what became of it.
  std::string target_flow_id;
  std::int64_t target_deployed_ms = 0;
  std::string acked_flow_id;    // the last one that it acknowledged to run
  std::string fetched_flow_id;  // the last one whose text it fetched
  bool is_failed = false;       // the target
  std::string failure;
  std::int64_t retry_at_ms = 0;  // of a failure that may pass; 0: not
  int failures_in_a_row = 0;

  // Whether its flow is to run, as asked of this agent alone; and the hub's own tries to have it
  // so.
  WantedRun run;
  int run_tries = 0;
  SteadyTime run_again_at{};

  std::vector<Operation> operations;  // oldest first: the open ones and the last that ended
  Connectivity announced = Connectivity::kNeverSeen;  // by an event
  std::string boot_before;       // of the process that was heard before this one; empty: none
  SteadyTime shared_again_at{};  // not before then is it said again that two agents share the id
  bool is_dirty = false;         // a flush has to write it
  SteadyTime watched_until{};    // somebody looks at it
  Sync noted_sync = Sync::kUnassigned;  // by an event

  // What the counters said at the last tick of the metrics.
  SteadyTime ticked_heard_at{};
  std::string ticked_boot;
  c2::Traffic ticked_traffic;
  c2::LossLedger ticked_ledger;
  std::vector<float> ticked_rates;

  bool is_runnel() const { return last.runnel.has_value(); }
  const std::string& reported_flow_id() const { return last.flow.flow_id; }
};

struct Judgement {
  Connectivity connectivity = Connectivity::kNeverSeen;
  std::string connectivity_reason;
  Sync sync = Sync::kUnassigned;
  std::string sync_reason;
  Health health = Health::kUnknown;
  std::string health_reason;
};

struct FlowRef {
  std::string name;
  std::optional<std::int64_t> version;
};

// The newer of what was asked of the agent and of its class, which may be nullptr.
const WantedRun& wanted_run(const Agent& agent, const ClassState* wanted);
// An operator's start or stop of its flow: what is wanted of the agent from now on.
void note_run_order(Agent& agent, const Operation& operation);

Connectivity connectivity_of(const Agent& agent, SteadyTime now);
// The three axes. `wanted` may be nullptr.
Judgement judge(const Agent& agent, const ClassState* wanted, SteadyTime now);
std::optional<FlowRef> reported_flow(const Agent& agent, const Catalog& catalog);

std::string agent_type(const Agent& agent);
std::string agent_version(const Agent& agent);
// Stops at the largest number: agents may say anything.
std::int64_t added(std::int64_t a, std::int64_t b);
std::int64_t queued_count(const Agent& agent);
std::int64_t queued_bytes(const Agent& agent);
std::optional<std::int64_t> queued_age_ms(const Agent& agent);
bool has_queues(const Agent& agent);

// Of two successive heartbeats of the same process; numbers that fell give nothing.
void update_rates(Agent& agent, const c2::Heartbeat& next, SteadyTime now);

}  // namespace runnel::hub
