// Flows of ten thousand processors; and that nobody starves, however busy others are.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr int kMany = 10'000;

std::string name_of(int i) { return "p" + std::to_string(i); }

// A source, processors one behind the other, a sink; one of them with a note.
std::shared_ptr<const Flow> chain(int noted = -1) {
  FlowBuilder flow;
  flow.processor("source", "TestSource");
  for (int i = 0; i < kMany; ++i) {
    flow.processor(name_of(i), "TestPass", [&](ProcessorNode& node) {
      if (i == noted) node.properties["Note"] = "new";
    });
  }
  flow.processor("sink", "TestSink").connect("source", name_of(0));
  for (int i = 0; i + 1 < kMany; ++i) flow.connect(name_of(i), name_of(i + 1));
  flow.connect(name_of(kMany - 1), "sink");
  return flow.build();
}

std::size_t chunks_of(EngineCore& engine) {
  std::size_t chunks = 0;
  for (const ConnectionStatus& one : engine.status().connections) {
    Queue* const queue = engine.queue(one.id);
    Lock lock(engine.ledger().mutex());
    queue->held();
    chunks += queue->chunks();
  }
  return chunks;
}

int count_of(const std::vector<std::string>& all, const std::string& one) {
  return static_cast<int>(std::count(all.begin(), all.end(), one));
}

// Has a relationship for each of its properties, and sends by turns.
class Router final : public Processor {
 public:
  explicit Router(const PropertyValues& properties) {
    for (const auto& [name, value] : properties) names_.push_back(name);
  }
  Result<> start(Context& context) override {
    for (const std::string& name : names_) ways_.push_back(context.relationship(name));
    return {};
  }
  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (flowfile) session.transfer(flowfile, ways_[next_++ % ways_.size()]);
    return {};
  }

 private:
  std::vector<std::string> names_;
  std::vector<Relationship> ways_;
  std::size_t next_ = 0;
};

ProcessorType router_type() {
  ProcessorType type;
  type.spec.type = "Router";
  type.spec.dynamic_properties.emplace();
  type.spec.dynamic_properties->makes_relationship = true;
  type.make = [](const PropertyValues& properties) -> Result<std::unique_ptr<Processor>> {
    return std::unique_ptr<Processor>(std::make_unique<Router>(properties));
  };
  return type;
}

// A source, a router of so many ways, a sink at the end of each.
std::shared_ptr<const Flow> routed(int ways, bool has_connections) {
  FlowBuilder flow;
  flow.processor("source", "TestSource").processor("sink", "TestSink");
  flow.processor("router", "Router", [ways](ProcessorNode& node) {
    for (int i = 0; i < ways; ++i) node.properties[name_of(i)] = "";
  });
  flow.connect("source", "router");
  for (int i = 0; has_connections && i < ways; ++i) flow.connect("router." + name_of(i), "sink");
  return flow.build();
}

TEST_CASE("a processor may have very many relationships, and no more than there are numbers for") {
  clear_roles();
  std::vector<ProcessorType> types(stage_types().begin(), stage_types().end());
  types.push_back(router_type());
  DrivenEngine engine([&types](EngineOptions& options) { options.types = types; });
  role("source").to_make = kMany;
  REQUIRE(engine->start(routed(2 * kMany, true)).ok());
  engine.run();
  CHECK(role("sink").seen == kMany);
  engine.check_balanced();
  const Result<> updated = engine->update(routed(70'000, false));
  REQUIRE_FALSE(updated.ok());
  CHECK(updated.error().text() == "processor `router` has more than 65535 relationships");
}

TEST_CASE("everything goes through ten thousand processors, and nothing of it stays in memory") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 20;
  REQUIRE(engine->start(chain()).ok());
  engine.run(3 * kMany);
  CHECK(role("sink").seen == 20);
  CHECK(engine.run() == 0);
  CHECK(chunks_of(*engine.engine) < 300);
  CHECK(engine->stop(1s).ok());
  CHECK(role(name_of(kMany / 2)).stops == 1);
  CHECK(engine->status().loss.out == 20);
  engine.check_balanced();
}

TEST_CASE("an update of one of ten thousand processors touches only that one") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(chain()).ok());
  engine.run(3 * kMany);
  take_journal();
  REQUIRE(engine->update(chain(kMany / 2)).ok());
  CHECK(take_journal() ==
        std::vector<std::string>{"stop " + name_of(kMany / 2), "start " + name_of(kMany / 2)});
  // No other is even called: a queue whose description is the same wakes nobody.
  CHECK(engine.run() == 1);
  role("source").to_make = 1;
  role("source").wake();
  engine.run(3 * kMany);
  CHECK(role("sink").seen == 1);
}

TEST_CASE("one FlowFile for each of ten thousand connections of one relationship arrives in each") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  flow.processor("source", "TestSource");
  for (int i = 0; i < kMany; ++i) flow.processor(name_of(i), "TestSink");
  for (int i = 0; i < kMany; ++i) flow.connect("source", name_of(i));
  role("source").to_make = 1;
  REQUIRE(engine->start(flow.build()).ok());
  engine.run(3 * kMany);
  int seen = 0;
  for (int i = 0; i < kMany; ++i) seen += role(name_of(i)).seen;
  CHECK(seen == kMany);
  CHECK(engine->status().loss.out == kMany);
  engine.check_balanced();
}

TEST_CASE(
    "a ring of a thousand processors goes round with the smallest limits, and can be stopped") {
  clear_roles();
  DrivenEngine engine;
  constexpr int kRing = 1000;
  const auto one = [](Connection& c) { c.back_pressure = {.count = 1, .bytes = 0}; };
  FlowBuilder flow;
  flow.processor("source", "TestSource");
  for (int i = 0; i < kRing; ++i) flow.processor(name_of(i), "TestPass");
  flow.connect("source", name_of(0), one);
  for (int i = 0; i < kRing; ++i) flow.connect(name_of(i), name_of((i + 1) % kRing), one);
  role("source").to_make = 10;
  REQUIRE(engine->start(flow.build()).ok());
  engine.run(100 * kRing);
  CHECK(role("source").to_make == 0);
  CHECK(role(name_of(kRing - 1)).seen >= 10);  // round, and round again
  CHECK(engine->stop(1s).ok());
  engine.check_balanced();
}

TEST_CASE("a busy connection does not starve another one that ends in the same processor") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = [](bool is_stopped) {
    FlowBuilder builder;
    const auto unlimited = [](Connection& c) { c.back_pressure = {.count = 0, .bytes = 0}; };
    builder.processor("busy", "TestSource")
        .processor("quiet", "TestSource")
        .processor("mark", "TestPass")
        .processor("sink", "TestSink", [&](ProcessorNode& node) { node.is_stopped = is_stopped; })
        .connect("busy", "sink", unlimited)
        .connect("quiet", "mark")
        .connect("mark", "sink", unlimited);
    return builder.build();
  };
  role("mark").change = "quiet";
  role("busy").to_make = 20'000;
  role("quiet").to_make = 10;
  REQUIRE(engine->start(flow(true)).ok());
  engine.run();
  REQUIRE(engine.connection("busy -> sink").count == 20'000);
  role("busy").to_make = 20'000;  // it goes on
  role("busy").wake();
  REQUIRE(engine->update(flow(false)).ok());
  while (role("sink").seen < 1000) REQUIRE(engine.run(1) == 1);
  CHECK(count_of(role("sink").all(), "quiet") == 10);
  // While both have something queued they take turns.
  role("quiet").to_make = 2000;
  role("quiet").wake();
  const int before = role("sink").seen;
  while (count_of(role("sink").all(), "quiet") < 2010) REQUIRE(engine.run(8) == 8);
  CHECK(role("sink").seen - before < 2000 + 3 * 2000);
}

TEST_CASE("busy sources take turns at one worker, and one that has little to give gives it") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  constexpr int kBusy = 8;
  for (int i = 0; i < kBusy; ++i) {
    role(name_of(i)).to_make = 100'000;
    flow.processor(name_of(i), "TestSource").processor("sink of " + name_of(i), "TestSink");
    flow.connect(name_of(i), "sink of " + name_of(i));
  }
  flow.processor("little", "TestSource").processor("sink", "TestSink").connect("little", "sink");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run(100);
  role("little").to_make = 1;
  role("little").wake();
  engine.run(4 * kBusy);
  CHECK(role("sink").seen == 1);
  engine.run(500);
  int least = INT32_MAX;
  int most = 0;
  for (int i = 0; i < kBusy; ++i) {
    const int calls = role(name_of(i)).calls;
    least = std::min(least, calls);
    most = std::max(most, calls);
    CHECK(role("sink of " + name_of(i)).seen >= calls - 2 * 256);
  }
  CHECK(2 * least > most);
}

TEST_CASE("a self-loop and a cycle that never rest leave a flow beside them its turns") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  flow.processor("seed", "TestSource")
      .processor("loop", "TestPass")
      .connect("seed", "loop")
      .connect("loop.failure", "loop")
      .processor("other seed", "TestSource")
      .processor("there", "TestPass")
      .processor("back", "TestPass")
      .connect("other seed", "there")
      .connect("there", "back")
      .connect("back.failure", "there")
      .processor("source", "TestSource")
      .processor("pass", "TestPass")
      .processor("sink", "TestSink")
      .connect("source", "pass")
      .connect("pass", "sink");
  role("loop").send_to = role("back").send_to = "failure";
  role("seed").to_make = role("other seed").to_make = 4;
  REQUIRE(engine->start(flow.build()).ok());
  engine.run(500);
  REQUIRE(role("loop").seen > 20);
  REQUIRE(role("there").seen > 100);
  role("source").to_make = 10'000;
  role("source").wake();
  // 40 slices of the source, and what follows each; a chain that wakes itself keeps the worker for
  // 64 at most.
  engine.run(40 * (2 * 64 + 3));
  CHECK(role("sink").seen == 10'000);
  // And the flow beside them leaves them theirs.
  const int loops = role("loop").calls;
  const int cycles = role("there").calls;
  role("source").to_make = 20'000;
  role("source").wake();
  engine.run(1000);
  CHECK(role("loop").calls - loops > 20);
  CHECK(role("there").calls - cycles > 100);
}

}  // namespace
}  // namespace runnel
