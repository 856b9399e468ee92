// The flow that a person names on the command line.

#pragma once

#include <string>

#include "agent/flow/yaml_reader.h"
#include "agent/settings.h"

namespace runnel {

// What may be named. A pipe has its text once only, and a named one waits for ever for its writer:
// it is refused. kAny takes what the shell has opened already, too: `-`, `/dev/stdin`, `<(…)`.
enum class FlowSource { kFile, kAny };

// Whether a provider of parameters that has nothing on this machine keeps a flow from being good.
enum class ProvidersAre { kHere, kPerhapsElsewhere };

// Read and checked against the processors of this program; what cannot be read is a complaint.
FlowReading read_given_flow(const std::string& file, const ParameterValues& parameters,
                            FlowSource source, ProvidersAre providers);

// Adds what is wrong with properties that are right each by itself, but not together. Who makes the
// component knows; it takes nothing from the machine yet. What lacks a provider that is elsewhere
// is not judged.
void try_to_make(FlowReading& reading);

}  // namespace runnel
