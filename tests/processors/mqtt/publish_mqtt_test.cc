// PublishMQTT and ConsumeMQTT on the real kernel, with real mosquitto.

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "processors/mqtt/packet.h"
#include "processors/registry.h"
#include "tests/support/mosquitto.h"
#include "tests/support/processor_runner.h"
#include "tests/support/raw_peer.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using test::Mosquitto;

PropertyValues properties(const std::string& uri, const std::string& topic, int qos,
                          PropertyValues more = {}) {
  PropertyValues all{
      {"Broker URI", uri}, {"Topic", topic}, {"Quality of Service", std::to_string(qos)}};
  for (auto& [name, value] : more) all[name] = value;
  return all;
}

RunnerOptions real_time(std::string name) {
  RunnerOptions options;
  options.clock = &system_clock();
  options.name = std::move(name);
  return options;
}

std::vector<std::string> contents(const std::vector<TakenFlowFile>& flowfiles) {
  std::vector<std::string> all;
  for (const TakenFlowFile& one : flowfiles) all.push_back(one.content);
  return all;
}

// A consumer on the real kernel that is subscribed.
struct Listener {
  Listener(const Mosquitto& broker, const std::string& topic, PropertyValues more = {})
      : runner("ConsumeMQTT", properties(broker.uri(), topic, 2, std::move(more)),
               real_time("listener")) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (broker.log().find("\t" + topic + " (QoS") == std::string::npos &&
           std::chrono::steady_clock::now() < deadline) {
      runner.run();
    }
  }
  std::vector<TakenFlowFile> receive(std::size_t count) {
    CHECK(runner.run_until([&] { return runner.count("success") >= count; }));
    return runner.taken("success");
  }
  ProcessorRunner runner;
};

std::string number(int i) { return std::to_string(i); }

}  // namespace

TEST_CASE("every FlowFile is published in order and leaves when the broker has it") {
  const Mosquitto broker;
  Listener listener(broker, "out/#");
  for (const char* version : {"3.x AUTO", "5.0"}) {
    for (const int qos : {0, 1, 2}) {
      CAPTURE(version);
      CAPTURE(qos);
      ProcessorRunner publisher(
          "PublishMQTT",
          properties(broker.uri(), "out/${vehicle}", qos,
                     {{"MQTT Version", version}, {"Max Inflight Messages", "7"}}),
          real_time("publisher"));
      for (int i = 0; i < 50; ++i) publisher.enqueue(number(i), {{"vehicle", "17"}});
      CHECK(publisher.run_until([&] { return publisher.count("success") == 50; }));
      const auto got = listener.receive(50);
      REQUIRE(got.size() == 50);
      for (int i = 0; i < 50; ++i) CHECK(got[static_cast<std::size_t>(i)].content == number(i));
      CHECK(got[0].attribute("mqtt.topic") == "out/17");
      CHECK(publisher.queued() == 0);
      CHECK(publisher.events(ProvenanceKind::kSend).size() >= 1);
      check_balanced(publisher.loss());
    }
  }
}

TEST_CASE("several publish over one connection, each in its order, over a line that breaks, too") {
  Mosquitto broker;
  test::TempFolder folder;
  EngineOptions options;
  options.state_dir = folder.path();
  options.types = processor_types();
  options.services = service_types();
  auto opened = Engine::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  std::string text =
      "flow: shared\nservices:\n  line: {type: MQTTConnectionService, properties: "
      "{Broker URI: '" +
      broker.uri() +
      "', Client ID: the-one, MQTT Version: '5.0'}}\n"
      "processors:\n";
  std::string connections = "connections:\n";
  for (const char* name : {"a", "b"}) {
    const std::string one(name);
    text += "  make-" + one +
            ": {type: GenerateFlowFile, schedule: {every: 1 ms}, properties: "
            "{Custom Text: '${nextInt()}', Data Format: Text, Unique FlowFiles: false}}\n"
            "  send-" +
            one +
            ": {type: PublishMQTT, terminate: [success, failure], properties: "
            "{MQTT Connection Service: line, Topic: out/" +
            one + ", Quality of Service: 1}}\n";
    connections += "  - {from: make-" + one + ", to: send-" + one + "}\n";
  }
  const FlowReading reading = read_flow(text + connections, {}, component_specs());
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  Listener listener(broker, "out/#");
  const Result<> started = (*opened)->start(reading.flow);
  REQUIRE_MESSAGE(started.ok(), started.error().text());
  const auto count = [&broker](std::string_view what) {
    const std::string log = broker.log();
    std::size_t found = 0;
    for (std::size_t at = log.find(what); at != std::string::npos; at = log.find(what, at + 1))
      ++found;
    return found;
  };
  const auto received = [&](std::size_t of_each) {
    std::map<std::string, std::size_t> seen;
    CHECK(listener.runner.run_until([&] {
      for (const TakenFlowFile& one : listener.runner.taken("success"))
        ++seen[one.attribute("mqtt.topic")];
      return seen["out/a"] >= of_each && seen["out/b"] >= of_each;
    }));
  };
  received(20);
  CHECK(count(" as the-one ") == 1);
  CHECK(count(" as runnel-") == 1);  // the listener
  // A processor stops and starts: the line stays, and the other goes on.
  REQUIRE((*opened)->stop_processor("send-a").ok());
  REQUIRE((*opened)->start_processor("send-a").ok());
  received(20);
  CHECK(count(" as the-one ") == 1);
  broker.kill();
  broker.start();
  received(20);
  const auto status = (*opened)->status();
  REQUIRE(status.services.size() == 1);
  CHECK(status.services[0].users == std::vector<std::string>{"send-a", "send-b"});
  CHECK((*opened)->stop(10s).ok());
  check_balanced((*opened)->status().loss);
}

TEST_CASE("MQTT 5 properties are sent") {
  const Mosquitto broker;
  Listener listener(broker, "t",
                    {{"MQTT Version", "5.0"}, {"Attribute From Content Type", "kind"}});
  ProcessorRunner publisher("PublishMQTT",
                            properties(broker.uri(), "t", 1,
                                       {{"MQTT Version", "5.0"},
                                        {"Retain", "true"},
                                        {"Message Expiry Interval", "1 hour"},
                                        {"Content Type", "${mime.type}"},
                                        {"Response Topic", "answers"},
                                        {"Correlation Data", "${mqtt.correlation.data}"},
                                        {"Attributes to Send as User Properties", "v.*"}}),
                            real_time("publisher"));
  publisher.enqueue("x", {{"mime.type", "text/plain"},
                          {"mqtt.correlation.data", "00ff"},
                          {"vehicle", "17"},
                          {"other", "no"}});
  const auto got = [&] {
    CHECK(publisher.run_until([&] { return publisher.count("success") == 1; }));
    return listener.receive(1);
  }();
  REQUIRE(got.size() == 1);
  CHECK(got[0].attribute("kind") == "text/plain");
  CHECK(got[0].attribute("mqtt.response.topic") == "answers");
  CHECK(got[0].attribute("mqtt.correlation.data") == "00ff");
  CHECK(got[0].attribute("mqtt.user.vehicle") == "17");
  CHECK_FALSE(got[0].has("mqtt.user.other"));
  Listener late(broker, "t");
  const auto kept = late.receive(1);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].attribute("mqtt.isRetained") == "true");
}

TEST_CASE("what can never be published goes to failure with a bulletin, the next one goes on") {
  const Mosquitto broker({.more = "max_packet_size 2000"});
  ProcessorRunner publisher("PublishMQTT",
                            properties(broker.uri(), "${topic}", 1,
                                       {{"MQTT Version", "5.0"}, {"Maximum Message Size", "3 KB"}}),
                            real_time("publisher"));
  publisher.enqueue("no topic");
  publisher.enqueue("wildcard", {{"topic", "a/#"}});
  publisher.enqueue(std::string(5000, 'x'), {{"topic", "too/large/here"}});
  publisher.enqueue(std::string(2500, 'y'), {{"topic", "too/large/there"}});
  publisher.enqueue("good", {{"topic", "good"}});
  CHECK(publisher.run_until(
      [&] { return publisher.count("success") == 1 && publisher.count("failure") == 4; }));
  const auto failed = publisher.taken("failure");
  CHECK(failed[0].attribute("mqtt.error").find("the topic is empty") != std::string::npos);
  CHECK(failed[1].attribute("mqtt.error").find("cannot be published to") != std::string::npos);
  CHECK(failed[2].attribute("mqtt.error").find("Maximum Message Size") != std::string::npos);
  CHECK(failed[3].attribute("mqtt.error").find("is more than") != std::string::npos);
  CHECK(publisher.has_bulletin("Maximum Message Size"));
  CHECK(publisher.taken("success")[0].content == "good");
}

TEST_CASE("a broker that refuses a message says why, and the FlowFile goes to failure") {
  const Mosquitto broker({.has_auth = true});
  ProcessorRunner publisher(
      "PublishMQTT",
      properties(broker.uri(), "${topic}", 1,
                 {{"MQTT Version", "5.0"}, {"Username", "truck"}, {"Password", "secret"}}),
      real_time("publisher"));
  publisher.enqueue("no", {{"topic", "closed/x"}});
  publisher.enqueue("yes", {{"topic", "open/x"}});
  CHECK(publisher.run_until(
      [&] { return publisher.count("success") == 1 && publisher.count("failure") == 1; }));
  CHECK(publisher.taken("failure")[0].attribute("mqtt.error").find("Not authorized") !=
        std::string::npos);
  CHECK(publisher.has_bulletin("Not authorized"));
}

TEST_CASE(
    "while the broker is away FlowFiles stay in their queue; when it is back they come in order") {
  Mosquitto broker({.is_persistent = true});
  auto listener = std::make_unique<Listener>(broker, "t");
  ProcessorRunner publisher("PublishMQTT", properties(broker.uri(), "t", 1),
                            real_time("publisher"));
  publisher.enqueue("0");
  CHECK(publisher.run_until([&] { return publisher.count("success") == 1; }));
  CHECK(contents(listener->receive(1)) == std::vector<std::string>{"0"});
  broker.stop();
  CHECK(publisher.run_until([&] { return publisher.has_bulletin("next try in"); }));
  for (int i = 1; i <= 20; ++i) publisher.enqueue(number(i));
  publisher.run();
  CHECK(publisher.queued() == 20);
  broker.start();
  CHECK(publisher.run_until([&] { return publisher.count("success") == 21; }));
  std::vector<std::string> got = contents(listener->receive(20));
  REQUIRE(got.size() == 20);
  for (int i = 1; i <= 20; ++i) CHECK(got[static_cast<std::size_t>(i - 1)] == number(i));
}

TEST_CASE("what was sent and not acknowledged when the line broke is sent again") {
  test::RawListener broker;
  ProcessorRunner publisher("PublishMQTT",
                            properties("tcp://127.0.0.1:" + std::to_string(broker.port()), "t", 1),
                            real_time("publisher"));
  const auto read_packet = [](test::RawPeer& peer) {
    std::string head = peer.expect(2);
    if (head.size() < 2) return head;
    return head + peer.expect(static_cast<unsigned char>(head[1]));
  };
  publisher.enqueue("abc");
  publisher.enqueue("def");
  for (int line = 0; line < 2; ++line) {
    test::RawPeer peer = broker.accept();
    CHECK(read_packet(peer)[0] == '\x10');
    peer.send(std::string("\x20\x02\x00\x00", 4));
    CHECK(publisher.run_until([&] { return publisher.status().in_flight == 2; }));
    CHECK(publisher.count("success") == 0);
    CHECK(publisher.queued() == 2);
    const std::string first = read_packet(peer);
    CHECK(first.substr(first.size() - 3) == "abc");
    const std::string second = read_packet(peer);
    CHECK(second.substr(second.size() - 3) == "def");
    if (line == 0) {
      peer.close();
      CHECK(publisher.run_until([&] { return publisher.has_bulletin("next try in"); }));
    } else {
      peer.send("\x40\x02" + first.substr(first.size() - 5, 2));
      CHECK(publisher.run_until([&] { return publisher.count("success") == 1; }));
      CHECK(publisher.taken("success")[0].content == "abc");
    }
  }
  publisher.stop();
  CHECK(publisher.queued() == 1);  // "def": given back
  check_balanced(publisher.loss());
}

TEST_CASE(
    "on the real ledger every message is there once after restarts, and acknowledged when "
    "written") {
  const Mosquitto broker;
  ProcessorRunner consumer("ConsumeMQTT", properties(broker.uri(), "t", 1), real_time("consumer"));
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (broker.log().find("\tt (QoS 1)") == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    consumer.run();
  }
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += number(i) + "\n";
  broker.publish_lines("t", lines);
  std::size_t wanted = 500;
  for (int round = 0; round < 3; ++round, wanted += 1000) {
    CHECK(consumer.run_until([&] { return consumer.count("success") >= wanted; }));
    consumer.restart();
  }
  std::vector<TakenFlowFile> taken;
  std::set<std::string> distinct;
  CHECK(consumer.run_until([&] {
    for (TakenFlowFile& one : consumer.taken("success")) {
      distinct.insert(one.content);
      taken.push_back(std::move(one));
    }
    return distinct.size() >= 3000;
  }));
  CHECK(distinct.size() == 3000);
  // In order, none left out; a connection may begin with what the one before had not acknowledged.
  int next = 0;
  int steps_back = 0;
  for (const TakenFlowFile& one : taken) {
    const int got = std::stoi(one.content);
    if (got < next) ++steps_back;
    if (got > next) FAIL_CHECK(next << " is left out before " << got);
    next = got + 1;
  }
  CHECK(steps_back <= 3);
  // What was written was also acknowledged before the line was cut.
  CHECK(taken.size() <= 3000 + 3 * 20);
  CHECK(taken[0].attribute("mqtt.topic") == "t");
  check_balanced(consumer.loss());
}

}  // namespace runnel
