// Numbers as LEB128, signed ones by zigzag: seven bits a byte, lowest first.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace runnel {

inline void put_varint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(number | 0x80);
    number >>= 7;
  }
  out += static_cast<char>(number);
}

// Takes one off the front; false when there is none.
inline bool take_varint(std::string_view& from, std::uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (from.empty()) return false;
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

inline std::uint64_t zigzag(std::int64_t number) {
  return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
}

inline std::int64_t unzigzag(std::uint64_t number) {
  return static_cast<std::int64_t>((number >> 1) ^ (~(number & 1) + 1));
}

// A time further from 1970 than this (285,000 years) is none of ours: who reads one from disk
// refuses it, so that no sum and no difference of times overflows.
inline constexpr std::int64_t kFurthestMs = std::int64_t{1} << 53;

inline bool is_a_time(std::int64_t ms) { return -kFurthestMs <= ms && ms <= kFurthestMs; }

// A time that is written as the step from another one. The bytes may say any step.
inline std::int64_t stepped_ms(std::int64_t ms, std::uint64_t step) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(ms) +
                                   static_cast<std::uint64_t>(unzigzag(step)));
}

}  // namespace runnel
