// MQTT packets, as far as the ack gate has to understand them: fixed headers, packet identifiers,
// CONNECT and PUBLISH.
//
// Source: OASIS MQTT 3.1.1 and 5.0, sections 2.2 (fixed header), 3.1 (CONNECT) and 3.3 (PUBLISH).

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace runnel::mqtt {

enum class PacketType : std::uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
};

struct FixedHeader {
  std::uint8_t first = 0;       // packet type and flags
  std::uint32_t remaining = 0;  // bytes that follow the header
  std::size_t size = 0;         // of the header itself

  PacketType type() const { return static_cast<PacketType>(first >> 4); }
  int qos() const { return (first >> 1) & 3; }  // this and the following: of a PUBLISH
  bool is_duplicate() const { return (first & 8) != 0; }
  bool is_retained() const { return (first & 1) != 0; }
  std::size_t whole() const { return size + remaining; }
};

// The fixed header at the begin of `bytes`, or none when more bytes are needed. kCorrupt when no
// packet can begin so.
Result<std::optional<FixedHeader>> read_fixed_header(std::string_view bytes);

// Behind the first byte: the remaining length in one to four bytes.
void append_length(std::string& out, std::size_t length);
// A text or binary field: two bytes of length, then the bytes.
void append_field(std::string& out, std::string_view field);

// The packet identifier at the begin of `body`, which has two bytes at least.
std::uint16_t packet_id(std::string_view body);
// A packet of a type that has nothing but a packet identifier: PUBACK, PUBREC, PUBCOMP.
std::string ack_packet(PacketType type, std::uint16_t id);

// The begin of a PUBLISH's body.
struct PublishHead {
  std::string_view topic;
  std::uint16_t id = 0;  // 0 at QoS 0
};
// None when `body` does not hold all of it yet; kCorrupt when the packet is too short for it.
Result<std::optional<PublishHead>> read_publish_head(const FixedHeader& header,
                                                     std::string_view body);

// What a PUBLISH says; the views hold as long as the packet's bytes.
struct Message {
  std::string_view topic;  // MQTT 5: empty where `topic_alias` stands for it
  std::string_view payload;
  int qos = 0;
  bool is_retained = false;
  bool is_duplicate = false;
  std::uint16_t id = 0;  // 0 at QoS 0
  // MQTT 5:
  std::optional<std::uint16_t> topic_alias;
  std::vector<std::pair<std::string_view, std::string_view>> user_properties;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> response_topic;
  std::optional<std::string_view> correlation_data;
};
// The whole body of a PUBLISH. kCorrupt when it is none.
Result<Message> read_publish(const FixedHeader& header, std::string_view body, bool is_v5);

// What a broker answers to CONNECT.
struct Connack {
  bool is_session_present = false;
  std::uint8_t code = 0;               // 0: accepted
  std::uint32_t packet_bytes_max = 0;  // MQTT 5: what it takes; 0: no bound
  std::string reason;                  // MQTT 5: in its own words
};
// A whole CONNACK packet. kCorrupt when it is none.
Result<Connack> read_connack(std::string_view packet);

struct Credentials {
  std::optional<std::string> username;
  std::optional<std::string> password;
};

// A whole CONNECT packet whose user name must be `nonce`; the same packet with `credentials`
// instead. kInvalid when it is no CONNECT or the nonce is wrong.
Result<std::string> replace_credentials(std::string_view packet, std::string_view nonce,
                                        const Credentials& credentials);

}  // namespace runnel::mqtt
