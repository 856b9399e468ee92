// Waiting for a mutex that somebody else holds, and for conditions.

#include "agent/base/mutex.h"

namespace runnel {

void BareMutex::lock_waiting() {
  // Perhaps nobody else waits any more: then one is woken in vain.
  while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
    state_.wait(kAwaited, std::memory_order_relaxed);
}

void BareMutex::wake_one() { state_.notify_one(); }

void CondVar::wait(Mutex& mutex) { condition_.wait(mutex); }
void CondVar::notify_one() { condition_.notify_one(); }
void CondVar::notify_all() { condition_.notify_all(); }

}  // namespace runnel
