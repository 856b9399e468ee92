// Flow tests: runs a flow on the real engine, with its sources and sinks mocked and time in leaps,
// and says where what came out differs from what a *.test.yaml expects. flows/README.md describes
// the format.
//
// The engine has no threads here: it is driven by who calls, so that a test runs the same way each
// time. When nothing is left to do, the clock leaps to the next timer.

#pragma once

#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "agent/flow/model.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct FlowTestOutcome {
  std::string name;
  Position at;
  std::vector<Complaint> failures;  // empty: passed
  std::chrono::nanoseconds took{0};
};

struct FlowTestReport {
  std::string file;
  // What is wrong with the test file, or with the flow under its mocks; nothing was run then.
  std::vector<Complaint> complaints;
  std::vector<FlowTestOutcome> outcomes;  // in the order of the file

  bool is_valid() const { return !has_error(complaints); }
};

struct FlowTestLeaps {
  // How far time goes, where a test does not say it, while FlowFiles are queued.
  static constexpr std::chrono::hours kAtMost{24};
  static constexpr std::size_t kSlices = 500'000;  // of one test; beyond it never comes to rest
  // How long (by the machine's clock) a processor's own threads are waited for.
  static constexpr std::chrono::seconds kPatience{10};
};

// All tests of one file. `is_stopped`, if there is one, ends it early: what was not run is missing.
FlowTestReport run_flow_tests(const std::string& file, std::span<const ProcessorType> types,
                              std::span<const ServiceType> services,
                              const std::atomic<bool>* is_stopped = nullptr);

}  // namespace runnel
