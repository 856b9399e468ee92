// Counts over the fleet, made anew when they are older than half a second or an operator has
// changed something.

#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "hub/fleet/fleet.h"

namespace runnel::hub {

struct Counts {
  std::int64_t total = 0;
  std::array<std::int64_t, 4> by_connectivity{};
  std::array<std::int64_t, 5> by_sync{};
  std::array<std::int64_t, 5> by_health{};
};

struct FailureGroup {
  std::int64_t agents = 0;
  std::vector<std::string> sample;  // at most 10 ids
};

struct ClassCounts {
  Counts counts;
  std::map<std::string, FailureGroup> failures;  // by reason; at most 1,000
};

struct FleetSummary {
  SteadyTime made_at{};
  std::uint64_t generation = 0;
  Counts counts;
  std::map<std::string, ClassCounts, std::less<>> classes;
  // By what agents report: flow → version (0: not in the catalog) → agents.
  std::map<std::string, std::map<std::int64_t, std::int64_t>, std::less<>> flows;
  double in_records_per_s = 0, in_bytes_per_s = 0, out_records_per_s = 0, out_bytes_per_s = 0;
  std::int64_t queued_count = 0, queued_bytes = 0;
  std::optional<std::int64_t> queued_age_ms_max;
};
using SummaryPtr = std::shared_ptr<const FleetSummary>;

class Summaries {
 public:
  Summaries(const Fleet& fleet, const Classes& classes, const Catalog& catalog, const Clock& clock)
      : fleet_(fleet), classes_(classes), catalog_(catalog), clock_(clock) {}
  SummaryPtr now() EXCLUDES(mutex_);

 private:
  const Fleet& fleet_;
  const Classes& classes_;
  const Catalog& catalog_;
  const Clock& clock_;
  Mutex mutex_;
  SummaryPtr last_ GUARDED_BY(mutex_);
};

}  // namespace runnel::hub
