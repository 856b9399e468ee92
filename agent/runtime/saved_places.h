// SavedPlaces: where the FlowFiles of one chunk of a queue lie in the database.
//
// Mostly those that follow one another in the queue follow one another in a row, too: then one run
// says it for all of them.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace runnel {

// Where a saved FlowFile lies in the database.
struct SavedPlace {
  std::uint64_t batch = 0;  // row; 0: not saved
  std::uint32_t index = 0;  // in the row
};

class SavedPlaces {
 public:
  // REQUIRES: it was put, and not forgotten since.
  SavedPlace at(std::size_t slot) const {
    auto run = runs_.end() - 1;
    while (run->first > slot) --run;
    return place_in(*run, slot);
  }
  // `later`: one of the slots behind this one is to keep its place.
  void put(std::size_t slot, SavedPlace place, bool has_later) {
    const auto next = std::find_if(runs_.begin(), runs_.end(),
                                   [slot](const Run& run) { return run.first > slot; });
    if (next != runs_.begin()) {
      Run& run = *(next - 1);
      const SavedPlace before = place_in(run, slot);
      if (before.batch == place.batch && before.index == place.index) return;
      const bool is_split = has_later && (next == runs_.end() || next->first > slot + 1);
      const Run rest{run.batch, before.index + 1, static_cast<std::uint32_t>(slot + 1)};
      if (run.first == slot) {
        run = run_of(slot, place);
        if (is_split) runs_.insert(next, rest);
        return;
      }
      const auto at = runs_.insert(next, run_of(slot, place));
      if (is_split) runs_.insert(at + 1, rest);
      return;
    }
    runs_.insert(next, run_of(slot, place));
  }
  void clear() { runs_ = {}; }
  std::size_t runs() const { return runs_.size(); }

 private:
  struct Run {
    std::uint64_t batch = 0;
    std::uint32_t index = 0;  // of the first
    std::uint32_t first = 0;  // slot
  };
  static Run run_of(std::size_t slot, SavedPlace place) {
    return {place.batch, place.index, static_cast<std::uint32_t>(slot)};
  }
  static SavedPlace place_in(const Run& run, std::size_t slot) {
    return {run.batch, run.index + static_cast<std::uint32_t>(slot) - run.first};
  }

  std::vector<Run> runs_;  // by slot
};

}  // namespace runnel
