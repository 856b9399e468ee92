// Sockets: the two kinds that admin listens on, and the way to the first of them.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"

namespace runnel {

// A file descriptor, closed with its owner.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// `control.sock` in the state directory, mode 0600, in place of one that a killed agent left: the
// caller holds the directory's lock. The directory's path may be of any length.
inline constexpr std::string_view kControlSocketName = "control.sock";
Result<Socket> listen_control(const std::string& state_dir);
// When nobody listens there any more.
void remove_control(const std::string& state_dir);
// kNotFound: nobody listens there.
Result<Socket> connect_control(const std::string& state_dir);

struct TcpListener {
  Socket socket;
  std::string address;  // "127.0.0.1:9464", with the port that it got
};
// "127.0.0.1:9464", "[::1]:0": a literal address and a port; 0 picks one.
Result<TcpListener> listen_tcp(std::string_view address);

}  // namespace runnel
