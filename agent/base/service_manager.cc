// The address: a path, or behind "@" a name that the kernel keeps.

#include "agent/base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "agent/base/descriptor.h"

namespace runnel {
namespace {

std::optional<std::uint64_t> number_of_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

}  // namespace

void tell_service_manager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const std::size_t length = std::strlen(path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (length < 2 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name of the kernel's, in no folder
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  ::sendto(socket.number(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto period = number_of_environment("WATCHDOG_USEC");
  if (!period || *period == 0 || *period > 86'400'000'000) return std::nullopt;
  const bool is_named = std::getenv("WATCHDOG_PID") != nullptr;
  const auto pid = number_of_environment("WATCHDOG_PID");
  if (is_named && (!pid || *pid != static_cast<std::uint64_t>(::getpid()))) return std::nullopt;
  return std::chrono::microseconds(*period);
}

}  // namespace runnel
