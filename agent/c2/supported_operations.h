// What a Runnel agent does when a hub asks, for its manifest; PROTOCOL.md says how.

#pragma once

#include <vector>

#include "agent/spec/manifest.h"

namespace runnel::c2 {

// In capitals, as MiNiFi Java lists them: servers read these as enumerations.
std::vector<SupportedOperation> supported_operations();

}  // namespace runnel::c2
