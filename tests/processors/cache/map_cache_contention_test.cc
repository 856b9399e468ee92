// LocalMapCache while many tasks of several processors change it at the same time.

#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr int kKeys = 300;
constexpr std::uint64_t kFlowFiles = 20'000;  // that go each way

// What has come to the end of each way, by key.
struct Ends {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::map<std::string, std::uint64_t>> counts;
  std::map<std::string, std::uint64_t> totals;
  std::uint64_t strange = 0;  // a value that nobody has put under its key

  void note(const std::string& way, const std::string& key, bool is_strange) {
    const std::scoped_lock lock(mutex);
    ++counts[way][key];
    ++totals[way];
    if (is_strange) ++strange;
    changed.notify_all();
  }
};
Ends* ends = nullptr;  // of the test that runs

struct EndConfig {
  std::string way;
};

// Where the FlowFiles of one relationship end, and are counted.
class EndOfWay final : public Processor {
 public:
  using Config = EndConfig;
  explicit EndOfWay(Config config) : config_(std::move(config)) {}
  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (!flowfile) return {};
    const std::string key(flowfile.attribute("key").value_or(""));
    const std::string value(flowfile.attribute("fetched").value_or(key));
    ends->note(config_.way, key, value != key);
    session.drop(flowfile);
    return {};
  }

 private:
  const Config config_;
};

ProcessorType end_of_way() {
  return Describe<EndOfWay>("EndOfWay", "Counts.")
      .property("Way", &EndConfig::way, {.doc = "Its name.", .required = true});
}

const char* const kFlow = R"(flow: crowd
services:
  cache: {type: LocalMapCache}
processors:
  make: {type: GenerateFlowFile, schedule: {every: 1 ms}, properties: {Batch Size: 500, File Size: 0 B}}
  key: {type: UpdateAttribute, concurrent_tasks: 2, properties: {key: '${nextInt():mod(300)}'}}
  first-a: {type: DetectDuplicate, concurrent_tasks: 4, terminate: [failure], properties: {Cache Entry Identifier: 'd${key}', Distributed Cache Service: cache}}
  first-b: {type: DetectDuplicate, concurrent_tasks: 4, terminate: [failure], properties: {Cache Entry Identifier: 'd${key}', Distributed Cache Service: cache}}
  text: {type: ReplaceText, concurrent_tasks: 2, terminate: [failure], properties: {Replacement Strategy: Always Replace, Evaluation Mode: Entire text, Replacement Value: '${key}'}}
  keep-a: {type: PutDistributedMapCache, properties: {Cache Entry Identifier: 'k${key}', Distributed Cache Service: cache, Cache Update Strategy: keeporiginal}}
  keep-b: {type: PutDistributedMapCache, properties: {Cache Entry Identifier: 'k${key}', Distributed Cache Service: cache, Cache Update Strategy: keeporiginal}}
  replace: {type: PutDistributedMapCache, terminate: [failure], properties: {Cache Entry Identifier: 'r${key}', Distributed Cache Service: cache}}
  fetch: {type: FetchDistributedMapCache, concurrent_tasks: 4, terminate: [failure], properties: {Cache Entry Identifier: 'r${key}', Distributed Cache Service: cache, Put Cache Value In Attribute: fetched}}
  new: {type: EndOfWay, properties: {Way: new}}
  seen: {type: EndOfWay, properties: {Way: seen}}
  kept: {type: EndOfWay, properties: {Way: kept}}
  refused: {type: EndOfWay, properties: {Way: refused}}
  fetched: {type: EndOfWay, properties: {Way: fetched}}
  missed: {type: EndOfWay, properties: {Way: missed}}
connections:
  - {from: make, to: key}
  - {from: key, to: first-a}
  - {from: key, to: first-b}
  - {from: key, to: text}
  - {from: text.success, to: keep-a}
  - {from: text.success, to: keep-b}
  - {from: text.success, to: replace}
  - {from: replace.success, to: fetch}
  - {from: first-a.non-duplicate, to: new}
  - {from: first-b.non-duplicate, to: new}
  - {from: first-a.duplicate, to: seen}
  - {from: first-b.duplicate, to: seen}
  - {from: keep-a.success, to: kept}
  - {from: keep-b.success, to: kept}
  - {from: keep-a.failure, to: refused}
  - {from: keep-b.failure, to: refused}
  - {from: fetch.success, to: fetched}
  - {from: fetch.not-found, to: missed}
)";

TEST_CASE(
    "of many tasks that put what is absent exactly one does, for each key, and none is lost") {
  Ends counted;
  ends = &counted;
  test::TempFolder folder;
  EngineOptions options;
  options.state_dir = folder.path();
  std::vector<ProcessorType> types(processor_types().begin(), processor_types().end());
  types.push_back(end_of_way());
  std::vector<ComponentSpec> specs(component_specs().begin(), component_specs().end());
  specs.push_back(types.back().spec);
  options.types = types;
  options.services = service_types();
  options.workers = 8;
  auto opened = Engine::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  const FlowReading reading = read_flow(kFlow, {}, specs);
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  const Result<> started = (*opened)->start(reading.flow);
  REQUIRE_MESSAGE(started.ok(), started.error().text());
  {
    std::unique_lock lock(counted.mutex);
    const bool is_done = counted.changed.wait_for(lock, 60s, [&] {
      return counted.totals["seen"] >= 2 * kFlowFiles && counted.totals["refused"] >= kFlowFiles &&
             counted.totals["fetched"] >= kFlowFiles;
    });
    CHECK(is_done);
  }
  REQUIRE((*opened)->stop(20s).ok());
  // One for each key over both processors and all their tasks: neither lost nor put twice.
  for (const char* way : {"new", "kept"}) {
    CAPTURE(way);
    CHECK(counted.totals[way] == kKeys);
    CHECK(counted.counts[way].size() == kKeys);
  }
  // What was put before it was looked for is there, and is what was put under that key.
  CHECK(counted.totals["missed"] == 0);
  CHECK(counted.strange == 0);
  check_balanced((*opened)->status().loss);
  ends = nullptr;
}

}  // namespace
}  // namespace runnel
