// A flow as a filter, between two pipes.

#include "agent/trial/once.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "agent/base/log.h"
#include "agent/flow/yaml_reader.h"
#include "processors/registry.h"

namespace runnel {
namespace {

constexpr std::string_view kFilter = R"(flow: f
processors:
  in: {type: GenerateFlowFile}
  fields:
    type: EvaluateJsonPath
    properties: {Destination: flowfile-attribute, speed: $.speed}
    terminate: [unmatched, failure]
  fast: {type: RouteOnAttribute, properties: {alarm: "${speed:gt(80)}"}, terminate: [unmatched]}
  out: {type: PutFile, properties: {Directory: /nowhere}}
  keep: {type: PutFile, properties: {Directory: /nowhere}, terminate: [success, failure]}
connections:
  - {from: in, to: fields}
  - {from: fields.matched, to: fast}
  - {from: fast.alarm, to: out}
  - {from: out.failure, to: keep}
)";

std::shared_ptr<Flow> flow_of(std::string text) {
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : processor_types()) specs.push_back(type.spec);
  const std::size_t sink = text.find("/nowhere}}");
  if (sink != std::string::npos) text.replace(sink, 10, "/nowhere}, terminate: [success]}");
  const FlowReading reading = read_flow(text, {}, specs);
  REQUIRE(text_of(reading.complaints) == "");
  return reading.flow;
}

struct Filtered {
  std::string out;
  std::vector<std::string> troubles;
};

// What fits into a pipe is written before and read after.
Filtered filtered(std::string_view in, OnceOptions options, const std::string& text) {
  set_log_level(LogLevel::kOff);
  std::array<int, 2> input{};
  std::array<int, 2> output{};
  REQUIRE(::pipe(input.data()) == 0);
  REQUIRE(::pipe(output.data()) == 0);
  REQUIRE(::write(input[1], in.data(), in.size()) == static_cast<ssize_t>(in.size()));
  ::close(input[1]);
  options.in_fd = input[0];
  options.out_fd = output[1];
  options.patience = std::chrono::milliseconds(200);
  const auto flow = flow_of(text);
  const auto ends = ends_of(*flow, processor_types(), options);
  REQUIRE(ends.ok());
  const std::atomic<bool> is_stopped{false};
  const auto outcome = run_once(*flow, processor_types(), *ends, options, is_stopped);
  ::close(input[0]);
  ::close(output[1]);
  REQUIRE(outcome.ok());
  Filtered out{{}, outcome->troubles};
  std::array<char, 64 * 1024> buffer{};
  for (ssize_t count = 0; (count = ::read(output[0], buffer.data(), buffer.size())) > 0;)
    out.out.append(buffer.data(), static_cast<std::size_t>(count));
  ::close(output[0]);
  return out;
}

TEST_CASE("lines go through the flow in their order, and failures are counted") {
  std::string in;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = "{\"speed\": " + std::to_string(i % 160) + "}\n";
    in += line;
    if (i % 160 > 80) expected += line;
  }
  const Filtered good = filtered(in, {.is_lines = true, .separator = "\n"}, std::string(kFilter));
  CHECK(good.out == expected);
  CHECK(good.troubles.empty());
  const Filtered bad = filtered("none\n{\"speed\": 99}\nnone", {.is_lines = true, .separator = "|"},
                                std::string(kFilter));
  CHECK(bad.out == "{\"speed\": 99}|");
  REQUIRE_FALSE(bad.troubles.empty());
  CHECK(bad.troubles[0] == "2 FlowFiles went to `fields.failure`");
}

TEST_CASE("a line that is longer than any block stays one line") {
  const std::string line = "{\"pad\": \"" + std::string(50'000, 'x') + "\", \"speed\": 99}";
  const Filtered seen =
      filtered(line + "\n", {.is_lines = true, .separator = "\n"}, std::string(kFilter));
  CHECK(seen.out == line + "\n");
}

TEST_CASE("what does not move any more is left, and told") {
  std::string stuck(kFilter);
  stuck.replace(stuck.find("fast: {"), 7, "fast: {stopped: true, ");
  const Filtered seen = filtered("{\"speed\": 99}", {}, stuck);
  CHECK(seen.out.empty());
  REQUIRE_FALSE(seen.troubles.empty());
  CHECK(seen.troubles[0] == "1 FlowFile left in `fields -> fast`");
}

TEST_CASE("an output that nobody reads any more ends it with its reason") {
  std::array<int, 2> input{};
  REQUIRE(::pipe(input.data()) == 0);
  REQUIRE(::write(input[1], "{\"speed\": 99}\n", 14) == 14);
  ::close(input[1]);
  // A descriptor that cannot be written to.
  const OnceOptions options{.in_fd = input[0], .out_fd = input[0], .is_lines = true};
  const auto flow = flow_of(std::string(kFilter));
  const auto ends = ends_of(*flow, processor_types(), options);
  REQUIRE(ends.ok());
  const std::atomic<bool> is_stopped{false};
  const auto outcome = run_once(*flow, processor_types(), *ends, options, is_stopped);
  ::close(input[0]);
  REQUIRE(outcome.ok());
  CHECK(outcome->error == EBADF);
  REQUIRE_FALSE(outcome->troubles.empty());
  CHECK(outcome->troubles[0] == "writing the output: Bad file descriptor");
}

TEST_CASE("the ends are the only source and the only sink, a failure's way not counted") {
  const auto flow = flow_of(std::string(kFilter));
  const auto ends = ends_of(*flow, processor_types(), {});
  REQUIRE(ends.ok());
  CHECK(ends->input == "in");
  CHECK(ends->outputs == std::vector<std::string>{"out"});
  CHECK(ends_of(*flow, processor_types(), {.input = "ghost"}).code() == Code::kInvalid);
  CHECK(ends_of(*flow, processor_types(), {.outputs = {"out.ghost"}}).code() == Code::kInvalid);
  CHECK(ends_of(*flow, processor_types(), {.outputs = {"in"}}).code() == Code::kInvalid);
}

}  // namespace
}  // namespace runnel
