// The engine: flows that run, wait, fail, come back, and are looked at.

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

Connection& limited(Connection& connection, std::uint64_t count) {
  connection.back_pressure = {.count = count, .bytes = 0};
  return connection;
}

FlowBuilder three_hops() {
  return std::move(FlowBuilder()
                       .processor("source", "TestSource")
                       .processor("pass", "TestPass")
                       .processor("sink", "TestSink")
                       .connect("source", "pass")
                       .connect("pass", "sink"));
}

// For ever, and its processor waits.
Retry yielding(std::chrono::nanoseconds first, std::chrono::nanoseconds longest) {
  return {.relationship = "failure",
          .attempts = std::nullopt,
          .backoff_first = first,
          .backoff_max = longest,
          .manner = Retry::Manner::kYield,
          .at = {}};
}

TEST_CASE("what a source makes arrives at the sink, in order, and every figure agrees") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1000;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const std::vector<std::string> seen = role("sink").all();
  REQUIRE(seen.size() == 1000);
  for (int i = 0; i < 1000; ++i)
    REQUIRE(seen[static_cast<std::size_t>(i)] == std::to_string(i + 1));
  CHECK(engine.processor("source").made_count == 1000);
  CHECK(engine.processor("pass").in_count == 1000);
  CHECK(engine.processor("pass").out_count == 1000);
  CHECK(engine.processor("sink").dropped_count == 1000);
  CHECK(engine.processor("sink").in_bytes == 9 + 180 + 2700 + 4);
  CHECK(engine.processor("pass").state == RunState::kRunning);
  CHECK(engine.processor("pass").sessions <= 8);  // slices, not single FlowFiles
  CHECK(engine.connection("source -> pass").in_count == 1000);
  CHECK(engine.connection("source -> pass").count == 0);
  const LossFigures loss = engine->status().loss;
  CHECK(loss.in == 1000);
  CHECK(loss.out == 1000);
  engine.check_balanced();
}

TEST_CASE("when there is nothing to do, nothing is run and no timer is set") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 10;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  CHECK(engine.run() == 0);
  CHECK(engine->scheduler().next_timer() == SteadyTime::max());
  CHECK(engine.advance(1h) == 0);
}

TEST_CASE("workers of their own carry everything through, and the books balance") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 3);
  role("source").to_make = 20'000;
  auto builder = FlowBuilder();
  builder.processor("source", "TestSource")
      .processor("pass", "TestPass", [](ProcessorNode& node) { node.concurrent_tasks = 3; })
      .processor("sink", "TestSink")
      .connect("source", "pass", [](Connection& c) { limited(c, 500); })
      .connect("pass", "sink", [](Connection& c) { limited(c, 500); });
  REQUIRE(engine->start(builder.build()).ok());
  role("sink").wait_for_seen(20'000);
  CHECK(engine->stop(10s).ok());
  const LossFigures loss = engine->status().loss;
  CHECK(loss.in == 20'000);
  CHECK(loss.out == 20'000);
  CHECK(loss.is_balanced());
  CHECK(role("source").safe == 20'000);
}

TEST_CASE("a full connection stops who feeds it before it takes work, within one call") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5000;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("pass", "TestPass")
      .processor("sink", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
      .connect("source", "pass", [](Connection& c) { limited(c, 100); })
      .connect("pass", "sink", [](Connection& c) { limited(c, 100); });
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(engine.connection("pass -> sink").count == 100);
  CHECK(engine.connection("source -> pass").count == 100);
  CHECK(engine.connection("pass -> sink").is_full);
  CHECK(engine.run() == 0);
  const int calls = role("pass").calls;
  REQUIRE(engine->start_processor("sink").ok());
  engine.run();
  CHECK(role("sink").seen == 5000);
  CHECK(role("pass").calls > calls);
  engine.check_balanced();
}

TEST_CASE("a slice ends when what it has made fills one of its connections, by count or by bytes") {
  clear_roles();
  DrivenEngine engine;
  auto flow = FlowBuilder();
  const auto stopped = [](ProcessorNode& node) { node.is_stopped = true; };
  flow.processor("source", "TestSource")
      .processor("wide", "TestSink", stopped)
      .processor("narrow", "TestSink", stopped)
      .processor("other", "TestSource")
      .processor("heavy", "TestSink", stopped)
      .connect("source", "wide")
      .connect("source", "narrow", [](Connection& c) { limited(c, 7); })
      .connect("other", "heavy",
               [](Connection& c) { c.back_pressure = {.count = 0, .bytes = 29}; });
  role("source").to_make = role("other").to_make = 5000;
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(engine.connection("source -> narrow").count == 7);
  CHECK(engine.connection("source -> wide").count == 7);
  CHECK(engine.connection("other -> heavy").count == 19);  // 9 of one byte, 10 of two
  CHECK(engine.connection("other -> heavy").bytes == 29);
  CHECK(engine->purge(engine.connection("source -> narrow").id).value_or(0) == 7);
  engine.run();
  CHECK(engine.connection("source -> narrow").count == 7);
  CHECK(engine.connection("source -> wide").count == 14);
  engine.check_balanced();
}

TEST_CASE("what goes elsewhere does not end a slice, however little room a connection has") {
  clear_roles();
  DrivenEngine engine;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("pass", "TestPass")
      .processor("sink", "TestSink")
      .processor("rare", "TestSink")
      .connect("source", "pass")
      .connect("pass", "sink")
      .connect("pass.failure", "rare", [](Connection& c) { limited(c, 1); });
  role("source").to_make = 1024;
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("sink").seen == 1024);
  CHECK(engine.processor("pass").sessions <= 8);
}

TEST_CASE("a call that fails is rolled back by itself; the calls before it are committed") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  REQUIRE(role("sink").seen == 3);
  role("pass").fails = 1;
  role("source").to_make = 2;
  role("source").wake();
  engine.run();
  CHECK(engine.processor("pass").failures == 1);
  CHECK(engine.processor("pass").last_error == "the stage fails");
  CHECK(engine.processor("pass").state == RunState::kBackingOff);
  CHECK(engine->bulletins(0).size() == 1);
  CHECK(engine->bulletins(0)[0].component == "pass");
  CHECK(role("sink").seen == 3);
  engine.advance(2s);
  // kInvalid: the one that failed waits for its penalty, the other overtakes it.
  CHECK(role("sink").all().back() == "5");
  CHECK(role("sink").seen == 4);
  engine.advance(30s);
  CHECK(role("sink").all().back() == "4");
  CHECK(engine.processor("pass").state == RunState::kRunning);
  engine.check_balanced();
}

TEST_CASE("a failure for want of a peer keeps the order, and backs off longer each time, bounded") {
  clear_roles();
  DrivenEngine engine;
  role("sink").error = Code::kUnavailable;
  role("sink").fails = 12;
  role("source").to_make = 3;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  std::int64_t longest = 0;
  for (int i = 0; i < 12; ++i) {
    const std::int64_t wait = engine.processor("sink").back_off_left_ms;
    CHECK(wait > 0);
    longest = std::max(longest, wait);
    engine.advance(std::chrono::milliseconds(wait));
  }
  CHECK(longest > 10'000);
  CHECK(longest <= 30'000);
  CHECK(role("sink").all() == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("a processor that yields is left alone for its yield period") {
  clear_roles();
  DrivenEngine engine;
  role("sink").yields = true;
  role("source").to_make = 2;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("sink", "TestSink", [](ProcessorNode& node) { node.yield_period = 5s; })
      .connect("source", "sink");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("sink").seen == 1);
  CHECK(engine.processor("sink").yield_left_ms == 5000);
  engine.advance(4999ms);
  CHECK(role("sink").seen == 1);
  engine.advance(1ms);
  CHECK(role("sink").seen == 2);
}

TEST_CASE("a start for want of a peer is tried again with back-off; each failed start is stopped") {
  clear_roles();
  DrivenEngine engine;
  role("sink").start_fails = 3;
  role("source").to_make = 1;
  REQUIRE(engine->start(three_hops().build()).ok());
  CHECK(engine.processor("sink").state == RunState::kStarting);
  CHECK(engine.processor("sink").last_error == "starting: the stage says no");
  engine.run();
  for (int i = 0; i < 3; ++i) engine.advance(30s);
  CHECK(engine.processor("sink").state == RunState::kRunning);
  CHECK(role("sink").starts == 4);
  CHECK(role("sink").stops == 3);
  CHECK(role("sink").seen == 1);
}

TEST_CASE("a start that is refused fails the flow: nothing runs, and the reason is told") {
  clear_roles();
  DrivenEngine engine;
  role("pass").start_fails = 1;
  role("pass").start_error = Code::kInvalid;
  const Result<> started = engine->start(three_hops().build());
  REQUIRE(!started.ok());
  CHECK(started.error().text() == "starting processor `pass`: the stage says no");
  CHECK(engine->flow() == nullptr);
  CHECK(engine.run() == 0);
  CHECK(role("sink").starts == role("sink").stops);
  CHECK(engine->start(three_hops().build()).ok());
}

TEST_CASE("what is retried goes back as it was, so often, and then to its relationship") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1;
  role("pass").send_to = "failure";
  role("pass").change = "spoilt";
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("pass", "TestPass",
                 [](ProcessorNode& node) {
                   node.retry = {{.relationship = "failure",
                                  .attempts = 2,
                                  .backoff_first = 1s,
                                  .backoff_max = 10s,
                                  .manner = Retry::Manner::kPenalize,
                                  .at = {}}};
                 })
      .processor("sink", "TestSink")
      .connect("source", "pass")
      .connect("pass.failure", "sink");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("pass").all() == std::vector<std::string>{"1"});
  CHECK(engine.connection("source -> pass").count == 1);
  engine.advance(999ms);
  CHECK(role("pass").seen == 1);
  engine.advance(1ms);
  CHECK(role("pass").seen == 2);
  engine.advance(1999ms);
  CHECK(role("pass").seen == 2);
  engine.advance(1ms);
  CHECK(role("pass").all() == std::vector<std::string>{"1", "1", "1"});
  CHECK(role("sink").all() == std::vector<std::string>{"spoilt"});
  engine.check_balanced();
}

TEST_CASE("a retry that yields keeps the order of what stands behind") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  role("pass").send_to = "failure";
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("pass", "TestPass", [](ProcessorNode& node) { node.retry = {yielding(1s, 4s)}; })
      .processor("sink", "TestSink")
      .connect("source", "pass")
      .connect("pass", "sink");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  for (int i = 0; i < 50; ++i) engine.advance(1s);
  CHECK(role("pass").seen < 100);
  CHECK(engine.connection("source -> pass").count == 3);
  role("pass").send_to = "success";
  engine.advance(4s);
  engine.advance(4s);
  CHECK(role("sink").all() == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("who stops a processor and starts it does not wait for the end of a retry that yields") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1;
  role("pass").send_to = "failure";
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("pass", "TestPass", [](ProcessorNode& node) { node.retry = {yielding(1h, 1h)}; })
      .connect("source", "pass");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("pass").seen == 1);
  role("pass").send_to = "success";
  REQUIRE(engine->stop_processor("pass").ok());
  CHECK(engine.processor("pass").yield_left_ms == 0);
  REQUIRE(engine->start_processor("pass").ok());
  engine.run();
  CHECK(role("pass").seen == 2);
  CHECK(engine.connection("source -> pass").count == 0);
}

TEST_CASE("a cycle with the smallest limits goes on until everything is through") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 2000;
  role("back").send_to = "failure";
  auto flow = FlowBuilder();
  const auto one = [](Connection& c) { limited(c, 1); };
  flow.processor("source", "TestSource")
      .processor("try", "TestPass")
      .processor("back", "TestPass")
      .connect("source", "try", one)
      .connect("try", "back", one)
      .connect("back.failure", "try", one);
  REQUIRE(engine->start(flow.build()).ok());
  engine.run(5000);
  CHECK(role("back").seen > 2000);  // round and round
  const std::uint64_t inside =
      engine.connection("try -> back").count + engine.connection("back.failure -> try").count;
  CHECK(inside <= 3 * 257);  // bounded, although it never empties
  role("back").send_to = "success";
  engine.run();
  CHECK(engine.connection("source -> try").count == 0);
  CHECK(role("source").to_make == 0);
  engine.check_balanced();
}

TEST_CASE("funnels and ports hand on what comes in; several ways make clones") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 10;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("one", "TestSink")
      .processor("two", "TestSink")
      .funnel("funnel")
      .port("out", PortKind::kOutput)
      .port("nowhere", PortKind::kOutput)
      .connect("source", "funnel")
      .connect("funnel", "out")
      .connect("out", "one")
      .connect("source", "two")
      .connect("source", "nowhere");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("one").seen == 10);
  CHECK(role("two").seen == 10);
  CHECK(engine.connection("source -> nowhere").count == 10);
  CHECK(engine->status().loss.in == 30);
  engine.check_balanced();
}

TEST_CASE("what is handed over counts as queued until it is acknowledged, in any order") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource").processor("async", "TestAsync").connect("source", "async");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  Role& async = role("async");
  CHECK(engine.connection("source -> async").count == 3);
  CHECK(engine.processor("async").in_flight == 3);
  std::vector<Handed> handed;
  {
    Lock lock(async.mutex);
    handed.swap(async.handed);
  }
  std::move(handed[2]).transfer(Relationship{0});
  CHECK(engine.connection("source -> async").count == 2);
  std::move(handed[0]).give_back();
  handed.clear();  // the second: given back undecided
  engine.run();
  CHECK(async.all() == std::vector<std::string>{"1", "2", "3", "1", "2"});
  {
    Lock lock(async.mutex);
    handed.swap(async.handed);
  }
  for (Handed& one : handed) std::move(one).transfer(Relationship{0});
  CHECK(engine.connection("source -> async").count == 0);
  CHECK(engine.processor("async").in_flight == 0);
  engine.check_balanced();
}

TEST_CASE("stopping gives back what is in flight, and a new engine goes on where this one ended") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource").processor("async", "TestAsync").connect("source", "async");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("async").seen == 5);
  CHECK(engine->stop(1s).ok());
  engine.reopen();
  CHECK(engine->status().loss.queued == 5);
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("async").seen == 10);
  CHECK(engine->status().loss.in == 5);
  engine.check_balanced();
}

TEST_CASE("processors and whole flows can be stopped and started by hand") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  REQUIRE(engine->stop_processor("pass").ok());
  CHECK(engine.processor("pass").state == RunState::kStopped);
  role("source").to_make = 4;
  role("source").wake();
  engine.run();
  CHECK(engine.connection("source -> pass").count == 4);
  REQUIRE(engine->start_processor("pass").ok());
  engine.run();
  CHECK(role("sink").seen == 4);
  REQUIRE(engine->stop_flow().ok());
  CHECK(engine->status().state == FlowState::kStopped);
  CHECK(engine.processor("sink").state == RunState::kStopped);
  REQUIRE(engine->start_flow().ok());
  CHECK(engine->status().state == FlowState::kRunning);
  CHECK(engine.processor("sink").state == RunState::kRunning);
  CHECK(engine->stop_processor("nobody").code() == Code::kNotFound);
}

TEST_CASE("a tap that samples shows one of so many, as many times as it was asked") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  std::vector<std::string> tapped;
  const auto number = engine->tap(
      "pass -> sink", 2, [&tapped](const PeekedFlowFile& seen) { tapped.push_back(seen.content); },
      3);
  REQUIRE(number.ok());
  role("source").to_make = 20;
  role("source").wake();
  engine.run();
  CHECK(tapped == std::vector<std::string>{"3", "6"});
  engine->untap(*number);
}

TEST_CASE("queues can be listed, peeked into, tapped and purged") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  REQUIRE(engine->stop_processor("sink").ok());
  std::vector<std::string> tapped;
  const auto number = engine->tap(
      "pass -> sink", 2, [&tapped](const PeekedFlowFile& seen) { tapped.push_back(seen.content); });
  REQUIRE(number.ok());
  role("source").to_make = 5;
  role("source").wake();
  engine.run();
  CHECK(tapped == std::vector<std::string>{"1", "2"});
  CHECK(engine->list_queue("pass -> sink", 3, 1)->size() == 1);  // by the bytes of attributes
  const auto listed = engine->list_queue("pass -> sink", 3);
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 3);
  CHECK(engine->flowfile_of(listed->at(1).uuid).value_or(0) == listed->at(1).id);
  const auto peeked = engine->peek("pass -> sink", listed->at(1).id, 100);
  REQUIRE(peeked.ok());
  CHECK(peeked->content == "2");
  CHECK(!peeked->is_cut);
  CHECK(engine->peek("pass -> sink", 999'999, 1).code() == Code::kNotFound);
  CHECK(engine->purge("pass -> sink").value_or(0) == 5);
  CHECK(engine->status().loss.removed == 5);
  engine->untap(*number);
  engine.check_balanced();
}

TEST_CASE("what an earlier run has left is listed and can be peeked into before anybody takes it") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  REQUIRE(engine->stop_processor("sink").ok());
  role("source").to_make = 5;
  role("source").wake();
  engine.run();
  CHECK(engine->stop(1s).ok());
  engine.reopen();
  REQUIRE(engine->start(three_hops().build()).ok());
  const auto listed = engine->list_queue("pass -> sink", 3);
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 3);
  const auto peeked = engine->peek("pass -> sink", listed->front().id, 100);
  REQUIRE(peeked.ok());
  CHECK(peeked->content == "1");
  CHECK(engine.connection("pass -> sink").count == 5);
  CHECK(engine->purge("pass -> sink").value_or(0) == 5);
  engine.check_balanced();
}

TEST_CASE("a timer-driven processor is called once in each period; a cron-driven one at its time") {
  clear_roles();
  DrivenEngine engine;
  role("every").to_make = 1000;
  role("cron").to_make = 1000;
  auto flow = FlowBuilder();
  flow.processor("every", "TestSource",
                 [](ProcessorNode& node) {
                   node.schedule.kind = Schedule::Kind::kEvery;
                   node.schedule.period = 10s;
                 })
      .processor("cron", "TestSource",
                 [](ProcessorNode& node) {
                   node.schedule.kind = Schedule::Kind::kCron;
                   node.schedule.cron = "0 */5 * * * ?";
                   node.schedule.zone = "UTC";
                 })
      .processor("sink", "TestSink")
      .connect("every", "sink")
      .connect("cron", "sink");
  REQUIRE(engine->start(flow.build()).ok());
  engine.run();
  CHECK(role("every").calls == 1);
  CHECK(role("cron").calls == 0);  // 2026-01-01T00:00:00Z itself is not after now
  for (int i = 0; i < 60; ++i) engine.advance(10s);
  CHECK(role("every").calls == 61);
  CHECK(role("cron").calls == 2);
  CHECK(role("sink").seen == 63);
}

TEST_CASE("a wall clock that is set back does not keep cron-driven processors waiting for it") {
  clear_roles();
  DrivenEngine engine;
  for (const char* one : {"each hour", "in 2027"}) role(one).to_make = 1000;
  auto flow = FlowBuilder();
  const auto cron = [](const char* text) {
    return [text](ProcessorNode& node) {
      node.schedule.kind = Schedule::Kind::kCron;
      node.schedule.cron = text;
      node.schedule.zone = "UTC";
    };
  };
  flow.processor("each hour", "TestSource", cron("0 0 * * * ?"))
      .processor("in 2027", "TestSource", cron("0 0 0 1 1 ? 2027"))
      .processor("sink", "TestSink")
      .connect("each hour", "sink")
      .connect("in 2027", "sink");
  // As on a board whose clock had another battery's time, before NTP.
  engine.clock.jump_wall(24h * 365 * 20);
  REQUIRE(engine->start(flow.build()).ok());
  for (int i = 0; i < 61; ++i) engine.advance(1min);
  CHECK(role("each hour").calls == 1);
  engine.clock.jump_wall(-24h * 365 * 20);
  for (int i = 0; i < 120; ++i) engine.advance(1min);
  CHECK(role("each hour").calls == 3);
  // What NTP corrects calls nobody twice: it is 03:01 by the old clock.
  while (engine.clock.wall_ms() % 3'600'000 >= 1000) engine.advance(1s);
  const int calls = role("each hour").calls;
  engine.clock.jump_wall(-20s);
  for (int i = 0; i < 50; ++i) engine.advance(1min);
  CHECK(role("each hour").calls == calls);
  CHECK(role("in 2027").calls == 0);
  engine.advance(24h * 365);
  CHECK(role("in 2027").calls == 1);
}

TEST_CASE("provenance is kept over a restart and found by FlowFile, component and time") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 300;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const auto created =
      engine->provenance({.flowfile = {}, .component = "source", .kind = ProvenanceKind::kCreate});
  REQUIRE(created.ok());
  REQUIRE(!created->events.empty());
  const std::uint64_t id = created->events.front().flowfiles.front().first;
  for (int round = 0; round < 2; ++round) {
    const auto answer = engine->provenance({.flowfile = id, .component = {}, .kind = {}});
    REQUIRE(answer.ok());
    const std::vector<ProvenanceEvent>* const events = &answer->events;
    REQUIRE(events->size() >= 2);
    CHECK(events->back().kind == ProvenanceKind::kCreate);
    CHECK(events->back().component == "source");
    CHECK(events->front().kind == ProvenanceKind::kDrop);
    CHECK(events->front().component == "sink");
    const auto of_sink = engine->provenance({.flowfile = {}, .component = "sink", .kind = {}});
    REQUIRE(of_sink.ok());
    std::uint64_t count = 0;
    for (const ProvenanceEvent& event : of_sink->events) count += event.count;
    CHECK(count == 300);
    if (round == 0) {
      engine.reopen();
      REQUIRE(engine->start(three_hops().build()).ok());
    }
  }
}

TEST_CASE("metrics name every processor, every connection and the loss ledger") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 2;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  MetricCollection metrics;
  engine->collect(metrics);
  const std::string text = metrics.text();
  CHECK(text.find(
            "runnel_processor_out_flowfiles_total{processor=\"source\",type=\"TestSource\"} 2") !=
        text.npos);
  CHECK(text.find("runnel_ledger_flowfiles_total{what=\"in\"} 2") != text.npos);
  CHECK(text.find("runnel_connection_queued_flowfiles{connection=\"pass -> sink\"") != text.npos);
}

TEST_CASE("a source is told that its FlowFiles are safe when the sink has finished them") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 50;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  CHECK(engine->stop(1s).ok());
  CHECK(role("source").safe == 50);
}

TEST_CASE("a source that is faster than the disk waits for it, so that memory is bounded") {
  clear_roles();
  TemporaryDirectory directory;
  ManualClock clock;
  EngineOptions options;
  options.state_dir = directory.path;
  options.types = stage_types();
  options.clock = &clock;
  options.is_driven = true;
  options.ledger.memory_budget = 1 << 20;
  options.ledger.is_driven = true;
  auto engine = std::move(*EngineCore::open(std::move(options)));
  Ledger& ledger = engine->ledger();
  constexpr int kWanted = 20'000;
  role("source").to_make = kWanted;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("sink", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
      .connect("source", "sink", [](Connection& c) { limited(c, 0); });
  REQUIRE(engine->start(flow.build()).ok());
  const auto run = [&] {
    for (int i = 0; i < 200; ++i) {
      engine->scheduler().run_ready(1);
      clock.advance(5ms);
    }
  };
  run();  // the disk takes nothing
  CHECK(ledger.is_behind());
  const int made = kWanted - role("source").to_make;
  CHECK(made > 0);
  CHECK(made < kWanted / 2);
  run();
  CHECK(kWanted - role("source").to_make == made);
  for (int i = 0; i < 1000 && role("source").to_make > 0; ++i) {
    REQUIRE(ledger.flush(1s).ok());
    run();
  }
  CHECK(role("source").to_make == 0);
  REQUIRE(ledger.flush(1s).ok());
  CHECK_FALSE(ledger.is_behind());
  CHECK(engine->status().loss.queued == kWanted);
}

TEST_CASE("at the quota of the disk the source stops; drained, it goes on, and nothing is lost") {
  clear_roles();
  TemporaryDirectory directory;
  ManualClock clock;
  EngineOptions options;
  options.state_dir = directory.path;
  options.types = stage_types();
  options.clock = &clock;
  options.is_driven = true;
  options.ledger.disk_quota = 160 << 10;  // provenance takes its part of it
  options.ledger.is_driven = true;
  auto engine = std::move(*EngineCore::open(std::move(options)));
  Ledger& ledger = engine->ledger();
  constexpr int kWanted = 100'000;
  role("source").to_make = kWanted;
  auto flow = FlowBuilder();
  flow.processor("source", "TestSource")
      .processor("sink", "TestSink", [](ProcessorNode& node) { node.is_stopped = true; })
      .connect("source", "sink", [](Connection& c) { limited(c, 0); });
  REQUIRE(engine->start(flow.build()).ok());
  const auto run = [&] {
    for (int i = 0; i < 40; ++i) {
      engine->scheduler().run_ready(1);
      REQUIRE(ledger.flush(1s).ok());
      ledger.drive_notify();
      clock.advance(1s);
    }
  };
  for (int i = 0; i < 20 && !ledger.is_over_quota(); ++i) run();
  REQUIRE(ledger.is_over_quota());
  const int made = kWanted - role("source").to_make;
  CHECK(made > 0);
  CHECK(made < kWanted);
  run();
  // Its peer keeps the rest: nothing more was taken, nor acknowledged.
  CHECK(kWanted - role("source").to_make == made);
  CHECK(role("source").safe <= made);
  REQUIRE(engine->start_processor("sink").ok());
  for (int i = 0; i < 100 && role("sink").seen < kWanted; ++i) run();
  CHECK(role("sink").seen == kWanted);
  CHECK(role("source").to_make == 0);
  CHECK_FALSE(ledger.is_over_quota());
  CHECK(engine->status().loss.is_balanced());
  CHECK(engine->status().loss.out == kWanted);
}

TEST_CASE("a call that does not come back does not hold up the stop; what it took is queued") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2);
  role("source").to_make = 10;
  role("sink").hangs = true;
  REQUIRE(engine->start(three_hops().build()).ok());
  role("sink").wait_for_seen(1);
  const Result<> stopped = engine->stop(40ms);
  REQUIRE(!stopped.ok());
  CHECK(stopped.code() == Code::kUnavailable);
  CHECK(stopped.error().text() == "still busy with a call: `sink`");
  CHECK(engine->status().loss.queued == 10);
  role("sink").hangs = false;
  CHECK(engine->stop(10s).ok());
  CHECK(engine->status().loss.is_balanced());
}

TEST_CASE("a call that does not come back holds up neither an update nor who stops something") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2, 50ms);
  const auto flow = [](const std::string& note) {
    return FlowBuilder()
        .processor("source", "TestSource")
        .processor("sink", "TestSink",
                   [&note](ProcessorNode& node) { node.properties["Note"] = note; })
        .connect("source", "sink")
        .build();
  };
  role("source").to_make = 1;
  role("sink").hangs = true;
  REQUIRE(engine->start(flow("one")).ok());
  role("sink").wait_for_seen(1);
  const Result<> updated = engine->update(flow("two"));
  CHECK(updated.code() == Code::kUnavailable);
  CHECK(updated.error().text() == "still busy with a call: `sink`; all goes on as it was");
  CHECK(engine->stop_processor("sink").code() == Code::kUnavailable);
  CHECK(engine->stop_component("sink").code() == Code::kUnavailable);
  CHECK(engine->stop_flow().code() == Code::kUnavailable);
  role("sink").hangs = false;
  // It goes on, with what came and what comes.
  role("source").to_make = 100;
  role("source").wake();
  role("sink").wait_for_seen(101);
  CHECK(role("sink").starts == 1);
  REQUIRE(engine->update(flow("two")).ok());
  CHECK(role("sink").starts == 2);
  CHECK(engine->stop(5s).ok());
  CHECK(engine->status().loss.is_balanced());
  CHECK(engine->status().loss.out == 101);
}

TEST_CASE("who waits for a call that does not come back does not hold up the end of the agent") {
  clear_roles();
  const TemporaryDirectory directory;
  const auto engine = open_with_workers(directory, 2);  // whose patience is two minutes
  role("source").to_make = 10;
  role("sink").hangs = true;
  REQUIRE(engine->start(three_hops().build()).ok());
  role("sink").wait_for_seen(1);
  Result<> stopped;
  std::thread operators([&] { stopped = engine->stop_processor("sink"); });
  engine->hurry();
  operators.join();
  CHECK(stopped.code() == Code::kUnavailable);
  CHECK(engine->stop(40ms).error().text() == "still busy with a call: `sink`");
  role("sink").hangs = false;
  CHECK(engine->stop(10s).ok());
  CHECK(engine->status().loss.is_balanced());
  CHECK(engine->status().loss.queued + engine->status().loss.out == 10);
}

TEST_CASE("a second engine on the same state directory is refused") {
  DrivenEngine engine;
  EngineOptions options;
  options.state_dir = engine.directory.path;
  options.types = stage_types();
  options.is_driven = true;
  const auto second = EngineCore::open(std::move(options));
  REQUIRE(!second.ok());
  CHECK(second.code() == Code::kUnavailable);
}

// ---- expiry without a taker

FlowBuilder expiring_flow() {
  FlowBuilder flow;
  flow.processor("source", "TestSource").processor("sink", "TestSink", [](ProcessorNode& node) {
    node.is_stopped = true;
  });
  flow.connect("source", "sink", [](Connection& connection) {
    connection.expire = 10s;
    connection.back_pressure.count = 20;
  });
  return flow;
}

TEST_CASE("what nobody takes expires by time, makes room, and then nothing runs any more") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 25;
  REQUIRE(engine->start(expiring_flow().build()).ok());
  engine.run();
  const std::string name = "source -> sink";
  const std::uint64_t queued = engine.connection(name).count;
  CHECK(queued >= 20);
  CHECK(engine.connection(name).is_full);
  engine.advance(9s);
  CHECK(engine.connection(name).count == queued);
  engine.advance(1500ms);
  // They are gone, and the source, which had waited for room, has made the others.
  CHECK(engine->status().loss.expired == queued);
  CHECK(engine.connection(name).count == 25 - queued);
  CHECK_FALSE(engine.connection(name).is_full);
  engine.advance(11s);
  CHECK(engine.connection(name).count == 0);
  CHECK(engine->status().loss.expired == 25);
  engine.check_balanced();
  role("source").to_make = 0;
  engine.advance(1h);
  CHECK(engine->scheduler().next_timer() == SteadyTime::max());
  ProvenanceQuery query;
  query.kind = ProvenanceKind::kExpire;
  const auto events = engine->provenance(query);
  REQUIRE(events.ok());
  CHECK(events->events.size() >= 1);
}

TEST_CASE("what lies on disk only after a restart expires, too, without a taker") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 15;
  REQUIRE(engine->start(expiring_flow().build()).ok());
  engine.run();
  CHECK(engine->stop(1s).ok());
  engine.reopen();
  REQUIRE(engine->start(expiring_flow().build()).ok());
  engine.run();
  CHECK(engine.connection("source -> sink").count == 15);
  engine.advance(9s);
  CHECK(engine.connection("source -> sink").count == 15);
  engine.advance(1500ms);
  CHECK(engine.connection("source -> sink").count == 0);
  CHECK(engine->status().loss.expired == 15);
  engine.check_balanced();
}

TEST_CASE("a wall clock that is set makes nothing expire early, nor stay for ever") {
  for (const auto step :
       {std::chrono::milliseconds(24h * 365 * 50), -std::chrono::milliseconds(24h)}) {
    for (const bool is_restarted : {false, true}) {
      CAPTURE(step.count());
      CAPTURE(is_restarted);
      clear_roles();
      DrivenEngine engine;
      role("source").to_make = 5;
      REQUIRE(engine->start(expiring_flow().build()).ok());
      engine.run();
      if (is_restarted) {
        CHECK(engine->stop(1s).ok());
        engine.reopen();
        REQUIRE(engine->start(expiring_flow().build()).ok());
        engine.run();
      }
      engine.advance(4s);
      engine.clock.jump_wall(step);
      // Somebody works after it, and the timer comes.
      role("source").to_make = 3;
      role("source").wake();
      engine.run();
      engine.advance(5s);
      CHECK(engine->status().loss.expired == 0);
      CHECK(engine.connection("source -> sink").count == 8);
      engine.advance(2s);
      CHECK(engine->status().loss.expired == 5);
      engine.advance(5s);
      CHECK(engine->status().loss.expired == 8);
      engine.check_balanced();
      // Who looks sees times by the new clock.
      role("source").to_make = 1;
      role("source").wake();
      engine.run();
      const auto listed = engine->list_queue("source -> sink", 10);
      REQUIRE(listed.ok());
      REQUIRE(listed->size() == 1);
      CHECK(listed->front().entry_ms == engine.clock.wall_ms());
    }
  }
}

TEST_CASE("a machine that boots in 1976 keeps what it has, until it knows the time") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 5;
  REQUIRE(engine->start(expiring_flow().build()).ok());
  engine.run();
  CHECK(engine->stop(1s).ok());
  engine.engine.reset();
  constexpr std::chrono::milliseconds kBehind = 24h * 365 * 50;
  engine.clock.jump_wall(-kBehind);
  engine.open();
  role("source").to_make = 2;
  REQUIRE(engine->start(expiring_flow().build()).ok());
  engine.run();
  CHECK(engine.connection("source -> sink").count == 7);
  engine.advance(8s);
  engine.clock.jump_wall(kBehind);
  engine.advance(1s);
  CHECK(engine.connection("source -> sink").count == 7);
  engine.advance(1500ms);
  CHECK(engine->status().loss.expired == 7);
  engine.check_balanced();
}

}  // namespace
}  // namespace runnel
