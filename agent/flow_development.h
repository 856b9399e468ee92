// The commands of runnel-agent for whoever writes flows: test, once, graph, schema. They return the
// exit codes of agent/commands.h.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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

// ---- once_command.cc
struct OnceRequest {
  std::string file;
  ParameterValues parameters;
  std::string input;
  std::vector<std::string> outputs;
  ParameterValues attributes;
  bool is_lines = false;
  std::optional<std::string> separator;  // with escapes; none: as `is_lines` says
  std::string patience = "1 min";
  std::string state_dir;
  std::string key = {};  // where its master key is; empty: in the directory itself
};
// 0: everything was delivered; 1: something went to a failure or was left; 2: the ends of the flow
// are not clear; 78: the flow is wrong.
int once_command(const OnceRequest& request);

// ---- graph_command.cc
struct GraphRequest {
  std::string file;
  ParameterValues parameters;
  std::string state_dir;  // instead of the file: what runs there, with its queues
  std::string format = "mermaid";
};
int graph_command(const GraphRequest& request);

}  // namespace runnel
