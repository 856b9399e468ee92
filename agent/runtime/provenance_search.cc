// Searches the blocks of provenance: events, newest first, and who descends from whom.

#include <algorithm>

#include "agent/runtime/compress.h"
#include "agent/runtime/provenance_head.h"
#include "agent/runtime/provenance_log.h"

namespace runnel {
namespace {

constexpr std::size_t kRelativesMax = 1000;
constexpr int kGenerationsMax = 64;

bool overlap(std::span<const IdRange> a, std::span<const IdRange> b) {
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() && right != b.end()) {
    if (left->last < right->first) {
      ++left;
    } else if (right->last < left->first) {
      ++right;
    } else {
      return true;
    }
  }
  return false;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs_of(std::span<const IdRange> ranges) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;
  for (const IdRange& range : ranges) pairs.emplace_back(range.first, range.last);
  return pairs;
}

std::vector<IdRange> intersection(std::span<const IdRange> a, std::span<const IdRange> b) {
  std::vector<IdRange> both;
  for (const IdRange& left : a) {
    for (const IdRange& right : b) {
      const IdRange common{std::max(left.first, right.first), std::min(left.last, right.last)};
      if (common.first <= common.last) both.push_back(common);
    }
  }
  return both;
}

std::uint64_t count_of(std::span<const IdRange> ranges) {
  std::uint64_t count = 0;
  for (const IdRange& range : ranges) count += range.count();
  return count;
}

// The id that stands as far into `to` as `id` into `from`; both hold equally many.
std::uint64_t counterpart(std::span<const IdRange> from, std::span<const IdRange> to,
                          std::uint64_t id) {
  std::uint64_t rank = 0;
  for (const IdRange& range : from) {
    if (range.contains(id)) {
      rank += id - range.first;
      break;
    }
    rank += range.count();
  }
  for (const IdRange& range : to) {
    if (rank < range.count()) return range.first + rank;
    rank -= range.count();
  }
  return id;
}

// CLONE and FORK of n parents into n children are pairs, in order.
bool are_pairs(const ProvenanceRecord& record) {
  const std::uint64_t parents = count_of(record.parents);
  return parents > 1 && record.kind != ProvenanceKind::kJoin &&
         parents == count_of(record.flowfiles);
}

}  // namespace

ProvenanceLog::Snapshot ProvenanceLog::snapshot() const {
  Snapshot snapshot;
  Lock lock(mutex_);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    snapshot.streams.push_back({(*block)->first_event, (*block)->encoder.bytes()});
    if ((*block)->row_id != 0) snapshot.row_ids.push_back((*block)->row_id);
  }
  snapshot.rows_before = next_row_;
  return snapshot;
}

Result<> ProvenanceLog::search_stream(Sought& sought, std::uint64_t first_event,
                                      std::string_view bytes, const Found& found) {
  std::uint64_t event_id = first_event;
  return decode_provenance(bytes, [&](const ProvenanceRecord& record) {
    const std::uint64_t id = event_id++;
    if (record.at_ms < sought.from_ms || record.at_ms > sought.to_ms) return;
    if ((sought.kind_bits & (1U << static_cast<unsigned>(record.kind))) == 0) return;
    if (!sought.components.empty() && std::find(sought.components.begin(), sought.components.end(),
                                                record.component) == sought.components.end()) {
      return;
    }
    if (sought.is_by_id && !overlap(record.flowfiles, sought.ids.ranges()) &&
        !overlap(record.parents, sought.ids.ranges())) {
      return;
    }
    found(id, record);
  });
}

// From the newest block to the oldest, until `goes_on` says no.
Result<> ProvenanceLog::search(Sought& sought, const Found& found,
                               const std::function<bool()>& goes_on) const {
  const Snapshot now = snapshot();
  for (const Snapshot::Stream& stream : now.streams) {
    TRY(search_stream(sought, stream.first_event, stream.bytes, found));
    if (!goes_on()) return {};
  }
  Result<> outcome;
  const Result<> walked = shelf_.each_before(now.rows_before, [&](const ProvenanceRow& row) {
    if (row.is_tail) return true;
    if (std::find(now.row_ids.begin(), now.row_ids.end(), row.id) != now.row_ids.end()) return true;
    const std::optional<ProvenanceHead> head = ProvenanceHead::parse(row.head);
    if (!head || row.last_ms < sought.from_ms || head->first_ms > sought.to_ms) return true;
    if ((head->component_bits & sought.component_bits) == 0) return true;
    if ((head->kind_bits & sought.kind_bits) == 0) return true;
    if (sought.is_by_id && !overlap(head->hulls, sought.ids.ranges())) return true;
    ++decoded_;
    const Result<std::string> body = shelf_.body(row.id);
    const Result<std::string> bytes =
        body.ok() ? decompress(*body, options_.block_bytes * 2 + (1 << 20)) : body;
    if (bytes.ok()) {
      outcome = search_stream(sought, head->first_event, *bytes, found);
    } else if (bytes.code() != Code::kNotFound) {  // not found: pruned meanwhile
      outcome = bytes.error();
    }
    return outcome.ok() && goes_on();
  });
  TRY(walked);
  return outcome;
}

// The FlowFile, its ancestors and its descendants.
Result<IdSet> ProvenanceLog::with_relatives(std::uint64_t flowfile) const {
  IdSet all(flowfile);
  // Ancestors' other children and descendants' other parents are no relatives: two walks.
  for (const bool is_up : {true, false}) {
    IdSet edge(flowfile);
    std::vector<std::uint64_t> seen{flowfile};
    for (int generation = 0; generation < kGenerationsMax && !edge.is_empty(); ++generation) {
      Sought sought;
      sought.is_by_id = true;
      sought.ids = edge;
      sought.component_bits = UINT64_MAX;
      sought.kind_bits = (1U << static_cast<unsigned>(ProvenanceKind::kClone)) |
                         (1U << static_cast<unsigned>(ProvenanceKind::kFork)) |
                         (1U << static_cast<unsigned>(ProvenanceKind::kJoin));
      sought.to_ms = INT64_MAX;
      IdSet next;
      const auto meet = [&](std::uint64_t id) {
        if (seen.size() >= kRelativesMax) return;
        if (std::find(seen.begin(), seen.end(), id) != seen.end()) return;
        seen.push_back(id);
        next.add(id);
        all.add(id);
      };
      const auto found = [&](std::uint64_t, const ProvenanceRecord& record) {
        const std::span<const IdRange> from = is_up ? record.flowfiles : record.parents;
        const std::span<const IdRange> to = is_up ? record.parents : record.flowfiles;
        if (to.empty()) return;
        for (const IdRange& range : intersection(edge.ranges(), from)) {
          for (std::uint64_t id = range.first; id <= range.last; ++id) {
            if (are_pairs(record)) {
              meet(counterpart(from, to, id));
              continue;
            }
            for (const IdRange& kin : to) {
              for (std::uint64_t one = kin.first; one <= kin.last; ++one) {
                if (seen.size() >= kRelativesMax) return;
                meet(one);
              }
            }
          }
        }
      };
      TRY(search(sought, found, [&seen] { return seen.size() < kRelativesMax; }));
      edge = next;
    }
  }
  return all;
}

Result<std::vector<ProvenanceEvent>> ProvenanceLog::query(
    const ProvenanceQuery& query, const std::vector<std::string>& component_ids) const {
  Sought sought;
  sought.from_ms = query.from_ms;
  sought.to_ms = query.to_ms;
  sought.kind_bits = query.kind ? 1U << static_cast<unsigned>(*query.kind) : UINT32_MAX;
  sought.components = component_ids;
  sought.component_bits = component_ids.empty() ? UINT64_MAX : 0;
  for (const std::string& id : component_ids) {
    sought.component_bits |= ProvenanceEncoder::component_bit(id);
  }
  if (query.flowfile) {
    sought.is_by_id = true;
    if (query.with_lineage) {
      TRY_ASSIGN(ids, with_relatives(*query.flowfile));
      sought.ids = std::move(ids);
    } else {
      sought.ids = IdSet(*query.flowfile);
    }
  }
  std::vector<ProvenanceEvent> events;
  std::size_t settled = 0;
  const auto found = [&](std::uint64_t id, const ProvenanceRecord& record) {
    ProvenanceEvent event;
    event.id = id;
    event.at_ms = record.at_ms;
    event.kind = record.kind;
    event.component_id = std::string(record.component);
    std::vector<IdRange> own;
    if (sought.is_by_id) own = intersection(record.flowfiles, sought.ids.ranges());
    event.flowfiles = pairs_of(own.empty() ? record.flowfiles : own);
    event.count = count_of(own.empty() ? record.flowfiles : own);
    event.parents = pairs_of(record.parents);
    event.relationship = std::string(record.relationship);
    event.uri = std::string(record.uri);
    event.details = std::string(record.details);
    events.push_back(std::move(event));
    // Within a block the newest come last: only they are wanted.
    if (events.size() - settled > 2 * query.limit + 64) {
      events.erase(events.begin() + static_cast<std::ptrdiff_t>(settled),
                   events.end() - static_cast<std::ptrdiff_t>(query.limit));
    }
  };
  const auto goes_on = [&] {
    std::reverse(events.begin() + static_cast<std::ptrdiff_t>(settled), events.end());
    if (events.size() > query.limit) events.resize(query.limit);
    settled = events.size();
    return events.size() < query.limit;
  };
  TRY(search(sought, found, goes_on));
  return events;
}

}  // namespace runnel
