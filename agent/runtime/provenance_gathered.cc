// Gathers what sessions tell of few FlowFiles.

#include "agent/runtime/provenance_gathered.h"

#include <atomic>

namespace runnel {

// Of all there are, so that no seat of one is taken for another's.
std::uint64_t ProvenanceGathered::next_generation() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

ProvenanceRecord ProvenanceGathered::Event::record() {
  return {.kind = kind,
          .at_ms = at_ms,
          .component = component,
          .flowfiles = ids.ranges(),
          .relationship = relationship,
          .uri = uri,
          .details = details,
          .alternate_id = alternate_id};
}

// Only where none of its FlowFiles may have had another event since: their order stays.
bool ProvenanceGathered::join(const ProvenanceRecord& record, Seat& seat) {
  const IdRange hull = hull_of(record);
  const std::size_t begin = count_ > kLookBack ? count_ - kLookBack : 0;
  for (std::size_t i = count_; i-- > begin;) {
    Event& one = events_[i];
    if (one.ids.count_of_ranges() < kRangesMax && one.is_alike(record)) {
      for (const IdRange& range : record.flowfiles) one.ids.add(range);
      one.widen(hull);
      seat = {generation_, i};
      return true;
    }
    if (one.meets(hull)) return false;
  }
  return false;
}

void ProvenanceGathered::add(const ProvenanceRecord& record, Seat& seat) {
  seat = {generation_, count_};
  if (count_ == events_.size()) events_.emplace_back();
  Event& one = events_[count_++];
  one.at_ms = record.at_ms;
  one.hull = hull_of(record);
  one.ids.clear();
  for (const IdRange& range : record.flowfiles) one.ids.add(range);
  one.kind = record.kind;
  one.component = record.component;
  one.relationship = record.relationship;
  one.uri = record.uri;
  one.details = record.details;
  one.alternate_id = record.alternate_id;
}

}  // namespace runnel
