// Measuring the fleet and the hub.

#include "hub/fleet/ticker.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace runnel::hub {
namespace {

constexpr double kFirstBucketUs = 10;
constexpr double kBucketGrowth = 1.25;
constexpr std::int64_t kHourMs = 3'600'000;

const MetricFamily kAgents{"runnel_hub_fleet_agents", MetricKind::kGauge,
                           "Agents by connectivity."};
const MetricFamily kHeartbeats{"runnel_hub_c2_heartbeats_total", MetricKind::kCounter,
                               "Heartbeats answered."};
const MetricFamily kP99{"runnel_hub_c2_heartbeat_seconds_p99", MetricKind::kGauge,
                        "99th percentile of the time to answer a heartbeat, over the last minute."};
const MetricFamily kMemory{"runnel_hub_process_resident_bytes", MetricKind::kGauge,
                           "Memory of the hub."};
const MetricFamily kDatabase{"runnel_hub_store_database_bytes", MetricKind::kGauge,
                             "The hub's database on disk."};

std::size_t bucket_of(std::int64_t us, std::size_t buckets) {
  const double step =
      std::log(std::max(1.0, static_cast<double>(us) / kFirstBucketUs)) / std::log(kBucketGrowth);
  return std::min(buckets - 1, static_cast<std::size_t>(step));
}

float per_second(std::int64_t before, std::int64_t now, double seconds) {
  return now < before ? kNothingHeard
                      : static_cast<float>(static_cast<double>(now - before) / seconds);
}

// The rates between the heartbeats of two ticks; those of the tick before when none came.
void put_rates(Agent& agent, Sample& sample) {
  if (!agent.last.runnel) return;
  const c2::RunnelInfo& now = *agent.last.runnel;
  const double seconds =
      std::chrono::duration<double>(agent.heard_at - agent.ticked_heard_at).count();
  if (agent.ticked_boot == now.boot && seconds > 0.1) {
    const c2::Traffic& before = agent.ticked_traffic;
    const c2::LossLedger& lost = agent.ticked_ledger;
    agent.ticked_rates = {
        per_second(before.in_records, now.traffic.in_records, seconds),
        per_second(before.in_bytes, now.traffic.in_bytes, seconds),
        per_second(before.out_records, now.traffic.out_records, seconds),
        per_second(before.out_bytes, now.traffic.out_bytes, seconds),
        per_second(lost.dropped_expired, now.ledger.dropped_expired, seconds),
        per_second(lost.dropped_evicted, now.ledger.dropped_evicted, seconds),
        per_second(lost.dropped_auto_terminated, now.ledger.dropped_auto_terminated, seconds),
        per_second(lost.dropped_removed, now.ledger.dropped_removed, seconds),
        per_second(lost.dropped_quarantined, now.ledger.dropped_quarantined, seconds)};
  } else if (agent.ticked_boot != now.boot) {
    agent.ticked_rates.clear();
  }
  if (seconds > 0.1 || agent.ticked_boot != now.boot) {
    agent.ticked_heard_at = agent.heard_at;
    agent.ticked_boot = now.boot;
    agent.ticked_traffic = now.traffic;
    agent.ticked_ledger = now.ledger;
  }
  constexpr Series kRates[] = {Series::kInRecords,
                               Series::kInBytes,
                               Series::kOutRecords,
                               Series::kOutBytes,
                               Series::kDroppedExpired,
                               Series::kDroppedEvicted,
                               Series::kDroppedAutoTerminated,
                               Series::kDroppedRemoved,
                               Series::kDroppedQuarantined};
  for (std::size_t i = 0; i < agent.ticked_rates.size(); ++i)
    sample[kRates[i]] = agent.ticked_rates[i];
}

Sample sample_of(Agent& agent) {
  Sample sample;
  put_rates(agent, sample);
  if (has_queues(agent)) {
    sample[Series::kQueuedCount] = static_cast<float>(queued_count(agent));
    sample[Series::kQueuedBytes] = static_cast<float>(queued_bytes(agent));
    if (const auto age = queued_age_ms(agent))
      sample[Series::kQueuedAge] = static_cast<float>(*age);
  }
  const c2::AgentStatus& status = agent.last.agent.status;
  if (status.cpu_utilization && *status.cpu_utilization >= 0) {
    sample[Series::kCpu] = static_cast<float>(*status.cpu_utilization * 100);
  }
  if (status.memory_usage) sample[Series::kMemory] = static_cast<float>(*status.memory_usage);
  if (agent.last.runnel && agent.last.runnel->disk_used_bytes) {
    sample[Series::kDiskUsed] = static_cast<float>(*agent.last.runnel->disk_used_bytes);
  }
  return sample;
}

void add(Sample& sum, const Sample& one) {
  for (std::size_t i = 0; i < kSeriesCount; ++i) {
    if (std::isnan(one.values[i])) continue;
    float& into = sum.values[i];
    if (std::isnan(into)) {
      into = one.values[i];
    } else {
      into = is_maximum(i) ? std::max(into, one.values[i]) : into + one.values[i];
    }
  }
}

}  // namespace

void Ticker::tick(std::int64_t time_ms) {
  std::vector<std::pair<std::string, Sample>> samples;
  std::map<std::string, Sample> flows;
  Sample fleet;
  float online = 0;
  const SteadyTime now = clock_.steady();
  fleet_.visit_all([&](Agent& agent) {
    const Connectivity connectivity = connectivity_of(agent, now);
    if (!agent.is_heard || connectivity == Connectivity::kOffline) return;
    const Sample sample = sample_of(agent);
    samples.emplace_back("agent:" + agent.id, sample);
    add(fleet, sample);
    const float one = connectivity == Connectivity::kOnline ? 1 : 0;
    online += one;
    if (const auto flow = reported_flow(agent, catalog_)) {
      Sample& sum = flows["flow:" + flow->name];
      add(sum, sample);
      if (std::isnan(sum[Series::kAgentsOnline])) sum[Series::kAgentsOnline] = 0;
      sum[Series::kAgentsOnline] += one;
    }
  });
  fleet[Series::kAgentsOnline] = online;
  for (const auto& [subject, sample] : samples) history_.record(subject, time_ms, sample);
  for (const auto& [subject, sample] : flows) history_.record(subject, time_ms, sample);
  history_.record("fleet", time_ms, fleet);

  Lock lock(mutex_);
  online_.emplace_back(time_ms, static_cast<std::int64_t>(online));
  while (online_.size() > 1 && online_[1].first <= time_ms - kHourMs) online_.pop_front();
  slots_.emplace_back();
  slot_began_ = now;
  if (slots_.size() > kSlots) slots_.pop_front();
}

std::optional<std::int64_t> Ticker::online_an_hour_ago() const {
  Lock lock(mutex_);
  if (online_.empty() || online_.front().first > clock_.wall_ms() - kHourMs) return std::nullopt;
  return online_.front().second;
}

void Ticker::note_heartbeat(std::int64_t us) {
  ++heartbeats_total_;
  Lock lock(mutex_);
  ++slots_.back().count;
  ++slots_.back().buckets[bucket_of(us, kBuckets)];
}

double Ticker::heartbeats_per_s() const {
  Lock lock(mutex_);
  std::uint64_t count = 0;
  for (const Slot& slot : slots_) count += slot.count;
  const double seconds = static_cast<double>(slots_.size() - 1) * 10 +
                         std::chrono::duration<double>(clock_.steady() - slot_began_).count();
  return seconds < 0.5 ? 0 : std::round(static_cast<double>(count) / seconds * 10) / 10;
}

std::optional<double> Ticker::heartbeat_ms_p99() const {
  Lock lock(mutex_);
  std::vector<std::uint64_t> sums(kBuckets, 0);
  std::uint64_t total = 0;
  for (const Slot& slot : slots_) {
    total += slot.count;
    for (std::size_t i = 0; i < kBuckets; ++i) sums[i] += slot.buckets[i];
  }
  if (total == 0) return std::nullopt;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += sums[i];
    if (seen * 100 >= total * 99) {
      return std::round(kFirstBucketUs * std::pow(kBucketGrowth, static_cast<double>(i + 1))) /
             1000;
    }
  }
  return std::nullopt;
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

Json hub_health(const Ticker& ticker, const Store& store) {
  const auto p99 = ticker.heartbeat_ms_p99();
  return {{"version", RUNNEL_VERSION},
          {"started_ms", ticker.started_ms()},
          {"heartbeats_per_s", ticker.heartbeats_per_s()},
          {"heartbeat_ms_p99", p99 ? Json(*p99) : Json(nullptr)},
          {"memory_bytes", resident_bytes()},
          {"database_bytes", store.file_bytes()}};
}

void collect_metrics(const Ticker& ticker, const Store& store, const Fleet& fleet,
                     MetricCollection& into) {
  std::array<std::int64_t, 4> counts{};
  const SteadyTime now = system_clock().steady();
  fleet.look_at_all(
      [&](const Agent& agent) { ++counts[static_cast<std::size_t>(connectivity_of(agent, now))]; });
  for (std::size_t i = 0; i < counts.size(); ++i) {
    into.add(kAgents, {{"connectivity", std::string(name_of(static_cast<Connectivity>(i)))}},
             static_cast<double>(counts[i]));
  }
  into.add(kHeartbeats, {}, static_cast<double>(ticker.heartbeats_total()));
  if (const auto p99 = ticker.heartbeat_ms_p99()) into.add(kP99, {}, *p99 / 1000);
  into.add(kMemory, {}, static_cast<double>(resident_bytes()));
  into.add(kDatabase, {}, static_cast<double>(store.file_bytes()));
}

}  // namespace runnel::hub
