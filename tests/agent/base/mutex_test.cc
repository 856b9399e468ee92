// The mutex: one at a time, nobody is forgotten.

#include "agent/base/mutex.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace runnel {
namespace {

TEST_CASE("what a bare mutex guards is touched by one thread at a time") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 20'000;
  BareMutex mutex;
  std::uint64_t count = 0;
  int inside = 0;
  bool was_alone = true;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) {
        mutex.lock();
        was_alone = was_alone && ++inside == 1;
        ++count;
        // Some are in the way for long, so that the others do wait.
        if ((round + i) % 1000 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
        --inside;
        mutex.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(count == std::uint64_t{kThreads} * kRounds);
  CHECK(was_alone);
  CHECK(mutex.try_lock());
  CHECK_FALSE(mutex.try_lock());
  mutex.unlock();
}

TEST_CASE("who waits for a condition gets every one of its turns") {
  constexpr int kTurns = 20'000;
  Mutex mutex;
  CondVar turned;
  int turn = 0;
  const auto play = [&](int who) {
    for (int i = 0; i < kTurns; ++i) {
      Lock lock(mutex);
      while (turn % 2 != who) turned.wait(mutex);
      ++turn;
      turned.notify_one();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  CHECK(turn == 2 * kTurns);
}

TEST_CASE("waiting for a condition ends when the time is up") {
  Mutex mutex;
  CondVar never;
  const auto began = std::chrono::steady_clock::now();
  {
    Lock lock(mutex);
    while (never.wait_until(mutex, began + std::chrono::milliseconds(20))) {
    }
  }
  CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(20));
  CHECK(mutex.try_lock());
  mutex.unlock();
}

}  // namespace
}  // namespace runnel
