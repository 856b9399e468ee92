// A bare relay from an MQTT broker to Kafka: what `bench latency` compares the agent with under the
// same load. It stores nothing, parses no more than the packets' heads, and acknowledges a message
// when Kafka has; both libraries' buffers are its only queue.
//
//   runnel-bare-relay MQTT_PORT MQTT_TOPIC KAFKA TOPIC KEY
//
// Prints `subscribed` when the broker has said so, and runs until it is killed.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "processors/mqtt/packet.h"
#include "tests/bench/raw_mqtt.h"
#include "tests/support/raw_peer.h"

namespace runnel {
namespace {

using test::RawPeer;

constexpr std::size_t kReadBytes = 256 * 1024;

// PUBACKs of all messages that Kafka has acknowledged since the last time, in one go.
class Producer {
 public:
  Producer(const char* kafka, const char* topic, RawPeer& peer) : peer_(peer) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    std::array<char, 512> error{};
    const std::array<std::array<const char*, 2>, 4> settings{{{"bootstrap.servers", kafka},
                                                              {"enable.idempotence", "true"},
                                                              {"acks", "all"},
                                                              {"queue.buffering.max.ms", "1"}}};
    for (const auto& [name, value] : settings)
      if (rd_kafka_conf_set(conf, name, value, error.data(), error.size()) != RD_KAFKA_CONF_OK)
        throw std::runtime_error(error.data());
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* sent, void* self) {
      if (sent->err != RD_KAFKA_RESP_ERR_NO_ERROR) std::exit(1);
      const auto id = reinterpret_cast<std::uintptr_t>(sent->_private);
      static_cast<Producer*>(self)->acknowledged_ +=
          ack_packet(mqtt::PacketType::kPuback, static_cast<std::uint16_t>(id));
    });
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
    if (client_ == nullptr) throw std::runtime_error(error.data());
    topic_ = rd_kafka_topic_new(client_, topic, nullptr);
    std::thread([this] { acknowledge(); }).detach();
  }

  void send(std::string_view payload, std::string_view key, std::uint16_t id) {
    while (rd_kafka_produce(topic_, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            const_cast<char*>(payload.data()), payload.size(), key.data(),
                            key.size(), reinterpret_cast<void*>(std::uintptr_t{id})) != 0)
      std::this_thread::yield();  // its queue is full
  }

 private:
  [[noreturn]] void acknowledge() {
    while (true) {
      rd_kafka_poll(client_, 100);
      peer_.send(acknowledged_);
      acknowledged_.clear();
    }
  }

  RawPeer& peer_;
  std::string acknowledged_;  // the polling thread's
  rd_kafka_t* client_ = nullptr;
  rd_kafka_topic_t* topic_ = nullptr;
};

void relay(char** words) {
  RawPeer peer =
      test::mqtt_connect(static_cast<std::uint16_t>(std::atoi(words[0])), "bare-relay", true);
  test::mqtt_subscribe(peer, words[1]);
  Producer producer(words[2], words[3], peer);
  std::puts("subscribed");
  std::fflush(stdout);
  std::string bytes;
  while (true) {
    if (!peer.read_more(bytes, kReadBytes)) return;
    std::string_view rest = bytes;
    while (true) {
      const auto header = mqtt::read_fixed_header(rest);
      if (!header.ok() || !*header || rest.size() < (*header)->whole()) break;
      const std::string_view body = rest.substr((*header)->size, (*header)->remaining);
      const auto message = mqtt::read_publish(**header, body, false);
      if (message.ok()) producer.send(message->payload, words[4], message->id);
      rest.remove_prefix((*header)->whole());
    }
    bytes.erase(0, bytes.size() - rest.size());
  }
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: %s MQTT_PORT MQTT_TOPIC KAFKA TOPIC KEY\n", argv[0]);
    return 2;
  }
  try {
    runnel::relay(argv + 1);
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
