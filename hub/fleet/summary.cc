// Counts over the fleet.

#include "hub/fleet/summary.h"

#include <algorithm>
#include <unordered_map>

namespace runnel::hub {
namespace {

constexpr std::chrono::milliseconds kFresh{500};
constexpr std::size_t kReasonsMax = 1'000;
constexpr std::size_t kSampleMax = 10;

void count(Counts& counts, const Judgement& judgement) {
  ++counts.total;
  ++counts.by_connectivity[static_cast<std::size_t>(judgement.connectivity)];
  ++counts.by_sync[static_cast<std::size_t>(judgement.sync)];
  ++counts.by_health[static_cast<std::size_t>(judgement.health)];
}

}  // namespace

SummaryPtr Summaries::now() {
  const SteadyTime now = clock_.steady();
  const std::uint64_t generation = fleet_.generation();
  Lock lock(mutex_);
  if (last_ != nullptr && last_->generation == generation && now - last_->made_at < kFresh)
    return last_;
  auto summary = std::make_shared<FleetSummary>();
  summary->made_at = now;
  summary->generation = generation;
  std::unordered_map<std::string, ClassPtr> classes;
  for (const ClassPtr& each : classes_.all()) {
    classes[each->name] = each;
    summary->classes[each->name];
  }
  fleet_.look_at_all([&](const Agent& agent) {
    const auto found = classes.find(agent.agent_class);
    const Judgement judgement =
        judge(agent, found == classes.end() ? nullptr : found->second.get(), now);
    count(summary->counts, judgement);
    ClassCounts& of_class = summary->classes[agent.agent_class];
    count(of_class.counts, judgement);
    if (judgement.sync == Sync::kFailed && (of_class.failures.size() < kReasonsMax ||
                                            of_class.failures.contains(judgement.sync_reason))) {
      FailureGroup& group = of_class.failures[judgement.sync_reason];
      ++group.agents;
      if (group.sample.size() < kSampleMax) group.sample.push_back(agent.id);
    }
    if (const auto flow = reported_flow(agent, catalog_))
      ++summary->flows[flow->name][flow->version.value_or(0)];
    if (judgement.connectivity == Connectivity::kOffline || !agent.is_heard) return;
    summary->in_records_per_s += agent.rates.in_records_per_s.value_or(0);
    summary->in_bytes_per_s += agent.rates.in_bytes_per_s.value_or(0);
    summary->out_records_per_s += agent.rates.out_records_per_s.value_or(0);
    summary->out_bytes_per_s += agent.rates.out_bytes_per_s.value_or(0);
    summary->queued_count = added(summary->queued_count, queued_count(agent));
    summary->queued_bytes = added(summary->queued_bytes, queued_bytes(agent));
    if (const auto age = queued_age_ms(agent)) {
      summary->queued_age_ms_max = std::max(summary->queued_age_ms_max.value_or(0), *age);
    }
  });
  last_ = summary;
  return last_;
}

}  // namespace runnel::hub
