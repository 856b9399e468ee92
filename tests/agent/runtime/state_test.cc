// What components remember: shown, cleared, and kept in bounds when a flow has them no longer.

#include <doctest/doctest.h>

#include <algorithm>

#include "agent/base/log.h"
#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

FlowBuilder with(const std::vector<std::string>& passes) {
  FlowBuilder builder;
  builder.processor("source", "TestSource").processor("sink", "TestSink").connect("source", "sink");
  for (const std::string& name : passes)
    builder.processor(name, "TestSource", [](ProcessorNode& node) { node.is_stopped = true; });
  return builder;
}

void remember(EngineCore& engine, const std::string& id, const std::string& key,
              const std::string& value) {
  Ledger& ledger = engine.ledger();
  Lock lock(ledger.mutex());
  ledger.change_state(id, key, value, ledger.birth_epoch(), true);
  ledger.settle();
}

std::string id_of(EngineCore& engine, const std::string& name) {
  return engine.node(name)->plan().model.id;
}

std::vector<std::string> remembering(const EngineCore& engine) {
  std::vector<std::string> out;
  for (const ComponentState& one : engine.states())
    out.push_back((one.path.empty() ? "(gone) " + one.id : one.path) + " " +
                  std::to_string(one.key_count) + " " + std::to_string(one.bytes));
  std::sort(out.begin(), out.end());
  return out;
}

// A component that remembers a position, in a flow that has it no longer; its id.
std::string remove_with_position(DrivenEngine& engine) {
  REQUIRE(engine->start(with({"tail"}).build()).ok());
  std::string id = id_of(*engine.engine, "tail");
  remember(*engine.engine, id, "position", "7");
  REQUIRE(engine->update(with({}).build()).ok());
  return id;
}

struct Quiet {
  Quiet() {
    set_log_sink([](std::string_view) {});
  }
  ~Quiet() { set_log_sink(nullptr); }
};

TEST_CASE("state is listed and shown by id, path or name, values cut where they are long") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(with({"tail"}).build()).ok());
  CHECK(engine->states().empty());
  CHECK(engine->state_of("tail", 10).code() == Code::kNotFound);
  CHECK(engine->state_of("nobody", 10).code() == Code::kNotFound);
  const std::string id = id_of(*engine.engine, "tail");
  remember(*engine.engine, id, "a", "1");
  remember(*engine.engine, id, "b", std::string(10'000, 'x'));
  CHECK(remembering(*engine.engine) == std::vector<std::string>{"tail 2 10003"});
  for (const std::string& which : {id, std::string("tail")}) {
    const auto view = engine->state_of(which, 10);
    REQUIRE(view.ok());
    CHECK(view->component.path == "tail");
    REQUIRE(view->entries.size() == 2);
    CHECK(view->entries[0].value == "1");
    CHECK(view->entries[1].value.size() == StateView::kValueMax);
    CHECK(view->entries[1].size == 10'000);
  }
  const auto first = engine->state_of("tail", 1);
  CHECK(first->entries.size() == 1);
  CHECK(first->component.key_count == 2);
}

TEST_CASE(
    "state is cleared only of what stands still, which is then made anew, and stays cleared") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(with({"tail"}).build()).ok());
  remember(*engine.engine, id_of(*engine.engine, "source"), "position", "7");
  const auto refused = engine->clear_state("source");
  CHECK(refused.code() == Code::kInvalid);
  CHECK(refused.error().text() == "`source` runs; stop it first");
  REQUIRE(engine->stop_processor("source").ok());
  const auto cleared = engine->clear_state("source");
  REQUIRE(cleared.ok());
  CHECK(*cleared == 1);
  CHECK(engine->states().empty());
  CHECK(*engine->clear_state("source") == 0);
  CHECK(engine->clear_state("nobody").code() == Code::kNotFound);
  // It goes on as a new one would.
  role("source").to_make = 3;
  REQUIRE(engine->start_processor("source").ok());
  engine.run();
  CHECK(role("sink").seen == 3);
  CHECK(role("source").made_objects == 2);
  engine.reopen();
  CHECK(engine->states().empty());
}

TEST_CASE("a service's state is cleared only while nobody uses the service") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder builder;
  builder.service("cache")
      .processor("source", "TestSource",
                 [](ProcessorNode& node) { node.properties["Service"] = "cache"; })
      .processor("sink", "TestSink")
      .connect("source", "sink");
  REQUIRE(engine->start(builder.build()).ok());
  const std::string id = builder.build()->root.services.front().id;
  remember(*engine.engine, id, "key", "value");
  const auto refused = engine->clear_state("cache");
  CHECK(refused.code() == Code::kInvalid);
  REQUIRE(engine->stop_processor("source").ok());
  CHECK(*engine->clear_state("cache") == 1);
}

TEST_CASE("what a removed component remembers is there when a later flow has it again") {
  clear_roles();
  DrivenEngine engine;
  const std::string id = remove_with_position(engine);
  CHECK(remembering(*engine.engine) == std::vector<std::string>{"(gone) " + id + " 1 9"});
  engine.reopen();
  REQUIRE(engine->start(with({}).build()).ok());
  CHECK(engine->state_of(id, 10)->entries[0].value == "7");
  REQUIRE(engine->update(with({"tail"}).build()).ok());
  CHECK(remembering(*engine.engine) == std::vector<std::string>{"tail 1 9"});
}

TEST_CASE("the state of a removed component can be cleared by its id") {
  clear_roles();
  DrivenEngine engine;
  const std::string id = remove_with_position(engine);
  CHECK(*engine->clear_state(id) == 1);
  CHECK(engine->states().empty());
}

TEST_CASE("state of removed components is bounded: who went first is forgotten, the last never") {
  clear_roles();
  const Quiet quiet;
  DrivenEngine engine;
  REQUIRE(engine->start(with({"old", "large", "new"}).build()).ok());
  const std::string old_id = id_of(*engine.engine, "old");
  const std::string large_id = id_of(*engine.engine, "large");
  const std::string new_id = id_of(*engine.engine, "new");
  REQUIRE(engine->update(with({"large", "new"}).build()).ok());
  remember(*engine.engine, old_id, "key", "value");  // as if it had been there before
  REQUIRE(engine->update(with({"large", "new"}).build()).ok());
  remember(*engine.engine, large_id, "key", std::string(17 << 20, 'x'));
  remember(*engine.engine, new_id, "key", "value");
  // The last change's stays, however large; what went before it does not fit any more.
  REQUIRE(engine->update(with({"new"}).build()).ok());
  auto left = engine->states();
  REQUIRE(left.size() == 2);
  CHECK(engine->state_of(old_id, 1).code() == Code::kNotFound);
  CHECK(engine->state_of(large_id, 1).ok());
  REQUIRE(engine->update(with({}).build()).ok());
  left = engine->states();
  REQUIRE(left.size() == 1);
  CHECK(left[0].id == new_id);
  engine.reopen();
  CHECK(engine->states().size() == 1);
}

TEST_CASE("of more than a thousand removed components those that went first are forgotten") {
  clear_roles();
  const Quiet quiet;
  DrivenEngine engine;
  REQUIRE(engine->start(with({"last"}).build()).ok());
  for (int i = 0; i < 1000; ++i)
    remember(*engine.engine, "gone-" + std::to_string(1000 + i), "k", "v");
  remember(*engine.engine, id_of(*engine.engine, "last"), "k", "v");
  REQUIRE(engine->update(with({"last", "more"}).build()).ok());
  CHECK(engine->states().size() == 1001);
  REQUIRE(engine->update(with({"more"}).build()).ok());
  const auto left = engine->states();
  CHECK(left.size() == 1000);
}

TEST_CASE(
    "a state directory that the agent makes is for its owner's eyes alone; another stays as it "
    "is") {
  namespace fs = std::filesystem;
  const TemporaryDirectory above;
  const auto mode_after_opening = [](const std::string& path) {
    EngineOptions options;
    options.state_dir = path;
    options.is_driven = true;
    REQUIRE(Engine::open(std::move(options)).ok());
    return fs::status(path).permissions();
  };
  CHECK(mode_after_opening(above.path + "/made/state") == fs::perms::owner_all);
  CHECK(mode_after_opening(above.path + "/made/too/") == fs::perms::owner_all);
  fs::create_directory(above.path + "/open");
  fs::permissions(above.path + "/open", fs::perms(0755));
  CHECK(mode_after_opening(above.path + "/open") == fs::perms(0755));
}

TEST_CASE("a connection that earlier flows had and that holds nothing is forgotten at the start") {
  clear_roles();
  DrivenEngine engine;
  FlowBuilder with_more = with({});
  with_more.processor("pass", "TestPass", [](ProcessorNode& node) { node.is_stopped = true; })
      .processor("other", "TestSource")
      .connect("other", "pass");
  role("other").to_make = 2;
  REQUIRE(engine->start(with_more.build()).ok());
  engine.run();
  REQUIRE(engine->update(with({}).build()).ok());
  const auto parked = engine->ledger().parked();
  REQUIRE(parked.size() == 1);
  const std::string id = parked[0].id;
  engine.reopen();  // it holds something: it stays
  REQUIRE(engine->start(with({}).build()).ok());
  REQUIRE(engine->ledger().parked().size() == 1);
  CHECK(*engine->purge(id) == 2);
  REQUIRE(engine->flush(std::chrono::seconds(5)).ok());
  engine.reopen();
  CHECK(engine->ledger().find(id) == nullptr);
  // And the flow that has it again gets it anew.
  role("other").to_make = 2;
  REQUIRE(engine->start(with_more.build()).ok());
  engine.run();
  CHECK(engine.connection("other -> pass").count == 2);
  engine.check_balanced();
}

}  // namespace
}  // namespace runnel
