// Run once: one trigger of what stands still.

#include <doctest/doctest.h>

#include <thread>

#include "tests/agent/runtime/group_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::string line_with(const std::string& pass) {
  return "flow: f\nprocessors:\n  source: {type: TestSource, stopped: true}\n  pass: " + pass +
         "\n  sink: {type: TestSink, stopped: true}\nconnections:\n  - {from: source, to: pass}\n"
         "  - {from: pass.success, to: sink}\n";
}

void fill_pass(DrivenEngine& engine, int count) {
  role("source").to_make = count;
  REQUIRE(engine->start_processor("source").ok());
  engine.run();
  REQUIRE(engine->stop_processor("source").ok());
}

TEST_CASE("run once is one call with one commit, however much waits and whatever the schedule is") {
  for (const std::string schedule :
       {"event", "{every: 1 hour}", "{every: 0 sec}", "{cron: \"0 0 0 1 1 ? 2099\", zone: UTC}"}) {
    CAPTURE(schedule);
    clear_roles();
    DrivenEngine engine;
    REQUIRE(engine
                ->start(flow_of(line_with("{type: TestPass, terminate: [failure], stopped: true, "
                                          "concurrent_tasks: 3, schedule: " +
                                          schedule + "}")))
                .ok());
    fill_pass(engine, 10);
    for (int times = 1; times <= 3; ++times) {
      const auto ran = engine->run_once("pass");
      REQUIRE(ran.ok());
      REQUIRE(ran->size() == 1);
      CHECK((*ran)[0].path == "pass");
      CHECK((*ran)[0].in_count == 1);
      CHECK((*ran)[0].out_count == 1);
      CHECK((*ran)[0].error == "");
      engine.advance(2h);
      CHECK(role("pass").calls == times);
      CHECK(role("pass").starts == times);
      CHECK(role("pass").stops >= times);
      CHECK(engine.processor("pass").state == RunState::kStopped);
      CHECK(engine.processor("pass").sessions == static_cast<std::uint64_t>(times));
      CHECK(engine.connection("pass -> sink").count == static_cast<std::uint64_t>(times));
    }
    CHECK(role("pass").all() == numbers(1, 3));
    // It can be started as ever.
    REQUIRE(engine->start_processor("pass").ok());
    engine.run();
    if (schedule == "event") CHECK(role("pass").seen == 10);
    engine.check_balanced();
  }
}

TEST_CASE("run once triggers a source a single time, and a sink that has nothing finds nothing") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(flow_of(line_with("{type: TestPass, terminate: [failure]}"))).ok());
  role("source").to_make = 5;
  const auto ran = engine->run_once("source");
  REQUIRE(ran.ok());
  CHECK((*ran)[0].made_count == 1);
  engine.run();
  CHECK(role("source").to_make == 4);
  CHECK(role("source").safe == 1);
  CHECK(engine.connection("pass -> sink").count == 1);  // `pass` runs, and went on
  REQUIRE(engine->run_once("sink").ok());
  const auto again = engine->run_once("sink");
  REQUIRE(again.ok());
  CHECK((*again)[0].in_count == 0);
  CHECK(role("sink").seen == 1);
  engine.check_balanced();
}

TEST_CASE("run once refuses what runs, what has no room, and what is not there, and says so") {
  clear_roles();
  DrivenEngine engine;
  std::string text = line_with("{type: TestPass, terminate: [failure]}");
  text.replace(text.find("to: sink}"), 9, "to: sink, back_pressure: {count: 1}}");
  REQUIRE(engine->start(flow_of(text)).ok());
  CHECK(engine->run_once("pass").error().text() ==
        "`pass` runs; stop it first, then it can be run once");
  CHECK(engine->run_once("ghost").code() == Code::kNotFound);
  fill_pass(engine, 2);
  REQUIRE(engine->stop_processor("pass").ok());
  fill_pass(engine, 1);
  CHECK(engine->run_once("pass").code() == Code::kFull);
  CHECK(engine->run_once("pass").error().text() ==
        "`pass` has nowhere to send to: a connection is full");
  CHECK(engine.processor("pass").state == RunState::kStopped);
  role("sink").start_fails = 1;
  role("sink").start_error = Code::kUnavailable;
  CHECK(engine->run_once("sink").error().text() == "starting processor `sink`: the stage says no");
  CHECK(engine.processor("sink").state == RunState::kStopped);
  CHECK(engine->run_once("sink").ok());
  engine.check_balanced();
}

TEST_CASE("a call that fails in run once is rolled back, told, and penalized as ever") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(flow_of(line_with("{type: TestPass, terminate: [failure], stopped: true}")))
              .ok());
  fill_pass(engine, 2);
  role("pass").fails = 1;
  const auto ran = engine->run_once("pass");
  REQUIRE(ran.ok());
  CHECK((*ran)[0].error == "the stage fails");
  CHECK((*ran)[0].in_count == 0);
  CHECK(engine.processor("pass").failures == 1);
  CHECK(engine.processor("pass").state == RunState::kStopped);
  CHECK(engine->bulletins(0).size() == 1);
  REQUIRE(engine->run_once("pass").ok());
  CHECK(role("pass").all() == std::vector<std::string>{"2"});  // the first one waits
  engine.clock.advance(31s);
  REQUIRE(engine->run_once("pass").ok());
  CHECK(role("pass").all() == std::vector<std::string>{"2", "1"});
  engine.check_balanced();
}

TEST_CASE("run once of a sink that answers later waits for the answer before it stops") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine
              ->start(flow_of("flow: f\nprocessors:\n  source: {type: TestSource, stopped: true}\n"
                              "  pass: {type: TestAsync, stopped: true, terminate: [failure]}\n"
                              "  sink: {type: TestSink, stopped: true}\nconnections:\n"
                              "  - {from: source, to: pass}\n  - {from: pass.success, to: sink}\n"))
              .ok());
  fill_pass(engine, 5);
  std::thread library([] {
    role("pass").wait_for_seen(1);
    while (true) {
      std::vector<Handed> handed;
      {
        Lock lock(role("pass").mutex);
        handed.swap(role("pass").handed);
      }
      if (handed.empty()) continue;
      std::move(handed[0]).transfer(Relationship{0});
      return;
    }
  });
  const auto ran = engine->run_once("pass");
  library.join();
  REQUIRE(ran.ok());
  CHECK((*ran)[0].in_count == 1);
  CHECK((*ran)[0].unanswered_count == 0);
  CHECK(role("pass").seen == 1);  // no call but the one took anything
  CHECK(engine.connection("pass -> sink").count == 1);
  CHECK(engine.connection("source -> pass").count == 4);
  engine.check_balanced();
}

TEST_CASE("run once of a group triggers each that stands still, in the order of the way") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5;
  REQUIRE(engine
              ->start(flow_of(R"(flow: f
processors: {source: {type: TestSource}, sink: {type: TestSink}}
groups:
  g:
    input_ports: [in]
    output_ports: [out]
    funnels: [both]
    processors:
      last: {type: TestPass, terminate: [failure]}
      first: {type: TestPass, terminate: [failure]}
    groups:
      inner:
        input_ports: [in]
        output_ports: [out]
        processors: {deep: {type: TestPass, terminate: [failure]}}
        connections: [{from: in, to: deep}, {from: deep.success, to: out}]
    connections:
      - {from: in, to: first}
      - {from: first.success, to: inner.in}
      - {from: inner.out, to: both}
      - {from: both, to: last}
      - {from: last.success, to: out}
connections: [{from: source, to: g.in}, {from: g.out, to: sink}]
)"))
              .ok());
  CHECK(engine->run_once("g").error().text() == "all of `g` runs; stop it first");
  engine.run();
  REQUIRE(role("sink").seen == 5);
  REQUIRE(engine->stop_component("g").ok());
  wake("source", 5);
  engine.run();
  const auto ran = engine->run_once("g");
  REQUIRE(ran.ok());
  std::vector<std::string> order;
  for (const RanOnce& one : *ran) {
    order.push_back(one.path);
    CHECK(one.in_count == 1);
    CHECK(one.out_count == 1);
  }
  CHECK(order == std::vector<std::string>{"g/in", "g/first", "g/inner/in", "g/inner/deep",
                                          "g/inner/out", "g/both", "g/last", "g/out"});
  engine.run();
  CHECK(role("sink").seen == 6);  // one FlowFile has gone all the way
  CHECK(role("g/last").all().back() == "6");
  // What runs is left alone.
  REQUIRE(engine->start_processor("g/in").ok());
  engine.run();
  CHECK(engine->run_once("g").value().size() == 7);
  REQUIRE(engine->start_component("g").ok());
  engine.run();
  CHECK(role("sink").seen == 10);
  engine.check_balanced();
}

TEST_CASE("run once of a group with a rule keeps the rule") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(flow_of(grouped(kBatches))).ok());
  REQUIRE(engine->stop_component("g").ok());
  wake("source", 3);
  engine.run();
  REQUIRE(engine->run_once("g").ok());  // three come in; one of them to the output port
  CHECK(inside(engine, "g") == 3);
  CHECK(role("sink").seen == 0);
  wake("source", 3);
  engine.run();
  REQUIRE(engine->run_once("g").ok());
  CHECK(inside(engine, "g") == 3);
  CHECK(engine.connection("source -> g.in").count == 3);
  REQUIRE(engine->run_once("g").ok());
  engine.run();
  CHECK(role("sink").seen == 3);
  REQUIRE(engine->start_component("g").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 6));
  engine.check_balanced();
}

TEST_CASE("run once of a service says that there is nothing to trigger") {
  clear_roles();
  DrivenEngine engine;
  auto flow = FlowBuilder();
  flow.service("shared").processor("source", "TestSource", [](ProcessorNode& node) {
    node.properties["Service"] = "shared";
    node.is_stopped = true;
  });
  REQUIRE(engine->start(flow.build()).ok());
  CHECK(engine->run_once("shared").error().text() ==
        "`shared` is a service: there is nothing to trigger");
  role("source").to_make = 1;
  REQUIRE(engine->run_once("source").ok());
  CHECK(role("shared").starts == 1);
  CHECK(role("shared").stops == 1);  // held for the call only
}

}  // namespace
}  // namespace runnel
