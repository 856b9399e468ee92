// Agents and what they are brought to: registration, updates, failures, operations, silence,
// restarts of the hub.

#include "hub/fleet/fleet.h"

#include <doctest/doctest.h>

#include "agent/c2/supported_operations.h"
#include "agent/spec/manifest.h"
#include "tests/hub/support/hub_folder.h"

namespace runnel::hub {
namespace {

constexpr const char* kFlow =
    "flow: demo\nprocessors:\n  log: {type: LogAttribute, terminate: [success]}\n";

// A hub without listeners, on a clock that stands still.
struct Stage {
  HubFolder folder;
  ManualClock clock;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Classes> classes;
  std::unique_ptr<Manifests> manifests;
  std::unique_ptr<Events> events;
  std::unique_ptr<Fleet> fleet;

  Stage() { open(); }
  void open() {
    catalog = *Catalog::open(*folder.store, clock);
    classes = *Classes::open(*folder.store, *catalog, clock);
    manifests = *Manifests::open(*folder.store, clock);
    events = *Events::open(*folder.store, clock);
    fleet = *Fleet::open({*folder.store, *catalog, *classes, *manifests, *events, clock});
  }
  void restart() {
    fleet.reset();
    folder.open();
    open();
  }
  VersionPtr push(const std::string& text = kFlow) {
    return catalog->push(text, "", "ann")->version;
  }
  void deploy(const VersionPtr& version) { REQUIRE(classes->deploy("trucks", version, "ann")); }

  c2::Heartbeat heartbeat(const std::string& flow_id = "", bool is_runnel = true) {
    c2::Heartbeat out;
    out.agent.identifier = "truck-1";
    out.agent.agent_class = "trucks";
    Manifest manifest = make_manifest({}, c2::supported_operations());
    if (!is_runnel) manifest.agent_type = "minifi-java";
    out.agent.manifest_hash = manifest_hash(manifest);
    out.agent.manifest_json = to_json(manifest);
    out.flow.flow_id = flow_id;
    if (is_runnel) {
      out.runnel.emplace();
      out.runnel->boot = "boot";
      out.runnel->interval_ms = 5'000;
    }
    return out;
  }
  std::vector<c2::Operation> beat(const c2::Heartbeat& heartbeat) {
    const auto answer = fleet->heartbeat(heartbeat, "https://hub");
    REQUIRE(answer.ok());
    return answer->operations;
  }
  void acknowledge(const std::string& id, c2::AckState state, const std::string& details = "") {
    c2::Acknowledgement out;
    out.operation_id = id;
    out.state = state;
    out.details = details;
    fleet->acknowledge(std::move(out));
  }
  Judgement judged() {
    Judgement judgement;
    fleet->look_at("truck-1", [&](const Agent& agent) {
      judgement = judge(agent, classes->find("trucks").get(), clock.steady());
    });
    return judgement;
  }
};

TEST_CASE("an agent registers by its first heartbeat and is online") {
  Stage stage;
  CHECK(stage.beat(stage.heartbeat()).empty());
  CHECK(stage.fleet->size() == 1);
  CHECK(stage.judged().connectivity == Connectivity::kOnline);
  CHECK(stage.judged().sync == Sync::kUnassigned);
  CHECK(stage.classes->find("trucks") != nullptr);
}

TEST_CASE("an unknown manifest is asked for once, before anything else is known") {
  Stage stage;
  c2::Heartbeat light = stage.heartbeat();
  light.agent.manifest_json.clear();
  const auto operations = stage.beat(light);
  REQUIRE(operations.size() == 1);
  CHECK(operations[0].verb == c2::Verb::kDescribe);
  CHECK(stage.beat(light).empty());
}

TEST_CASE("what an agent's components remember is asked for, and told line by line") {
  Stage stage;
  c2::Heartbeat heartbeat = stage.heartbeat();
  heartbeat.runnel->processors = {{.id = "p1", .name = "tail", .type = "TailFile"}};
  stage.beat(heartbeat);
  const auto asked = stage.fleet->ask("truck-1", {"describe", "corecomponentstate", ""}, "ann");
  REQUIRE(asked.ok());
  const auto operations = stage.beat(heartbeat);
  REQUIRE(operations.size() == 1);
  CHECK(operations[0].verb == c2::Verb::kDescribe);
  CHECK(operations[0].operand == "corecomponentstate");
  c2::Acknowledgement answer;
  answer.operation_id = asked->id;
  answer.state = c2::AckState::kFullyApplied;
  answer.details = "2 components, 2 keys";
  answer.memories = {{.id = "p1", .values = {{"position", "7"}}},
                     {.id = "p2", .values = {{"large", std::string(20'000, 'x')}}}};
  stage.fleet->acknowledge(std::move(answer));
  std::string detail;
  stage.fleet->look_at("truck-1", [&](const Agent& agent) {
    for (const Operation& one : agent.operations) {
      if (one.id == asked->id) detail = one.detail.value_or("");
    }
  });
  CHECK(detail == "2 components, 2 keys\ntail: position = 7\n…");
}

TEST_CASE("an agent of which no manifest is known is not asked what it may not know") {
  Stage stage;
  c2::Heartbeat light = stage.heartbeat();
  light.agent.manifest_json.clear();
  stage.beat(light);
  CHECK(stage.fleet->ask("truck-1", {"describe", "corecomponentstate", ""}, "ann").code() ==
        Code::kUnavailable);
}

TEST_CASE("a deployed flow is offered until the agent reports it") {
  Stage stage;
  const VersionPtr version = stage.push();
  stage.deploy(version);
  const auto first = stage.beat(stage.heartbeat());
  REQUIRE(first.size() == 1);
  CHECK(first[0].verb == c2::Verb::kUpdate);
  CHECK(*first[0].argument("flowId") == version->id);
  CHECK(first[0]
            .argument("location")
            ->find("/efm/api/flows/" + version->id + "/content?aid=truck-1") != std::string::npos);
  CHECK(*first[0].argument("sha256") == version->sha256);
  CHECK(stage.judged().sync == Sync::kPending);
  CHECK(stage.beat(stage.heartbeat()).empty());
  stage.fleet->fetched("truck-1", version->id);
  CHECK(stage.judged().sync == Sync::kApplying);
  // The answer was lost: the same operation again, which the agent knows by its identifier.
  stage.clock.advance(std::chrono::seconds(20));
  const auto again = stage.beat(stage.heartbeat());
  REQUIRE(again.size() == 1);
  CHECK(again[0].identifier == first[0].identifier);
  CHECK(stage.beat(stage.heartbeat(version->id)).empty());
  CHECK(stage.judged().sync == Sync::kInSync);
  stage.clock.advance(std::chrono::minutes(10));
  CHECK(stage.beat(stage.heartbeat(version->id)).empty());
}

TEST_CASE(
    "a flow that was refused is failed with its reason, and is not sent again until it is deployed "
    "again") {
  Stage stage;
  stage.deploy(stage.push());
  const auto first = stage.beat(stage.heartbeat());
  stage.acknowledge(first[0].identifier, c2::AckState::kNotApplied, "port 80 is taken");
  CHECK(stage.judged().sync == Sync::kFailed);
  CHECK(stage.judged().sync_reason == "port 80 is taken");
  stage.clock.advance(std::chrono::hours(5));
  CHECK(stage.beat(stage.heartbeat()).empty());
  REQUIRE(stage.fleet->flush());
  stage.restart();
  CHECK(stage.beat(stage.heartbeat()).empty());
  stage.deploy(stage.catalog->latest("demo"));
  CHECK(stage.beat(stage.heartbeat()).size() == 1);
  CHECK(stage.judged().sync == Sync::kPending);
}

TEST_CASE("a fetch that failed is tried again by itself, later and later") {
  Stage stage;
  stage.deploy(stage.push());
  stage.acknowledge(stage.beat(stage.heartbeat())[0].identifier, c2::AckState::kNotApplied,
                    "fetching the flow: timed out");
  CHECK(stage.judged().sync == Sync::kFailed);
  CHECK(stage.beat(stage.heartbeat()).empty());
  stage.clock.advance(std::chrono::seconds(31));
  const auto again = stage.beat(stage.heartbeat());
  REQUIRE(again.size() == 1);
  stage.acknowledge(again[0].identifier, c2::AckState::kNotApplied, "fetching the flow: timed out");
  stage.clock.advance(std::chrono::seconds(31));
  CHECK(stage.beat(stage.heartbeat()).empty());
  stage.clock.advance(std::chrono::seconds(31));
  CHECK(stage.beat(stage.heartbeat()).size() == 1);
}

TEST_CASE("a flow of which not all could be started is in sync, and says what does not run") {
  Stage stage;
  const VersionPtr version = stage.push();
  stage.deploy(version);
  const auto first = stage.beat(stage.heartbeat());
  stage.acknowledge(first[0].identifier, c2::AckState::kPartiallyApplied, "the flow runs, but …");
  c2::Heartbeat beat = stage.heartbeat(version->id);
  beat.runnel->processors = {
      {.id = "1", .name = "listen", .run_state = "starting", .error = "port 8080 is taken"},
      {.id = "2", .name = "log", .run_state = "running"}};
  CHECK(stage.beat(beat).empty());
  CHECK(stage.judged().sync == Sync::kInSync);
  CHECK(stage.judged().sync_reason == "not all of it runs: `listen`: port 8080 is taken");
  stage.fleet->look_at("truck-1", [&](const Agent& agent) {
    CHECK(agent.operations[0].state == OperationState::kDone);
    CHECK(!agent.is_failed);
  });
  // It is not sent again; and as soon as it starts, nothing is wrong.
  stage.clock.advance(std::chrono::minutes(10));
  beat.runnel->processors[0] = {.id = "1", .name = "listen", .run_state = "running"};
  CHECK(stage.beat(beat).empty());
  CHECK(stage.judged().sync_reason.empty());
}

TEST_CASE("a newer deployment takes the place of one that is under way") {
  Stage stage;
  stage.deploy(stage.push());
  const auto first = stage.beat(stage.heartbeat());
  const VersionPtr second = stage.push(std::string(kFlow) + "# two\n");
  stage.deploy(second);
  const auto newer = stage.beat(stage.heartbeat());
  REQUIRE(newer.size() == 1);
  CHECK(*newer[0].argument("flowId") == second->id);
  // An acknowledgement of what was superseded says nothing of what is wanted now.
  stage.acknowledge(first[0].identifier, c2::AckState::kNotApplied, "no");
  CHECK(stage.judged().sync == Sync::kPending);
}

TEST_CASE("operations are delivered once, acknowledged, superseded, or expire") {
  Stage stage;
  stage.beat(stage.heartbeat());
  const auto stop = stage.fleet->ask("truck-1", {"stop", "flow", ""}, "ann");
  REQUIRE(stop.ok());
  REQUIRE(stage.fleet->ask("truck-1", {"start", "flow", ""}, "ann").ok());
  const auto sent = stage.beat(stage.heartbeat());
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].verb == c2::Verb::kStart);
  stage.acknowledge(sent[0].identifier, c2::AckState::kFullyApplied);
  CHECK(stage.beat(stage.heartbeat()).empty());
  REQUIRE(stage.fleet->ask("truck-1", {"restart", "agent", ""}, "ann").ok());
  stage.clock.advance(std::chrono::hours(2));
  CHECK(stage.beat(stage.heartbeat()).empty());
  std::vector<std::string> states;
  stage.fleet->look_at("truck-1", [&](const Agent& agent) {
    for (const Operation& each : agent.operations) states.emplace_back(name_of(each.state));
  });
  CHECK(states == std::vector<std::string>{"superseded", "done", "expired"});
  CHECK(stage.fleet->ask("ghost", {"stop", "flow", ""}, "ann").code() == Code::kNotFound);
  CHECK(stage.fleet->ask("truck-1", {"stop", "manifest", ""}, "ann").code() == Code::kInvalid);
}

TEST_CASE(
    "a processor or a process group runs once as often as that is asked, on agents that know how") {
  Stage stage;
  const VersionPtr version = stage.push(
      "flow: demo\nprocessors:\n  log: {type: LogAttribute, terminate: [success]}\n"
      "groups:\n  inner:\n    processors:\n      note: {type: LogAttribute, terminate: "
      "[success]}\n");
  stage.beat(stage.heartbeat(version->id));
  const auto first = stage.fleet->ask("truck-1", {"run_once", "processor", "log"}, "ann");
  REQUIRE(first.ok());
  REQUIRE(stage.fleet->ask("truck-1", {"run_once", "processor", "log"}, "ann").ok());
  const auto group = stage.fleet->ask("truck-1", {"run_once", "processor", "inner"}, "ann");
  REQUIRE(group.ok());
  CHECK(group->target_name == "inner");
  const auto sent = stage.beat(stage.heartbeat(version->id));
  REQUIRE(sent.size() == 3);
  for (const c2::Operation& each : sent) {
    CHECK(each.verb == c2::Verb::kStart);
    CHECK(each.operand == "processor");
    CHECK(*each.argument("runOnce") == "true");
  }
  CHECK(*sent[0].argument("processorId") == *first->target);
  CHECK(*sent[2].argument("processorId") == *group->target);
  CHECK(stage.fleet->ask("truck-1", {"run_once", "flow", ""}, "ann").code() == Code::kInvalid);
  CHECK(stage.fleet->ask("truck-1", {"run_once", "processor", "ghost"}, "ann").code() ==
        Code::kNotFound);
  // An agent that does not know `runOnce` would start the processor for good.
  c2::Heartbeat other = stage.heartbeat(version->id);
  Manifest manifest = make_manifest({}, {{.type = "START", .operands = {{.name = "PROCESSOR"}}}});
  other.agent.manifest_hash = manifest_hash(manifest);
  other.agent.manifest_json = to_json(manifest);
  stage.beat(other);
  CHECK(stage.fleet->ask("truck-1", {"run_once", "processor", "log"}, "ann").code() ==
        Code::kUnavailable);
}

TEST_CASE("an operation that was asked for survives a restart of the hub") {
  Stage stage;
  stage.beat(stage.heartbeat());
  REQUIRE(stage.fleet->flush());
  REQUIRE(stage.manifests->flush());
  REQUIRE(stage.fleet->ask("truck-1", {"stop", "flow", ""}, "ann").ok());
  stage.restart();
  const auto sent = stage.beat(stage.heartbeat());
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].verb == c2::Verb::kStop);
}

TEST_CASE("foreign agents get one operation an answer, and none that they cannot read") {
  Stage stage;
  c2::Heartbeat java = stage.heartbeat("", false);
  stage.beat(java);
  REQUIRE(stage.fleet->ask("truck-1", {"stop", "flow", ""}, "ann").ok());
  REQUIRE(stage.fleet->ask("truck-1", {"restart", "agent", ""}, "ann").ok());
  CHECK(stage.beat(java).size() == 1);
  CHECK(stage.beat(java).size() == 1);
  CHECK(stage.beat(java).empty());
  stage.deploy(stage.push());
  CHECK(stage.beat(java).empty());
  CHECK(stage.judged().sync == Sync::kFailed);
  CHECK(stage.judged().sync_reason.find("minifi-java") != std::string::npos);
}

c2::Heartbeat running(c2::Heartbeat heartbeat, const std::string& boot = "boot") {
  heartbeat.runnel->boot = boot;
  heartbeat.runnel->flow_name = "demo";
  heartbeat.flow.run_status = c2::RunStatus::kRunning;
  return heartbeat;
}

c2::Heartbeat standing(c2::Heartbeat heartbeat) {
  heartbeat = running(std::move(heartbeat));
  heartbeat.flow.run_status = c2::RunStatus::kStopped;
  return heartbeat;
}

TEST_CASE(
    "a class that was stopped stops agents that join it later, also after a restart of the hub") {
  Stage stage;
  const VersionPtr version = stage.push();
  stage.deploy(version);
  const auto asked = stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann");
  REQUIRE(asked.ok());
  CHECK(asked->empty());
  stage.restart();
  // The flow comes first: it may begin running, whatever ran before it.
  const auto first = stage.beat(stage.heartbeat());
  REQUIRE(first.size() == 1);
  CHECK(first[0].verb == c2::Verb::kUpdate);
  const auto second = stage.beat(running(stage.heartbeat(version->id)));
  REQUIRE(second.size() == 1);
  CHECK(second[0].verb == c2::Verb::kStop);
  CHECK(second[0].operand == "flow");
  stage.acknowledge(second[0].identifier, c2::AckState::kFullyApplied);
  CHECK(stage.beat(standing(stage.heartbeat(version->id))).empty());
}

TEST_CASE("an agent that starts anew in a stopped class is stopped anew") {
  Stage stage;
  stage.beat(running(stage.heartbeat()));
  REQUIRE(stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann").ok());
  const auto sent = stage.beat(running(stage.heartbeat()));
  REQUIRE(sent.size() == 1);
  stage.acknowledge(sent[0].identifier, c2::AckState::kFullyApplied);
  stage.beat(standing(stage.heartbeat()));
  stage.clock.advance(std::chrono::hours(30));
  const auto again = stage.beat(running(stage.heartbeat(), "another boot"));
  REQUIRE(again.size() == 1);
  CHECK(again[0].verb == c2::Verb::kStop);
  std::string detail;
  stage.fleet->look_at(
      "truck-1", [&](const Agent& agent) { detail = agent.operations.back().detail.value_or(""); });
  CHECK(detail == "class trucks is to be stopped, as ann asked");
}

TEST_CASE("two agents that go by one id are told from one that starts anew, once an hour") {
  Stage stage;
  const auto said = [&stage](std::string_view severity) {
    EventQuery query;
    query.kinds = {"agent_restarted"};
    query.severities = {std::string(severity)};
    return stage.events->find(query)->size();
  };
  stage.beat(running(stage.heartbeat(), "first"));
  stage.beat(running(stage.heartbeat(), "second"));
  CHECK(said("warning") == 1);
  CHECK(said("error") == 0);
  for (int turn = 0; turn < 5; ++turn) {
    stage.beat(running(stage.heartbeat(), "first"));
    stage.beat(running(stage.heartbeat(), "second"));
  }
  CHECK(said("warning") == 1);
  CHECK(said("error") == 1);
  stage.clock.advance(std::chrono::hours(2));
  stage.beat(running(stage.heartbeat(), "first"));
  CHECK(said("error") == 2);
}

TEST_CASE(
    "an agent that was offline while its class was stopped and started again is left running") {
  Stage stage;
  stage.beat(running(stage.heartbeat()));
  REQUIRE(stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann").ok());
  stage.clock.advance(std::chrono::hours(2));
  REQUIRE(stage.fleet->ask_class("trucks", {"start", "flow", ""}, "ann").ok());
  stage.clock.advance(std::chrono::hours(2));
  CHECK(stage.beat(running(stage.heartbeat())).empty());
}

TEST_CASE("what one agent is asked for holds before its class, until the class is asked again") {
  Stage stage;
  stage.beat(standing(stage.heartbeat()));
  REQUIRE(stage.manifests->flush());
  REQUIRE(stage.fleet->flush());
  REQUIRE(stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann").ok());
  stage.beat(standing(stage.heartbeat()));
  REQUIRE(stage.fleet->ask("truck-1", {"start", "flow", ""}, "bob").ok());
  // Killed before agents went to disk.
  stage.restart();
  const auto started = stage.beat(standing(stage.heartbeat()));
  REQUIRE(started.size() == 1);
  CHECK(started[0].verb == c2::Verb::kStart);
  stage.acknowledge(started[0].identifier, c2::AckState::kFullyApplied);
  CHECK(stage.beat(running(stage.heartbeat())).empty());
  REQUIRE(stage.fleet->flush());
  stage.restart();
  CHECK(stage.beat(running(stage.heartbeat())).empty());
  // Also when the hub's clock was set back meanwhile.
  stage.clock.jump_wall(-std::chrono::hours(1));
  REQUIRE(stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann").ok());
  const auto stopped = stage.beat(running(stage.heartbeat()));
  REQUIRE(stopped.size() == 1);
  CHECK(stopped[0].verb == c2::Verb::kStop);
}

TEST_CASE("an agent that refuses to stop is asked again later and later") {
  Stage stage;
  stage.beat(running(stage.heartbeat()));
  REQUIRE(stage.fleet->ask_class("trucks", {"stop", "flow", ""}, "ann").ok());
  int asked = 0;
  for (int second = 0; second < 600; ++second) {
    for (const c2::Operation& each : stage.beat(running(stage.heartbeat()))) {
      ++asked;
      stage.acknowledge(each.identifier, c2::AckState::kNotApplied, "busy");
    }
    stage.clock.advance(std::chrono::seconds(1));
  }
  CHECK(asked >= 5);
  CHECK(asked <= 8);
}

TEST_CASE("an agent without a flow, or that does not say whether it runs, is not told to start") {
  Stage stage;
  stage.beat(stage.heartbeat());
  REQUIRE(stage.fleet->ask_class("trucks", {"start", "flow", ""}, "ann").ok());
  stage.acknowledge(stage.beat(stage.heartbeat())[0].identifier, c2::AckState::kNotApplied,
                    "no flow to start");
  stage.clock.advance(std::chrono::hours(1));
  c2::Heartbeat empty = stage.heartbeat();
  empty.flow.run_status = c2::RunStatus::kStopped;
  CHECK(stage.beat(empty).empty());
  c2::Heartbeat silent = stage.heartbeat("some flow");
  CHECK(stage.beat(silent).empty());
}

TEST_CASE("who falls silent is late, then offline, then back; each is told once") {
  Stage stage;
  stage.beat(stage.heartbeat());
  stage.clock.advance(std::chrono::seconds(10));
  CHECK(stage.judged().connectivity == Connectivity::kLate);
  stage.clock.advance(std::chrono::seconds(20));
  CHECK(stage.judged().connectivity == Connectivity::kOffline);
  stage.fleet->sweep();
  stage.fleet->sweep();
  stage.beat(stage.heartbeat());
  const auto events = *stage.events->find({});
  std::string kinds;
  for (const FleetEvent& event : events) kinds += event.kind + " ";
  CHECK(kinds == "agent_online agent_offline agent_registered ");
}

TEST_CASE("a class that a foreign agent calls as ours cannot be called is told with both names") {
  Stage stage;
  c2::Heartbeat odd = stage.heartbeat("", false);
  odd.agent.agent_class = "my trucks";
  stage.beat(odd);
  stage.beat(odd);
  const auto told = *stage.events->find({});
  REQUIRE(told.size() == 1);
  CHECK(told[0].kind == "agent_registered");
  CHECK(told[0].severity == "warning");
  CHECK(told[0].agent_class == "my_trucks");
  CHECK(told[0].message ==
        "truck-1 registered in class my_trucks: it calls its class `my trucks`, and the name of a "
        "class is 1 to 64 of A-Z a-z 0-9 . _ -");
}

TEST_CASE("an agent that comes in another class is told with the one that it was in") {
  Stage stage;
  c2::Heartbeat beat = stage.heartbeat();
  stage.beat(beat);
  beat.agent.agent_class = "vans";
  stage.beat(beat);
  stage.beat(beat);
  const auto told = *stage.events->find({});
  REQUIRE(told.size() == 2);
  CHECK(told[0].severity == "info");
  CHECK(told[0].message == "truck-1 registered in class vans; it was in trucks");
}

TEST_CASE("an agent that was told to come less often is not late by what it said before") {
  Stage stage;
  c2::Heartbeat busy = stage.heartbeat();
  busy.runnel->interval_ms = 1'000;
  stage.beat(busy);
  stage.clock.advance(std::chrono::seconds(5));
  CHECK(stage.judged().connectivity == Connectivity::kOnline);
}

TEST_CASE("numbers beyond all bounds in a heartbeat are added up without running over") {
  Stage stage;
  c2::Heartbeat absurd = stage.heartbeat();
  absurd.runnel->interval_ms = INT64_MAX;
  for (int i = 0; i < 3; ++i) {
    absurd.flow.queues.push_back(
        {.id = std::to_string(i), .size = INT64_MAX, .data_size = INT64_MIN});
  }
  stage.beat(absurd);
  stage.fleet->look_at("truck-1", [](const Agent& agent) {
    CHECK(queued_count(agent) == INT64_MAX);
    CHECK(queued_bytes(agent) == INT64_MIN);
  });
  stage.clock.advance(std::chrono::hours(24 * 60));
  CHECK(stage.judged().connectivity == Connectivity::kOffline);
}

TEST_CASE("what a full disk kept from being written is written when there is room again") {
  Stage stage;
  const auto pages = [&](int count) {
    return stage.folder.store->write([&](Database& database) {
      return database.execute("PRAGMA max_page_count=" + std::to_string(count));
    });
  };
  REQUIRE(pages(1));
  for (int i = 0; i < 200; ++i) {
    c2::Heartbeat heartbeat = stage.heartbeat();
    heartbeat.agent.identifier = "truck-" + std::to_string(i);
    heartbeat.agent.agent_class = "class-of-many-letters-" + std::to_string(i);
    stage.beat(heartbeat);
  }
  CHECK(!stage.classes->flush().ok());
  CHECK(!stage.fleet->flush().ok());
  CHECK(!stage.events->flush().ok());
  REQUIRE(pages(100'000));
  REQUIRE(stage.classes->flush());
  REQUIRE(stage.manifests->flush());
  REQUIRE(stage.fleet->flush());
  REQUIRE(stage.events->flush());
  stage.restart();
  CHECK(stage.fleet->size() == 200);
  CHECK(stage.classes->all().size() == 200);
  CHECK(stage.manifests->all().size() == 1);
  EventQuery query;
  query.limit = 1'000;
  CHECK(stage.events->find(query)->size() == 200);
}

TEST_CASE("a restarted hub knows its agents, and says that it has not heard them yet") {
  Stage stage;
  const VersionPtr version = stage.push();
  stage.deploy(version);
  stage.beat(stage.heartbeat(version->id));
  REQUIRE(stage.fleet->flush());
  stage.restart();
  CHECK(stage.fleet->size() == 1);
  CHECK(stage.judged().connectivity == Connectivity::kLate);
  CHECK(stage.judged().sync == Sync::kInSync);
}

TEST_CASE("events are found by filter, from memory and after a restart") {
  Stage stage;
  stage.beat(stage.heartbeat());
  for (int i = 0; i < 20; ++i) {
    FleetEvent event;
    event.kind = i % 2 == 0 ? "login" : "logout";
    event.severity = "info";
    event.message = "Event " + std::to_string(i);
    stage.events->add(event);
  }
  REQUIRE(stage.events->flush());
  stage.restart();
  EventQuery query;
  query.kinds = {"login"};
  query.limit = 3;
  const auto found = *stage.events->find(query);
  REQUIRE(found.size() == 3);
  CHECK(found[0].message == "Event 18");
  query.before = found[2].id;
  CHECK((*stage.events->find(query))[0].message == "Event 12");
  query = {};
  query.text = "event 7";
  CHECK(stage.events->find(query)->size() == 1);
}

TEST_CASE("a heartbeat without a good id is refused") {
  Stage stage;
  c2::Heartbeat bad = stage.heartbeat();
  bad.agent.identifier = "a b";
  CHECK(stage.fleet->heartbeat(bad, "").code() == Code::kInvalid);
  bad.agent.identifier = std::string(129, 'x');
  CHECK(stage.fleet->heartbeat(bad, "").code() == Code::kInvalid);
  CHECK(stage.fleet->size() == 0);
}

}  // namespace
}  // namespace runnel::hub
