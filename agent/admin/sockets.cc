// The sockets of admin; what sockets.h promises.

#include "agent/admin/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr int kBacklog = 16;

Error failed(const std::string& what) { return unavailable(what + ": " + std::strerror(errno)); }

// The socket's address by way of the opened directory: sun_path holds 107 bytes only.
struct ControlAddress {
  Socket directory;
  sockaddr_un address{};

  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Result<ControlAddress> control_address(const std::string& state_dir) {
  ControlAddress out;
  out.directory = Socket(open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.directory)
    return not_found("there is no state directory `" + state_dir + "`: " + std::strerror(errno));
  const std::string path =
      "/proc/self/fd/" + std::to_string(out.directory.fd()) + "/" + std::string(kControlSocketName);
  out.address.sun_family = AF_UNIX;
  std::memcpy(out.address.sun_path, path.c_str(), path.size() + 1);
  return out;
}

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Result<TcpAddress> parse_tcp(std::string_view text) {
  const Error wrong = invalid("`" + std::string(text) +
                              "` is no address to listen on; write `127.0.0.1:9464` or `[::1]:0`");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  const auto port = parse_int(text.substr(colon + 1));
  if (!port.ok() || *port < 0 || *port > 65'535) return wrong;
  std::string host(text.substr(0, colon));
  TcpAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return wrong;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(*port));
    out.length = sizeof *v6;
    return out;
  }
  if (host == "localhost") host = "127.0.0.1";
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return wrong;
  v4->sin_family = AF_INET;
  v4->sin_port = htons(static_cast<std::uint16_t>(*port));
  out.length = sizeof *v4;
  return out;
}

std::string address_text(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

Result<Socket> listen_control(const std::string& state_dir) {
  TRY_ASSIGN(where, control_address(state_dir));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const std::string path = state_dir + "/" + std::string(kControlSocketName);
  unlink(path.c_str());
  if (!socket || bind(socket.fd(), where.generic(), sizeof where.address) != 0)
    return failed("cannot make `" + path + "`");
  // Nobody can connect before listen.
  if (chmod(path.c_str(), 0600) != 0 || listen(socket.fd(), kBacklog) != 0)
    return failed("cannot listen on `" + path + "`");
  return socket;
}

void remove_control(const std::string& state_dir) {
  unlink((state_dir + "/" + std::string(kControlSocketName)).c_str());
}

Result<Socket> connect_control(const std::string& state_dir) {
  TRY_ASSIGN(where, control_address(state_dir));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed("cannot make a socket");
  if (connect(socket.fd(), where.generic(), sizeof where.address) == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED)
    return not_found("no agent runs on `" + state_dir +
                     "`; start one with `runnel-agent run --state " + state_dir + "`");
  return failed("cannot reach the agent on `" + state_dir + "`");
}

Result<TcpListener> listen_tcp(std::string_view address) {
  TRY_ASSIGN(where, parse_tcp(address));
  TcpListener out;
  out.socket =
      Socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out.socket) return failed("cannot make a socket");
  const int yes = 1;
  setsockopt(out.socket.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(out.socket.fd(), reinterpret_cast<sockaddr*>(&where.storage), where.length) != 0 ||
      listen(out.socket.fd(), kBacklog) != 0)
    return failed("cannot listen on `" + std::string(address) + "`");
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  getsockname(out.socket.fd(), reinterpret_cast<sockaddr*>(&bound), &length);
  out.address = address_text(bound);
  return out;
}

}  // namespace runnel
