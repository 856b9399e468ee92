// Process groups that let in one FlowFile at a time; what all groups with a rule have in common.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/agent/runtime/group_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// ---- one FlowFile at a time

TEST_CASE("single: an input port lets one FlowFile in, and the next when the group is empty") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 50;
  REQUIRE(engine->start(flow_of(grouped("flowfile_concurrency: single"))).ok());
  std::uint64_t most = 0;
  while (engine.run(1) > 0) most = std::max(most, inside(engine, "g"));
  CHECK(most == 1);
  CHECK(role("sink").all() == numbers(1, 50));
  engine.check_balanced();
  CHECK(engine->scheduler().next_timer() == SteadyTime::max());  // nothing polls
}

TEST_CASE("without a rule, or with `unbounded`, everything enters as it comes") {
  clear_roles();
  for (const std::string policy : {"", "flowfile_concurrency: unbounded"}) {
    CAPTURE(policy);
    DrivenEngine engine;
    role("source").to_make = 50;
    REQUIRE(engine->start(flow_of(grouped(policy))).ok());
    std::uint64_t most = 0;
    while (engine.run(1) > 0) most = std::max(most, inside(engine, "g"));
    CHECK(most == 50);
    clear_roles();
  }
}

TEST_CASE("single: what a processor in the group holds, penalized or in flight, is in the group") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  role("g/hold").fails = 1;
  REQUIRE(engine->start(flow_of(grouped("flowfile_concurrency: single"))).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);  // penalized
  CHECK(role("sink").seen == 0);
  CHECK(engine.connection("source -> g.in").count == 2);
  engine.advance(31s);
  CHECK(role("sink").all() == numbers(1, 3));

  clear_roles();
  DrivenEngine other;
  role("source").to_make = 3;
  const std::string async = "{type: TestAsync, terminate: [success, failure]}";
  REQUIRE(other
              ->start(flow_of(R"(flow: f
processors: {source: {type: TestSource}}
groups:
  g:
    flowfile_concurrency: single
    input_ports: [in]
    processors: {sink: )" + async +
                              R"(}
    connections: [{from: in, to: sink}]
connections: [{from: source, to: g.in}]
)"))
              .ok());
  other.run();
  CHECK(role("g/sink").seen == 1);  // given to a client library, not answered
  for (int answered = 1; answered <= 3; ++answered) {
    std::vector<Handed> handed;
    {
      Lock lock(role("g/sink").mutex);
      handed.swap(role("g/sink").handed);
    }
    REQUIRE(handed.size() == 1);
    if (answered == 2) {
      std::move(handed[0]).give_back();
      handed.clear();
      other.run();
      Lock lock(role("g/sink").mutex);
      handed.swap(role("g/sink").handed);
      REQUIRE(handed.size() == 1);
      CHECK(role("g/sink").contents.back() == "2");
    }
    CHECK(other.connection("source -> g.in").count == static_cast<std::uint64_t>(3 - answered));
    std::move(handed[0]).transfer(Relationship{0});
    other.run();
  }
  CHECK(other.connection("source -> g.in").count == 0);
  CHECK(inside(other, "g") == 0);
  other.check_balanced();
}

TEST_CASE("single: several input ports let in one FlowFile in all, and take turns") {
  clear_roles();
  DrivenEngine engine;
  role("left").to_make = 20;
  role("right").to_make = 20;
  REQUIRE(engine->start(flow_of(kTwoPorts)).ok());
  std::uint64_t most = 0;
  while (engine.run(1) > 0) most = std::max(most, inside(engine, "g"));
  CHECK(most == 1);
  const std::vector<std::string> seen = role("sink").all();
  REQUIRE(seen.size() == 40);
  CHECK(sorted(seen) == sorted([] {
          std::vector<std::string> twice = numbers(1, 20);
          for (const std::string& one : numbers(1, 20)) twice.push_back(one);
          return twice;
        }()));
  // Each of the ports lets in every second one while both have something.
  for (int i = 0; i < 20; ++i) {
    CHECK(engine.processor("g/a").out_count == 20);
    CHECK(std::count(seen.begin(), seen.begin() + 2 * i + 2,
                     seen[static_cast<std::size_t>(2 * i)]) == 2);
  }
  engine.check_balanced();
}

TEST_CASE("single: what one FlowFile has become must all have left before the next comes in") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 4;
  role("g/hold").copies = 9;
  REQUIRE(engine->start(flow_of(grouped("flowfile_concurrency: single"))).ok());
  engine.run();
  std::vector<std::string> expected;
  for (const std::string& one : numbers(1, 4)) {
    for (int i = 0; i < 10; ++i) expected.push_back(one);
  }
  CHECK(role("sink").all() == expected);
  engine.check_balanced();
}

TEST_CASE("single: a group within the group is inside, and may have a rule of its own") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 6;
  role("outer/split").copies = 4;
  REQUIRE(engine
              ->start(flow_of(R"(flow: f
processors: {source: {type: TestSource}, sink: {type: TestSink}}
groups:
  outer:
    flowfile_concurrency: single
    input_ports: [in]
    output_ports: [out]
    processors: {split: {type: TestPass, terminate: [failure]}}
    groups:
      inner:
        flowfile_concurrency: batch
        outbound_policy: batch
        input_ports: [in]
        output_ports: [out]
        processors: {hold: {type: TestPass, terminate: [failure]}}
        connections: [{from: in, to: hold}, {from: hold.success, to: out}]
    connections:
      - {from: in, to: split}
      - {from: split.success, to: inner.in}
      - {from: inner.out, to: out}
connections:
  - {from: source, to: outer.in}
  - {from: outer.out, to: sink}
)"))
              .ok());
  std::set<std::string> contents;
  std::uint64_t most = 0;
  while (engine.run(1) > 0) most = std::max(most, inside(engine, "outer"));
  CHECK(most == 5);
  const std::vector<std::string> seen = role("sink").all();
  REQUIRE(seen.size() == 30);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == std::to_string(i / 5 + 1));
  engine.check_balanced();
}

TEST_CASE("single: a FlowFile that is purged, or expires, in the group makes way for the next") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  const std::string stopped = "{type: TestPass, terminate: [failure], stopped: true}";
  std::string text = grouped("flowfile_concurrency: single", stopped);
  text.replace(text.find("to: hold}"), 9, "to: hold, expire: 1 min}");
  REQUIRE(engine->start(flow_of(text)).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);
  CHECK(engine.connection("source -> g.in").count == 2);
  REQUIRE(engine->purge("in -> hold").value() == 1);
  engine.run();
  CHECK(inside(engine, "g") == 1);
  CHECK(engine.connection("source -> g.in").count == 1);
  engine.advance(62s);  // both have the same age
  engine.advance(1s);
  CHECK(inside(engine, "g") == 0);
  CHECK(engine.connection("source -> g.in").count == 0);
  CHECK(engine->status().loss.removed == 1);
  CHECK(engine->status().loss.expired == 2);
  wake("source", 1);
  engine.run();
  CHECK(inside(engine, "g") == 1);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").seen == 1);
  engine.check_balanced();
}

TEST_CASE(
    "single: after a restart what is in the group is still in it, and nothing else comes in") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  const std::string stopped = "{type: TestPass, terminate: [failure], stopped: true}";
  const auto flow = flow_of(grouped("flowfile_concurrency: single", stopped));
  REQUIRE(engine->start(flow).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);
  REQUIRE(engine->stop(1s).ok());
  engine.reopen();
  REQUIRE(engine->start(flow).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);
  CHECK(engine.connection("source -> g.in").count == 2);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 3));
  engine.check_balanced();
}

TEST_CASE("an update that changes the rule of a group counts what is in it already") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5;
  const std::string stopped = "{type: TestPass, terminate: [failure], stopped: true}";
  REQUIRE(engine->start(flow_of(grouped("", stopped))).ok());
  engine.run();
  CHECK(inside(engine, "g") == 5);
  REQUIRE(engine->update(flow_of(grouped("flowfile_concurrency: single", stopped))).ok());
  wake("source", 3);
  engine.run();
  CHECK(inside(engine, "g") == 5);
  CHECK(engine.connection("source -> g.in").count == 3);
  REQUIRE(engine->purge("in -> hold").value() == 5);
  engine.run();
  CHECK(inside(engine, "g") == 1);
  REQUIRE(engine->update(flow_of(grouped("flowfile_concurrency: batch", stopped))).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);
  REQUIRE(engine->purge("in -> hold").value() == 1);
  engine.run();
  CHECK(inside(engine, "g") == 2);
  wake("source", 1);
  engine.run();
  CHECK(inside(engine, "g") == 2);
  REQUIRE(engine->update(flow_of(grouped("", stopped))).ok());
  engine.run();
  CHECK(inside(engine, "g") == 3);
  engine.check_balanced();
}

TEST_CASE("an update that fails leaves the rule of the group in force") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 4;
  const std::string stopped = "{type: TestPass, terminate: [failure], stopped: true}";
  REQUIRE(engine->start(flow_of(grouped("flowfile_concurrency: single", stopped))).ok());
  engine.run();
  std::string other = grouped("", stopped);
  other.replace(other.find("sink: {type: TestSink}"), 22,
                "sink: {type: TestSink, properties: {Note: other}}");
  role("sink").start_fails = 1;
  role("sink").start_error = Code::kInvalid;
  CHECK_FALSE(engine->update(flow_of(other)).ok());
  engine.run();
  CHECK(inside(engine, "g") == 1);
  CHECK(engine.connection("source -> g.in").count == 3);
  REQUIRE(engine->purge("in -> hold").value() == 1);
  engine.run();
  CHECK(inside(engine, "g") == 1);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(2, 4));
  engine.check_balanced();
}

TEST_CASE("a group with a rule can be stopped and started in the middle") {
  clear_roles();
  for (const std::string policy : {"flowfile_concurrency: single", "flowfile_concurrency: batch",
                                   "flowfile_concurrency: batch\n    outbound_policy: batch"}) {
    CAPTURE(policy);
    clear_roles();
    DrivenEngine engine;
    role("source").to_make = 600;
    REQUIRE(engine->start(flow_of(grouped(policy))).ok());
    for (int round = 0; round < 40; ++round) {
      engine.run(3);
      REQUIRE(engine->stop_component("g").ok());
      engine.run();
      REQUIRE(engine->start_component("g").ok());
    }
    engine.run();
    CHECK(role("sink").all() == numbers(1, 600));
    engine.check_balanced();
  }
}

TEST_CASE("a circle that comes back into a group with a rule does not stand still") {
  for (const std::string& policy :
       {std::string("flowfile_concurrency: single"), kBatch, kBatches}) {
    CAPTURE(policy);
    clear_roles();
    DrivenEngine engine;
    role("source").to_make = 200;
    REQUIRE(engine
                ->start(flow_of(R"(flow: f
processors: {source: {type: TestSource}, work: {type: TestPass}, sink: {type: TestSink}}
groups:
  g:
    )" + policy + R"(
    input_ports: [a, b]
    output_ports: [out]
    funnels: [join]
    processors: {hold: {type: TestPass, terminate: [failure]}}
    connections:
      - {from: a, to: join}
      - {from: b, to: join}
      - {from: join, to: hold, back_pressure: {count: 1}}
      - {from: hold.success, to: out, back_pressure: {count: 1}}
connections:
  - {from: source, to: g.a, back_pressure: {count: 1}}
  - {from: g.out, to: work, back_pressure: {count: 1}}
  - {from: work.success, to: g.b, back_pressure: {count: 1}}
  - {from: work.failure, to: sink}
)"))
                .ok());
    engine.run(5000);
    CHECK(role("work").calls > 1000);
    CHECK(role("sink").seen == 0);
    role("work").send_to = "failure";
    engine.run();
    CHECK(sorted(role("sink").all()) == numbers(1, 200));
    engine.check_balanced();
  }
}

TEST_CASE(
    "nothing is lost, doubled or left behind when workers, failures and stops come together") {
  clear_roles();
  for (const std::string& policy :
       {std::string("flowfile_concurrency: single"), kBatch, kBatches}) {
    CAPTURE(policy);
    clear_roles();
    const TemporaryDirectory directory;
    const auto engine = open_with_workers(directory, 3);
    const std::string hold =
        "{type: TestPass, terminate: [failure], concurrent_tasks: 3, penalty_period: 10 ms, "
        "yield_period: 1 ms}";
    REQUIRE(engine->start(flow_of(grouped(policy, hold))).ok());
    constexpr int kCount = 1500;
    for (int round = 0; round < 3; ++round) {
      wake("source", kCount / 3);
      role("g/hold").error = round == 1 ? Code::kUnavailable : Code::kInvalid;
      role("g/hold").fails = 2;
      REQUIRE(engine->stop_component("g").ok());
      REQUIRE(engine->start_component("g").ok());
    }
    role("sink").wait_for_seen(kCount);
    CHECK(engine->stop(10s).ok());
    CHECK(sorted(role("sink").all()) == numbers(1, kCount));
    const LossFigures loss = engine->status().loss;
    CHECK(loss.in == kCount);
    CHECK(loss.out == kCount);
    CHECK(loss.is_balanced());
  }
}

}  // namespace
}  // namespace runnel
