// Reads the native YAML format (flows/README.md) into a Flow. Strict: what it does not know it
// refuses, and it says all that is wrong at once.
//
// It judges the text alone; what can be said only with the processors' descriptions at hand is
// agent/flow/check.h. `read_flow` does both. Hostile text is refused within the bounds below.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"
#include "agent/flow/providers.h"
#include "agent/spec/component.h"

namespace runnel {

// Parameters that every flow has without declaring them: the agent that runs it gives their values.
inline constexpr std::array<std::string_view, 2> kBuiltInParameters{"agent.id", "agent.class"};
inline bool is_built_in_parameter(std::string_view name) {
  return std::find(kBuiltInParameters.begin(), kBuiltInParameters.end(), name) !=
         kBuiltInParameters.end();
}

struct FlowReadLimits {
  static constexpr std::size_t kText = 8 * 1024 * 1024;  // bytes
  static constexpr std::size_t kDepth = 64;              // of nesting in the text
  static constexpr std::size_t kNodes =
      250'000;  // keys, values, lists, maps; as often as aliases repeat them
  static constexpr std::size_t kGroupDepth = 16;      // of process groups
  static constexpr std::size_t kContextDepth = 64;    // of parameter contexts that inherit others
  static constexpr std::size_t kName = 256;           // bytes
  static constexpr std::size_t kValue = 1024 * 1024;  // bytes of a property, parameters put in
  static constexpr std::size_t kValues = 16 * 1024 * 1024;  // of all properties together
  static constexpr std::size_t kComplaints = 200;           // the rest is counted in a last one
};

struct FlowReadOptions {
  std::string file = {};  // named in complaints
  // Values from the command line or a hub: before those of the flow's own `parameters`.
  std::map<std::string, std::string, std::less<>> parameters = {};
  // What asks the providers of parameters. None: their parameters are not known here, and what
  // needs them is not judged.
  ProvideParameters provide = {};
  // A provider that has nothing here (kNotFound) is worth a warning only; then as without
  // `provide`.
  bool may_lack_providers = false;
  // Values for parameters that the flow does not have are worth a warning only: who gave them wrote
  // them for several flows.
  bool may_give_others = false;
};

struct FlowReading {
  // What could be read; never nullptr. Not to be run when there are complaints above warnings.
  std::shared_ptr<Flow> flow;
  std::vector<Complaint> complaints;  // by place

  bool ok() const { return !has_error(complaints); }
};

FlowReading read_yaml(std::string_view text, const FlowReadOptions& options);

// Reads and checks against what the agent has: all complaints together.
FlowReading read_flow(std::string_view text, const FlowReadOptions& options,
                      std::span<const ComponentSpec> specs);
// The same of a file; kNotFound and the like become a complaint.
FlowReading read_flow_file(const std::string& file, const FlowReadOptions& options,
                           std::span<const ComponentSpec> specs);

}  // namespace runnel
