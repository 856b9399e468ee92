// The graph that canvases draw.

#include "agent/flow/graph.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/flow/yaml_reader.h"
#include "tests/agent/flow/fixtures.h"

namespace runnel {
namespace {

TEST_CASE("nodes and edges hold what the canvas shows, and no secret") {
  const auto specs = fixture_specs();
  const FlowReading reading = read_flow(R"(flow: f
parameters: {secret: {value: hush, sensitive: true}}
processors:
  bus:
    type: ConsumeMQTT
    properties: {Broker URI: x, Topic: "#{secret}", Password: in-clear}
    schedule: {every: 5 sec}
  log: {type: LogAttribute, terminate: [success], stopped: true}
groups:
  g:
    input_ports: [in]
    funnels: [f]
    processors: {log: {type: LogAttribute, terminate: [success]}}
    connections: [{from: in, to: f}, {from: f, to: log}]
connections:
  - {from: bus, to: log, back_pressure: {count: 5, size: 1 KB}, expire: 1 min, order: {attribute: p}}
  - {from: bus, to: g.in}
labels: [Look here]
)",
                                        {"f.yaml", {}}, specs);
  REQUIRE(text_of(reading.complaints) == "");
  const std::string text = graph_json(*reading.flow, specs);
  CHECK(text.find("hush") == std::string::npos);
  CHECK(text.find("in-clear") == std::string::npos);
  const auto graph = nlohmann::json::parse(text);
  CHECK(graph["flow"] == "f");
  REQUIRE(graph["nodes"].size() == 6);
  CHECK(graph["nodes"][0]["properties"]["Topic"] == "#{secret}");
  CHECK(graph["nodes"][0]["schedule"] == "every 5 sec");
  CHECK(graph["nodes"][0]["group"] == "root");
  CHECK(graph["nodes"][1]["is_stopped"] == true);
  CHECK(graph["nodes"][2]["kind"] == "group");
  CHECK(graph["nodes"][3]["path"] == "g/log");
  CHECK(graph["nodes"][3]["group"] == graph["nodes"][2]["id"]);
  CHECK(graph["nodes"][4]["kind"] == "input port");
  CHECK(graph["nodes"][5]["kind"] == "funnel");
  REQUIRE(graph["edges"].size() == 4);
  const auto& edge = graph["edges"][0];
  CHECK(edge["from"] == graph["nodes"][0]["id"]);
  CHECK(edge["to"] == graph["nodes"][1]["id"]);
  CHECK(edge["relationships"] == nlohmann::json::array({"Message"}));
  CHECK(edge["count_max"] == 5);
  CHECK(edge["bytes_max"] == 1024);
  CHECK(edge["expire_ms"] == 60'000);
  CHECK(edge["order"] == "attribute");
  CHECK(edge["order_attribute"] == "p");
  CHECK(graph["edges"][1]["to"] == graph["nodes"][4]["id"]);
  CHECK(graph["labels"][0]["text"] == "Look here");
}

}  // namespace
}  // namespace runnel
