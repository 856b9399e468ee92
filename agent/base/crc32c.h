// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds flipped bits in what lies on disk.

#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// Of these bytes behind those of which `before` is the sum; 0: of these alone.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);
// The same, on processors without an instruction for it.
std::uint32_t crc32c_by_tables(std::string_view bytes, std::uint32_t before = 0);

}  // namespace runnel
