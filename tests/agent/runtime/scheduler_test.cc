// Scheduler: order, fairness, timers, wakes that are never lost, and help where a worker is stuck.

#include "agent/runtime/scheduler.h"

#include <doctest/doctest.h>

#include <functional>
#include <future>
#include <string>

namespace runnel {
namespace {

using namespace std::chrono_literals;

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<Next()> body) : body_(std::move(body)) {}
  Next run() override { return body_(); }

 private:
  std::function<Next()> body_;
};

struct Driven {
  ManualClock clock;
  Scheduler scheduler{{.workers = 1, .is_driven = true, .clock = &clock}};
};

TEST_CASE("a task that is woken twice before it ran is run once") {
  Driven d;
  int runs = 0;
  FunctionTask task([&] { return ++runs, Task::Next::kIdle; });
  d.scheduler.activate(task);
  d.scheduler.wake(task);
  d.scheduler.wake(task);
  CHECK(d.scheduler.run_ready(10) == 1);
  CHECK(runs == 1);
  CHECK(d.scheduler.run_ready(10) == 0);
  d.scheduler.retire(task);
}

TEST_CASE("a task that is woken while it runs is run again") {
  Driven d;
  int runs = 0;
  FunctionTask* self = nullptr;
  FunctionTask task([&] {
    if (++runs == 1) d.scheduler.wake(*self);
    return Task::Next::kIdle;
  });
  self = &task;
  d.scheduler.activate(task);
  d.scheduler.wake(task);
  CHECK(d.scheduler.run_ready(10) == 2);
  d.scheduler.retire(task);
}

TEST_CASE("a source that is always busy leaves its turn to what was woken from outside") {
  // Whatever else was picked before: the source and its sink are picked in pairs.
  for (int before = 0; before < 4; ++before) {
    Driven d;
    FunctionTask earlier([] { return Task::Next::kIdle; });
    FunctionTask sink([] { return Task::Next::kIdle; });
    FunctionTask source([&] { return d.scheduler.wake(sink), Task::Next::kAgain; });
    int runs = 0;
    FunctionTask other([&] { return ++runs, Task::Next::kIdle; });
    const std::initializer_list<Task*> all{&earlier, &sink, &source, &other};
    for (Task* task : all) d.scheduler.activate(*task);
    for (int i = 0; i < before; ++i) {
      d.scheduler.wake(earlier);
      CHECK(d.scheduler.run_ready(1) == 1);
    }
    d.scheduler.wake(source);
    d.scheduler.run_ready(10);
    d.scheduler.wake(other);
    d.scheduler.run_ready(6);
    CHECK(runs == 1);
    for (Task* task : all) d.scheduler.retire(*task);
  }
}

TEST_CASE("a worker runs a chain to its end before the source is run again") {
  Driven d;
  std::string order;
  FunctionTask sink([&] { return order += 'c', Task::Next::kIdle; });
  FunctionTask middle([&] {
    order += 'b';
    d.scheduler.wake(sink);
    return Task::Next::kIdle;
  });
  int left = 3;
  FunctionTask source([&] {
    order += 'a';
    d.scheduler.wake(middle);
    return --left > 0 ? Task::Next::kAgain : Task::Next::kIdle;
  });
  for (Task* task : std::initializer_list<Task*>{&sink, &middle, &source}) {
    d.scheduler.activate(*task);
  }
  d.scheduler.wake(source);
  d.scheduler.run_ready(100);
  CHECK(order == "abcabcabc");
}

TEST_CASE("tasks that always have more to do take turns") {
  Driven d;
  std::string order;
  FunctionTask a([&] { return order += 'a', Task::Next::kAgain; });
  FunctionTask b([&] { return order += 'b', Task::Next::kAgain; });
  d.scheduler.activate(a);
  d.scheduler.activate(b);
  d.scheduler.wake(a);
  d.scheduler.wake(b);
  d.scheduler.run_ready(20);
  CHECK(std::count(order.begin(), order.end(), 'a') >= 9);
  CHECK(std::count(order.begin(), order.end(), 'b') >= 9);
  d.scheduler.retire(a);
  d.scheduler.retire(b);
}

TEST_CASE("a cycle that keeps waking itself does not starve the others") {
  Driven d;
  int others = 0;
  FunctionTask* first = nullptr;
  FunctionTask second([&] { return d.scheduler.wake(*first), Task::Next::kIdle; });
  FunctionTask cycle([&] { return d.scheduler.wake(second), Task::Next::kIdle; });
  first = &cycle;
  FunctionTask other([&] { return ++others, Task::Next::kIdle; });
  for (Task* task : std::initializer_list<Task*>{&second, &cycle, &other}) {
    d.scheduler.activate(*task);
  }
  d.scheduler.wake(cycle);
  d.scheduler.run_ready(2);
  d.scheduler.wake(other);
  d.scheduler.run_ready(200);
  CHECK(others == 1);
  d.scheduler.retire(second);
  d.scheduler.retire(cycle);
}

TEST_CASE("a timer fires when its time has come, the earliest of those that were asked for") {
  Driven d;
  int runs = 0;
  FunctionTask task([&] { return ++runs, Task::Next::kIdle; });
  d.scheduler.activate(task);
  const SteadyTime start = d.clock.steady();
  d.scheduler.wake_at(task, start + 10s);
  d.scheduler.wake_at(task, start + 5s);
  d.scheduler.wake_at(task, start + 20s);
  CHECK(d.scheduler.next_timer() == start + 5s);
  CHECK(d.scheduler.run_ready(10) == 0);
  d.clock.advance(5s);
  CHECK(d.scheduler.run_ready(10) == 1);
  CHECK(d.scheduler.next_timer() == SteadyTime::max());
  d.clock.advance(1h);
  CHECK(d.scheduler.run_ready(10) == 0);
  d.scheduler.retire(task);
}

TEST_CASE("a retired task is not run any more, until it is activated again") {
  Driven d;
  int runs = 0;
  FunctionTask task([&] { return ++runs, Task::Next::kIdle; });
  d.scheduler.activate(task);
  d.scheduler.wake(task);
  d.scheduler.wake_at(task, d.clock.steady());
  d.scheduler.retire(task);
  d.scheduler.wake(task);
  CHECK(d.scheduler.run_ready(10) == 0);
  d.scheduler.activate(task);
  d.scheduler.wake(task);
  CHECK(d.scheduler.run_ready(10) == 1);
  d.scheduler.retire(task);
}

TEST_CASE("a worker that is stuck in a task is helped by another") {
  Scheduler scheduler({.workers = 2});
  std::promise<void> helped;
  std::promise<void> finished;
  FunctionTask sink([&] { return helped.set_value(), Task::Next::kIdle; });
  FunctionTask slow([&] {
    scheduler.wake(sink);
    const bool is_helped = helped.get_future().wait_for(30s) == std::future_status::ready;
    CHECK(is_helped);
    finished.set_value();
    return Task::Next::kIdle;
  });
  scheduler.activate(sink);
  scheduler.activate(slow);
  scheduler.wake(slow);
  finished.get_future().wait();
  scheduler.retire(slow);
  scheduler.retire(sink);
}

TEST_CASE("a timer wakes a sleeping worker by the machine's clock") {
  Scheduler scheduler({.workers = 2});
  std::promise<void> fired;
  FunctionTask task([&] { return fired.set_value(), Task::Next::kIdle; });
  scheduler.activate(task);
  scheduler.wake_at(task, std::chrono::steady_clock::now() + 1ms);
  CHECK(fired.get_future().wait_for(30s) == std::future_status::ready);
  scheduler.retire(task);
}

TEST_CASE("no wake is lost when many threads wake many tasks") {
  constexpr int kTasks = 8;
  constexpr int kWakes = 20'000;
  Scheduler scheduler({.workers = 3});
  struct Counter {
    std::atomic<int> wanted{0};
    std::atomic<int> done{0};
    std::atomic<int> inside{0};
  };
  std::vector<Counter> counters(kTasks);
  std::atomic<int> total{0};
  std::promise<void> all_done;
  std::vector<std::unique_ptr<FunctionTask>> tasks;
  for (int i = 0; i < kTasks; ++i) {
    tasks.push_back(std::make_unique<FunctionTask>([&, i] {
      Counter& counter = counters[static_cast<std::size_t>(i)];
      if (++counter.inside != 1) std::abort();  // entered by two workers at once
      const int taken = counter.wanted.exchange(0);
      counter.done += taken;
      --counter.inside;
      if ((total += taken) == kTasks * kWakes && taken > 0) all_done.set_value();
      return Task::Next::kIdle;
    }));
    scheduler.activate(*tasks.back());
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < kWakes; ++n) {
        for (int i = t; i < kTasks; i += 2) {
          ++counters[static_cast<std::size_t>(i)].wanted;
          scheduler.wake(*tasks[static_cast<std::size_t>(i)]);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(all_done.get_future().wait_for(60s) == std::future_status::ready);
  for (const auto& task : tasks) scheduler.retire(*task);
}

TEST_CASE("a task is not running any more when retire returns") {
  Scheduler scheduler({.workers = 2});
  std::atomic<bool> is_inside{false};
  FunctionTask busy([&] {
    is_inside = true;
    is_inside = false;
    return Task::Next::kAgain;
  });
  for (int i = 0; i < 200; ++i) {
    scheduler.activate(busy);
    scheduler.wake(busy);
    scheduler.retire(busy);
    CHECK(!is_inside);
  }
}

}  // namespace
}  // namespace runnel
