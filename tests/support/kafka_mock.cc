// The door to librdkafka's mock cluster.

#include "tests/support/kafka_mock.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <stdexcept>

namespace runnel::test {
namespace {

constexpr std::int16_t kProduce = 0;  // its number in Kafka's protocol
constexpr int kPartitions = 4;
constexpr auto kReadLimit = std::chrono::seconds(20);

KafkaMock::Message message_of(const rd_kafka_message_t& from) {
  KafkaMock::Message message;
  message.key.assign(static_cast<const char*>(from.key), from.key_len);
  message.value.assign(static_cast<const char*>(from.payload), from.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return message;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    message.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
  return message;
}

}  // namespace

struct KafkaMock::Cluster {
  rd_kafka_t* client = nullptr;
  rd_kafka_mock_cluster_t* mock = nullptr;
  int brokers = 0;

  ~Cluster() {
    if (mock != nullptr) rd_kafka_mock_cluster_destroy(mock);
    if (client != nullptr) rd_kafka_destroy(client);
  }
};

KafkaMock::KafkaMock(Options options) : cluster_(std::make_unique<Cluster>()) {
  std::array<char, 512> text{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "log_level", "0", text.data(), text.size());
  cluster_->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text.data(), text.size());
  if (cluster_->client == nullptr) throw std::runtime_error(text.data());
  cluster_->brokers = options.brokers;
  cluster_->mock = rd_kafka_mock_cluster_new(cluster_->client, options.brokers);
  if (cluster_->mock == nullptr) throw std::runtime_error("no mock cluster");
  bootstrap_ = rd_kafka_mock_cluster_bootstraps(cluster_->mock);
}

KafkaMock::~KafkaMock() = default;

void KafkaMock::down() {
  for (int id = 1; id <= cluster_->brokers; ++id) down(id);
}

void KafkaMock::up() {
  for (int id = 1; id <= cluster_->brokers; ++id) up(id);
}

void KafkaMock::down(int broker) { rd_kafka_mock_broker_set_down(cluster_->mock, broker); }

void KafkaMock::up(int broker) { rd_kafka_mock_broker_set_up(cluster_->mock, broker); }

void KafkaMock::set_leader(const std::string& topic, int partition, int broker) {
  rd_kafka_mock_partition_set_leader(cluster_->mock, topic.c_str(), partition, broker);
}

void KafkaMock::set_delay(std::chrono::milliseconds delay) {
  for (int id = 1; id <= cluster_->brokers; ++id) {
    rd_kafka_mock_broker_set_rtt(cluster_->mock, id, static_cast<int>(delay.count()));
  }
}

void KafkaMock::make_topic(const std::string& name, int partitions) {
  const rd_kafka_resp_err_t error =
      rd_kafka_mock_topic_create(cluster_->mock, name.c_str(), partitions, 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
}

void KafkaMock::set_topic_error(const std::string& name, int error) {
  rd_kafka_mock_topic_set_error(cluster_->mock, name.c_str(),
                                static_cast<rd_kafka_resp_err_t>(error));
}

void KafkaMock::fail_produce(const std::vector<int>& errors) {
  std::vector<rd_kafka_resp_err_t> all;
  for (const int error : errors) all.push_back(static_cast<rd_kafka_resp_err_t>(error));
  rd_kafka_mock_push_request_errors_array(cluster_->mock, kProduce, all.size(), all.data());
}

std::vector<KafkaMock::Message> KafkaMock::read(const std::string& topic, std::size_t count) const {
  std::array<char, 512> text{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap_.c_str(), text.data(), text.size());
  rd_kafka_conf_set(conf, "group.id", "mock reader", text.data(), text.size());
  rd_kafka_conf_set(conf, "enable.auto.commit", "false", text.data(), text.size());
  rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text.data(), text.size());
  if (client == nullptr) throw std::runtime_error(text.data());
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* const all = rd_kafka_topic_partition_list_new(kPartitions);
  for (int partition = 0; partition < kPartitions; ++partition) {
    rd_kafka_topic_partition_list_add(all, topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(client, all);
  rd_kafka_topic_partition_list_destroy(all);
  std::vector<Message> messages;
  const auto deadline = std::chrono::steady_clock::now() + kReadLimit;
  while (messages.size() < count && std::chrono::steady_clock::now() < deadline) {
    rd_kafka_message_t* const message = rd_kafka_consumer_poll(client, 1000);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) messages.push_back(message_of(*message));
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  return messages;
}

}  // namespace runnel::test
