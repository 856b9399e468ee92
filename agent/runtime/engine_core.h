// EngineCore: the engine behind engine.h; the parts that tests drive by hand are open here.
//
// Locks, from the outside in: control (who starts, updates and stops), view (which flow runs),
// then those of the ledger, the queues' ends and the scheduler.

#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/runtime/bulletins.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/engine.h"
#include "agent/runtime/expiry.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/node.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/queue_ends.h"
#include "agent/runtime/scheduler.h"
#include "agent/runtime/topology.h"

namespace runnel {

class EngineCore final : public Engine {
 public:
  static Result<std::unique_ptr<EngineCore>> open(EngineOptions options);
  ~EngineCore() override;

  Result<> start(std::shared_ptr<const Flow> flow) override;
  Result<> update(std::shared_ptr<const Flow> flow) override;
  std::shared_ptr<const Flow> flow() const override;
  Result<> stop(std::chrono::milliseconds deadline) override;
  void hurry() override { is_ending_ = true; }

  Result<> start_processor(std::string_view processor) override;
  Result<> stop_processor(std::string_view processor) override;
  Result<> start_component(std::string_view which) override;
  Result<> stop_component(std::string_view which) override;
  Result<std::vector<RanOnce>> run_once(std::string_view which) override;
  Result<> start_flow() override;
  Result<> stop_flow() override;
  Result<std::uint64_t> purge(std::string_view connection) override;
  Result<std::uint64_t> attach(std::string_view parked, std::string_view connection) override;
  Result<std::uint64_t> clear_state(std::string_view component) override;
  Result<> flush(std::chrono::milliseconds within) override { return ledger_->flush(within); }

  Status status() const override;
  std::vector<Bulletin> bulletins(std::uint64_t since_id) const override;
  Result<ProvenanceAnswer> provenance(const ProvenanceQuery& query) const override;
  Result<ProvenanceLineage> lineage(std::uint64_t flowfile) const override;
  Result<ReplayAnswer> replay(const ReplayRequest& request) override;
  Result<std::uint64_t> flowfile_of(std::string_view uuid) const override;
  Result<std::vector<QueuedFlowFile>> list_queue(std::string_view connection, std::size_t limit,
                                                 std::size_t bytes_max = SIZE_MAX) const override;
  Result<PeekedFlowFile> peek(std::string_view connection, std::uint64_t flowfile,
                              std::size_t content_max) const override;
  std::vector<ComponentState> states() const override;
  Result<StateView> state_of(std::string_view component, std::size_t limit) const override;
  Result<std::uint64_t> tap(std::string_view connection, std::size_t count, Tap tap,
                            std::uint64_t one_of = 1) override;
  void untap(std::uint64_t number) override;
  void collect(MetricCollection& into) const override;

  // ---- for tests
  Ledger& ledger() { return *ledger_; }
  Scheduler& scheduler() { return *scheduler_; }
  std::shared_ptr<Node> node(std::string_view which) const;
  Queue* queue(std::string_view which) const;

 private:
  // What runs; never changed, only replaced.
  struct Running {
    std::shared_ptr<const Flow> flow;
    std::vector<std::shared_ptr<Node>> nodes;  // in the order of the flow
    std::vector<PlannedQueue> queues;          // their connections live in `flow`
    FlowServices::List services;               // in the order of the flow
    std::shared_ptr<GroupGates> gates;         // of its process groups
    std::int64_t started_ms = 0;

    void add(std::shared_ptr<Node> node);
    const std::shared_ptr<Node>* find(std::string_view id) const;

   private:
    std::unordered_map<std::string_view, std::size_t> index_;  // of `nodes`, by their ids
  };
  // From one flow to the next.
  struct Change {
    std::shared_ptr<Running> next;
    std::vector<std::shared_ptr<Node>> fresh;  // to be started
    std::vector<std::shared_ptr<Node>> gone;   // to be stopped; those that ran are in `ran`
    std::vector<std::shared_ptr<Node>> ran;
    std::vector<Queue*> attached;  // that were not before
  };

  // What one name of the operator's means: a service, all that stands in a group, or one node.
  struct Named {
    std::shared_ptr<SharedService> service;
    bool is_group = false;
    std::vector<std::shared_ptr<Node>> nodes;
  };
  // What a processor that is stopped has committed is given this long to be acknowledged before.
  static constexpr std::chrono::milliseconds kFlushTime{2000};

  explicit EngineCore(EngineOptions options);
  Result<> open_parts();
  std::shared_ptr<const Running> running() const;
  void set_running(std::shared_ptr<const Running> running);

  Result<Change> plan_change(const std::shared_ptr<const Flow>& flow) REQUIRES(control_);
  Result<> change_to(const std::shared_ptr<const Flow>& flow, bool tolerates_absence)
      REQUIRES(control_);
  // Whether it is to run in a flow that comes: as an operator has said of it, else as the flow
  // says.
  bool shall_run(const Node& node) const REQUIRES(control_);
  bool runs_by_itself(const Node& node) const;
  void note_hand(const Node& node, bool is_started) REQUIRES(control_);
  void set_services_by_hand(const Running& next, const Running* old) REQUIRES(control_);
  void keep_hands(const Running& next) REQUIRES(control_);
  void forget_hands() REQUIRES(control_);
  std::vector<std::string> secrets_of(const Flow& flow) const;
  Result<> change_masked(const std::shared_ptr<const Flow>& flow, bool tolerates_absence)
      REQUIRES(control_);
  Result<> start_by_hand(Node& node) REQUIRES(control_);
  Result<> start_standing(const std::vector<std::shared_ptr<Node>>& nodes) REQUIRES(control_);
  Result<> start_all(const std::vector<std::shared_ptr<Node>>& nodes, bool tolerates_absence);
  Result<> stop_started(const std::vector<std::shared_ptr<Node>>& nodes) REQUIRES(control_);
  // kUnavailable: one of them did not come back from its call in time; none is paused then.
  bool is_paused(Node& node, SteadyTime deadline) const;
  Result<> pause_all(const std::vector<std::shared_ptr<Node>>& nodes) REQUIRES(control_);
  void stop_all(const std::vector<std::shared_ptr<Node>>& nodes, std::chrono::milliseconds within);
  void connect(const Running& running);
  void disconnect(const Running& running);
  void park_missing(const Running& old, const Running& next);
  void keep_states(const Running& next);
  void respecify(const Running& next);
  void watch_expiry(const Running& running);
  void drain(const Running& running, SteadyTime deadline);
  void fill(ConnectionStatus& status, const PlannedQueue& planned) const;
  void add_parked(Status& status) const;
  static void add_groups(const Running& running, Status& status);

  Result<> open_provenance();
  Result<> open_archive();
  void replay_batch(std::vector<ReplayArchive::Ended> batch, bool is_dry_run, ReplayAnswer& answer);
  // `fresh`: from this id on they were made by the replay, or since.
  Result<> name_what_is_not_held(const ReplayRequest& request, const IdSet& held,
                                 std::uint64_t fresh, ReplayAnswer& answer);
  std::string why_not_held(std::uint64_t flowfile) const;
  std::vector<std::string> components_of(std::string_view which) const;
  const PlannedQueue* planned_queue(const Running& running, std::string_view queue_id) const;
  std::string path_of(const std::string& component_id) const;
  // Its path and its type; that is known while the component is in the flow that runs.
  void name_component(ProvenanceEvent& event, const Running* now) const;
  static std::map<std::string, std::string, std::less<>> components_in(const Running& running);
  Result<std::string> find_remembering(std::string_view which) const;
  Result<std::shared_ptr<Node>> find_node(std::string_view which) const;
  Result<Named> find_named(std::string_view which) const;
  static std::vector<std::shared_ptr<Node>> nodes_in(const Running& running,
                                                     const ProcessGroup& group);
  static std::vector<std::shared_ptr<Node>> downstream(
      const Running& running, const std::vector<std::shared_ptr<Node>>& nodes);
  Result<std::shared_ptr<SharedService>> find_service(std::string_view which) const;
  Result<Queue*> find_queue(std::string_view which) const;

  const EngineOptions options_;
  Clock& clock_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<ProvenanceLog> provenance_;
  std::unique_ptr<ReplayArchive> archive_;
  BulletinBoard bulletins_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ExpiryTimer> expiry_;
  std::map<std::string, std::unique_ptr<QueueEnds>, std::less<>> ends_ GUARDED_BY(view_);

  Mutex control_;
  // What an operator has started (true) or stopped otherwise than the flow says, by its id.
  std::map<std::string, bool, std::less<>> by_hand_ GUARDED_BY(control_);
  mutable Mutex view_;
  std::shared_ptr<const Running> running_ GUARDED_BY(view_);
  bool is_stopped_ GUARDED_BY(view_) = false;  // by an operator, as a whole
  std::atomic<bool> is_ending_{false};
  std::uint64_t last_tap_ GUARDED_BY(view_) = 0;
};

}  // namespace runnel
