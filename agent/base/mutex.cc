// A mutex that somebody else holds: whoever waits says so before, and is woken by the one who lets
// go.

#include "agent/base/mutex.h"

namespace runnel {

void BareMutex::lock_waiting() {
  // Perhaps nobody else waits any more: then one is woken in vain.
  while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
    state_.wait(kAwaited, std::memory_order_relaxed);
}

}  // namespace runnel
