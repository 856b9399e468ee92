// The commands of runnel-agent for whoever writes flows: test, once, graph, schema. They return the
// exit codes of agent/commands.h.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/settings.h"
#include "agent/spec/component.h"

namespace runnel {

// ---- test_command.cc
struct TestRequest {
  std::vector<std::string> files;
  bool as_json = false;
  std::string junit;  // file for JUnit's XML; empty: none
};
// 0: all passed; 1: one failed; 78: a test file or its flow is wrong.
int test_command(const TestRequest& request);

}  // namespace runnel
