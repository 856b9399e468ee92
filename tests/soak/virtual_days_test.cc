// Two days on a virtual clock: what a flow holds in memory and on disk in the morning of the second
// (all that is bounded is full then) is what it holds in its evening. Under a sanitizer malloc
// tells nothing; the disk is judged there, too.

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/flow/complaints.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine_core.h"
#include "agent/trial/scratch.h"
#include "processors/registry.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Sources by timer and by cron, bins that fill and bins that age, a loop that penalizes, a queue
// whose FlowFiles expire, one that sheds, and contents that go through segment files.
constexpr std::string_view kFlow = R"(
flow: day
processors:
  telemetry:
    type: GenerateFlowFile
    properties: {Custom Text: '{"speed": "${random():mod(90)}"}', Data Format: Text, Unique FlowFiles: "false"}
    schedule: {every: 500 ms}
  image:
    type: GenerateFlowFile
    properties: {File Size: 400 kB}
    schedule: {every: 60 s}
  report:
    type: GenerateFlowFile
    properties: {Custom Text: report, Data Format: Text, Unique FlowFiles: "false"}
    schedule: {cron: "0 0/15 * * * ?"}
  speed:
    type: EvaluateJsonPath
    properties: {Destination: flowfile-attribute, speed: "$.speed"}
    terminate: [unmatched, failure]
  route:
    type: RouteOnAttribute
    properties: {fast: "${speed:gt(80)}", odd: "${speed:mod(7):equals(0)}"}
  again:
    type: ControlRate
    properties: {Rate Control Criteria: flowfile count, Maximum Rate: "30", Time Duration: 1 min}
    terminate: [failure]
  gather:
    type: MergeContent
    properties: {Minimum Number of Entries: "500", Max Bin Age: 10 min}
    terminate: [original, failure]
  rest:
    type: LogAttribute
    properties: {Log Level: debug}
    terminate: [success]
  never:
    type: LogAttribute
    schedule: {cron: "0 0 0 1 1 ? 2099"}
    terminate: [success]
connections:
  - {from: telemetry, to: speed}
  - {from: speed.matched, to: route}
  - {from: route.fast, to: again, back_pressure: {count: 1000}, when_full: drop-oldest}
  - {from: route.odd, to: never, expire: 30 min}
  - {from: route.unmatched, to: gather}
  - {from: again.success, to: gather}
  - {from: image, to: gather}
  - {from: report, to: gather}
  - {from: gather.merged, to: rest}
)";

struct Holding {
  std::size_t heap = 0;  // bytes handed out by malloc
  std::uintmax_t disk = 0;
  std::uint64_t queued = 0;
};

std::uintmax_t bytes_below(const std::string& directory) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

class Day {
 public:
  Day() {
    const FlowReading reading = read_flow(kFlow, {"day.yaml", {}}, component_specs());
    REQUIRE(text_of(reading.complaints) == "");
    EngineOptions options;
    options.state_dir = scratch_.path();
    options.types = processor_types();
    options.services = service_types();
    options.clock = &clock_;
    options.is_driven = true;
    options.ledger.is_driven = true;
    options.provenance.bytes_max = 512 << 10;
    engine_ = EngineCore::open(options).value();
    REQUIRE(engine_->start(reading.flow).ok());
  }

  void run_for(std::chrono::nanoseconds span) {
    const SteadyTime end = clock_.steady() + span;
    while (clock_.steady() < end) {
      while (engine_->scheduler().run_ready(1000) > 0) {
      }
      const SteadyTime next = std::min(engine_->scheduler().next_timer(), end);
      clock_.advance(std::max<std::chrono::nanoseconds>(next - clock_.steady(), 1ms));
    }
  }

  Holding holding() {
    REQUIRE(engine_->flush(30s).ok());
    const Status status = engine_->status();
    CHECK(status.loss.is_balanced());
    return {mallinfo2().uordblks, bytes_below(scratch_.path()), status.loss.queued};
  }

  Status status() const { return engine_->status(); }

 private:
  ScratchDirectory scratch_ = ScratchDirectory::make(ScratchDirectory::Where::kMemory).value();
  ManualClock clock_;
  std::unique_ptr<EngineCore> engine_;
};

TEST_CASE("in the evening of its second day a flow holds no more than in the morning") {
  Day day;
  // Under a sanitizer fewer of them: then only what happens in them is judged.
  const char* const given = std::getenv("RUNNEL_SOAK_HOURS");
  const int count = given == nullptr ? 48 : std::atoi(given);
  std::vector<Holding> hours;
  for (int hour = 1; hour <= count; ++hour) {
    day.run_for(1h);
    hours.push_back(day.holding());
    MESSAGE("hour " << hour << ": " << hours.back().heap / 1024 << " KiB of heap, "
                    << hours.back().disk / 1024 << " KiB on disk, " << hours.back().queued
                    << " queued");
  }
  for (const ProcessorStatus& one : day.status().processors) {
    INFO(one.path);
    if (one.path != "never") CHECK(one.invocations > 0);
  }
  if (count < 48) return;
  const auto most = [](auto first, auto last, auto member) {
    auto found = (*first).*member;
    for (auto at = first; at != last; ++at) found = std::max(found, (*at).*member);
    return found;
  };
  const auto settled = hours.begin() + 24;
  const auto late = hours.begin() + 36;
  // What is queued at the end of an hour varies with where the bins are.
  constexpr std::size_t kHeapPlay = 128 << 10;
  constexpr std::uintmax_t kDiskPlay = 4 << 20;
  CHECK(most(late, hours.end(), &Holding::heap) <= most(settled, late, &Holding::heap) + kHeapPlay);
  CHECK(most(late, hours.end(), &Holding::disk) <= most(settled, late, &Holding::disk) + kDiskPlay);
}

}  // namespace
}  // namespace runnel
