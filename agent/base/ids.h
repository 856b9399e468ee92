// Ids: UUIDs of version 4 (random), version 5 (derived from a name, RFC 4122 §4.3), and random
// bytes from the kernel.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  std::string text() const;  // 36 characters, lower case
  auto operator<=>(const Uuid&) const = default;
};

Result<Uuid> parse_uuid(std::string_view text);
Uuid random_uuid();
// The UUID that `name` has inside `space`: equal names give equal ids, on every machine.
Uuid named_uuid(const Uuid& space, std::string_view name);

// `count` bytes from the kernel's generator. Never fails: it waits.
std::string random_bytes(std::size_t count);
std::uint64_t random_u64();

}  // namespace runnel
