// WindowGuess: how many messages the broker allows unacknowledged, learned by watching it.
//
// MQTT 3.1.1 does not tell, and MQTT 5's Receive Maximum is only an upper bound (mosquitto: the
// smaller of it and its own max_inflight_messages). A broker that has more to send stops at its
// window, and goes on as soon as it gets acknowledgements: when it stopped at the same count three
// times and went on at once each time, that is its window. When it then stays silent after
// acknowledgements, it has no more to send, and the guess is dropped: writing early would only wear
// the disk. One thread at a time.

#pragma once

#include <chrono>
#include <cstddef>

#include "agent/base/clock.h"

namespace runnel::mqtt {

class WindowGuess {
 public:
  // `upper`: what we told the broker; 0: nothing.
  explicit WindowGuess(std::size_t upper) : upper_(upper) {}

  // A message that will be acknowledged has come. True: the broker will send nothing more before it
  // is.
  bool arrived(SteadyTime now);
  // So many acknowledgements have left.
  void released(std::size_t count, SteadyTime now);
  // The connection is new: nothing is unacknowledged.
  void begin();

  std::size_t window() const { return window_; }
  std::size_t outstanding() const { return outstanding_; }

 private:
  static constexpr int kProofs = 3;
  // Silence by which a stop is told from a gap: longer than messages are gathered (gathering.h).
  static constexpr std::chrono::microseconds kStall{4'500};
  static constexpr std::chrono::milliseconds kPrompt{3};  // in which a broker that waited goes on

  const std::size_t upper_;
  std::size_t outstanding_ = 0;
  std::size_t window_ = 0;  // 0: not known
  std::size_t stop_ = 0;    // where it stood when it last went silent, to be proved
  std::size_t proved_ = 0;  // the same, of the proofs so far
  int proofs_ = 0;
  int silences_ = 0;
  SteadyTime last_arrival_{};
  SteadyTime released_at_{};
};

}  // namespace runnel::mqtt
