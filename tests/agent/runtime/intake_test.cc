// Intake: from a client's thread to sessions, in order, again after a rollback, safe in the end.

#include "agent/runtime/intake.h"

#include <doctest/doctest.h>

#include <thread>

#include "agent/runtime/content.h"
#include "agent/sdk/describe.h"
#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// A source over an intake; a test holds the other end.
struct Line {
  std::unique_ptr<Intake> intake;
  Context* context = nullptr;
  std::atomic<Ticket> safe{0};
  std::atomic<int> fails{0};
  IntakeOptions options;
};
Line* line = nullptr;

struct TestReceiverConfig {
  std::string note;
};

class TestReceiver final : public Processor {
 public:
  using Config = TestReceiverConfig;
  explicit TestReceiver(Config) {}
  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    line->context = &context;
    IntakeOptions options = line->options;
    options.on_safe = [](Ticket through) { line->safe = through; };
    line->intake = context.open_intake(std::move(options));
    return {};
  }
  Result<> on_trigger(Session& session) override {
    const FlowFile arrived = line->intake->next(session);
    if (!arrived) return {};
    session.transfer(arrived, success_);
    if (line->fails > 0) {
      --line->fails;
      return unavailable("not now");
    }
    return {};
  }
  void stop() override { line->intake.reset(); }

 private:
  Relationship success_;
};

ProcessorType test_receiver() {
  return Describe<TestReceiver>("TestReceiver", "For tests.")
      .property("Note", &TestReceiverConfig::note, {.doc = "Any text."})
      .relationship("success", "Arrived.")
      .input(InputRule::kForbidden);
}

struct Receiving {
  Line own;
  TemporaryDirectory directory;
  ManualClock clock;
  std::vector<ProcessorType> types;
  std::unique_ptr<EngineCore> engine;

  explicit Receiving(IntakeOptions options = {}, bool is_driven = true) {
    clear_roles();
    line = &own;
    own.options = std::move(options);
    types.assign(stage_types().begin(), stage_types().end());
    types.push_back(test_receiver());
    EngineOptions engine_options;
    engine_options.state_dir = directory.path;
    engine_options.types = types;
    engine_options.is_driven = is_driven;
    engine_options.workers = 2;
    if (is_driven) engine_options.clock = &clock;
    auto opened = EngineCore::open(std::move(engine_options));
    REQUIRE(opened.ok());
    engine = std::move(opened).value();
    FlowBuilder flow;
    flow.processor("in", "TestReceiver").processor("sink", "TestSink").connect("in", "sink");
    REQUIRE(engine->start(flow.build()).ok());
  }
  ~Receiving() {
    engine.reset();
    line = nullptr;
  }
  Result<Ticket> deliver(std::string content) {
    Arrival arrival;
    arrival.content = std::move(content);
    arrival.attributes = {{"topic", "a/b"}};
    arrival.uri = "test://here";
    return own.intake->deliver(std::move(arrival));
  }
  std::size_t run() { return engine->scheduler().run_ready(10'000); }
};

TEST_CASE("what is delivered becomes FlowFiles in order, with its attributes and a RECEIVE event") {
  Receiving test;
  CHECK(test.deliver("one").value_or(0) == 1);
  CHECK(test.deliver("two").value_or(0) == 2);
  CHECK(test.own.intake->waiting() == 2);
  test.run();
  CHECK(role("sink").all() == std::vector<std::string>{"one", "two"});
  const auto events = test.engine->provenance(
      {.flowfile = {}, .component = "in", .kind = ProvenanceKind::kReceive});
  REQUIRE(events.ok());
  REQUIRE(events->events.size() >= 1);
  CHECK(events->events.front().uri == "test://here");
}

TEST_CASE("an intake that wakes nobody keeps what is delivered until somebody else does") {
  IntakeOptions options;
  options.wakes = false;
  Receiving test(options);
  test.run();
  for (int i = 0; i < 3; ++i) REQUIRE(test.deliver(std::to_string(i)).ok());
  CHECK(test.run() == 0);
  CHECK(role("sink").all().empty());
  test.own.context->wake();
  test.run();
  CHECK(role("sink").all() == std::vector<std::string>{"0", "1", "2"});
}

TEST_CASE("what a failed call took is given again, and nothing is lost or doubled") {
  Receiving test;
  for (int i = 0; i < 5; ++i) REQUIRE(test.deliver(std::to_string(i)).ok());
  test.own.fails = 2;
  test.run();
  test.clock.advance(5s);
  test.run();
  test.clock.advance(5s);
  test.run();
  CHECK(role("sink").all() == std::vector<std::string>{"0", "1", "2", "3", "4"});
  CHECK(test.engine->status().loss.in == 5);
}

TEST_CASE("a draft that arrives becomes the content, and is given again after a failed call") {
  Receiving test;
  test.own.fails = 1;
  Arrival arrival;
  arrival.draft = std::make_shared<SegmentDraft>(test.engine->ledger().segments());
  const std::string large(100'000, 'd');
  REQUIRE(arrival.draft->write(large).ok());
  REQUIRE(test.own.intake->deliver(std::move(arrival)).ok());
  test.run();
  test.clock.advance(5s);
  test.run();
  CHECK(role("sink").all() == std::vector<std::string>{large});
}

TEST_CASE("the intake is bounded by count and by bytes; one that is larger than all fits alone") {
  Receiving test({.count_max = 3, .bytes_max = 1000, .on_safe = {}});
  CHECK(test.deliver(std::string(5000, 'x')).ok());
  CHECK(test.deliver("y").code() == Code::kFull);
  test.run();
  for (int i = 0; i < 3; ++i) CHECK(test.deliver("z").ok());
  const Result<Ticket> fourth = test.deliver("z");
  CHECK(fourth.code() == Code::kFull);
  test.run();
  CHECK(test.deliver("z").value_or(0) == 5);  // a refused one took no ticket
}

TEST_CASE("tickets become safe in order, when the FlowFiles are written or finished") {
  Receiving test;
  for (int i = 0; i < 10; ++i) REQUIRE(test.deliver("x").ok());
  test.run();
  CHECK(test.engine->ledger().flush(10s).ok());
  CHECK(test.engine->stop(1s).ok());
  CHECK(test.own.safe == 10);
}

TEST_CASE("many threads deliver while workers take, and every ticket becomes safe") {
  constexpr int kEach = 3000;
  Receiving test({.count_max = 200, .bytes_max = 1 << 20, .on_safe = {}}, false);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&test] {
      for (int i = 0; i < kEach;) {
        if (test.deliver("content").ok()) {
          ++i;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  role("sink").wait_for_seen(3 * kEach);
  CHECK(test.engine->stop(10s).ok());
  CHECK(test.own.safe == 3 * kEach);
  CHECK(test.engine->status().loss.is_balanced());
}

}  // namespace
}  // namespace runnel
