// Metrics over time.

#include "hub/metrics/history.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace runnel::hub {
namespace {

constexpr std::string_view kSelectSubjects = "SELECT id, name FROM metric_subjects";
constexpr std::string_view kInsertSubject =
    "INSERT OR IGNORE INTO metric_subjects (name) VALUES (?)";
constexpr std::string_view kSelectSubject = "SELECT id FROM metric_subjects WHERE name = ?";
constexpr std::string_view kInsertPoint =
    "INSERT OR REPLACE INTO metric_points VALUES (?, ?, ?, ?)";
constexpr std::string_view kSelectPoint =
    "SELECT series FROM metric_points WHERE step_s = ? AND time_ms = ? AND subject = ?";
constexpr std::string_view kForget = "DELETE FROM metric_points WHERE step_s = ? AND time_ms < ?";
constexpr std::int64_t kForgetEveryMs = 10 * 60'000;

std::int64_t floor_to(std::int64_t time_ms, std::int64_t step_ms) {
  return time_ms - time_ms % step_ms;
}

static_assert(sizeof(Sample) == kSeriesCount * sizeof(float));

std::string_view blob_of(const Sample& sample) {
  return {reinterpret_cast<const char*>(sample.values.data()), sizeof(sample.values)};
}

}  // namespace

void History::Mean::add(const Sample& sample) {
  for (std::size_t i = 0; i < kSeriesCount; ++i) {
    const float value = sample.values[i];
    if (std::isnan(value)) continue;
    if (is_maximum(i)) {
      sums[i] = counts[i] == 0 ? value : std::max(sums[i], static_cast<double>(value));
      counts[i] = 1;
    } else {
      sums[i] += static_cast<double>(value);
      ++counts[i];
    }
  }
}

Sample History::Mean::sample() const {
  Sample sample;
  for (std::size_t i = 0; i < kSeriesCount; ++i) {
    if (counts[i] != 0) sample.values[i] = static_cast<float>(sums[i] / counts[i]);
  }
  return sample;
}

void History::Mean::clear(std::int64_t new_slot) {
  *this = Mean();
  slot = new_slot;
}

Result<std::unique_ptr<History>> History::open(Store& store, const Clock& clock) {
  std::unique_ptr<History> history(new History(store, clock));
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectSubjects));
    Lock lock(history->mutex_);
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      Subject& subject = history->subjects_[text_of(select, 1)];
      subject.id = select.integer(0);
      subject.has_past = true;
    }
  }));
  return history;
}

void History::accumulate(const std::string& name, Mean& mean, std::int64_t step_ms,
                         std::int64_t time_ms, const Sample& sample) {
  // The sample is of the time before `time_ms`.
  const std::int64_t slot = floor_to(time_ms - 1, step_ms);
  if (mean.slot != slot) {
    if (mean.slot >= 0) unsaved_.push_back({name, step_ms / 1000, mean.slot, mean.sample()});
    mean.clear(slot);
  }
  mean.add(sample);
}

void History::record(const std::string& name, std::int64_t time_ms, const Sample& sample) {
  Lock lock(mutex_);
  if (subjects_.size() >= kSubjectsMax && subjects_.find(name) == subjects_.end()) return;
  Subject& subject = subjects_[name];
  subject.raw.push_back({floor_to(time_ms - 1, kStepMs), sample});
  const std::size_t kept = std::clamp(kSamplesInMemory / std::max<std::size_t>(1, subjects_.size()),
                                      std::size_t{6}, kSamplesOfSubject);
  while (subject.raw.size() > kept) {
    subject.raw.pop_front();
    subject.has_past = true;
  }
  accumulate(name, subject.minute, kMinuteMs, time_ms, sample);
  accumulate(name, subject.ten_minutes, kTenMinutesMs, time_ms, sample);
}

Result<MetricsTable> History::find(const std::string& name, MetricsQuery query) {
  MetricsTable table;
  std::int64_t id = 0;
  {
    Lock lock(mutex_);
    const auto found = subjects_.find(name);
    static const Subject nothing;
    const Subject& subject = found == subjects_.end() ? nothing : found->second;
    const std::int64_t range = query.to_ms - query.from_ms;
    const auto fits = [&](std::int64_t step) {
      return range / step <= static_cast<std::int64_t>(kPointsMax) - 2;
    };
    const bool raw_reaches =
        !subject.has_past ||
        (!subject.raw.empty() && subject.raw.front().time_ms <= query.from_ms + kStepMs);
    std::int64_t step = kStepMs;
    if (!fits(step) || !raw_reaches || query.step_ms >= kMinuteMs) step = kMinuteMs;
    if (!fits(step) || query.step_ms >= kTenMinutesMs ||
        query.from_ms < clock_.wall_ms() - kMinutesKeptMs) {
      step = kTenMinutesMs;
    }
    table.step_ms = step;
    std::int64_t first = floor_to(query.from_ms, step);
    const std::int64_t last = floor_to(query.to_ms - 1, step);
    first = std::max(first, last - static_cast<std::int64_t>(kPointsMax - 1) * step);
    for (std::int64_t time = first; time <= last; time += step) table.times_ms.push_back(time);
    table.samples.resize(table.times_ms.size());
    const auto put = [&](std::int64_t time, const Sample& sample) {
      if (time < first || time > last) return;
      table.samples[static_cast<std::size_t>((time - first) / step)] = sample;
    };
    if (step == kStepMs) {
      for (const Point& point : subject.raw) put(point.time_ms, point.sample);
      return table;
    }
    id = subject.id;
    for (const Unsaved& each : unsaved_) {
      if (each.step_s * 1000 == step && each.subject == name) put(each.time_ms, each.sample);
    }
    const Mean& present = step == kMinuteMs ? subject.minute : subject.ten_minutes;
    if (present.slot >= 0) put(present.slot, present.sample());
  }
  if (id != 0) TRY(read_points(id, table.step_ms, table));
  return table;
}

Result<> History::read_points(std::int64_t subject, std::int64_t step_ms, MetricsTable& table) {
  return store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectPoint));
    for (std::size_t i = 0; i < table.times_ms.size(); ++i) {
      const auto& values = table.samples[i].values;
      if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isnan(value); }))
        continue;
      select.bind(1, step_ms / 1000).bind(2, table.times_ms[i]).bind(3, subject);
      TRY_ASSIGN(has_row, select.step());
      if (has_row) {
        const std::string_view blob = select.text(0);
        std::memcpy(table.samples[i].values.data(), blob.data(),
                    std::min(blob.size(), sizeof(Sample)));
        select.reset();
      }
    }
    return Ok{};
  });
}

Result<> History::flush(bool all) {
  std::vector<Unsaved> unsaved;
  std::map<std::string, std::int64_t> ids;
  std::size_t subjects = 0;
  {
    Lock lock(mutex_);
    unsaved.swap(unsaved_);
    if (all) {
      for (const auto& [name, subject] : subjects_) {
        if (subject.minute.slot >= 0)
          unsaved.push_back({name, 60, subject.minute.slot, subject.minute.sample()});
        if (subject.ten_minutes.slot >= 0) {
          unsaved.push_back({name, 600, subject.ten_minutes.slot, subject.ten_minutes.sample()});
        }
      }
    }
    for (const Unsaved& each : unsaved) ids[each.subject] = subjects_[each.subject].id;
    subjects = subjects_.size();
  }
  const std::int64_t now = clock_.wall_ms();
  const bool forgets = now - forgot_ms_ >= kForgetEveryMs;
  if (unsaved.empty() && !forgets) return Ok{};
  const Result<> written = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(insert_subject, database.prepare(kInsertSubject));
    TRY_ASSIGN(select_subject, database.prepare(kSelectSubject));
    TRY_ASSIGN(insert, database.prepare(kInsertPoint));
    for (auto& [name, id] : ids) {
      if (id != 0) continue;
      TRY(insert_subject.bind_text(1, name).run());
      TRY_ASSIGN(has_row, select_subject.bind_text(1, name).step());
      if (has_row) id = select_subject.integer(0);
      select_subject.reset();
    }
    for (const Unsaved& each : unsaved) {
      TRY(insert.bind(1, each.step_s)
              .bind(2, each.time_ms)
              .bind(3, ids[each.subject])
              .bind_blob(4, blob_of(each.sample))
              .run());
    }
    if (!forgets) return Ok{};
    const auto each = static_cast<std::int64_t>(std::max<std::size_t>(1, subjects));
    TRY_ASSIGN(forget, database.prepare(kForget));
    const std::int64_t minutes = std::min(kMinutesKeptMs, kMinuteRowsMax / each * kMinuteMs);
    TRY(forget.bind(1, std::int64_t{60}).bind(2, now - minutes).run());
    const std::int64_t tens = std::min(kTenMinutesKeptMs, kTenMinuteRowsMax / each * kTenMinutesMs);
    return forget.bind(1, std::int64_t{600}).bind(2, now - tens).run();
  });
  if (!written.ok()) return written;
  if (forgets) forgot_ms_ = now;
  Lock lock(mutex_);
  for (const auto& [name, id] : ids) subjects_[name].id = id;
  return Ok{};
}

}  // namespace runnel::hub
