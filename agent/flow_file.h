// The flow that a person names on the command line.

#pragma once

#include <string>

#include "agent/flow/yaml_reader.h"
#include "agent/settings.h"

namespace runnel {

// What may be named. A pipe has its text once only, and a named one waits for ever for its writer:
// it is refused. kAny takes what the shell has opened already, too: `-`, `/dev/stdin`, `<(…)`.
enum class FlowSource { kFile, kAny };

// Read and checked against the processors of this program; what cannot be read is a complaint.
FlowReading read_given_flow(const std::string& file, const ParameterValues& parameters,
                            FlowSource source);

}  // namespace runnel
