// Myers' difference of two texts.

#include "hub/catalog/diff.h"

#include <algorithm>
#include <optional>

#include "agent/base/bytes.h"

namespace runnel::hub {
namespace {

using Lines = std::vector<std::string_view>;
enum class Step { kSame, kAdded, kRemoved };

Lines lines_of(std::string_view text) {
  Lines lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The shortest way from `a` to `b`, or none when it has more than kDiffChangesMax changes.
std::optional<std::vector<Step>> shortest_way(const Lines& a, const Lines& b) {
  const auto n = static_cast<int>(a.size());
  const auto m = static_cast<int>(b.size());
  const int most = std::min(n + m, static_cast<int>(kDiffChangesMax));
  // reached[k + most]: how far in `a` the furthest way on diagonal k has come.
  std::vector<int> reached(static_cast<std::size_t>(2 * most + 3), 0);
  const auto at = [&](std::vector<int>& row, int k) -> int& {
    return row[static_cast<std::size_t>(k + most + 1)];
  };
  std::vector<std::vector<int>> trace;
  for (int d = 0; d <= most; ++d) {
    // Only the diagonals -d…d of this row are read again.
    trace.emplace_back(reached.begin() + (most + 1 - d - 1), reached.begin() + (most + 1 + d + 2));
    for (int k = -d; k <= d; k += 2) {
      const bool comes_down = k == -d || (k != d && at(reached, k - 1) < at(reached, k + 1));
      int x = comes_down ? at(reached, k + 1) : at(reached, k - 1) + 1;
      while (x < n && x - k < m &&
             a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)])
        ++x;
      at(reached, k) = x;
      if (x < n || x - k < m) continue;
      std::vector<Step> steps;
      int i = n;
      int j = m;
      for (int back = d; back >= 0; --back) {
        const std::vector<int>& row = trace[static_cast<std::size_t>(back)];
        const auto seen = [&](int diagonal) {
          return row[static_cast<std::size_t>(diagonal + back + 1)];
        };
        const int diagonal = i - j;
        const bool was_down =
            diagonal == -back || (diagonal != back && seen(diagonal - 1) < seen(diagonal + 1));
        const int before = was_down ? diagonal + 1 : diagonal - 1;
        const int start = back == 0 ? 0 : seen(before);
        const int start_y = start - before;
        while (i > (back == 0 ? 0 : (was_down ? start : start + 1)) &&
               j > (back == 0 ? 0 : (was_down ? start_y + 1 : start_y))) {
          steps.push_back(Step::kSame);
          --i;
          --j;
        }
        if (back == 0) break;
        steps.push_back(was_down ? Step::kAdded : Step::kRemoved);
        i = start;
        j = start_y;
      }
      std::reverse(steps.begin(), steps.end());
      return steps;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<DiffLine> diff_lines(std::string_view from, std::string_view to) {
  const Lines a = lines_of(from);
  const Lines b = lines_of(to);
  std::size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  std::size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  using Offset = Lines::difference_type;
  const Lines middle_a(a.begin() + static_cast<Offset>(head), a.end() - static_cast<Offset>(tail));
  const Lines middle_b(b.begin() + static_cast<Offset>(head), b.end() - static_cast<Offset>(tail));

  std::vector<Step> steps(head, Step::kSame);
  if (auto way = shortest_way(middle_a, middle_b)) {
    steps.insert(steps.end(), way->begin(), way->end());
  } else {
    steps.insert(steps.end(), middle_a.size(), Step::kRemoved);
    steps.insert(steps.end(), middle_b.size(), Step::kAdded);
  }
  steps.insert(steps.end(), tail, Step::kSame);

  std::vector<DiffLine> lines;
  std::size_t i = 0;
  std::size_t j = 0;
  for (const Step step : steps) {
    switch (step) {
      case Step::kSame:
        lines.push_back({DiffLine::Kind::kSame, i + 1, j + 1, a[i]});
        ++i;
        ++j;
        break;
      case Step::kAdded:
        lines.push_back({DiffLine::Kind::kAdded, 0, j + 1, b[j]});
        ++j;
        break;
      case Step::kRemoved:
        lines.push_back({DiffLine::Kind::kRemoved, i + 1, 0, a[i]});
        ++i;
        break;
    }
  }
  return lines;
}

}  // namespace runnel::hub
