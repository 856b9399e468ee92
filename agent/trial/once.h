// A flow as a filter: what is read becomes FlowFiles in the place of its source, what reaches its
// sink is written, and when everything has gone its way it ends.

#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/flow/model.h"
#include "agent/runtime/vault.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct OnceOptions {
  std::string input = {};                 // a processor; empty: the flow's only source
  std::vector<std::string> outputs = {};  // processors, or path.relationship; none: the only sink
  int in_fd = 0;
  int out_fd = 1;
  bool is_lines = false;       // a FlowFile for each line; else one for everything
  std::string separator = {};  // written behind each FlowFile
  std::map<std::string, std::string, std::less<>> attributes = {};  // of each FlowFile made
  // After the end of the input: how long nothing may move before what is queued counts as left.
  std::chrono::nanoseconds patience = std::chrono::minutes(1);
  std::string state_dir = {};  // empty: a temporary one, in which nothing stays
  Vault vault = {};            // of that directory
  unsigned workers = 0;
  std::span<const ServiceType> services = {};  // the types of controller services
};

struct OnceOutcome {
  // What is to be said: FlowFiles that went to a failure or were left. Empty: all were delivered.
  std::vector<std::string> troubles;
  int error = 0;  // errno of the input or the output, when that ended it
};

// Where FlowFiles enter and leave. kInvalid: a name is wrong, or there are several and none is
// said.
struct OnceEnds {
  std::string input;
  std::vector<std::string> outputs;
};
Result<OnceEnds> ends_of(const Flow& flow, std::span<const ProcessorType> types,
                         const OnceOptions& options);

// The flow has passed its checks. Sources other than the input stand still; all else runs as it is.
// `is_stopped` ends it early.
Result<OnceOutcome> run_once(const Flow& flow, std::span<const ProcessorType> types,
                             const OnceEnds& ends, const OnceOptions& options,
                             const std::atomic<bool>& is_stopped);

}  // namespace runnel
