// The machine's clock, as far as it can be told without waiting; and the one that tests move.

#include "agent/base/clock.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

TEST_CASE("a moment is what both clocks say, and its tick is not later") {
  constexpr std::int64_t kApartMs = 20;  // more than a tick of any kernel
  Clock& clock = system_clock();
  for (int i = 0; i < 1000; ++i) {
    const SteadyTime before = clock.steady();
    const std::int64_t wall_before = clock.wall_ms();
    const Clock::Moment moment = clock.moment();
    const std::int64_t wall_after = clock.wall_ms();
    CHECK(before <= moment.steady);
    CHECK(moment.steady <= clock.steady());
    CHECK(moment.tick <= clock.steady());
    CHECK(wall_before - kApartMs <= moment.wall_ms);
    CHECK(moment.wall_ms <= wall_after + kApartMs);
  }
}

TEST_CASE("a clock that stands has the same tick until it is moved") {
  ManualClock clock(1000);
  const Clock::Moment moment = clock.moment();
  CHECK(moment.wall_ms == 1000);
  CHECK(clock.tick() == moment.tick);
  clock.advance(std::chrono::milliseconds(1));
  CHECK(clock.tick() != moment.tick);
  CHECK(clock.moment().wall_ms == 1001);
}

}  // namespace
}  // namespace runnel
