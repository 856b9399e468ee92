// Who comes of whom, by the events that name parents: FORK, CLONE, JOIN, REPLAY.

#include <algorithm>
#include <set>

#include "agent/runtime/provenance_log.h"
#include "agent/runtime/provenance_ranges.h"

namespace runnel {
namespace {

constexpr std::size_t kRelativesMax = 2000;  // in each direction
constexpr std::size_t kKinMax = 100;         // of one FlowFile; the others are counted
constexpr int kGenerationsMax = 64;
constexpr std::uint32_t kKinBits = (1U << static_cast<unsigned>(ProvenanceKind::kClone)) |
                                   (1U << static_cast<unsigned>(ProvenanceKind::kFork)) |
                                   (1U << static_cast<unsigned>(ProvenanceKind::kJoin)) |
                                   (1U << static_cast<unsigned>(ProvenanceKind::kReplay));

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

// CLONE, FORK and REPLAY of n parents into n children are pairs, in order.
bool are_pairs(const ProvenanceRecord& record) {
  const std::uint64_t parents = count_of(record.parents);
  return parents > 1 && record.kind != ProvenanceKind::kJoin &&
         parents == count_of(record.flowfiles);
}

// One direction's walk, generation by generation.
class Walk {
 public:
  Walk(std::uint64_t flowfile, bool is_up, std::map<std::uint64_t, std::uint64_t>& left_out)
      : is_up_(is_up), left_out_(left_out), seen_{flowfile}, edge_(flowfile) {}

  IdSet& edge() { return edge_; }
  bool is_full() const { return seen_.size() > kRelativesMax; }

  void visit(std::uint64_t event_id, const ProvenanceRecord& record) {
    event_id_ = event_id;
    const std::span<const IdRange> from = is_up_ ? record.flowfiles : record.parents;
    const std::span<const IdRange> to = is_up_ ? record.parents : record.flowfiles;
    if (to.empty()) return;
    for (const IdRange& range : intersection(edge_.ranges(), from)) {
      for (std::uint64_t id = range.first; id <= range.last; ++id) {
        if (are_pairs(record)) {
          const std::uint64_t kin = counterpart(from, to, id);
          meet(record, id, {kin, kin});
        } else {
          for (const IdRange& kin : to) meet(record, id, kin);
        }
      }
    }
  }

  // To the next generation; false: there is none.
  bool go_on() {
    edge_ = IdSet(std::exchange(next_, {}));
    return !edge_.is_empty() && !is_full();
  }

  std::vector<ProvenanceLineage::Bond> bonds;

 private:
  void meet(const ProvenanceRecord& record, std::uint64_t id, const IdRange& kin) {
    std::size_t& listed = listed_[id];
    for (std::uint64_t one = kin.first; one <= kin.last; ++one) {
      if (listed == kKinMax || is_full()) {
        left_out_[id] += kin.last - one + 1;
        return;
      }
      ++listed;
      bonds.push_back({.kind = record.kind,
                       .at_ms = record.at_ms,
                       .component_id = std::string(record.component),
                       .component = {},
                       .parent = is_up_ ? one : id,
                       .child = is_up_ ? id : one,
                       .event_id = event_id_});
      if (seen_.insert(one).second) next_.push_back({one, one});
    }
  }

  const bool is_up_;
  std::map<std::uint64_t, std::uint64_t>& left_out_;
  std::set<std::uint64_t> seen_;
  std::map<std::uint64_t, std::size_t> listed_;
  IdSet edge_;
  std::vector<IdRange> next_;
  std::uint64_t event_id_ = 0;
};

}  // namespace

Result<> ProvenanceLog::add_last_events(ProvenanceLineage& lineage, Trouble& trouble) {
  Sought sought;
  sought.is_by_id = true;
  sought.ids = IdSet(lineage.flowfile);
  for (const auto* const bonds : {&lineage.ancestry, &lineage.descent}) {
    for (const ProvenanceLineage::Bond& bond : *bonds) {
      sought.ids.add(bond.parent);
      sought.ids.add(bond.child);
    }
  }
  const std::uint64_t wanted = count_of(sought.ids.ranges());
  std::map<std::uint64_t, ProvenanceEvent> of_block;
  const auto found = [&](std::uint64_t event_id, const ProvenanceRecord& record) {
    for (const IdRange& range : intersection(record.flowfiles, sought.ids.ranges())) {
      for (std::uint64_t id = range.first; id <= range.last; ++id) {
        if (lineage.last_events.contains(id)) continue;
        // Of one block the newest comes last.
        ProvenanceRecord own = record;
        const IdRange only{id, id};
        own.flowfiles = {&only, 1};
        own.parents = {};
        of_block.insert_or_assign(id, event_of(event_id, own));
      }
    }
  };
  const auto goes_on = [&] {
    lineage.last_events.merge(of_block);
    of_block.clear();
    return lineage.last_events.size() < wanted;
  };
  return search(sought, found, goes_on, trouble);
}

Result<ProvenanceLineage> ProvenanceLog::lineage(std::uint64_t flowfile) {
  ProvenanceLineage lineage;
  lineage.flowfile = flowfile;
  Trouble trouble;
  // Ancestors' other children and descendants' other parents are no relatives: two walks.
  for (const bool is_up : {true, false}) {
    auto& left_out = is_up ? lineage.parents_left_out : lineage.children_left_out;
    Walk walk(flowfile, is_up, left_out);
    int generation = 0;
    do {
      Sought sought;
      sought.is_by_id = true;
      sought.ids = walk.edge();
      sought.kind_bits = kKinBits;
      TRY(search(
          sought,
          [&walk](std::uint64_t id, const ProvenanceRecord& record) { walk.visit(id, record); },
          [] { return true; }, trouble));
    } while (walk.go_on() && ++generation < kGenerationsMax);
    lineage.is_cut = lineage.is_cut || !walk.edge().is_empty() || !left_out.empty();
    (is_up ? lineage.ancestry : lineage.descent) = std::move(walk.bonds);
  }
  TRY(add_last_events(lineage, trouble));
  lineage.damaged_blocks = trouble.damaged_rows;
  return lineage;
}

}  // namespace runnel
