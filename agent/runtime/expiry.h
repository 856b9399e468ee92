// ExpiryTimer: ends what has stayed in its queue for too long, also where nobody takes from it.
//
// One task of the scheduler, with one timer: when the oldest FlowFile of any queue is due. It runs
// four times a second at most, so that a FlowFile may stay a quarter of a second too long; a
// session that takes an expired one ends it, too. Nothing expires, nothing runs.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/queue.h"
#include "agent/runtime/scheduler.h"

namespace runnel {

class ExpiryTimer final : public Task {
 public:
  struct Watched {
    Queue* queue;
    std::string component;  // that events name: who would have taken it
  };

  // `provenance` may be nullptr. What is given here outlives it.
  ExpiryTimer(Ledger& ledger, Scheduler& scheduler, ProvenanceLog* provenance);
  ~ExpiryTimer() override;
  ExpiryTimer(const ExpiryTimer&) = delete;
  ExpiryTimer& operator=(const ExpiryTimer&) = delete;

  // These from now on, instead of those before, which are not touched any more when it returns. Not
  // while a lock is held that a queue's callbacks take.
  void watch(std::vector<Watched> queues);
  // Something has come into this queue. Any thread, without the ledger's mutex; cheap.
  void entered(const Queue& queue);

  Next run() override;

 private:
  void arm(std::int64_t due_ms);
  void tell(const std::string& component, std::vector<std::uint64_t>& expired);

  Ledger& ledger_;
  Scheduler& scheduler_;
  ProvenanceLog* const provenance_;
  std::atomic<std::int64_t> armed_ns_{INT64_MAX};  // by the steady clock
  std::atomic<std::int64_t> not_before_ns_{0};
  Mutex mutex_;  // held while it runs
  std::vector<Watched> queues_ GUARDED_BY(mutex_);
};

}  // namespace runnel
