// What a session tells of its FlowFiles when it is committed.

#include <algorithm>
#include <array>

#include "agent/runtime/attributes.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

constexpr std::size_t kMarksLookBack = 16;
constexpr std::size_t kOwnSure = 16;  // so many different values in a row: each has its own

}  // namespace

// Before the commit: afterwards the attributes are somebody else's.
void SessionCore::mark_attributes() {
  if (wiring_.provenance == nullptr) return;
  for (const std::string& name : wiring_.provenance->marked_attributes()) {
    const std::size_t first_mark = marks_.size();
    const std::size_t first_own = own_values_.size();
    works_.each([&](const Work& work) {
      if (!work.may_be_marked || work.fate == Fate::kHanded || work.attributes == nullptr) return;
      if (const auto value = work.attributes->find(name))
        mark_value(name, value->substr(0, kMarkValueMax), work.id, first_mark, first_own);
    });
    own_.push_back({name, own_values_.size()});
  }
}

// Looked for among the last few only: what is said twice is found twice.
void SessionCore::mark_value(std::string_view attribute, std::string_view value, std::uint64_t id,
                             std::size_t first_mark, std::size_t first_own) {
  for (std::size_t at = marks_.size(), n = 0; at > first_mark && n < kMarksLookBack; ++n) {
    if (marks_[--at].value != value) continue;
    marks_[at].flowfiles.add(id);
    return;
  }
  const auto text_of = [this](const OwnValue& own) {
    return std::string_view(own_text_).substr(own.begin, own.size);
  };
  // Where each has its own, only the last one may still be somebody else's, too.
  const bool is_all_own = marks_.size() == first_mark && own_values_.size() - first_own >= kOwnSure;
  const std::size_t look_back = is_all_own ? 1 : kMarksLookBack;
  for (std::size_t at = own_values_.size(), n = 0; at > first_own && n < look_back; ++n) {
    const OwnValue& own = own_values_[--at];
    if (text_of(own) != value) continue;
    marks_.push_back({attribute, std::string(value), IdSet(own.id)});
    marks_.back().flowfiles.add(id);
    own_values_.erase(own_values_.begin() + static_cast<std::ptrdiff_t>(at));
    return;
  }
  own_values_.push_back({id, own_text_.size(), value.size()});
  own_text_ += value;
}

void SessionCore::tell_marks() {
  if (!may_be_marked_) return;
  for (Mark& mark : marks_) {
    records_.push_back({.kind = kProvenanceMark,
                        .at_ms = wall_ms_,
                        .component = wiring_.processor_id,
                        .flowfiles = mark.flowfiles.ranges(),
                        .uri = mark.attribute,
                        .details = mark.value});
  }
  if (own_values_.empty()) return;
  // Views into both: they must not grow meanwhile.
  values_.reserve(own_values_.size());
  valued_.reserve(own_.size() + own_values_.size() / kMarkValuesMax);
  std::size_t begin = 0;
  for (const OwnValues& own : own_) {
    const auto at = [this](std::size_t i) {
      return own_values_.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const auto by_id = [](const OwnValue& a, const OwnValue& b) { return a.id < b.id; };
    if (!std::is_sorted(at(begin), at(own.end), by_id)) std::sort(at(begin), at(own.end), by_id);
    while (begin < own.end) {
      const std::size_t end = std::min(own.end, begin + kMarkValuesMax);
      const std::size_t first_value = values_.size();
      IdSet& ids = valued_.emplace_back();
      for (; begin < end; ++begin) {
        const OwnValue& one = own_values_[begin];
        ids.add(one.id);
        values_.push_back(std::string_view(own_text_).substr(one.begin, one.size));
      }
      records_.push_back({.kind = kProvenanceMark,
                          .at_ms = wall_ms_,
                          .component = wiring_.processor_id,
                          .flowfiles = ids.ranges(),
                          .uri = own.attribute,
                          .values = std::span(values_).subspan(first_value)});
    }
  }
}

void SessionCore::Summary::clear(std::size_t outlets) {
  for (IdSet* const set : {&created, &attributes, &content, &dropped}) set->clear();
  for (std::vector<IdSet>* const sets : {&terminated, &routed}) {
    for (IdSet& set : *sets) set.clear();
    sets->resize(outlets);
  }
}

// Where there is one FlowFile only, as with a session for each: what the sets of a summary would
// say, in records that the thread uses again: to make them anew takes longer than all the rest.
inline std::span<const ProvenanceRecord> SessionCore::tell_single() {
  const Work& work = works_[0];
  if (work.fate == Fate::kHanded) return {};
  static constinit thread_local std::array<ProvenanceRecord, 3> told{};
  single_ = {work.id, work.id};
  std::size_t count = 0;
  const auto tell = [&](ProvenanceKind kind, std::string_view relationship = {},
                        std::string_view details = {}) {
    ProvenanceRecord& record = told[count++];
    record.kind = kind;
    record.at_ms = wall_ms_;
    record.component = wiring_.processor_id;
    record.flowfiles = {&single_, 1};
    record.relationship = relationship;
    record.details = details;
  };
  const bool is_made = work.from == nullptr;
  const bool is_changed = work.has_new_content || work.has_new_attributes;
  if (is_made && !work.has_parent && !work.is_told) tell(ProvenanceKind::kCreate);
  if (!is_made && is_changed)
    tell(work.has_new_content ? ProvenanceKind::kContentModified
                              : ProvenanceKind::kAttributesModified);
  if (work.fate == Fate::kDrop) tell(ProvenanceKind::kDrop);
  if (work.fate == Fate::kTransfer) {
    const Outlet& outlet = wiring_.outlets[work.to];
    if (outlet.queues.empty()) {
      tell(ProvenanceKind::kDrop, outlet.name, kAutoTerminated);
    } else if (!is_made && !is_changed && wiring_.outlets.size() > 1) {
      tell(ProvenanceKind::kRoute, outlet.name);
    }
  }
  return {told.data(), count};
}

// What is told of FlowFiles of which this is the same is the same.
// (Nothing is told of its way, so that there the rest has its place.)
inline std::uint64_t SessionCore::told_as(const Work& work) {
  const auto bit = [](bool flag, unsigned at) { return static_cast<unsigned>(flag) << at; };
  Course as = work;
  as.way = static_cast<std::uint16_t>(bit(work.from == nullptr, 0) | bit(work.has_new_content, 1) |
                                      bit(work.has_new_attributes, 2));
  return as.word();
}

// Neighbours that were treated alike are added as one range. (What `told_as` puts together is
// compared part by part: to put it together for each takes longer.)
void SessionCore::sum_up() {
  summary_.clear(wiring_.outlets.size());
  const Work* first = nullptr;
  IdRange ids{0, 0};  // no FlowFile's
  works_.each([&](const Work& work) {
    if (work.fate == Fate::kHanded) return;
    if (work.id == ids.last + 1 && first != nullptr && work.course() == first->course() &&
        work.from == first->from && work.has_new_content == first->has_new_content &&
        work.has_new_attributes == first->has_new_attributes) {
      ids.last = work.id;
      return;
    }
    if (first != nullptr) sum_up(*first, ids);
    first = &work;
    ids = {work.id, work.id};
  });
  if (first != nullptr) sum_up(*first, ids);
}

void SessionCore::sum_up(const Work& work, const IdRange& ids) {
  auto& [created, attributes, content, dropped, terminated, routed] = summary_;
  const bool is_made = work.from == nullptr;
  const bool is_changed = work.has_new_content || work.has_new_attributes;
  if (is_made && !work.has_parent && !work.is_told) created.add(ids);
  if (!is_made && is_changed) (work.has_new_content ? content : attributes).add(ids);
  if (work.fate == Fate::kDrop) dropped.add(ids);
  if (work.fate != Fate::kTransfer) return;
  if (wiring_.outlets[work.to].queues.empty()) {
    terminated[work.to].add(ids);
  } else if (!is_made && !is_changed && wiring_.outlets.size() > 1) {
    routed[work.to].add(ids);
  }
}

// What the runtime alone tells of one FlowFile is told before the mutex is let go: mostly the same
// was told of another one just before, and that costs less than a lock. False: there is more.
bool SessionCore::tell_in_commit() {
  if (works_.size() != 1 || may_be_marked_ || !told_.is_empty() || !evicted_.is_empty())
    return false;
  ProvenanceLog& log = *wiring_.provenance;
  log.held();
  const Work& work = works_[0];
  const std::uint64_t as = told_as(work);
  std::size_t told = 0;
  if (as == seated_as_) {
    told = log.gather_again(std::span(seats_).first(seats_taken_), wall_ms_, work.id);
    if (told == seats_taken_) [[likely]]
      return true;
  }
  const std::span<const ProvenanceRecord> records = tell_single();
  seated_as_ = as;
  seats_taken_ = records.size();
  log.gather(records.subspan(told), std::span(seats_).first(seats_taken_).subspan(told));
  return true;
}

void SessionCore::tell_provenance() {
  ProvenanceLog* const log = wiring_.provenance;
  if (!told_.is_empty()) told_.put_into(records_, wall_ms_, wiring_.processor_id);
  if (works_.size() == 1 && evicted_.is_empty()) {
    const std::span<const ProvenanceRecord> told = tell_single();
    records_.insert(records_.end(), told.begin(), told.end());
    tell_marks();
    return log->gather(records_);
  }
  sum_up();
  auto& [created, attributes, content, dropped, terminated, routed] = summary_;
  const auto tell_all = [this](ProvenanceKind kind, IdSet& ids, std::string_view relationship = {},
                               std::string_view details = {}) {
    if (ids.is_empty()) return;
    records_.push_back({.kind = kind,
                        .at_ms = wall_ms_,
                        .component = wiring_.processor_id,
                        .flowfiles = ids.ranges(),
                        .relationship = relationship,
                        .details = details});
  };
  tell_all(ProvenanceKind::kCreate, created);
  tell_all(ProvenanceKind::kContentModified, content);
  tell_all(ProvenanceKind::kAttributesModified, attributes);
  for (std::size_t to = 0; to < routed.size(); ++to)
    tell_all(ProvenanceKind::kRoute, routed[to], wiring_.outlets[to].name);
  for (std::size_t to = 0; to < terminated.size(); ++to)
    tell_all(ProvenanceKind::kDrop, terminated[to], wiring_.outlets[to].name, kAutoTerminated);
  tell_all(ProvenanceKind::kDrop, dropped);
  tell_all(ProvenanceKind::kDrop, evicted_, {}, kEvicted);
  tell_marks();
  log->gather(records_);
}

}  // namespace runnel
