// TCP, and how a host name becomes an address.

#include "processors/mqtt/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "agent/base/mutex.h"
#include "processors/mqtt/socket.h"

namespace runnel::mqtt {
namespace {

class TcpWire final : public Wire {
 public:
  TcpWire(Socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}

  Result<bool> open_step() override {
    if (is_open_) return true;
    pollfd poller{socket_.fd(), POLLOUT, 0};
    if (::poll(&poller, 1, 0) <= 0) return false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return unavailable(peer_ + ": " + std::strerror(error));
    is_open_ = true;
    return true;
  }
  Result<std::optional<std::size_t>> read(std::span<char> into) override {
    return socket_.read(into);
  }
  Result<std::size_t> write(std::string_view bytes) override { return socket_.write(bytes); }
  int fd() const override { return socket_.fd(); }
  short events() const override { return is_open_ ? 0 : POLLOUT; }

 private:
  Socket socket_;
  std::string peer_;
  bool is_open_ = false;
};

// What the thread that looks up a name leaves behind.
struct LookUp {
  Socket done;  // an eventfd
  Mutex mutex;
  int error GUARDED_BY(mutex) = 0;
  std::vector<SocketAddress> found GUARDED_BY(mutex);
};

std::string text_of(const sockaddr* address, socklen_t size) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const bool is_v6 = address->sa_family == AF_INET6;
  return (is_v6 ? "[" : "") + std::string(host) + (is_v6 ? "]:" : ":") + port;
}

int look_up(const std::string& host, std::uint16_t port, int flags,
            std::vector<SocketAddress>& found) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) return error;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    SocketAddress address;
    const auto* begin = reinterpret_cast<const std::byte*>(one->ai_addr);
    address.bytes.assign(begin, begin + one->ai_addrlen);
    address.family = one->ai_family;
    address.text = text_of(one->ai_addr, one->ai_addrlen);
    found.push_back(std::move(address));
  }
  ::freeaddrinfo(list);
  return 0;
}

}  // namespace

Result<std::unique_ptr<Wire>> open_tcp_wire(const SocketAddress& address) {
  Socket socket(::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return unavailable(std::string("socket: ") + std::strerror(errno));
  socket.send_at_once();
  const auto* target = reinterpret_cast<const sockaddr*>(address.bytes.data());
  if (::connect(socket.fd(), target, static_cast<socklen_t>(address.bytes.size())) != 0 &&
      errno != EINPROGRESS) {
    return unavailable(address.text + ": " + std::strerror(errno));
  }
  return std::unique_ptr<Wire>(std::make_unique<TcpWire>(std::move(socket), address.text));
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port,
                                           std::chrono::steady_clock::time_point deadline,
                                           int stop_fd) {
  std::vector<SocketAddress> numeric;
  if (look_up(host, port, AI_NUMERICHOST, numeric) == 0) return numeric;
  auto shared = std::make_shared<LookUp>();
  shared->done = Socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // Detached: getaddrinfo waits as long as resolv.conf says. It owns all that it touches.
  std::thread([shared, host, port] {
    std::vector<SocketAddress> found;
    const int error = look_up(host, port, AI_ADDRCONFIG, found);
    {
      const Lock lock(shared->mutex);
      shared->error = error;
      shared->found = std::move(found);
    }
    ::eventfd_write(shared->done.fd(), 1);
  }).detach();
  pollfd pollers[2] = {{shared->done.fd(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
  if (poll_until(pollers, deadline) == 0) {
    return unavailable("looking up `" + host + "`: no answer in time");
  }
  if (pollers[1].revents != 0) return unavailable("stopped");
  const Lock lock(shared->mutex);
  if (shared->error != 0) {
    return unavailable("looking up `" + host + "`: " + ::gai_strerror(shared->error));
  }
  return std::move(shared->found);
}

}  // namespace runnel::mqtt
