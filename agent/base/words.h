// How counts and sizes are said in sentences.

#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel {

// "1 agent", "2 agents".
std::string counted(std::integral auto count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// "9.5 MB long; the most is 8 MB", in bytes where rounding would make the two look alike.
std::string too_long_text(std::uint64_t bytes, std::uint64_t bytes_max);

}  // namespace runnel
