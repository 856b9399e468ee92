// Mosquitto: Debian's real MQTT broker for tests, on a free loopback port, in a temporary
// directory.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/support/certificates.h"
#include "tests/support/process.h"

namespace runnel::test {

struct MosquittoOptions {
  bool has_auth =
      false;  // user `truck`, password `secret`; may write `open/#` and read all but `closed/#`
  std::optional<Certificates> tls =
      std::nullopt;  // a TLS listener that demands a client certificate
  bool is_web_socket = false;
  bool is_persistent = false;  // its sessions outlive a restart
  std::string more = {};       // further lines of mosquitto.conf
};

class Mosquitto {
 public:
  explicit Mosquitto(MosquittoOptions options = {});

  std::uint16_t port() const { return port_; }
  std::string uri() const;  // as a Broker URI
  int pid() const { return process_.pid(); }
  std::string log() const;

  void stop();
  void kill();
  // On the same port, with what it has saved.
  void start();

  // By mosquitto's own clients: independent of the code under test. Without TLS only.
  void publish(const std::string& topic, const std::string& payload, int qos = 1,
               bool is_retained = false) const;
  // One message a line of `payloads`.
  void publish_lines(const std::string& topic, const std::string& payloads, int qos = 1) const;
  // The payloads of the next `count` messages, each with a line end; subscribes, then calls `then`.
  Process subscribe(const std::string& topic, int count, const std::string& into_file,
                    int qos = 1) const;

 private:
  std::vector<std::string> client(const std::string& program) const;

  const MosquittoOptions options_;
  TempFolder folder_;
  std::uint16_t port_ = 0;
  Process process_;
};

}  // namespace runnel::test
