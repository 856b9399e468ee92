// runnel-latency-probe: how long messages take from an MQTT broker to Kafka, for `bench latency`.
//
//   runnel-latency-probe through MQTT_PORT MQTT_TOPIC KAFKA TOPIC RATE COUNT
//   runnel-latency-probe limits KAFKA TOPIC FOLDER
//
// `through` publishes COUNT messages of 256 B at QoS 1, RATE a second (0: as fast as the broker
// takes them), each stamped when its PUBLISH is sent, and consumes TOPIC, which must be empty. A
// message's time ends when a consumer has it: Kafka lets consumers have what it acknowledges, so
// that this is the time of its acknowledgement and of one fetch. `limits` measures what no way can
// avoid: an fdatasync of 4 KiB in FOLDER, and a message's round trip from a bare producer.
// Prints one JSON object; times in ms.

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "processors/mqtt/packet.h"
#include "tests/bench/raw_mqtt.h"
#include "tests/support/raw_peer.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using mqtt::append_field;
using test::RawPeer;

constexpr std::size_t kPayload = 256;
constexpr int kPartitions = 4;
constexpr auto kLimit = 120s;
constexpr std::size_t kLimitRounds = 300;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void wait_until(std::int64_t ns) {
  const timespec until{ns / 1'000'000'000, ns % 1'000'000'000};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

double at_quantile(const std::vector<double>& sorted, double quantile) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(last * quantile)];
}

// ---- Kafka

rd_kafka_t* open_client(rd_kafka_type_t type,
                        const std::vector<std::pair<const char*, const char*>>& settings) {
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  std::array<char, 512> error{};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error.data(), error.size()) != RD_KAFKA_CONF_OK)
      throw std::runtime_error(error.data());
  }
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
      *static_cast<bool*>(message->_private) = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    });
  }
  rd_kafka_t* const client = rd_kafka_new(type, conf, error.data(), error.size());
  if (client == nullptr) throw std::runtime_error(error.data());
  return client;
}

class Consumer {
 public:
  Consumer(const char* kafka, const char* topic)
      : client_(open_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", kafka},
                                                {"group.id", "latency"},
                                                {"enable.auto.commit", "false"},
                                                {"fetch.min.bytes", "1"},
                                                {"fetch.wait.max.ms", "500"}})) {
    rd_kafka_poll_set_consumer(client_);
    rd_kafka_topic_partition_list_t* const all = rd_kafka_topic_partition_list_new(kPartitions);
    for (int i = 0; i < kPartitions; ++i)
      rd_kafka_topic_partition_list_add(all, topic, i)->offset = 0;
    rd_kafka_assign(client_, all);
    rd_kafka_topic_partition_list_destroy(all);
  }
  ~Consumer() {
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Notes when each message came, until `count` have come or the time is over.
  void consume(std::vector<double>& times_ms, std::size_t count, std::int64_t& last_ns) {
    const std::int64_t deadline = now_ns() + std::chrono::nanoseconds(kLimit).count();
    while (times_ms.size() < count && now_ns() < deadline) {
      rd_kafka_message_t* const message = rd_kafka_consumer_poll(client_, 100);
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        last_ns = now_ns();
        const std::string_view text(static_cast<const char*>(message->payload), message->len);
        const std::size_t at = text.find("\"sent\":");
        if (at != std::string_view::npos)
          times_ms.push_back(static_cast<double>(last_ns - std::atoll(text.data() + at + 7)) / 1e6);
      }
      rd_kafka_message_destroy(message);
    }
  }

 private:
  rd_kafka_t* const client_;
};

// ---- MQTT

std::string publish_packet(const std::string& topic, std::size_t number) {
  std::string body;
  append_field(body, topic);
  const std::size_t id = number % 60'000 + 1;
  body += std::string({static_cast<char>(id >> 8), static_cast<char>(id & 0xFF)});
  std::string payload = R"({"sequence":)" + std::to_string(number) + R"(,"sent":)" +
                        std::to_string(now_ns()) + R"(,"note":")";
  payload.resize(kPayload - 2, 'x');
  body += payload + "\"}";
  return test::mqtt_packet(0x32, body);
}

int through(char** words) {
  const auto port = static_cast<std::uint16_t>(std::atoi(words[0]));
  const std::string topic = words[1];
  const double rate = std::atof(words[4]);
  const auto count = static_cast<std::size_t>(std::atoll(words[5]));
  Consumer consumer(words[2], words[3]);
  std::vector<double> times;
  times.reserve(count);
  std::int64_t last_ns = 0;
  std::thread reading([&] { consumer.consume(times, count, last_ns); });
  RawPeer peer = test::mqtt_connect(port, "latency", true);
  std::thread acknowledged([&] { peer.expect(4 * count, kLimit); });
  std::this_thread::sleep_for(500ms);  // the consumer's first, empty fetches
  const std::int64_t began_ns = now_ns();
  for (std::size_t i = 0; i < count; ++i) {
    if (rate > 0)
      wait_until(began_ns + static_cast<std::int64_t>(static_cast<double>(i) / rate * 1e9));
    peer.send(publish_packet(topic, i));
  }
  const double published_s = static_cast<double>(now_ns() - began_ns) / 1e9;
  acknowledged.join();
  reading.join();
  if (times.size() < count)
    throw std::runtime_error(std::to_string(times.size()) + " of " + std::to_string(count) +
                             " messages came");
  const double seconds = static_cast<double>(last_ns - began_ns) / 1e9;
  std::sort(times.begin(), times.end());
  std::printf(
      "{\"p50\": %.2f, \"p99\": %.2f, \"p99.9\": %.2f, \"worst\": %.2f, \"rate\": %.0f, "
      "\"published a second\": %.0f}\n",
      at_quantile(times, 0.5), at_quantile(times, 0.99), at_quantile(times, 0.999), times.back(),
      static_cast<double>(count) / seconds, static_cast<double>(count) / published_s);
  return 0;
}

// ---- what nobody can avoid

std::vector<double> sync_times(const std::string& folder) {
  const std::string path = folder + "/latency-probe";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("cannot write to " + folder);
  const std::string page(4096, 'x');
  std::vector<double> times;
  for (std::size_t i = 0; i < kLimitRounds; ++i) {
    const std::int64_t began = now_ns();
    const auto at = static_cast<off_t>(i * page.size());
    if (::pwrite(fd, page.data(), page.size(), at) < 0 || ::fdatasync(fd) != 0)
      throw std::runtime_error("cannot write to " + folder);
    times.push_back(static_cast<double>(now_ns() - began) / 1e6);
  }
  ::close(fd);
  ::unlink(path.c_str());
  std::sort(times.begin(), times.end());
  return times;
}

std::vector<double> round_trips(const char* kafka, const char* topic) {
  rd_kafka_t* const client = open_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", kafka},
                                                             {"enable.idempotence", "true"},
                                                             {"acks", "all"},
                                                             {"queue.buffering.max.ms", "0"}});
  rd_kafka_topic_t* const into = rd_kafka_topic_new(client, topic, nullptr);
  std::string payload(kPayload, 'x');
  std::vector<double> times;
  // The first ones look for the broker.
  for (std::size_t i = 0; i < kLimitRounds + 10; ++i) {
    bool is_there = false;
    const std::int64_t began = now_ns();
    rd_kafka_produce(into, 0, RD_KAFKA_MSG_F_COPY, payload.data(), payload.size(), nullptr, 0,
                     &is_there);
    while (!is_there && now_ns() - began < 20'000'000'000) rd_kafka_poll(client, 100);
    if (!is_there) throw std::runtime_error("Kafka does not answer");
    if (i >= 10) times.push_back(static_cast<double>(now_ns() - began) / 1e6);
  }
  rd_kafka_topic_destroy(into);
  rd_kafka_destroy(client);
  std::sort(times.begin(), times.end());
  return times;
}

int limits(char** words) {
  const std::vector<double> syncs = sync_times(words[2]);
  const std::vector<double> trips = round_trips(words[0], words[1]);
  std::printf(
      "{\"fsync p50\": %.3f, \"fsync p99\": %.3f, \"round trip p50\": %.3f, "
      "\"round trip p99\": %.3f}\n",
      at_quantile(syncs, 0.5), at_quantile(syncs, 0.99), at_quantile(trips, 0.5),
      at_quantile(trips, 0.99));
  return 0;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  try {
    if (argc == 8 && std::string_view(argv[1]) == "through") return runnel::through(argv + 2);
    if (argc == 5 && std::string_view(argv[1]) == "limits") return runnel::limits(argv + 2);
    std::fprintf(stderr, "usage: %s through MQTT_PORT MQTT_TOPIC KAFKA TOPIC RATE COUNT\n",
                 argv[0]);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
