// Signals of a command that must clean up before it ends.

#pragma once

#include <atomic>

namespace runnel {

// While it lives, SIGINT, SIGTERM and SIGHUP only set a flag. A second one ends the program at
// once. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();  // signals do again what they did before
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  const std::atomic<bool>& is_stopped() const;
  int signal() const;  // which came; 0: none
  // Ends the program by the signal that came, as if nobody had caught it. Nothing when none came.
  static void pass_on(int signal);
};

}  // namespace runnel
