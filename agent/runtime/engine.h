// Engine: runs one flow over one state directory.
//
// It owns the ledger, the worker threads and the processors. Every function may be called from any
// thread (not from a processor); those that start or stop something wait for it, the others return
// at once. Components are named by id, by path (`group/sub/name`) or, where it is unique, by name.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/replay_archive.h"
#include "agent/runtime/status.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct Flow;

struct EngineOptions {
  std::string state_dir;                 // made if it is not there; locked while the engine is open
  std::span<const ProcessorType> types;  // the registry; outlives the engine
  std::span<const ServiceType> services = {};
  unsigned workers = 0;    // 0: as many as there are cores
  Clock* clock = nullptr;  // nullptr: the machine's
  bool is_driven = false;  // no worker threads: the owner runs the scheduler (tests)
  // How long an update, or an operator who stops something, waits for a call to come back.
  std::chrono::milliseconds call_patience{120'000};
  // How the ledger behaves; `directory` and `clock` are set from the above.
  LedgerOptions ledger = {};
  // `bytes_max` 0: no provenance is kept.
  ProvenanceLog::Options provenance = {};
  // `bytes_max` 0: none; `state_dir` is set from the above.
  ReplayArchive::Options archive = {};
};

class Engine {
 public:
  using Tap = std::function<void(const PeekedFlowFile&)>;
  static constexpr std::size_t kTapContentMax = 64 * 1024;

  // kUnavailable when another agent holds the state directory. What lay queued there waits for a
  // flow.
  static Result<std::unique_ptr<Engine>> open(EngineOptions options);
  virtual ~Engine() = default;  // stops first, if nobody did

  // ---- the flow. It has passed its checks.
  // Builds and starts the first flow. A processor whose peer is away (kUnavailable) is no error: it
  // is tried again with back-off. kInvalid: nothing runs.
  virtual Result<> start(std::shared_ptr<const Flow> flow) = 0;
  // Replaces the flow while it runs: processors and connections that are described alike keep
  // running, undisturbed, and so do services; the changed ones are replaced; FlowFiles of removed
  // connections are parked under the flow's name. What an operator has stopped or started singly
  // stays so as long as the flow has it. On an error the old flow goes on as it was.
  // kUnavailable: a processor that has to stop is busy with a call that does not come back.
  virtual Result<> update(std::shared_ptr<const Flow> flow) = 0;
  virtual std::shared_ptr<const Flow> flow() const = 0;  // nullptr: none
  // Sources first, then what is in flight, until `deadline`; then commits and writes everything.
  // kUnavailable: the time was not enough for something (the text says for what); it is queued
  // again at the next start. The destructor waits for a call that is under way: whoever cannot wait
  // may leave the process without it, as everything committed is written.
  virtual Result<> stop(std::chrono::milliseconds deadline) = 0;
  // The end is near: who waits for a call, to change the flow or to stop something, is refused at
  // once, and so is who comes later, so that `stop` has its turn. Any thread.
  virtual void hurry() {}

  // ---- the operator's hand
  virtual Result<> start_processor(std::string_view processor) = 0;
  virtual Result<> stop_processor(std::string_view processor) = 0;
  // Whatever has that name: a processor, all that stands in a process group and in those within it,
  // or a service, which is then enabled or disabled.
  virtual Result<> start_component(std::string_view which) = 0;
  virtual Result<> stop_component(std::string_view which) = 0;
  // Triggers once what stands still, and stops it again: one call, whatever waits and whatever the
  // schedule says, with a commit as always. Of a group (empty: of the flow) all that stands still,
  // ports and funnels too, each after those that feed it. kInvalid: it runs, or is a service;
  // kFull: there is no room for what it would send.
  virtual Result<std::vector<RanOnce>> run_once(std::string_view which) = 0;
  virtual Result<> start_flow() = 0;  // all processors that stand still
  virtual Result<> stop_flow() = 0;   // all processors; the flow stays
  // Removes what is queued and not taken; says how many. Counted in the loss ledger.
  virtual Result<std::uint64_t> purge(std::string_view connection) = 0;
  // Puts what is queued in a parked connection into one of the flow, behind what waits there; says
  // how many. kInvalid: the first is no parked one, or the second is.
  virtual Result<std::uint64_t> attach(std::string_view parked, std::string_view connection) = 0;
  // Makes a component that stands still forget what it remembers; says how many keys. It is on disk
  // when it returns. kInvalid: it runs (a service: is used), or is a process group.
  virtual Result<std::uint64_t> clear_state(std::string_view component) = 0;
  // Everything committed so far is on disk when it returns. kUnavailable: not within the time.
  virtual Result<> flush(std::chrono::milliseconds within) = 0;

  // ---- looking
  virtual Status status() const = 0;
  virtual std::vector<Bulletin> bulletins(std::uint64_t since_id = 0) const = 0;  // oldest first
  virtual Result<ProvenanceAnswer> provenance(const ProvenanceQuery& query) const = 0;
  virtual Result<ProvenanceLineage> lineage(std::uint64_t flowfile) const = 0;
  // Queues FlowFiles that have ended once more, as new ones, where they stood last; kInvalid when
  // the request names neither a FlowFile nor a time.
  virtual Result<ReplayAnswer> replay(const ReplayRequest& request) = 0;
  // The FlowFile that has this uuid here; kNotFound when it was made by another agent.
  virtual Result<std::uint64_t> flowfile_of(std::string_view uuid) const = 0;
  // In the order in which they will be taken, as many as are in memory then: at least the batch
  // that comes next. The one with which their attributes have `bytes_max` is the last.
  virtual Result<std::vector<QueuedFlowFile>> list_queue(
      std::string_view connection, std::size_t limit, std::size_t bytes_max = SIZE_MAX) const = 0;
  // kNotFound when it has gone on.
  virtual Result<PeekedFlowFile> peek(std::string_view connection, std::uint64_t flowfile,
                                      std::size_t content_max) const = 0;
  // What components remember, in the order of their ids, those that the flow has no longer too.
  virtual std::vector<ComponentState> states() const = 0;
  // By id, path or unique name; the first `limit` keys. kNotFound: it remembers nothing.
  virtual Result<StateView> state_of(std::string_view component, std::size_t limit) const = 0;
  // Calls `tap` with the next `count` FlowFiles that enter the connection, content up to
  // kTapContentMax; on a worker's thread: it must not block. Of `one_of` that enter, one is shown;
  // the others cost next to nothing. The number is for `untap`, after whose return `tap` is not
  // called any more.
  virtual Result<std::uint64_t> tap(std::string_view connection, std::size_t count, Tap tap,
                                    std::uint64_t one_of = 1) = 0;
  virtual void untap(std::uint64_t number) = 0;
  virtual void collect(MetricCollection& into) const = 0;
};

}  // namespace runnel
