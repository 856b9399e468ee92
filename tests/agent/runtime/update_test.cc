// Updates: what stays goes on undisturbed, what fails leaves the old flow as it was.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <thread>

#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

FlowBuilder base() {
  return std::move(FlowBuilder()
                       .processor("source", "TestSource")
                       .processor("pass", "TestPass")
                       .processor("sink", "TestSink")
                       .connect("source", "pass")
                       .connect("pass", "sink"));
}

FlowBuilder with_note(const std::string& note) {
  return std::move(FlowBuilder()
                       .processor("source", "TestSource")
                       .processor("pass", "TestPass",
                                  [&note](ProcessorNode& node) { node.properties["Note"] = note; })
                       .processor("sink", "TestSink")
                       .connect("source", "pass")
                       .connect("pass", "sink"));
}

TEST_CASE("an update replaces what has changed and leaves the rest running") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 10;
  REQUIRE(engine->start(base().build()).ok());
  engine.run();
  REQUIRE(engine->update(with_note("new").build()).ok());
  CHECK(role("source").starts == 1);
  CHECK(role("sink").starts == 1);
  CHECK(role("pass").starts == 2);
  CHECK(role("pass").stops == 1);
  role("source").to_make = 10;
  role("source").wake();
  engine.run();
  CHECK(role("sink").seen == 20);
  CHECK(engine.processor("source").made_count == 20);  // its counters go on
  engine.check_balanced();
}

TEST_CASE("an update that changes nothing disturbs nothing") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(base().build()).ok());
  REQUIRE(engine->update(base().build()).ok());
  CHECK(role("source").starts == 1);
  CHECK(role("pass").starts == 1);
  CHECK(role("sink").stops == 0);
}

TEST_CASE("limits of a connection change in place") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = [](std::uint64_t count) {
    auto builder = FlowBuilder();
    builder.processor("source", "TestSource")
        .processor("sink", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
        .connect("source", "sink", [count](Connection& connection) {
          connection.back_pressure = {.count = count, .bytes = 0};
        });
    return builder.build();
  };
  role("source").to_make = 2000;
  REQUIRE(engine->start(flow(100)).ok());
  engine.run();
  CHECK(engine.connection("source -> sink").count < 500);
  REQUIRE(engine->update(flow(0)).ok());
  CHECK(role("source").starts == 1);
  engine.run();
  CHECK(engine.connection("source -> sink").count == 2000);
}

TEST_CASE("FlowFiles of a removed connection are parked, and found again when it comes back") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 7;
  auto old_flow = FlowBuilder();
  old_flow.processor("source", "TestSource")
      .processor("slow", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
      .connect("source", "slow");
  REQUIRE(engine->start(old_flow.build()).ok());
  engine.run();
  auto other = FlowBuilder();
  other.processor("source", "TestSource");
  REQUIRE(engine->update(other.build()).ok());
  const ConnectionStatus parked = engine.connection("source -> slow");
  CHECK(parked.is_parked);
  CHECK(parked.count == 7);
  CHECK(engine->status().loss.queued == 7);
  engine.check_balanced();
  engine.reopen();
  REQUIRE(engine->start(other.build()).ok());
  CHECK(engine.connection("source -> slow").count == 7);
  auto back = FlowBuilder();
  back.processor("source", "TestSource").processor("slow", "TestSink").connect("source", "slow");
  REQUIRE(engine->update(back.build()).ok());
  engine.run();
  CHECK(role("slow").seen == 7);
  engine.check_balanced();
}

TEST_CASE("a connection that the flow has lost while no agent ran is shown, and can be purged") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 7;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("slow", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
      .connect("source", "slow");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  engine.reopen();
  auto other = FlowBuilder();
  other.processor("source", "TestSource");
  REQUIRE(engine->start(other.build()).ok());
  const ConnectionStatus parked = engine.connection("source -> slow");
  CHECK(parked.is_parked);
  CHECK(parked.count == 7);
  CHECK(engine->purge(parked.id).value_or(0) == 7);
  CHECK(engine->status().connections.empty());
  engine.check_balanced();
}

TEST_CASE("a new processor that does not start leaves the old flow as it was, with the reason") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  REQUIRE(engine->start(base().build()).ok());
  engine.run();
  for (const Code code : {Code::kInvalid, Code::kUnavailable}) {
    role("extra").start_fails = 1;
    role("extra").start_error = code;
    auto next = with_note("never");
    next.processor("extra", "TestSink").connect("pass.failure", "extra");
    const Result<> updated = engine->update(next.build());
    REQUIRE(!updated.ok());
    CHECK(updated.error().text() == "starting processor `extra`: the stage says no");
    CHECK(engine->status().connections.size() == 2);
    CHECK(engine.processor("pass").state == RunState::kRunning);
    role("source").to_make = 3;
    role("source").wake();
    engine.run();
  }
  CHECK(role("sink").seen == 9);
  CHECK(role("source").starts == 1);
  engine.check_balanced();
}

TEST_CASE("an unknown type is refused before anything is touched") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(base().build()).ok());
  auto next = base();
  next.processor("odd", "NoSuchType");
  const Result<> updated = engine->update(next.build());
  CHECK(updated.error().text() == "processor `odd`: unknown type `NoSuchType`");
  CHECK(role("pass").stops == 0);
}

TEST_CASE(
    "what is parked is still shown when the update that had its connection again is refused") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 7;
  const auto flow = [](bool has_slow, const char* extra) {
    FlowBuilder builder;
    builder.processor("source", "TestSource");
    if (extra != nullptr) builder.processor("odd", extra);
    if (!has_slow) return builder.build();
    builder.processor("slow", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
        .connect("source", "slow");
    return builder.build();
  };
  REQUIRE(engine->start(flow(true, nullptr)).ok());
  engine.run();
  REQUIRE(engine->update(flow(false, nullptr)).ok());
  REQUIRE_FALSE(engine->update(flow(true, "NoSuchType")).ok());
  CHECK(engine.connection("source -> slow").is_parked);
  CHECK(engine.connection("source -> slow").count == 7);
  engine.check_balanced();
}

TEST_CASE("a flow that an operator has stopped stays stopped when it is updated") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(base().build()).ok());
  REQUIRE(engine->stop_flow().ok());
  REQUIRE(engine->update(with_note("new").build()).ok());
  CHECK(engine->status().state == FlowState::kStopped);
  CHECK(engine.processor("pass").state == RunState::kStopped);
  CHECK(role("pass").starts == 1);
  REQUIRE(engine->start_flow().ok());
  CHECK(engine.processor("pass").state == RunState::kRunning);
}

TEST_CASE(
    "a processor that an operator has stopped stays so over updates, as long as it is there") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(base().build()).ok());
  REQUIRE(engine->stop_processor("pass").ok());
  REQUIRE(engine->update(with_note("new").build()).ok());
  CHECK(engine.processor("pass").state == RunState::kStopped);
  CHECK(engine.processor("sink").state == RunState::kRunning);
  // A new connection behind it changes it, too; who is new runs.
  auto wider = with_note("new");
  wider.processor("other", "TestSink").connect("pass.failure", "other");
  REQUIRE(engine->update(wider.build()).ok());
  CHECK(engine.processor("pass").state == RunState::kStopped);
  CHECK(engine.processor("other").state == RunState::kRunning);
  REQUIRE(engine->start_processor("pass").ok());
  REQUIRE(engine->update(base().build()).ok());
  CHECK(engine.processor("pass").state == RunState::kRunning);
  // One of that name that comes later is another one.
  REQUIRE(engine->stop_processor("pass").ok());
  auto without = FlowBuilder();
  without.processor("source", "TestSource");
  REQUIRE(engine->update(without.build()).ok());
  REQUIRE(engine->update(base().build()).ok());
  CHECK(engine.processor("pass").state == RunState::kRunning);
}

TEST_CASE(
    "what an operator has started against the flow's word runs on, until the flow says anew") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = [](const std::string& note, bool is_stopped) {
    auto builder = FlowBuilder();
    builder.processor("source", "TestSource")
        .processor("sink", "TestSink",
                   [&](ProcessorNode& node) {
                     node.properties["Note"] = note;
                     node.is_stopped = is_stopped;
                   })
        .connect("source", "sink");
    return builder.build();
  };
  REQUIRE(engine->start(flow("one", true)).ok());
  CHECK(engine.processor("sink").state == RunState::kStopped);
  REQUIRE(engine->start_processor("sink").ok());
  REQUIRE(engine->update(flow("two", true)).ok());
  CHECK(engine.processor("sink").state == RunState::kRunning);
  // An update that is refused leaves it running.
  role("sink").start_fails = 1;
  REQUIRE_FALSE(engine->update(flow("three", true)).ok());
  CHECK(engine.processor("sink").state == RunState::kRunning);
  REQUIRE(engine->update(flow("two", false)).ok());
  REQUIRE(engine->update(flow("two", true)).ok());
  CHECK(engine.processor("sink").state == RunState::kStopped);
}

TEST_CASE("in a flow that is stopped, what an operator has started singly goes on over an update") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(base().build()).ok());
  REQUIRE(engine->stop_processor("sink").ok());
  REQUIRE(engine->stop_flow().ok());
  REQUIRE(engine->start_processor("pass").ok());
  REQUIRE(engine->update(with_note("new").build()).ok());
  CHECK(engine.processor("pass").state == RunState::kRunning);
  CHECK(engine.processor("source").state == RunState::kStopped);
  REQUIRE(engine->stop_flow().ok());
  REQUIRE(engine->update(base().build()).ok());
  CHECK(engine.processor("pass").state == RunState::kStopped);
  REQUIRE(engine->start_flow().ok());
  CHECK(engine.processor("sink").state == RunState::kRunning);
  REQUIRE(engine->update(with_note("last").build()).ok());
  CHECK(engine.processor("pass").state == RunState::kRunning);
}

TEST_CASE("what a replaced sink had in flight is delivered by the new one") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5;
  const auto flow = [](const std::string& note) {
    auto builder = FlowBuilder();
    builder.processor("source", "TestSource")
        .processor("async", "TestAsync",
                   [&note](ProcessorNode& node) { node.properties["Note"] = note; })
        .connect("source", "async");
    return builder.build();
  };
  REQUIRE(engine->start(flow("one")).ok());
  engine.run();
  CHECK(role("async").seen == 5);
  REQUIRE(engine->update(flow("two")).ok());
  engine.run();
  CHECK(role("async").all() ==
        std::vector<std::string>{"1", "2", "3", "4", "5", "1", "2", "3", "4", "5"});
  engine.check_balanced();
}

// Of the flow that random updates change: source, two processors, sink.
struct RandomChain {
  bool is_there = true;
  bool has_middle = true;
  int note = 0;
  std::chrono::milliseconds period{1};
  std::uint64_t count_max = 50;
};
constexpr int kRandomChains = 6;
using RandomChains = std::array<RandomChain, kRandomChains>;

void change(RandomChains& chains, std::mt19937& random) {
  for (auto left = 1 + random() % 3; left > 0; --left) {
    RandomChain& chain = chains[random() % chains.size()];
    switch (random() % 5) {
      case 0:
        ++chain.note;
        break;
      case 1:
        chain.has_middle = !chain.has_middle;
        break;
      case 2:
        chain.is_there = !chain.is_there;
        break;
      case 3:
        chain.period = std::chrono::milliseconds(1 + random() % 3);
        break;
      default:
        chain.count_max = 1 + random() % 100;
    }
  }
}

// `drains`: with every connection that there ever was, and sources that stand still.
std::shared_ptr<const Flow> flow_of(const RandomChains& chains, bool drains = false) {
  FlowBuilder flow;
  flow.processor("steady", "TestSource").processor("steady sink", "TestSink");
  flow.connect("steady", "steady sink");
  for (int i = 0; i < kRandomChains; ++i) {
    const RandomChain& chain = chains[static_cast<std::size_t>(i)];
    if (!chain.is_there && !drains) continue;
    const std::string n = std::to_string(i);
    const auto limit = [&chain](Connection& connection) {
      connection.back_pressure = {.count = chain.count_max, .bytes = 0};
    };
    flow.processor("source" + n, "TestSource",
                   [&](ProcessorNode& node) {
                     node.is_stopped = drains;
                     if (i == 0) return;  // as fast as it can
                     node.schedule.kind = Schedule::Kind::kEvery;
                     node.schedule.period = chain.period;
                   })
        .processor(
            "first" + n, "TestPass",
            [&](ProcessorNode& node) { node.properties["Note"] = std::to_string(chain.note); })
        .processor("middle" + n, "TestPass")
        .processor("sink" + n, "TestSink")
        .connect("source" + n, "first" + n, limit)
        .connect("middle" + n, "sink" + n, limit);
    if (chain.has_middle || drains) flow.connect("first" + n, "middle" + n, limit);
    // By another relationship when all drains: else what comes from the source would come twice.
    if (!chain.has_middle || drains) {
      flow.connect("first" + n + (drains ? ".failure" : ""), "sink" + n, [&](Connection& c) {
        limit(c);
        c.id = connection_id("stage", "", "around" + n);
      });
    }
  }
  return flow.build();
}

TEST_CASE(
    "a hundred random updates under load lose and double nothing, nor touch what they do not "
    "change") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2);
  role("steady").to_make = 20'000;
  role("source0").to_make = 20'000;
  for (int i = 1; i < kRandomChains; ++i) role("source" + std::to_string(i)).to_make = 1'000'000;
  RandomChains chains;
  std::mt19937 random(20);
  REQUIRE(engine->start(flow_of(chains)).ok());
  for (int i = 0; i < 100; ++i) {
    change(chains, random);
    const Result<> updated = engine->update(flow_of(chains));
    REQUIRE_MESSAGE(updated.ok(), updated.error().text());
  }
  CHECK(role("steady").starts == 1);
  CHECK(role("steady").stops == 0);
  REQUIRE(engine->update(flow_of(chains, true)).ok());
  for (int i = 0; i < kRandomChains; ++i) {
    const std::string n = std::to_string(i);
    const int made = role("source" + n).next - 1;
    role("sink" + n).wait_for_seen(made);
    std::vector<int> numbers;
    for (const std::string& one : role("sink" + n).all()) numbers.push_back(std::stoi(one));
    std::sort(numbers.begin(), numbers.end());
    std::vector<int> all(static_cast<std::size_t>(made));
    std::iota(all.begin(), all.end(), 1);
    CHECK_MESSAGE(numbers == all, "chain " << n);
  }
  role("steady sink").wait_for_seen(20'000);
  CHECK(engine->stop(10s).ok());
  const LossFigures loss = engine->status().loss;
  CHECK(loss.is_balanced());
  CHECK(loss.in == loss.out);
  CHECK(loss.queued == 0);
}

// Connections that random updates lead elsewhere: two sources, three processors (each passes on to
// later ones only), a funnel, two sinks.
struct RandomEnds {
  std::array<bool, 3> has_pass{true, true, true};
  std::array<std::string, 2> in{"pass0", "pass1"};
  std::array<std::string, 3> mid{"sink0", "sink1", "sink0"};
  std::string out = "sink0";
  std::array<QueueOrder, 6> orders{};
  std::array<std::uint64_t, 6> limits{50, 50, 50, 50, 50, 50};
  int note = 0;

  std::string target(std::mt19937& random, unsigned first_pass, bool may_join) const {
    std::vector<std::string> all{"sink0", "sink1"};
    if (may_join) all.emplace_back("joint");
    for (unsigned i = first_pass; i < has_pass.size(); ++i)
      if (has_pass[i]) all.push_back("pass" + std::to_string(i));
    return all[random() % all.size()];
  }
  void change(std::mt19937& random) {
    has_pass[random() % has_pass.size()] = random() % 3 != 0;
    for (std::string& one : in) one = target(random, 0, true);
    for (unsigned i = 0; i < mid.size(); ++i) mid[i] = target(random, i + 1, i < 2);
    out = target(random, 2, false);
    constexpr std::array<QueueOrder, 5> kOrders{QueueOrder::kFirstIn, QueueOrder::kNewestFirst,
                                                QueueOrder::kOldestFirst, QueueOrder::kAttribute,
                                                QueueOrder::kLiveFirst};
    orders[random() % orders.size()] = kOrders[random() % kOrders.size()];
    limits[random() % limits.size()] = random() % 4 == 0 ? 0 : 1 + random() % 100;
    if (random() % 4 == 0) ++note;
  }
};

std::shared_ptr<const Flow> flow_of(const RandomEnds& ends, bool drains = false) {
  FlowBuilder flow;
  const auto named = [&ends](const std::string& name, std::size_t number) {
    return [&ends, name, number](Connection& connection) {
      connection.name = name;
      connection.id = connection_id("stage", "", name);
      connection.back_pressure = {.count = ends.limits[number], .bytes = 0};
      connection.order = ends.orders[number];
      if (connection.order == QueueOrder::kAttribute) connection.order_attribute = "kind";
    };
  };
  flow.funnel("joint").processor("sink0", "TestSink").processor("sink1", "TestSink");
  for (std::size_t i = 0; i < 3; ++i) {
    if (!ends.has_pass[i]) continue;
    flow.processor("pass" + std::to_string(i), "TestPass", [&](ProcessorNode& node) {
      node.concurrent_tasks = 2;
      node.properties["Note"] = std::to_string(ends.note);
    });
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string n = std::to_string(i);
    flow.processor("source" + n, "TestSource",
                   [&](ProcessorNode& node) { node.is_stopped = drains; })
        .connect("source" + n, ends.in[i], named("in" + n, i));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    if (ends.has_pass[i]) flow.connect("pass" + n, ends.mid[i], named("mid" + n, 2 + i));
  }
  flow.connect("joint", ends.out, named("out", 5));
  return flow.build();
}

TEST_CASE("connections that updates lead elsewhere under load lose and double nothing") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2);
  for (const char* one : {"source0", "source1"}) role(one).to_make = 1'000'000;
  role("source1").next = 2'000'001;
  std::mt19937 random(7);
  RandomEnds ends;
  REQUIRE(engine->start(flow_of(ends)).ok());
  std::string stopped;
  for (int i = 0; i < 150; ++i) {
    ends.change(random);
    const Result<> updated = engine->update(flow_of(ends));
    REQUIRE_MESSAGE(updated.ok(), updated.error().text());
    // An operator's hand between them.
    if (!stopped.empty()) static_cast<void>(engine->start_processor(stopped));
    stopped = std::array{"pass0", "pass2", "sink1", "joint", "source1"}[random() % 5];
    static_cast<void>(engine->stop_processor(stopped));
  }
  REQUIRE(engine->start_flow().ok());
  REQUIRE(engine->update(flow_of(RandomEnds{}, true)).ok());
  const int made0 = role("source0").next - 1;
  const int made1 = role("source1").next - 2'000'001;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (engine->status().loss.queued > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(5ms);
  CHECK(engine->stop(10s).ok());
  std::vector<int> seen;
  for (const char* sink : {"sink0", "sink1"})
    for (const std::string& one : role(sink).all()) seen.push_back(std::stoi(one));
  std::sort(seen.begin(), seen.end());
  std::vector<int> all(static_cast<std::size_t>(made0 + made1));
  std::iota(all.begin(), all.begin() + made0, 1);
  std::iota(all.begin() + made0, all.end(), 2'000'001);
  CHECK(seen == all);
  const LossFigures loss = engine->status().loss;
  CHECK(loss.is_balanced());
  CHECK(loss.in == loss.out);
  CHECK(loss.queued == 0);
}

TEST_CASE("updates under load lose and double nothing") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2);
  role("source").to_make = 30'000;
  REQUIRE(engine->start(base().build()).ok());
  for (int i = 0; i < 30; ++i) {
    REQUIRE(engine->update(with_note(std::to_string(i)).build()).ok());
  }
  role("sink").wait_for_seen(30'000);
  CHECK(engine->stop(10s).ok());
  CHECK(role("sink").seen == 30'000);
  const LossFigures loss = engine->status().loss;
  CHECK(loss.in == 30'000);
  CHECK(loss.out == 30'000);
  CHECK(loss.is_balanced());
}

}  // namespace
}  // namespace runnel
