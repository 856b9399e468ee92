// Flow tests: runs a flow on the real engine with its sources and sinks mocked, and compares what
// came out with what a *.test.yaml expects.
//
//   flow: mqtt-to-kafka.yaml            # beside the test
//   parameters: {topic: t}              # over the flow's own
//   tests:
//     - name: a sentence
//       mock: {to-kafka: success}       # processors that only keep what reaches them, and the
//                                       # relationship to which they send it
//       given:                          # what sources make; every source is mocked
//         - {at: bus, content: text, attributes: {name: value}}      # or `at: bus.relationship`
//       expect:                         # in this order for each place; nothing else may come
//         - {at: to-kafka, content: text, attributes: {some: value}}  # reached a mock
//         - {at: route.unmatched, in_any_order: true}                 # went to a relationship
//
// Processors in groups are named by their paths: `group/name`. Penalties do not wait.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/sdk/describe.h"

namespace runnel {

struct FlowTestOutcome {
  std::string name;
  std::vector<std::string> failures;  // empty: passed
};

// All tests of one file. What is wrong with the file itself is a failure of a test named after it.
std::vector<FlowTestOutcome> run_flow_tests(const std::string& file,
                                            std::span<const ProcessorType> types);

}  // namespace runnel
