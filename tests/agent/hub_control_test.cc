// The engine as the hub sees it: flows are checked before they run, figures become a heartbeat.

#include "agent/hub_control.h"

#include <doctest/doctest.h>

#include "agent/base/bytes.h"
#include "agent/spec/manifest.h"
#include "tests/agent/admin/fake_engine.h"

namespace runnel {
namespace {

const std::string kFlow = R"(flow: demo
parameters:
  say: {doc: what}
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: "#{say}", Data Format: Text, Unique FlowFiles: "false"}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {from: make, to: log}
)";

TEST_CASE("a delivered flow is checked, run under the hub's id, and told of") {
  FakeEngine engine;
  std::vector<std::string> told;
  HubControl control(
      engine, {{"say", "hi"}}, {}, [&](const std::string& flow) { told.push_back(flow); }, [] {});
  const auto applied = control.apply_flow({.id = "77", .version = "2", .text = kFlow});
  REQUIRE_MESSAGE(applied.ok(), applied.error().text());
  CHECK(engine.flow()->id == "77");
  CHECK(engine.flow()->version == "2");
  REQUIRE(control.apply_flow({.id = "78", .version = "3", .text = kFlow}).ok());
  CHECK(engine.done == std::vector<std::string>{"start demo", "update demo"});
  CHECK(told == std::vector<std::string>{"demo", "demo"});
  CHECK(control.figures().runnel.flow_sha256.size() == 64);
}

TEST_CASE("values that the agent has for other flows do not keep a flow of the hub from running") {
  FakeEngine engine;
  HubControl control(
      engine, {{"say", "hi"}, {"of-the-next-flow", "1"}}, {}, [](const std::string&) {}, [] {});
  const auto applied = control.apply_flow({.id = "77", .text = kFlow});
  CHECK_MESSAGE(applied.ok(), applied.error().text());
}

TEST_CASE("processors of a delivered flow that could not be started are named with their reasons") {
  FakeEngine engine;
  engine.state.processors[1].state = RunState::kStarting;
  engine.state.processors[1].last_error = "starting: port 8080 is taken";
  HubControl control(
      engine, {{"say", "hi"}}, {}, [](const std::string&) {}, [] {});
  const auto applied = control.apply_flow({.id = "77", .text = kFlow});
  REQUIRE(applied.ok());
  CHECK(*applied == std::vector<std::string>{"`log`: starting: port 8080 is taken"});
  engine.state.processors[1].state = RunState::kBackingOff;  // it runs
  CHECK(control.apply_flow({.id = "78", .text = kFlow})->empty());
}

TEST_CASE("a flow that is wrong or does not start leaves the old one, with every complaint") {
  FakeEngine engine;
  HubControl control(
      engine, {}, {}, [](const std::string&) {}, [] {});
  const auto wrong =
      control.apply_flow({.id = "77", .text = "flow: x\nprocesors: {}\nnonsense: 1\n"});
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().text().find("the hub's flow:2:1: ") != std::string::npos);
  CHECK(wrong.error().text().find("the hub's flow:3:1: ") != std::string::npos);
  HubControl good(
      engine, {{"say", "hi"}}, {}, [](const std::string&) {}, [] {});
  engine.refuses = true;
  CHECK(good.apply_flow({.id = "77", .text = kFlow}).error().text() == "it does not start");
  CHECK(engine.flow() == nullptr);
}

TEST_CASE("properties of a delivered flow that are wrong together are all named before it runs") {
  FakeEngine engine;
  HubControl control(
      engine, {}, {}, [](const std::string&) {}, [] {});
  const auto wrong = control.apply_flow({.id = "77", .text = R"(flow: demo
processors:
  make: {type: GenerateFlowFile, properties: {Custom Text: hi}}
  take:
    type: EvaluateJsonPath
    properties: {Destination: flowfile-content}
    terminate: [matched, unmatched, failure]
connections:
  - {from: make, to: take}
)"});
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().text().find("the hub's flow:3:3: `make`: ") != std::string::npos);
  CHECK(wrong.error().text().find("the hub's flow:4:3: `take`: ") != std::string::npos);
  CHECK(engine.done.empty());
}

TEST_CASE("what components remember is told within bounds, and no secret with it") {
  FakeEngine engine;
  HubControl control(
      engine, {}, {}, [](const std::string&) {}, [] {});
  const auto all = control.remembered({});
  REQUIRE(all.ok());
  REQUIRE(all->components.size() == 2);
  using Values = std::vector<std::pair<std::string, std::string>>;
  CHECK(all->components[0].values[0] == Values::value_type{"begun", "1"});
  CHECK(all->components[0].values[1].first == "base64:" + to_base64("bytes\xff"));
  CHECK(all->components[0].values[1].second.ends_with(" … (" + size_text(9000) + ")"));
  CHECK(control.remembered({"ghost"}).code() == Code::kNotFound);
  CHECK(control.remembered({"make"})->components.size() == 1);
  CHECK(control.remembered({"large"})->left_out > 0);
  REQUIRE(control
              .apply_flow({.id = "77", .text = R"(flow: demo
parameters:
  token: {value: s3cr3t, sensitive: true}
processors:
  make: {type: GenerateFlowFile, properties: {x: "#{token}"}, terminate: [success]}
)"})
              .ok());
  CHECK(control.remembered({"secret"})->components[0].values ==
        Values{{"token", "***"}, {"other", "plain"}});
}

TEST_CASE("a flow of the hub may use the providers that the settings name, and no others") {
  FakeEngine engine;
  const std::string flow =
      "flow: demo\nparameter_contexts: {env: {provider: {type: environment, include: "
      "'RUNNEL_NO_SUCH_*'}}}\nparameter_context: env\n" +
      std::string(kFlow).substr(std::string(kFlow).find('\n') + 1);
  const auto none = [](const std::string&) {};
  HubControl closed(engine, {{"say", "hi"}}, {}, none, [] {});
  CHECK(closed.apply_flow({.id = "77", .text = flow})
            .error()
            .text()
            .find("do not allow `environment:RUNNEL_NO_SUCH_*` to flows of a hub") !=
        std::string::npos);
  HubControl open(engine, {{"say", "hi"}}, ProviderAllowance::parse("environment:RUNNEL_*").value(),
                  none, [] {});
  const auto applied = open.apply_flow({.id = "77", .text = flow});
  CHECK_MESSAGE(applied.ok(), applied.error().text());
}

TEST_CASE("the figures say what came in, went out, waits and is wrong") {
  FakeEngine engine;
  engine.state.at_ms = 1'000'000;
  engine.state.processors[1].state = RunState::kBackingOff;
  engine.state.processors[1].last_error = "no broker";
  engine.state.processors[1].failures = 3;
  engine.state.services.resize(2);
  ServiceStatus& cache = engine.state.services[0];
  cache.id = "s-1";
  cache.path = "group/cache";
  cache.state = ServiceState::kRunning;
  cache.users = {"log"};
  ServiceStatus& tls = engine.state.services[1];
  tls.id = "s-2";
  tls.path = "tls";
  tls.state = ServiceState::kFailed;
  tls.last_error = "no such file";
  std::vector<Bulletin> bulletins(60);
  for (std::size_t i = 0; i < bulletins.size(); ++i) {
    bulletins[i].id = i + 1;
    bulletins[i].at_ms = i < 20 ? 1 : 999'999;
    bulletins[i].level = BulletinLevel::kWarning;
  }
  const AgentFigures figures = figures_of(engine.state, bulletins);
  CHECK(figures.runnel.traffic.in_records == 5);
  CHECK(figures.runnel.traffic.out_bytes == 30);
  CHECK(figures.runnel.ledger.is_balanced());
  CHECK(figures.runnel.health == c2::Health::kDegraded);
  CHECK(figures.runnel.processors[1].run_state == "running");
  CHECK(figures.runnel.processors[1].error == "no broker");
  CHECK(figures.flow.queues[0].size == 2);
  REQUIRE(figures.runnel.services.size() == 2);
  CHECK(figures.runnel.services[0].name == "group/cache");
  CHECK(figures.runnel.services[0].state == "running");
  CHECK(figures.runnel.services[0].users == 1);
  CHECK(figures.runnel.services[1].state == "failed");
  CHECK(figures.runnel.services[1].error == "no such file");
  REQUIRE(figures.components.size() == figures.runnel.processors.size() + 2);
  CHECK(figures.components[figures.components.size() - 2].uuid == "s-1");
  CHECK(figures.components.back().is_running == false);
  CHECK(figures.flow.run_status == c2::RunStatus::kRunning);
  CHECK(figures.flow.bulletins.size() == 40);
  CHECK(figures.flow.bulletins[0].level == "WARNING");
}

TEST_CASE("a sink whose failures go elsewhere is still where the flow ends") {
  FakeEngine engine;
  ProcessorStatus dead = engine.state.processors[1];
  dead.id = "p3";
  dead.in_count = 1;
  engine.state.processors.push_back(dead);
  ConnectionStatus detour = engine.state.connections[0];
  detour.from_id = "p2";
  detour.to_id = "p3";
  detour.relationships = {"failure"};
  engine.state.connections.push_back(detour);
  const AgentFigures figures = figures_of(engine.state, {});
  CHECK(figures.runnel.traffic.out_records == 4);
}

TEST_CASE("the manifest of this agent reads back, and its hash is that of the text") {
  FakeEngine engine;
  HubControl control(
      engine, {}, {}, [](const std::string&) {}, [] {});
  const auto manifest = manifest_from_json(control.manifest_json());
  REQUIRE(manifest.ok());
  CHECK(manifest->types().size() == processor_types().size());
  CHECK(manifest->specs().size() == component_specs().size());
  CHECK(control.manifest_hash() == manifest_hash(*manifest));
  CHECK(control.manifest_hash().size() == 128);
}

}  // namespace
}  // namespace runnel
