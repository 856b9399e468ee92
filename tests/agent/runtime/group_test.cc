// Process groups as the engine runs them: ports and funnels over several levels, loops, stopping
// and starting, parameters that reach what is nested.

#include <doctest/doctest.h>

#include "tests/agent/runtime/group_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// source -> a.in -> [b.in -> [c.in -> work -> c.out] -> b.out] -> a.out -> sink
const char* const kThreeLevels = R"(flow: f
labels: [The whole way]
processors: {source: {type: TestSource}, sink: {type: TestSink}}
groups:
  a:
    input_ports: [in]
    output_ports: [out]
    labels: [First level, Second note]
    groups:
      b:
        input_ports: [in]
        output_ports: [out]
        groups:
          c:
            input_ports: [in]
            output_ports: [out]
            labels: [Deep]
            processors: {work: {type: TestPass, terminate: [failure]}}
            connections: [{from: in, to: work}, {from: work.success, to: out}]
        connections: [{from: in, to: c.in}, {from: c.out, to: out}]
    connections: [{from: in, to: b.in}, {from: b.out, to: out}]
connections:
  - {from: source, to: a.in}
  - {from: a.out, to: sink}
)";

TEST_CASE("FlowFiles go in and out of groups three levels deep, in their order; labels are kept") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 1000;
  const auto flow = flow_of(kThreeLevels);
  REQUIRE(engine->start(flow).ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 1000));
  CHECK(engine.processor("a/b/c/in").in_count == 1000);
  CHECK(engine.processor("a/b/c/out").type == "output port");
  engine.check_balanced();
  std::vector<std::string> labels;
  for (const ProcessGroup* one : all_groups(*flow)) {
    for (const Label& label : one->labels) labels.push_back(one->path + ": " + label.text);
  }
  CHECK(labels == std::vector<std::string>{": The whole way", "a: First level", "a: Second note",
                                           "a/b/c: Deep"});
}

TEST_CASE(
    "a group three levels deep is stopped and started with the one around it, and by itself") {
  clear_roles();
  DrivenEngine engine;
  REQUIRE(engine->start(flow_of(kThreeLevels)).ok());
  for (const char* group : {"a", "a/b", "a/b/c", "c"}) {
    CAPTURE(group);
    REQUIRE(engine->stop_component(group).ok());
    CHECK(engine.processor("a/b/c/work").state == RunState::kStopped);
    CHECK(engine.processor("a/b/c/in").state == RunState::kStopped);
    CHECK((engine.processor("a/in").state == RunState::kStopped) == (std::string(group) == "a"));
    CHECK(engine.processor("sink").state == RunState::kRunning);
    const int seen = role("sink").seen;
    wake("source", 10);
    engine.run();
    CHECK(role("sink").seen == seen);
    REQUIRE(engine->start_component(group).ok());
    engine.run();
    CHECK(role("sink").seen == seen + 10);
  }
  engine.check_balanced();
}

TEST_CASE("several funnels in a chain join and pass on everything once") {
  clear_roles();
  DrivenEngine engine;
  role("left").to_make = 300;
  role("right").to_make = 300;
  REQUIRE(engine
              ->start(flow_of(R"(flow: f
processors:
  left: {type: TestSource}
  right: {type: TestSource}
  sink: {type: TestSink}
funnels: [one, two, three, four]
connections:
  - {from: left, to: one}
  - {from: right, to: two}
  - {from: one, to: two}
  - {from: two, to: three, back_pressure: {count: 5}}
  - {from: three, to: four, back_pressure: {count: 1}}
  - {from: four, to: sink}
)"))
              .ok());
  engine.run();
  CHECK(role("sink").seen == 600);
  std::vector<std::string> twice = numbers(1, 300);
  for (const std::string& one : numbers(1, 300)) twice.push_back(one);
  CHECK(sorted(role("sink").all()) == sorted(twice));
  engine.check_balanced();
}

TEST_CASE("funnels in a cycle with a processor neither stand still nor lose anything") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 400;
  REQUIRE(engine
              ->start(flow_of(R"(flow: f
processors:
  source: {type: TestSource}
  work: {type: TestPass}
  sink: {type: TestSink}
funnels: [in, back, again]
connections:
  - {from: source, to: in, back_pressure: {count: 10}}
  - {from: in, to: work, back_pressure: {count: 10}}
  - {from: work.failure, to: back, back_pressure: {count: 10}}
  - {from: back, to: again, back_pressure: {count: 10}}
  - {from: again, to: in, back_pressure: {count: 10}}
  - {from: work.success, to: sink}
)"))
              .ok());
  role("work").send_to = "failure";
  engine.run(3000);
  CHECK(role("work").calls > 1000);  // round and round
  CHECK(role("sink").seen == 0);
  role("work").send_to = "success";
  engine.run();
  CHECK(sorted(role("sink").all()) == numbers(1, 400));
  engine.check_balanced();
}

TEST_CASE("what a group lets out may come back in, with every rule it can have") {
  for (const std::string& policy :
       {std::string(), std::string("flowfile_concurrency: single"), kBatch, kBatches,
        std::string("flowfile_concurrency: single\n    outbound_policy: batch")}) {
    CAPTURE(policy);
    clear_roles();
    DrivenEngine engine;
    role("source").to_make = 400;
    REQUIRE(engine
                ->start(flow_of(R"(flow: f
processors:
  source: {type: TestSource}
  sink: {type: TestSink}
groups:
  g:
    )" + (policy.empty() ? std::string("doc: none") : policy) +
                                R"(
    input_ports: [in]
    output_ports: [again, done]
    processors: {work: {type: TestPass}}
    connections:
      - {from: in, to: work, back_pressure: {count: 10}}
      - {from: work.failure, to: again, back_pressure: {count: 10}}
      - {from: work.success, to: done, back_pressure: {count: 10}}
connections:
  - {from: source, to: g.in, back_pressure: {count: 10}}
  - {from: g.again, to: g.in, back_pressure: {count: 10}}
  - {from: g.done, to: sink}
)"))
                .ok());
    role("g/work").send_to = "failure";
    engine.run(5000);
    CHECK(role("sink").seen == 0);
    role("g/work").send_to = "success";
    engine.run();
    CHECK(sorted(role("sink").all()) == numbers(1, 400));
    engine.check_balanced();
  }
}

// ---- parameters

TEST_CASE(
    "parameters from outside and of contexts reach groups three levels deep, and secrets stay "
    "secret") {
  const std::string text = R"(flow: f
parameter_contexts:
  base: {parameters: {host: base-host, token: {value: hush-hush, sensitive: true}}}
  site:
    inherits: [base]
    provider: {type: environment, include: "SITE_*", sensitive: false}
    parameters: {unit: km/h}
parameters: {remote: {doc: given from outside}}
processors: {source: {type: TestSource}}
groups:
  a:
    parameter_context: site
    input_ports: [in]
    groups:
      b:
        parameters: {unit: m/s}
        input_ports: [in]
        groups:
          c:
            input_ports: [in]
            processors:
              sink: {type: TestSink, properties: {Note: "#{remote} #{host} #{unit} #{SITE_ID} #{token}"}}
            connections: [{from: in, to: sink}]
        connections: [{from: in, to: c.in}]
    connections: [{from: in, to: b.in}]
connections: [{from: source, to: a.in}]
)";
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : stage_types()) specs.push_back(type.spec);
  const FlowReading reading =
      read_flow(text,
                {.file = "f.yaml",
                 .parameters = {{"remote", "from-the-hub"}},
                 .provide = [](const ParameterProvider&) -> Result<ProvidedValues> {
                   return ProvidedValues{{"SITE_ID", "depot-7"}};
                 }},
                specs);
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  const ProcessorNode* sink = find_processor(*reading.flow, "a/b/c/sink");
  REQUIRE(sink != nullptr);
  CHECK(sink->properties.at("Note") == "from-the-hub base-host m/s depot-7 hush-hush");
  CHECK(sink->property_sources.at("Note").is_sensitive);
  clear_roles();
  DrivenEngine engine;
  role("a/b/c/sink").start_fails = 1;
  role("source").to_make = 1;
  REQUIRE(engine->start(reading.flow).ok());
  {
    Lock lock(role("source").mutex);
    role("source").context->bulletin(BulletinLevel::kError, "it says hush-hush");
  }
  CHECK(engine->bulletins(0).back().text == "it says ***");
  engine.advance(5s);
  CHECK(role("a/b/c/sink").seen == 1);
}

}  // namespace
}  // namespace runnel
