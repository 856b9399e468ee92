// Socket: a file descriptor that closes itself, with non-blocking reads and writes.

#include "processors/mqtt/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace runnel::mqtt {

void Socket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::optional<std::size_t>> Socket::read(std::span<char> into) {
  const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got >= 0) return std::optional<std::size_t>(static_cast<std::size_t>(got));
  if (errno == EAGAIN || errno == EINTR) return std::optional<std::size_t>{};
  return unavailable(std::strerror(errno));
}

Result<std::size_t> Socket::write(std::string_view bytes) {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
  return unavailable(std::strerror(errno));
}

void Socket::send_at_once() {
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int poll_until(std::span<pollfd> pollers, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    int timeout = -1;
    if (deadline != std::chrono::steady_clock::time_point::max()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
    }
    const int ready = ::poll(pollers.data(), pollers.size(), timeout);
    if (ready >= 0 || errno != EINTR) return std::max(ready, 0);
  }
}

}  // namespace runnel::mqtt
