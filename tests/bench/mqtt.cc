// Benchmark `mqtt`: a backlog of QoS 1 messages taken in over one connection, each fsynced before
// its PUBACK leaves, beside the same Paho client that acknowledges at once and stores nothing, and
// beside the disk's fdatasync rate. Prints one JSON object.
//
// Two programs share the cores: the broker and one side or the other. The broker's window is
// mosquitto's default on both sides (it was seen to send far beyond it as long as
// acknowledgements flow).

#include <fcntl.h>
#include <mqtt/async_client.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/log.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "processors/mqtt/packet.h"
#include "processors/registry.h"
#include "tests/bench/raw_mqtt.h"
#include "tests/support/mosquitto.h"
#include "tests/support/raw_peer.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using mqtt::append_field;
using test::Mosquitto;
using test::RawPeer;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kPayload = 256;
constexpr std::size_t kRounds = 5;
constexpr auto kLimit = 120s;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

// What this process has used of the CPU so far; the broker is another one.
double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Measured {
  double rate = 0;    // messages a second
  double cpu_us = 0;  // of this process, a message
  double messages_per_write = 0;
};

// A session of this client that the broker keeps, with a backlog of `count` messages.
void make_backlog(const Mosquitto& broker, const std::string& client_id, std::size_t count) {
  {
    RawPeer subscriber = test::mqtt_connect(broker.port(), client_id, false);
    test::mqtt_subscribe(subscriber, "bench/+");
    subscriber.send(std::string("\xE0\x00", 2));
  }
  RawPeer publisher = test::mqtt_connect(broker.port(), "generator", true);
  constexpr std::size_t kGroup = 500;
  for (std::size_t done = 0; done < count; done += kGroup) {
    std::string group;
    for (std::size_t i = done; i < done + kGroup; ++i) {
      std::string body;
      append_field(body, "bench/truck");
      const std::size_t id = i % 60'000 + 1;
      body += std::string({static_cast<char>(id >> 8), static_cast<char>(id & 0xFF)});
      std::string payload =
          R"({"vehicle":"truck","sequence":)" + std::to_string(i) + R"(,"note":")";
      payload.resize(kPayload - 2, 'x');
      body += payload + "\"}";
      group += test::mqtt_packet(0x32, body);
    }
    publisher.send(group);
    if (publisher.expect(4 * kGroup).size() != 4 * kGroup) throw std::runtime_error("no PUBACK");
  }
}

Measured bare(const Mosquitto& broker, std::size_t count) {
  make_backlog(broker, "bare", count);
  ::mqtt::async_client client("tcp://127.0.0.1:" + std::to_string(broker.port()), "bare");
  std::atomic<std::size_t> got{0};
  SteadyClock::time_point first;
  SteadyClock::time_point last;
  client.set_message_callback([&](::mqtt::const_message_ptr) {
    if (got == 0) first = SteadyClock::now();
    if (got + 1 == count) last = SteadyClock::now();
    ++got;
  });
  ::mqtt::connect_options options;
  options.set_clean_session(false);
  const double cpu_begin = cpu_us();
  client.connect(options)->wait();
  const auto begin = SteadyClock::now();
  while (got < count && SteadyClock::now() - begin < kLimit) std::this_thread::sleep_for(1ms);
  if (got < count) throw std::runtime_error("the bare client got too few");
  const double cpu = cpu_us() - cpu_begin;
  client.disconnect()->wait();
  const auto all = static_cast<double>(count);
  return {.rate = all / std::chrono::duration<double>(last - first).count(), .cpu_us = cpu / all};
}

// The same, of ConsumeMQTT into a queue that nobody empties: every message has to be written.
Measured durable(const Mosquitto& broker, std::size_t count) {
  make_backlog(broker, "durable", count);
  const test::TempFolder state;
  const std::string text =
      "flow: bench\nprocessors:\n  bus:\n    type: ConsumeMQTT\n    properties: {Broker URI: \"" +
      broker.uri() +
      "\", Topic: bench/+, Quality of Service: 1, Client ID: durable}\n"
      "  sink:\n    type: LogAttribute\n    terminate: [success]\n"
      "connections:\n  - {from: bus, to: sink, back_pressure: {count: 100000000, size: 100 GB}}\n";
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : processor_types()) specs.push_back(type.spec);
  const FlowReading reading = read_flow(text, {.file = "bench.yaml", .parameters = {}}, specs);
  if (!reading.ok()) throw std::runtime_error("the flow: " + reading.complaints.front().text);
  auto engine = Engine::open({.state_dir = state.path() + "/state", .types = processor_types()});
  if (!engine.ok()) throw std::runtime_error(engine.error().text());
  const double cpu_begin = cpu_us();
  const Result<> started = (*engine)->start(reading.flow);
  if (!started.ok()) throw std::runtime_error(started.error().text());
  if (!(*engine)->stop_processor("sink").ok()) throw std::runtime_error("the sink does not stop");
  const auto queued = [&] { return (*engine)->status().loss.queued; };
  const auto deadline = SteadyClock::now() + kLimit;
  std::uint64_t begin_count = 0;
  while ((begin_count = queued()) == 0) std::this_thread::sleep_for(1ms);
  const auto begin = SteadyClock::now();
  while ((queued() < count || (*engine)->status().ledger.unsafe_count > 0) &&
         SteadyClock::now() < deadline) {
    std::this_thread::sleep_for(2ms);
  }
  if (queued() < count) throw std::runtime_error("ConsumeMQTT got too few");
  Measured measured;
  const auto all = static_cast<double>(count);
  measured.rate = static_cast<double>(count - begin_count) / seconds_since(begin);
  measured.cpu_us = (cpu_us() - cpu_begin) / all;
  measured.messages_per_write = all / static_cast<double>((*engine)->status().ledger.writes);
  static_cast<void>((*engine)->stop(5s).ok());
  return measured;
}

double fdatasync_rate() {
  const test::TempFolder folder;
  const int fd = ::open((folder.path() + "/file").c_str(), O_RDWR | O_CREAT, 0600);
  const std::string page(4096, 'x');
  std::size_t count = 0;
  const auto begin = SteadyClock::now();
  while (seconds_since(begin) < 1) {
    if (::pwrite(fd, page.data(), page.size(), static_cast<off_t>(count % 1024 * 4096)) < 0) break;
    ::fdatasync(fd);
    ++count;
  }
  ::close(fd);
  return static_cast<double>(count) / seconds_since(begin);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double median(const std::vector<Measured>& all, double Measured::*of) {
  std::vector<double> values;
  for (const Measured& one : all) values.push_back(one.*of);
  return median(std::move(values));
}

int run(std::size_t count) {
  set_log_level(LogLevel::kOff);
  const Mosquitto broker({.more = "log_type none\nmax_inflight_messages 20"});
  std::vector<double> ratios;
  std::vector<Measured> raws;
  std::vector<Measured> values;
  const double syncs = fdatasync_rate();
  for (std::size_t round = 0; round < kRounds; ++round) {
    raws.push_back(bare(broker, count));
    values.push_back(durable(broker, count));
    ratios.push_back(values.back().rate / raws.back().rate);
  }
  std::printf(
      "{\"value\": %.0f, \"unit\": \"messages/s\", \"raw\": %.0f, \"ratio\": %.3f, "
      "\"cpu us a message\": %.2f, \"cpu us a message, raw\": %.2f, \"fdatasync\": %.0f, "
      "\"messages_per_write\": %.1f}\n",
      median(values, &Measured::rate), median(raws, &Measured::rate), median(ratios),
      median(values, &Measured::cpu_us), median(raws, &Measured::cpu_us), syncs,
      median(values, &Measured::messages_per_write));
  return 0;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  try {
    return runnel::run(argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 100'000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
