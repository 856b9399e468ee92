// Sorted ranges of FlowFile ids, as the search of provenance compares them; and events made of
// records.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/runtime/provenance_codec.h"
#include "agent/runtime/status.h"

namespace runnel {

bool overlap(std::span<const IdRange> a, std::span<const IdRange> b);
std::vector<IdRange> intersection(std::span<const IdRange> a, std::span<const IdRange> b);
// What of `a` is not in `b`.
std::vector<IdRange> difference(std::span<const IdRange> a, std::span<const IdRange> b);
// Sorts them and joins those that touch.
void settle(std::vector<IdRange>& ranges);

ProvenanceEvent event_of(std::uint64_t event_id, const ProvenanceRecord& record);
// Only these of its FlowFiles are meant.
void set_flowfiles(ProvenanceEvent& event, std::span<const IdRange> flowfiles);

}  // namespace runnel
