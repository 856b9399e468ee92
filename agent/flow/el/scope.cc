// What expressions see of the machine when nobody overrides it, as expression.h says.

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>

#include "agent/base/ids.h"
#include "agent/flow/el/expression.h"

namespace runnel {
namespace {

std::string short_hostname() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  const std::string whole(name.data());
  return whole.substr(0, whole.find('.'));
}

// Asked of the resolver once: it may take seconds, and the answer does not change while we run.
std::string qualified_hostname() {
  const std::string name = short_hostname();
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return name;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  return found->ai_canonname == nullptr ? name : found->ai_canonname;
}

// The first IPv4 address that is up and no loopback, else the first IPv6 one, else loopback.
std::string machine_ip() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "127.0.0.1";
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(all, freeifaddrs);
  std::string v6;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
    if ((at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::array<char, NI_MAXHOST> text{};
    const int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (getnameinfo(at->ifa_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) !=
        0) {
      continue;
    }
    if (family == AF_INET) return text.data();
    if (v6.empty()) v6 = text.data();
  }
  return v6.empty() ? "127.0.0.1" : v6;
}

class EmptyScope final : public Scope {
 public:
  std::optional<std::string_view> attribute(std::string_view /*name*/) const override {
    return std::nullopt;
  }
};

}  // namespace

void Scope::each_attribute(const Visit& /*visit*/) const {}

std::optional<std::string> Scope::state(std::string_view /*key*/) const { return std::nullopt; }

std::string Scope::hostname(bool is_qualified) const {
  if (!is_qualified) return short_hostname();
  static const std::string kQualified = qualified_hostname();
  return kQualified;
}

std::string Scope::ip() const { return machine_ip(); }

std::string Scope::thread_name() const {
  std::array<char, 32> name{};
  if (pthread_getname_np(pthread_self(), name.data(), name.size()) != 0) return {};
  return name.data();
}

std::int64_t Scope::next_int() const {
  static std::atomic<std::int64_t> next{0};
  return next.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t Scope::random() const { return random_u64(); }

const Scope& empty_scope() {
  static const EmptyScope kScope;
  return kScope;
}

}  // namespace runnel
