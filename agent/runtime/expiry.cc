// When what expires is due, and its end.

#include "agent/runtime/expiry.h"

#include <algorithm>

#include "agent/runtime/id_set.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kPause = 250ms;

std::int64_t ns_of(SteadyTime when) { return when.time_since_epoch().count(); }

}  // namespace

ExpiryTimer::ExpiryTimer(Ledger& ledger, Scheduler& scheduler, ProvenanceLog* provenance)
    : ledger_(ledger), scheduler_(scheduler), provenance_(provenance) {
  scheduler_.activate(*this);
}

ExpiryTimer::~ExpiryTimer() { scheduler_.retire(*this); }

void ExpiryTimer::watch(std::vector<Watched> queues) {
  {
    Lock lock(mutex_);
    queues_.swap(queues);
    queues = queues_;
  }
  for (const Watched& one : queues) entered(*one.queue);
}

void ExpiryTimer::entered(const Queue& queue) {
  const std::int64_t expire_ms = queue.expire_ms();
  if (expire_ms == 0) return;
  const std::int64_t oldest_ms = queue.oldest_start_ms();
  if (oldest_ms == INT64_MAX) return;
  arm(oldest_ms == INT64_MIN ? INT64_MIN : oldest_ms + expire_ms + 1);
}

void ExpiryTimer::arm(std::int64_t due_ms) {
  const SteadyTime now = ledger_.clock().steady();
  const std::int64_t wall_ms = ledger_.wall_ms();
  // What is due in a year is looked at in a day.
  const std::chrono::milliseconds left(
      due_ms <= wall_ms ? 0 : std::min<std::int64_t>(due_ms - wall_ms, 86'400'000));
  const std::int64_t when = std::max(ns_of(now + left), not_before_ns_.load());
  std::int64_t armed = armed_ns_.load();
  while (when < armed) {
    if (!armed_ns_.compare_exchange_weak(armed, when)) continue;
    scheduler_.wake_at(*this, SteadyTime(std::chrono::nanoseconds(when)));
    return;
  }
}

void ExpiryTimer::tell(const std::string& component, std::vector<std::uint64_t>& expired) {
  if (provenance_ == nullptr || expired.empty()) return;
  std::sort(expired.begin(), expired.end());
  IdSet ids;
  for (const std::uint64_t id : expired) ids.add(id);
  provenance_->add({.kind = ProvenanceKind::kExpire,
                    .at_ms = ledger_.wall_ms(),
                    .component = component,
                    .flowfiles = ids.ranges()});
}

Task::Next ExpiryTimer::run() {
  const std::int64_t now_ns = ns_of(ledger_.clock().steady());
  not_before_ns_ = now_ns + kPause.count();
  armed_ns_ = INT64_MAX;  // what enters from here on arms it again
  Lock lock(mutex_);
  std::vector<std::uint64_t> expired;
  for (const Watched& one : queues_) {
    const std::int64_t oldest_ms = one.queue->oldest_start_ms();
    const std::int64_t expire_ms = one.queue->expire_ms();
    if (expire_ms == 0 || oldest_ms == INT64_MAX) continue;
    std::int64_t due_ms = oldest_ms == INT64_MIN ? oldest_ms : oldest_ms + expire_ms + 1;
    if (due_ms <= ledger_.wall_ms()) {
      expired.clear();
      due_ms = ledger_.expire(*one.queue, expired);
      tell(one.component, expired);
    }
    if (due_ms != INT64_MAX) arm(due_ms);
  }
  return Next::kIdle;
}

}  // namespace runnel
