// Connection: one life of a line to a broker: an ack gate and a Paho client, from connect until
// both have ended. connection.cc is the door to Paho.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "processors/mqtt/client.h"

namespace runnel::mqtt {

class Connection {
 public:
  // Begins to connect; `run` must follow. `known_topics`: what a session that the broker still has
  // is subscribed to. `options` and `hooks` must outlive it.
  static Result<std::shared_ptr<Connection>> open(const ClientOptions& options,
                                                  const ClientHooks& hooks, Version version,
                                                  std::string known_topics);
  virtual ~Connection() = default;

  // Runs the gate until the connection has ended; says why. No hook is called for it after that.
  virtual Error run() = 0;

  // Any thread:
  virtual Result<> publish(const Publication& publication, std::uint64_t cookie) = 0;
  // Sends DISCONNECT and closes, in the background; false: it was not connected.
  virtual bool disconnect() = 0;
  // Whether Paho's side has ended by then.
  virtual bool wait_until_over(std::chrono::steady_clock::duration time) = 0;
  virtual bool is_up() const = 0;
  virtual bool was_up() const = 0;
  virtual bool has_subscribed_all() const = 0;
  // The broker does not speak this version of MQTT.
  virtual bool is_version_refused() const = 0;
  virtual AckGate& gate() = 0;
};

}  // namespace runnel::mqtt
