// Host: what the machine under the agent is and how busy it is, from the kernel.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/c2/messages.h"

namespace runnel {

struct DiskFigures {
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;  // for users without privileges
};

// One thread. Figures that the kernel does not give are left out.
class Host {
 public:
  c2::DeviceInfo device();
  std::optional<std::int64_t> process_memory_bytes() const;  // resident
  // Share of all cores that this process has used since the last call, 0…1; none at first.
  std::optional<double> process_cpu();
  std::optional<DiskFigures> disk(const std::string& folder) const;
  std::optional<std::int64_t> uptime_ms() const;

 private:
  struct Ticks {
    std::uint64_t busy = 0;
    std::uint64_t all = 0;
  };
  static std::optional<Ticks> machine_ticks();
  // Of `ticks` since `last`; then `last` is `ticks`.
  static std::optional<double> share_since(Ticks& last, const std::optional<Ticks>& ticks);

  Ticks machine_{};
  Ticks process_{};
};

}  // namespace runnel
