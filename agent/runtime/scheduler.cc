// The worker loop: what to run next, when to help, when to sleep.

#include "agent/runtime/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <string>

#include "agent/base/assert.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// While others have work queued, an idle worker looks this often whether one of them is stuck.
constexpr auto kWatchTick = 2ms;
// A chain that wakes itself (a cycle) may not keep a worker for longer than so many slices.
constexpr unsigned kChainMax = 64;
// Timers are looked at once in so many picks, and whenever a worker runs out of work.
constexpr unsigned kPicksPerTimerCheck = 16;

struct Here {
  const Scheduler* scheduler = nullptr;
  void* worker = nullptr;
};
thread_local Here here;

}  // namespace

Scheduler::Scheduler(Options options)
    : options_(options),
      clock_(options.clock ? *options.clock : system_clock()),
      is_real_time_(&clock_ == &system_clock() && !options.is_driven) {
  unsigned count = options.workers;
  if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
  if (options.is_driven) count = 1;
  for (unsigned i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>());
  if (options.is_driven) return;
  for (unsigned i = 0; i < count; ++i) {
    Worker& worker = *workers_[i];
    worker.thread = std::thread([this, &worker] { work(worker); });
    const std::string name = "runnel-worker" + std::to_string(i);
    pthread_setname_np(worker.thread.native_handle(), name.substr(0, 15).c_str());
  }
}

Scheduler::~Scheduler() {
  {
    Lock lock(mutex_);
    is_stopping_ = true;
    for (const auto& worker : workers_) worker->wake.notify_all();
  }
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

void Scheduler::activate(Task& task) {
  Lock lock(mutex_);
  task.is_active_ = true;
}

bool Scheduler::retire(Task& task, SteadyTime deadline) {
  Lock lock(mutex_);
  task.is_active_ = false;
  set_timer(task, Task::kNever);
  if (task.is_queued_) forget(task);
  while (task.state_ == Task::State::kRunning || task.state_ == Task::State::kRunningWoken) {
    RUNNEL_ASSERT(here.scheduler != this);
    if (deadline == SteadyTime::max()) {
      retired_.wait(mutex_);
    } else if (!retired_.wait_until(mutex_, deadline)) {
      return task.state_ != Task::State::kRunning && task.state_ != Task::State::kRunningWoken;
    }
  }
  return true;
}

void Scheduler::forget(Task& task) {
  std::erase(shared_, &task);
  for (const auto& worker : workers_) {
    std::erase(worker->chain, &task);
    std::erase(worker->later, &task);
  }
  task.is_queued_ = false;
  task.state_ = Task::State::kIdle;
}

void Scheduler::wake(Task& task) {
  Task::State seen = task.state_.load();
  while (true) {
    switch (seen) {
      case Task::State::kReady:
      case Task::State::kRunningWoken:
        // Written, not only read: so whoever runs it next sees what we did before.
        if (task.state_.compare_exchange_weak(seen, seen)) return;
        break;
      case Task::State::kRunning:
        if (task.state_.compare_exchange_weak(seen, Task::State::kRunningWoken)) return;
        break;
      case Task::State::kIdle:
        if (task.state_.compare_exchange_weak(seen, Task::State::kReady)) {
          Worker* roused = nullptr;
          {
            Lock lock(mutex_);
            if (!task.is_active_) {
              task.state_ = Task::State::kIdle;
            } else {
              roused = enqueue_here(task);
            }
          }
          notify(roused);
          return;
        }
        break;
    }
  }
}

void Scheduler::wake_at(Task& task, SteadyTime when) {
  Lock lock(mutex_);
  if (task.is_active_ && when < task.timer_) set_timer(task, when);
}

void Scheduler::set_timer(Task& task, SteadyTime when) {
  if (task.timer_ != Task::kNever) timers_.erase({task.timer_, &task});
  task.timer_ = when;
  if (when == Task::kNever) return;
  timers_.insert({when, &task});
  // Whoever sleeps must not sleep past it.
  if (timers_.begin()->second != &task || asleep_ == 0) return;
  if (watcher_ == nullptr) {
    notify(rouse_one());
  } else if (when < watch_until_) {
    notify(rouse(*watcher_));
  }
}

void Scheduler::fire_timers() {
  if (timers_.empty()) return;
  const SteadyTime now = clock_.steady();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Task& task = *timers_.begin()->second;
    timers_.erase(timers_.begin());
    task.timer_ = Task::kNever;
    Task::State seen = Task::State::kIdle;
    if (task.state_.compare_exchange_strong(seen, Task::State::kReady)) {
      notify(enqueue_shared(task));
    } else if (seen == Task::State::kRunning) {
      // It stays running as long as the mutex is held, but a wake may come first.
      task.state_.compare_exchange_strong(seen, Task::State::kRunningWoken);
    }
  }
}

// Woken by a worker: it runs it next, itself. Woken from outside: whoever is free runs it.
Scheduler::Worker* Scheduler::enqueue_here(Task& task) {
  if (here.scheduler != this) return enqueue_shared(task);
  Worker& worker = *static_cast<Worker*>(here.worker);
  task.is_queued_ = true;
  worker.chain.push_back(&task);
  return ensure_watch();
}

// Work lies behind a worker that may get stuck: one of the sleepers shall look again soon.
Scheduler::Worker* Scheduler::ensure_watch() {
  if (asleep_ == 0 || is_ticking_) return nullptr;
  return watcher_ != nullptr ? rouse(*watcher_) : rouse_one();
}

Scheduler::Worker* Scheduler::enqueue_shared(Task& task) {
  task.is_queued_ = true;
  shared_.push_back(&task);
  return rouse_one();
}

Scheduler::Worker* Scheduler::rouse(Worker& worker) {
  if (!worker.is_asleep) return nullptr;
  worker.is_asleep = false;
  --asleep_;
  return &worker;
}

// Rather one who sleeps soundly than the watcher.
Scheduler::Worker* Scheduler::rouse_one() {
  if (asleep_ == 0) return nullptr;
  for (const auto& worker : workers_) {
    if (worker->is_asleep && worker.get() != watcher_) return rouse(*worker);
  }
  return rouse(*watcher_);
}

bool Scheduler::has_pending() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
    return !worker->chain.empty() || !worker->later.empty();
  });
}

Task* Scheduler::taken(Task* task) {
  task->is_queued_ = false;
  return task;
}

Task* Scheduler::pick(Worker& worker) {
  if (++picks_ % kPicksPerTimerCheck == 0) fire_timers();
  if (!worker.chain.empty() && worker.chain_run < kChainMax) {
    ++worker.chain_run;
    Task* next = worker.chain.back();
    worker.chain.pop_back();
    return taken(next);
  }
  worker.chain_run = 0;
  // A chain that was cut short takes its turn behind the others.
  worker.later.insert(worker.later.end(), worker.chain.begin(), worker.chain.end());
  worker.chain.clear();
  // In turns, by a count of its own: a source and its sink may pick in step with any other.
  worker.prefers_later = !worker.prefers_later;
  if (!worker.later.empty() && (worker.prefers_later || shared_.empty())) {
    Task* next = worker.later.front();
    worker.later.pop_front();
    return taken(next);
  }
  if (!shared_.empty()) {
    Task* next = shared_.front();
    shared_.pop_front();
    return taken(next);
  }
  return nullptr;
}

// From a worker that has not come round since the last tick, or whose chains queue up.
Task* Scheduler::steal(Worker& thief) {
  for (const auto& worker : workers_) {
    if (worker.get() == &thief) continue;
    const bool is_stuck = worker->is_running && worker->runs == worker->runs_seen;
    worker->runs_seen = worker->runs;
    if (is_stuck && !worker->chain.empty()) {
      Task* stolen = worker->chain.back();
      worker->chain.pop_back();
      return taken(stolen);
    }
    if (worker->later.size() > (is_stuck ? 0U : 1U)) {
      Task* stolen = worker->later.front();
      worker->later.pop_front();
      return taken(stolen);
    }
  }
  return nullptr;
}

void Scheduler::sleep(Worker& worker) {
  worker.is_asleep = true;
  ++asleep_;
  if (watcher_ == nullptr) {
    watcher_ = &worker;
    watch_until_ = timers_.empty() || !is_real_time_ ? SteadyTime::max() : timers_.begin()->first;
    is_ticking_ = has_pending();
    if (is_ticking_) {
      watch_until_ = std::min(watch_until_, std::chrono::steady_clock::now() + kWatchTick);
    }
    while (worker.is_asleep && !is_stopping_) {
      if (watch_until_ == SteadyTime::max()) {
        worker.wake.wait(mutex_);
      } else if (!worker.wake.wait_until(mutex_, watch_until_)) {
        break;
      }
    }
    watcher_ = nullptr;
    is_ticking_ = false;
    watch_until_ = SteadyTime::max();
  } else {
    while (worker.is_asleep && !is_stopping_) worker.wake.wait(mutex_);
  }
  if (worker.is_asleep) {
    worker.is_asleep = false;
    --asleep_;
  }
}

void Scheduler::run_one(Worker& worker, Task& task) {
  worker.is_running = true;
  task.state_.exchange(Task::State::kRunning);
  // Somebody has to watch, now that this worker does not.
  Worker* roused = nullptr;
  if (watcher_ == nullptr && asleep_ > 0 && !timers_.empty()) roused = rouse_one();
  if (!worker.chain.empty() || !worker.later.empty()) {
    Worker* const watcher = ensure_watch();
    if (roused == nullptr) {
      roused = watcher;
    } else {
      notify(watcher);
    }
  }
  mutex_.unlock();
  notify(roused);
  Task::Next next = task.run();
  mutex_.lock();
  slices_.fetch_add(1, std::memory_order_relaxed);
  ++worker.runs;
  worker.is_running = false;
  if (!task.is_active_) {
    task.state_ = Task::State::kIdle;
    retired_.notify_all();
    return;
  }
  if (next == Task::Next::kIdle) {
    Task::State seen = Task::State::kRunning;
    if (task.state_.compare_exchange_strong(seen, Task::State::kIdle)) return;
    next = Task::Next::kAgain;  // woken meanwhile
  }
  task.state_ = Task::State::kReady;
  if (next == Task::Next::kDeep) {
    notify(enqueue_shared(task));
  } else {
    task.is_queued_ = true;
    worker.later.push_back(&task);
  }
}

void Scheduler::work(Worker& worker) {
  here = {this, &worker};
  Lock lock(mutex_);
  bool is_after_tick = false;
  while (!is_stopping_) {
    Task* next = pick(worker);
    if (next == nullptr && is_after_tick) next = steal(worker);
    is_after_tick = false;
    if (next != nullptr) {
      run_one(worker, *next);
      continue;
    }
    const std::size_t before = shared_.size();
    fire_timers();
    if (shared_.size() != before) continue;
    sleep(worker);
    is_after_tick = true;
  }
}

void Scheduler::poke() {
  Lock lock(mutex_);
  fire_timers();
}

std::size_t Scheduler::run_ready(std::size_t slices_max) {
  RUNNEL_ASSERT(options_.is_driven);
  Worker& worker = *workers_.front();
  const Here outside = here;
  here = {this, &worker};
  std::size_t count = 0;
  {
    Lock lock(mutex_);
    fire_timers();
    while (count < slices_max) {
      Task* next = pick(worker);
      if (next == nullptr) break;
      run_one(worker, *next);
      ++count;
    }
  }
  here = outside;
  return count;
}

bool Scheduler::wait_for_wake(std::chrono::milliseconds timeout) {
  RUNNEL_ASSERT(options_.is_driven);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  Lock lock(mutex_);
  Worker& worker = *workers_.front();
  while (shared_.empty() && worker.chain.empty() && worker.later.empty()) {
    worker.is_asleep = true;
    asleep_ = 1;
    watcher_ = &worker;
    const bool is_in_time = worker.wake.wait_until(mutex_, deadline);
    worker.is_asleep = false;
    asleep_ = 0;
    watcher_ = nullptr;
    if (!is_in_time) break;
  }
  return !(shared_.empty() && worker.chain.empty() && worker.later.empty());
}

SteadyTime Scheduler::next_timer() const {
  Lock lock(mutex_);
  return timers_.empty() ? SteadyTime::max() : timers_.begin()->first;
}

}  // namespace runnel
