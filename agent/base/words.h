// How counts and sizes are said in sentences.

#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// "1 agent", "2 agents".
std::string counted(std::integral auto count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// What to say of a command that none of `known` is called; near ones are offered.
std::string unknown_command(std::string_view word, const std::vector<std::string>& known);

// "9.5 MB long; the most is 8 MB", in bytes where rounding would make the two look alike.
std::string too_long_text(std::uint64_t bytes, std::uint64_t bytes_max);

}  // namespace runnel
