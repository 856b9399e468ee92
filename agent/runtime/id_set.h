// IdSet: FlowFile ids as sorted ranges; what one session treats alike is mostly one of them.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace runnel {

struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive

  bool contains(std::uint64_t id) const { return first <= id && id <= last; }
  std::uint64_t count() const { return last - first + 1; }
  bool operator==(const IdRange&) const = default;
};

class IdSet {
 public:
  IdSet() = default;
  IdSet(std::uint64_t id) : ranges_{{id, id}} {}
  explicit IdSet(std::vector<IdRange> ranges) : ranges_(std::move(ranges)) { settle(); }

  // Ids may come in any order; ascending ones are cheapest.
  void add(std::uint64_t id) {
    if (!ranges_.empty() && ranges_.back().last + 1 == id) {
      ++ranges_.back().last;
    } else {
      if (!ranges_.empty() && id <= ranges_.back().last) is_settled_ = false;
      ranges_.push_back({id, id});
    }
  }
  void add(const IdRange& range) {
    if (!ranges_.empty() && range.first == ranges_.back().last + 1) {
      ranges_.back().last = range.last;
      return;
    }
    if (!ranges_.empty() && range.first <= ranges_.back().last) is_settled_ = false;
    ranges_.push_back(range);
  }
  void clear() {
    ranges_.clear();
    is_settled_ = true;
  }

  // What it is now, so that what is added from here on can be taken back, until its ranges are
  // asked for.
  struct Mark {
    std::size_t ranges = 0;
    IdRange last;
    bool is_settled = true;
  };
  Mark mark() const {
    return {ranges_.size(), ranges_.empty() ? IdRange{} : ranges_.back(), is_settled_};
  }
  void take_back(const Mark& mark) {
    ranges_.resize(mark.ranges);
    if (!ranges_.empty()) ranges_.back() = mark.last;
    is_settled_ = mark.is_settled;
  }

  std::size_t count_of_ranges() const { return ranges_.size(); }
  bool is_empty() const { return ranges_.empty(); }
  bool is_only(std::uint64_t id) const {
    return ranges_.size() == 1 && ranges_[0].first == id && ranges_[0].last == id;
  }
  // Sorted, without overlaps, adjacent ones joined.
  std::span<const IdRange> ranges() {
    if (!is_settled_) settle();
    return ranges_;
  }

 private:
  void settle() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < ranges_.size(); ++i) {
      if (ranges_[i].first <= ranges_[kept].last + 1) {
        ranges_[kept].last = std::max(ranges_[kept].last, ranges_[i].last);
      } else {
        ranges_[++kept] = ranges_[i];
      }
    }
    if (!ranges_.empty()) ranges_.resize(kept + 1);
    is_settled_ = true;
  }

  std::vector<IdRange> ranges_;
  bool is_settled_ = true;
};

}  // namespace runnel
