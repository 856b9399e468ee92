// Ranges of FlowFile ids, compared.

#include "agent/runtime/provenance_ranges.h"

#include <algorithm>

namespace runnel {

bool overlap(std::span<const IdRange> a, std::span<const IdRange> b) {
  if (a.size() > b.size()) std::swap(a, b);
  // Few against many, mostly: each of the few is looked up.
  for (const IdRange& one : a) {
    const auto at = std::lower_bound(
        b.begin(), b.end(), one.first,
        [](const IdRange& range, std::uint64_t first) { return range.last < first; });
    if (at != b.end() && at->first <= one.last) return true;
  }
  return false;
}

std::vector<IdRange> intersection(std::span<const IdRange> a, std::span<const IdRange> b) {
  if (a.size() > b.size()) std::swap(a, b);
  std::vector<IdRange> both;
  for (const IdRange& one : a) {
    auto at = std::lower_bound(
        b.begin(), b.end(), one.first,
        [](const IdRange& range, std::uint64_t first) { return range.last < first; });
    for (; at != b.end() && at->first <= one.last; ++at) {
      both.push_back({std::max(one.first, at->first), std::min(one.last, at->last)});
    }
  }
  return both;
}

std::vector<IdRange> difference(std::span<const IdRange> a, std::span<const IdRange> b) {
  std::vector<IdRange> rest;
  for (IdRange one : a) {
    auto at = std::lower_bound(
        b.begin(), b.end(), one.first,
        [](const IdRange& range, std::uint64_t first) { return range.last < first; });
    for (; at != b.end() && at->first <= one.last && one.first <= one.last; ++at) {
      if (at->first > one.first) rest.push_back({one.first, at->first - 1});
      one.first = at->last + 1;
    }
    if (one.first <= one.last) rest.push_back(one);
  }
  return rest;
}

void settle(std::vector<IdRange>& ranges) {
  IdSet set(std::move(ranges));
  ranges.assign(set.ranges().begin(), set.ranges().end());
}

void set_flowfiles(ProvenanceEvent& event, std::span<const IdRange> flowfiles) {
  event.flowfiles.clear();
  for (const IdRange& range : flowfiles) event.flowfiles.emplace_back(range.first, range.last);
  event.count = count_of(flowfiles);
}

ProvenanceEvent event_of(std::uint64_t event_id, const ProvenanceRecord& record) {
  ProvenanceEvent event;
  event.id = event_id;
  event.at_ms = record.at_ms;
  event.kind = record.kind;
  event.component_id = std::string(record.component);
  set_flowfiles(event, record.flowfiles);
  for (const IdRange& range : record.parents) event.parents.emplace_back(range.first, range.last);
  event.relationship = std::string(record.relationship);
  event.uri = std::string(record.uri);
  event.details = std::string(record.details);
  event.alternate_id = std::string(record.alternate_id);
  return event;
}

}  // namespace runnel
