// What a waiting agent shows.

#include "agent/waiting_engine.h"

#include "agent/base/metrics.h"

namespace runnel {

Status WaitingEngine::status() const {
  Status status;
  status.state = FlowState::kNone;
  status.at_ms = system_clock().wall_ms();
  status.ledger.is_healthy = false;
  status.ledger.trouble = why();
  return status;
}

std::vector<Bulletin> WaitingEngine::bulletins(std::uint64_t since_id) const {
  if (since_id >= 1) return {};
  Bulletin one;
  one.id = 1;
  one.at_ms = began_ms_;
  one.level = BulletinLevel::kError;
  one.text = refused().text();
  return {one};
}

void WaitingEngine::collect(MetricCollection& into) const {
  static const MetricFamily healthy{"runnel_ledger_healthy", MetricKind::kGauge,
                                    "1 when the ledger can write"};
  into.add(healthy, {}, 0);
}

}  // namespace runnel
