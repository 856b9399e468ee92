// ProcessorRunner: one processor over the real kernel, driven by hand.
//
//   ProcessorRunner runner("ReplaceText", {{"Search Value", "a"}, {"Replacement Value", "b"}});
//   runner.enqueue("banana", {{"filename", "x"}});
//   runner.run();
//   CHECK(runner.taken("success").at(0).content == "bbnbnb");
//
// The state directory is a temporary one; time stands still until `advance`. A processor runs on
// the test's thread: `run` returns when nothing is left to do. What it has handed to threads of its
// own comes back by `run_until`, which waits for their wakes, never for a span of time.
// Requirements that fail are doctest failures.

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/flow/model.h"
#include "agent/runtime/engine_core.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct TakenFlowFile {
  std::uint64_t id = 0;
  std::map<std::string, std::string> attributes;
  std::string content;
  bool is_penalized = false;
  std::int64_t entry_ms = 0;
  std::int64_t lineage_start_ms = 0;

  // The attribute's value; a failure when it is not there.
  const std::string& attribute(const std::string& name) const;
  bool has(const std::string& name) const { return attributes.contains(name); }
};

struct RunnerService {
  std::string type;  // of the registry
  PropertyValues properties = {};
};

struct RunnerOptions {
  // nullptr: a ManualClock of the runner.
  Clock* clock = nullptr;
  // The name of the processor in its flow.
  std::string name = "subject";
  // How it is scheduled. Default: when there is something to do (a timer-driven type: one tick at
  // each second of the runner's clock).
  Schedule schedule = {};
  std::chrono::nanoseconds run_duration{0};
  std::uint32_t concurrent_tasks = 1;
  std::chrono::nanoseconds penalty_period = std::chrono::seconds(30);
  std::chrono::nanoseconds yield_period = std::chrono::seconds(1);
  std::vector<Retry> retry = {};
  // Controller services of the flow, by name, that properties of kind kService name.
  std::map<std::string, RunnerService> services = {};
  // Types of services beside those of the registry.
  std::vector<ServiceType> service_types = {};
  // Relationships that are auto-terminated; all others lead into a queue.
  std::vector<std::string> terminate = {};
  // Optional relationships that the flow leaves out.
  std::vector<std::string> leave_out = {};
  BackPressure output_limit = {.count = 1'000'000, .bytes = 0};
  // Of all that the ledger does not have SQLite write; nullptr: the machine's.
  Disk* disk = nullptr;
  // Empty: a temporary one that goes with the runner.
  std::string state_dir = {};
  // Whether `start` must succeed in the constructor; otherwise see `start_error`.
  bool must_start = true;
  // Default: as the type's input rule says.
  std::optional<bool> has_input = std::nullopt;
};

class ProcessorRunner {
 public:
  using Options = RunnerOptions;

  // A type of the registry.
  explicit ProcessorRunner(std::string_view type, PropertyValues properties = {},
                           Options options = {});
  explicit ProcessorRunner(ProcessorType type, PropertyValues properties = {},
                           Options options = {});
  ~ProcessorRunner();
  ProcessorRunner(const ProcessorRunner&) = delete;
  ProcessorRunner& operator=(const ProcessorRunner&) = delete;

  // Puts a FlowFile into the input queue; its id.
  std::uint64_t enqueue(std::string_view content,
                        const std::map<std::string, std::string>& attributes = {});
  // Runs until there is nothing to do, or so many slices have been run; how many.
  std::size_t run(std::size_t slices_max = 10'000);
  // Runs, waiting for wakes of other threads, until `is_done`; false after `timeout` of real time.
  bool run_until(const std::function<bool()>& is_done,
                 std::chrono::milliseconds timeout = std::chrono::seconds(20));
  // Moves the clock, then runs. Only with the runner's own clock.
  std::size_t advance(std::chrono::nanoseconds by);
  // Everything committed so far is on disk.
  void flush();

  // Takes all that was sent to this relationship, in order.
  std::vector<TakenFlowFile> taken(std::string_view relationship);
  // As many, without taking them.
  std::size_t count(std::string_view relationship) const;
  // Still in the input queue, those that are handed over included.
  std::size_t queued() const;
  // The FlowFiles of the input queue, in order, without taking them.
  std::vector<TakenFlowFile> waiting() const;

  std::vector<Bulletin> bulletins() const;
  bool has_bulletin(std::string_view text) const;  // one that contains this text
  std::vector<ProvenanceEvent> events() const;     // oldest first
  std::vector<ProvenanceEvent> events(ProvenanceKind kind) const;
  std::map<std::string, std::string> state() { return state(options_.name); }
  // Of a service, by its name.
  std::map<std::string, std::string> state(std::string_view name);
  ProcessorStatus status() const;
  LossFigures loss() const { return engine_->status().loss; }

  void stop();   // the processor; it can be started again
  void start();  // after `stop`
  // Closes the state directory properly and opens it again, with a new processor object.
  void restart();
  // Flips a bit of what a FlowFile's content has at this place of the first content file.
  void damage_content(std::size_t at) const;
  // Why the constructor could not start it (must_start = false), or the last error of its status.
  std::string start_error() const { return start_error_; }

  ManualClock& clock() { return own_clock_; }
  EngineCore& engine() { return *engine_; }
  const std::string& state_dir() const { return directory_; }

 private:
  void open();
  std::shared_ptr<const Flow> flow() const;
  std::vector<std::string> relationships() const;
  static std::string queue_id(std::string_view name);
  TakenFlowFile seen(const FlowRecord& record) const;

  const ServiceType* find_service(std::string_view type) const;

  std::vector<ProcessorType> types_;  // one
  std::vector<ServiceType> service_types_;
  PropertyValues properties_;
  Options options_;
  ManualClock own_clock_;
  std::string directory_;
  bool is_temporary_ = false;
  std::string start_error_;
  std::unique_ptr<EngineCore> engine_;
};

// Checks what the loss ledger promises.
void check_balanced(const LossFigures& loss);

}  // namespace runnel
