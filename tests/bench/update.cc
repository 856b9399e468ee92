// Benchmark `update`: how long a source that no update touches stands still while 100 random
// updates of the flow around it go on, under load; beside the longest gap of the same source in as
// much time without any. Prints one JSON object; fails when a FlowFile was lost or came twice.
//
// The flow is of chains (source, three processors, sink); an update changes one to three things of
// them: a property, a schedule, a connection's limit, a processor or a whole chain that goes or
// comes back. Beside them a source is called each millisecond. `bare_thread_ms` is the longest gap
// of a bare thread that wakes each millisecond, while the updates go on. The flow is read anew for
// each update, which is not counted in `update_ms_…`.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/log.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "tests/support/process.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr int kUpdates = 100;
constexpr std::size_t kChainLength = 5;
constexpr std::size_t kNumbersMax = 4'000'000;

double ms_of(SteadyClock::duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

// ---- what the processors have done; every FlowFile has a number of its own

std::atomic<std::size_t> numbers{0};
std::vector<std::atomic<std::uint8_t>> arrived(kNumbersMax);
std::atomic<std::int64_t> last_call_ns{0};
std::atomic<std::int64_t> longest_gap_ns{0};
std::atomic<std::uint64_t> steady_calls{0};

struct NoteConfig {
  std::string note;
};

class NumberSource : public Processor {
 public:
  using Config = NoteConfig;
  explicit NumberSource(Config) {}
  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override {
    const std::size_t number = numbers++;
    if (number >= kNumbersMax) return invalid("out of numbers");
    const FlowFile made = session.create();
    TRY(session.write(made, std::to_string(number)));
    session.transfer(made, success_);
    return {};
  }

 private:
  Relationship success_;
};

class SteadySource final : public NumberSource {
 public:
  using NumberSource::NumberSource;
  Result<> on_trigger(Session& session) override {
    const std::int64_t now = SteadyClock::now().time_since_epoch().count();
    const std::int64_t last = last_call_ns.exchange(now);
    if (last != 0 && now - last > longest_gap_ns) longest_gap_ns = now - last;
    ++steady_calls;
    return NumberSource::on_trigger(session);
  }
};

class HandOn final : public Processor {
 public:
  using Config = NoteConfig;
  explicit HandOn(Config config) : config_(std::move(config)) {}
  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override {
    FlowFile taken = session.get();
    if (!taken) return {};
    taken.set("note", config_.note);
    session.transfer(taken, success_);
    return {};
  }

 private:
  const Config config_;
  Relationship success_;
};

class NumberSink final : public Processor {
 public:
  using Config = NoteConfig;
  explicit NumberSink(Config) {}
  Result<> on_trigger(Session& session) override {
    const FlowFile taken = session.get();
    if (!taken) return {};
    TRY_ASSIGN(text, session.content(taken, 32));
    std::size_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    ++arrived.at(number);
    session.drop(taken);
    return {};
  }
};

std::span<const ProcessorType> types() {
  const auto described = [](auto describe) -> ProcessorType {
    return describe.property("Note", &NoteConfig::note, {.doc = "Any text."});
  };
  static const std::vector<ProcessorType> all{
      described(Describe<NumberSource>("NumberSource", "Numbers.")
                    .relationship("success", "Made.")
                    .input(InputRule::kForbidden)),
      described(Describe<SteadySource>("SteadySource", "Numbers, and when.")
                    .relationship("success", "Made.")
                    .input(InputRule::kForbidden)),
      described(Describe<HandOn>("HandOn", "Hands on.")
                    .relationship("success", "Everything.")
                    .relationship("other", "Nothing.")
                    .input(InputRule::kRequired)),
      described(Describe<NumberSink>("NumberSink", "Marks.").input(InputRule::kRequired))};
  return all;
}

// ---- the flow, and how it changes

struct Chain {
  bool is_there = true;
  bool has_middle = true;
  int note = 0;
  int period_ms = 20;
  int count_max = 10'000;
};

std::string flow_text(const std::vector<Chain>& chains, bool drains) {
  std::string processors =
      "flow: bench\nprocessors:\n"
      "  steady: {type: SteadySource, schedule: {every: 1 ms}}\n"
      "  steady-on: {type: HandOn, terminate: [other]}\n"
      "  steady-sink: {type: NumberSink}\n";
  std::string connections =
      "connections:\n"
      "  - {from: steady, to: steady-on}\n"
      "  - {from: steady-on.success, to: steady-sink}\n";
  for (std::size_t i = 0; i < chains.size(); ++i) {
    const Chain& chain = chains[i];
    if (!chain.is_there && !drains) continue;
    const bool has_middle = chain.has_middle || drains;
    const std::string n = std::to_string(i);
    const std::string limit =
        ", back_pressure: {count: " + std::to_string(chain.count_max) + "}}\n";
    const auto hand_on = [&](const std::string& name, bool is_noted) {
      processors += "  " + name + n + ": {type: HandOn, ";
      if (is_noted) processors += "properties: {Note: v" + std::to_string(chain.note) + "}, ";
      processors += drains && name == "a" ? "terminate: []}\n" : "terminate: [other]}\n";
    };
    processors += "  s" + n +
                  ": {type: NumberSource, schedule: {every: " + std::to_string(chain.period_ms) +
                  " ms}, stopped: " + (drains ? "true" : "false") + "}\n";
    hand_on("a", true);
    if (has_middle) hand_on("b", false);
    hand_on("c", false);
    processors += "  k" + n + ": {type: NumberSink}\n";
    connections += "  - {from: s" + n + ", to: a" + n + limit;
    if (has_middle) {
      connections += "  - {from: a" + n + ".success, to: b" + n + ", name: ab" + n + limit;
      connections += "  - {from: b" + n + ".success, to: c" + n + ", name: bc" + n + limit;
    }
    if (!has_middle || drains) {
      connections += "  - {from: a" + n + (drains ? ".other" : ".success") + ", to: c" + n +
                     ", name: ac" + n + limit;
    }
    connections += "  - {from: c" + n + ".success, to: k" + n + limit;
  }
  return processors + connections;
}

void change(std::vector<Chain>& chains, std::mt19937& random) {
  const auto below = [&random](std::size_t n) { return random() % n; };
  for (std::size_t left = 1 + below(3); left > 0; --left) {
    Chain& chain = chains[below(chains.size())];
    switch (below(5)) {
      case 0:
        ++chain.note;
        break;
      case 1:
        chain.has_middle = !chain.has_middle;
        break;
      case 2:
        chain.is_there = !chain.is_there;
        break;
      case 3:
        chain.period_ms = 10 + static_cast<int>(below(20));
        break;
      default:
        chain.count_max = 1 + static_cast<int>(below(1000));
    }
  }
}

std::shared_ptr<const Flow> read(const std::vector<Chain>& chains, bool drains = false) {
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : types()) specs.push_back(type.spec);
  FlowReading reading =
      read_flow(flow_text(chains, drains), {.file = "bench.yaml", .parameters = {}}, specs);
  if (!reading.ok()) throw std::runtime_error("the flow: " + reading.complaints.front().text);
  return std::move(reading.flow);
}

void need(const Result<>& done) {
  if (!done.ok()) throw std::runtime_error(done.error().text());
}

struct Measured {
  double gap_ms = 0;      // the longest, with updates
  double gap_raw_ms = 0;  // without
  double gap_bare_ms = 0;
  double update_ms_median = 0;
  double update_ms_max = 0;
  std::size_t flowfiles = 0;
  std::size_t lost = 0;
  std::size_t doubled = 0;
};

// A thread that does nothing but wake each millisecond: what the machine lets anybody have while
// updates go on.
class BareThread {
 public:
  double stop() {
    ends_ = true;
    thread_.join();
    return longest_ms_;
  }

 private:
  std::atomic<bool> ends_{false};
  double longest_ms_ = 0;
  std::thread thread_{[this] {
    auto last = SteadyClock::now();
    while (!ends_) {
      std::this_thread::sleep_for(1ms);
      const auto now = SteadyClock::now();
      longest_ms_ = std::max(longest_ms_, ms_of(now - last));
      last = now;
    }
  }};
};

double take_gap_ms() { return static_cast<double>(longest_gap_ns.exchange(0)) / 1e6; }

Measured measure(std::size_t processors) {
  const test::TempFolder folder;
  std::vector<Chain> chains(processors / kChainLength);
  auto engine = Engine::open({.state_dir = folder.path() + "/state", .types = types()});
  if (!engine.ok()) throw std::runtime_error(engine.error().text());
  numbers = 0;
  last_call_ns = 0;
  for (auto& one : arrived) one = 0;
  need((*engine)->start(read(chains)));
  std::this_thread::sleep_for(500ms);
  Measured measured;
  std::mt19937 random(7);
  std::vector<double> updates;
  take_gap_ms();
  BareThread bare;
  const auto began = SteadyClock::now();
  for (int i = 0; i < kUpdates; ++i) {
    change(chains, random);
    auto flow = read(chains);
    const auto at = SteadyClock::now();
    need((*engine)->update(std::move(flow)));
    updates.push_back(ms_of(SteadyClock::now() - at));
    std::this_thread::sleep_for(10ms);
  }
  const auto span = SteadyClock::now() - began;
  measured.gap_ms = take_gap_ms();
  measured.gap_bare_ms = bare.stop();
  std::this_thread::sleep_for(span);
  measured.gap_raw_ms = take_gap_ms();
  // Everything comes back, nothing new comes.
  need((*engine)->update(read(chains, true)));
  need((*engine)->stop_processor("steady"));
  for (int i = 0; i < 1000 && (*engine)->status().loss.queued > 0; ++i)
    std::this_thread::sleep_for(10ms);
  need((*engine)->stop(5s));
  measured.flowfiles = numbers;
  for (std::size_t i = 0; i < measured.flowfiles; ++i) {
    measured.lost += arrived[i] == 0 ? 1U : 0U;
    measured.doubled += arrived[i] > 1 ? 1U : 0U;
  }
  std::sort(updates.begin(), updates.end());
  measured.update_ms_median = updates[updates.size() / 2];
  measured.update_ms_max = updates.back();
  return measured;
}

int bench() {
  const Measured few = measure(50);
  const Measured many = measure(1000);
  std::printf(
      R"({"value": %.2f, "raw": %.2f, "ratio": %.2f, "unit": "ms, the longest gap of an untouched )"
      R"(source with 100 updates of a flow of 1,000 processors; raw: without", )"
      R"("bare_thread_ms": %.2f, "update_ms_median": %.2f, "update_ms_max": %.2f, "of_50_processors_ms": %.2f, )"
      R"("of_50_processors_raw_ms": %.2f, "flowfiles": %zu, "lost": %zu, "doubled": %zu})"
      "\n",
      many.gap_ms, many.gap_raw_ms, many.gap_ms / many.gap_raw_ms, many.gap_bare_ms,
      many.update_ms_median, many.update_ms_max, few.gap_ms, few.gap_raw_ms,
      few.flowfiles + many.flowfiles, few.lost + many.lost, few.doubled + many.doubled);
  return few.lost + many.lost + few.doubled + many.doubled == 0 ? 0 : 1;
}

}  // namespace
}  // namespace runnel

int main() {
  runnel::set_log_level(runnel::LogLevel::kError);
  try {
    return runnel::bench();
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "runnel-bench-update: %s\n", failed.what());
    return 1;
  }
}
