// IdleMemory: gives back what the start and bursts have needed, once the agent is quiet.
//
// The allocator keeps what was freed: after a burst of 20,000 messages 20 MiB. And the pages of
// code and constants that were needed once (by the start, by a TLS handshake) stay mapped: two
// thirds of what an idle agent would show as resident.

#pragma once

#include <chrono>

namespace runnel {

class IdleMemory {
 public:
  // How often `look` is to be called; and how often at most, when something has just ended that
  // needed memory for a moment.
  static constexpr std::chrono::seconds kEvery{10};
  static constexpr std::chrono::seconds kAtMostEvery{5};

  // Gives memory back if the process has taken some since it last did, and is quiet now. Code stays
  // mapped below a debugger. One thread.
  void look();

 private:
  std::chrono::microseconds seen_{0};  // CPU time of the process at the last look
  long faults_ = 0;                    // page faults by when memory was last given back
};

}  // namespace runnel
