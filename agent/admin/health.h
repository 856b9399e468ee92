// Health: one word for how the flow does, with its reason. The same for the heartbeat, `/healthz`
// and `runnel-agent status`.

#pragma once

#include <string>
#include <string_view>

#include "agent/runtime/status.h"

namespace runnel {

enum class HealthWord { kUnknown, kOk, kDegraded, kBackPressure, kStopped };
std::string_view name_of(HealthWord word);  // "unknown", "ok", "degraded", "back_pressure", …

struct HealthVerdict {
  HealthWord word = HealthWord::kUnknown;
  std::string reason;  // empty: ok
};

// The worst that holds: a ledger in trouble, no flow, a stopped flow, a processor that fails, a
// full connection.
HealthVerdict health_of(const Status& status);

}  // namespace runnel
