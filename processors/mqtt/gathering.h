// Gathering: when to leave the broker alone, so that messages are taken and acknowledged many at a
// time.
//
// One message each 200 us would wake the gate, a worker, Kafka's threads and the ledger for each of
// them, which costs ten times what the message itself does. So after some have come, nothing is
// read and no acknowledgement leaves for a while: until about `kEnough` more have come, but not for
// long. Messages that come so slowly that waiting gathers next to nothing are taken as they come,
// except that a burst may have begun.
//
// A broker that stops at its window of unacknowledged messages would only stand still meanwhile.
// From outside that looks the same as one that has nothing to send; so some cycles in many go
// without waiting, and when much more comes by them in the same time, again and again, waiting is
// left off for a while. One thread.

#pragma once

#include <chrono>
#include <cstddef>

#include "agent/base/clock.h"

namespace runnel::mqtt {

class Gathering {
 public:
  static constexpr std::size_t kEnough = 20;
  static constexpr std::chrono::microseconds kTimeMax{4'000};
  static constexpr std::chrono::microseconds kBurstTime{250};

  // So many messages have come, one at least.
  void came(std::size_t count, SteadyTime now);

  bool is_on(SteadyTime now) const { return now < until_; }
  SteadyTime until() const { return until_; }

 private:
  enum class Phase { kWaiting, kTrying, kLeftOff };
  static constexpr std::size_t kWorth = 4;  // as many must come in `kTimeMax`
  static constexpr int kWaitingCycles = 60;
  static constexpr int kDoubtCycles = 15;  // of them, when the last try was faster
  static constexpr int kTryingCycles = 4;
  static constexpr int kFaster =
      3;  // tries, one after the other: a machine that stalls looks so, too
  static constexpr int kLeftOffCycles = 1'000;

  struct Seen {
    std::size_t count = 0;
    SteadyTime::duration time{};
  };

  void note(std::size_t count, SteadyTime::duration since);
  void turn_to(Phase phase);
  bool is_try_faster() const;

  SteadyTime came_{};
  SteadyTime until_{};
  Phase phase_ = Phase::kWaiting;
  int cycles_ = 0;  // of this phase
  int faster_ = 0;  // tries
  Seen waiting_;    // in the last of each phase
  Seen trying_;
};

}  // namespace runnel::mqtt
