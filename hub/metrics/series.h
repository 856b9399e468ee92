// The series of the metrics history: names and order, also of the stored blobs. New ones are added
// at the end.

#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string_view>

namespace runnel::hub {

enum class Series : std::size_t {
  kInRecords,
  kInBytes,
  kOutRecords,
  kOutBytes,
  kQueuedCount,
  kQueuedBytes,
  kQueuedAge,
  kDroppedExpired,
  kDroppedEvicted,
  kDroppedAutoTerminated,
  kDroppedRemoved,
  kDroppedQuarantined,
  kCpu,
  kMemory,
  kDiskUsed,
  kAgentsOnline,
};

inline constexpr std::size_t kSeriesCount = 16;
inline constexpr std::array<std::string_view, kSeriesCount> kSeriesNames = {
    "in_records_per_s",      "in_bytes_per_s",
    "out_records_per_s",     "out_bytes_per_s",
    "queued_count",          "queued_bytes",
    "queued_age_ms_max",     "dropped_expired_per_s",
    "dropped_evicted_per_s", "dropped_auto_terminated_per_s",
    "dropped_removed_per_s", "dropped_quarantined_per_s",
    "cpu_percent",           "memory_bytes",
    "disk_used_bytes",       "agents_online"};

inline constexpr float kNothingHeard = std::numeric_limits<float>::quiet_NaN();

// One moment of a subject; NaN: nothing heard.
struct Sample {
  std::array<float, kSeriesCount> values;
  Sample() { values.fill(kNothingHeard); }
  float& operator[](Series series) { return values[static_cast<std::size_t>(series)]; }
  float operator[](Series series) const { return values[static_cast<std::size_t>(series)]; }
};

// A maximum is kept as a maximum, all else as a mean.
constexpr bool is_maximum(std::size_t series) {
  return series == static_cast<std::size_t>(Series::kQueuedAge);
}

}  // namespace runnel::hub
