// Clock: what time it is, injected, so that tests own time.
//
// `steady` measures spans and never jumps; `wall_ms` is what people and other machines call now,
// and may jump.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace runnel {

using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  // Both clocks at one moment; `tick` says cheaply whether much time has passed since.
  struct Moment {
    SteadyTime steady{};
    std::int64_t wall_ms = 0;
    SteadyTime tick{};
  };

  virtual ~Clock() = default;
  virtual SteadyTime steady() const = 0;
  virtual std::int64_t wall_ms() const = 0;  // since 1970-01-01T00:00:00Z
  // When time moved on last, in steps of a few ms: the same as before, so little has passed.
  virtual SteadyTime tick() const { return steady(); }
  virtual Moment moment() const { return {steady(), wall_ms(), tick()}; }
  // A moment that this thread has read in the present tick, perhaps a few ms ago; else this one.
  virtual Moment recent() const { return moment(); }
  // As `steady`, with the time in which the machine was suspended, during which `steady` may stand.
  virtual SteadyTime since_boot() const { return steady(); }
  // Of the machine's present boot; another one after each. Empty: not known.
  virtual std::string boot_id() const { return {}; }
};

// The machine's own clock. Any thread.
Clock& system_clock();

// A clock that stands still until it is told to move. Any thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_ms = 1'767'225'600'000) : wall_ms_(wall_ms) {}
  SteadyTime steady() const override {
    return SteadyTime(std::chrono::nanoseconds(steady_ns_.load()));
  }
  std::int64_t wall_ms() const override { return wall_ms_.load(); }
  void advance(std::chrono::nanoseconds by) {
    steady_ns_ += by.count();
    wall_ms_ += std::chrono::duration_cast<std::chrono::milliseconds>(by).count();
  }
  void jump_wall(std::chrono::milliseconds by) { wall_ms_ += by.count(); }
  // The machine was off for so long; nobody uses the clock meanwhile.
  void reboot(std::chrono::milliseconds off) {
    wall_ms_ += off.count();
    steady_ns_ = 1'000'000'000;
    ++boots_;
  }
  std::string boot_id() const override { return "boot " + std::to_string(boots_.load()); }

 private:
  std::atomic<unsigned> boots_{1};
  std::atomic<std::int64_t> steady_ns_{1'000'000'000};
  std::atomic<std::int64_t> wall_ms_;
};

}  // namespace runnel
