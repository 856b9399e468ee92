// Gathers a session's events.

#include "agent/runtime/provenance_told.h"

#include <algorithm>

namespace runnel {
namespace {

constexpr std::size_t kLookBack = 8;
constexpr std::size_t kLookBackTelling = 2;

}  // namespace

// Whether `child` of `parent` fits into the event without a word about anybody else's parents.
bool ProvenanceTold::take_kin(One& into, std::uint64_t child, std::uint64_t parent) {
  if (into.kind == ProvenanceKind::kJoin) {
    if (into.last_child != child) return false;
    ++into.parents_count;
  } else if (into.parents_count == 1 && into.last_parent == parent) {
    ++into.children_count;
  } else if (into.children_count == into.parents_count && child > into.last_child &&
             parent > into.last_parent) {
    ++into.children_count;
    ++into.parents_count;
  } else {
    return false;
  }
  into.flowfiles.add(into.last_child = child);
  into.parents.add(into.last_parent = parent);
  return true;
}

void ProvenanceTold::kin(std::uint32_t call, ProvenanceKind kind, std::uint64_t child,
                         std::uint64_t parent) {
  if (!all_.empty()) {
    One& last = all_.back();
    if (last.call == call && last.kind == kind && last.parents_count > 0 &&
        take_kin(last, child, parent)) {
      return;
    }
  }
  One& one = all_.emplace_back();
  one.call = call;
  one.kind = kind;
  one.flowfiles.add(one.last_child = child);
  one.parents.add(one.last_parent = parent);
  one.children_count = one.parents_count = 1;
}

// Each call of a source tells the same of another FlowFile: that needs no event of its own, as long
// as it can be undone. (A SEND may be taken out again, by its FlowFile.)
bool ProvenanceTold::add_to_earlier(std::uint32_t call, ProvenanceKind kind, std::uint64_t flowfile,
                                    std::string_view uri, std::string_view details,
                                    std::string_view alternate_id) {
  if (kind == ProvenanceKind::kSend) return false;
  for (std::size_t i = all_.size(), n = 0; i-- > 0 && n < kLookBackTelling; ++n) {
    One& one = all_[i];
    if (one.kind != kind || one.parents_count != 0 || one.uri != uri || one.details != details ||
        one.alternate_id != alternate_id) {
      continue;
    }
    if (one.call != call) {
      one.call = call;
      one.is_of_earlier = true;
      one.before = one.flowfiles.mark();
    }
    one.flowfiles.add(flowfile);
    return true;
  }
  return false;
}

void ProvenanceTold::event(std::uint32_t call, ProvenanceKind kind, std::uint64_t flowfile,
                           std::string_view uri, std::string_view details,
                           std::string_view alternate_id) {
  if (!all_.empty()) {
    One& last = all_.back();
    if (last.call == call && last.kind == kind && last.parents_count == 0 && last.uri == uri &&
        last.details == details && last.alternate_id == alternate_id) {
      last.flowfiles.add(flowfile);
      return;
    }
  }
  if (add_to_earlier(call, kind, flowfile, uri, details, alternate_id)) return;
  One& one = all_.emplace_back();
  one.call = call;
  one.kind = kind;
  one.flowfiles.add(flowfile);
  one.uri = uri;
  one.details = details;
  one.alternate_id = alternate_id;
}

std::optional<std::string> ProvenanceTold::take_send(std::uint32_t call, std::uint64_t flowfile) {
  std::optional<std::string> uri;
  // The events of this call stand at the end.
  for (std::size_t i = all_.size(); i-- > 0 && all_[i].call == call;) {
    One& one = all_[i];
    if (one.kind != ProvenanceKind::kSend || !one.flowfiles.is_only(flowfile)) continue;
    uri = std::move(one.uri);
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return uri;
}

void ProvenanceTold::undo(std::uint32_t call) {
  for (One& one : all_) {
    if (one.call != call || !one.is_of_earlier) continue;
    one.flowfiles.take_back(one.before);
    one.is_of_earlier = false;
    one.call = 0;
  }
  std::erase_if(all_, [call](const One& one) { return one.call == call; });
}

bool ProvenanceTold::is_alike(const One& a, const One& b) {
  return a.kind == b.kind && a.uri == b.uri && a.details == b.details &&
         a.alternate_id == b.alternate_id;
}

bool ProvenanceTold::merge(One& into, One& one) {
  if (!is_alike(into, one)) return false;
  if (one.parents_count == 0 && into.parents_count == 0) {
    for (const IdRange& range : one.flowfiles.ranges()) into.flowfiles.add(range);
    return true;
  }
  // A single pair, as a clone for a further connection is, or one parent's further children.
  if (one.parents_count != 1 || into.parents_count == 0 || one.kind == ProvenanceKind::kJoin ||
      one.children_count != 1) {
    return false;
  }
  return take_kin(into, one.last_child, one.last_parent);
}

void ProvenanceTold::put_into(std::vector<ProvenanceRecord>& records, std::int64_t at_ms,
                              std::string_view component) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const std::size_t begin = kept > kLookBack ? kept - kLookBack : 0;
    bool is_merged = false;
    for (std::size_t back = kept; back-- > begin && !is_merged;) {
      is_merged = merge(all_[back], all_[i]);
    }
    if (is_merged) continue;
    if (kept != i) all_[kept] = std::move(all_[i]);
    ++kept;
  }
  all_.resize(kept);
  for (One& one : all_) {
    records.push_back({.kind = one.kind,
                       .at_ms = at_ms,
                       .component = component,
                       .flowfiles = one.flowfiles.ranges(),
                       .parents = one.parents.ranges(),
                       .uri = one.uri,
                       .details = one.details,
                       .alternate_id = one.alternate_id});
  }
}

}  // namespace runnel
