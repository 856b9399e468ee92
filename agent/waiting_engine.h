// WaitingEngine: what is shown of an agent whose state directory cannot be used now (a full disk,
// one that is read-only): no flow runs, so that nothing is taken and nothing acknowledged; health
// is red and says why. Everything that would change something is kUnavailable.

#pragma once

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/runtime/engine.h"

namespace runnel {

class WaitingEngine final : public Engine {
 public:
  explicit WaitingEngine(Error why) : why_(std::move(why)) {}

  // What it waits for now. Any thread, like all of it.
  void waits_for(Error why) {
    const Lock lock(mutex_);
    why_ = std::move(why);
  }

  Result<> start(std::shared_ptr<const Flow>) override { return refused(); }
  Result<> update(std::shared_ptr<const Flow>) override { return refused(); }
  std::shared_ptr<const Flow> flow() const override { return nullptr; }
  Result<> stop(std::chrono::milliseconds) override { return {}; }
  Result<> start_processor(std::string_view) override { return refused(); }
  Result<> stop_processor(std::string_view) override { return refused(); }
  Result<> start_component(std::string_view) override { return refused(); }
  Result<> stop_component(std::string_view) override { return refused(); }
  Result<std::vector<RanOnce>> run_once(std::string_view) override { return refused(); }
  Result<> start_flow() override { return refused(); }
  Result<> stop_flow() override { return refused(); }
  Result<std::uint64_t> purge(std::string_view) override { return refused(); }
  Result<std::uint64_t> attach(std::string_view, std::string_view) override { return refused(); }
  Result<std::uint64_t> clear_state(std::string_view) override { return refused(); }
  Result<> flush(std::chrono::milliseconds) override { return refused(); }
  Status status() const override;
  std::vector<Bulletin> bulletins(std::uint64_t since_id) const override;
  Result<ProvenanceAnswer> provenance(const ProvenanceQuery&) const override { return refused(); }
  Result<ProvenanceLineage> lineage(std::uint64_t) const override { return refused(); }
  Result<ReplayAnswer> replay(const ReplayRequest&) override { return refused(); }
  Result<std::uint64_t> flowfile_of(std::string_view) const override { return refused(); }
  Result<std::vector<QueuedFlowFile>> list_queue(std::string_view, std::size_t,
                                                 std::size_t) const override {
    return refused();
  }
  Result<PeekedFlowFile> peek(std::string_view, std::uint64_t, std::size_t) const override {
    return refused();
  }
  std::vector<ComponentState> states() const override { return {}; }
  Result<StateView> state_of(std::string_view, std::size_t) const override { return refused(); }
  Result<std::uint64_t> tap(std::string_view, std::size_t, Tap, std::uint64_t) override {
    return refused();
  }
  void untap(std::uint64_t) override {}
  void collect(MetricCollection& into) const override;

 private:
  Error refused() const { return unavailable("the agent waits for its state directory: " + why()); }
  std::string why() const {
    const Lock lock(mutex_);
    return why_.text();
  }

  mutable Mutex mutex_;
  Error why_ GUARDED_BY(mutex_);
  const std::int64_t began_ms_ = system_clock().wall_ms();
};

}  // namespace runnel
