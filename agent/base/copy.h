// Few bytes copied and compared, where calling memcpy or memcmp would cost more than that.

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

inline constexpr std::size_t kFew = 32;

// Copies `text` to `to`, which is elsewhere. REQUIRES: no more than kFew bytes.
inline void copy_few(char* to, std::string_view text) {
  using Two = std::array<std::uint64_t, 2>;
  static_assert(kFew == 2 * sizeof(Two));
  const std::size_t size = text.size();
  if (size >= sizeof(Two)) {
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

// The same of any number of bytes.
inline void copy_text(char* to, std::string_view text) {
  if (text.size() <= kFew) {
    copy_few(to, text);
  } else {
    std::memcpy(to, text.data(), text.size());
  }
}

template <typename Word>
inline bool has_equal_ends(const char* a, const char* b, std::size_t size) {
  Word first_a, first_b, last_a, last_b;
  std::memcpy(&first_a, a, sizeof first_a);
  std::memcpy(&first_b, b, sizeof first_b);
  std::memcpy(&last_a, a + size - sizeof last_a, sizeof last_a);
  std::memcpy(&last_b, b + size - sizeof last_b, sizeof last_b);
  return first_a == first_b && last_a == last_b;
}

inline bool equal_few(std::string_view a, std::string_view b) {
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  if (size == 0) return true;
  if (size > 2 * sizeof(std::uint64_t)) return std::memcmp(a.data(), b.data(), size) == 0;
  if (size >= sizeof(std::uint64_t)) return has_equal_ends<std::uint64_t>(a.data(), b.data(), size);
  if (size >= sizeof(std::uint32_t)) return has_equal_ends<std::uint32_t>(a.data(), b.data(), size);
  if (size >= sizeof(std::uint16_t)) return has_equal_ends<std::uint16_t>(a.data(), b.data(), size);
  return a.front() == b.front();
}

}  // namespace runnel
