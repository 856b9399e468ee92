// Any bytes as what a broker sends: packet by packet, as MQTT 3.1.1 and as MQTT 5.
//
// What is refused is kCorrupt or kInvalid. Of a message that is accepted, all lies inside of its
// packet, and its payload ends with it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "processors/mqtt/packet.h"

namespace {

using namespace runnel::mqtt;

void must(bool holds) {
  if (!holds) std::abort();
}

void must_lie_in(std::string_view part, std::string_view whole) {
  if (part.data() == nullptr) return;
  must(part.data() >= whole.data());
  must(part.data() + part.size() <= whole.data() + whole.size());
}

void read_message(const FixedHeader& header, std::string_view body, bool is_v5) {
  const auto read = read_publish(header, body, is_v5);
  if (!read.ok()) {
    must(read.code() == runnel::Code::kCorrupt);
    return;
  }
  must_lie_in(read->topic, body);
  must_lie_in(read->payload, body);
  must(read->payload.data() + read->payload.size() == body.data() + body.size());
  for (const auto& [name, value] : read->user_properties) {
    must_lie_in(name, body);
    must_lie_in(value, body);
  }
  for (const auto& text : {read->content_type, read->response_topic, read->correlation_data}) {
    if (text) must_lie_in(*text, body);
  }
  must(read->qos <= 2 && (read->qos == 0) == (read->id == 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  while (true) {
    const auto header = read_fixed_header(bytes);
    if (!header.ok() || !*header || bytes.size() < (*header)->whole()) return 0;
    const std::string_view packet = bytes.substr(0, (*header)->whole());
    const std::string_view body = packet.substr((*header)->size);
    if ((*header)->type() == PacketType::kPublish) {
      read_message(**header, body, false);
      read_message(**header, body, true);
    }
    static_cast<void>(read_connack(packet));
    static_cast<void>(replace_credentials(packet, "nonce", {"truck", "secret"}));
    bytes.remove_prefix(packet.size());
  }
}
