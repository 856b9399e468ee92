// BrokerAddress: what a Broker URI says.

#include "processors/mqtt/broker_address.h"

#include <array>

#include "agent/base/bytes.h"

namespace runnel::mqtt {
namespace {

struct Scheme {
  std::string_view name;
  std::uint16_t port;
  bool is_tls;
  bool is_web_socket;
};

constexpr std::array<Scheme, 7> kSchemes{{{"tcp", 1883, false, false},
                                          {"mqtt", 1883, false, false},
                                          {"ssl", 8883, true, false},
                                          {"tls", 8883, true, false},
                                          {"mqtts", 8883, true, false},
                                          {"ws", 80, false, true},
                                          {"wss", 443, true, true}}};

}  // namespace

std::string BrokerAddress::text() const {
  std::string out = is_web_socket ? (is_tls ? "wss://" : "ws://") : (is_tls ? "ssl://" : "tcp://");
  out += host.find(':') == std::string::npos ? host : "[" + host + "]";
  out += ':' + std::to_string(port);
  if (is_web_socket) out += path;
  return out;
}

Result<BrokerAddress> parse_broker_uri(std::string_view uri) {
  const std::string quoted = "`" + std::string(uri) + "`";
  BrokerAddress address;
  std::string_view rest = trimmed(uri);
  if (const std::size_t at = rest.find("://"); at != std::string_view::npos) {
    const Scheme* found = nullptr;
    for (const Scheme& scheme : kSchemes) {
      if (equal_ignoring_case(scheme.name, rest.substr(0, at))) found = &scheme;
    }
    if (found == nullptr) {
      return invalid(quoted + ": unknown scheme `" + std::string(rest.substr(0, at)) +
                     "`; use tcp, mqtt, ssl, mqtts, ws or wss");
    }
    address.port = found->port;
    address.is_tls = found->is_tls;
    address.is_web_socket = found->is_web_socket;
    rest = rest.substr(at + 3);
  }
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    if (address.is_web_socket) {
      address.path = rest.substr(slash);
    } else if (slash + 1 != rest.size()) {
      return invalid(quoted + ": only ws and wss have a path");
    }
    rest = rest.substr(0, slash);
  }
  if (rest.find('@') != std::string_view::npos) {
    return invalid(quoted + ": give user name and password in their own properties");
  }
  std::string_view port;
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return invalid(quoted + ": `]` is missing");
    address.host = rest.substr(1, end - 1);
    rest = rest.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return invalid(quoted + ": text behind `]`");
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const std::size_t colon = rest.rfind(':');
    address.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
    if (address.host.find(':') != std::string::npos) {
      return invalid(quoted + ": write an IPv6 address in brackets");
    }
  }
  if (address.host.empty()) return invalid(quoted + ": the host is missing");
  for (const char c : address.host + address.path) {
    if (static_cast<unsigned char>(c) <= ' ') return invalid(quoted + ": has a blank in it");
  }
  if (!port.empty()) {
    const Result<std::int64_t> number = parse_int(port);
    if (!number.ok() || *number < 1 || *number > 65535) {
      return invalid(quoted + ": `" + std::string(port) + "` is no port (1 to 65535)");
    }
    address.port = static_cast<std::uint16_t>(*number);
  }
  return address;
}

}  // namespace runnel::mqtt
