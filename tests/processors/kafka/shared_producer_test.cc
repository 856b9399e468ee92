// ProducerPool and the PublishKafka that share its clients, against librdkafka's mock cluster.

#include "processors/kafka/shared_producer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "processors/registry.h"
#include "tests/support/kafka_mock.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using kafka::Fate;
using kafka::ProducerPool;
using kafka::Settings;
using test::KafkaMock;

Settings settings_for(const KafkaMock& mock, Settings more = {}) {
  Settings all{{"bootstrap.servers", mock.bootstrap()}, {"acks", "all"},
               {"enable.idempotence", "true"},          {"message.timeout.ms", "0"},
               {"reconnect.backoff.max.ms", "200"},     {"log_level", "0"}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// One user of a pool, and what it was told.
class User {
 public:
  User(ProducerPool& pool, const Settings& settings, std::string topic) : topic_(std::move(topic)) {
    auto opened = pool.open(
        settings,
        [this](std::span<const kafka::Report> reports) {
          const std::scoped_lock lock(mutex_);
          for (const kafka::Report& one : reports) {
            (one.fate == Fate::kDelivered ? delivered_ : undelivered_).push_back(one.cookie);
            bytes_ += one.value_size;
          }
          changed_.notify_all();
        },
        [this](const kafka::Trouble& trouble) {
          const std::scoped_lock lock(mutex_);
          if (trouble.is_fatal) ++fatal_;
          changed_.notify_all();
        });
    REQUIRE_MESSAGE(opened.ok(), opened.error().text());
    producer_ = std::move(*opened);
  }

  Result<> send(std::uint64_t cookie) {
    const std::string value = std::to_string(cookie);
    return producer_->send(
        {.topic = topic_, .partition = 0, .key = {}, .value = value, .headers = {}}, cookie);
  }
  kafka::Producer& producer() { return *producer_; }

  bool wait(const std::function<bool()>& is_done) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, is_done);
  }
  bool wait_delivered(std::size_t count) {
    return wait([&] { return delivered_.size() >= count; });
  }
  bool wait_fatal() {
    return wait([&] { return fatal_ > 0; });
  }
  std::vector<std::uint64_t> delivered() {
    const std::scoped_lock lock(mutex_);
    return delivered_;
  }
  std::vector<std::uint64_t> undelivered() {
    const std::scoped_lock lock(mutex_);
    std::sort(undelivered_.begin(), undelivered_.end());  // each goes back to its own place
    return undelivered_;
  }
  std::uint64_t bytes() {
    const std::scoped_lock lock(mutex_);
    return bytes_;
  }

 private:
  const std::string topic_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> delivered_;
  std::vector<std::uint64_t> undelivered_;
  std::uint64_t bytes_ = 0;
  int fatal_ = 0;
  std::unique_ptr<kafka::Producer> producer_;  // the last: its end reports
};

std::vector<std::uint64_t> up_to(std::uint64_t count) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

TEST_CASE("users of equal settings share one client, and each gets its own reports in order") {
  const KafkaMock mock;
  ProducerPool pool;
  {
    User first(pool, settings_for(mock), "t");
    User second(pool, settings_for(mock), "t");  // into the same batches
    User third(pool, settings_for(mock), "u");
    CHECK(pool.size() == 1);
    std::thread beside([&] {
      for (std::uint64_t i = 0; i < 500; ++i) CHECK(second.send(i).ok());
    });
    for (std::uint64_t i = 0; i < 500; ++i) {
      CHECK(first.send(i).ok());
      CHECK(third.send(i).ok());
    }
    beside.join();
    for (User* user : {&first, &second, &third}) {
      CHECK(user->wait_delivered(500));
      CHECK(user->delivered() == up_to(500));
      CHECK(user->undelivered().empty());
    }
    CHECK(mock.read("t", 1000).size() == 1000);
  }
  CHECK(pool.size() == 0);
}

TEST_CASE("who sends by other settings has a client of its own") {
  const KafkaMock mock;
  ProducerPool pool;
  User all(pool, settings_for(mock), "t");
  User packed(pool, settings_for(mock, {{"compression.codec", "gzip"}}), "t");
  User again(pool, settings_for(mock, {{"compression.codec", "gzip"}}), "t");
  CHECK(pool.size() == 2);
  CHECK(packed.send(7).ok());
  CHECK(packed.wait_delivered(1));
  CHECK(again.delivered().empty());
  CHECK(all.delivered().empty());
  const auto refused = pool.open(
      settings_for(mock, {{"compression.codec", "no such"}}), [](std::span<const kafka::Report>) {},
      [](const auto&) {});
  CHECK(refused.code() == Code::kInvalid);
}

TEST_CASE("who ends waits for its own messages, whatever linger they have, and others go on") {
  const KafkaMock mock;
  ProducerPool pool;
  const Settings slow = settings_for(mock, {{"queue.buffering.max.ms", "60000"}});
  User stays(pool, slow, "stays");
  {
    User ends(pool, slow, "ends");
    for (std::uint64_t i = 0; i < 20; ++i) CHECK(ends.send(i).ok());
    ends.producer().close(20'000);
    CHECK(ends.delivered() == up_to(20));
    CHECK(ends.undelivered().empty());
  }
  CHECK(stays.send(0).ok());
  CHECK(pool.size() == 1);
  stays.producer().flush(20'000);
  CHECK(stays.delivered() == up_to(1));
}

TEST_CASE("while the cluster is away, who ends gets its messages back, and so do the others") {
  KafkaMock mock;
  ProducerPool pool;
  User stays(pool, settings_for(mock), "t");
  CHECK(stays.send(0).ok());
  CHECK(stays.wait_delivered(1));
  mock.down();
  {
    User ends(pool, settings_for(mock), "t");
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(ends.send(i).ok());
    CHECK(stays.send(1).ok());
    ends.producer().close(50);
    CHECK(ends.undelivered() == up_to(5));
    CHECK(ends.bytes() == 5);
  }
  CHECK(stays.wait_fatal());
  // What is sent now would overtake what has come back.
  CHECK(stays.send(2).code() == Code::kUnavailable);
  stays.producer().close(0);
  CHECK(stays.undelivered() == std::vector<std::uint64_t>{1});
  User next(pool, settings_for(mock), "t");
  mock.up();
  CHECK(next.send(1).ok());
  CHECK(next.wait_delivered(1));
  CHECK(mock.read("t", 2).size() == 2);  // those of `ends` were never sent
}

TEST_CASE("while others are served, who ends gets back what is stuck, and no late report") {
  KafkaMock mock({.brokers = 2});
  for (const char* topic : {"stuck", "t"}) mock.make_topic(topic, 4);
  mock.set_leader("stuck", 0, 2);
  mock.set_leader("t", 0, 1);
  mock.down(2);
  ProducerPool pool;
  User stays(pool, settings_for(mock), "t");
  auto ends = std::make_unique<User>(pool, settings_for(mock), "stuck");
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(ends->send(i).ok());
  std::atomic<bool> is_over{false};
  std::uint64_t sent = 0;
  std::thread beside([&] {
    while (!is_over) {
      CHECK(stays.send(sent).ok());
      ++sent;
      CHECK(stays.wait_delivered(sent));
    }
  });
  CHECK(stays.wait_delivered(1));
  ends->producer().close(200);
  CHECK(ends->undelivered() == up_to(5));
  CHECK(ends->bytes() == 5);
  ends.reset();  // a late report would come to nothing that is there
  is_over = true;
  beside.join();
  CHECK(stays.undelivered().empty());
  mock.up(2);
  CHECK(mock.read("stuck", 5).size() == 5);  // it cannot be taken back
  CHECK(stays.send(sent).ok());
  CHECK(stays.wait_delivered(sent + 1));
}

TEST_CASE("a user that finds its batches too large ends the client for all who share it") {
  KafkaMock mock;
  mock.fail_produce({10 /* message too large */});
  ProducerPool pool;
  const Settings together = settings_for(mock, {{"queue.buffering.max.ms", "500"}});
  User first(pool, together, "t");
  User second(pool, together, "t");
  for (std::uint64_t i = 0; i < 10; ++i) {
    CHECK(first.send(i).ok());
    CHECK(second.send(i).ok());
  }
  first.producer().flush(20'000);
  CHECK(first.undelivered() == up_to(10));
  CHECK(second.undelivered() == up_to(10));
  first.producer().purge();
  CHECK(first.send(11).code() == Code::kUnavailable);
  User third(pool, together, "t");
  CHECK(third.send(0).ok());
  CHECK(third.wait_delivered(1));
}

// ---- the processors

std::string flow_of(const KafkaMock& mock, const std::string& topic_of_b, bool has_other = false) {
  std::string text =
      "flow: shared\nservices:\n  cluster: {type: Kafka3ConnectionService, properties: "
      "{Bootstrap Servers: '" +
      mock.bootstrap() + "'}}\nprocessors:\n";
  std::string connections = "connections:\n";
  const auto add = [&](const std::string& name, const std::string& topic, const std::string& more) {
    text += "  make-" + name +
            ": {type: GenerateFlowFile, schedule: {every: 1 ms}, properties: {Custom Text: "
            "'${nextInt()}', Data Format: Text, Unique FlowFiles: false}}\n  send-" +
            name +
            ": {type: PublishKafka, terminate: [success, failure], properties: {Kafka Connection "
            "Service: cluster, Partition: '0', Topic Name: " +
            topic + more + "}}\n";
    connections += "  - {from: make-" + name + ", to: send-" + name + "}\n";
  };
  add("a", "of-a", ", Queue Max Message: 100");
  add("b", topic_of_b, ", Queue Max Message: 200");
  if (has_other) add("c", "of-c", ", Delivery Guarantee: '1'");
  return text + connections;
}

std::shared_ptr<const Flow> flow_from(const std::string& text) {
  const FlowReading reading = read_flow(text, {}, component_specs());
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  return reading.flow;
}

// How many clients librdkafka runs in this process: each has one main thread.
std::size_t clients() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "comm");
    std::string name;
    std::getline(in, name);
    if (name == "rdk:main") ++count;
  }
  return count;
}

TEST_CASE("PublishKafka of one service share a client, over stops and updates of one of them") {
  KafkaMock mock;
  for (const char* topic : {"of-a", "of-b", "of-b-too", "of-c"}) mock.make_topic(topic, 4);
  test::TempFolder folder;
  EngineOptions options;
  options.state_dir = folder.path();
  options.types = processor_types();
  options.services = service_types();
  auto opened = Engine::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  Engine& engine = **opened;
  const std::size_t before = clients();  // the mock's own
  const Result<> started = engine.start(flow_from(flow_of(mock, "of-b", true)));
  REQUIRE_MESSAGE(started.ok(), started.error().text());
  CHECK(mock.read("of-a", 50).size() >= 50);
  CHECK(mock.read("of-b", 50).size() >= 50);
  CHECK(mock.read("of-c", 50).size() >= 50);
  CHECK(clients() - before == 2);  // that of a and b, and c's, which is acknowledged otherwise

  REQUIRE(engine.stop_processor("send-b").ok());
  CHECK(mock.read("of-a", 500).size() >= 500);
  REQUIRE(engine.start_processor("send-b").ok());
  // Of b another one; a is not touched.
  const Result<> updated = engine.update(flow_from(flow_of(mock, "of-b-too")));
  REQUIRE_MESSAGE(updated.ok(), updated.error().text());
  CHECK(mock.read("of-b-too", 50).size() >= 50);
  CHECK(clients() - before == 1);
  CHECK(engine.bulletins(0).empty());
  CHECK(engine.stop(10s).ok());
  check_balanced(engine.status().loss);
  // In their order, and none twice: neither was in the other's way.
  for (const char* topic : {"of-a", "of-b"}) {
    std::int64_t last = -1;
    for (const KafkaMock::Message& one : mock.read(topic, 50)) {
      const std::int64_t number = parse_int(one.value).value_or(-1);
      CHECK(number > last);
      last = number;
    }
  }
}

}  // namespace
}  // namespace runnel
