// RawPeer: one end of a TCP connection on loopback, byte by byte.

#include "tests/support/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace runnel::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool is_readable(int fd, std::chrono::milliseconds within) {
  pollfd poller{fd, POLLIN, 0};
  return ::poll(&poller, 1, static_cast<int>(std::max<std::int64_t>(0, within.count()))) > 0;
}

}  // namespace

RawPeer::RawPeer(RawPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
RawPeer& RawPeer::operator=(RawPeer&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
RawPeer::~RawPeer() { close(); }

void RawPeer::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

RawPeer RawPeer::connect(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return RawPeer();
  }
  return RawPeer(fd);
}

void RawPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string RawPeer::expect(std::size_t count, std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  std::string got;
  while (got.size() < count) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !is_readable(fd_, left)) break;
    char buffer[65'536];
    const ssize_t size = ::recv(fd_, buffer, std::min(sizeof buffer, count - got.size()), 0);
    if (size <= 0) break;
    got.append(buffer, static_cast<std::size_t>(size));
  }
  return got;
}

bool RawPeer::read_more(std::string& out, std::size_t most) {
  const std::size_t before = out.size();
  out.resize(before + most);
  const ssize_t got = ::recv(fd_, out.data() + before, most, 0);
  out.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return got > 0;
}

bool RawPeer::is_silent(std::chrono::milliseconds span) { return !is_readable(fd_, span); }

bool RawPeer::is_closed_by_peer(std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !is_readable(fd_, left)) return false;
    char buffer[65'536];
    if (::recv(fd_, buffer, sizeof buffer, 0) <= 0) return true;
  }
}

RawListener::RawListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd_, any, size) != 0 || ::listen(fd_, 8) != 0 || ::getsockname(fd_, any, &size) != 0) {
    throw std::runtime_error("listening on loopback");
  }
  port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { ::close(fd_); }

RawPeer RawListener::accept(std::chrono::milliseconds within) {
  if (!is_readable(fd_, within)) return RawPeer();
  return RawPeer(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace runnel::test
