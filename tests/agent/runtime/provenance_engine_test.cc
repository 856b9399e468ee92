// What a running engine tells by itself: every way in which a FlowFile begins, changes and ends.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::vector<ProvenanceEvent> events_of(DrivenEngine& engine, ProvenanceKind kind) {
  ProvenanceQuery query;
  query.kind = kind;
  query.limit = 1000;
  auto answer = engine->provenance(query);
  REQUIRE_MESSAGE(answer.ok(), answer.error().text());
  return std::move(answer->events);
}

TEST_CASE("a FlowFile that is handed over and sent two ways is cloned, and that is told") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 2;
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("async", "TestAsync")
                          .processor("one", "TestSink")
                          .processor("two", "TestSink")
                          .connect("source", "async")
                          .connect("async.success", "one")
                          .connect("async.success", "two")
                          .build())
              .ok());
  engine.run();
  std::vector<Handed> handed;
  {
    Lock lock(role("async").mutex);
    handed.swap(role("async").handed);
  }
  REQUIRE(handed.size() == 2);
  Handed::transfer_all(handed, Relationship{0});
  engine.run();
  const auto clones = events_of(engine, ProvenanceKind::kClone);
  REQUIRE(clones.size() == 1);
  CHECK(clones[0].component == "async");
  CHECK(clones[0].count == 2);
  REQUIRE(clones[0].parents.size() == 1);
  const std::uint64_t parent = clones[0].parents[0].first;
  const auto lineage = engine->lineage(parent);
  REQUIRE(lineage.ok());
  REQUIRE(lineage->descent.size() == 1);
  CHECK(lineage->descent[0].child == clones[0].flowfiles[0].first);
  CHECK(lineage->last_events.at(parent).kind == ProvenanceKind::kDrop);
  CHECK(lineage->last_events.at(parent).type == "TestSink");
}

TEST_CASE("the drop of an auto-terminated FlowFile names its relationship") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 3;
  role("pass").send_to = "failure";
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("pass", "TestPass")
                          .processor("sink", "TestSink")
                          .connect("source", "pass")
                          .connect("pass.success", "sink")
                          .build())
              .ok());
  engine.run();
  ProvenanceQuery query;
  query.relationship = "failure";
  const auto answer = engine->provenance(query);
  REQUIRE(answer.ok());
  REQUIRE(answer->events.size() == 1);
  CHECK(answer->events[0].kind == ProvenanceKind::kDrop);
  CHECK(answer->events[0].details == "auto-terminated");
  CHECK(answer->events[0].count == 3);
}

TEST_CASE("what a full connection evicts is told as a drop") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 10;
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("sink", "TestSink",
                                     [](ProcessorNode& node) { node.is_stopped = true; })
                          .connect("source", "sink",
                                   [](Connection& connection) {
                                     connection.back_pressure.count = 4;
                                     connection.when_full = WhenFull::kDropOldest;
                                   })
                          .build())
              .ok());
  engine.run();
  std::uint64_t told = 0;
  for (const ProvenanceEvent& event : events_of(engine, ProvenanceKind::kDrop)) {
    CHECK(event.details == "evicted: its connection was full");
    told += event.count;
  }
  CHECK(told == engine->status().loss.evicted);
  CHECK(told > 0);
}

TEST_CASE("a FlowFile that goes back for a retry is not told to have been routed") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1;
  role("pass").send_to = "failure";
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("pass", "TestPass",
                                     [](ProcessorNode& node) {
                                       node.retry = {{.relationship = "failure",
                                                      .attempts = 2,
                                                      .backoff_first = 1s,
                                                      .backoff_max = 1s,
                                                      .at = {}}};
                                     })
                          .processor("sink", "TestSink")
                          .connect("source", "pass")
                          .connect("pass.failure", "sink")
                          .build())
              .ok());
  engine.run();
  CHECK(role("pass").seen == 1);
  CHECK(events_of(engine, ProvenanceKind::kRoute).empty());
  engine.advance(5s);
  engine.advance(5s);
  CHECK(role("pass").seen == 3);
  const auto routes = events_of(engine, ProvenanceKind::kRoute);
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].relationship == "failure");
}

TEST_CASE("an operator who is shown content is told of as a download") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1;
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("sink", "TestSink",
                                     [](ProcessorNode& node) { node.is_stopped = true; })
                          .connect("source", "sink")
                          .build())
              .ok());
  engine.run();
  const auto queued = engine->list_queue("source -> sink", 1);
  REQUIRE(queued.ok());
  REQUIRE(engine->peek("source -> sink", queued->at(0).id, 0).ok());
  CHECK(events_of(engine, ProvenanceKind::kDownload).empty());
  REQUIRE(engine->peek("source -> sink", queued->at(0).id, 100).ok());
  const auto shown = events_of(engine, ProvenanceKind::kDownload);
  REQUIRE(shown.size() == 1);
  CHECK(shown[0].component == "source -> sink");
  CHECK(shown[0].flowfiles[0].first == queued->at(0).id);
}

TEST_CASE("events are found by a recorded attribute, and one that is not recorded is named") {
  clear_roles();
  DrivenEngine engine([](EngineOptions& options) {
    options.provenance.attributes = {"filename", "kind", "changed"};
  });
  role("source").to_make = 100;
  role("pass").change = "new";
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("pass", "TestPass")
                          .processor("sink", "TestSink")
                          .connect("source", "pass")
                          .connect("pass", "sink")
                          .build())
              .ok());
  engine.run();
  const auto count_of = [&engine](const std::string& name, const std::string& value) {
    ProvenanceQuery query;
    query.kind = ProvenanceKind::kDrop;
    query.attributes = {{name, value}};
    const auto answer = engine->provenance(query);
    REQUIRE(answer.ok());
    std::uint64_t count = 0;
    for (const ProvenanceEvent& event : answer->events) count += event.count;
    return count;
  };
  for (int life = 0; life < 2; ++life) {
    CHECK(count_of("kind", "even") == 50);
    CHECK(count_of("kind", "odd") == 50);
    CHECK(count_of("kind", "neither") == 0);
    CHECK(count_of("changed", "new") == 100);
    engine.reopen();
  }
  ProvenanceQuery query;
  query.attributes = {{"colour", "red"}};
  const auto unknown = engine->provenance(query);
  CHECK(unknown.code() == Code::kInvalid);
  CHECK(unknown.error().text().find("provenance_attributes") != std::string::npos);
  // A FlowFile whose file name was never set has its uuid for one.
  const std::uint64_t one = events_of(engine, ProvenanceKind::kCreate).at(0).flowfiles[0].first;
  query.attributes = {{"filename", flowfile_uuid(engine->ledger().instance_id(), one)}};
  const auto named = engine->provenance(query);
  REQUIRE(named.ok());
  REQUIRE(!named->events.empty());
  CHECK(named->events[0].flowfiles[0].first == one);
}

TEST_CASE("an engine without provenance runs, and says why it cannot answer") {
  clear_roles();
  DrivenEngine engine([](EngineOptions& options) { options.provenance.bytes_max = 0; });
  role("source").to_make = 3;
  REQUIRE(engine
              ->start(FlowBuilder()
                          .processor("source", "TestSource")
                          .processor("sink", "TestSink")
                          .connect("source", "sink")
                          .build())
              .ok());
  engine.run();
  CHECK(role("sink").seen == 3);
  CHECK(engine->provenance({}).code() == Code::kUnavailable);
  CHECK(engine->lineage(1).code() == Code::kUnavailable);
  ReplayRequest all;
  all.from_ms = 0;
  CHECK(engine->replay(all).value().replayed_count == 0);
}

TEST_CASE("whichever page of the database is damaged, the engine starts and provenance goes on") {
  constexpr std::size_t kPage = 4096;
  clear_roles();
  DrivenEngine engine([](EngineOptions& options) { options.provenance.block_events = 8; });
  const auto flow = FlowBuilder()
                        .processor("source", "TestSource")
                        .processor("pass", "TestPass")
                        .processor("sink", "TestSink")
                        .connect("source", "pass")
                        .connect("pass", "sink")
                        .build();
  REQUIRE(engine->start(flow).ok());
  for (int i = 0; i < 200; ++i) {
    role("source").to_make = 7;
    role("source").wake();
    engine.run();
    if (i % 20 == 0) REQUIRE(engine->ledger().flush(10s).ok());
  }
  engine.engine.reset();
  const std::filesystem::path file = engine.directory.path + "/ledger.db";
  std::string whole;
  {
    std::ifstream in(file, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::size_t pages = whole.size() / kPage;
  REQUIRE(pages > 5);
  for (std::size_t page = 1; page < pages; page += std::max<std::size_t>(1, pages / 12)) {
    CAPTURE(page);
    for (const auto& entry : std::filesystem::directory_iterator(engine.directory.path))
      std::filesystem::remove_all(entry.path());
    std::string damaged = whole;
    damaged.replace(page * kPage, kPage, std::string(kPage, '\xA5'));
    std::ofstream(file, std::ios::binary) << damaged;
    engine.open();
    REQUIRE(engine->start(flow).ok());
    role("source").to_make = 3;
    role("source").wake();
    engine.run();
    REQUIRE(engine->ledger().flush(10s).ok());
    engine.reopen();
    const auto created = events_of(engine, ProvenanceKind::kCreate);
    REQUIRE(!created.empty());
    CHECK(created[0].count == 3);
    engine.check_balanced();
    engine.engine.reset();
  }
}

}  // namespace
}  // namespace runnel
