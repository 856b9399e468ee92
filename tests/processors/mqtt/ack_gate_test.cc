// The ack gate, byte by byte, between a broker and a Paho that are sockets of this test.

#include "processors/mqtt/ack_gate.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "processors/mqtt/receipts.h"
#include "tests/processors/mqtt/fake_context.h"
#include "tests/support/raw_peer.h"

namespace runnel::mqtt {
namespace {

using namespace std::chrono_literals;
using test::FakeDurableMap;
using test::RawListener;
using test::RawPeer;
using test::StateSession;

const std::string kConnack("\x20\x02\x00\x00", 4);
const std::string kPingreq("\xC0\x00", 2);
const std::string kPingresp("\xD0\x00", 2);

std::string puback(int id) {
  return ack_packet(PacketType::kPuback, static_cast<std::uint16_t>(id));
}
std::string pubcomp(int id) {
  return ack_packet(PacketType::kPubcomp, static_cast<std::uint16_t>(id));
}
std::string connect_packet(std::string_view username) {
  std::string body;
  append_field(body, "MQTT");
  body += std::string("\x04\x82\x00\x3C", 4);
  append_field(body, "truck");
  append_field(body, username);
  std::string packet(1, 0x10);
  append_length(packet, body.size());
  return packet + body;
}
std::string publish_packet(int qos, int id, std::string_view topic, std::string_view payload) {
  std::string body;
  append_field(body, topic);
  if (qos > 0) body += std::string({static_cast<char>(id >> 8), static_cast<char>(id & 0xFF)});
  body += payload;
  std::string packet(1, static_cast<char>(0x30 | qos << 1));
  append_length(packet, body.size());
  return packet + body;
}

// A gate whose n-th message has the number n.
struct Bench {
  explicit Bench(AckGateOptions options = {}, bool takes_messages = true) {
    options.broker.host = "127.0.0.1";
    options.broker.port = listener.port();
    if (takes_messages && !options.on_message) {
      options.on_message = [this](const Message& message) -> Result<std::uint64_t> {
        const Lock lock(mutex);
        taken_.push_back(std::string(message.topic) + "=" + std::string(message.payload));
        return taken_.size();
      };
    }
    gate = *AckGate::open(std::move(options));
    runner = std::thread([this] { ended = gate->run(); });
  }
  ~Bench() {
    gate->stop();
    if (runner.joinable()) runner.join();
  }
  void connect() {
    paho = RawPeer::connect(gate->port());
    const std::string sent = connect_packet(gate->nonce());
    paho.send(sent);
    broker = listener.accept();
    CHECK(broker.expect(connect_packet("").size() - 2) != "");
    broker.send(kConnack);
    CHECK(paho.expect(4) == kConnack);
  }
  // From the broker; returns when the gate has seen all of it.
  void send(const std::string& packets) {
    broker.send(packets + kPingresp);
    CHECK(paho.expect(2) == kPingresp);
  }
  std::vector<std::string> taken() const {
    const Lock lock(mutex);
    return taken_;
  }
  std::string why() {
    runner.join();
    return ended->text();
  }

  RawListener listener;
  std::unique_ptr<AckGate> gate;
  std::thread runner;
  std::optional<Error> ended;
  RawPeer paho;
  RawPeer broker;

 private:
  mutable Mutex mutex;
  std::vector<std::string> taken_ GUARDED_BY(mutex);
};

std::string message(int id) { return publish_packet(1, id, "t", "x"); }

}  // namespace

TEST_CASE("acknowledgements wait in order until they are released; all else passes at once") {
  Bench bench;
  bench.connect();
  bench.send(message(1) + message(2) + message(3));
  CHECK(bench.taken().size() == 3);
  bench.paho.send(kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  CHECK(bench.broker.is_silent());
  CHECK(bench.gate->held() == 3);
  bench.gate->release_through(2);
  CHECK(bench.broker.expect(8) == puback(1) + puback(2));
  CHECK(bench.broker.is_silent());
  bench.gate->release_through(3);
  CHECK(bench.broker.expect(4) == puback(3));
  bench.gate->release_through(4);  // before it comes
  bench.broker.send(message(4));
  CHECK(bench.broker.expect(4) == puback(4));
}

TEST_CASE("of messages that come together it is told once, when all of them are held") {
  AckGateOptions options;
  std::atomic<int> told{0};
  std::atomic<std::size_t> held{0};
  Bench* other_side = nullptr;
  options.on_delivered = [&] {
    held = other_side->gate->held();
    ++told;
  };
  Bench bench(options);
  other_side = &bench;
  bench.connect();
  bench.send("");
  CHECK(told == 0);
  bench.send(message(1) + message(2) + message(3));
  CHECK(told == 1);
  CHECK(held == 3);
  // What is released while the broker is left alone leaves afterwards.
  bench.gate->release_through(4);
  CHECK(bench.broker.expect(12) == puback(1) + puback(2) + puback(3));
  bench.broker.send(message(4));
  CHECK(bench.broker.expect(4) == puback(4));
}

TEST_CASE("a message of QoS 0 is delivered, and nothing answers it") {
  Bench bench;
  bench.connect();
  bench.send(publish_packet(0, 0, "a/b", "hello"));
  CHECK(bench.taken() == std::vector<std::string>{"a/b=hello"});
  bench.gate->release_through(1);
  CHECK(bench.broker.is_silent());
}

TEST_CASE("messages that nobody wants are Paho's, and so are their acknowledgements") {
  Bench bench({}, false);
  bench.connect();
  for (const int qos : {0, 1, 2}) {
    const std::string packet = publish_packet(qos, 7, "t", "x");
    bench.broker.send(packet);
    CHECK(bench.paho.expect(packet.size()) == packet);
  }
  bench.paho.send(puback(7));
  CHECK(bench.broker.expect(4) == puback(7));
}

TEST_CASE("what may leave leaves before DISCONNECT, behind which the broker reads nothing") {
  Bench bench;
  bench.connect();
  const std::string disconnect("\xE0\x00", 2);
  bench.send(message(1) + message(2) + message(3));
  bench.gate->release_through(2);
  bench.paho.send(disconnect);
  CHECK(bench.broker.expect(10) == puback(1) + puback(2) + disconnect);
  CHECK(bench.broker.is_silent());
}

TEST_CASE("packets that are cut anywhere are understood") {
  Bench bench;
  bench.connect();
  const std::string up = publish_packet(0, 0, "t", std::string(300, 'x')) + kPingreq;
  for (const char byte : up) bench.paho.send({&byte, 1});
  CHECK(bench.broker.expect(up.size()) == up);

  const std::string large(300, 'y');
  const std::string down =
      publish_packet(1, 7, "a/b", "hello") + publish_packet(0, 0, "c", large) + kPingresp;
  for (const char byte : down) bench.broker.send({&byte, 1});
  CHECK(bench.paho.expect(2) == kPingresp);
  CHECK(bench.taken() == std::vector<std::string>{"a/b=hello", "c=" + large});
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(4) == puback(7));
}

TEST_CASE("a message of many pieces is put together once, whatever follows it") {
  Bench bench;
  bench.connect();
  const std::string large(5'000'000, 'z');
  std::thread sending(
      [&] { bench.broker.send(publish_packet(1, 1, "t", large) + message(2) + kPingresp); });
  CHECK(bench.paho.expect(2, 20s) == kPingresp);
  sending.join();
  CHECK(bench.taken() == std::vector<std::string>{"t=" + large, "t=x"});
}

TEST_CASE("a payload that looks like an acknowledgement is none") {
  Bench bench;
  bench.connect();
  const std::string tricky = publish_packet(1, 1, "t", puback(9) + pubcomp(9));
  bench.paho.send(tricky);
  CHECK(bench.broker.expect(tricky.size()) == tricky);
  bench.send(tricky);
  CHECK(bench.taken() == std::vector<std::string>{"t=" + puback(9) + pubcomp(9)});
  CHECK(bench.broker.is_silent());
}

TEST_CASE("properties of MQTT 5 are no payload, and a message that lies about them ends the line") {
  AckGateOptions options;
  options.is_v5 = true;
  Bench bench(options);
  bench.connect();
  bench.send(publish_packet(1, 1, "t", std::string("\x03\x23\x00\x01", 4) + "hello"));
  CHECK(bench.taken() == std::vector<std::string>{"t=hello"});
  bench.broker.send(publish_packet(1, 2, "t", std::string("\x09\x23\x00\x01", 4) + "x"));
  CHECK_FALSE(bench.why().empty());
}

TEST_CASE("an error of whoever takes messages ends the line with its text, unacknowledged") {
  AckGateOptions options;
  options.on_message = [](const Message&) -> Result<std::uint64_t> { return corrupt("no more"); };
  Bench bench(options);
  bench.connect();
  bench.broker.send(message(1));
  CHECK(bench.broker.expect(4) == "");
  CHECK(bench.why().find("no more") != std::string::npos);
}

TEST_CASE("a message of QoS 2 is delivered once, and its four packets are the gate's") {
  FakeDurableMap map;
  const auto receipts = std::make_shared<Receipts>(map, "broker truck");
  std::atomic<int> released{0};
  std::atomic<std::uint64_t> delivered{0};
  StateSession session;
  AckGateOptions options;
  options.receipts = receipts.get();
  options.on_connack = [&](const Connack& connack) {
    return receipts->connected(connack.is_session_present);
  };
  options.on_released = [&] { ++released; };
  options.on_message = [&](const Message& message) -> Result<std::uint64_t> {
    CHECK(message.qos == 2);
    const auto state = receipts->delivered(message.id, delivered + 1);
    session.set_state(state.first, state.second);
    return ++delivered;
  };
  REQUIRE(receipts->load(session, [] {}).ok());
  Bench bench(options);
  bench.connect();

  const std::string sent = publish_packet(2, 7, "a/b", "hello");
  for (const char byte : sent) bench.broker.send({&byte, 1});
  bench.send("");
  CHECK(delivered == 1);
  CHECK(bench.broker.is_silent());  // no PUBREC
  // It comes again: it is not delivered again, and its PUBREC waits as the first does.
  bench.send(sent);
  CHECK(delivered == 1);
  CHECK(bench.broker.is_silent());
  receipts->safe_through(1);
  bench.gate->release_through(1);
  const std::string pubrec = ack_packet(PacketType::kPubrec, 7);
  CHECK(bench.broker.expect(8) == pubrec + pubrec);
  // What is safe is acknowledged at once.
  bench.broker.send(sent);
  CHECK(bench.broker.expect(4) == pubrec);

  // PUBCOMP waits until the identifier is gone from disk; of one that is unknown it goes at once.
  bench.send(std::string("\x62\x02\x00\x07", 4) + std::string("\x62\x02\x00\x08", 4));
  CHECK(bench.broker.expect(4) == pubcomp(8));
  CHECK(released == 1);
  CHECK(bench.broker.is_silent());
  CHECK(receipts->forget(session, [&](const auto& ids) { bench.gate->complete(ids); }));
  CHECK(bench.broker.expect(4) == pubcomp(7));
  CHECK(session.all().empty());
  // Its number may now name another message.
  bench.send(publish_packet(2, 7, "a/b", "another"));
  CHECK(delivered == 2);
}

TEST_CASE("a message of QoS 2 that was not asked for is acknowledged when it is safe, as any") {
  Bench bench;
  bench.connect();
  bench.send(publish_packet(2, 7, "t", "of an earlier subscription"));
  CHECK(bench.taken().size() == 1);
  CHECK(bench.broker.is_silent());
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(4) == ack_packet(PacketType::kPubrec, 7));
  bench.broker.send(std::string("\x62\x02\x00\x07", 4));
  CHECK(bench.broker.expect(4) == pubcomp(7));
}

TEST_CASE(
    "a PUBREL of what we have not acknowledged ends the connection: it could lose a message") {
  FakeDurableMap map;
  const auto receipts = std::make_shared<Receipts>(map, "broker truck");
  AckGateOptions options;
  options.receipts = receipts.get();
  StateSession session;
  REQUIRE(receipts->load(session, [] {}).ok());
  Bench bench(options);
  bench.connect();
  bench.broker.send(publish_packet(2, 7, "t", "x") + std::string("\x62\x02\x00\x07", 4));
  CHECK(bench.why().find("message 7, which was not acknowledged") != std::string::npos);
}

TEST_CASE("a message whose head is a lie ends the connection") {
  for (const std::string& bad : {std::string("\x34\x05\x00\x01t\x00\x00", 7),  // no identifier
                                 std::string("\x32\x05\x00\x01t\x00\x00", 7),
                                 std::string("\x34\x03\x00\x09t", 5),  // shorter than its topic
                                 std::string("\x30\x01\x00", 3),       // than its topic's length
                                 std::string("\x36\x05\x00\x01t\x00\x01", 7),  // QoS 3
                                 std::string("\x62\x01\x00", 3)}) {            // a short PUBREL
    CAPTURE(bad);
    FakeDurableMap map;
    const auto receipts = std::make_shared<Receipts>(map, "broker truck");
    AckGateOptions options;
    options.receipts = receipts.get();
    Bench bench(options);
    bench.connect();
    bench.broker.send(bad);
    CHECK_FALSE(bench.why().empty());
    CHECK(bench.taken().empty());
  }
}

TEST_CASE("a stranger on loopback gets nothing through") {
  Bench bench;
  RawPeer stranger = RawPeer::connect(bench.gate->port());
  stranger.send(connect_packet("guess"));
  CHECK(bench.why() == "CONNECT comes from a stranger");
  CHECK(stranger.is_closed_by_peer());
  CHECK_FALSE(bench.listener.accept(0ms).is_open());
}

TEST_CASE("only the first connection is taken, then nobody listens") {
  Bench bench;
  bench.connect();
  CHECK_FALSE(RawPeer::connect(bench.gate->port()).is_open());
}

TEST_CASE("a broken connection forgets what was held") {
  Bench bench;
  bench.connect();
  bench.send(message(1));
  CHECK(bench.gate->held() == 1);
  bench.broker.close();
  CHECK(bench.paho.is_closed_by_peer());
  CHECK(bench.why().find("the broker closed the connection") != std::string::npos);
  CHECK(bench.gate->held() == 0);
}

TEST_CASE("what Paho says before it goes still reaches the broker, held acknowledgements do not") {
  Bench bench;
  bench.connect();
  const std::string disconnect("\xE0\x00", 2);
  bench.send(message(1));
  bench.paho.send(disconnect);
  bench.paho.close();
  CHECK(bench.broker.expect(10) == disconnect);
}

TEST_CASE("what the broker says before it goes is still delivered, and reaches Paho") {
  Bench bench;
  bench.connect();
  const std::string disconnect("\xE0\x00", 2);
  bench.broker.send(publish_packet(0, 0, "last", "words") + disconnect);
  bench.broker.close();
  CHECK(bench.paho.expect(100, 5s) == disconnect);
  CHECK(bench.taken() == std::vector<std::string>{"last=words"});
}

TEST_CASE("while paused nothing is read from the broker, and pings are answered") {
  Bench bench;
  bench.connect();
  const std::string large = publish_packet(0, 0, "t", std::string(1000, 'y'));
  bench.send("");
  bench.broker.send(large.substr(0, 500));
  bench.gate->pause(true);
  bench.paho.send(kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  CHECK(bench.paho.expect(2) == kPingresp);
  bench.broker.send(large.substr(500) + publish_packet(1, 1, "t", "later"));
  CHECK(bench.paho.is_silent());
  CHECK(bench.taken().empty());
  bench.gate->pause(false);
  bench.send("");
  CHECK(bench.taken().size() == 2);
  bench.gate->pause(true);
  bench.gate->release_through(2);
  CHECK(bench.broker.expect(4) == puback(1));
}

TEST_CASE("a pause in the middle of what Paho gets lets it have the rest before it is answered") {
  Bench bench({}, false);
  bench.connect();
  const std::string large = publish_packet(0, 0, "t", std::string(1000, 'y'));
  bench.broker.send(large.substr(0, 500));
  CHECK(bench.paho.expect(500) == large.substr(0, 500));
  bench.gate->pause(true);
  bench.paho.send(kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  bench.broker.send(large.substr(500) + publish_packet(0, 0, "t", "later"));
  CHECK(bench.paho.expect(large.size() - 500 + 2) == large.substr(500) + kPingresp);
  CHECK(bench.paho.is_silent());
  bench.gate->pause(false);
  CHECK(bench.paho.expect(100, 200ms) == publish_packet(0, 0, "t", "later"));
}

TEST_CASE("a pause stops the broker's bytes after a bounded amount") {
  Bench bench;
  bench.connect();
  bench.gate->pause(true);
  std::atomic<std::size_t> sent{0};
  std::thread flood([&] {
    const std::string packet = publish_packet(0, 0, "t", std::string(100'000, 'z'));
    for (int i = 0; i < 200; ++i) {
      bench.broker.send(packet);
      ++sent;
    }
    bench.broker.send(kPingresp);
  });
  CHECK(bench.paho.is_silent(100ms));
  CHECK(bench.taken().size() <= 1);  // what it had read before
  CHECK(sent < 200);
  bench.gate->pause(false);
  CHECK(bench.paho.expect(2, 20s) == kPingresp);
  CHECK(bench.taken().size() == 200);
  flood.join();
}

TEST_CASE("a message above the bound is not delivered, is told, and is acknowledged in its turn") {
  AckGateOptions options;
  options.packet_bytes_max = 100;
  std::vector<Oversize> told;
  options.on_oversize = [&told](const Oversize& oversize) { told.push_back(oversize); };
  Bench bench(options);
  bench.connect();
  bench.send(publish_packet(1, 1, "small", "a"));
  bench.send(publish_packet(1, 2, "large/one", std::string(200'000, 'b')) +
             publish_packet(2, 3, "large/two", std::string(101, 'b')) +
             publish_packet(0, 0, "small", "c"));
  CHECK(bench.taken() == std::vector<std::string>{"small=a", "small=c"});
  CHECK(bench.broker.expect(4) == ack_packet(PacketType::kPubrec, 3));
  CHECK(bench.broker.is_silent());
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(8) == puback(1) + puback(2));
  REQUIRE(told.size() == 2);
  CHECK(told[0].topic == "large/one");
  CHECK(told[0].size > 200'000);
}

TEST_CASE("a broker that talks nonsense ends the connection with a text that says so") {
  for (const std::string& nonsense :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("\x30\xFF\xFF\xFF\xFF\x01", 6),
        std::string(100, '\0'), std::string("\x20\xFF\xFF\xFF\x7F", 5)}) {
    Bench bench;
    bench.paho = RawPeer::connect(bench.gate->port());
    bench.paho.send(connect_packet(bench.gate->nonce()));
    bench.broker = bench.listener.accept();
    bench.broker.send(nonsense);
    CHECK(bench.paho.is_closed_by_peer());
    CHECK(bench.why().find("does not speak MQTT") != std::string::npos);
  }
}

TEST_CASE("an unreachable broker is an error that names it") {
  std::uint16_t port = RawListener().port();
  AckGateOptions options;
  options.broker = {"127.0.0.1", port, false, false, "/mqtt"};
  auto gate = *AckGate::open(options);
  std::optional<Error> ended;
  std::thread runner([&] { ended = gate->run(); });
  RawPeer paho = RawPeer::connect(gate->port());
  paho.send(connect_packet(gate->nonce()));
  CHECK(paho.is_closed_by_peer());
  runner.join();
  CHECK(ended->code() == Code::kUnavailable);
  CHECK(ended->text().find("Connection refused") != std::string::npos);
  CHECK(ended->text().find("tcp://127.0.0.1:" + std::to_string(port)) != std::string::npos);
}

TEST_CASE("a cut gate lets nothing more out") {
  Bench bench;
  bench.connect();
  bench.send(message(1));
  bench.gate->cut();
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(4) == "");
}

}  // namespace runnel::mqtt
