// When the gate leaves the broker alone, by a clock that the test moves, and with two kinds of
// broker.

#include "processors/mqtt/gathering.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace runnel::mqtt {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::nanoseconds;

// A broker whose messages come evenly: each cycle takes what has come meanwhile.
struct Even {
  Time each;
  Time last{};

  std::size_t cycle(Time wait, Time& now) {
    now += std::max<Time>(wait, each);
    const auto count = static_cast<std::size_t>((now - last) / each);
    last += each * static_cast<Time::rep>(count);
    return count;
  }
};

// A broker that has plenty to send, and stops at its window until it gets acknowledgements.
struct Stopping {
  std::size_t window;
  Time safe_after;  // until what has come may be acknowledged

  std::size_t cycle(Time wait, Time& now) const {
    now += std::max(wait, safe_after);
    return window;
  }
};

struct Run {
  std::size_t cycles = 0;
  std::size_t messages = 0;
  Time took{};
  Time longest_wait{};
  double each_cycle() const { return static_cast<double>(messages) / static_cast<double>(cycles); }
  double a_millisecond() const {
    return static_cast<double>(messages) / std::chrono::duration<double, std::milli>(took).count();
  }
};

template <typename Broker>
Run run(Gathering& gathering, Broker& broker, Time& now, Time time) {
  Run all;
  const Time began = now;
  while (now - began < time) {
    const Time wait = gathering.until() - SteadyTime(now);
    const std::size_t count = broker.cycle(std::max<Time>(wait, 0ns), now);
    gathering.came(count, SteadyTime(now));
    all.longest_wait = std::max<Time>(all.longest_wait, gathering.until() - SteadyTime(now));
    ++all.cycles;
    all.messages += count;
  }
  all.took = now - began;
  return all;
}

}  // namespace

TEST_CASE("what comes after a silence is not waited for longer than a burst takes") {
  Gathering gathering;
  const SteadyTime now{1h};
  CHECK_FALSE(gathering.is_on(now));
  gathering.came(1, now);
  CHECK(gathering.is_on(now));
  CHECK(gathering.until() == now + Gathering::kBurstTime);
  CHECK_FALSE(gathering.is_on(gathering.until()));
  gathering.came(3, now + 1s);
  CHECK(gathering.until() == now + 1s + Gathering::kBurstTime);
}

TEST_CASE(
    "messages that come evenly are taken twenty at a time, and never wait for more than 4 ms") {
  for (const Time each : {Time(200us), Time(50us), Time(25us)}) {
    CAPTURE(each.count());
    Gathering gathering;
    Even broker{each};
    Time now = 1h;
    broker.last = now;
    const Run first = run(gathering, broker, now, 1s);
    const Run all = run(gathering, broker, now, 1s);
    CHECK(all.each_cycle() > 14);
    CHECK(all.each_cycle() <= 21);
    CHECK(all.longest_wait <= Gathering::kTimeMax);
    CHECK(first.a_millisecond() ==
          doctest::Approx(1e6 / static_cast<double>(each.count())).epsilon(0.02));
  }
}

TEST_CASE("messages of which waiting gathers next to nothing are taken as they come") {
  Gathering gathering;
  Even broker{2ms};
  Time now = 1h;
  broker.last = now;
  CHECK(run(gathering, broker, now, 5s).longest_wait == Gathering::kBurstTime);
}

TEST_CASE("a broker that stops at its window is not kept waiting for long") {
  for (const std::size_t window : {10U, 20U, 32U}) {
    CAPTURE(window);
    Gathering gathering;
    Stopping broker{window, 1ms};
    Time now = 1h;
    run(gathering, broker, now, 1s);  // in which it is found out
    const double most = static_cast<double>(window);
    CHECK(run(gathering, broker, now, 60s).a_millisecond() > most * 0.85);
  }
}

TEST_CASE("waiting that was left off is taken up again when the broker stops no more") {
  Gathering gathering;
  Time now = 1h;
  Stopping stopping{20, 1ms};
  run(gathering, stopping, now, 2s);
  Even even{200us};
  even.last = now;
  run(gathering, even, now, 10s);
  CHECK(run(gathering, even, now, 1s).each_cycle() > 14);
}

TEST_CASE("a machine that stalls once in a while leaves nothing off") {
  Gathering gathering;
  Even broker{200us};
  Time now = 1h;
  broker.last = now;
  std::size_t cycles = 0;
  std::size_t messages = 0;
  for (int i = 0; i < 300; ++i) {
    now += 20ms;  // nobody ran
    const Run one = run(gathering, broker, now, 97ms);
    cycles += one.cycles;
    messages += one.messages;
  }
  CHECK(static_cast<double>(messages) / static_cast<double>(cycles) > 14);
}

}  // namespace runnel::mqtt
