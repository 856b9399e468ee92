// Socket: a file descriptor that closes itself, with non-blocking reads and writes; poll with a
// deadline.

#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "agent/base/result.h"

namespace runnel::mqtt {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { close(); }

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

  // As in Wire.
  Result<std::optional<std::size_t>> read(std::span<char> into);
  Result<std::size_t> write(std::string_view bytes);
  // No Nagle: acknowledgements are small and wanted.
  void send_at_once();

 private:
  int fd_ = -1;
};

// poll with a deadline; how many are ready, 0 when the time is up.
int poll_until(std::span<pollfd> pollers, std::chrono::steady_clock::time_point deadline);

}  // namespace runnel::mqtt
