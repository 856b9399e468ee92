// What the kernel says of the machine; what host.h promises.

#include "agent/uplink/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// `MemAvailable:   123 kB` in bytes.
std::optional<std::int64_t> memory_line(const std::string& name) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  std::int64_t kib = 0;
  std::string rest;
  while (in >> key >> kib && std::getline(in, rest))
    if (key == name + ":") return kib * 1024;
  return std::nullopt;
}

// The machine's first interface that is up and no loopback; IPv4 before IPv6.
c2::NetworkInfo first_interface() {
  c2::NetworkInfo out;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return out;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* one = all; one != nullptr && out.ip_address.empty(); one = one->ifa_next) {
      if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != family) continue;
      if ((one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0) continue;
      char text[INET6_ADDRSTRLEN] = "";
      const void* address =
          family == AF_INET
              ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr)
              : static_cast<const void*>(
                    &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr);
      if (inet_ntop(family, address, text, sizeof text) == nullptr) continue;
      out.device_id = one->ifa_name;
      out.ip_address = text;
    }
  }
  freeifaddrs(all);
  return out;
}

// MiNiFi Java's way: the MAC address as 12 hexadecimal digits; without a card, the machine's id.
std::string device_identifier(const std::string& interface) {
  std::string digits;
  if (!interface.empty()) {
    for (const char c : first_line("/sys/class/net/" + interface + "/address"))
      if (c != ':') digits += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return digits.empty() ? first_line("/etc/machine-id") : digits;
}

}  // namespace

c2::DeviceInfo Host::device() {
  c2::DeviceInfo out;
  utsname name{};
  if (uname(&name) == 0) {
    out.system.machine_arch = name.machine;
    out.system.operating_system = name.sysname;
  }
  out.system.v_cores = sysconf(_SC_NPROCESSORS_ONLN);
  out.system.physical_mem = memory_line("MemTotal");
  if (const auto available = memory_line("MemAvailable"); available && out.system.physical_mem)
    out.system.memory_usage = *out.system.physical_mem - *available;
  out.system.cpu_utilization = share_since(machine_, machine_ticks());
  double load = 0;
  if (getloadavg(&load, 1) == 1) out.system.cpu_load_average = load;
  out.network = first_interface();
  char hostname[256] = "";
  if (gethostname(hostname, sizeof hostname - 1) == 0) out.network.hostname = hostname;
  out.identifier = device_identifier(out.network.device_id);
  return out;
}

std::optional<std::int64_t> Host::process_memory_bytes() const {
  std::ifstream in("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  if (!(in >> size >> resident)) return std::nullopt;
  return resident * sysconf(_SC_PAGESIZE);
}

std::optional<double> Host::process_cpu() {
  auto ticks = machine_ticks();
  const std::string line = first_line("/proc/self/stat");
  const std::size_t end = line.rfind(')');  // the name may hold anything
  if (!ticks || end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(end + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) rest >> skipped;  // proc(5): utime is the 14th, stime the 15th
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  if (!(rest >> user >> system)) return std::nullopt;
  ticks->busy = user + system;
  return share_since(process_, ticks);
}

std::optional<DiskFigures> Host::disk(const std::string& folder) const {
  struct statvfs found {};
  if (statvfs(folder.c_str(), &found) != 0) return std::nullopt;
  return DiskFigures{.total_bytes = static_cast<std::int64_t>(found.f_blocks * found.f_frsize),
                     .free_bytes = static_cast<std::int64_t>(found.f_bavail * found.f_frsize)};
}

std::optional<std::int64_t> Host::uptime_ms() const {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return std::nullopt;
  return std::int64_t{info.uptime} * 1000;
}

std::optional<Host::Ticks> Host::machine_ticks() {
  std::istringstream line(first_line("/proc/stat"));
  std::string cpu;
  line >> cpu;
  Ticks out;
  std::uint64_t ticks = 0;
  // user nice system idle iowait irq softirq steal; guest is in user already.
  for (int i = 0; i < 8 && line >> ticks; ++i) {
    out.all += ticks;
    if (i != 3 && i != 4) out.busy += ticks;
  }
  if (out.all == 0) return std::nullopt;
  return out;
}

std::optional<double> Host::share_since(Ticks& last, const std::optional<Ticks>& ticks) {
  if (!ticks) return std::nullopt;
  const Ticks before = last;
  last = *ticks;
  if (before.all == 0 || ticks->all <= before.all || ticks->busy < before.busy) return std::nullopt;
  return static_cast<double>(ticks->busy - before.busy) /
         static_cast<double>(ticks->all - before.all);
}

}  // namespace runnel
