// A stage for the engine's tests: small processors whose doings a test can steer and see, and a
// builder of flows.

#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/flow/model.h"
#include "agent/runtime/engine_core.h"

namespace runnel {

// What the processor of one name in the flow does and has done.
struct Role {
  std::atomic<int> to_make{0};      // TestSource: FlowFiles it has still to make
  std::atomic<int> next{1};         // TestSource: the content of the next one
  std::atomic<int> fails{0};        // so many calls return `error` after they took one
  std::atomic<int> start_fails{0};  // so many starts return `start_error`
  std::atomic<Code> error{Code::kInvalid};
  Code start_error = Code::kUnavailable;
  std::atomic<bool> yields{false};
  std::atomic<bool> hangs{
      false};  // TestSink: does not come back from its call before this is false
  std::string send_to = "success";  // TestPass: where to
  std::string change;          // TestPass: an attribute that it sets and content that it writes
  std::atomic<int> copies{0};  // TestPass: so many more go to `success`

  std::atomic<int> made_objects{0};  // that were started
  std::atomic<int> starts{0};
  std::atomic<int> stops{0};
  std::atomic<int> calls{0};
  std::atomic<int> seen{0};
  std::atomic<int> inside_max{0};
  std::atomic<int> safe{0};  // TestSource: FlowFiles told to be safe
  Mutex mutex;
  CondVar changed;
  std::vector<std::string> contents GUARDED_BY(mutex);  // in the order in which they came
  std::vector<Handed> handed GUARDED_BY(mutex);         // TestAsync
  Context* context GUARDED_BY(mutex) = nullptr;

  void wait_for_seen(int count);
  void wake();
  std::vector<std::string> all() {
    Lock lock(mutex);
    return contents;
  }
};

// By the processor's path. Forgotten by `clear_roles`, which each test begins with.
Role& role(const std::string& path);
void clear_roles();
// "start PATH", "stop PATH" of processors and services since the last call, in their order.
std::vector<std::string> take_journal();

// TestService; its role is that of its path. Its property `Other` names another one, as `Service`
// of the processors does.
std::span<const ServiceType> stage_services();
// TestSource, TestPass (success, failure), TestAsync (success, failure), TestSink, TestTimer.
std::span<const ProcessorType> stage_types();

class FlowBuilder {
 public:
  explicit FlowBuilder(std::string name = "stage");
  using TuneProcessor = std::function<void(ProcessorNode&)>;
  using TuneConnection = std::function<void(Connection&)>;

  FlowBuilder& processor(const std::string& name, const std::string& type,
                         const TuneProcessor& tune = {});
  using TuneService = std::function<void(ServiceNode&)>;
  FlowBuilder& service(const std::string& name, const TuneService& tune = {});
  FlowBuilder& funnel(const std::string& name);
  FlowBuilder& port(const std::string& name, PortKind kind);
  // `from` is `name` or `name.relationship`. The connection's name is `from -> to`.
  FlowBuilder& connect(const std::string& from, const std::string& to,
                       const TuneConnection& tune = {});
  std::shared_ptr<const Flow> build() const { return std::make_shared<Flow>(flow_); }

 private:
  Endpoint endpoint(const std::string& name) const;
  Flow flow_;
};

// A state directory that goes with the test.
struct TemporaryDirectory {
  TemporaryDirectory();
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

// One that has threads of its own, with the stage's processors.
std::unique_ptr<EngineCore> open_with_workers(
    const TemporaryDirectory& directory, unsigned workers,
    std::chrono::milliseconds call_patience = std::chrono::minutes(2));

struct DrivenEngine {
  TemporaryDirectory directory;
  ManualClock clock;
  std::unique_ptr<EngineCore> engine;
  std::function<void(EngineOptions&)> tune;

  DrivenEngine() { open(); }
  explicit DrivenEngine(std::function<void(EngineOptions&)> tuned) : tune(std::move(tuned)) {
    open();
  }
  void open();
  void reopen() {
    engine.reset();
    open();
  }
  EngineCore* operator->() { return engine.get(); }
  std::size_t run(std::size_t slices = 100'000) { return engine->scheduler().run_ready(slices); }
  std::size_t advance(std::chrono::nanoseconds by) {
    clock.advance(by);
    return run();
  }
  ProcessorStatus processor(const std::string& path) const;
  ServiceStatus service(const std::string& path) const;
  ConnectionStatus connection(const std::string& name) const;
  void check_balanced() const;
};

}  // namespace runnel
