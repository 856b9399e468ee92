// BrokerAddress: what a Broker URI says.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel::mqtt {

struct BrokerAddress {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 1883;
  bool is_tls = false;
  bool is_web_socket = false;
  std::string path = "/mqtt";  // of a WebSocket

  // As in the URI, without what is secret: "ssl://host:8883".
  std::string text() const;
};

// Schemes tcp, mqtt, ssl, mqtts, tls, ws, wss, or none; the port may be left out. kInvalid names
// what is wrong.
Result<BrokerAddress> parse_broker_uri(std::string_view uri);

}  // namespace runnel::mqtt
