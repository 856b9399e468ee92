// The machine's own clock.

#include "agent/base/clock.h"

#include <time.h>

#include <fstream>

namespace runnel {
namespace {

std::chrono::nanoseconds read(clockid_t clock) {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  SteadyTime since_boot() const override { return SteadyTime(read(CLOCK_BOOTTIME)); }
  SteadyTime tick() const override { return SteadyTime(read(CLOCK_MONOTONIC_COARSE)); }
  // What the wall clock is ahead changes only when it is set: the kernel's last tick tells it, and
  // reading both ticks takes a third of reading the time itself.
  Moment moment() const override {
    const SteadyTime now = steady();
    const SteadyTime last = tick();
    const auto ahead = read(CLOCK_REALTIME_COARSE) - last.time_since_epoch();
    const auto wall = now.time_since_epoch() + ahead;
    return {now, std::chrono::duration_cast<std::chrono::milliseconds>(wall).count(), last};
  }
  Moment recent() const override {
    static thread_local Moment last;
    if (last.tick == SteadyTime{} || tick() != last.tick) last = moment();
    return last;
  }
  std::string boot_id() const override {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }
  std::int64_t wall_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace runnel
