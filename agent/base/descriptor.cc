// Reading to the end, within a bound.

#include "agent/base/descriptor.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace runnel {

Result<std::string> read_to_end(const Descriptor& from, std::size_t bytes_max) {
  std::string bytes;
  std::array<char, 16 * 1024> part;
  while (true) {
    const ssize_t got = ::read(from.number(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unavailable(std::strerror(errno));
    if (got == 0) return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(got));
    if (bytes.size() > bytes_max) return full("there is more of it");
  }
}

}  // namespace runnel
