// Uplink: the agent's line to its hub. Heartbeats out; operations in, each carried out once;
// acknowledgements kept until the hub has taken them.
//
// One thread of its own, named `uplink`; it sleeps between heartbeats. A hub that is away costs
// nothing but heartbeats that come ever more rarely; the flow runs on.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "agent/base/backoff.h"
#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/c2/messages.h"
#include "agent/uplink/addresses.h"
#include "agent/uplink/control.h"
#include "agent/uplink/flow_keeper.h"
#include "agent/uplink/host.h"
#include "agent/uplink/journal.h"
#include "agent/uplink/transport.h"

namespace runnel {

struct UplinkOptions {
  std::string hub_url;
  std::string token = {};  // of the agent's class; empty: none
  std::string agent_class = {};
  std::string agent_id;
  std::string state_dir;                           // holds uplink.db and the kept flow
  std::shared_ptr<const Sealer> sealer = nullptr;  // of the kept flow; nullptr: it lies in plain
  std::chrono::milliseconds heartbeat = std::chrono::seconds(10);  // until the hub says otherwise
  std::chrono::milliseconds backoff_max = std::chrono::minutes(5);
  // Heartbeats only: nothing is written to the state directory, which cannot be used now, and what
  // the hub asks for is left for it to ask again.
  bool only_shows = false;
  // Of a flow that was kept and does not run any more: the hub is told.
  std::optional<c2::FlowUpdate> boot_failure = {};
  // Called by the thread when an exchange with the hub is over and none is due.
  std::function<void()> on_quiet = [] {};
  Clock* clock = nullptr;  // nullptr: the machine's
};

class Uplink {
 public:
  static constexpr std::chrono::milliseconds kHeartbeatMin{100};
  static constexpr std::chrono::milliseconds kHeartbeatMax = std::chrono::hours(24);
  // After operations the next heartbeat shows what became of them.
  static constexpr std::chrono::milliseconds kAfterOperations{500};
  static constexpr std::size_t kFlowTextMax = 64 * 1024 * 1024;
  static constexpr std::size_t kAcknowledgementsPerTurn = 100;

  // kInvalid: the address or the id cannot be used. `running` is the flow of the hub that the agent
  // runs already, if it does.
  static Result<std::unique_ptr<Uplink>> open(UplinkOptions options, AgentControl& agent,
                                              std::unique_ptr<Transport> transport,
                                              std::optional<DeliveredFlow> running);
  ~Uplink();  // stops first
  Uplink(const Uplink&) = delete;
  Uplink& operator=(const Uplink&) = delete;

  void start();  // the thread
  void stop();   // ends an exchange under way; returns when the thread has ended

  // One turn: sends what waits, then a heartbeat, then does what the hub asked for. Returns when
  // the next one is due. The thread calls it; tests do, instead of starting it.
  SteadyTime turn();

 private:
  Uplink(UplinkOptions options, AgentControl& agent, std::unique_ptr<Transport> transport,
         HubAddresses addresses, std::unique_ptr<Journal> journal,
         std::optional<DeliveredFlow> running);

  void run();
  // What the journal says of the last update, put right by how the agent booted.
  Result<> recall_update();
  // How long to wait after this turn; none: it failed.
  Result<std::chrono::milliseconds> beat();
  Result<> send_acknowledgements();
  c2::Heartbeat heartbeat(bool with_manifest);
  // Whether the operation was new.
  Result<bool> carry_out(const c2::Operation& operation);
  c2::Acknowledgement perform(const c2::Operation& operation);
  c2::Acknowledgement update_configuration(const c2::Operation& operation);
  Result<DeliveredFlow> fetch(const c2::Operation& operation, const std::string& flow_id);
  Result<std::vector<std::string>> apply(const DeliveredFlow& flow);
  void note_update(c2::UpdateState state, const std::string& flow_id, const std::string& reason);
  Result<HubAnswer> post(const std::string& url, std::string body);

  const UplinkOptions options_;
  Clock& clock_;
  AgentControl& agent_;
  const std::unique_ptr<Transport> transport_;
  const HubAddresses addresses_;
  const std::string boot_;
  const SteadyTime began_;  // the agent's uptime counts from here

  // Of the thread that calls `turn`.
  const std::unique_ptr<Journal> journal_;  // nullptr: it only shows
  FlowKeeper keeper_;
  Host host_;
  std::optional<DeliveredFlow> running_;  // its text is left out
  c2::FlowUpdate update_;
  Backoff backoff_;
  std::chrono::milliseconds interval_;
  std::chrono::milliseconds retry_after_{0};
  std::int64_t sequence_ = 0;
  bool manifest_was_taken_ = false;
  bool was_heard_ = false;  // by the hub, last time: for the log
  bool is_away_ = false;    // the last exchange had no answer
  bool must_restart_ = false;

  Mutex mutex_;
  CondVar wake_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace runnel
