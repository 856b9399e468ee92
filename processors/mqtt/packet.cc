// MQTT packets, as far as the ack gate has to understand them.

#include "processors/mqtt/packet.h"

#include "agent/base/hash.h"

namespace runnel::mqtt {
namespace {

constexpr std::size_t kLengthBytesMax = 4;

std::uint16_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>((static_cast<unsigned char>(bytes[at]) << 8) |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

// Walks over the fields of a packet; every step is checked against its end.
class Walk {
 public:
  explicit Walk(std::string_view bytes) : bytes_(bytes) {}

  Result<> skip(std::size_t count) {
    if (bytes_.size() - at_ < count) return invalid("the packet is shorter than it says");
    at_ += count;
    return {};
  }
  Result<std::string_view> field() {
    const std::size_t begin = at_;
    TRY(skip(2));
    const std::size_t size = u16_at(bytes_, begin);
    TRY(skip(size));
    return bytes_.substr(begin + 2, size);
  }
  Result<std::uint8_t> byte() {
    TRY(skip(1));
    return static_cast<std::uint8_t>(bytes_[at_ - 1]);
  }
  Result<std::uint32_t> number(std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      TRY_ASSIGN(next, byte());
      value = value << 8 | next;
    }
    return value;
  }
  Result<std::size_t> length() {
    std::size_t value = 0;
    for (unsigned shift = 0; shift < 7 * kLengthBytesMax; shift += 7) {
      TRY_ASSIGN(next, byte());
      value |= static_cast<std::size_t>(next & 0x7F) << shift;
      if ((next & 0x80) == 0) return value;
    }
    return invalid("a length has more than four bytes");
  }
  // MQTT 5: a block of properties.
  Result<> properties() {
    TRY_ASSIGN(size, length());
    return skip(size);
  }
  std::size_t at() const { return at_; }
  bool is_at_end() const { return at_ == bytes_.size(); }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

constexpr std::uint8_t kUsernameFlag = 0x80;
constexpr std::uint8_t kPasswordFlag = 0x40;
constexpr std::uint8_t kWillFlag = 0x04;

}  // namespace

Result<std::optional<FixedHeader>> read_fixed_header(std::string_view bytes) {
  if (bytes.empty()) return std::optional<FixedHeader>{};
  FixedHeader header;
  header.first = static_cast<std::uint8_t>(bytes[0]);
  if ((header.first >> 4) == 0) return corrupt("a packet of type 0 is no MQTT");
  for (std::size_t i = 0; i < kLengthBytesMax; ++i) {
    if (1 + i >= bytes.size()) return std::optional<FixedHeader>{};
    const auto next = static_cast<std::uint8_t>(bytes[1 + i]);
    header.remaining |= static_cast<std::uint32_t>(next & 0x7F) << (7 * i);
    if ((next & 0x80) == 0) {
      header.size = 2 + i;
      return std::optional<FixedHeader>(header);
    }
  }
  return corrupt("a packet's length has more than four bytes");
}

void append_length(std::string& out, std::size_t length) {
  do {
    const auto low = static_cast<unsigned char>(length & 0x7F);
    length >>= 7;
    out.push_back(static_cast<char>(length == 0 ? low : low | 0x80));
  } while (length != 0);
}

void append_field(std::string& out, std::string_view field) {
  out.push_back(static_cast<char>((field.size() >> 8) & 0xFF));
  out.push_back(static_cast<char>(field.size() & 0xFF));
  out.append(field);
}

std::uint16_t packet_id(std::string_view body) { return u16_at(body, 0); }

std::string ack_packet(PacketType type, std::uint16_t id) {
  std::string packet;
  packet.push_back(static_cast<char>(static_cast<unsigned>(type) << 4));
  packet.push_back(2);
  packet.push_back(static_cast<char>(id >> 8));
  packet.push_back(static_cast<char>(id & 0xFF));
  return packet;
}

Result<std::optional<PublishHead>> read_publish_head(const FixedHeader& header,
                                                     std::string_view body) {
  const std::size_t id_size = header.qos() == 0 ? 0 : 2;
  if (header.qos() == 3) return corrupt("a PUBLISH of QoS 3 is no MQTT");
  if (header.remaining < 2) return corrupt("a PUBLISH without a topic is no MQTT");
  if (body.size() < 2) return std::optional<PublishHead>{};
  const std::size_t topic_size = u16_at(body, 0);
  const std::size_t head_size = 2 + topic_size + id_size;
  if (header.remaining < head_size) return corrupt("a PUBLISH is shorter than its topic");
  if (body.size() < head_size) return std::optional<PublishHead>{};
  PublishHead head;
  head.topic = body.substr(2, topic_size);
  if (id_size != 0) head.id = u16_at(body, 2 + topic_size);
  return std::optional<PublishHead>(head);
}

namespace {

// MQTT 5.0 table 2-4, those that a PUBLISH may have; what kind of value each has.
enum PublishProperty : std::uint8_t {
  kPayloadFormat = 0x01,    // one byte
  kMessageExpiry = 0x02,    // four
  kContentType = 0x03,      // text
  kResponseTopic = 0x08,    // text
  kCorrelationData = 0x09,  // binary data
  kSubscriptionId = 0x0B,   // a length
  kTopicAlias = 0x23,       // two
};

// MQTT 5.0 table 2-4, those that a CONNACK may have.
enum ConnackProperty : std::uint8_t {
  kSessionExpiry = 0x11,    // four bytes
  kServerKeepAlive = 0x13,  // two
  kReasonString = 0x1F,     // text
  kReceiveMaximum = 0x21,   // two
  kTopicAliasMaximum = 0x22,
  kMaximumQos = 0x24,  // one
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,  // two texts
  kMaximumPacketSize = 0x27,
  kWildcardAvailable = 0x28,
  kIdsAvailable = 0x29,
  kSharedAvailable = 0x2A,
};

Result<> read_connack_property(Walk& walk, Connack& connack) {
  TRY_ASSIGN(property, walk.byte());
  switch (property) {
    case kSessionExpiry:
      return walk.skip(4);
    case kMaximumPacketSize: {
      TRY_ASSIGN(value, walk.number(4));
      connack.packet_bytes_max = value;
      return {};
    }
    case kServerKeepAlive:
    case kReceiveMaximum:
    case kTopicAliasMaximum:
      return walk.skip(2);
    case kMaximumQos:
    case kRetainAvailable:
    case kWildcardAvailable:
    case kIdsAvailable:
    case kSharedAvailable:
      return walk.skip(1);
    case kReasonString: {
      TRY_ASSIGN(text, walk.field());
      connack.reason = text;
      return {};
    }
    case kUserProperty:
      TRY(walk.field());
      TRY(walk.field());
      return {};
    default:  // texts and binary data
      TRY(walk.field());
      return {};
  }
}

Result<> read_publish_property(Walk& walk, Message& message) {
  TRY_ASSIGN(property, walk.byte());
  const auto read_text = [&walk](std::optional<std::string_view>& into) -> Result<> {
    TRY_ASSIGN(text, walk.field());
    into = text;
    return {};
  };
  switch (property) {
    case kPayloadFormat:
      return walk.skip(1);
    case kMessageExpiry:
      return walk.skip(4);
    case kContentType:
      return read_text(message.content_type);
    case kResponseTopic:
      return read_text(message.response_topic);
    case kCorrelationData:
      return read_text(message.correlation_data);
    case kSubscriptionId:
      TRY(walk.length());
      return {};
    case kTopicAlias: {
      TRY_ASSIGN(alias, walk.number(2));
      message.topic_alias = static_cast<std::uint16_t>(alias);
      return {};
    }
    case kUserProperty: {
      TRY_ASSIGN(name, walk.field());
      TRY_ASSIGN(value, walk.field());
      message.user_properties.emplace_back(name, value);
      return {};
    }
    default:
      return corrupt("a PUBLISH has the unknown property " + std::to_string(property));
  }
}

Result<> read_publish_properties(Walk& walk, Message& message) {
  TRY_ASSIGN(size, walk.length());
  const std::size_t end = walk.at() + size;
  while (walk.at() < end) TRY(read_publish_property(walk, message));
  if (walk.at() != end) return corrupt("a PUBLISH's properties are longer than they say");
  return {};
}

}  // namespace

Result<Message> read_publish(const FixedHeader& header, std::string_view body, bool is_v5) {
  TRY_ASSIGN(head, read_publish_head(header, body));
  if (!head || body.size() != header.remaining) return corrupt("a PUBLISH is not whole");
  Message message;
  message.topic = head->topic;
  message.qos = header.qos();
  message.is_retained = header.is_retained();
  message.is_duplicate = header.is_duplicate();
  message.id = head->id;
  if (message.qos > 0 && message.id == 0) return corrupt("a PUBLISH has no packet identifier");
  Walk walk(body);
  TRY(walk.skip(2 + head->topic.size() + (message.qos > 0 ? 2 : 0)));
  if (is_v5) {
    const Result<> read = read_publish_properties(walk, message);
    if (!read.ok()) return corrupt(read.error().text());
  }
  message.payload = body.substr(walk.at());
  return message;
}

Result<Connack> read_connack(std::string_view packet) {
  TRY_ASSIGN(header, read_fixed_header(packet));
  if (!header || header->type() != PacketType::kConnack || header->whole() != packet.size() ||
      header->remaining < 2) {
    return corrupt("the first packet is no CONNACK");
  }
  Connack connack;
  Walk walk(packet.substr(header->size));
  TRY_ASSIGN(flags, walk.byte());
  connack.is_session_present = (flags & 1) != 0;
  TRY_ASSIGN(code, walk.byte());
  connack.code = code;
  if (walk.is_at_end()) return connack;
  TRY_ASSIGN(size, walk.length());
  const std::size_t end = walk.at() + size;
  while (walk.at() < end && !walk.is_at_end()) TRY(read_connack_property(walk, connack));
  return connack;
}

Result<std::string> replace_credentials(std::string_view packet, std::string_view nonce,
                                        const Credentials& credentials) {
  TRY_ASSIGN(header, read_fixed_header(packet));
  if (!header || header->type() != PacketType::kConnect || header->whole() != packet.size()) {
    return invalid("the first packet is no CONNECT");
  }
  const std::string_view body = packet.substr(header->size);
  Walk walk(body);
  TRY(walk.field().within("protocol name"));
  TRY_ASSIGN(level, walk.byte());
  const std::size_t flags_at = walk.at();
  TRY_ASSIGN(flags, walk.byte());
  TRY(walk.skip(2));  // keep alive
  if (level >= 5) TRY(walk.properties());
  TRY(walk.field().within("client id"));
  if ((flags & kWillFlag) != 0) {
    if (level >= 5) TRY(walk.properties());
    TRY(walk.field().within("will topic"));
    TRY(walk.field().within("will message"));
  }
  const std::size_t tail_at = walk.at();
  if ((flags & kUsernameFlag) == 0) return invalid("CONNECT has no user name");
  TRY_ASSIGN(username, walk.field());
  if ((flags & kPasswordFlag) != 0) TRY(walk.field().within("password"));
  if (!walk.is_at_end()) return invalid("CONNECT is longer than its fields");
  if (!equal_in_constant_time(username, nonce)) return invalid("CONNECT comes from a stranger");

  std::string changed(body.substr(0, tail_at));
  flags = static_cast<std::uint8_t>(flags & ~(kUsernameFlag | kPasswordFlag));
  if (credentials.username) {
    flags |= kUsernameFlag;
    append_field(changed, *credentials.username);
  }
  if (credentials.password) {
    flags |= kPasswordFlag;
    append_field(changed, *credentials.password);
  }
  changed[flags_at] = static_cast<char>(flags);
  std::string out(1, packet[0]);
  append_length(out, changed.size());
  return out + changed;
}

}  // namespace runnel::mqtt
