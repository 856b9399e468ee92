// MetricsServer: `GET /metrics` for Prometheus and `GET /healthz` for whoever watches, on a thread
// of its own (`metrics`), so that they answer while an operator's command waits.
//
// /healthz: 200 while the ledger is sound, else 503; the body says more:
//   {"health": "ok|degraded|back_pressure|stopped|unknown", "reason": "…", "flow": "…"}

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/admin/poll_server.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"
#include "agent/runtime/engine.h"

namespace runnel {

struct MetricsServer {
  std::string address;  // "127.0.0.1:9464"
  std::unique_ptr<PollServer> server;
};

// The engine outlives it.
Result<MetricsServer> serve_metrics(std::string_view address, const Engine& engine);

}  // namespace runnel
