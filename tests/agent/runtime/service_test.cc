// Controller services: started before their users and stopped after them, whatever comes.

#include <doctest/doctest.h>

#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using Journal = std::vector<std::string>;

FlowBuilder::TuneProcessor uses(const std::string& service, const std::string& note = "") {
  return [service, note](ProcessorNode& node) {
    node.properties["Service"] = service;
    if (!note.empty()) node.properties["Note"] = note;
  };
}

FlowBuilder::TuneService needs(const std::string& other) {
  return [other](ServiceNode& node) { node.properties["Other"] = other; };
}

// source -> sink, both using `shared`, which uses `base`.
FlowBuilder two_users(const std::string& note = "", const std::string& service_note = "") {
  FlowBuilder flow;
  flow.service("shared",
               [&](ServiceNode& node) {
                 node.properties["Other"] = "base";
                 if (!service_note.empty()) node.properties["Note"] = service_note;
               })
      .service("base")
      .processor("source", "TestSource", uses("shared", note))
      .processor("sink", "TestSink", uses("shared", note))
      .connect("source", "sink");
  return flow;
}

TEST_CASE("a service starts once, before the first of its users, and stops after the last") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(two_users().build()).ok());
  CHECK(take_journal() == Journal{"start base", "start shared", "start sink", "start source"});
  CHECK(engine.service("shared").state == ServiceState::kRunning);
  CHECK(engine.service("shared").users == std::vector<std::string>{"sink", "source"});
  CHECK(engine.service("base").users == std::vector<std::string>{"shared"});
  REQUIRE(engine->stop_processor("source").ok());
  CHECK(take_journal() == Journal{"stop source"});
  REQUIRE(engine->stop_processor("sink").ok());
  CHECK(take_journal() == Journal{"stop sink", "stop shared", "stop base"});
  CHECK(engine.service("shared").state == ServiceState::kEnabled);
  REQUIRE(engine->start_processor("sink").ok());
  CHECK(take_journal() == Journal{"start base", "start shared", "start sink"});
  REQUIRE(engine->stop(1s).ok());
  CHECK(take_journal() == Journal{"stop sink", "stop shared", "stop base"});
}

TEST_CASE("what nobody uses is not started") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  flow.service("unused").processor("source", "TestSource");
  REQUIRE(engine->start(flow.build()).ok());
  CHECK(take_journal() == Journal{"start source"});
  CHECK(engine.service("unused").state == ServiceState::kEnabled);
}

TEST_CASE("an unchanged service goes on over an update, even if all its users are replaced") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(two_users().build()).ok());
  take_journal();
  REQUIRE(engine->update(two_users("changed").build()).ok());
  CHECK(take_journal() == Journal{"stop source", "stop sink", "start sink", "start source"});
  CHECK(role("shared").starts == 1);
  CHECK(engine.service("shared").users == std::vector<std::string>{"sink", "source"});
}

TEST_CASE("a changed service is replaced, with all that use it, and with nothing else") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(two_users().build()).ok());
  take_journal();
  REQUIRE(engine->update(two_users("", "changed").build()).ok());
  CHECK(take_journal() == Journal{"stop source", "stop sink", "stop shared", "start shared",
                                  "start sink", "start source"});
  CHECK(role("base").starts == 1);
}

TEST_CASE("a service that refuses to start fails the flow with its reason") {
  clear_roles();
  DrivenEngine engine;
  role("base").start_fails = 1;
  role("base").start_error = Code::kInvalid;
  const Result<> started = engine->start(two_users().build());
  REQUIRE(!started.ok());
  CHECK(started.code() == Code::kInvalid);
  CHECK(started.error().text() ==
        "starting processor `sink`: service `shared`: service `base`: the stage says no");
  CHECK(engine->flow() == nullptr);
}

TEST_CASE("an update whose service refuses to start leaves the old flow as it was") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(two_users().build()).ok());
  take_journal();
  for (const Code code : {Code::kInvalid, Code::kUnavailable}) {
    role("shared").start_fails = 1;
    role("shared").start_error = code;
    REQUIRE_FALSE(engine->update(two_users("", "changed").build()).ok());
    CHECK(engine.processor("source").state == RunState::kRunning);
    CHECK(engine.processor("sink").state == RunState::kRunning);
    CHECK(engine.service("shared").state == ServiceState::kRunning);
  }
  role("source").to_make = 5;
  role("source").wake();
  engine.run();
  CHECK(role("sink").seen == 5);
  engine.check_balanced();
}

TEST_CASE("a service that is not available yet is tried again, and its users start then") {
  clear_roles();
  DrivenEngine engine;
  role("shared").start_fails = 3;  // sink, source, and once more
  role("source").to_make = 5;
  REQUIRE(engine->start(two_users().build()).ok());
  CHECK(engine.service("shared").state == ServiceState::kFailed);
  CHECK(engine.service("shared").last_error == "the stage says no");
  CHECK(engine.processor("sink").state == RunState::kStarting);
  for (int i = 0; i < 10; ++i) engine.advance(5s);
  CHECK(engine.processor("sink").state == RunState::kRunning);
  CHECK(role("sink").seen == 5);
  CHECK(engine.service("shared").last_error.empty());
}

TEST_CASE("a disabled service lets nobody start until it is enabled; one in use stays enabled") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  flow.service("shared", [](ServiceNode& node) { node.is_disabled = true; })
      .processor("source", "TestSource", [](ProcessorNode& node) {
        node.properties["Service"] = "shared";
        node.is_stopped = true;
      });
  REQUIRE(engine->start(flow.build()).ok());
  CHECK(engine.service("shared").state == ServiceState::kDisabled);
  CHECK(engine->start_processor("source").error().text() ==
        "starting processor `source`: service `shared` is disabled");
  REQUIRE(engine->start_component("shared").ok());
  REQUIRE(engine->start_processor("source").ok());
  CHECK(engine->stop_component("shared").error().text() ==
        "service `shared` is used by `source`; stop them first");
  REQUIRE(engine->stop_processor("source").ok());
  REQUIRE(engine->stop_component("shared").ok());
  CHECK(engine.service("shared").state == ServiceState::kDisabled);
  CHECK(engine->start_component("other").code() == Code::kNotFound);
}

TEST_CASE("a service that an operator has disabled or enabled stays so when an update changes it") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = [](const std::string& note, bool is_disabled) {
    FlowBuilder builder;
    builder
        .service("shared",
                 [&](ServiceNode& node) {
                   node.properties["Note"] = note;
                   node.is_disabled = is_disabled;
                 })
        .processor("source", "TestSource", uses("shared"));
    return builder.build();
  };
  REQUIRE(engine->start(flow("one", false)).ok());
  REQUIRE(engine->stop_processor("source").ok());
  REQUIRE(engine->stop_component("shared").ok());
  REQUIRE(engine->update(flow("two", false)).ok());
  CHECK(engine.service("shared").state == ServiceState::kDisabled);
  CHECK(engine.processor("source").state == RunState::kStopped);
  REQUIRE(engine->start_component("shared").ok());
  REQUIRE(engine->update(flow("three", true)).ok());
  CHECK(engine.service("shared").state == ServiceState::kDisabled);
  REQUIRE(engine->start_component("shared").ok());
  REQUIRE(engine->update(flow("four", true)).ok());
  CHECK(engine.service("shared").state == ServiceState::kEnabled);
}

TEST_CASE("a process group is stopped and started as a whole, with the groups within it") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder base;
  base.processor("source", "TestSource").processor("a", "TestPass").processor("b", "TestSink");
  base.connect("source", "a").connect("a", "b");
  Flow flow = *base.build();
  flow.root.id = "root";
  ProcessGroup outer;
  outer.name = outer.path = outer.id = "outer";
  outer.parent_id = "root";
  ProcessGroup inner;
  inner.name = "inner";
  inner.path = inner.id = "outer/inner";
  inner.parent_id = "outer";
  auto& processors = flow.root.processors;
  processors[1].group_id = "outer";
  processors[2].group_id = "outer/inner";
  inner.processors = {processors[2]};
  outer.processors = {processors[1]};
  outer.groups = {inner};
  processors.resize(1);
  processors[0].group_id = "root";
  flow.root.groups = {outer};
  REQUIRE(engine->start(std::make_shared<Flow>(flow)).ok());
  take_journal();
  REQUIRE(engine->stop_component("outer").ok());
  CHECK(engine.processor("a").state == RunState::kStopped);
  CHECK(engine.processor("b").state == RunState::kStopped);
  CHECK(engine.processor("source").state == RunState::kRunning);
  REQUIRE(engine->start_component("inner").ok());
  CHECK(engine.processor("a").state == RunState::kStopped);
  CHECK(engine.processor("b").state == RunState::kRunning);
  REQUIRE(engine->start_component("outer").ok());
  CHECK(engine.processor("a").state == RunState::kRunning);
  CHECK(engine->start_component("nobody").error().text() ==
        "no processor, process group or service `nobody` in this flow");
}

TEST_CASE("a circle of services is refused, not followed") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder flow;
  flow.service("a", needs("b")).service("b", needs("a")).processor("source", "TestSource");
  const Result<> started = engine->start(flow.build());
  CHECK(started.error().text() == "service `a` needs itself, over what it names");
}

TEST_CASE("a sensitive value is in no error, no status and no bulletin of what refuses it") {
  clear_roles();
  DrivenEngine engine;
  Flow flow = *two_users().build();
  flow.secrets = {"stage says"};  // a part of the error that the stage gives
  role("base").start_fails = 1;
  role("base").start_error = Code::kInvalid;
  CHECK(engine->start(std::make_shared<Flow>(flow)).error().text() ==
        "starting processor `sink`: service `shared`: service `base`: the *** no");
  CHECK(engine->bulletins(0).back().text ==
        "starting: service `shared`: service `base`: the *** no");
}

}  // namespace
}  // namespace runnel
