// What the benches that speak MQTT byte by byte have in common.

#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "processors/mqtt/packet.h"
#include "tests/support/raw_peer.h"

namespace runnel::test {

// `first`: the packet's type and flags.
inline std::string mqtt_packet(char first, const std::string& body) {
  std::string out(1, first);
  mqtt::append_length(out, body.size());
  return out + body;
}

// A client without keep-alive, whose CONNECT the broker has accepted.
inline RawPeer mqtt_connect(std::uint16_t port, const std::string& client_id, bool is_clean) {
  RawPeer peer = RawPeer::connect(port);
  std::string body;
  mqtt::append_field(body, "MQTT");
  body += std::string({4, static_cast<char>(is_clean ? 2 : 0), 0, 0});
  mqtt::append_field(body, client_id);
  peer.send(mqtt_packet(0x10, body));
  if (peer.expect(4).size() != 4) throw std::runtime_error("the MQTT broker refuses");
  return peer;
}

// At QoS 1; the broker has said that it is so.
inline void mqtt_subscribe(RawPeer& peer, const std::string& filter) {
  std::string body({0, 1});  // the packet's identifier
  mqtt::append_field(body, filter);
  peer.send(mqtt_packet(static_cast<char>(0x82), body + '\1'));
  if (peer.expect(5).size() != 5) throw std::runtime_error("the MQTT broker refuses");
}

}  // namespace runnel::test
