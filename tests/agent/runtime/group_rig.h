// What the tests of process groups have in common: flows as text, and looks into a group.

#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "agent/flow/yaml_reader.h"
#include "tests/agent/runtime/stage.h"

namespace runnel {

inline std::shared_ptr<const Flow> flow_of(const std::string& text) {
  static const std::vector<ComponentSpec> specs = [] {
    std::vector<ComponentSpec> all;
    for (const ProcessorType& type : stage_types()) all.push_back(type.spec);
    return all;
  }();
  FlowReading reading = read_flow(text, {.file = "f.yaml"}, specs);
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  return reading.flow;
}

// FlowFiles that stand in connections of this group and of those in it.
inline std::uint64_t inside(const DrivenEngine& engine, const std::string& group) {
  const auto flow = engine.engine->flow();
  std::set<std::string> ids;
  for (const ProcessGroup* one : all_groups(*flow)) {
    if (one->path == group || one->path.starts_with(group + "/")) ids.insert(one->id);
  }
  std::uint64_t count = 0;
  for (const ConnectionStatus& one : engine.engine->status().connections) {
    if (ids.contains(one.group_id)) count += one.count;
  }
  return count;
}

inline std::vector<std::string> numbers(int first, int last) {
  std::vector<std::string> out;
  for (int i = first; i <= last; ++i) out.push_back(std::to_string(i));
  return out;
}

inline std::vector<std::string> sorted(std::vector<std::string> all) {
  std::sort(all.begin(), all.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.size(), a) < std::pair(b.size(), b);
  });
  return all;
}

// The value of an attribute of each FlowFile queued in a connection.
inline std::vector<std::string> queued_values(DrivenEngine& engine, const std::string& connection,
                                              const std::string& attribute) {
  std::vector<std::string> out;
  const auto queued = engine->list_queue(connection, 10'000);
  REQUIRE(queued.ok());
  for (const QueuedFlowFile& one : *queued) {
    std::string value = "none";
    for (const auto& [name, text] : one.attributes) {
      if (name == attribute) value = text;
    }
    out.push_back(value);
  }
  return out;
}

inline void wake(const std::string& path, int to_make) {
  role(path).to_make += to_make;  // it may still be at the last ones
  role(path).wake();
}

// `3 x a, 1 x b`: a list with what is alike put together.
inline std::string runs_of(const std::vector<std::string>& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end] == all[i]) ++end;
    out += (out.empty() ? "" : ", ") + std::to_string(end - i) + " x " + all[i];
    i = end;
  }
  return out;
}

// source -> [in -> hold -> out] -> sink; `hold` and what is said of the group are the test's.
inline std::string grouped(const std::string& policy,
                           const std::string& hold = "{type: TestPass, terminate: [failure]}") {
  return "flow: f\nprocessors:\n  source: {type: TestSource}\n  sink: {type: TestSink}\n"
         "groups:\n  g:\n" +
         (policy.empty() ? std::string() : "    " + policy + "\n") +
         "    input_ports: [in]\n    output_ports: [out]\n    processors:\n      hold: " + hold +
         "\n    connections:\n      - {from: in, to: hold}\n      - {from: hold.success, to: out}\n"
         "connections:\n  - {from: source, to: g.in}\n  - {from: g.out, to: sink}\n";
}

// Two input ports, each with a source of its own.
inline const char* const kTwoPorts = R"(flow: f
processors:
  left: {type: TestSource}
  right: {type: TestSource}
  sink: {type: TestSink}
groups:
  g:
    flowfile_concurrency: single
    input_ports: [a, b]
    output_ports: [out]
    processors: {hold: {type: TestPass, terminate: [failure]}}
    connections:
      - {from: a, to: hold}
      - {from: b, to: hold}
      - {from: hold.success, to: out}
connections:
  - {from: left, to: g.a}
  - {from: right, to: g.b}
  - {from: g.out, to: sink}
)";

inline const std::string kBatch = "flowfile_concurrency: batch";
inline const std::string kBatches = kBatch + "\n    outbound_policy: batch";
inline const std::string kStopped = "{type: TestPass, terminate: [failure], stopped: true}";

}  // namespace runnel
