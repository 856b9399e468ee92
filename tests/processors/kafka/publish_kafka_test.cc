// PublishKafka and ConsumeKafka against librdkafka's mock cluster, which misbehaves on request.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "tests/support/kafka_mock.h"
#include "tests/support/processor_runner.h"
#include "tests/support/wrapped_disk.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using test::KafkaMock;

RunnerOptions in_real_time() {
  RunnerOptions options;
  options.clock = &system_clock();
  options.penalty_period = 10ms;
  options.yield_period = 10ms;
  return options;
}

PropertyValues to(const KafkaMock& kafka, PropertyValues more = {}) {
  more.emplace("Known Brokers", kafka.bootstrap());
  more.emplace("Topic Name", "t");
  return more;
}

PropertyValues from(const KafkaMock& kafka, PropertyValues more = {}) {
  more.emplace("Kafka Brokers", kafka.bootstrap());
  more.emplace("Topic Names", "t");
  more.emplace("Group ID", "g");
  more.emplace("Offset Reset", "earliest");
  more.emplace("Session Timeout", "4 sec");  // the mock does not know members again
  return more;
}

std::vector<TakenFlowFile> read_back(const KafkaMock& kafka, std::size_t count,
                                     PropertyValues more = {}) {
  more.emplace("Group ID", "reader");
  ProcessorRunner reader("ConsumeKafka", from(kafka, std::move(more)), in_real_time());
  REQUIRE(reader.run_until([&] { return reader.count("success") >= count; }));
  return reader.taken("success");
}

TEST_CASE(
    "a FlowFile goes to success when the broker has it, with key, headers and order per key") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Kafka Key", "${vehicle}"},
                                    {"Attributes to Send as Headers", "h.*"},
                                    {"Compress Codec", "zstd"}}),
                         in_real_time());
  for (int i = 0; i < 300; ++i) {
    runner.enqueue(std::to_string(i), {{"vehicle", "v" + std::to_string(i % 3)}, {"h1", "x"}});
  }
  REQUIRE(runner.run_until([&] { return runner.count("success") == 300; }));
  CHECK(runner.queued() == 0);
  CHECK(runner.events(ProvenanceKind::kSend).size() >= 1);
  std::map<std::string, int> last;
  const std::vector<KafkaMock::Message> messages = kafka.read("t", 300);
  CHECK(messages.size() == 300);
  for (const KafkaMock::Message& one : messages) {
    CHECK(one.headers == std::vector<std::pair<std::string, std::string>>{{"h1", "x"}});
    const int number = std::stoi(one.value);
    if (last.contains(one.key)) CHECK(number > last[one.key]);
    last[one.key] = number;
  }
  CHECK(last.size() == 3);
}

TEST_CASE("a broker that is away loses nothing: FlowFiles stay queued until it is back") {
  KafkaMock kafka;
  ProcessorRunner runner("PublishKafka", to(kafka, {{"Queue Max Message", "10"}}), in_real_time());
  runner.enqueue("first");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  kafka.down();
  for (int i = 0; i < 50; ++i) runner.enqueue(std::to_string(i));
  REQUIRE(runner.run_until([&] { return !runner.bulletins().empty(); }));
  CHECK(runner.count("success") == 1);
  CHECK(runner.queued() == 50);
  kafka.up();
  REQUIRE(runner.run_until([&] { return runner.count("success") == 51; }, 60s));
  CHECK(kafka.read("t", 51).size() == 51);
}

TEST_CASE("stopping gives back what is in flight, and it is sent again after the start") {
  KafkaMock kafka;
  ProcessorRunner runner("PublishKafka", to(kafka), in_real_time());
  kafka.down();
  for (int i = 0; i < 5; ++i) runner.enqueue(std::to_string(i));
  runner.run();
  runner.stop();
  CHECK(runner.queued() == 5);
  kafka.up();
  runner.start();
  REQUIRE(runner.run_until([&] { return runner.count("success") == 5; }, 60s));
}

TEST_CASE("errors that pass are tried again; a line that breaks makes no second message") {
  KafkaMock kafka;
  ProcessorRunner runner("PublishKafka", to(kafka), in_real_time());
  kafka.fail_produce({19 /* not enough replicas */, KafkaMock::kLineBreaks, 6 /* not leader */});
  runner.enqueue("x");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }, 60s));
  CHECK(runner.count("failure") == 0);
}

TEST_CASE("what the broker will never take goes to failure, and the operator is told why") {
  KafkaMock kafka;
  ProcessorRunner runner("PublishKafka", to(kafka), in_real_time());
  kafka.fail_produce({10 /* message too large */});
  runner.enqueue("x");
  REQUIRE(runner.run_until([&] { return runner.count("failure") == 1; }));
  CHECK(runner.has_bulletin("refused by Kafka"));
  runner.enqueue("y");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
}

TEST_CASE("a batch that the broker finds too large is sent again in smaller ones, in order") {
  KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Partition", "0"}, {"Queue Buffering Max Time", "200 ms"}}),
                         in_real_time());
  kafka.fail_produce({10 /* message too large */});
  for (int i = 0; i < 50; ++i) runner.enqueue(std::to_string(i));
  REQUIRE(runner.run_until([&] { return runner.count("success") == 50; }));
  CHECK(runner.count("failure") == 0);
  CHECK(runner.has_bulletin("takes no batch"));
  const auto messages = kafka.read("t", 50);
  REQUIRE(messages.size() == 50);
  for (std::size_t i = 0; i < messages.size(); ++i) CHECK(messages[i].value == std::to_string(i));
}

TEST_CASE("what cannot be sent goes to failure before it reaches the broker") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Max Request Size", "1000 B"}, {"Partition", "${p}"}}),
                         in_real_time());
  runner.enqueue("", {{"p", "0"}});
  runner.enqueue(std::string(2000, 'x'), {{"p", "0"}});
  runner.enqueue("x", {{"p", "minus one"}});
  runner.enqueue("x", {{"p", "0"}});
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  CHECK(runner.count("failure") == 3);
  CHECK(runner.has_bulletin("is empty"));
  CHECK(runner.has_bulletin("Max Request Size"));
  CHECK(runner.has_bulletin("`Partition`"));
}

TEST_CASE("large content goes as several messages, in order") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Max Flow Segment Size", "4 B"}, {"Partition", "1"}}),
                         in_real_time());
  runner.enqueue("0123456789");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  const auto messages = kafka.read("t", 3);
  REQUIRE(messages.size() == 3);
  CHECK(messages[0].value + messages[1].value + messages[2].value == "0123456789");
}

TEST_CASE("content larger than what may be in flight goes as messages while it is read") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Max Flow Segment Size", "10 KB"},
                                    {"Queue Max Buffer Size", "64 KB"},
                                    {"Queue Max Message", "3"},
                                    {"Kafka Key", "${vehicle}"},
                                    {"Attributes to Send as Headers", "vehicle"}}),
                         in_real_time());
  std::string large;
  for (int i = 0; large.size() < 300'000; ++i) large += std::to_string(i) + '\n';
  runner.enqueue(large, {{"vehicle", "v1"}});
  runner.enqueue("behind it", {{"vehicle", "v1"}});
  REQUIRE(runner.run_until([&] { return runner.count("success") == 2; }));
  std::string whole;
  const std::size_t count = (large.size() + 10'239) / 10'240;
  const auto messages = kafka.read("t", count + 1);
  REQUIRE(messages.size() == count + 1);
  for (const KafkaMock::Message& one : messages) {
    CHECK(one.key == "v1");
    CHECK(one.headers.size() == 1);
    whole += one.value;
  }
  CHECK(whole == large + "behind it");
}

TEST_CASE("when one of a FlowFile's messages is refused the rest of it is not sent") {
  KafkaMock kafka;
  ProcessorRunner runner(
      "PublishKafka",
      to(kafka,
         {{"Max Flow Segment Size", "10 KB"}, {"Queue Max Message", "1"}, {"Partition", "0"}}),
      in_real_time());
  kafka.fail_produce({10 /* message too large */});
  runner.enqueue(std::string(100'000, 'x'));
  runner.enqueue("behind it");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  CHECK(runner.count("failure") == 1);
  const auto messages = kafka.read("t", 1);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].value == "behind it");
}

TEST_CASE("a FlowFile that is half sent when its processor stops is sent again as a whole") {
  KafkaMock kafka;
  ProcessorRunner runner(
      "PublishKafka",
      to(kafka,
         {{"Max Flow Segment Size", "10 KB"}, {"Queue Max Message", "2"}, {"Partition", "0"}}),
      in_real_time());
  kafka.down();
  const std::string large(100'000, 'x');
  runner.enqueue(large);
  runner.run();
  CHECK(runner.queued() == 1);
  runner.stop();
  CHECK(runner.queued() == 1);
  kafka.up();
  runner.start();
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }, 60s));
  std::string whole;
  for (const KafkaMock::Message& one : kafka.read("t", 10)) whole += one.value;
  CHECK(whole == large);
  check_balanced(runner.loss());
}

TEST_CASE("content that cannot be read is quarantined, and what waits behind it is sent") {
  for (const char* const segment : {"0 B", "10 KB"}) {
    CAPTURE(segment);
    const KafkaMock kafka;
    ProcessorRunner runner("PublishKafka",
                           to(kafka, {{"Max Flow Segment Size", segment}, {"Partition", "0"}}),
                           in_real_time());
    runner.stop();  // it would send what it can before the engine ends
    runner.enqueue(std::string(100'000, 'x'));
    runner.enqueue("behind it");
    runner.flush();
    runner.damage_content(2'000);  // nothing of it can be sent
    runner.restart();
    REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
    REQUIRE(runner.run_until([&] { return runner.loss().quarantined == 1; }));
    CHECK(runner.queued() == 0);
    CHECK(runner.count("failure") == 0);
    const auto messages = kafka.read("t", 1);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].value == "behind it");
    check_balanced(runner.loss());
  }
}

TEST_CASE(
    "content that cannot be read to its end is sent once as far as it goes, not again and again") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka",
                         to(kafka, {{"Max Flow Segment Size", "10 KB"},
                                    {"Partition", "0"},
                                    {"Queue Buffering Max Time", "20 ms"}}),
                         in_real_time());
  runner.stop();
  // While the messages of one are on their way the next ones are taken, of which one cannot be read
  // either.
  for (const char one : {'a', 'b'}) runner.enqueue(std::string(100'000, one));
  for (int i = 0; i < 20; ++i) runner.enqueue(std::to_string(i));
  runner.flush();
  runner.damage_content(60'000);
  runner.damage_content(160'000);
  runner.restart();
  REQUIRE(runner.run_until(
      [&] { return runner.loss().quarantined == 2 && runner.count("success") == 20; }));
  CHECK(runner.queued() == 0);
  CHECK(runner.count("failure") == 0);
  runner.enqueue("the end");
  REQUIRE(runner.run_until([&] { return runner.count("success") == 21; }));
  // Five whole segments lie before the damage of each. What came twice would stand before the end.
  std::string seen;
  for (const KafkaMock::Message& one : kafka.read("t", 31)) {
    seen += one.value.size() == 10'240 ? one.value.substr(0, 1) : one.value;
  }
  CHECK(seen == "aaaaabbbbb012345678910111213141516171819the end");
  check_balanced(runner.loss());
}

// Of which the far part of any content cannot be read for a while.
class SickDisk final : public test::WrappedDisk {
 public:
  std::atomic<bool> is_sick{true};
  std::atomic<int> failed_reads{0};

  Result<std::unique_ptr<DiskFile>> make(const std::string& path) override {
    TRY_ASSIGN(file, under().make(path));
    return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, std::move(file)));
  }
  Result<std::unique_ptr<DiskFile>> open(const std::string& path) override {
    TRY_ASSIGN(file, under().open(path));
    return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, std::move(file)));
  }

 private:
  class File final : public DiskFile {
   public:
    File(SickDisk& disk, std::unique_ptr<DiskFile> file) : disk_(disk), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::uint64_t at, char* into, std::size_t size) const override {
      if (disk_.is_sick && at >= 40'000) {
        ++disk_.failed_reads;
        return unavailable("input/output error");
      }
      return file_->read_at(at, into, size);
    }
    Result<> write_at(std::uint64_t at, std::string_view bytes) override {
      return file_->write_at(at, bytes);
    }
    Result<> sync() override { return file_->sync(); }
    Result<std::uint64_t> size() const override { return file_->size(); }

   private:
    SickDisk& disk_;
    const std::unique_ptr<DiskFile> file_;
  };
};

TEST_CASE("content that cannot be read for a while goes on where it stood, and comes once") {
  const KafkaMock kafka;
  SickDisk disk;
  RunnerOptions options = in_real_time();
  options.disk = &disk;
  ProcessorRunner runner(
      "PublishKafka", to(kafka, {{"Max Flow Segment Size", "10 KB"}, {"Partition", "0"}}), options);
  std::string large;
  for (int i = 0; large.size() < 100'000; ++i) large += std::to_string(i) + ",";
  runner.enqueue(large);
  runner.enqueue("behind it");
  REQUIRE(runner.run_until([&] { return disk.failed_reads >= 2; }));
  CHECK(runner.count("success") == 0);
  CHECK(runner.queued() == 2);
  disk.is_sick = false;
  REQUIRE(runner.run_until([&] { return runner.count("success") == 2; }));
  std::string whole;
  const auto messages = kafka.read("t", 11);
  CHECK(messages.size() == 11);
  for (const KafkaMock::Message& one : messages) whole += one.value;
  CHECK(whole == large + "behind it");
  check_balanced(runner.loss());
}

TEST_CASE("a window of few bytes does not stand still") {
  const KafkaMock kafka;
  ProcessorRunner runner("PublishKafka", to(kafka, {{"Queue Max Buffer Size", "1 KB"}}),
                         in_real_time());
  for (int i = 0; i < 100; ++i) runner.enqueue(std::string(700, 'x'));
  CHECK(runner.run_until([&] { return runner.count("success") == 100; }));
}

TEST_CASE("offsets move on only when the FlowFiles are safe; a new reader of the group goes on") {
  const KafkaMock kafka;
  {
    ProcessorRunner writer(
        "PublishKafka",
        to(kafka,
           {{"Partition", "0"}, {"Kafka Key", "k"}, {"Attributes to Send as Headers", "h1"}}),
        in_real_time());
    for (int i = 0; i < 20; ++i) writer.enqueue(std::to_string(i), {{"h1", "x"}});
    REQUIRE(writer.run_until([&] { return writer.count("success") == 20; }));
  }
  {
    ProcessorRunner reader("ConsumeKafka", from(kafka, {{"Headers To Add As Attributes", "h1"}}),
                           in_real_time());
    REQUIRE(reader.run_until([&] { return reader.count("success") == 20; }));
    const auto taken = reader.taken("success");
    CHECK(taken[7].content == "7");
    CHECK(taken[7].attribute("kafka.offset") == "7");
    CHECK(taken[7].attribute("kafka.topic") == "t");
    CHECK(taken[7].attribute("kafka.count") == "1");
    CHECK(taken[7].attribute("kafka.key") == "k");
    CHECK(taken[7].attribute("h1") == "x");
    reader.flush();
    reader.stop();
  }
  ProcessorRunner writer("PublishKafka", to(kafka, {{"Partition", "0"}}), in_real_time());
  writer.enqueue("new");
  REQUIRE(writer.run_until([&] { return writer.count("success") == 1; }));
  ProcessorRunner next("ConsumeKafka", from(kafka), in_real_time());
  REQUIRE(next.run_until([&] { return next.count("success") >= 1; }));
  CHECK(next.taken("success").back().content == "new");
}

TEST_CASE("messages are joined by a demarcator") {
  const KafkaMock kafka;
  ProcessorRunner writer("PublishKafka", to(kafka, {{"Partition", "0"}}), in_real_time());
  for (int i = 0; i < 3; ++i) writer.enqueue(std::to_string(i));
  REQUIRE(writer.run_until([&] { return writer.count("success") == 3; }));
  const auto joined =
      read_back(kafka, 1, {{"Message Demarcator", ","}, {"Max Poll Time", "300 ms"}});
  CHECK(joined[0].content == "0,1,2");
  CHECK(joined[0].attribute("kafka.count") == "3");
}

TEST_CASE("where the cluster is can be said by a service, for producers and consumers") {
  const KafkaMock kafka;
  RunnerOptions options = in_real_time();
  options.services = {
      {"cluster", {"Kafka3ConnectionService", {{"Bootstrap Servers", kafka.bootstrap()}}}}};
  ProcessorRunner runner("PublishKafka",
                         {{"Kafka Connection Service", "cluster"}, {"Topic Name", "t"}}, options);
  runner.enqueue("x");
  CHECK(runner.run_until([&] { return runner.count("success") == 1; }));
  PropertyValues reading = from(kafka, {{"Kafka Connection Service", "cluster"}});
  reading.erase("Kafka Brokers");
  ProcessorRunner reader("ConsumeKafka", reading, options);
  CHECK(reader.run_until([&] { return reader.count("success") == 1; }));
  CHECK(reader.taken("success").at(0).content == "x");
}

TEST_CASE("what the service's cluster demands reaches librdkafka") {
  RunnerOptions options = in_real_time();
  options.must_start = false;
  options.services = {{"tls", {"SSLContextService", {{"CA Certificate", "/no/such/file.pem"}}}},
                      {"cluster",
                       {"Kafka3ConnectionService",
                        {{"Bootstrap Servers", "127.0.0.1:9"},
                         {"Security Protocol", "sasl_ssl"},
                         {"SASL Mechanism", "SCRAM-SHA-512"},
                         {"SASL Username", "truck"}}}}};
  const ProcessorRunner runner(
      "PublishKafka", {{"Kafka Connection Service", "cluster"}, {"Topic Name", "t"}}, options);
  CHECK_MESSAGE(runner.start_error().find("sasl.") != std::string::npos, runner.start_error());
}

TEST_CASE("settings that librdkafka refuses are told at the start") {
  RunnerOptions options = in_real_time();
  options.must_start = false;
  const ProcessorRunner runner("PublishKafka",
                               {{"Known Brokers", "127.0.0.1:9"},
                                {"Topic Name", "t"},
                                {"Security Protocol", "ssl"},
                                {"Security CA", "/no/such/file.pem"}},
                               options);
  CHECK_MESSAGE(runner.start_error().find("ssl.ca.location") != std::string::npos,
                runner.start_error());
}

}  // namespace
}  // namespace runnel
