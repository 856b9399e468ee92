// The ack gate, byte by byte, between a broker and a Paho that are sockets of this test.

#include "processors/mqtt/ack_gate.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

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

// A gate whose n-th acknowledgement has the number n.
struct Bench {
  explicit Bench(AckGateOptions options = {}) {
    options.broker.host = "127.0.0.1";
    options.broker.port = listener.port();
    if (!options.number_of) {
      options.number_of = [this](std::uint16_t) { return ++asked; };
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
  std::string why() {
    runner.join();
    return ended->text();
  }

  RawListener listener;
  std::unique_ptr<AckGate> gate;
  std::thread runner;
  std::optional<Error> ended;
  std::atomic<std::uint64_t> asked{0};
  RawPeer paho;
  RawPeer broker;
};

}  // namespace

TEST_CASE("acknowledgements wait in order until they are released; all else passes at once") {
  Bench bench;
  bench.connect();
  bench.paho.send(puback(1) + puback(2) + kPingreq + puback(3));
  CHECK(bench.broker.expect(2) == kPingreq);
  CHECK(bench.broker.is_silent());
  CHECK(bench.gate->held() == 3);
  bench.gate->release_through(2);
  CHECK(bench.broker.expect(8) == puback(1) + puback(2));
  CHECK(bench.broker.is_silent());
  bench.gate->release_through(3);
  CHECK(bench.broker.expect(4) == puback(3));
  bench.gate->release_through(4);  // before it comes
  bench.paho.send(puback(4));
  CHECK(bench.broker.expect(4) == puback(4));
}

TEST_CASE("of acknowledgements that come together it is told once, when all of them are held") {
  AckGateOptions options;
  std::atomic<int> told{0};
  std::atomic<std::size_t> held{0};
  Bench* other_side = nullptr;
  options.on_held = [&] {
    held = other_side->gate->held();
    ++told;
  };
  Bench bench(options);
  other_side = &bench;
  bench.connect();
  bench.paho.send(kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  CHECK(told == 0);
  bench.paho.send(puback(1) + puback(2) + puback(3) + kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  CHECK(told == 1);
  CHECK(held == 3);
  // What is released while it lies unread leaves, too.
  bench.paho.send(puback(4));
  bench.gate->release_through(4);
  CHECK(bench.broker.expect(16) == puback(1) + puback(2) + puback(3) + puback(4));
}

TEST_CASE("what may leave leaves before DISCONNECT, behind which the broker reads nothing") {
  Bench bench;
  bench.connect();
  const std::string disconnect("\xE0\x00", 2);
  bench.gate->release_through(2);
  bench.paho.send(puback(1) + puback(2) + puback(3) + disconnect);
  CHECK(bench.broker.expect(10) == puback(1) + puback(2) + disconnect);
  CHECK(bench.broker.is_silent());
}

TEST_CASE("packets that are cut anywhere are understood") {
  Bench bench;
  bench.connect();
  const std::string stream =
      puback(1) + publish_packet(0, 0, "t", std::string(300, 'x')) + puback(2);
  for (const char byte : stream) bench.paho.send({&byte, 1});
  const std::string passed = publish_packet(0, 0, "t", std::string(300, 'x'));
  CHECK(bench.broker.expect(passed.size()) == passed);
  CHECK(bench.broker.is_silent());
  bench.gate->release_through(2);
  CHECK(bench.broker.expect(8) == puback(1) + puback(2));

  std::string down = publish_packet(1, 7, "a/b", "hello") + kPingresp;
  for (const char byte : down) bench.broker.send({&byte, 1});
  CHECK(bench.paho.expect(down.size()) == down);
}

TEST_CASE("a payload that looks like an acknowledgement is none") {
  Bench bench;
  bench.connect();
  const std::string tricky = publish_packet(1, 1, "t", puback(9) + pubcomp(9));
  bench.paho.send(tricky);
  CHECK(bench.broker.expect(tricky.size()) == tricky);
  CHECK(bench.asked == 0);
}

TEST_CASE("the four packets of QoS 2 are the gate's: Paho has a message of QoS 1") {
  FakeDurableMap map;
  const auto receipts = std::make_shared<Receipts>(map, "broker truck");
  std::atomic<int> released{0};
  AckGateOptions options;
  options.receipts = receipts.get();
  options.on_connack = [&](const Connack& connack) {
    return receipts->connected(connack.is_session_present);
  };
  options.on_released = [&] { ++released; };
  StateSession session;
  REQUIRE(receipts->load(session, [] {}).ok());
  Bench bench(options);
  bench.connect();

  const std::string sent = publish_packet(2, 7, "a/b", "hello");
  for (const char byte : sent) bench.broker.send({&byte, 1});
  const std::string passed = publish_packet(1, 7, "a/b", "hello");
  CHECK(bench.paho.expect(passed.size()) == passed);
  const auto state = receipts->delivered(7, 1);
  session.set_state(state.first, state.second);
  bench.paho.send(puback(7) + kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);  // and no PUBREC
  // It comes again: it is not delivered again, and its PUBREC waits as the first does.
  bench.broker.send(sent + kPingresp);
  CHECK(bench.paho.expect(2) == kPingresp);
  CHECK(bench.broker.is_silent());
  receipts->safe_through(1);
  bench.gate->release_through(1);
  const std::string pubrec = ack_packet(PacketType::kPubrec, 7);
  CHECK(bench.broker.expect(8) == pubrec + pubrec);
  // What is safe is acknowledged at once.
  bench.broker.send(sent);
  CHECK(bench.broker.expect(4) == pubrec);

  // PUBCOMP waits until the identifier is gone from disk; of one that is unknown it goes at once.
  const std::string pubrel("\x62\x02\x00\x07", 4);
  bench.broker.send(pubrel + std::string("\x62\x02\x00\x08", 4) + kPingresp);
  CHECK(bench.paho.expect(2) == kPingresp);
  CHECK(bench.broker.expect(4) == pubcomp(8));
  CHECK(released == 1);
  CHECK(bench.broker.is_silent());
  CHECK(receipts->forget(session, [&](const auto& ids) { bench.gate->complete(ids); }));
  CHECK(bench.broker.expect(4) == pubcomp(7));
  CHECK(session.all().empty());
  // Its number may now name another message.
  const std::string next = publish_packet(2, 7, "a/b", "another");
  bench.broker.send(next);
  const std::string next_passed = publish_packet(1, 7, "a/b", "another");
  CHECK(bench.paho.expect(next_passed.size()) == next_passed);
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

TEST_CASE("a message of QoS 2 whose head is a lie ends the connection") {
  for (const std::string& bad : {std::string("\x34\x05\x00\x01t\x00\x00", 7),  // no identifier
                                 std::string("\x34\x03\x00\x09t", 5),  // shorter than its topic
                                 std::string("\x62\x01\x00", 3)}) {    // a short PUBREL
    FakeDurableMap map;
    const auto receipts = std::make_shared<Receipts>(map, "broker truck");
    AckGateOptions options;
    options.receipts = receipts.get();
    Bench bench(options);
    bench.connect();
    bench.broker.send(bad);
    CHECK_FALSE(bench.why().empty());
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
  bench.paho.send(puback(1) + kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  bench.broker.close();
  CHECK(bench.paho.is_closed_by_peer());
  CHECK(bench.why().find("the broker closed the connection") != std::string::npos);
  CHECK(bench.gate->held() == 0);
}

TEST_CASE("what Paho says before it goes still reaches the broker, held acknowledgements do not") {
  Bench bench;
  bench.connect();
  const std::string disconnect("\xE0\x00", 2);
  bench.paho.send(puback(1) + disconnect);
  bench.paho.close();
  CHECK(bench.broker.expect(10) == disconnect);
}

TEST_CASE("what the broker says before it goes still reaches Paho") {
  Bench bench;
  bench.connect();
  bench.broker.send(publish_packet(0, 0, "last", "words"));
  bench.broker.close();
  CHECK(bench.paho.expect(100, 5s) == publish_packet(0, 0, "last", "words"));
}

TEST_CASE(
    "while paused nothing is read from the broker, pings are answered at the end of a packet") {
  Bench bench;
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
  bench.paho.send(puback(1));
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(4) == puback(1));
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
      sent += packet.size();
    }
  });
  CHECK(bench.paho.is_silent(100ms));
  bench.gate->pause(false);
  const std::size_t all = 200 * publish_packet(0, 0, "t", std::string(100'000, 'z')).size();
  CHECK(bench.paho.expect(all).size() == all);
  flood.join();
  CHECK(sent == all);
}

TEST_CASE(
    "a message above the bound never reaches Paho, is told, and is acknowledged in its turn") {
  AckGateOptions options;
  options.packet_bytes_max = 100;
  std::vector<Oversize> told;
  options.on_oversize = [&told](const Oversize& oversize) { told.push_back(oversize); };
  Bench bench(options);
  bench.connect();
  bench.broker.send(publish_packet(1, 1, "small", "a"));
  CHECK(bench.paho.expect(publish_packet(1, 1, "small", "a").size()).size() > 0);
  bench.paho.send(puback(1));
  bench.broker.send(publish_packet(1, 2, "large/one", std::string(200'000, 'b')) +
                    publish_packet(2, 3, "large/two", std::string(101, 'b')) +
                    publish_packet(0, 0, "small", "c"));
  CHECK(bench.paho.expect(publish_packet(0, 0, "small", "c").size()) ==
        publish_packet(0, 0, "small", "c"));
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
  bench.paho.send(puback(1) + kPingreq);
  CHECK(bench.broker.expect(2) == kPingreq);
  bench.gate->cut();
  bench.gate->release_through(1);
  CHECK(bench.broker.expect(4) == "");
}

}  // namespace runnel::mqtt
