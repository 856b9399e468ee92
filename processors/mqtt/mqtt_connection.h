// MqttConnection: one connection to a broker over which several publish.
//
// Who subscribes has a connection of its own: the session on the broker, what is acknowledged and
// how much may be in flight are one source's (ack_gate.h).

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "processors/mqtt/client.h"

namespace runnel::mqtt {

class MqttConnection {
 public:
  static constexpr std::string_view kService = "MQTTConnectionService";
  static constexpr const char* kProperty = "MQTT Connection Service";
  static constexpr const char* kDoc =
      "The service over whose connection it publishes, with others that name it, in place of the "
      "properties for a connection of its own.";
  static constexpr std::uint64_t kCookieMax = (std::uint64_t{1} << 40) - 1;

  // As those of ClientHooks, from the same threads; `on_up` also while it attaches, if the line is
  // up then.
  struct Hooks {
    std::function<void(const Connack&)> on_up;
    std::function<void()> on_down;
    std::function<void(std::uint64_t cookie, Outcome, std::string_view reason)> on_published;
  };

  virtual ~MqttConnection() = default;
  virtual std::uint64_t attach(Hooks hooks) = 0;
  // No hook of this user is called after it. What it has sent may still reach the broker.
  virtual void detach(std::uint64_t user) = 0;
  // As Client::publish; cookies of up to kCookieMax are the user's own.
  virtual Result<> publish(std::uint64_t user, const Publication& publication,
                           std::uint64_t cookie) = 0;
  virtual bool is_up() const = 0;
  virtual Version version() const = 0;
  // For people and provenance: where it leads.
  virtual const std::string& broker() const = 0;
};

}  // namespace runnel::mqtt
