// The native format: what is read, with which defaults, and what hostile texts cost.

#include "agent/flow/yaml_reader.h"

#include <doctest/doctest.h>

#include <chrono>

#include "agent/flow/check.h"
#include "agent/flow/graph.h"
#include "tests/agent/flow/fixtures.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kFlow = R"(flow: vehicle-telemetry
doc: From the vehicle bus to Kafka.
parameters:
  broker: {value: "tcp://127.0.0.1:1883", doc: Where the vehicle bus is published}
  kafka: "127.0.0.1:9092"
  secret: {value: hush, sensitive: true}
processors:
  bus:
    type: ConsumeMQTT
    properties: {Broker URI: "#{broker}", Topic: "vehicle/+/telemetry", Quality of Service: 1, Password: "#{secret}"}
    schedule: {cron: "0 0/5 * * * ?", zone: Europe/Berlin}
    bulletin_level: error
  only-moving:
    type: RouteOnAttribute
    properties: {moving: "${speed:gt(0)}"}
    terminate: [unmatched]
    schedule: event
    concurrent_tasks: 4
    run_duration: 25 ms
  to-kafka:
    type: PublishKafka
    properties: {Known Brokers: "#{kafka}", Topic Name: telemetry}
    retry: {failure: {attempts: forever, backoff: 1s..1min, manner: yield}}
    terminate: [success]
    penalty_period: 5 sec
    yield_period: 2 sec
    stopped: true
connections:
  - {from: bus, to: only-moving}
  - from: only-moving.moving
    to: to-kafka
    name: moving
    back_pressure: {count: 100000, size: 512 MB}
    when_full: drop-oldest
    expire: 3 days
    order: live-first
labels: [A note for who reads this]
)";

FlowReading read(std::string_view text,
                 std::map<std::string, std::string, std::less<>> values = {}) {
  const auto specs = fixture_specs();
  return read_flow(text, {"f.yaml", std::move(values)}, specs);
}

std::string complaints_of(std::string_view text) { return text_of(read(text).complaints); }

TEST_CASE("a whole flow is read as it is written") {
  const FlowReading reading = read(kFlow);
  CHECK(text_of(reading.complaints) == "");
  REQUIRE(reading.ok());
  const Flow& flow = *reading.flow;
  CHECK(flow.name == "vehicle-telemetry");
  CHECK(flow.doc == "From the vehicle bus to Kafka.");
  CHECK(flow.id == flow_id("vehicle-telemetry"));
  CHECK(flow.source_sha256.size() == 64);
  const auto processors = all_processors(flow);
  REQUIRE(processors.size() == 3);
  const ProcessorNode& bus = *processors[0];
  CHECK(bus.properties.at("Broker URI") == "tcp://127.0.0.1:1883");
  CHECK(bus.properties.at("Quality of Service") == "1");
  CHECK(bus.properties.at("Password") == "hush");
  CHECK(bus.property_sources.at("Password").is_sensitive);
  CHECK(bus.property_sources.at("Password").written == "#{secret}");
  CHECK_FALSE(bus.property_sources.at("Topic").is_sensitive);
  CHECK(bus.schedule.kind == Schedule::Kind::kCron);
  CHECK(bus.schedule.zone == "Europe/Berlin");
  CHECK(bus.bulletin_level == LogLevel::kError);
  CHECK(bus.penalty_period == 30s);
  CHECK(bus.yield_period == 1s);
  CHECK(processors[1]->schedule.kind == Schedule::Kind::kEvent);
  CHECK(processors[1]->concurrent_tasks == 4);
  CHECK(processors[1]->run_duration == 25ms);
  const ProcessorNode& kafka = *processors[2];
  CHECK(kafka.schedule.kind == Schedule::Kind::kDefault);
  CHECK(kafka.is_stopped);
  CHECK(kafka.terminates("success"));
  REQUIRE(kafka.retry_of("failure") != nullptr);
  CHECK_FALSE(kafka.retry_of("failure")->attempts);
  CHECK(kafka.retry_of("failure")->backoff_first == 1s);
  CHECK(kafka.retry_of("failure")->backoff_max == 1min);
  CHECK(kafka.retry_of("failure")->manner == Retry::Manner::kYield);
  const auto connections = all_connections(flow);
  REQUIRE(connections.size() == 2);
  CHECK(connections[0]->name == "bus -> only-moving");
  REQUIRE(connections[0]->relationships.size() == 1);
  CHECK(connections[0]->relationships[0].name == "Message");
  CHECK(connections[0]->back_pressure == BackPressure{10'000, 100 << 20});
  CHECK_FALSE(connections[0]->expire);
  CHECK(connections[1]->from.id == processors[1]->id);
  CHECK(connections[1]->back_pressure == BackPressure{100'000, 512ULL << 20});
  CHECK(connections[1]->when_full == WhenFull::kDropOldest);
  CHECK(connections[1]->expire == 72h);
  CHECK(connections[1]->order == QueueOrder::kLiveFirst);
  CHECK(find_processor(flow, "bus") == processors[0]);
  CHECK(find_connection(flow, "moving") == connections[1]);
}

TEST_CASE("ids come from names and survive edits elsewhere") {
  std::string edited(kFlow);
  edited.replace(edited.find("  only-moving:"), 0,
                 "  new: {type: LogAttribute, terminate: [success]}\n");
  const FlowReading before = read(kFlow);
  const FlowReading after = read(edited);
  CHECK(find_processor(*before.flow, "bus")->id == find_processor(*after.flow, "bus")->id);
  CHECK(find_connection(*before.flow, "moving")->id == find_connection(*after.flow, "moving")->id);
  CHECK(find_processor(*before.flow, "bus")->id == element_id("vehicle-telemetry", "bus"));
  CHECK(element_id("a", "bus") != element_id("b", "bus"));
  CHECK(element_id("vehicle-telemetry", "bus") == "754fcb53-cb5b-5306-b80b-821da9cadf38");
}

TEST_CASE("values from outside come before those of the flow") {
  const FlowReading reading = read(kFlow, {{"kafka", "k:1"}});
  REQUIRE(reading.ok());
  CHECK(find_processor(*reading.flow, "to-kafka")->properties.at("Known Brokers") == "k:1");
  CHECK(text_of(read(kFlow, {{"kafak", "k:1"}}).complaints) ==
        "f.yaml: a value was given for the parameter `kafak`, which the flow does not have; did "
        "you mean `kafka`?\n");
}

TEST_CASE("a parameter without a value must be given one") {
  const std::string_view text = R"(flow: f
parameters: {where: {doc: the target}}
processors:
  a: {type: UpdateAttribute, properties: {x: "#{where}"}, terminate: [success]}
connections: [{from: a, to: a}]
)";
  CHECK(complaints_of(text).find("f.yaml:2:14: parameter `where` has no value; give it by `--param "
                                 "where=VALUE` or by `value`") == 0);
  const FlowReading given = read(text, {{"where", "here"}});
  CHECK(find_processor(*given.flow, "a")->properties.at("x") == "here");
  // Nobody can give one to a group's own.
  CHECK(complaints_of("flow: f\ngroups: {g: {parameters: {p: {doc: d}}}}\n") ==
        "f.yaml:1:1: the flow has no processors\n"
        "f.yaml:2:27: parameter `p` has no value; give it by `value`\n");
}

TEST_CASE("the agent that runs a flow is named in it without a declaration, in groups too") {
  const std::string_view text = R"(flow: f
processors:
  a: {type: UpdateAttribute, properties: {x: "#{agent.id} of #{agent.class}"}}
groups:
  g:
    input_ports: [in]
    processors:
      b: {type: UpdateAttribute, properties: {x: "#{agent.id}"}, terminate: [success]}
    connections: [{from: in, to: b}]
connections: [{from: a, to: g.in}, {from: a, to: a}]
)";
  const FlowReading given = read(text, {{"agent.id", "truck-1"}, {"agent.class", "trucks"}});
  CHECK(text_of(given.complaints) == "");
  CHECK(find_processor(*given.flow, "a")->properties.at("x") == "truck-1 of trucks");
  CHECK(find_processor(*given.flow, "b")->properties.at("x") == "truck-1");
  CHECK(read(text).ok());  // whoever only checks has no agent at hand
}

TEST_CASE("groups nest, with ports, funnels and parameters of their own") {
  const FlowReading reading = read(R"(flow: nested
parameters: {topic: outer, key: k}
processors:
  bus: {type: ConsumeMQTT, properties: {Broker URI: "tcp://b", Topic: "#{topic}"}}
groups:
  inner:
    doc: Inside.
    parameters: {topic: inner}
    input_ports: [in]
    output_ports: [{name: out, doc: What is left}]
    funnels: [both]
    processors:
      tag: {type: UpdateAttribute, properties: {topic: "#{topic} #{key} ##{plain}"}}
    connections:
      - {from: in, to: tag}
      - {from: tag, to: both}
      - {from: both, to: out, order: {attribute: priority}}
connections:
  - {from: bus, to: inner.in}
  - {from: inner.out, to: log}
)"
                                   "  - {from: log.success, to: log}\n");
  CHECK(text_of(reading.complaints) ==
        "f.yaml:20:27: there is no `log` in the flow; there are `bus` and `inner`\n"
        "f.yaml:21:12: there is no `log` in the flow; there are `bus` and `inner`\n"
        "f.yaml:21:29: there is no `log` in the flow; there are `bus` and `inner`\n");
  const Flow& flow = *reading.flow;
  REQUIRE(all_groups(flow).size() == 2);
  const ProcessGroup& inner = flow.root.groups[0];
  CHECK(inner.parent_id == flow.root.id);
  const ProcessorNode* tag = find_processor(flow, "inner/tag");
  REQUIRE(tag != nullptr);
  CHECK(tag->properties.at("topic") == "inner k #{plain}");
  CHECK(flow.root.connections[0].to.id == inner.input_ports[0].id);
  CHECK(flow.root.connections[0].to.kind == EndpointKind::kInputPort);
  CHECK(inner.connections[2].order_attribute == "priority");
  CHECK(all_funnels(flow).size() == 1);
  CHECK(all_ports(flow).size() == 2);
  CHECK(find_connection(flow, "inner/in -> tag") == &inner.connections[0]);
  const std::string graph = graph_json(flow, fixture_specs());
  CHECK(graph.find(R"("kind":"funnel","name":"both","path":"inner/both")") != std::string::npos);
  CHECK(graph.find(R"("properties":{"Broker URI":"tcp://b","Topic":"#{topic}"})") !=
        std::string::npos);
}

TEST_CASE("an expression's error stands at its exact column, whatever the style of the value") {
  const auto at = [](std::string_view value) {
    const std::string text =
        "flow: f\nprocessors:\n  a:\n    type: UpdateAttribute\n    "
        "terminate: [success]\n    properties:\n      x: " +
        std::string(value) + "\nparameters: {p: long text}\nconnections: [{from: b, to: a}]\n";
    const FlowReading reading = read(text);
    for (const Complaint& one : reading.complaints) {
      if (one.text.find("unknown function") != std::string::npos) {
        return std::to_string(one.at.line) + ':' + std::to_string(one.at.column);
      }
    }
    return text_of(reading.complaints);
  };
  CHECK(at("${a:nonsens()}") == "7:14");
  CHECK(at("\"${a:nonsens()}\"") == "7:15");
  CHECK(at("'it''s ${a:nonsens()}'") == "7:21");
  CHECK(at(R"("tab\t\u00e9 ${a:nonsens()}")") == "7:27");
  CHECK(at("'#{p} ${a:nonsens()}'") == "7:20");
  CHECK(at("&anchor '${a:nonsens()}'") == "7:23");
  CHECK(at("|\n        first\n        ${a:nonsens()}") == "9:13");
}

TEST_CASE("hostile texts are refused at once") {
  const auto begin = std::chrono::steady_clock::now();
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) bomb += ", " + last;
    bomb += "]\n";
  }
  CHECK(complaints_of(bomb).find("keys and values, what its aliases repeat included") !=
        std::string::npos);
  CHECK(complaints_of("a: &a [*a]\n").find("within what it names") != std::string::npos);
  const std::string long_text = "a: &a " + std::string(1'000'000, 'x') + "\nb: [";
  std::string repeats;
  for (int i = 0; i < 1000; ++i) repeats += "*a,";
  CHECK(complaints_of(long_text + repeats + "]").find("aliases repeat") != std::string::npos);
  CHECK(complaints_of(std::string(64 << 20, 'a')) ==
        "f.yaml: the text is 64 MB long; the most is 8 MB\n");
  for (const std::string open : {"[", "{a: ", "- ", "? ", "? - ", "[{", "!!map {", "&x ["}) {
    std::string deep;
    while (deep.size() < 1'000'000) deep += open;
    CHECK_MESSAGE(!complaints_of(deep).empty(), open);
  }
  std::string wide = "flow: f\n";
  for (int i = 0; i < 80'000; ++i) wide += "key" + std::to_string(i) + ": 1\n";
  CHECK(complaints_of(wide).find("and 79801 more") != std::string::npos);
  CHECK(complaints_of(std::string_view("flow: f\n\x04processors: {}\n"))
            .find("f.yaml:2:1: a control") == 0);
  CHECK(complaints_of("flow: \xff\n") == "f.yaml: the text is no UTF-8\n");
  CHECK(complaints_of("") == "f.yaml:1:1: the text is empty\n");
  CHECK(std::chrono::steady_clock::now() - begin < 60s);
}

TEST_CASE("a file that is not there is a complaint") {
  const auto specs = fixture_specs();
  const FlowReading reading = read_flow_file("/nonexistent/f.yaml", {}, specs);
  CHECK(text_of(reading.complaints) ==
        "/nonexistent/f.yaml: cannot be read: No such file or directory\n");
  CHECK_FALSE(reading.ok());
}

}  // namespace
}  // namespace runnel
