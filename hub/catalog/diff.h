// The difference of two texts, by lines (Myers, "An O(ND) Difference Algorithm", 1986), bounded.

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace runnel::hub {

struct DiffLine {
  enum class Kind { kSame, kAdded, kRemoved };
  Kind kind;
  std::size_t from_line;  // counts from 1; 0: not there
  std::size_t to_line;
  std::string_view text;
};

// Beyond so many changed lines the middle is given as all removed, then all added.
inline constexpr std::size_t kDiffChangesMax = 2'000;

// The whole of both texts; the lines point into them.
std::vector<DiffLine> diff_lines(std::string_view from, std::string_view to);

}  // namespace runnel::hub
