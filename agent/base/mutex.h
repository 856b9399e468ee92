// Mutex, Lock and CondVar with the annotations by which clang's -Wthread-safety judges who may
// touch what.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define RUNNEL_THREAD(x) __attribute__((x))
#else
#define RUNNEL_THREAD(x)
#endif

#define CAPABILITY(x) RUNNEL_THREAD(capability(x))
#define SCOPED_CAPABILITY RUNNEL_THREAD(scoped_lockable)
#define GUARDED_BY(x) RUNNEL_THREAD(guarded_by(x))
#define PT_GUARDED_BY(x) RUNNEL_THREAD(pt_guarded_by(x))
#define REQUIRES(...) RUNNEL_THREAD(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) RUNNEL_THREAD(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) RUNNEL_THREAD(acquire_capability(__VA_ARGS__))
#define RELEASE(...) RUNNEL_THREAD(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) RUNNEL_THREAD(try_acquire_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(...) RUNNEL_THREAD(assert_capability(__VA_ARGS__))
#define RETURN_CAPABILITY(x) RUNNEL_THREAD(lock_returned(x))
#define NO_THREAD_SAFETY_ANALYSIS RUNNEL_THREAD(no_thread_safety_analysis)

namespace runnel {

// As std::mutex, which does as much again beside its two locked instructions; four bytes instead of
// forty.
class BareMutex {
 public:
  void lock() {
    if (!try_lock()) [[unlikely]]
      lock_waiting();
  }
  bool try_lock() {
    std::uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kLocked, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  void unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) [[unlikely]]
      wake_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0, kLocked = 1, kAwaited = 2;
  // Not in line: they are hundreds of places, and seldom gone through.
  void lock_waiting();
  void wake_one();

  std::atomic<std::uint32_t> state_{kFree};
};

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  bool try_lock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
#if defined(__SANITIZE_THREAD__)
  std::mutex mutex_;  // so that TSan sees in which order they are taken
#else
  BareMutex mutex_;
#endif
};

class SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Lock() RELEASE() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

// Wakes may be spurious: wait in a loop over the condition.
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex);
  // Returns false when the time was up.
  template <typename ClockT, typename DurationT>
  bool wait_until(Mutex& mutex, std::chrono::time_point<ClockT, DurationT> deadline)
      REQUIRES(mutex) {
    return condition_.wait_until(mutex, deadline) == std::cv_status::no_timeout;
  }
  void notify_one();
  void notify_all();

 private:
  std::condition_variable_any condition_;
};

}  // namespace runnel
