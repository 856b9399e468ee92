// Wire: one non-blocking byte stream to a broker: TCP, TLS over it, or MQTT in WebSocket frames
// over either.
//
// One thread. An Error means that the wire is of no further use; its text says what happened.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel::mqtt {

class Wire {
 public:
  virtual ~Wire() = default;
  // Goes on with the opening (connect, handshake); true: open. False: poll `fd` for `events` and
  // call again.
  virtual Result<bool> open_step() = 0;
  // How many bytes were read; none: nothing there now; 0: the peer has closed.
  virtual Result<std::optional<std::size_t>> read(std::span<char> into) = 0;
  // How many bytes the wire has taken; 0: it takes none now.
  virtual Result<std::size_t> write(std::string_view bytes) = 0;
  virtual int fd() const = 0;
  // What poll has to wait for beyond what the caller wants (POLLIN, POLLOUT).
  virtual short events() const { return 0; }
  // Whether `read` would give something although the socket is silent.
  virtual bool has_more() const { return false; }
};

struct TlsOptions {
  std::string ca_file;  // empty: the machine's own trust store
  std::string certificate_file;
  std::string key_file;
  std::string key_pass_phrase;
};

// One address that a host name stands for.
struct SocketAddress {
  std::vector<std::byte> bytes;
  int family = 0;
  std::string text;  // for people: "192.0.2.1:1883"
};

// kUnavailable when the connection cannot even be begun.
Result<std::unique_ptr<Wire>> open_tcp_wire(const SocketAddress& address);
// Takes the socket of `tcp` after its connection is made. `host` is checked against the server's
// certificate, always. kInvalid when a file cannot be used.
Result<std::unique_ptr<Wire>> open_tls_wire(std::unique_ptr<Wire> tcp, const std::string& host,
                                            const TlsOptions& options);
// `inner` is a TCP or TLS wire, not yet open.
std::unique_ptr<Wire> open_web_socket_wire(std::unique_ptr<Wire> inner, const std::string& host,
                                           const std::string& path);

// Whether what these files say can be used at all; kInvalid names the file.
Result<> check_tls_files(const TlsOptions& options);

// The addresses of `host`, looked up on a thread of its own, because the resolver cannot be
// interrupted: returns when they are known, at `deadline`, or when `stop_fd` becomes readable.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port,
                                           std::chrono::steady_clock::time_point deadline,
                                           int stop_fd);

}  // namespace runnel::mqtt
