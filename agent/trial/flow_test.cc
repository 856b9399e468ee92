// Running flow tests.

#include "agent/trial/flow_test.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "agent/base/text_file.h"
#include "agent/base/words.h"
#include "agent/flow/check.h"
#include "agent/flow/complaints.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine_core.h"
#include "agent/trial/compare.h"
#include "agent/trial/mocks.h"
#include "agent/trial/scratch.h"
#include "agent/trial/test_file.h"
#include "agent/trial/weave.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kEventsMax = 1'000'000;
constexpr std::size_t kSlicesAtOnce = 10'000;
constexpr std::size_t kContentMax = 64 << 20;

// `path` and `relationship` of `path.relationship`; names hold no dots.
std::pair<std::string, std::string> parts_of(const std::string& place) {
  const std::size_t dot = place.find('.');
  if (dot == std::string::npos) return {place, {}};
  return {place.substr(0, dot), place.substr(dot + 1)};
}

// Weaves the mocks of one test into its flow; what cannot be is a complaint.
class Mocking {
 public:
  Mocking(const FlowTest& test, Flow flow, std::span<const ProcessorType> types,
          std::span<const ServiceType> services, Collector& collector, Complaints& wrong)
      : test_(test),
        weave_(std::move(flow), types),
        services_(services),
        collector_(collector),
        wrong_(wrong) {}

  const Weave& weave() const { return weave_; }
  std::span<const ServiceType> services() const { return services_; }
  // Where what is sent to a relationship is seen: id of a connection -> place.
  const std::map<std::string, std::string>& watches() const { return watches_; }

  void run() {
    paths_ = weave_.paths();
    for (const Mock& mock : test_.mocks) check_mock(mock);
    for (const NamedPlace& one : test_.unmocked) check_unmocked(one);
    mock_sources();
    for (const ExpectedFlowFile& one : test_.expect) watch(one.place, "expect");
    for (const CountRule& one : test_.counts) watch(one.place, "counts");
    for (const ProvenanceRule& one : test_.provenance) check_path(one.processor);
    for (const BulletinRule& one : test_.bulletins) check_path(one.processor);
    check_queued();
  }

 private:
  // The reader has complained of an empty one.
  ProcessorNode* check_path(const NamedPlace& place) {
    if (place.name.empty()) return nullptr;
    ProcessorNode* node = weave_.find(place.name);
    if (node == nullptr) {
      wrong_.add(place.at, "the flow has no processor " + backquoted(place.name) +
                               did_you_mean(place.name, paths_));
    }
    return node;
  }

  bool check_relationship(const ProcessorNode& node, const NamedPlace& relationship) {
    if (weave_.has_relationship(node, relationship.name)) return true;
    std::vector<std::string> names;
    for (const RelationshipSpec& one : relationships_of(weave_.spec_of(node), node.properties))
      names.push_back(one.name);
    wrong_.add(relationship.at, backquoted(node.path) + " has no relationship " +
                                    backquoted(relationship.name) +
                                    (names.empty() ? "" : "; it has " + listed(names)));
    return false;
  }

  void check_mock(const Mock& mock) {
    const ProcessorNode* node = check_path(mock.processor);
    if (node == nullptr) return;
    if (weave_.is_source(*node)) {
      return wrong_.add(mock.processor.at,
                        backquoted(node->path) +
                            " is a source: it is mocked already; say what it makes in `given`");
    }
    bool is_good = true;
    for (const auto& turn : mock.turns) {
      for (const MockAnswer& answer : turn)
        is_good = check_relationship(*node, answer.relationship) && is_good;
    }
    if (!is_good) return;
    mocked_.insert(node->path);
    const std::string path = node->path;
    weave_.replace(path, InputRule::kRequired,
                   [path, &mock, this] { return mock_sink(path, &mock, collector_); });
  }

  void check_unmocked(const NamedPlace& place) {
    const ProcessorNode* node = check_path(place);
    if (node == nullptr) return;
    if (!weave_.is_source(*node)) {
      wrong_.add(place.at, backquoted(place.name) + " is no source: it runs as it is anyway");
    }
    unmocked_.insert(place.name);
  }

  void mock_sources() {
    std::map<std::string, std::vector<MockGiven>> given;
    for (const GivenFlowFile& one : test_.given) {
      const auto [path, relationship] = parts_of(one.to.name);
      const ProcessorNode* node = check_path({path, one.to.at});
      if (node == nullptr) continue;
      const bool is_source = weave_.is_source(*node);
      if (!is_source && !relationship.empty()) {
        wrong_.add(one.to.at, backquoted(path) +
                                  " is no source: what is given to it is queued for it; leave out "
                                  "the relationship");
        continue;
      }
      if (unmocked_.contains(path)) {
        wrong_.add(one.to.at, backquoted(path) + " stands in `unmocked`: it makes its own");
        continue;
      }
      std::string to = relationship;
      if (!is_source) to = "success";
      if (to.empty()) to = weave_.spec_of(*node).relationships.front().name;
      if (is_source && !check_relationship(*node, {to, one.to.at})) continue;
      given[path].push_back({one, to});
    }
    for (const std::string& path : paths_) {
      const bool is_source = weave_.is_source(*weave_.find(path));
      const auto make = [all = given[path]] { return mock_source(all); };
      if (is_source && !unmocked_.contains(path)) {
        weave_.replace(path, InputRule::kForbidden, make);
      } else if (!is_source && !given[path].empty()) {
        weave_.feed(path, make);
      }
    }
  }

  void watch(const NamedPlace& place, std::string_view key) {
    const auto [path, relationship] = parts_of(place.name);
    if (relationship.empty() && mocked_.contains(path)) return;
    const ProcessorNode* node = check_path({path, place.at});
    if (node == nullptr) return;
    if (relationship.empty()) {
      return wrong_.add(place.at, backquoted(place.name) +
                                      " is not mocked: name it in `mock`, or say which of its "
                                      "relationships `" +
                                      std::string(key) + "` means");
    }
    if (!check_relationship(*node, {relationship, place.at})) return;
    if (!watched_.insert(place.name).second) return;
    const std::string id = weave_.watch(
        path, relationship, [at = place.name, this] { return mock_sink(at, nullptr, collector_); });
    watches_.emplace(id, place.name);
  }

  void check_queued() {
    std::vector<std::string> names;
    for (const Connection* one : all_connections(weave_.flow())) names.push_back(one->name);
    for (const CountRule& one : test_.queued) {
      if (find_connection(weave_.flow(), one.place.name) != nullptr) continue;
      wrong_.add(one.place.at, "the flow has no connection " + backquoted(one.place.name) +
                                   did_you_mean(one.place.name, names));
    }
  }

  const FlowTest& test_;
  Weave weave_;
  const std::span<const ServiceType> services_;
  Collector& collector_;
  Complaints& wrong_;
  std::vector<std::string> paths_;
  std::set<std::string, std::less<>> mocked_;
  std::set<std::string, std::less<>> unmocked_;
  std::set<std::string, std::less<>> watched_;
  std::map<std::string, std::string> watches_;
};

// Runs a woven flow until nothing is left to do.
class Drive {
 public:
  Drive(const FlowTest& test, const Mocking& mocking, const std::string& state_dir,
        const std::atomic<bool>* is_stopped, Complaints& wrong)
      : test_(test),
        weave_(mocking.weave()),
        watches_(mocking.watches()),
        is_stopped_(is_stopped),
        wrong_(wrong),
        clock_(test.clock_ms) {
    for (const GivenFlowFile& one : test.given) last_given_ = std::max(last_given_, one.after);
    options_.state_dir = state_dir;
    options_.types = weave_.types();
    options_.services = mocking.services();
    options_.clock = &clock_;
    options_.is_driven = true;
    options_.ledger.is_driven = true;
  }

  bool start() {
    auto opened = EngineCore::open(options_);
    if (!opened.ok()) return fail(opened.error().text());
    engine_ = std::move(opened).value();
    const auto started = engine_->start(std::make_shared<const Flow>(weave_.flow()));
    return started.ok() || fail("the flow does not start: " + started.error().text());
  }

  // False: it was stopped, or does not come to rest.
  bool run() {
    const SteadyTime began = clock_.steady();
    const SteadyTime end = began + test_.runs_for.value_or(FlowTestLeaps::kAtMost);
    std::size_t slices = 0;
    while (true) {
      if (is_stopped_ != nullptr && *is_stopped_) return fail("stopped");
      const std::size_t ran = engine_->scheduler().run_ready(kSlicesAtOnce);
      slices += ran;
      if (slices > FlowTestLeaps::kSlices)
        return fail("the flow does not come to rest: FlowFiles go round and round");
      if (ran == kSlicesAtOnce || waits_for_threads()) continue;
      const SteadyTime now = clock_.steady();
      const bool is_given = now >= began + last_given_;
      if (!test_.runs_for && is_given && engine_->status().loss.queued == 0) return true;
      if (now >= end) return true;
      const SteadyTime next = std::min(engine_->scheduler().next_timer(), end);
      if (next == end && !test_.runs_for && engine_->scheduler().next_timer() > end) return true;
      clock_.advance(std::max<std::chrono::nanoseconds>(next - now, 1ms));
    }
  }

  void compare(std::vector<SeenFlowFile> seen) {
    see_penalized(seen);
    compare_flowfiles(test_, std::move(seen), wrong_);
    const Status status = engine_->status();
    if (!status.loss.is_balanced()) fail("the loss ledger does not balance");
    compare_queued(status);
    const auto bulletins = engine_->bulletins(0);
    compare_bulletins(test_, bulletins, wrong_);
    if (!test_.provenance.empty()) {
      ProvenanceQuery query;
      query.limit = kEventsMax;
      const auto events = engine_->provenance(query);
      if (events.ok()) {
        compare_provenance(test_, events->events, wrong_);
      } else {
        fail(events.error().text());
      }
    }
    if (!has_failed_) return;
    for (const Bulletin& one : bulletins)
      fail((one.component.empty() ? "the engine" : backquoted(one.component)) +
           " said: " + one.text);
  }

 private:
  bool fail(std::string text) {
    has_failed_ = true;
    wrong_.add(test_.at, std::move(text));
    return false;
  }

  // Whether a processor has handed something to a thread of its own that may answer without the
  // clock. True: it has done something.
  bool waits_for_threads() {
    const Status status = engine_->status();
    const bool is_in_flight =
        std::any_of(status.processors.begin(), status.processors.end(),
                    [](const ProcessorStatus& one) { return one.in_flight > 0; });
    if (!is_in_flight) {
      waited_ = 0ms;
      return false;
    }
    const bool has_timer = engine_->scheduler().next_timer() != SteadyTime::max();
    // What waits for the clock (a bin of MergeContent) is in flight, too.
    const std::chrono::milliseconds patience = has_timer ? 50ms : FlowTestLeaps::kPatience;
    if (waited_ >= patience) return false;
    if (engine_->scheduler().wait_for_wake(10ms)) {
      waited_ = 0ms;
    } else {
      waited_ += 10ms;
    }
    return true;
  }

  // What was sent to a relationship that is watched, but waits for the end of its penalty.
  void see_penalized(std::vector<SeenFlowFile>& seen) {
    for (const auto& [id, place] : watches_) {
      const auto queued = engine_->list_queue(id, SIZE_MAX);
      if (!queued.ok()) continue;
      for (const QueuedFlowFile& one : *queued) {
        const auto peeked = engine_->peek(id, one.id, kContentMax);
        if (!peeked.ok()) continue;
        SeenFlowFile& penalized = seen.emplace_back(SeenFlowFile{place, peeked->content, {}});
        for (const auto& [name, value] : one.attributes) penalized.attributes[name] = value;
      }
    }
  }

  void compare_queued(const Status& status) {
    for (const ConnectionStatus& one : status.connections) {
      if (watches_.contains(one.id)) continue;
      const auto rule =
          std::find_if(test_.queued.begin(), test_.queued.end(), [&](const CountRule& candidate) {
            const Connection* found = find_connection(weave_.flow(), candidate.place.name);
            return found != nullptr && found->id == one.id;
          });
      const std::uint64_t expected = rule == test_.queued.end() ? 0 : rule->count;
      if (one.count == expected) continue;
      const std::string left = counted(one.count, "FlowFile") + " left in " + backquoted(one.name);
      if (rule != test_.queued.end()) {
        wrong_.add(rule->place.at, left + ", expected " + std::to_string(expected));
      } else {
        fail(left);
      }
    }
  }

  const FlowTest& test_;
  const Weave& weave_;
  const std::map<std::string, std::string>& watches_;
  const std::atomic<bool>* const is_stopped_;
  Complaints& wrong_;
  ManualClock clock_;
  std::chrono::nanoseconds last_given_{0};
  EngineOptions options_;
  std::unique_ptr<EngineCore> engine_;
  std::chrono::milliseconds waited_{0};
  bool has_failed_ = false;
};

struct Prepared {
  std::unique_ptr<Collector> collector;
  std::unique_ptr<Mocking> mocking;
};

FlowTestOutcome run_one(const std::string& file, const FlowTest& test, const Prepared& prepared,
                        const std::atomic<bool>* is_stopped) {
  const auto began = std::chrono::steady_clock::now();
  FlowTestOutcome outcome{test.name, test.at, {}, {}};
  Complaints wrong(file, FlowTestLimits::kComplaints);
  const auto scratch = ScratchDirectory::make(ScratchDirectory::Where::kMemory);
  if (scratch.ok()) {
    Drive drive(test, *prepared.mocking, scratch->path(), is_stopped, wrong);
    if (drive.start()) {
      drive.run();
      drive.compare(prepared.collector->take());
    }
  } else {
    wrong.add(test.at, scratch.error().text());
  }
  outcome.failures = wrong.take();
  outcome.took = std::chrono::steady_clock::now() - began;
  return outcome;
}

// The flow with a test's parameters; what is wrong with it is said once for all tests.
std::shared_ptr<const Flow> read_tested(const std::string& path, const FlowTest& test,
                                        std::span<const ComponentSpec> specs,
                                        std::vector<Complaint>& complaints) {
  const FlowReading reading =
      read_flow_file(path, {.file = path, .parameters = test.parameters}, specs);
  for (const Complaint& one : reading.complaints) {
    const bool is_said =
        std::any_of(complaints.begin(), complaints.end(), [&one](const Complaint& said) {
          return said.file == one.file && said.at == one.at && said.text == one.text;
        });
    if (!is_said) complaints.push_back(one);
  }
  return reading.ok() ? reading.flow : nullptr;
}

}  // namespace

FlowTestReport run_flow_tests(const std::string& file, std::span<const ProcessorType> types,
                              std::span<const ServiceType> services,
                              const std::atomic<bool>* is_stopped) {
  FlowTestReport report;
  report.file = file;
  Complaints wrong(file, FlowTestLimits::kComplaints);
  const auto text = read_text_file(file, FlowTestLimits::kText);
  if (!text.ok()) {
    report.complaints.push_back({file, {}, text.error().text()});
    return report;
  }
  const fs::path folder = fs::path(file).parent_path();
  const FlowTestFile tests = read_flow_test(*text, folder.string(), wrong);
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : types) specs.push_back(type.spec);
  for (const ServiceType& type : services) specs.push_back(type.spec);
  std::vector<Prepared> prepared;
  for (const FlowTest& test : tests.tests) {
    if (tests.flow.name.empty()) break;
    const auto flow =
        read_tested((folder / tests.flow.name).string(), test, specs, report.complaints);
    if (flow == nullptr) continue;
    Prepared& one = prepared.emplace_back();
    one.collector = std::make_unique<Collector>();
    one.mocking = std::make_unique<Mocking>(test, *flow, types, services, *one.collector, wrong);
    one.mocking->run();
  }
  for (Complaint& one : wrong.take()) report.complaints.push_back(std::move(one));
  sort_complaints(report.complaints);
  if (!report.is_valid()) return report;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    if (is_stopped != nullptr && *is_stopped) break;
    report.outcomes.push_back(run_one(file, tests.tests[i], prepared[i], is_stopped));
  }
  return report;
}

}  // namespace runnel
