// Socket: a file descriptor that closes itself, with non-blocking reads and writes.

#include "processors/mqtt/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace runnel::mqtt {

using namespace std::chrono_literals;

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
    timespec left{};
    const bool is_limited = deadline != std::chrono::steady_clock::time_point::max();
    if (is_limited) {
      const auto time = std::max(deadline - std::chrono::steady_clock::now(), 0ns);
      const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
      left.tv_sec = seconds.count();
      left.tv_nsec = std::chrono::nanoseconds(time - seconds).count();
    }
    const int ready =
        ::ppoll(pollers.data(), pollers.size(), is_limited ? &left : nullptr, nullptr);
    if (ready >= 0 || errno != EINTR) return std::max(ready, 0);
  }
}

}  // namespace runnel::mqtt
