// Backoff: how long to wait before the next try: doubling from `first` to `cap`, with full jitter.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace runnel {

class Backoff {
 public:
  using Millis = std::chrono::milliseconds;
  Backoff(Millis first, Millis cap) : first_(first), cap_(cap) {}

  // The next wait: between half and the whole of the present step; `random` is any random number.
  Millis next(std::uint64_t random) {
    const Millis step = std::min(cap_, first_ * (std::int64_t{1} << std::min(tries_, 30U)));
    ++tries_;
    const std::int64_t half = step.count() / 2;
    return Millis(half + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half + 1)));
  }
  void reset() { tries_ = 0; }
  unsigned tries() const { return tries_; }

 private:
  Millis first_;
  Millis cap_;
  unsigned tries_ = 0;
};

}  // namespace runnel
