// Ticker: what is measured of the fleet and of the hub itself as time passes. One thread calls
// tick; any thread asks.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/metrics.h"
#include "agent/base/mutex.h"
#include "hub/fleet/fleet.h"
#include "hub/http/message.h"
#include "hub/metrics/history.h"

namespace runnel::hub {

class Ticker {
 public:
  Ticker(Fleet& fleet, const Catalog& catalog, History& history, const Clock& clock)
      : fleet_(fleet),
        catalog_(catalog),
        history_(history),
        clock_(clock),
        started_ms_(clock.wall_ms()) {}

  // Records all that was heard in the ten seconds before `time_ms`, a multiple of them.
  void tick(std::int64_t time_ms);
  std::optional<std::int64_t> online_an_hour_ago() const;

  // A heartbeat was answered in so many microseconds. Any thread.
  void note_heartbeat(std::int64_t us) EXCLUDES(mutex_);
  double heartbeats_per_s() const;
  std::optional<double> heartbeat_ms_p99() const;
  std::uint64_t heartbeats_total() const { return heartbeats_total_.load(); }
  std::int64_t started_ms() const { return started_ms_; }

 private:
  static constexpr std::size_t kSlots = 6;  // of ten seconds
  static constexpr std::size_t kBuckets =
      64;  // of latencies, each a quarter wider than the one before
  struct Slot {
    std::uint64_t count = 0;
    std::vector<std::uint32_t> buckets = std::vector<std::uint32_t>(kBuckets, 0);
  };

  Fleet& fleet_;
  const Catalog& catalog_;
  History& history_;
  const Clock& clock_;
  const std::int64_t started_ms_;
  std::atomic<std::uint64_t> heartbeats_total_{0};
  mutable Mutex mutex_;
  std::deque<Slot> slots_ GUARDED_BY(mutex_) = std::deque<Slot>(1);  // the newest is being filled
  SteadyTime slot_began_ GUARDED_BY(mutex_) = clock_.steady();
  std::deque<std::pair<std::int64_t, std::int64_t>> online_
      GUARDED_BY(mutex_);  // time, agents; one a tick
};

// `HubHealth` of the REST contract.
Json hub_health(const Ticker& ticker, const Store& store);
// For Prometheus.
void collect_metrics(const Ticker& ticker, const Store& store, const Fleet& fleet,
                     MetricCollection& into);
std::int64_t resident_bytes();  // of this process

}  // namespace runnel::hub
