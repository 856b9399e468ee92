// Copies of few bytes, where calling memcpy would cost more than the copy.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace runnel {

// The first and the last bytes, which meet or overlap. REQUIRES: there are as many as in a `Word`,
// and no more than in two.
template <typename Word>
inline void copy_ends(char* to, const char* from, std::size_t size) {
  Word first, last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + size - sizeof last, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + size - sizeof last, &last, sizeof last);
}

// Copies `text` to `to`, which is elsewhere.
inline void copy_few(char* to, std::string_view text) {
  using Two = std::array<std::uint64_t, 2>;
  const std::size_t size = text.size();
  if (size > 2 * sizeof(Two)) {
    std::memcpy(to, text.data(), size);
  } else if (size >= sizeof(Two)) {
    copy_ends<Two>(to, text.data(), size);
  } else if (size >= sizeof(std::uint64_t)) {
    copy_ends<std::uint64_t>(to, text.data(), size);
  } else if (size >= sizeof(std::uint32_t)) {
    copy_ends<std::uint32_t>(to, text.data(), size);
  } else if (size >= sizeof(std::uint16_t)) {
    copy_ends<std::uint16_t>(to, text.data(), size);
  } else if (size == 1) {
    *to = text.front();
  }
}

}  // namespace runnel
