// Gathering: when to leave the broker alone.

#include "processors/mqtt/gathering.h"

#include <algorithm>

namespace runnel::mqtt {

void Gathering::came(std::size_t count, SteadyTime now) {
  const SteadyTime::duration since = now - came_;
  came_ = now;
  const auto messages = static_cast<SteadyTime::rep>(count);
  SteadyTime::duration wait = kBurstTime;
  if (kTimeMax * messages / kWorth >= since) {
    note(count, since);
    if (phase_ == Phase::kWaiting) {
      wait = std::clamp<SteadyTime::duration>(since * kEnough / messages, kBurstTime, kTimeMax);
    }
  }
  until_ = now + wait;
}

// A cycle of the present phase is over.
void Gathering::note(std::size_t count, SteadyTime::duration since) {
  Seen& seen = phase_ == Phase::kTrying ? trying_ : waiting_;
  seen.count += count;
  seen.time += since;
  ++cycles_;
  switch (phase_) {
    case Phase::kWaiting:
      if (cycles_ >= (faster_ == 0 ? kWaitingCycles : kDoubtCycles)) turn_to(Phase::kTrying);
      return;
    case Phase::kTrying:
      if (cycles_ < kTryingCycles) return;
      faster_ = is_try_faster() ? faster_ + 1 : 0;
      turn_to(faster_ < kFaster ? Phase::kWaiting : Phase::kLeftOff);
      return;
    case Phase::kLeftOff:
      if (cycles_ < kLeftOffCycles) return;
      faster_ = kFaster - 1;  // one try says whether it still is so
      turn_to(Phase::kWaiting);
      return;
  }
}

// Half as much again.
bool Gathering::is_try_faster() const {
  const auto tried = static_cast<SteadyTime::rep>(trying_.count);
  const auto waited = static_cast<SteadyTime::rep>(waiting_.count);
  return tried * waiting_.time * 2 > waited * trying_.time * 3;
}

void Gathering::turn_to(Phase phase) {
  phase_ = phase;
  cycles_ = 0;
  (phase == Phase::kTrying ? trying_ : waiting_) = {};
}

}  // namespace runnel::mqtt
