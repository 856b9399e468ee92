// The screen of `top`, from two snapshots.

#include "agent/top_view.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/admin/status_json.h"
#include "agent/runtime/status.h"

namespace runnel {
namespace {

Status snapshot(std::int64_t at_ms, std::uint64_t count) {
  Status status;
  status.agent_id = "truck-1";
  status.flow_name = "vehicles";
  status.flow_version = "3";
  status.state = FlowState::kRunning;
  status.started_ms = 1'000'000;
  status.at_ms = at_ms;
  status.loss.in = count;
  status.loss.out = count - 5;
  status.loss.queued = 2;
  status.loss.expired = 3;
  ProcessorStatus bus;
  bus.id = "1";
  bus.path = bus.name = "bus";
  bus.type = "ConsumeMQTT";
  bus.state = RunState::kRunning;
  bus.out_count = count;
  bus.out_bytes = count * 1024;
  ProcessorStatus sink = bus;
  sink.id = "2";
  sink.path = sink.name = "a-sink";
  sink.type = "PublishKafka";
  sink.state = RunState::kBackingOff;
  sink.out_count = 0;
  sink.in_count = count;
  sink.processing_ns = count * 1'000'000;
  sink.failures = 7;
  sink.last_error =
      "the \033[31mbroker\nis away\xC2\x9B"
      "2J";
  status.processors = {bus, sink};
  ConnectionStatus line;
  line.id = "3";
  line.name = "line";
  line.count = 9;
  line.count_max = 10;
  line.is_full = true;
  line.oldest_age_ms = 65'400;
  line.in_count = count;
  status.connections = {line};
  return status;
}

std::string screen(const TopView& view, std::int64_t later_ms = 2'000, std::uint64_t count = 300) {
  const StatusJson before = status_json(snapshot(2'000'000, 100));
  const StatusJson now = status_json(snapshot(2'000'000 + later_ms, count));
  return top_text(before, now, view);
}

std::string line_with(const std::string& text, std::string_view word) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return {};
  const std::size_t begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST_CASE("rates are what changed between two snapshots, a second") {
  const std::string text = screen({});
  CHECK(text.starts_with("vehicles@3  running  health "));
  CHECK(line_with(text, "ledger") ==
        "ledger  in 300 (+100/s) = out 295 (+100/s) + queued 2 + dropped 3 (+0/s) (expired 3)");
  CHECK(line_with(text, "ConsumeMQTT").find(" 100   100 KB ") != std::string::npos);
  CHECK(line_with(text, "PublishKafka").find("backing off   100") != std::string::npos);
  CHECK(line_with(text, "PublishKafka").find(" 10 % ") != std::string::npos);
  CHECK(line_with(text, "line ").find("90 %") != std::string::npos);
  CHECK(line_with(text, "line ").find("65 sec  full") != std::string::npos);
}

TEST_CASE("an agent that was started anew has no rates below zero") {
  CHECK(line_with(screen({}, 2'000, 50), "ledger").find("in 50 (+0/s)") != std::string::npos);
  CHECK(line_with(screen({}, 0), "ledger").find("in 300 (+0/s)") != std::string::npos);
}

TEST_CASE("nothing that a component says reaches the terminal as a command") {
  const std::string text = screen({});
  CHECK(text.find('\033') == std::string::npos);
  CHECK(text.find("\xC2\x9B") == std::string::npos);
  CHECK(line_with(text, "PublishKafka").find("[31mbroker is away") != std::string::npos);
  CHECK(screen({.has_colour = true}).find("\033[33m") != std::string::npos);
}

TEST_CASE("the screen is neither wider nor higher than the terminal, and scrolls below its heads") {
  const std::string text = screen({.width = 30, .height = 7});
  CHECK(std::count(text.begin(), text.end(), '\n') == 7);
  std::size_t widest = 0;
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1)
    widest = std::max(widest, text.find('\n', begin) - begin);
  CHECK(widest == 30);
  const std::string scrolled = screen({.first = 1});
  CHECK(line_with(scrolled, "PROCESSOR") != "");
  CHECK(line_with(scrolled, "ConsumeMQTT") == "");
  CHECK(line_with(scrolled, "PublishKafka") != "");
}

TEST_CASE("rows are ordered as asked") {
  const auto first_of = [](TopOrder order) {
    const std::string text = screen({.order = order});
    return text.find("ConsumeMQTT") < text.find("PublishKafka") ? "bus" : "a-sink";
  };
  CHECK(first_of(TopOrder::kFlow) == std::string_view("bus"));
  CHECK(first_of(TopOrder::kName) == std::string_view("a-sink"));
  CHECK(first_of(TopOrder::kIn) == std::string_view("a-sink"));
  CHECK(first_of(TopOrder::kOut) == std::string_view("bus"));
  CHECK(first_of(TopOrder::kTime) == std::string_view("a-sink"));
}

}  // namespace
}  // namespace runnel
