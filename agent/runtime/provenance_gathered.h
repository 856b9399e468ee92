// ProvenanceGathered: what sessions tell of few FlowFiles, before it is encoded. What they tell
// alike within one millisecond is one event, as long as no other event of the same FlowFiles stands
// between. Whoever has it guards it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/base/copy.h"
#include "agent/runtime/id_set.h"
#include "agent/runtime/provenance_codec.h"

namespace runnel {

class ProvenanceGathered {
 public:
  // Where an event stands, for who tells the like of another FlowFile next.
  struct Seat {
    std::uint64_t generation = 0;  // 0: nobody's
    std::size_t at = 0;
  };

  ProvenanceGathered() : generation_(next_generation()) {}

  bool is_empty() const { return count_ == 0; }
  bool is_full() const { return count_ == kEventsMax; }
  // Whether something is such an event: what has parents, or says something of each FlowFile,
  // stands by itself.
  static bool takes(const ProvenanceRecord& record) {
    return record.parents.empty() && record.values.empty() && record.kind != kProvenanceMark;
  }

  // Whether this FlowFile is told with the event at the seat, of which all else is the same. False:
  // it is to be told by a record.
  bool join(const Seat& seat, std::int64_t at_ms, std::uint64_t flowfile) {
    if (seat.generation != generation_) return false;
    Event& one = events_[seat.at];
    if (one.at_ms != at_ms || one.ids.count_of_ranges() >= kRangesMax) return false;
    for (std::size_t i = count_; --i > seat.at;) {
      if (events_[i].hull.contains(flowfile)) return false;
    }
    one.ids.add(flowfile);
    one.widen({flowfile, flowfile});
    return true;
  }
  // Whether it is told with one of the last few; then `seat` is that one's.
  bool join(const ProvenanceRecord& record, Seat& seat);
  // As an event of its own. REQUIRES: there is room, and it `takes` the record.
  void add(const ProvenanceRecord& record, Seat& seat);

  std::size_t count() const { return count_; }
  // A view of it, until it is changed.
  ProvenanceRecord record(std::size_t at) { return events_[at].record(); }
  // Seats are nobody's any more.
  void clear() {
    count_ = 0;
    generation_ = next_generation();
  }

 private:
  static constexpr std::size_t kEventsMax = 32;
  static constexpr std::size_t kLookBack = 8;
  static constexpr std::size_t kRangesMax = 256;  // of one event

  struct Event {
    std::int64_t at_ms = 0;
    IdRange hull;  // of `ids`
    IdSet ids;
    ProvenanceKind kind = ProvenanceKind::kUnknown;
    std::string component;
    std::string relationship;
    std::string uri;
    std::string details;
    std::string alternate_id;

    bool is_alike(const ProvenanceRecord& record) const {
      return kind == record.kind && at_ms == record.at_ms &&
             equal_few(component, record.component) &&
             equal_few(relationship, record.relationship) && equal_few(uri, record.uri) &&
             equal_few(details, record.details) && equal_few(alternate_id, record.alternate_id);
    }
    bool meets(const IdRange& other) const {
      return hull.first <= other.last && other.first <= hull.last;
    }
    void widen(const IdRange& by) {
      hull.first = std::min(hull.first, by.first);
      hull.last = std::max(hull.last, by.last);
    }
    ProvenanceRecord record();
  };
  static IdRange hull_of(const ProvenanceRecord& record) {
    return {record.flowfiles.front().first, record.flowfiles.back().last};
  }
  static std::uint64_t next_generation();

  std::vector<Event> events_;  // used again and again
  std::size_t count_ = 0;
  std::uint64_t generation_;  // of those that are gathered; nobody else's
};

}  // namespace runnel
