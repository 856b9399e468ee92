// Process groups that take FlowFiles in, and let them out, in batches.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/agent/runtime/group_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

TEST_CASE("batch: all that waits comes in at once, and what comes later waits for an empty group") {
  clear_roles();
  DrivenEngine engine;
  auto text = grouped(kBatch, kStopped);
  REQUIRE(engine->start(flow_of(text)).ok());
  REQUIRE(engine->stop_component("g").ok());
  wake("source", 700);
  engine.run();
  CHECK(engine.connection("source -> g.in").count == 700);
  REQUIRE(engine->start_processor("g/in").ok());
  REQUIRE(engine->start_processor("g/out").ok());
  engine.run();
  CHECK(inside(engine, "g") == 700);  // in several sessions
  wake("source", 9);
  engine.run();
  CHECK(inside(engine, "g") == 700);
  CHECK(engine.connection("source -> g.in").count == 9);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 709));
  engine.check_balanced();
}

TEST_CASE("batch: what the input port feeds does not hold it back: a batch is never cut") {
  clear_roles();
  DrivenEngine engine;
  std::string text = grouped(kBatch, kStopped);
  text.replace(text.find("to: hold}"), 9, "to: hold, back_pressure: {count: 10}}");
  REQUIRE(engine->start(flow_of(text)).ok());
  REQUIRE(engine->stop_processor("g/in").ok());
  wake("source", 1000);
  engine.run();
  REQUIRE(engine->start_processor("g/in").ok());
  engine.run();
  CHECK(inside(engine, "g") == 1000);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 1000));
}

TEST_CASE("batch: all input ports take part, and one that is stopped ends its part") {
  clear_roles();
  DrivenEngine engine;
  std::string text = kTwoPorts;
  text.replace(text.find("single"), 6, "batch");
  text.replace(text.find("{type: TestPass, terminate: [failure]}"), 38, kStopped);
  REQUIRE(engine->start(flow_of(text)).ok());
  REQUIRE(engine->stop_processor("g/a").ok());
  REQUIRE(engine->stop_processor("g/b").ok());
  wake("left", 600);
  wake("right", 600);
  engine.run();
  REQUIRE(engine->start_processor("g/b").ok());
  REQUIRE(engine->start_processor("g/a").ok());
  engine.run(1);  // one of them has opened for both
  REQUIRE(engine->stop_processor("g/b").ok());
  engine.run();
  CHECK(engine.processor("g/a").out_count == 600);
  const auto of_b = engine.processor("g/b").out_count;
  CHECK(of_b < 600);
  wake("left", 5);
  engine.run();
  CHECK(inside(engine, "g") == 600 + of_b);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(engine.processor("g/a").out_count == 605);  // the intake was over: the next batch came in
  REQUIRE(engine->start_processor("g/b").ok());
  engine.run();
  CHECK(role("sink").seen == 1205);
  engine.check_balanced();
}

TEST_CASE("batch: an intake of which the rest expires or is purged ends") {
  clear_roles();
  DrivenEngine engine;
  std::string text = grouped(kBatch, kStopped);
  text.replace(text.find("to: g.in}"), 9, "to: g.in, expire: 1 min}");
  REQUIRE(engine->start(flow_of(text)).ok());
  for (const bool is_purged : {true, false}) {
    CAPTURE(is_purged);
    REQUIRE(engine->stop_processor("g/in").ok());
    wake("source", 600);
    engine.run();
    REQUIRE(engine->start_processor("g/in").ok());
    engine.run(1);
    CHECK(inside(engine, "g") == 256);
    if (is_purged) {
      REQUIRE(engine->purge("source -> g.in").value() == 344);
      engine.run();
    } else {
      engine.advance(61s);
    }
    CHECK(inside(engine, "g") == 256);
    wake("source", 3);
    engine.run();
    CHECK(inside(engine, "g") == 256);  // it is one batch, and it is over
    REQUIRE(engine->purge("in -> hold").value() == 256);
    engine.run();
    CHECK(inside(engine, "g") == 3);
    REQUIRE(engine->purge("in -> hold").value() == 3);
    engine.run();
  }
  engine.check_balanced();
}

TEST_CASE(
    "batch output: nothing leaves before all of it waits at the output ports; each says how many "
    "they are") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 7;
  role("g/one").copies = 1;
  REQUIRE(engine
              ->start(flow_of(R"(flow: f
processors:
  source: {type: TestSource}
  sink: {type: TestSink, stopped: true}
  other: {type: TestSink, stopped: true}
groups:
  g:
    flowfile_concurrency: batch
    outbound_policy: batch
    input_ports: [in]
    output_ports: [done, odd, never]
    processors:
      one: {type: TestPass}
      two: {type: TestPass, terminate: [failure], stopped: true}
    connections:
      - {from: in, to: one}
      - {from: one.success, to: two}
      - {from: one.failure, to: odd}
      - {from: one.failure, to: never}
      - {from: two.success, to: done, back_pressure: {count: 2}}
connections:
  - {from: source, to: g.in}
  - {from: g.done, to: sink}
  - {from: g.odd, to: other}
  - {from: g.never, to: other}
)"))
              .ok());
  role("g/one").send_to = "failure";
  engine.run();
  // Seven copies for `two`, seven themselves to `odd`, and clones of them to `never`.
  CHECK(inside(engine, "g") == 21);
  CHECK(engine.connection("g.odd -> other").count == 0);
  REQUIRE(engine->start_processor("g/two").ok());
  engine.run();
  CHECK(inside(engine, "g") == 0);
  CHECK(engine.connection("g.done -> sink").count == 7);  // though `done` holds only two
  for (const char* connection : {"g.done -> sink", "g.odd -> other", "g.never -> other"}) {
    CAPTURE(connection);
    for (const char* port : {"done", "odd", "never"}) {
      CHECK(queued_values(engine, connection, std::string("batch.output.") + port) ==
            std::vector<std::string>(7, "7"));
    }
  }
  // The next batch counts anew.
  role("g/one").send_to = "success";
  role("g/one").copies = 0;
  wake("source", 1);
  engine.run();
  CHECK(queued_values(engine, "g.done -> sink", "batch.output.done").back() == "1");
  CHECK(queued_values(engine, "g.done -> sink", "batch.output.odd").back() == "0");
  engine.check_balanced();
}

TEST_CASE("batch output: a release of several sessions goes on after a restart, with its counts") {
  clear_roles();
  DrivenEngine engine;
  std::string text = grouped(kBatches);
  text.replace(text.find("{type: TestSink}"), 16, "{type: TestSink, stopped: true}");
  text.replace(text.find("to: sink}"), 9, "to: sink, back_pressure: {count: 300}}");
  const auto flow = flow_of(text);
  REQUIRE(engine->start(flow).ok());
  REQUIRE(engine->stop_processor("g/in").ok());
  wake("source", 1000);
  engine.run();
  REQUIRE(engine->start_processor("g/in").ok());
  engine.run();
  CHECK(engine.connection("g.out -> sink").count == 512);  // full: two sessions of four
  CHECK(inside(engine, "g") == 488);
  wake("source", 10);
  engine.run();
  CHECK(inside(engine, "g") == 488);
  REQUIRE(engine->stop(1s).ok());
  engine.reopen();
  REQUIRE(engine->start(flow).ok());
  engine.run();
  CHECK(inside(engine, "g") == 488);
  REQUIRE(engine->purge("g.out -> sink").value() == 512);
  engine.run();
  CHECK(queued_values(engine, "g.out -> sink", "batch.output.out") ==
        std::vector<std::string>(488, "1000"));
  REQUIRE(engine->purge("g.out -> sink").value() == 488);
  engine.run();
  CHECK(queued_values(engine, "g.out -> sink", "batch.output.out") ==
        std::vector<std::string>(10, "10"));
  Lock lock(engine->ledger().mutex());
  std::string group_id;
  for (const ProcessGroup* one : all_groups(*flow)) {
    if (one->path == "g") group_id = one->id;
  }
  CHECK_FALSE(engine->ledger().state(group_id, "batch.output"));
}

TEST_CASE("batch output: what is penalized at an output port leaves with its batch, later") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 4;
  std::string text = grouped(kBatches);
  text.replace(text.find("{type: TestSink}"), 16, "{type: TestSink, stopped: true}");
  REQUIRE(engine->start(flow_of(text)).ok());
  role("g/hold").fails = 1;
  engine.run();
  CHECK(inside(engine, "g") == 4);  // one waits for its penalty before `hold`
  wake("source", 2);
  engine.advance(31s);
  CHECK(queued_values(engine, "g.out -> sink", "batch.output.out") ==
        std::vector<std::string>{"4", "4", "4", "4", "2", "2"});
  engine.check_balanced();
}

// ---- batches from group to group

// `more`: connections.
std::string two_groups(const std::string& more = "") {
  return R"(flow: f
processors:
  source: {type: TestSource}
  sink: {type: TestSink, stopped: true}
groups:
  a:
    flowfile_concurrency: batch
    outbound_policy: batch
    input_ports: [in]
    output_ports: [out]
    processors: {hold: {type: TestPass, terminate: [failure]}}
    connections: [{from: in, to: hold}, {from: hold.success, to: out}]
  b:
    flowfile_concurrency: batch
    outbound_policy: batch
    input_ports: [in, too]
    output_ports: [out]
    processors: {hold: {type: TestPass, terminate: [failure]}}
    connections: [{from: in, to: hold}, {from: too, to: hold}, {from: hold.success, to: out}]
connections:
  - {from: source, to: a.in}
  - {from: a.out, to: b.in, back_pressure: {count: 50}}
  - {from: b.out, to: sink}
)" + more;
}

TEST_CASE("a batch that goes straight from one group into another stays one, whatever its size") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(flow_of(two_groups())).ok());
  REQUIRE(engine->stop_processor("b/hold").ok());
  std::vector<std::string> expected;
  for (const int count : {1000, 1, 300}) {
    REQUIRE(engine->stop_processor("a/in").ok());
    wake("source", count);
    engine.run();
    REQUIRE(engine->start_processor("a/in").ok());
    engine.run();
    expected.insert(expected.end(), static_cast<std::size_t>(count), std::to_string(count));
  }
  CHECK(inside(engine, "b") == 1000);
  CHECK(engine.connection("a.out -> b.in").count == 1);
  CHECK(inside(engine, "a") == 300);  // worked off, and held back: it would mix with the other
  REQUIRE(engine->start_processor("b/hold").ok());
  engine.run();
  CHECK(runs_of(queued_values(engine, "b.out -> sink", "batch.output.out")) == runs_of(expected));
  engine.check_balanced();
}

TEST_CASE("batches in a circle of groups do not wait for each other") {
  clear_roles();
  DrivenEngine engine;
  // What `b` lets out goes back into `a` by a processor, until it has gone round.
  std::string text = two_groups();
  text.replace(text.find("sink: {type: TestSink, stopped: true}"), 37,
               "sink: {type: TestSink}\n  again: {type: TestPass}");
  text.replace(text.find("to: sink}"), 9,
               "to: again}\n  - {from: again.failure, to: sink}\n"
               "  - {from: again.success, to: a.in, back_pressure: {count: 20}}\n"
               "  - {from: source, to: b.too, back_pressure: {count: 20}}");
  text.replace(text.find("to: a.in}"), 9, "to: a.in, back_pressure: {count: 20}}");
  REQUIRE(engine->start(flow_of(text)).ok());
  wake("source", 2000);
  engine.run(20'000);  // they go round and round
  CHECK(engine.processor("again").in_count > 2000);
  role("again").send_to = "failure";
  engine.run();
  CHECK(role("sink").seen == 4000);
  CHECK(inside(engine, "a") == 0);
  CHECK(inside(engine, "b") == 0);
  engine.check_balanced();
}

TEST_CASE("a group whose other connection is full does not keep the next from taking batches") {
  clear_roles();
  DrivenEngine engine;
  // What `a` lets out goes into `b` twice: straight, and by a processor that cannot keep up.
  std::string text = two_groups(
      "  - {from: a.out, to: slow, back_pressure: {count: 10}}\n"
      "  - {from: slow.success, to: b.too, back_pressure: {count: 10}}\n");
  text.replace(text.find("sink: {type: TestSink, stopped: true}"), 37,
               "sink: {type: TestSink}\n  slow: {type: TestPass, terminate: [failure]}");
  REQUIRE(engine->start(flow_of(text)).ok());
  REQUIRE(engine->stop_processor("a/in").ok());
  wake("source", 2000);
  engine.run();
  REQUIRE(engine->start_processor("a/in").ok());
  engine.run();
  CHECK(role("sink").seen == 4000);
  CHECK(inside(engine, "a") == 0);
  CHECK(inside(engine, "b") == 0);
  engine.check_balanced();
}

}  // namespace
}  // namespace runnel
