// IdleMemory: gives back what the start and bursts have needed, once the agent is quiet.
//
// The allocator keeps what was freed: after a burst of 20,000 messages 20 MiB.

#pragma once

#include <chrono>

namespace runnel {

class IdleMemory {
 public:
  // How often `look` is to be called.
  static constexpr std::chrono::seconds kEvery{10};

  // Gives memory back if the process has worked since it last did, and is quiet now. One thread.
  void look();

 private:
  std::chrono::microseconds seen_{0};   // CPU time of the process at the last look
  std::chrono::microseconds given_{0};  // the same when memory was last given back
  bool has_given_ = false;
};

}  // namespace runnel
