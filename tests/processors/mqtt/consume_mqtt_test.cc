// ConsumeMQTT against real mosquitto, with fakes by which the test says when an arrival is safe.

#include <doctest/doctest.h>
#include <signal.h>

#include <set>
#include <thread>

#include "agent/sdk/describe.h"
#include "processors/mqtt/packet.h"
#include "tests/processors/mqtt/fake_context.h"
#include "tests/support/mosquitto.h"
#include "tests/support/raw_peer.h"

namespace runnel {

ProcessorType consume_mqtt();

namespace {

using namespace std::chrono_literals;
using test::FakeContext;
using test::Mosquitto;
using test::MosquittoOptions;

// A ConsumeMQTT that is running. Its context may outlive it, as the agent's state does.
class Running {
 public:
  Running(FakeContext& context, PropertyValues values) : context_(context) {
    static const ProcessorType type = consume_mqtt();
    const auto complaints = check_values(type.spec, values);
    for (const auto& complaint : complaints) FAIL(complaint.property << ": " << complaint.text);
    auto made = type.make(values);
    REQUIRE_MESSAGE(made.ok(), made.error().text());
    processor_ = std::move(*made);
    started = processor_->start(context);
    if (started.ok()) trigger();
  }
  ~Running() { processor_->stop(); }
  void stop() { processor_->stop(); }
  void trigger() { CHECK(processor_->on_trigger(context_.session).ok()); }

  Result<> started;

 private:
  FakeContext& context_;
  std::unique_ptr<Processor> processor_;
};

PropertyValues values(const Mosquitto& broker, const std::string& topic, int qos,
                      PropertyValues more = {}) {
  PropertyValues all{
      {"Broker URI", broker.uri()}, {"Topic", topic}, {"Quality of Service", std::to_string(qos)}};
  for (auto& [name, value] : more) all[name] = value;
  return all;
}

std::string attribute(const Arrival& arrival, std::string_view name) {
  for (const auto& [key, value] : arrival.attributes) {
    if (key == name) return value;
  }
  return "(none)";
}

std::string lines(int from, int to) {
  std::string all;
  for (int i = from; i < to; ++i) all += std::to_string(i) + "\n";
  return all;
}

std::size_t count_in(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++count;
  }
  return count;
}

// How many acknowledgements of ours the broker has logged, once there are `wanted`.
std::size_t pubacks(const Mosquitto& broker, std::size_t wanted) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (true) {
    const std::size_t count = count_in(broker.log(), "Received PUBACK from runnel-");
    if (count >= wanted || std::chrono::steady_clock::now() >= deadline) return count;
    std::this_thread::yield();
  }
}

// Whether mosquitto logs this; it reads what was sent to it in its own time.
bool has_logged(const Mosquitto& broker, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (broker.log().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Whether mosquitto has seen the subscription.
bool is_subscribed(const Mosquitto& broker, const std::string& topic, std::size_t times = 1) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string log = broker.log();
    std::size_t found = 0;
    for (std::size_t at = 0; (at = log.find("\t" + topic + " (QoS", at)) != std::string::npos;
         ++at) {
      ++found;
    }
    if (found >= times && log.rfind("Sending SUBACK") > log.rfind("\t" + topic + " (QoS"))
      return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

TEST_CASE("each QoS and version delivers every message in order with its attributes") {
  const Mosquitto broker;
  for (const char* version : {"3.x AUTO", "3.1.0", "3.1.1", "5.0"}) {
    for (const int qos : {0, 1, 2}) {
      CAPTURE(version);
      CAPTURE(qos);
      FakeContext context("bus-" + std::string(version) + std::to_string(qos));
      const std::string topic = "v/" + std::string(version) + "/" + std::to_string(qos);
      Running consumer(context, values(broker, topic + "/+", qos, {{"MQTT Version", version}}));
      REQUIRE(is_subscribed(broker, topic + "/+"));
      broker.publish_lines(topic + "/x", lines(0, 50), 2);
      CHECK(context.watch.wait([&] {
        context.make_all_safe();
        consumer.trigger();  // which lets go of what the broker has released
        return context.count() >= 50;
      }));
      const auto arrivals = context.arrivals();
      REQUIRE(arrivals.size() == 50);
      for (std::size_t i = 0; i < 50; ++i) CHECK(arrivals[i].content == std::to_string(i));
      CHECK(attribute(arrivals[0], "mqtt.topic") == topic + "/x");
      CHECK(attribute(arrivals[0], "mqtt.topic.segment.0") == "v");
      CHECK(attribute(arrivals[0], "mqtt.topic.segment.3") == "x");
      CHECK(attribute(arrivals[0], "mqtt.qos") == std::to_string(qos));
      CHECK(attribute(arrivals[0], "mqtt.isRetained") == "false");
      CHECK(attribute(arrivals[0], "mqtt.isDuplicate") == "false");
      CHECK(attribute(arrivals[0], "mqtt.broker") == broker.uri());
      CHECK(arrivals[0].uri == broker.uri() + "/" + topic + "/x");
      CHECK(context.all_bulletins() == "");
    }
  }
}

TEST_CASE("no PUBACK leaves before the FlowFile is safe, and the broker stops at its window") {
  const Mosquitto broker;
  FakeContext context;
  const Running consumer(context, values(broker, "t", 1));
  REQUIRE(is_subscribed(broker, "t"));
  broker.publish_lines("t", lines(0, 100));
  REQUIRE(context.wait_for(20));
  CHECK_FALSE(context.watch.wait([&] { return context.count() > 20; }, 200ms));
  CHECK(count_in(broker.log(), "Received PUBACK from runnel-") == 0);
  context.make_safe(5);
  REQUIRE(context.wait_for(25));  // mosquitto may now send more than its window
  CHECK(pubacks(broker, 5) == 5);
  CHECK(context.watch.wait([&] {
    context.make_all_safe();
    return context.count() >= 100;
  }));
  CHECK(context.all_bulletins() == "");  // no line was lost meanwhile
}

TEST_CASE("a message that comes alone wakes the processor, whatever its quality of service") {
  const Mosquitto broker;
  for (const int qos : {0, 1, 2}) {
    CAPTURE(qos);
    FakeContext context("bus-" + std::to_string(qos));
    const std::string topic = "alone/" + std::to_string(qos);
    const Running consumer(context, values(broker, topic, qos));
    REQUIRE(is_subscribed(broker, topic));
    for (std::size_t i = 1; i <= 3; ++i) {
      const int before = context.wakes;
      broker.publish(topic, "x", qos);
      REQUIRE(context.wait_for(i));
      CHECK(context.watch.wait([&] { return context.wakes > before; }));
    }
  }
}

TEST_CASE("what was not safe when the agent died comes again, what was safe does not") {
  Mosquitto broker;
  FakeContext context;
  {
    Running consumer(context, values(broker, "t", 1));
    REQUIRE(is_subscribed(broker, "t"));
    broker.publish_lines("t", lines(0, 10));
    REQUIRE(context.wait_for(10));
    context.make_safe(4);
    CHECK(pubacks(broker, 4) == 4);
    consumer.stop();
    CHECK(has_logged(broker, "Received DISCONNECT from runnel-"));
  }
  broker.publish("t", "while away");
  FakeContext second;
  const Running again(second, values(broker, "t", 1));
  REQUIRE(second.wait_for(7));
  const auto arrivals = second.arrivals();
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(arrivals[i].content == std::to_string(4 + i));
    CHECK(attribute(arrivals[i], "mqtt.isDuplicate") == "true");
  }
  CHECK(arrivals[6].content == "while away");
}

TEST_CASE("an intake that is full holds everything back: nothing is dropped, no line is lost") {
  const Mosquitto broker;
  FakeContext context;
  context.intake_max = 10;
  Running consumer(context, values(broker, "t/#", 1, {{"Keep Alive Interval", "1 sec"}}));
  REQUIRE(is_subscribed(broker, "t/#"));
  broker.publish_lines("t/x", lines(0, 200));
  REQUIRE(context.wait_for(10));
  // Longer than the broker bears without a ping (1.5 × keep alive).
  CHECK_FALSE(context.watch.wait([&] { return context.count() > 10; }, 2500ms));
  CHECK(count_in(broker.log(), "Received PUBACK from runnel-") == 0);
  CHECK(count_in(broker.log(), "Received PINGREQ from runnel-") >= 1);
  std::size_t released = 0;
  while (released < 200) {
    context.make_all_safe();
    consumer.trigger();
    released = context.count();
  }
  const auto arrivals = context.arrivals();
  REQUIRE(arrivals.size() == 200);
  for (std::size_t i = 0; i < 200; ++i) CHECK(arrivals[i].content == std::to_string(i));
  CHECK(context.all_bulletins() == "");
  CHECK(count_in(broker.log(), " as runnel-") == 1);
}

TEST_CASE("when the broker has sent all that it may, the runtime is urged to write") {
  const Mosquitto broker;
  FakeContext context;
  Running consumer(context,
                   values(broker, "t", 1, {{"MQTT Version", "5.0"}, {"Receive Maximum", "5"}}));
  REQUIRE(is_subscribed(broker, "t"));
  broker.publish_lines("t", lines(0, 20));
  CHECK(context.wait_for(4));
  consumer.trigger();
  CHECK(context.wait_for(5));
  CHECK(context.watch.wait([&] {
    consumer.trigger();
    return context.urges > 0;
  }));
  CHECK_FALSE(context.watch.wait([&] { return context.count() > 5; }, 100ms));
}

namespace {

// A broker of these tests, packet by packet.
struct ScriptedBroker {
  PropertyValues properties() {
    return {{"Broker URI", "tcp://127.0.0.1:" + std::to_string(listener.port())},
            {"Topic", "t"},
            {"Quality of Service", "2"}};
  }
  static std::string read_packet(test::RawPeer& peer) {
    std::string head = peer.expect(2);
    if (head.size() < 2) return head;
    return head + peer.expect(static_cast<unsigned char>(head[1]));
  }
  // The next connection, up to its SUBACK.
  test::RawPeer accept_new() {
    test::RawPeer peer = listener.accept();
    CHECK(read_packet(peer)[0] == '\x10');
    peer.send(std::string("\x20\x02\x00\x00", 4));
    const std::string subscribe = read_packet(peer);
    REQUIRE(subscribe.size() > 4);
    peer.send(std::string("\x90\x03", 2) + subscribe.substr(2, 2) + '\x02');
    return peer;
  }
  // The next connection of a session that is still there; it may subscribe again.
  test::RawPeer accept_known() {
    test::RawPeer peer = listener.accept();
    CHECK(read_packet(peer)[0] == '\x10');
    peer.send(std::string("\x20\x02\x01\x00", 4));
    return peer;
  }
  // A new connection whose first message has been delivered.
  test::RawPeer accept_and_deliver(FakeContext& context) {
    test::RawPeer peer = accept_new();
    peer.send(publish);
    REQUIRE(context.wait_for(1));
    return peer;
  }
  // The same, safe and acknowledged.
  test::RawPeer accept_and_acknowledge(FakeContext& context) {
    test::RawPeer peer = accept_and_deliver(context);
    context.make_all_safe();
    CHECK(read_packet(peer) == pubrec);
    return peer;
  }
  // Releases the message; what forgets it is held up by the disk.
  void release(test::RawPeer& peer, FakeContext& context, Running& consumer) {
    context.session.is_held = true;
    const int wakes = context.wakes;
    peer.send(pubrel);
    CHECK(context.watch.wait([&] { return context.wakes > wakes; }));
    consumer.trigger();
  }
  // Skips what is no `packet`; false when the line ends before it.
  static bool reads(test::RawPeer& peer, const std::string& packet) {
    std::string got;
    while (got != packet) {
      got = read_packet(peer);
      if (got.empty()) return false;
    }
    return true;
  }

  const std::string publish = std::string(
      "\x34\x08\x00\x01t\x00\x07"
      "abc",
      10);
  const std::string pubrel = std::string("\x62\x02\x00\x07", 4);
  const std::string pubrec = mqtt::ack_packet(mqtt::PacketType::kPubrec, 7);
  const std::string pubcomp = mqtt::ack_packet(mqtt::PacketType::kPubcomp, 7);
  test::RawListener listener;
};

}  // namespace

TEST_CASE("a QoS 2 message is acknowledged when it is safe, and taken once over a crash") {
  ScriptedBroker broker;
  FakeContext context;
  {
    Running consumer(context, broker.properties());
    test::RawPeer peer = broker.accept_and_deliver(context);
    CHECK(attribute(context.arrivals()[0], "mqtt.qos") == "2");
    CHECK(peer.is_silent());  // no PUBREC: it is not safe
    CHECK(context.session.all().size() == 1);
    context.make_all_safe();
    CHECK(broker.read_packet(peer) == broker.pubrec);
    peer.close();
    consumer.stop();
  }
  // The same state directory: the broker has not seen the PUBREC, and sends the message again.
  Running consumer(context, broker.properties());
  consumer.trigger();
  test::RawPeer peer = broker.accept_known();
  peer.send(broker.publish);
  CHECK(broker.reads(peer, broker.pubrec));
  CHECK(context.count() == 1);
  broker.release(peer, context, consumer);
  CHECK(peer.is_silent());  // its identifier may still be on disk
  REQUIRE(context.session.held.size() == 1);
  context.session.held.front()();
  CHECK(broker.reads(peer, broker.pubcomp));
  CHECK(context.session.all().count("qos2.loaded") == context.session.all().size());
}

TEST_CASE("a QoS 2 message that was not safe when the agent died comes again") {
  ScriptedBroker broker;
  FakeContext context;
  {
    Running consumer(context, broker.properties());
    test::RawPeer peer = broker.accept_and_deliver(context);
    peer.close();
    consumer.stop();
  }
  for (const auto& [key, value] : context.session.all()) context.session.remove_state(key);
  Running consumer(context, broker.properties());
  test::RawPeer peer = broker.accept_known();
  peer.send(broker.publish);
  CHECK(context.wait_for(2));
  context.make_all_safe();
  CHECK(broker.reads(peer, broker.pubrec));
}

TEST_CASE("a session rolled back keeps the identifier, and PUBCOMP waits for the next") {
  ScriptedBroker broker;
  FakeContext context;
  Running consumer(context, broker.properties());
  test::RawPeer peer = broker.accept_and_acknowledge(context);
  broker.release(peer, context, consumer);
  context.session.held.clear();  // rolled back
  context.session.is_held = false;
  CHECK(peer.is_silent());
  consumer.trigger();
  CHECK(broker.read_packet(peer) == broker.pubcomp);
}

TEST_CASE("an identifier of a session that the broker has forgotten hides no new message") {
  ScriptedBroker broker;
  FakeContext context;
  {
    Running consumer(context, broker.properties());
    test::RawPeer peer = broker.accept_and_acknowledge(context);
    peer.close();
    // The line breaks, and the broker comes back without the session.
    test::RawPeer next = broker.accept_new();
    next.send(broker.publish);
    REQUIRE(context.wait_for(2));
    next.close();
    consumer.stop();
  }
  // And so after a crash by which the second was lost.
  for (const auto& [key, value] : context.session.all()) {
    if (key != context.session.all().begin()->first) context.session.remove_state(key);
  }
  Running consumer(context, broker.properties());
  consumer.trigger();
  test::RawPeer peer = broker.accept_new();
  peer.send(broker.publish);
  CHECK(context.wait_for(3));
  consumer.trigger();
  CHECK(context.session.all().size() <= 2);  // what is stale has been swept
}

TEST_CASE("a QoS 2 message is delivered once although the line breaks before its PUBREC") {
  ScriptedBroker broker;
  FakeContext context;
  Running consumer(context, broker.properties());
  {
    test::RawPeer peer = broker.accept_and_deliver(context);
    CHECK(peer.is_silent());
  }
  test::RawPeer peer = broker.accept_known();
  peer.send(broker.publish);
  CHECK(context.count() == 1);
  context.make_all_safe();
  CHECK(broker.reads(peer, broker.pubrec));
  CHECK(context.count() == 1);
}

TEST_CASE("a QoS 2 line does not begin where its session cannot be named on disk") {
  const Mosquitto broker;
  FakeContext context;
  context.map.is_broken = true;
  static const ProcessorType type = consume_mqtt();
  auto consumer = std::move(*type.make(values(broker, "t", 2)));
  REQUIRE(consumer->start(context).ok());
  const Result<> triggered = consumer->on_trigger(context.session);
  REQUIRE_FALSE(triggered.ok());
  CHECK(triggered.error().text().find("the disk is full") != std::string::npos);
  context.map.is_broken = false;
  CHECK(consumer->on_trigger(context.session).ok());
  REQUIRE(is_subscribed(broker, "t"));
  broker.publish("t", "precious", 2);
  CHECK(context.wait_for(1));
  consumer->stop();
}

TEST_CASE("a broker that is stopped and started again is found again, with its session") {
  Mosquitto broker({.is_persistent = true});
  FakeContext context;
  const Running consumer(context, values(broker, "t", 1));
  REQUIRE(is_subscribed(broker, "t"));
  broker.publish("t", "before");
  REQUIRE(context.wait_for(1));
  context.make_all_safe();
  broker.stop();
  CHECK(context.wait_for_bulletin("next try in"));
  broker.start();
  broker.publish("t", "after");
  REQUIRE(context.wait_for(2));
  // The first one comes again if its acknowledgement was still under way when the broker stopped.
  if (context.arrivals()[1].content == "before") REQUIRE(context.wait_for(3));
  CHECK(context.arrivals().back().content == "after");
}

TEST_CASE("a broker that is not there at the start is waited for") {
  Mosquitto broker;
  broker.kill();
  FakeContext context;
  const Running consumer(context, values(broker, "t", 1));
  CHECK(consumer.started.ok());
  CHECK(context.wait_for_bulletin("Connection refused"));
  broker.start();
  REQUIRE(is_subscribed(broker, "t"));
  broker.publish("t", "hello");
  CHECK(context.wait_for(1));
}

TEST_CASE("TLS with a client certificate, a locked key and a checked host name") {
  const test::TempFolder folder;
  const test::Certificates pem = test::make_certificates(folder.path());
  const Mosquitto broker({.tls = pem});
  {
    FakeContext context;
    const Running consumer(context, values(broker, "t", 1,
                                           {{"MQTT Version", "5.0"},
                                            {"Security CA", pem.ca},
                                            {"Security Cert", pem.client},
                                            {"Security Private Key", pem.client_key_locked},
                                            {"Security Pass Phrase", pem.pass_phrase}}));
    REQUIRE_MESSAGE(is_subscribed(broker, "t"), context.all_bulletins());
    const std::string large(300'000, 'x');
    broker.publish("t", large);
    REQUIRE(context.wait_for(1));
    CHECK(context.arrivals()[0].content == large);
  }
  FakeContext context;
  SUBCASE("a broker whose certificate is signed by a stranger is refused") {
    const Running consumer(context, values(broker, "t", 1,
                                           {{"Security CA", pem.stranger_ca},
                                            {"Security Cert", pem.client},
                                            {"Security Private Key", pem.client_key}}));
    CHECK(context.wait_for_bulletin("the broker's certificate is not accepted"));
    CHECK(context.has_bulletin("Security CA"));
  }
  SUBCASE("without a client certificate the broker refuses") {
    const Running consumer(context, values(broker, "t", 1, {{"Security CA", pem.ca}}));
    CHECK(context.wait_for_bulletin("certificate required"));
  }
  SUBCASE("a key that cannot be read is an error at the start") {
    const Running consumer(context, values(broker, "t", 1,
                                           {{"Security CA", pem.ca},
                                            {"Security Cert", pem.client},
                                            {"Security Private Key", pem.client_key_locked},
                                            {"Security Pass Phrase", "wrong"}}));
    REQUIRE_FALSE(consumer.started.ok());
    CHECK(consumer.started.code() == Code::kInvalid);
    CHECK(consumer.started.error().text().find("Security Private Key") != std::string::npos);
  }
}

TEST_CASE("WebSocket and WebSocket over TLS carry the same guarantee") {
  const test::TempFolder folder;
  const test::Certificates pem = test::make_certificates(folder.path());
  for (const bool is_tls : {false, true}) {
    CAPTURE(is_tls);
    MosquittoOptions options{.is_web_socket = true};
    if (is_tls) options.tls = pem;
    // A plain listener beside it, for mosquitto's own clients.
    const std::uint16_t plain = test::RawListener().port();
    options.more = "listener " + std::to_string(plain) + " 127.0.0.1\n";
    const Mosquitto broker(options);
    FakeContext context;
    PropertyValues properties = values(broker, "t", 1);
    if (is_tls) {
      properties["Security CA"] = pem.ca;
      properties["Security Cert"] = pem.client;
      properties["Security Private Key"] = pem.client_key;
    }
    const Running consumer(context, properties);
    REQUIRE_MESSAGE(is_subscribed(broker, "t"), context.all_bulletins());
    test::run_to_end({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(plain), "-t", "t",
                      "-q", "1", "-s"},
                     std::string(20'000, 'w'));
    REQUIRE(context.wait_for(1));
    CHECK(context.arrivals()[0].content.size() == 20'000);
    CHECK(count_in(broker.log(), "Received PUBACK from runnel-") == 0);
    context.make_all_safe();
    CHECK(pubacks(broker, 1) == 1);
  }
}

TEST_CASE("a wrong password and a forbidden topic are told, and tried again") {
  const Mosquitto broker({.has_auth = true});
  for (const char* version : {"3.1.1", "5.0"}) {
    CAPTURE(version);
    FakeContext context;
    const Running consumer(
        context, values(broker, "t", 1,
                        {{"MQTT Version", version}, {"Username", "truck"}, {"Password", "wrong"}}));
    CHECK(context.wait_for_bulletin("the broker refuses the connection"));
    CHECK(context.watch.wait([&] { return count_in(context.all_bulletins(), "refuses") >= 2; }));
    CHECK(context.all_bulletins().find("wrong") == std::string::npos);
  }
  FakeContext good;
  const Running consumer(
      good, values(broker, "open/#", 1, {{"Username", "truck"}, {"Password", "secret"}}));
  REQUIRE(is_subscribed(broker, "open/#"));
  broker.publish("open/x", "hello");
  CHECK(good.wait_for(1));
}

TEST_CASE("a broker that gives a reason for closing the line is quoted") {
  test::RawListener listener;
  FakeContext context;
  const Running consumer(context,
                         {{"Broker URI", "tcp://127.0.0.1:" + std::to_string(listener.port())},
                          {"Topic", "t"},
                          {"MQTT Version", "5.0"}});
  test::RawPeer peer = listener.accept();
  CHECK(peer.expect(2).size() == 2);
  peer.send(std::string("\x20\x03\x00\x00\x00", 5) + std::string("\xE0\x02\x8E\x00", 4));
  CHECK(context.wait_for_bulletin("the broker ends the connection: Session taken over"));
}

TEST_CASE("retained messages, several topics, shared subscriptions") {
  const Mosquitto broker;
  broker.publish("kept/1", "old", 1, true);
  FakeContext context;
  const Running consumer(context, values(broker, "kept/#, other/+ , $share/g/shared", 1));
  REQUIRE(context.wait_for(1));
  CHECK(attribute(context.arrivals()[0], "mqtt.isRetained") == "true");
  REQUIRE(is_subscribed(broker, "$share/g/shared"));
  FakeContext partner("partner");
  const Running second(partner, values(broker, "$share/g/shared", 1));
  REQUIRE(is_subscribed(broker, "$share/g/shared", 2));
  broker.publish("other/a", "b");
  broker.publish_lines("shared", lines(0, 10));
  CHECK(context.watch.wait([&] { return context.count() + partner.count() >= 12; }, 5s));
  CHECK(partner.count() == 5);
}

TEST_CASE("the last will is published when the line breaks, and not after a clean stop") {
  const Mosquitto broker;
  const test::TempFolder folder;
  FakeContext watcher_context("watcher");
  const Running watcher(watcher_context, values(broker, "will/#", 1));
  REQUIRE(is_subscribed(broker, "will/#"));
  const PropertyValues will{{"Last Will Topic", "will/truck"},
                            {"Last Will Message", "gone"},
                            {"Last Will QoS", "1"},
                            {"MQTT Version", "5.0"}};
  {
    FakeContext context("clean");
    Running consumer(context, values(broker, "a", 1, will));
    REQUIRE(is_subscribed(broker, "a"));
    consumer.stop();
  }
  {
    // Another client with the same id takes the session over: the broker breaks the line.
    FakeContext context("first");
    PropertyValues same = values(broker, "b", 1, will);
    same["Client ID"] = "twin";
    const Running consumer(context, same);
    REQUIRE(is_subscribed(broker, "b"));
    test::run_to_end({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(broker.port()), "-i",
                      "twin", "-t", "x", "-m", "y"});
    CHECK(watcher_context.wait_for(1));
    CHECK(context.wait_for_bulletin("the broker closed the connection"));
  }
  CHECK(watcher_context.count() == 1);
  CHECK(watcher_context.arrivals()[0].content == "gone");
}

TEST_CASE("MQTT 5 properties become attributes") {
  const Mosquitto broker;
  FakeContext context;
  const Running consumer(context, values(broker, "t", 1,
                                         {{"MQTT Version", "5.0"},
                                          {"Attribute From Content Type", "mime.type"},
                                          {"Topic Alias Maximum", "4"}}));
  REQUIRE(is_subscribed(broker, "t"));
  test::run_to_end({"mosquitto_pub",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    std::to_string(broker.port()),
                    "-V",
                    "5",
                    "-t",
                    "t",
                    "-q",
                    "1",
                    "-m",
                    "x",
                    "-D",
                    "publish",
                    "user-property",
                    "vehicle",
                    "17",
                    "-D",
                    "publish",
                    "user-property",
                    "uuid",
                    "evil",
                    "-D",
                    "publish",
                    "content-type",
                    "application/json",
                    "-D",
                    "publish",
                    "response-topic",
                    "answer",
                    "-D",
                    "publish",
                    "correlation-data",
                    "ab"});
  REQUIRE(context.wait_for(1));
  const Arrival arrival = context.arrivals()[0];
  CHECK(attribute(arrival, "mqtt.user.vehicle") == "17");
  CHECK(attribute(arrival, "uuid") == "(none)");
  CHECK(attribute(arrival, "mime.type") == "application/json");
  CHECK(attribute(arrival, "mqtt.response.topic") == "answer");
  CHECK(attribute(arrival, "mqtt.correlation.data") == "6162");
}

TEST_CASE("a message above the bound is refused with a bulletin, and those behind it come") {
  const Mosquitto broker;
  FakeContext context;
  const Running consumer(context, values(broker, "t/#", 1, {{"Maximum Message Size", "300 KB"}}));
  REQUIRE(is_subscribed(broker, "t/#"));
  broker.publish("t/1", "small");
  broker.publish("t/2", std::string(1'000'000, 'x'));
  broker.publish("t/3", std::string(200'000, 'y'));
  REQUIRE(context.wait_for(2));
  CHECK(context.arrivals()[1].content.size() == 200'000);
  CHECK(context.wait_for_bulletin("a message on topic `t/2`"));
  context.make_all_safe();
  CHECK(pubacks(broker, 3) == 3);
}

TEST_CASE(
    "topics that the flow no longer names are unsubscribed, and known ones not asked for again") {
  const Mosquitto broker;
  FakeContext context;
  {
    Running consumer(context, values(broker, "old,same", 1));
    REQUIRE(is_subscribed(broker, "same"));
    broker.publish("same", "1");
    REQUIRE(context.wait_for(1));
    consumer.stop();
  }
  {
    Running consumer(context, values(broker, "same,new", 1));
    REQUIRE(is_subscribed(broker, "new"));
    broker.publish("new", "2");
    REQUIRE(context.watch.wait([&] { return context.arrivals().back().content == "2"; }));
    consumer.stop();
    CHECK(broker.log().find("Received UNSUBSCRIBE from runnel-") != std::string::npos);
  }
  const std::size_t before = count_in(broker.log(), "Received SUBSCRIBE from runnel-");
  const Running consumer(context, values(broker, "same,new", 1));
  broker.publish("new", "3");
  CHECK(context.watch.wait([&] { return context.arrivals().back().content == "3"; }));
  CHECK(count_in(broker.log(), "Received SUBSCRIBE from runnel-") == before);
}

TEST_CASE("properties that cannot be are refused by name") {
  static const ProcessorType type = consume_mqtt();
  const auto refusal = [](PropertyValues more) {
    PropertyValues all{{"Broker URI", "tcp://bus"}, {"Topic", "t"}};
    for (auto& [name, value] : more) all[name] = value;
    const auto made = type.make(all);
    return made.ok() ? std::string("accepted") : made.error().text();
  };
  CHECK(refusal({}) == "accepted");
  CHECK(refusal({{"Broker URI", "http://bus"}}).find("Broker URI") != std::string::npos);
  CHECK(refusal({{"Topic", " , "}}).find("`Topic` names no topic") != std::string::npos);
  CHECK(refusal({{"Topic", "a/#/b"}}).find("`#` stands alone") != std::string::npos);
  CHECK(refusal({{"Last Will Message", "x"}}).find("Last Will Topic") != std::string::npos);
  CHECK(refusal({{"Password", "x"}}).find("Username") != std::string::npos);
}

TEST_CASE("stopping without having started, and twice, is harmless") {
  auto made = consume_mqtt().make({{"Broker URI", "tcp://bus"}, {"Topic", "t"}});
  REQUIRE(made.ok());
  (*made)->stop();
  (*made)->stop();
}

}  // namespace runnel
