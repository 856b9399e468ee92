// Any bytes as a stream of provenance events: read or refused as kCorrupt; what was read is written
// again and reads the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/id_set.h"
#include "agent/runtime/provenance_codec.h"

namespace {

using runnel::IdRange;
using runnel::ProvenanceRecord;

void must(bool holds) {
  if (!holds) std::abort();
}

struct Event {
  runnel::ProvenanceKind kind;
  std::int64_t at_ms;
  std::string component;
  std::vector<IdRange> flowfiles;
  std::vector<IdRange> parents;
  std::string relationship;
  std::string uri;
  std::string details;
  std::vector<std::string> values;

  bool operator==(const Event&) const = default;
};

// Ranges that touch may be read as one.
std::vector<IdRange> joined(std::span<const IdRange> ranges) {
  must(std::ranges::is_sorted(ranges, {}, &IdRange::first));
  runnel::IdSet set(std::vector<IdRange>(ranges.begin(), ranges.end()));
  return {set.ranges().begin(), set.ranges().end()};
}

Event kept(const ProvenanceRecord& record) {
  return {record.kind,
          record.at_ms,
          std::string(record.component),
          joined(record.flowfiles),
          joined(record.parents),
          std::string(record.relationship),
          std::string(record.uri),
          std::string(record.details),
          {record.values.begin(), record.values.end()}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Event> events;
  runnel::ProvenanceEncoder encoder;
  const auto decoded = runnel::decode_provenance({reinterpret_cast<const char*>(data), size},
                                                 [&](const ProvenanceRecord& record) {
                                                   must(!record.flowfiles.empty());
                                                   events.push_back(kept(record));
                                                   encoder.add(record);
                                                 });
  must(decoded.ok() || decoded.code() == runnel::Code::kCorrupt);
  must(encoder.count() == events.size());

  std::size_t at = 0;
  const auto again = runnel::decode_provenance(
      encoder.bytes(),
      [&](const ProvenanceRecord& record) { must(kept(record) == events.at(at++)); });
  must(again.ok() && at == events.size());
  const std::vector<IdRange> hulls = encoder.hulls(8);
  must(hulls.size() <= 8);
  for (const Event& event : events) {
    for (const IdRange& range : event.flowfiles) {
      must(std::ranges::any_of(hulls, [&](const IdRange& hull) {
        return hull.contains(range.first) && hull.contains(range.last);
      }));
    }
  }
  return 0;
}
