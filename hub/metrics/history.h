// History: the metrics of agents, flows and the fleet over time. It owns the tables metric_subjects
// and metric_points.
//
// Samples come every 10 s and stay in memory for a while; their means over 1 minute and 10 minutes
// go to disk, in batches, and stay for a day and for a month. A hub that is killed loses at most
// the minute, and the ten minutes, at hand.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "hub/http/router.h"
#include "hub/metrics/series.h"
#include "hub/store/store.h"

namespace runnel::hub {

struct MetricsQuery {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  std::int64_t step_ms = 0;  // wanted
};

struct MetricsTable {
  std::int64_t step_ms = 0;
  std::vector<std::int64_t> times_ms;
  std::vector<Sample> samples;  // one for each time
};

class History {
 public:
  static constexpr std::int64_t kStepMs = 10'000;
  static constexpr std::int64_t kMinuteMs = 60'000;
  static constexpr std::int64_t kTenMinutesMs = 600'000;
  static constexpr std::size_t kPointsMax = 2'000;          // of an answer
  static constexpr std::size_t kSamplesInMemory = 900'000;  // of all subjects: some 65 MB
  static constexpr std::size_t kSamplesOfSubject = 360;     // an hour
  static constexpr std::int64_t kMinutesKeptMs = 86'400'000;
  static constexpr std::int64_t kTenMinutesKeptMs = std::int64_t{30} * 86'400'000;
  static constexpr std::int64_t kMinuteRowsMax = 8'000'000;  // on disk: some 700 MB
  static constexpr std::int64_t kTenMinuteRowsMax = 16'000'000;
  static constexpr std::size_t kSubjectsMax = 250'000;

  static Result<std::unique_ptr<History>> open(Store& store, const Clock& clock);

  // Of the step that ends at `time_ms`. One thread.
  void record(const std::string& subject, std::int64_t time_ms, const Sample& sample);
  Result<MetricsTable> find(const std::string& subject, MetricsQuery query);
  // At the end, `all`: what is at hand of the present minutes too.
  Result<> flush(bool all = false);

 private:
  struct Mean {
    std::int64_t slot = -1;
    std::array<double, kSeriesCount> sums{};
    std::array<std::uint32_t, kSeriesCount> counts{};
    void add(const Sample& sample);
    Sample sample() const;
    void clear(std::int64_t new_slot);
  };
  struct Point {
    std::int64_t time_ms;
    Sample sample;
  };
  struct Subject {
    std::int64_t id = 0;    // 0: not in the store yet
    bool has_past = false;  // there may be older points on disk
    std::deque<Point> raw;
    Mean minute;
    Mean ten_minutes;
  };
  struct Unsaved {
    std::string subject;
    std::int64_t step_s;
    std::int64_t time_ms;
    Sample sample;
  };

  History(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  void accumulate(const std::string& name, Mean& mean, std::int64_t step_ms, std::int64_t time_ms,
                  const Sample& sample) REQUIRES(mutex_);
  Result<> read_points(std::int64_t subject, std::int64_t step_ms, MetricsTable& table);

  Store& store_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Subject, std::less<>> subjects_ GUARDED_BY(mutex_);
  std::vector<Unsaved> unsaved_ GUARDED_BY(mutex_);
  std::int64_t forgot_ms_ = 0;  // the flusher's
};

// The answer to a metrics request: its query read, `Metrics` of the REST contract written.
Response metrics_response(History& history, const std::string& subject, const Request& request,
                          std::int64_t now_ms, bool has_agents_online);

}  // namespace runnel::hub
