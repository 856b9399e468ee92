// Node: one processor of the running flow, with its tasks.
//
// A task is one processor object with a session of its own; a processor that is `concurrent` has as
// many as its flow says. A task runs slices: calls of on_trigger in one session, up to 256
// FlowFiles or the run duration, then a commit. It is woken by its input queues, by room in its
// output queues, by its timer, and by its processor; it never polls.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/backoff.h"
#include "agent/base/mutex.h"
#include "agent/flow/cron.h"
#include "agent/flow/model.h"
#include "agent/runtime/bulletins.h"
#include "agent/runtime/intake.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/scheduler.h"
#include "agent/runtime/session_core.h"
#include "agent/runtime/shared_service.h"
#include "agent/runtime/status.h"
#include "agent/sdk/context.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"

namespace runnel {

// What a node needs of the engine.
struct NodeHost {
  Ledger& ledger;
  Scheduler& scheduler;
  BulletinBoard& bulletins;
  ProvenanceLog* provenance = nullptr;
  ReplayArchive* archive = nullptr;
};

// What a node is built from; the engine compares two of them to see whether a node can stay.
struct NodePlan {
  ProcessorNode model;  // of a port or funnel: id, path, group; type "funnel", "input port", …
  const ProcessorType* type = nullptr;
  std::shared_ptr<const ProcessorType> gated_type;  // `type` of a port with a gate
  std::size_t take_max = Wiring::kTakeMax;
  ServiceUses services;
  std::vector<Queue*> inputs;
  // Inputs that close a cycle. When one of them is full, nothing else is taken; and who feeds them
  // is not stopped by their being full: so a cycle never stands still.
  std::vector<Queue*> cycle_inputs;
  std::vector<Outlet> outlets;
  std::vector<Queue*> blocking;  // outputs that stop this node when they are full

  bool is_alike(const NodePlan& other) const;
};

class NodeTask;

class Node {
 public:
  // kInvalid: the processor refuses its properties; the text names it.
  static Result<std::shared_ptr<Node>> make(NodeHost host, NodePlan plan);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // An output that stops this node, and the outlets that lead to it.
  struct Blocking {
    const Queue* queue;
    std::vector<std::size_t> outlets;
  };

  const NodePlan& plan() const { return plan_; }
  bool is_source() const { return plan_.inputs.empty(); }

  // Starts all tasks. kUnavailable: it goes on trying with back-off, unless `retries` is false;
  // then, and on any other error, it stands still.
  Result<> start(bool retries);
  // No slice is running when it returns true, and none begins; the processor itself goes on. False:
  // at the deadline a call was still under way.
  bool pause(SteadyTime deadline = SteadyTime::max());
  // Goes on where `pause` stopped it, or was about to.
  void resume();
  // Pauses, and ends what the processor has begun.
  void stop();
  // While it stands still: starts it and triggers it once (node_once.cc). Then it counts as
  // started, though nobody runs it: `stop` follows. An error: it was not even started.
  Result<RanOnce> run_once();
  Result<> may_run_once() const;
  bool is_started() const;
  // While it stands still: its processors are made anew, and know nothing of before.
  Result<> renew();

  // ---- wakes, any thread
  void on_input();
  void on_room();

  void fill(ProcessorStatus& status) const;
  std::uint64_t in_flight() const { return counters_.in_flight.load(std::memory_order_relaxed); }

 private:
  friend class NodeTask;
  Node(NodeHost host, NodePlan plan);
  void note_error(BulletinLevel level, std::string_view text);
  void post(BulletinLevel level, std::string_view text);
  bool is_blocked() const;
  bool has_full_cycle_input() const;
  // What may still be transferred, wherever to, before one of the outputs that stop this node is
  // full; without `session`: before any was.
  Queue::Room room(SessionCore* session = nullptr) const;

  NodeHost host_;
  const NodePlan plan_;
  const std::unordered_map<std::string_view, std::uint16_t> outlets_;  // by name: which of `plan_`
  const std::vector<Blocking> blocking_;
  BulletinBoard::Source source_;
  ProcessorCounters counters_;
  std::atomic<std::uint64_t> invocations_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::uint64_t> processing_ns_{0};
  std::atomic<std::uint32_t> active_{0};
  std::atomic<std::int64_t> yield_until_ns_{0};  // of all tasks (retry by yield)
  Wiring wiring_;
  Wiring cycle_wiring_;
  std::unique_ptr<HandOver> hand_over_;
  std::vector<std::unique_ptr<NodeTask>> tasks_;
  mutable Mutex mutex_;
  bool is_started_ GUARDED_BY(mutex_) = false;
  bool is_failed_ GUARDED_BY(mutex_) = false;
  std::string last_error_ GUARDED_BY(mutex_);
  std::int64_t last_error_ms_ GUARDED_BY(mutex_) = 0;
};

class NodeTask final : public Task, public Context {
 public:
  NodeTask(Node& node, std::unique_ptr<Processor> processor);

  Next run() override;

  Result<> start_processor();
  void begin(bool is_starting);  // from now on it is run; is_starting: its first work is to start
  void stop_processor();

  // While nobody runs it, between start_processor and stop_processor.
  Result<> trigger_once();
  void await_answers(std::chrono::steady_clock::time_point deadline);

  // ---- Context
  const std::string& name() const override { return node_.plan_.model.name; }
  const std::string& path() const override { return node_.plan_.model.path; }
  const std::string& id() const override { return node_.plan_.model.id; }
  const std::string& agent_id() const override { return node_.host_.ledger.instance_id(); }
  Relationship relationship(std::string_view name) const override;
  bool is_connected(Relationship relationship) const override;
  void wake() override;
  void wake_at(SteadyTime when) override;
  bool is_scheduled() const override { return is_scheduled_; }
  bool has_input() const override { return !node_.is_source(); }
  bool is_blocked() const override { return node_.is_blocked(); }
  void bulletin(BulletinLevel level, std::string_view text) override { node_.post(level, text); }
  std::unique_ptr<Intake> open_intake(IntakeOptions options) override;
  std::unique_ptr<ContentDraft> open_draft() override;
  void urge() override { node_.host_.ledger.urge(); }
  DurableMap& durable() override;
  Clock& clock() override { return node_.host_.ledger.clock(); }

 protected:
  Result<Service*> find_service(std::string_view name) override { return services_.find(name); }

 private:
  friend class Node;
  using Manner = Schedule::Kind;
  class Limit;

  bool is_due(SteadyTime now);
  bool is_called(SteadyTime now);
  bool is_held_back(SteadyTime now);
  bool has_reason(SteadyTime now);
  Next run_slice(SteadyTime now);
  SessionCore& session_of_call();
  // Ends what began, by the steady clock itself, with its first call.
  void commit_calls(SessionCore& session, SteadyTime began);
  Result<> call(SessionCore& session);
  Result<> call_once(SessionCore& session);
  Next after_slice(SteadyTime now, bool has_progress);
  Next try_start(SteadyTime now);
  void failed(const Error& error, SteadyTime now);
  void plan_tick(SteadyTime now);
  void arm_penalties(SteadyTime now);
  bool has_ready_input() const;

  Node& node_;
  SessionCore session_;
  std::optional<SessionCore> cycle_session_;  // where there are cycle inputs
  std::vector<ArrivalIntake*> intakes_;       // the worker's, except while it is paused
  std::unique_ptr<DurableMap> durable_;

  // How it is scheduled.
  Schedule::Kind kind_ = Schedule::Kind::kEvent;
  bool is_by_tick_ = false;   // each tick is one call (or one run duration)
  bool is_scheduled_ = true;  // this slice; false: its processor has called it between two ticks
  std::optional<Cron> cron_;
  SteadyTime next_tick_{};
  std::int64_t next_wall_ms_ = 0;     // cron
  std::int64_t planned_wall_ms_ = 0;  // cron: when that was found out
  std::chrono::nanoseconds slice_time_{};

  bool is_starting_ = false;
  bool is_continuing_ = false;  // the last slice got something done
  bool is_keeping_ = false;     // its last call has left a FlowFile of which more is to come
  SteadyTime not_before_{};     // yield and back-off
  Backoff backoff_;
  std::atomic<std::int64_t> back_off_until_ns_{0};
  std::atomic<std::int64_t> yield_until_ns_{0};
  std::atomic<bool> is_woken_{false};
  std::atomic<bool> is_starting_seen_{false};

  HeldServices services_;  // while the processor is started
  Mutex timers_mutex_;
  std::set<SteadyTime> timers_ GUARDED_BY(timers_mutex_);  // that the processor asked for

  std::unique_ptr<Processor> processor_;  // goes first: it gives back what it holds of the others
};

}  // namespace runnel
