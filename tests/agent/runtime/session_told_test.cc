// What sessions tell provenance, and when.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

// A driven ledger with one connection: source -> queue -> sink, and what was told of both.
class Told {
 public:
  Told() : ledger(Ledger::open({.directory = path, .clock = &clock, .is_driven = true}).value()) {
    log = ProvenanceLog::open({}, ledger->provenance_shelf(), ledger->mutex()).value();
    ledger->set_provenance(log.get());
    queue = ledger->attach({.id = "queue", .name = "queue"}).value();
    source_wiring.processor_id = "source";
    source_wiring.outlets = {{"success", {queue}}};
    sink_wiring.processor_id = "sink";
    sink_wiring.inputs = {queue};
    for (Wiring* wiring : {&source_wiring, &sink_wiring}) wiring->provenance = log.get();
  }
  ~Told() {
    ledger->set_provenance(nullptr);
    ledger.reset();
    std::filesystem::remove_all(path);
  }

  void give(SessionCore& session) {
    session.begin_call();
    const FlowFile made = session.create();
    if (first_id == 0) first_id = made.id();
    session.transfer(made, Relationship{0});
    session.commit();
  }
  void take(SessionCore& session) {
    session.begin_call();
    session.drop(session.get());
    session.commit();
  }
  // "KIND first-last" of each, the newest first.
  std::vector<std::string> all() {
    const auto answer = log->query({}, {});
    REQUIRE(answer.ok());
    std::vector<std::string> texts;
    for (const ProvenanceEvent& event : answer->events) {
      REQUIRE(event.flowfiles.size() == 1);
      const auto& [first, last] = event.flowfiles[0];
      texts.push_back(std::string(name_of(event.kind)) + " " + std::to_string(first - first_id) +
                      "-" + std::to_string(last - first_id));
    }
    return texts;
  }

  const std::string path = new_folder();
  ManualClock clock;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<ProvenanceLog> log;
  Queue* queue = nullptr;
  Wiring source_wiring, sink_wiring;
  HandOver source_owner{*ledger, source_wiring};
  HandOver sink_owner{*ledger, sink_wiring};
  std::uint64_t first_id = 0;

 private:
  static std::string new_folder() {
    char name[] = "/tmp/runnel_told_XXXXXX";
    return mkdtemp(name);
  }
};

TEST_CASE("what a session of one FlowFile tells is there when its commit is") {
  Told told;
  SessionCore session(*told.ledger, told.source_wiring, told.source_owner);
  std::vector<std::string> seen;
  session.begin_call();
  const FlowFile made = session.create();
  told.first_id = made.id();
  session.transfer(made, Relationship{0});
  session.when_ended([&](bool is_committed) {
    CHECK(is_committed);
    seen = told.all();
  });
  session.commit();
  CHECK(seen == std::vector<std::string>{"CREATE 0-0"});
}

TEST_CASE(
    "sessions of one FlowFile tell one event for all of a millisecond, in the order of each") {
  Told told;
  SessionCore source(*told.ledger, told.source_wiring, told.source_owner);
  SessionCore sink(*told.ledger, told.sink_wiring, told.sink_owner);
  for (int i = 0; i < 4; ++i) {
    told.give(source);
    told.take(sink);
  }
  CHECK(told.all() == std::vector<std::string>{"DROP 0-3", "CREATE 0-3"});
  told.clock.advance(std::chrono::milliseconds(2));
  told.give(source);
  told.ledger->drive_cut(true);  // what was gathered is written, and joined no more
  REQUIRE(told.ledger->drive_write().ok());
  told.give(source);
  told.take(sink);
  CHECK(told.all() ==
        std::vector<std::string>{"DROP 4-4", "CREATE 5-5", "CREATE 4-4", "DROP 0-3", "CREATE 0-3"});
}

TEST_CASE("who tells by itself does not overtake what sessions have told of the same FlowFile") {
  Told told;
  SessionCore source(*told.ledger, told.source_wiring, told.source_owner);
  told.give(source);
  const IdRange only{told.first_id, told.first_id};
  told.log->add({.kind = ProvenanceKind::kDownload,
                 .at_ms = told.clock.wall_ms(),
                 .component = "queue",
                 .flowfiles = {&only, 1}});
  CHECK(told.all() == std::vector<std::string>{"DOWNLOAD 0-0", "CREATE 0-0"});
}

}  // namespace
}  // namespace runnel
