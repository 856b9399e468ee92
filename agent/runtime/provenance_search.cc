// Searches the blocks of provenance for events, newest first. Lineage stands in
// provenance_lineage.cc.

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/provenance_ranges.h"

namespace runnel {

ProvenanceLog::Snapshot ProvenanceLog::snapshot() {
  Snapshot snapshot;
  encode_what_is_gathered();
  Lock lock(mutex_);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    snapshot.streams.push_back({(*block)->first_event, (*block)->encoder.bytes()});
    if ((*block)->row_id != 0) snapshot.row_ids.push_back((*block)->row_id);
  }
  snapshot.rows_before = next_row_;
  return snapshot;
}

bool ProvenanceLog::Sought::may_be_in(const ProvenanceHead& head, std::int64_t last_ms) {
  if (last_ms < from_ms || head.first_ms > to_ms) return false;
  if ((head.component_bits & component_bits) == 0 || (head.kind_bits & kind_bits) == 0)
    return false;
  if (is_by_id && !overlap(head.hulls, ids.ranges())) return false;
  const auto is_there = [&head](std::uint64_t key) { return head.may_hold(key); };
  return std::all_of(all_keys.begin(), all_keys.end(), is_there) &&
         (any_keys.empty() || std::any_of(any_keys.begin(), any_keys.end(), is_there));
}

// The mark's FlowFiles that have the value, each with one of its own.
std::vector<IdRange> ProvenanceLog::Sought::marked(const ProvenanceRecord& mark) const {
  IdSet having;
  std::size_t at = 0;
  for (const IdRange& range : mark.flowfiles) {
    for (std::uint64_t id = range.first; id <= range.last; ++id) {
      if (mark.values[at++] == value) having.add(id);
    }
  }
  const auto ranges = having.ranges();
  return {ranges.begin(), ranges.end()};
}

bool ProvenanceLog::Sought::is_met_by(const ProvenanceRecord& record) {
  if ((kind_bits & (1U << static_cast<unsigned>(record.kind))) == 0) return false;
  if (record.at_ms < from_ms || record.at_ms > to_ms) return false;
  if (!components.empty() &&
      std::find(components.begin(), components.end(), record.component) == components.end()) {
    return false;
  }
  if (!relationship.empty() && record.relationship != relationship) return false;
  if (!attribute.empty() && record.uri != attribute) return false;
  const bool has_values = !record.values.empty();
  if (!attribute.empty() && !has_values && record.details != value) return false;
  return !is_by_id || overlap(record.flowfiles, ids.ranges()) ||
         overlap(record.parents, ids.ranges());
}

Result<> ProvenanceLog::search_stream(Sought& sought, std::uint64_t first_event,
                                      std::string_view bytes, const Found& found) {
  std::uint64_t event_id = first_event;
  return decode_provenance(bytes, [&](const ProvenanceRecord& record) {
    const std::uint64_t id = event_id++;
    if (!sought.is_met_by(record)) return;
    if (record.values.empty()) return found(id, record);
    const std::vector<IdRange> marked = sought.marked(record);
    if (marked.empty()) return;
    ProvenanceRecord part = record;
    part.flowfiles = marked;
    part.values = {};
    found(id, part);
  });
}

// From the newest block to the oldest, until `goes_on` says no. A row that is damaged costs its own
// events only.
Result<> ProvenanceLog::search(Sought& sought, const Found& found,
                               const std::function<bool()>& goes_on, Trouble& trouble) {
  const Snapshot now = snapshot();
  for (const Snapshot::Stream& stream : now.streams) {
    TRY(search_stream(sought, stream.first_event, stream.bytes, found));
    if (!goes_on()) return {};
  }
  return walk_rows(now.rows_before, trouble, [&](const ProvenanceRow& row) {
    if (row.is_tail) return true;
    if (std::find(now.row_ids.begin(), now.row_ids.end(), row.id) != now.row_ids.end()) return true;
    const std::optional<ProvenanceHead> head = ProvenanceHead::parse(row.head);
    if (head && !sought.may_be_in(*head, row.last_ms)) return true;
    ++decoded_;
    const Result<std::string> body = shelf_.body(row.id);
    if (!body.ok() && body.code() == Code::kNotFound) return true;  // pruned meanwhile
    const Result<std::string> bytes =
        body.ok() ? decompress(*body, options_.block_bytes * 2 + (1 << 20)) : body;
    const Result<> searched =
        bytes.ok() ? search_stream(sought, head ? head->first_event : 0, *bytes, found)
                   : Result<>(bytes.error());
    if (!head || !searched.ok()) {
      ++trouble.damaged_rows;
      log_warn("provenance", "a row cannot be read; its events are left out",
               {{"row", row.id},
                {"reason", searched.ok() ? "its head is damaged" : searched.error().text()}});
    }
    return goes_on();
  });
}

// From the newest row below `before` to the oldest. Where the shelf is damaged, it is tried further
// down: 1, 2, 4, … rows.
Result<> ProvenanceLog::walk_rows(std::uint64_t before, Trouble& trouble,
                                  const std::function<bool(const ProvenanceRow&)>& visit) const {
  std::uint64_t step = 0;
  while (true) {
    const std::uint64_t began_below = before;
    const Result<> walked = shelf_.each_before(before, [&](const ProvenanceRow& row) {
      before = row.id;
      return visit(row);
    });
    if (walked.ok() || walked.code() != Code::kCorrupt) return walked;
    const bool is_same_damage = step > 0 && before == began_below;
    if (!is_same_damage) {
      ++trouble.damaged_rows;
      log_warn("provenance", "rows cannot be read; their events are left out",
               {{"below", before}, {"reason", walked.error().text()}});
    }
    step = is_same_damage ? step * 2 : 1;
    if (before <= step) return {};
    before -= step;
  }
}

// Whoever has had this value until `to_ms`.
Result<IdSet> ProvenanceLog::with_value(const std::string& attribute, const std::string& value,
                                        std::int64_t to_ms, ProvenanceAnswer& answer) {
  Sought sought;
  sought.kind_bits = 1U << static_cast<unsigned>(kProvenanceMark);
  sought.to_ms = to_ms;
  sought.attribute = attribute;
  sought.value = value.substr(0, kMarkValueMax);
  sought.all_keys = {provenance_key_of_mark(attribute, sought.value)};
  std::vector<IdRange> ranges;
  const auto found = [&ranges](std::uint64_t, const ProvenanceRecord& mark) {
    ranges.insert(ranges.end(), mark.flowfiles.begin(), mark.flowfiles.end());
  };
  // Ranges of one value mostly touch each other; what has come together since the last look says
  // how many they are.
  std::size_t looked_at = options_.matches_max;
  const auto goes_on = [&] {
    if (ranges.size() <= looked_at) return true;
    settle(ranges);
    looked_at = std::max(options_.matches_max, ranges.size() * 2);
    answer.is_cut = answer.is_cut || ranges.size() > options_.matches_max;
    return !answer.is_cut;
  };
  Trouble trouble;
  TRY(search(sought, found, goes_on, trouble));
  answer.damaged_blocks += trouble.damaged_rows;
  return IdSet(std::move(ranges));
}

Result<ProvenanceAnswer> ProvenanceLog::query(const ProvenanceQuery& query,
                                              const std::vector<std::string>& component_ids) {
  ProvenanceAnswer answer;
  Sought sought;
  sought.from_ms = query.from_ms;
  sought.to_ms = query.to_ms;
  if (query.kind) sought.kind_bits = 1U << static_cast<unsigned>(*query.kind);
  sought.components = component_ids;
  if (!component_ids.empty()) sought.component_bits = 0;
  for (const std::string& id : component_ids) {
    sought.component_bits |= ProvenanceEncoder::component_bit(id);
    if (query.kind) sought.any_keys.push_back(provenance_key_of_kind(id, *query.kind));
  }
  sought.relationship = query.relationship;
  if (!query.relationship.empty())
    sought.all_keys.push_back(provenance_key_of_relationship(query.relationship));
  if (query.flowfile) {
    sought.is_by_id = true;
    if (query.with_lineage) {
      TRY_ASSIGN(lineage, this->lineage(*query.flowfile));
      sought.ids = IdSet(*query.flowfile);
      for (const auto& bond : lineage.ancestry) sought.ids.add(bond.parent);
      for (const auto& bond : lineage.descent) sought.ids.add(bond.child);
    } else {
      sought.ids = IdSet(*query.flowfile);
    }
  }
  for (const auto& [attribute, value] : query.attributes) {
    TRY_ASSIGN(ids, with_value(attribute, value, query.to_ms, answer));
    sought.ids =
        sought.is_by_id ? IdSet(intersection(sought.ids.ranges(), ids.ranges())) : std::move(ids);
    sought.is_by_id = true;
    if (sought.ids.is_empty()) return answer;
  }
  std::vector<ProvenanceEvent>& events = answer.events;
  std::size_t settled = 0;
  const auto found = [&](std::uint64_t id, const ProvenanceRecord& record) {
    events.push_back(event_of(id, record));
    if (sought.is_by_id) {
      const auto own = intersection(record.flowfiles, sought.ids.ranges());
      if (!own.empty()) set_flowfiles(events.back(), own);
    }
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
  Trouble trouble;
  TRY(search(sought, found, goes_on, trouble));
  answer.damaged_blocks += trouble.damaged_rows;
  return answer;
}

}  // namespace runnel
