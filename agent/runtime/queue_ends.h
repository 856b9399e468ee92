// QueueEnds: who puts into a queue and who takes from it, and who looks on.
//
// The queue calls it after commits, from any thread; nodes come and go while it runs.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/runtime/expiry.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/node.h"
#include "agent/runtime/queue.h"
#include "agent/runtime/status.h"

namespace runnel {

// What is shown of a FlowFile that came into its queue then, by the ledger's clock; 0: unknown.
QueuedFlowFile shown(const FlowRecord& record, std::uint32_t queued_at_ms, Ledger& ledger);
// The first `content_max` bytes of its content; the record's references must hold.
Result<PeekedFlowFile> peeked(const FlowRecord& record, std::uint32_t queued_at_ms, Ledger& ledger,
                              std::size_t content_max);

class QueueEnds {
 public:
  QueueEnds(Ledger& ledger, Queue& queue, ExpiryTimer& expiry);
  ~QueueEnds();
  QueueEnds(const QueueEnds&) = delete;
  QueueEnds& operator=(const QueueEnds&) = delete;

  // Takes the place of the queue's callbacks; while nothing runs on it.
  void attach();
  void connect(std::shared_ptr<Node> producer, std::shared_ptr<Node> consumer);
  Queue& queue() { return queue_; }

  using Tap = std::function<void(const PeekedFlowFile&)>;
  struct Tapping {
    std::uint64_t number;
    std::size_t left;
    std::size_t content_max;
    std::uint64_t one_of;    // that enter, the last one is shown
    std::uint64_t seen = 0;  // since one was shown
    Tap tap;
  };
  void add_tap(Tapping tapping);
  // Not called any more when it returns. Not from a tap.
  void remove_tap(std::uint64_t number);

 private:
  static constexpr std::size_t kTappedMax = 1000;  // copies that wait to be shown

  void on_ready();
  void on_room();
  void show_tapped();
  void listen(bool listens);

  Ledger& ledger_;
  Queue& queue_;
  ExpiryTimer& expiry_;
  Mutex mutex_;
  std::shared_ptr<Node> producer_ GUARDED_BY(mutex_);
  std::shared_ptr<Node> consumer_ GUARDED_BY(mutex_);

  std::atomic<bool> is_tapped_{false};
  Mutex showing_;  // held while taps are called
  std::vector<Tapping> taps_ GUARDED_BY(showing_);
  std::vector<FlowRecord> tapped_;  // the ledger's mutex guards it; each holds its references
};

}  // namespace runnel
