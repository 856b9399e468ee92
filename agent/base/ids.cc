// UUIDs and the kernel's random bytes.

#include "agent/base/ids.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"

namespace runnel {
namespace {

void stamp(Uuid& id, std::uint8_t version) {
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | (version << 4));
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
}

}  // namespace

std::string Uuid::text() const {
  const std::string hex =
      to_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20);
}

Result<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
      text[23] != '-') {
    return invalid("`" + std::string(text.substr(0, 64)) + "` is no UUID");
  }
  std::string hex;
  for (const char c : text) {
    if (c != '-') hex += c;
  }
  const Result<std::string> raw = from_hex(hex);
  if (!raw.ok() || raw->size() != 16) {
    return invalid("`" + std::string(text) + "` is no UUID");
  }
  Uuid id;
  std::memcpy(id.bytes.data(), raw->data(), 16);
  return id;
}

Uuid random_uuid() {
  Uuid id;
  const std::string bytes = random_bytes(16);
  std::memcpy(id.bytes.data(), bytes.data(), 16);
  stamp(id, 4);
  return id;
}

Uuid named_uuid(const Uuid& space, std::string_view name) {
  std::string input(reinterpret_cast<const char*>(space.bytes.data()), space.bytes.size());
  input += name;
  const std::string hash = *digest("SHA1", input);
  Uuid id;
  std::memcpy(id.bytes.data(), hash.data(), 16);
  stamp(id, 5);
  return id;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::getrandom(bytes.data() + filled, count - filled, 0);
    RUNNEL_ASSERT(got > 0 || errno == EINTR);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::uint64_t random_u64() {
  std::uint64_t number = 0;
  const std::string bytes = random_bytes(sizeof number);
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

}  // namespace runnel
