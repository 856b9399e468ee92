// Benchmark `connections`: what a FlowFile costs in flows of 1, 10, 100 and 1,000 connections.
//
// Beside each other: each connection has a source and a processor of its own; the figure is for a
// FlowFile that is made, queued, taken, given an attribute and ended. In one chain: one source, and
// a processor behind each connection; the figure is for one hop more (what a FlowFile costs beyond
// what it costs in a chain of one connection, by hops beyond that one).
//
// Figures are nanoseconds of this process' CPU time, so that others on the machine change them
// little; the load leaves half a core idle. `raw` is what a FlowFile costs with one connection,
// `value` the dearest with more, `ratio` how far apart the cheapest and the dearest are. Prints one
// JSON object.

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/log.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "processors/registry.h"
#include "tests/support/process.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::size_t, 4> kConnections{1, 10, 100, 1000};
constexpr std::size_t kBatch = 250;  // FlowFiles of one tick of a source
constexpr auto kWarm = 1s;

enum class Shape { kChain, kBeside };

// So many connections in one chain, or each with a source of its own.
std::string flow_text(Shape shape, std::size_t count) {
  const bool is_chain = shape == Shape::kChain;
  const std::size_t sources = is_chain ? 1 : count;
  // 250,000 FlowFiles a second, but no more than a chain can take.
  const std::size_t every_ms = is_chain ? std::max<std::size_t>(1, count / 5) : count;
  std::string processors = "flow: connections\nprocessors:\n";
  std::string connections = "connections:\n";
  for (std::size_t i = 0; i < sources; ++i) {
    processors += "  make" + std::to_string(i) +
                  ":\n    type: GenerateFlowFile\n    properties: {Custom Text: telemetry, Unique "
                  "FlowFiles: \"false\", Data Format: Text, Batch Size: \"" +
                  std::to_string(kBatch) +
                  "\", vehicle: truck}\n    schedule: {every: " + std::to_string(every_ms) +
                  " ms}\n";
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "hop" + std::to_string(i);
    const bool is_last = !is_chain || i + 1 == count;
    processors += "  " + name + ":\n    type: UpdateAttribute\n    properties: {stage: \"" +
                  std::to_string(i) + "\"}\n" + (is_last ? "    terminate: [success]\n" : "");
    const std::string from =
        is_chain && i > 0 ? "hop" + std::to_string(i - 1) : "make" + std::to_string(i);
    connections += "  - {from: " + from + ", to: " + name + "}\n";
  }
  return processors + connections;
}

double cpu_ns() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

struct Counted {
  double cpu_ns = 0;
  double flowfiles = 0;  // made
  double hops = 0;

  double ns_a_flowfile() const { return cpu_ns / flowfiles; }
};

Counted count(const Engine& engine) {
  const Status status = engine.status();
  Counted counted{.cpu_ns = 0, .flowfiles = static_cast<double>(status.loss.in), .hops = 0};
  for (const ProcessorStatus& one : status.processors)
    counted.hops += static_cast<double>(one.in_count);
  counted.cpu_ns = cpu_ns();
  return counted;
}

Counted run(Shape shape, std::size_t connections, std::chrono::milliseconds window) {
  const test::TempFolder state;
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : processor_types()) specs.push_back(type.spec);
  const FlowReading reading =
      read_flow(flow_text(shape, connections), {.file = "bench.yaml", .parameters = {}}, specs);
  if (!reading.ok()) throw std::runtime_error("the flow: " + reading.complaints.front().text);
  auto engine = Engine::open(
      {.state_dir = state.path() + "/state", .types = processor_types(), .workers = 1});
  if (!engine.ok()) throw std::runtime_error(engine.error().text());
  const Result<> started = (*engine)->start(reading.flow);
  if (!started.ok()) throw std::runtime_error(started.error().text());
  std::this_thread::sleep_for(kWarm);
  const Counted before = count(**engine);
  std::this_thread::sleep_for(window);
  const double end_ns = cpu_ns();  // before the looks at the status are paid for
  const Counted after = count(**engine);
  if (after.flowfiles <= before.flowfiles) throw std::runtime_error("nothing was made");
  static_cast<void>((*engine)->stop(10s).ok());
  return {.cpu_ns = end_ns - before.cpu_ns,
          .flowfiles = after.flowfiles - before.flowfiles,
          .hops = after.hops - before.hops};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double spread(const std::vector<double>& figures) {
  const auto [least, most] = std::minmax_element(figures.begin(), figures.end());
  return *most / *least;
}

int measure(std::chrono::milliseconds window, int rounds) {
  set_log_level(LogLevel::kOff);
  std::map<std::size_t, std::vector<double>> in_chain, beside;
  for (int round = 0; round < rounds; ++round) {
    double first_ns = 0;
    for (const std::size_t connections : kConnections) {
      beside[connections].push_back(run(Shape::kBeside, connections, window).ns_a_flowfile());
      const Counted chain = run(Shape::kChain, connections, window);
      if (connections == 1) {
        first_ns = chain.ns_a_flowfile();
        continue;
      }
      in_chain[connections].push_back((chain.cpu_ns - first_ns * chain.flowfiles) /
                                      (chain.hops - chain.flowfiles));
    }
  }
  std::string text;
  const auto figures = [&text](const char* shape, const auto& all) {
    std::vector<double> medians;
    for (const auto& [connections, found] : all) {
      medians.push_back(median(found));
      text += ", \"" + std::to_string(connections) + ' ' + shape +
              "\": " + std::to_string(std::lround(medians.back()));
    }
    return medians;
  };
  const std::vector<double> of_beside = figures("beside each other", beside);
  const std::vector<double> of_chain = figures("in one chain, a hop", in_chain);
  std::printf(
      "{\"value\": %.0f, \"unit\": \"ns of CPU a FlowFile\", \"raw\": %.0f, \"ratio\": %.2f, "
      "\"ratio in one chain\": %.2f%s}\n",
      *std::max_element(of_beside.begin(), of_beside.end()), of_beside.front(), spread(of_beside),
      spread(of_chain), text.c_str());
  return 0;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  try {
    const int window_ms = argc > 1 ? std::atoi(argv[1]) : 3000;
    return runnel::measure(std::chrono::milliseconds(window_ms), 3);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
