// How the flow does, in one word.

#include "agent/admin/health.h"

namespace runnel {

std::string_view name_of(HealthWord word) {
  switch (word) {
    case HealthWord::kUnknown:
      return "unknown";
    case HealthWord::kOk:
      return "ok";
    case HealthWord::kDegraded:
      return "degraded";
    case HealthWord::kBackPressure:
      return "back_pressure";
    case HealthWord::kStopped:
      return "stopped";
  }
  return "unknown";
}

HealthVerdict health_of(const Status& status) {
  if (!status.ledger.is_healthy) return {HealthWord::kDegraded, "ledger: " + status.ledger.trouble};
  if (!status.loss.is_balanced())
    return {HealthWord::kDegraded, "the loss ledger does not balance"};
  if (status.state == FlowState::kNone) return {HealthWord::kUnknown, "no flow"};
  if (status.state == FlowState::kStopped) return {HealthWord::kStopped, "the flow is stopped"};
  for (const ProcessorStatus& one : status.processors) {
    const bool fails = one.state == RunState::kFailed || one.state == RunState::kBackingOff ||
                       (one.state == RunState::kStarting && !one.last_error.empty());
    if (fails) return {HealthWord::kDegraded, one.path + ": " + one.last_error};
  }
  for (const ConnectionStatus& one : status.connections)
    if (one.is_full && !one.is_parked)
      return {HealthWord::kBackPressure, "`" + one.name + "` is full"};
  return {HealthWord::kOk, {}};
}

}  // namespace runnel
