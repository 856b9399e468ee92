// runnel-telemetry: vehicles that tell how they are, by MQTT at QoS 1, and know what was
// acknowledged.
//
//   runnel-telemetry --broker tcp://127.0.0.1:1883 --vehicles truck-1,truck-2 --rate 100
//                    [--seconds S] [--count N] [--topic vehicle/{vehicle}/telemetry] [--pad BYTES]
//
// When all are connected it prints `publishing`. Each vehicle publishes `rate` messages a second,
// numbered from 1, until SIGTERM, or for so many seconds, or `count` of them. Then it waits (30 s
// at most) for what is not acknowledged, and prints
//   {"vehicles":[{"vehicle":"truck-1","published":N,"acknowledged":N},…],"seconds":S,"is_complete":true}
// `acknowledged` counts without gaps: every message up to that number has its PUBACK.

#include <mqtt/async_client.h>
#include <signal.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace runnel::test {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

// Not acknowledged at once; Paho's own bound is 65,535.
constexpr std::size_t kInFlightMax = 1000;

struct Options {
  std::string broker;
  std::vector<std::string> vehicles;
  double rate = 10;
  double seconds = 0;  // 0: until SIGTERM
  std::uint64_t count = 0;
  std::string topic = "vehicle/{vehicle}/telemetry";
  std::size_t pad = 0;
};

volatile sig_atomic_t is_told_to_stop = 0;

// One vehicle's line to the broker; acknowledgements come on Paho's thread.
class Vehicle final : public mqtt::iaction_listener {
 public:
  Vehicle(const Options& options, std::string name)
      : name_(std::move(name)),
        topic_(options.topic),
        pad_(options.pad, 'x'),
        client_(options.broker, "telemetry-" + name_,
                mqtt::create_options(MQTTVERSION_DEFAULT, static_cast<int>(kInFlightMax))) {
    const std::string place = "{vehicle}";
    const std::size_t at = topic_.find(place);
    if (at != std::string::npos) topic_.replace(at, place.size(), name_);
    mqtt::connect_options how;
    how.set_clean_session(false);  // what is in flight survives a broken line
    how.set_automatic_reconnect(1, 4);
    how.set_max_inflight(static_cast<int>(kInFlightMax));
    connected_ = client_.connect(how);
  }

  // Apart from the constructor: Paho takes seconds for each line when it makes one after the other.
  void wait_connected() { connected_->wait(); }

  const std::string& name() const { return name_; }
  std::uint64_t published() const { return published_; }

  // Waits while too many are not acknowledged.
  void publish() {
    {
      std::unique_lock lock(mutex_);
      while (unacknowledged_.size() >= kInFlightMax) {
        if (is_told_to_stop != 0) return;
        changed_.wait_for(lock, 200ms);  // a signal does not end the wait
      }
      unacknowledged_.insert(published_ + 1);
    }
    const std::uint64_t sequence = published_ + 1;
    try {
      // NOLINTNEXTLINE: Paho hands the number back with the token.
      client_.publish(mqtt::make_message(topic_, text(sequence), 1, false),
                      reinterpret_cast<void*>(sequence), *this);
      published_ = sequence;
    } catch (const mqtt::exception&) {
      std::lock_guard lock(mutex_);
      unacknowledged_.erase(
          sequence);  // not taken (no line, no room): the same number again, later
    }
  }

  bool wait_for_all(Steady::time_point deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [this] { return unacknowledged_.empty(); });
  }

  std::uint64_t acknowledged() {
    std::lock_guard lock(mutex_);
    return unacknowledged_.empty() ? published_ : *unacknowledged_.begin() - 1;
  }

  void disconnect() {
    try {
      client_.disconnect(1000)->wait_for(2s);
    } catch (const mqtt::exception&) {  // there was no line any more
    }
  }

 private:
  void on_success(const mqtt::token& token) override {
    std::lock_guard lock(mutex_);
    unacknowledged_.erase(reinterpret_cast<std::uint64_t>(token.get_user_context()));
    changed_.notify_all();
  }
  // It stays unacknowledged: nobody knows whether the broker has it.
  void on_failure(const mqtt::token&) override {}

  std::string text(std::uint64_t sequence) const {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const double way = static_cast<double>(sequence) / 200;
    char bytes[512];
    std::snprintf(bytes, sizeof bytes,
                  R"({"vehicle":"%s","sequence":%llu,"time":%lld,"latitude":%.6f,"longitude":%.6f,)"
                  R"("speed":%.1f,"tyres":[%.2f,%.2f,%.2f,%.2f],"battery":%.2f)",
                  name_.c_str(), static_cast<unsigned long long>(sequence),
                  static_cast<long long>(now.count()), 52.5 + std::sin(way) / 10,
                  13.4 + std::cos(way) / 10, 60 + 40 * std::sin(way * 3), 8.1 + std::sin(way) / 10,
                  8.2, 8.0 + std::cos(way) / 10, 8.1, 27.4 + std::sin(way * 2) / 5);
    return bytes + (pad_.empty() ? "" : ",\"pad\":\"" + pad_ + "\"") + "}";
  }

  const std::string name_;
  std::string topic_;
  const std::string pad_;
  std::uint64_t published_ = 0;  // of the thread that publishes
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::uint64_t> unacknowledged_;
  mqtt::async_client client_;
  mqtt::token_ptr connected_;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    if (end > from) parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

// The whole value, or an error that names the option.
template <typename Number>
Number number(const std::string& name, const std::string& value) {
  Number out{};
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, out);
  if (read.ec != std::errc() || read.ptr != end)
    throw std::invalid_argument(name + ": `" + value + "` is no number");
  return out;
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = words[i];
    if (i + 1 == count) throw std::invalid_argument(name + " wants a value");
    const std::string value = words[i + 1];
    if (name == "--broker") {
      options.broker = value;
    } else if (name == "--vehicles") {
      options.vehicles = split(value);
    } else if (name == "--rate") {
      options.rate = number<double>(name, value);
    } else if (name == "--seconds") {
      options.seconds = number<double>(name, value);
    } else if (name == "--count") {
      options.count = number<std::uint64_t>(name, value);
    } else if (name == "--topic") {
      options.topic = value;
    } else if (name == "--pad") {
      options.pad = number<std::size_t>(name, value);
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  if (options.broker.empty() || options.vehicles.empty() || options.rate <= 0) {
    throw std::invalid_argument("--broker, --vehicles and a --rate above 0 are needed");
  }
  return options;
}

int run(const Options& options) {
  std::vector<std::unique_ptr<Vehicle>> vehicles;
  for (const std::string& name : options.vehicles) {
    vehicles.push_back(std::make_unique<Vehicle>(options, name));
  }
  for (const auto& vehicle : vehicles) vehicle->wait_connected();
  std::printf("publishing\n");
  std::fflush(stdout);
  const Steady::time_point began = Steady::now();
  const auto elapsed = [began] {
    return std::chrono::duration<double>(Steady::now() - began).count();
  };
  std::uint64_t due_before = 0;
  while (is_told_to_stop == 0 && (options.seconds <= 0 || elapsed() < options.seconds)) {
    auto due = static_cast<std::uint64_t>(elapsed() * options.rate);
    if (options.count > 0) due = std::min(due, options.count);
    for (; due_before < due && is_told_to_stop == 0; ++due_before) {
      for (const auto& vehicle : vehicles) vehicle->publish();
    }
    if (options.count > 0 && due_before >= options.count) break;
    std::this_thread::sleep_until(
        began + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(
                    static_cast<double>(due_before + 1) / options.rate)));
  }
  const double seconds = elapsed();
  bool is_complete = true;
  const Steady::time_point deadline = Steady::now() + 30s;
  std::string list;
  for (const auto& vehicle : vehicles) {
    is_complete = vehicle->wait_for_all(deadline) && is_complete;
    list += (list.empty() ? "" : ",") + std::string("{\"vehicle\":\"") + vehicle->name() +
            "\",\"published\":" + std::to_string(vehicle->published()) +
            ",\"acknowledged\":" + std::to_string(vehicle->acknowledged()) + "}";
    vehicle->disconnect();
  }
  std::printf("{\"vehicles\":[%s],\"seconds\":%.3f,\"is_complete\":%s}\n", list.c_str(), seconds,
              is_complete ? "true" : "false");
  return is_complete ? 0 : 1;
}

}  // namespace
}  // namespace runnel::test

int main(int count, char** words) {
  struct sigaction action {};
  action.sa_handler = [](int) { runnel::test::is_told_to_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  if (count == 2 &&
      (std::string_view(words[1]) == "--help" || std::string_view(words[1]) == "-h")) {
    std::puts(
        "usage: runnel-telemetry --broker URI --vehicles NAME[,NAME…] --rate N [--seconds S] "
        "[--count N] [--topic TOPIC] [--pad BYTES]");
    return 0;
  }
  try {
    return runnel::test::run(runnel::test::parse(count, words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "runnel-telemetry: %s\n", error.what());
    return 2;
  }
}
