// What a service manager hears, and whom its watchdog means.

#include "agent/base/service_manager.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "agent/base/descriptor.h"

namespace runnel {
namespace {

// A service manager's ear. `name`: a path, or "@" and a name of the kernel's.
Descriptor listen_at(const std::string& name) {
  const int ear = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  REQUIRE(::bind(ear, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  return Descriptor(ear);
}

std::string heard(const Descriptor& ear) {
  char text[256];
  const ssize_t got = ::recv(ear.number(), text, sizeof text, 0);
  return got < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(got));
}

struct Environment {
  ~Environment() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
};

TEST_CASE("the service manager hears what it is told, by a path and by a name of the kernel's") {
  const std::string own = "runnel-notify-" + std::to_string(::getpid());
  const std::string path = (std::filesystem::temp_directory_path() / own).string();
  Environment environment;
  for (const std::string& name : {path, "@" + own}) {
    const Descriptor ear = listen_at(name);
    environment.set("NOTIFY_SOCKET", name);
    tell_service_manager("READY=1\nSTATUS=waiting");
    CHECK(heard(ear) == "READY=1\nSTATUS=waiting");
  }
  ::unlink(path.c_str());
}

TEST_CASE("where no service manager listens, nothing happens") {
  Environment environment;
  tell_service_manager("READY=1");
  const std::string long_name = "/" + std::string(300, 'x');
  for (const std::string& name : {std::string("/nowhere/notify"), std::string("relative"),
                                  std::string("@"), std::string("/"), long_name}) {
    environment.set("NOTIFY_SOCKET", name);
    tell_service_manager("READY=1");
  }
}

TEST_CASE("the watchdog's period holds for this process alone, and only if it is a number") {
  Environment environment;
  CHECK_FALSE(watchdog_period());
  environment.set("WATCHDOG_USEC", "30000000");
  CHECK(watchdog_period() == std::chrono::seconds(30));
  environment.set("WATCHDOG_PID", std::to_string(::getpid()));
  CHECK(watchdog_period() == std::chrono::seconds(30));
  for (const char* other : {"1", "", "me"}) {
    environment.set("WATCHDOG_PID", other);
    CHECK_FALSE(watchdog_period());
  }
  ::unsetenv("WATCHDOG_PID");
  for (const char* wrong : {"0", "-1", "", "30s", "99999999999999999999", "86400000001"}) {
    environment.set("WATCHDOG_USEC", wrong);
    CHECK_FALSE(watchdog_period());
  }
}

}  // namespace
}  // namespace runnel
