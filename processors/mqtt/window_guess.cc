// WindowGuess: how many messages the broker allows unacknowledged, learned by watching it.

#include "processors/mqtt/window_guess.h"

#include <algorithm>

namespace runnel::mqtt {

bool WindowGuess::arrived(SteadyTime now) {
  if (stop_ != 0) {
    if (now - released_at_ <= kPrompt) {
      proofs_ = stop_ == proved_ ? proofs_ + 1 : 1;
      proved_ = stop_;
      silences_ = 0;
      if (proofs_ >= kProofs) window_ = proved_;
    } else if (window_ != 0 && ++silences_ >= kProofs) {
      window_ = 0;
      proofs_ = 0;
    }
    stop_ = 0;
  }
  last_arrival_ = now;
  ++outstanding_;
  if (window_ != 0 && outstanding_ > window_) {
    window_ = 0;
    proofs_ = 0;
  }
  const std::size_t bound = window_ != 0 ? window_ : upper_;
  return bound != 0 && outstanding_ >= bound;
}

void WindowGuess::released(std::size_t count, SteadyTime now) {
  const bool is_stopped = outstanding_ != 0 && now - last_arrival_ >= kStall;
  if (is_stopped || (window_ != 0 && outstanding_ == window_)) stop_ = outstanding_;
  outstanding_ -= std::min(count, outstanding_);
  released_at_ = now;
}

void WindowGuess::begin() {
  outstanding_ = 0;
  stop_ = 0;
}

}  // namespace runnel::mqtt
