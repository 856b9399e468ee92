// Scheduler: a fixed pool of workers that run tasks to completion, depth-first down a chain.
//
// A task that is woken by a worker (a FlowFile was queued for it) is run next by that worker, so
// that a FlowFile goes down its whole chain on one core: two workers on neighbouring processors
// are slower than one. Another worker helps only where a queue is deep or a task is slow. Tasks
// that have more to do than one slice, and those woken from outside, take turns. Nothing is polled:
// when there is nothing to do, all workers sleep, one of them until the next timer.
//
// The order of locks: the scheduler's mutex is the innermost; nothing is called while it is held.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace runnel {

// What workers run. Never run by two workers at once.
class Task {
 public:
  enum class Next {
    kIdle,   // until it is woken
    kAgain,  // there is more to do than one slice
    kDeep,   // so much more that another worker should help
  };

  virtual ~Task() = default;
  // One slice of work.
  virtual Next run() = 0;

 private:
  friend class Scheduler;
  enum class State : std::uint8_t { kIdle, kReady, kRunning, kRunningWoken };
  static constexpr SteadyTime kNever = SteadyTime::max();

  std::atomic<State> state_{State::kIdle};
  // The scheduler's mutex guards these.
  bool is_active_ = false;
  bool is_queued_ = false;
  SteadyTime timer_ = kNever;
};

class Scheduler {
 public:
  struct Options {
    unsigned workers = 0;    // 0: as many as there are cores
    bool is_driven = false;  // no threads: the owner calls run_ready (tests, `once`)
    Clock* clock = nullptr;  // timers of a clock that is not the machine's need `poke`
  };

  explicit Scheduler(Options options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // A task is run only between `activate` and `retire`. When `retire` returns true it is not
  // running; false: at the deadline (by the machine's clock) it still was, and when its slice ends
  // it is not run again. Not from a task.
  void activate(Task& task);
  bool retire(Task& task, SteadyTime deadline = SteadyTime::max());

  // There is something to do. Any thread, at any time; cheap when it is already known.
  void wake(Task& task);
  // Wakes it then, or earlier when it was to be woken earlier. Any thread.
  void wake_at(Task& task, SteadyTime when);

  // The clock was moved by hand.
  void poke();
  // Driven: runs what is ready, at most so many slices; returns how many were run.
  std::size_t run_ready(std::size_t slices_max);
  // Driven: waits for a wake from another thread; false when the time was up.
  bool wait_for_wake(std::chrono::milliseconds timeout);
  // Driven: when the earliest timer is due.
  SteadyTime next_timer() const;

  unsigned workers() const { return static_cast<unsigned>(workers_.size()); }
  // Slices run so far, and sleeps ended by a timer: what `idle` costs can be counted.
  std::uint64_t slices() const { return slices_.load(std::memory_order_relaxed); }

 private:
  struct Worker {
    std::vector<Task*> chain;  // last in, first out: downstream first
    std::deque<Task*> later;   // its tasks that have more than one slice
    unsigned chain_run = 0;    // since it last looked elsewhere
    bool prefers_later = false;
    std::uint64_t runs = 0;
    std::uint64_t runs_seen = 0;  // by the watcher, one tick ago
    bool is_running = false;
    bool is_asleep = false;
    CondVar wake;
    std::thread thread;
  };

  void work(Worker& worker);
  Task* pick(Worker& worker) REQUIRES(mutex_);
  Task* steal(Worker& thief) REQUIRES(mutex_);
  bool has_pending() const REQUIRES(mutex_);
  Task* taken(Task* task) REQUIRES(mutex_);
  void sleep(Worker& worker) REQUIRES(mutex_);
  // These return whom to notify, without the mutex where that can be: a worker that is woken while
  // it is held only waits for it, which costs each side a sleep. nullptr: nobody.
  [[nodiscard]] Worker* enqueue_here(Task& task) REQUIRES(mutex_);
  [[nodiscard]] Worker* enqueue_shared(Task& task) REQUIRES(mutex_);
  [[nodiscard]] Worker* ensure_watch() REQUIRES(mutex_);
  [[nodiscard]] Worker* rouse_one() REQUIRES(mutex_);
  [[nodiscard]] Worker* rouse(Worker& worker) REQUIRES(mutex_);
  static void notify(Worker* roused) {
    if (roused != nullptr) roused->wake.notify_one();
  }
  void fire_timers() REQUIRES(mutex_);
  void set_timer(Task& task, SteadyTime when) REQUIRES(mutex_);
  void run_one(Worker& worker, Task& task) REQUIRES(mutex_);
  void forget(Task& task) REQUIRES(mutex_);

  const Options options_;
  Clock& clock_;
  const bool is_real_time_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::uint64_t> slices_{0};

  mutable Mutex mutex_;
  CondVar retired_;
  std::deque<Task*> shared_ GUARDED_BY(mutex_);  // woken from outside
  std::set<std::pair<SteadyTime, Task*>> timers_ GUARDED_BY(mutex_);
  Worker* watcher_ GUARDED_BY(mutex_) = nullptr;  // asleep until the next timer or tick
  SteadyTime watch_until_ GUARDED_BY(mutex_) = SteadyTime::max();
  bool is_ticking_ GUARDED_BY(mutex_) = false;
  unsigned asleep_ GUARDED_BY(mutex_) = 0;
  unsigned picks_ GUARDED_BY(mutex_) = 0;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace runnel
