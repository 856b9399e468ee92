// What happened in the fleet, for people: a ring in memory, behind it the table events, which it
// owns.
//
// An event is in memory at once and on disk with the next flush; old ones are removed by count and
// age.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "hub/store/store.h"

namespace runnel::hub {

struct FleetEvent {
  std::int64_t id = 0;
  std::int64_t time_ms = 0;
  std::string kind;      // agent_registered, flow_deployed, …: EventKind of the REST contract
  std::string severity;  // info, warning, error
  std::optional<std::string> actor = {};  // none: it happened by itself
  std::optional<std::string> agent = {};
  std::optional<std::string> agent_class = {};
  std::optional<std::string> flow = {};
  std::optional<std::int64_t> version = {};
  std::string message = {};
};

struct EventQuery {
  // Alternatives; empty: any.
  std::vector<std::string> kinds = {};
  std::vector<std::string> severities = {};
  std::vector<std::string> agents = {};
  std::vector<std::string> classes = {};
  std::vector<std::string> flows = {};
  std::string text = {};    // part of the message, in any case
  std::int64_t since = 0;   // ids greater
  std::int64_t before = 0;  // ids smaller; 0: no bound
  std::size_t limit = 100;
};

class Events {
 public:
  static constexpr std::size_t kKept = 10'000;  // in memory
  static constexpr std::size_t kUnsavedMax =
      50'000;  // waiting for the disk; beyond, the oldest go unsaved
  static constexpr std::int64_t kStored = 500'000;                          // on disk…
  static constexpr std::int64_t kStoredMs = std::int64_t{90} * 86'400'000;  // …and for how long
  static constexpr std::size_t kMessageMax = 2'000;                         // bytes

  static Result<std::unique_ptr<Events>> open(Store& store, const Clock& clock);

  // Id and, where it is 0, time are given by it.
  void add(FleetEvent event) EXCLUDES(mutex_);
  // Newest first. From memory, and from disk for what is older.
  Result<std::vector<FleetEvent>> find(const EventQuery& query) EXCLUDES(mutex_);
  Result<> flush();

 private:
  Events(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  Store& store_;
  const Clock& clock_;
  Mutex mutex_;
  std::int64_t next_id_ GUARDED_BY(mutex_) = 1;
  std::deque<FleetEvent> kept_ GUARDED_BY(mutex_);  // oldest first
  std::deque<FleetEvent> unsaved_ GUARDED_BY(mutex_);
};

}  // namespace runnel::hub
