// KafkaMock: librdkafka's mock cluster, for tests that want a broker which misbehaves on request.
//
// It is no Kafka: it checks neither order nor transactions to the end, and it keeps 5 MiB of each
// partition. What must hold of a real broker is tested with a real one (tests/scripts).

#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {

class KafkaMock {
 public:
  struct Options {
    int brokers = 1;
  };
  // Topics that are made by being used have four partitions. Listens on loopback, on ports that the
  // system picks. Throws when it cannot.
  explicit KafkaMock(Options options);
  KafkaMock() : KafkaMock(Options{}) {}
  ~KafkaMock();
  KafkaMock(const KafkaMock&) = delete;
  KafkaMock& operator=(const KafkaMock&) = delete;

  const std::string& bootstrap() const { return bootstrap_; }

  // All brokers refuse connections, and those that were open end; and back again, with what they
  // held.
  void down();
  void up();
  // One of several, of 1 to `brokers`.
  void down(int broker);
  void up(int broker);
  void set_leader(const std::string& topic, int partition, int broker);
  // Every answer comes so much later.
  void set_delay(std::chrono::milliseconds delay);
  void make_topic(const std::string& name, int partitions);
  // What is in the topic: waits until there are `count` messages, partition by partition in order;
  // fewer after 20 s. Without a group, whose first member the mock lets wait for three seconds.
  struct Message {
    std::string key;
    std::string value;
    std::vector<std::pair<std::string, std::string>> headers;
  };
  std::vector<Message> read(const std::string& topic, std::size_t count) const;
  // The topic answers everything with this error of Kafka's protocol (3: unknown topic); 0: no
  // more.
  void set_topic_error(const std::string& name, int error);
  // The next produce requests are answered so: errors of Kafka's protocol (10: message too large,
  // 19: not enough replicas), or, for kLineBreaks, by closing the connection.
  static constexpr int kLineBreaks = -195;
  void fail_produce(const std::vector<int>& errors);

 private:
  struct Cluster;
  std::unique_ptr<Cluster> cluster_;
  std::string bootstrap_;
};

}  // namespace runnel::test
