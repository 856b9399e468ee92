// Ages across restarts and reboots, with clocks that are set, that are dead, and that come back.

#include "tests/agent/runtime/ledger_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::hours kTenYears{24 * 3652};

QueueSpec hourly() {
  QueueSpec spec;
  spec.expire = 1h;
  return spec;
}

// How many have expired by now.
std::size_t expired(Rig& rig) {
  std::vector<std::uint64_t> ids;
  rig.ledger->expire(*rig.queue, ids);
  return ids.size();
}

void start_again(Rig& rig) {
  rig.close();
  rig.disk.restart();
}

TEST_CASE("the clock is set by ten years while the agent is away: ages are what they are") {
  for (const auto jump : {kTenYears, -kTenYears}) {
    CAPTURE(jump.count());
    Rig rig(1);
    rig.open(hourly());
    rig.give(0, 5);
    REQUIRE(rig.ledger->flush(1s).ok());
    start_again(rig);
    rig.clock.advance(10min);
    rig.clock.jump_wall(jump);
    rig.open(hourly());
    CHECK(expired(rig) == 0);
    rig.clock.advance(49min);
    CHECK(expired(rig) == 0);
    rig.clock.advance(2min);
    CHECK(expired(rig) == 5);
    CHECK(rig.ledger->loss().is_balanced());
  }
}

TEST_CASE("the clock is set while the agent runs, and then the power of the agent goes") {
  for (const auto jump : {kTenYears, -kTenYears}) {
    CAPTURE(jump.count());
    Rig rig(2);
    rig.open(hourly());
    rig.give(0, 5);
    REQUIRE(rig.ledger->flush(1s).ok());
    rig.clock.advance(20min);
    rig.clock.jump_wall(jump);
    rig.give(5, 10);
    REQUIRE(rig.ledger->flush(1s).ok());
    start_again(rig);
    rig.clock.advance(1min);
    rig.open(hourly());
    CHECK(expired(rig) == 0);
    rig.clock.advance(38min);
    CHECK(expired(rig) == 0);
    rig.clock.advance(2min);
    CHECK(expired(rig) == 5);
    rig.clock.advance(18min);
    CHECK(expired(rig) == 0);
    rig.clock.advance(2min);
    CHECK(expired(rig) == 5);
  }
}

TEST_CASE(
    "a reboot with a clock ten years ahead: nothing expires by it, nor when it is corrected") {
  for (const bool is_restarted : {false, true}) {
    CAPTURE(is_restarted);
    Rig rig(3);
    rig.open(hourly());
    rig.give(0, 5);
    REQUIRE(rig.ledger->flush(1s).ok());
    start_again(rig);
    rig.clock.reboot(5min);
    rig.clock.jump_wall(kTenYears);
    rig.open(hourly());
    CHECK(expired(rig) == 0);
    rig.give(5, 10);
    REQUIRE(rig.ledger->flush(1s).ok());
    if (is_restarted) {
      start_again(rig);
      rig.open(hourly());
      CHECK(expired(rig) == 0);
    }
    rig.clock.advance(10min);
    rig.clock.jump_wall(-kTenYears);
    CHECK(expired(rig) == 0);
    rig.clock.advance(51min);
    CHECK(expired(rig) == 10);
  }
}

TEST_CASE(
    "a reboot without a clock: when the time is known, what has grown too old meanwhile goes") {
  Rig rig(4);
  rig.open(hourly());
  rig.give(0, 5);
  REQUIRE(rig.ledger->flush(1s).ok());
  start_again(rig);
  rig.clock.reboot(50min);
  rig.clock.jump_wall(-kTenYears);
  rig.open(hourly());
  rig.give(5, 10);
  REQUIRE(rig.ledger->flush(1s).ok());
  CHECK(expired(rig) == 0);
  rig.clock.advance(5min);
  rig.clock.jump_wall(kTenYears);
  CHECK(expired(rig) == 0);
  rig.clock.advance(6min);
  CHECK(expired(rig) == 5);
  rig.clock.advance(50min);
  CHECK(expired(rig) == 5);
}

TEST_CASE("a reboot with a clock that is right: the time that the machine was off counts") {
  Rig rig(5);
  rig.open(hourly());
  rig.give(0, 5);
  REQUIRE(rig.ledger->flush(1s).ok());
  start_again(rig);
  rig.clock.reboot(61min);
  rig.open(hourly());
  CHECK(expired(rig) == 5);
}

}  // namespace
}  // namespace runnel
