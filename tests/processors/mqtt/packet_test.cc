// MQTT packets as the gate reads them.

#include "processors/mqtt/packet.h"

#include <doctest/doctest.h>

#include "processors/mqtt/broker_address.h"

namespace runnel::mqtt {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

std::string connect_311(std::string_view username, bool has_will) {
  std::string body;
  append_field(body, "MQTT");
  body += bytes({4, has_will ? 0x86 : 0x82, 0, 60});
  append_field(body, "truck-1");
  if (has_will) {
    append_field(body, "will/topic");
    append_field(body, "gone");
  }
  append_field(body, username);
  std::string packet(1, 0x10);
  append_length(packet, body.size());
  return packet + body;
}

}  // namespace

TEST_CASE("a fixed header is read when it is whole, and refused when it can be none") {
  CHECK_FALSE(read_fixed_header("")->has_value());
  CHECK_FALSE(read_fixed_header(bytes({0x40}))->has_value());
  CHECK_FALSE(read_fixed_header(bytes({0x30, 0x80}))->has_value());
  const auto header = *read_fixed_header(bytes({0x30, 0xFF, 0xFF, 0xFF, 0x7F}));
  REQUIRE(header);
  CHECK(header->remaining == 268'435'455);
  CHECK(header->size == 5);
  CHECK(read_fixed_header(bytes({0x30, 0xFF, 0xFF, 0xFF, 0xFF})).code() == Code::kCorrupt);
  CHECK(read_fixed_header(bytes({0x00, 0x00})).code() == Code::kCorrupt);
}

TEST_CASE("a length is written as it is read") {
  for (const std::size_t length :
       {0UL, 127UL, 128UL, 16'383UL, 16'384UL, 2'097'152UL, 268'435'455UL}) {
    std::string packet = bytes({0x30});
    append_length(packet, length);
    const auto header = *read_fixed_header(packet);
    REQUIRE(header);
    CHECK(header->remaining == length);
    CHECK(header->size == packet.size());
  }
}

TEST_CASE("the nonce in CONNECT is replaced by the real credentials") {
  for (const bool has_will : {false, true}) {
    const std::string packet = connect_311("nonce", has_will);
    const auto changed = replace_credentials(packet, "nonce", {"truck", "secret"});
    REQUIRE(changed.ok());
    const auto header = *read_fixed_header(*changed);
    CHECK(header->whole() == changed->size());
    CHECK(static_cast<unsigned char>((*changed)[9]) == (has_will ? 0xC6 : 0xC2));
    CHECK(changed->find("nonce") == std::string::npos);
    CHECK(changed->substr(changed->size() - 15) == std::string("\0\5truck\0\6secret", 15));

    const auto anonymous = replace_credentials(packet, "nonce", {});
    REQUIRE(anonymous.ok());
    CHECK(static_cast<unsigned char>((*anonymous)[9]) == (has_will ? 0x06 : 0x02));
    CHECK(read_fixed_header(*anonymous).value()->whole() == anonymous->size());
  }
}

TEST_CASE("a CONNECT with properties, as MQTT 5 has it, keeps them") {
  std::string body;
  append_field(body, "MQTT");
  body += bytes({5, 0x82, 0, 60, 5, 0x11, 0, 0, 0, 9});
  append_field(body, "truck-1");
  append_field(body, "nonce");
  std::string packet(1, 0x10);
  append_length(packet, body.size());
  packet += body;
  const auto changed = replace_credentials(packet, "nonce", {"truck", {}});
  REQUIRE(changed.ok());
  CHECK(changed->find(bytes({5, 0x11, 0, 0, 0, 9})) != std::string::npos);
  CHECK(changed->substr(changed->size() - 7) == std::string("\0\5truck", 7));
}

TEST_CASE("a CONNECT that lies about its lengths, or comes from a stranger, is refused") {
  const std::string good = connect_311("nonce", true);
  CHECK(replace_credentials(good, "other", {}).error().text() == "CONNECT comes from a stranger");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CHECK_FALSE(replace_credentials(good.substr(0, cut), "nonce", {}).ok());
  }
  for (std::size_t at = 2; at < good.size(); ++at) {
    std::string broken = good;
    broken[at] = '\xFF';
    static_cast<void>(replace_credentials(broken, "nonce", {}));  // never reads beyond its end
  }
  CHECK_FALSE(replace_credentials(bytes({0xC0, 0}), "nonce", {}).ok());
}

TEST_CASE("CONNACK tells what the broker takes, and why it refuses") {
  const auto old = read_connack(bytes({0x20, 2, 1, 0}));
  REQUIRE(old.ok());
  CHECK(old->is_session_present);
  CHECK(old->code == 0);
  const auto refused = read_connack(bytes({0x20, 11, 0, 0x87, 8, 0x27, 0, 0, 4, 0, 0x24, 1, 0x25}));
  CHECK_FALSE(refused.ok());  // a property without its value
  const auto told =
      read_connack(bytes({0x20, 14, 0, 0x87, 11, 0x27, 0, 0, 4, 0, 0x1F, 0, 3, 'w', 'h', 'y'}));
  REQUIRE(told.ok());
  CHECK(told->code == 0x87);
  CHECK(told->packet_bytes_max == 1024);
  CHECK(told->reason == "why");
}

namespace {

// Any PUBLISH of these tests.
Result<Message> read(int first, const std::string& body, bool is_v5) {
  FixedHeader header;
  header.first = static_cast<std::uint8_t>(first);
  header.remaining = static_cast<std::uint32_t>(body.size());
  header.size = 2;
  return read_publish(header, body, is_v5);
}

}  // namespace

TEST_CASE("a PUBLISH says what it is, and where its payload begins") {
  const std::string body = bytes({0, 3, 'a', '/', 'b'}) + "hello";
  const auto plain = read(0x30, body, false);
  REQUIRE(plain.ok());
  CHECK(plain->topic == "a/b");
  CHECK(plain->payload == "hello");
  CHECK(plain->qos == 0);
  CHECK(plain->id == 0);
  CHECK_FALSE(plain->is_retained);
  CHECK_FALSE(plain->is_duplicate);
  const std::string empty = bytes({0, 1, 't', 1, 2});
  const auto all = read(0x3D, empty, false);
  REQUIRE(all.ok());
  CHECK(all->qos == 2);
  CHECK(all->id == 258);
  CHECK(all->is_retained);
  CHECK(all->is_duplicate);
  CHECK(all->payload.empty());
}

TEST_CASE("a PUBLISH of MQTT 5 tells its properties") {
  const std::string properties =
      bytes({0x01, 1, 0x02, 0, 0, 0, 9, 0x03, 0, 2, 'c', 't', 0x08, 0, 1, 'r', 0x09, 0, 2, 0, 7}) +
      bytes({0x0B, 0x80, 0x01, 0x23, 0, 4, 0x26, 0, 1, 'k', 0, 1, 'v', 0x26, 0, 1, 'k', 0, 0});
  std::string body = bytes({0, 1, 't', 0, 5});
  append_length(body, properties.size());
  body += properties + "payload";
  const auto message = read(0x32, body, true);
  REQUIRE(message.ok());
  CHECK(message->payload == "payload");
  CHECK(message->content_type == "ct");
  CHECK(message->response_topic == "r");
  CHECK(message->correlation_data == std::string_view("\0\7", 2));
  CHECK(message->topic_alias == 4);
  REQUIRE(message->user_properties.size() == 2);
  CHECK(message->user_properties[0] == std::pair<std::string_view, std::string_view>("k", "v"));
  CHECK(message->user_properties[1].second.empty());
  const std::string without = bytes({0, 1, 't', 0, 5, 0});
  const auto bare = read(0x32, without, true);
  REQUIRE(bare.ok());
  CHECK(bare->payload.empty());
  CHECK_FALSE(bare->topic_alias);
}

TEST_CASE("a PUBLISH that lies about its fields is refused, and never read beyond its end") {
  const std::string properties =
      bytes({0x03, 0, 2, 'c', 't', 0x23, 0, 4, 0x26, 0, 1, 'k', 0, 1, 'v'});
  std::string good = bytes({0, 1, 't', 0, 5});
  append_length(good, properties.size());
  good += properties;
  REQUIRE(read(0x32, good, true).ok());
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CHECK(read(0x32, good.substr(0, cut), true).code() == Code::kCorrupt);
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char other : {'\0', '\x7F', '\xFF'}) {
      std::string broken = good;
      broken[at] = other;
      static_cast<void>(read(0x32, broken, true));
    }
  }
  CHECK(read(0x36, good, true).code() == Code::kCorrupt);                       // QoS 3
  CHECK(read(0x32, bytes({0, 1, 't', 0, 0}), false).code() == Code::kCorrupt);  // no identifier
  CHECK(read(0x32, bytes({0, 1, 't', 0, 5, 1, 0x7E}), true).code() == Code::kCorrupt);  // unknown
}

TEST_CASE("a Broker URI says where the broker is, or what is wrong with it") {
  CHECK(parse_broker_uri("tcp://bus:1884")->text() == "tcp://bus:1884");
  CHECK(parse_broker_uri("mqtts://bus")->text() == "ssl://bus:8883");
  CHECK(parse_broker_uri("bus")->text() == "tcp://bus:1883");
  CHECK(parse_broker_uri("wss://bus/x/y")->text() == "wss://bus:443/x/y");
  CHECK(parse_broker_uri("ssl://[fd00::1]:99")->text() == "ssl://[fd00::1]:99");
  CHECK(parse_broker_uri("tcp://[fd00::1]:99")->host == "fd00::1");
  for (const char* bad :
       {"", "http://bus", "tcp://", "tcp://bus:0", "tcp://bus:65536", "tcp://bus:x",
        "tcp://u:p@bus", "tcp://fd00::1", "tcp://bus/path", "tcp://a b:1", "tcp://[fd00::1"}) {
    CAPTURE(bad);
    CHECK(parse_broker_uri(bad).code() == Code::kInvalid);
  }
}

}  // namespace runnel::mqtt
