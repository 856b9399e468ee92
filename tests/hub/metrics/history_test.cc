// Metrics over time: means, resolutions, restarts.

#include "hub/metrics/history.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/hub/support/hub_folder.h"

namespace runnel::hub {
namespace {

Sample sample_of(float in, float age) {
  Sample sample;
  sample[Series::kInRecords] = in;
  sample[Series::kQueuedAge] = age;
  return sample;
}

TEST_CASE(
    "a minute is the mean of its samples, and the greatest of their ages; it survives a restart") {
  HubFolder folder;
  ManualClock clock(1'767'225'600'000);  // a full minute
  const std::int64_t begin = clock.wall_ms();
  {
    auto history = *History::open(*folder.store, clock);
    for (int i = 1; i <= 18; ++i) {
      clock.advance(std::chrono::seconds(10));
      history->record("agent:a", clock.wall_ms(),
                      sample_of(static_cast<float>(i), static_cast<float>(i % 4)));
    }
    const auto raw = *history->find("agent:a", {begin, clock.wall_ms(), 1'000});
    CHECK(raw.step_ms == 10'000);
    CHECK(raw.times_ms.size() == 18);
    CHECK(raw.samples[0][Series::kInRecords] == 1);
    REQUIRE(history->flush(true));
  }
  folder.open();
  auto history = *History::open(*folder.store, clock);
  const auto minutes = *history->find("agent:a", {begin, clock.wall_ms(), 60'000});
  CHECK(minutes.step_ms == 60'000);
  REQUIRE(minutes.samples.size() == 3);
  CHECK(minutes.samples[0][Series::kInRecords] == doctest::Approx(3.5));
  CHECK(minutes.samples[0][Series::kQueuedAge] == 3);
  CHECK(minutes.samples[2][Series::kInRecords] == doctest::Approx(15.5));
  CHECK(std::isnan(minutes.samples[0][Series::kCpu]));
  const auto tens = *history->find("agent:a", {begin, clock.wall_ms(), 600'000});
  CHECK(tens.samples[0][Series::kInRecords] == doctest::Approx(9.5));
}

TEST_CASE("a long range comes in steps that are coarse enough") {
  HubFolder folder;
  ManualClock clock;
  auto history = *History::open(*folder.store, clock);
  const auto month = *history->find(
      "fleet", {clock.wall_ms() - std::int64_t{14} * 86'400'000, clock.wall_ms(), 1'000});
  CHECK(month.step_ms == 600'000);
  CHECK(month.times_ms.size() <= History::kPointsMax);
}

TEST_CASE("what is older than it is kept for is removed") {
  HubFolder folder;
  ManualClock clock;
  auto history = *History::open(*folder.store, clock);
  for (int day = 0; day < 3; ++day) {
    history->record("fleet", clock.wall_ms(), sample_of(1, 1));
    clock.advance(std::chrono::hours(24));
    REQUIRE(history->flush(true));
  }
  REQUIRE(history->flush());
  REQUIRE(folder.store->read([](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare("SELECT count(*) FROM metric_points WHERE step_s = 60"));
    TRY_ASSIGN(has_row, select.step());
    CHECK(has_row);
    CHECK(select.integer(0) <= 1);
    return Ok{};
  }));
}

}  // namespace
}  // namespace runnel::hub
