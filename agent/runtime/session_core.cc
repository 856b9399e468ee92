// Sessions over the ledger: what the author sees. Commit and rollback stand in session_commit.cc,
// what is handed over in hand_over.cc.

#include "agent/runtime/session_core.h"

#include <algorithm>
#include <limits>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/provenance_log.h"

namespace runnel {
namespace {

constexpr std::uint64_t kIdsAtOnce = 256;
constexpr std::size_t kManyWorks = 1024;  // more than any slice has of calls

}  // namespace

std::string flowfile_uuid(std::string_view instance_id, std::uint64_t id) {
  // The agent's first 64 bits, the id in the others; version 8 (RFC 9562: made as its maker likes).
  std::string text(instance_id.substr(0, 14));
  text += '8';
  text += instance_id.substr(15, 4);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex(16, '0');
  for (std::size_t i = 0; i < 16; ++i) hex[15 - i] = kDigits[(id >> (4 * i)) & 15];
  // The variant takes the id's two highest bits, which no agent ever reaches.
  hex[0] = kDigits[8 | ((id >> 60) & 3)];
  return text.substr(0, 18) + '-' + hex.substr(0, 4) + '-' + hex.substr(4);
}

std::optional<std::uint64_t> flowfile_id(std::string_view instance_id, std::string_view uuid) {
  if (uuid.size() != 36) return std::nullopt;
  std::uint64_t id = 0;
  for (const char c : std::string(uuid.substr(19, 4)) + std::string(uuid.substr(24))) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    id = id << 4 | static_cast<std::uint64_t>(digit);
  }
  id &= ~(std::uint64_t{0xC} << 60);
  if (flowfile_uuid(instance_id, id) != uuid) return std::nullopt;
  return id;
}

class SessionCore::Writer final : public ContentWriter {
 public:
  Writer(SessionCore& session, Work& work)
      : session_(session), work_(work), builder_(session.ledger_.segments()) {}

  Result<> write(std::string_view bytes) override {
    session_.written_bytes_ += bytes.size();
    return builder_.write(bytes);
  }
  Result<> finish() override {
    TRY_ASSIGN(content, builder_.finish());
    session_.set_content(work_, content);
    return {};
  }

 private:
  SessionCore& session_;
  Work& work_;
  ContentBuilder builder_;
};

SessionCore::SessionCore(Ledger& ledger, const Wiring& wiring, HandOver& hand_over)
    : ledger_(ledger), wiring_(wiring), hand_over_(hand_over) {}

SessionCore::~SessionCore() { rollback(); }

void SessionCore::begin() {
  began_ = ledger_.recent();
  wall_ms_ = began_.wall_ms;
  wall_shift_ms_ = ledger_.wall_shift_ms();
}

Result<> SessionCore::end_long_call() {
  for (std::size_t i = call_begin_; i < works_.size(); ++i) {
    if (works_[i].fate == Fate::kOpen)
      return invalid("FlowFile " + uuid(works_[i]) +
                     " was neither transferred, dropped nor handed over");
  }
  return {};
}

std::span<const SessionCore::Load> SessionCore::loads() {
  loads_.resize(wiring_.outlets.size());
  for (; loaded_ < works_.size(); ++loaded_) {
    const Work& work = works_[loaded_];
    if (work.fate != Fate::kTransfer) continue;
    ++loads_[work.to].count;
    loads_[work.to].bytes += work.size;
  }
  return loads_;
}

// ---- taking and making

void SessionCore::Works::enter_block() {
  if (size_ == blocks_.size() * kBlock)
    blocks_.push_back(static_cast<Work*>(take_block(kBlock * sizeof(Work))));
  next_ = blocks_[size_ / kBlock];
  block_end_ = next_ + kBlock;
}

// The wall clock was set since this session began: its times follow, as those in the queues do.
void SessionCore::follow_wall() {
  const std::int64_t moved = ledger_.wall_shift_ms() - wall_shift_ms_;
  if (moved == 0) return;
  works_.each([moved](Work& work) { work.entry_ms += moved; });
  wall_ms_ += moved;
  wall_shift_ms_ += moved;
}

// By the ledger's clock. A session that began in this tick has taken next to no time.
std::uint32_t SessionCore::now_ms() const {
  Clock& clock = ledger_.clock();
  return ledger_.now_ms(clock.tick() == began_.tick ? began_.steady : clock.steady());
}

// Takes what stands in memory. False: something on disk only comes first, and is to be read.
bool SessionCore::take_from(Queue& queue, bool has_read) {
  Lock lock(ledger_.mutex());
  if (!has_read && ledger_.needs_paging_locked(queue)) return false;
  queue.held();
  follow_wall();
  queue.take(wiring_.take_max, queue.takes_by_time() ? now_ms() : 0, taken_);
  return true;
}

bool SessionCore::refill() {
  taken_.clear();
  next_taken_ = 0;
  if (taken_.capacity() == 0) taken_.swap(lent_by_thread().taken);
  for (std::size_t i = 0; i < wiring_.inputs.size(); ++i) {
    Queue& queue = *wiring_.inputs[(next_input_ + i) % wiring_.inputs.size()];
    const bool has_penalties_over =
        queue.penalty_ends_ms() != 0 && is_reached(queue.penalty_ends_ms(), now_ms());
    if (!queue.is_ready() && !has_penalties_over) continue;
    // What cannot be read is counted and gone; what comes behind it is read instead.
    bool has_read = false;
    while (!take_from(queue, has_read)) {
      const Result<> paged = ledger_.page_in(queue);
      if (!paged.ok() && paged.code() != Code::kCorrupt) break;
      has_read = paged.ok();
    }
    if (taken_.empty()) continue;
    taken_from_ = &queue;
    next_input_ = (next_input_ + i + 1) % wiring_.inputs.size();
    return true;
  }
  return false;
}

FlowFile SessionCore::get() {
  while (true) {
    if (next_taken_ == taken_.size() && !refill()) return {};
    const Queue::Taken& taken = taken_[next_taken_++];
    Work& work = works_.add(*taken.record, call_, taken, taken_from_);
    has_progress_ = true;
    const auto expire = taken_from_->expire_ms();
    if (expire != 0 && wall_ms_ - (work.lineage_start_ms()) > expire) {
      work.fate = Fate::kExpired;
      if (wiring_.provenance != nullptr) told_.event(call_, ProvenanceKind::kExpire, work.id);
      continue;
    }
    return FlowFile(&work, this);
  }
}

FlowFile SessionCore::made(const Work* parent) {
  if (ids_ == ids_end_) {
    ids_ = ledger_.take_ids(kIdsAtOnce);
    ids_end_ = ids_ + kIdsAtOnce;
  }
  Work& work = works_.add(FlowRecord{}, call_, Queue::Taken{}, nullptr);
  work.id = ids_++;
  work.entry_ms = wall_ms_;
  has_progress_ = true;
  if (parent != nullptr) {
    work.has_parent = true;
    work.inherits = parent->from != nullptr || parent->inherits;
    work.epoch = parent->epoch;
    const std::int64_t lead = wall_ms_ - (parent->entry_ms - parent->lineage_lead_ms);
    work.lineage_lead_ms = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(lead, 0, std::numeric_limits<std::uint32_t>::max()));
    work.attributes = parent->attributes;
    if (work.attributes != nullptr) {
      work.may_be_marked = may_be_marked_ = true;
      work.attributes->retain();
      work.owns_attributes = true;
    }
  }
  return FlowFile(&work, this);
}

FlowFile SessionCore::create() { return made(nullptr); }

FlowFile SessionCore::create(FlowFile parent) {
  const FlowFile child = made(&work_of(parent));
  tell_kin(ProvenanceKind::kFork, child.id(), parent.id());
  return child;
}

FlowFile SessionCore::clone(FlowFile original) {
  const Work& from = work_of(original);
  const FlowFile copy = made(&from);
  Work& work = work_of(copy);
  work.offset = from.offset;
  work.size = from.size;
  work.content = from.content;
  if (work.content != nullptr) {
    work.content->retain();
    work.owns_content = true;
  }
  tell_kin(ProvenanceKind::kClone, work.id, from.id);
  return copy;
}

FlowFile SessionCore::clone(FlowFile original, std::uint64_t offset, std::uint64_t size) {
  RUNNEL_ASSERT(offset <= original.size() && size <= original.size() - offset);
  const Work& from = work_of(original);
  const FlowFile piece = made(&from);
  Work& work = work_of(piece);
  work.size = size;
  if (size > 0) {
    work.content = from.content;
    work.content->retain();
    work.owns_content = true;
    work.offset = from.offset + offset;
  }
  tell_kin(ProvenanceKind::kFork, work.id, from.id);
  return piece;
}

FlowFile SessionCore::merge(std::span<const FlowFile> parts, MergeText text) {
  RUNNEL_ASSERT(!parts.empty());
  const FlowFile merged = made(&work_of(parts[0]));
  Work& work = work_of(merged);
  std::vector<Content::Slice> slices;
  std::vector<Content*> texts;
  const auto add_text = [&](std::string_view bytes) {
    if (bytes.empty()) return;
    texts.push_back(Content::of_bytes(bytes));
    slices.push_back({texts.back(), 0, bytes.size()});
  };
  add_text(text.header);
  bool is_first = true;
  for (const FlowFile& part : parts) {
    const Work& from = work_of(part);
    if (!is_first) add_text(text.demarcator);
    is_first = false;
    if (from.size > 0) slices.push_back({from.content, from.offset, from.size});
    work.epoch = std::max(work.epoch, from.epoch);
    // One that was made here is younger than all that came from queues.
    if (from.from == nullptr && !from.inherits) work.inherits = false;
    const std::int64_t lead = wall_ms_ - (from.lineage_start_ms());
    work.lineage_lead_ms = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(std::max<std::int64_t>(lead, work.lineage_lead_ms), 0,
                                 std::numeric_limits<std::uint32_t>::max()));
    tell_kin(ProvenanceKind::kJoin, work.id, from.id);
  }
  add_text(text.footer);
  std::uint64_t size = 0;
  for (const Content::Slice& slice : slices) size += slice.size;
  // Small ones are copied: that is cheaper than a rope, and holds nobody's content back.
  if (size <= kSmallContentMax) {
    std::string bytes(size, '\0');
    std::uint64_t at = 0;
    bool is_whole = true;
    for (const Content::Slice& slice : slices) {
      std::uint64_t done = 0;
      while (done < slice.size) {
        const Result<std::size_t> got =
            slice.of->read_at(slice.offset + done, bytes.data() + at + done, slice.size - done);
        if (!got.ok() || *got == 0) break;
        done += *got;
      }
      is_whole = is_whole && done == slice.size;
      at += slice.size;
    }
    set_content(work, is_whole ? Content::of_bytes(bytes) : Content::of_slices(slices));
  } else {
    set_content(work, Content::of_slices(slices));
  }
  work.has_new_content = false;  // JOIN says it already
  for (Content* one : texts) one->release();
  // Attributes that all have alike are kept.
  std::vector<std::string> differing;
  each_attribute(work, [&](std::string_view name, std::string_view value) {
    for (const FlowFile& part : parts.subspan(1)) {
      if (attribute(work_of(part), name) != value) {
        differing.emplace_back(name);
        return;
      }
    }
  });
  for (const std::string& name : differing) remove_attribute(work, name);
  work.has_new_attributes = false;
  return merged;
}

// ---- content

void SessionCore::set_content(Work& work, Content* content) {
  if (work.owns_content) work.content->release();
  work.content = content;
  work.owns_content = content != nullptr;
  work.offset = 0;
  work.size = content == nullptr ? 0 : content->size();
  work.has_new_content = true;
  has_progress_ = true;
}

Result<std::string_view> SessionCore::content(FlowFile of, std::size_t at_most) {
  const Work& work = work_of(of);
  if (work.size > at_most) {
    return full("its content of " + size_text(work.size) + " is larger than " + size_text(at_most));
  }
  if (work.size == 0) return std::string_view{};
  read_bytes_ += work.size;
  if (work.content->is_in_memory()) return work.content->bytes().substr(work.offset, work.size);
  std::string bytes(work.size, '\0');
  TRY_ASSIGN(got, reader_of(work.content, work.offset, work.size)->read(bytes));
  if (got != bytes.size()) return corrupt("content ends early");
  return std::string_view(contents_.emplace_front(std::move(bytes)));
}

Result<std::unique_ptr<ContentReader>> SessionCore::reader(FlowFile of) {
  const Work& work = work_of(of);
  read_bytes_ += work.size;
  return reader_of(work.content, work.offset, work.size);
}

Result<> SessionCore::write(FlowFile to, std::string_view bytes) {
  written_bytes_ += bytes.size();
  if (bytes.size() <= kSmallContentMax) {
    // The bytes may be a view of the very content that is replaced.
    Content* const fresh = bytes.empty() ? nullptr : Content::of_bytes(bytes);
    set_content(work_of(to), fresh);
    return {};
  }
  ContentBuilder builder(ledger_.segments());
  TRY(builder.write(bytes));
  TRY_ASSIGN(fresh, builder.finish());
  set_content(work_of(to), fresh);
  return {};
}

Result<> SessionCore::write(FlowFile to, ContentDraft& draft) {
  TRY_ASSIGN(drafted, static_cast<SegmentDraft&>(draft).content());
  written_bytes_ += draft.size();
  set_content(work_of(to), drafted);
  return {};
}

Result<std::unique_ptr<ContentWriter>> SessionCore::writer(FlowFile to) {
  return std::unique_ptr<ContentWriter>(std::make_unique<Writer>(*this, work_of(to)));
}

// ---- sending on

void SessionCore::transfer(FlowFile what, Relationship to) {
  RUNNEL_ASSERT(to.index < wiring_.outlets.size());
  Work& work = work_of(what);
  work.to = to.index;
  work.fate = Fate::kTransfer;
  transferred_bytes_ += work.size;
  if (works_.size() > kManyWorks) fold_attributes(work);
}

void SessionCore::drop(FlowFile what) { work_of(what).fate = Fate::kDrop; }

void SessionCore::penalize(FlowFile what) { work_of(what).is_penalized = true; }

// ---- provenance and state

void SessionCore::tell_kin(ProvenanceKind kind, std::uint64_t child, std::uint64_t parent) {
  if (wiring_.provenance != nullptr) told_.kin(call_, kind, child, parent);
}

void SessionCore::event(FlowFile of, ProvenanceKind kind, std::string_view uri,
                        std::string_view details, std::string_view alternate_id) {
  Work& work = work_of(of);
  if (kind == ProvenanceKind::kReceive || kind == ProvenanceKind::kCreate ||
      kind == ProvenanceKind::kFetch)
    work.is_told = true;
  if (kind == ProvenanceKind::kSend || kind == ProvenanceKind::kUpload) work.is_sent = true;
  if (wiring_.provenance == nullptr) return;
  told_.event(call_, kind, work.id, uri, details, alternate_id);
}

// The last edit counts.
std::optional<std::string> SessionCore::state_of(std::string_view owner, std::string_view key) {
  for (auto edit = edits_.rbegin(); edit != edits_.rend(); ++edit) {
    if (edit->name == key && edit->owner == owner) return edit->value;
  }
  Lock lock(ledger_.mutex());
  return ledger_.state(owner.empty() ? wiring_.processor_id : std::string(owner), std::string(key));
}

std::optional<std::string> SessionCore::state(std::string_view key) { return state_of({}, key); }

void SessionCore::set_state(std::string_view key, std::string_view value) {
  edits_.push_back({call_, {}, std::string(key), std::string(value)});
  has_progress_ = true;
}

void SessionCore::remove_state(std::string_view key) {
  edits_.push_back({call_, {}, std::string(key), std::nullopt});
}

std::optional<std::string> SessionCore::shared_state(std::string_view service,
                                                     std::string_view key) {
  return state_of(service, key);
}

void SessionCore::set_shared_state(std::string_view service, std::string_view key,
                                   std::string_view value) {
  edits_.push_back({call_, std::string(service), std::string(key), std::string(value)});
  has_progress_ = true;
}

void SessionCore::remove_shared_state(std::string_view service, std::string_view key) {
  edits_.push_back({call_, std::string(service), std::string(key), std::nullopt});
}

void SessionCore::when_ended(std::function<void(bool)> then) {
  endings_.push_back({call_, std::move(then)});
}

void SessionCore::end_calls_from(std::uint32_t call, bool is_committed) {
  if (is_committed) {
    for (const Ending& ending : endings_) ending.then(true);
    endings_.clear();
  }
  while (!endings_.empty() && endings_.back().call >= call) {
    endings_.back().then(false);
    endings_.pop_back();
  }
}

void SessionCore::each_state(const std::function<void(std::string_view, std::string_view)>& visit) {
  std::map<std::string, std::string> all;
  {
    Lock lock(ledger_.mutex());
    ledger_.each_state(wiring_.processor_id, [&all](std::string_view name, std::string_view value) {
      all.emplace(name, value);
    });
  }
  for (const StateEdit& edit : edits_) {
    if (!edit.owner.empty()) continue;
    if (edit.value) {
      all[edit.name] = *edit.value;
    } else {
      all.erase(edit.name);
    }
  }
  for (const auto& [name, value] : all) visit(name, value);
}

void SessionCore::when_safe(std::function<void()> then) {
  waiting_.push_back({call_, std::move(then)});
}

void SessionCore::when_stored(std::function<void()> then) {
  waiting_.push_back({call_, std::move(then), true});
}

// ---- attributes

std::optional<std::string_view> SessionCore::attribute(const FlowRecord& record,
                                                       std::string_view name) const {
  if (record.attributes != nullptr) {
    const auto found = record.attributes->find(name);
    if (found && name != "uuid") return found;
  }
  if (name == "uuid" || name == "filename") {  // NiFi's core attributes are always there
    return std::string_view(texts_.emplace_front(uuid(record)));
  }
  if (name == "path") return std::string_view("./");
  return std::nullopt;
}

void SessionCore::set_attribute(FlowRecord& record, std::string_view name, std::string_view value) {
  if (name == "uuid") return;  // it cannot be changed
  Work& work = static_cast<Work&>(record);
  const std::uint32_t bit = Attributes::bit_of(name);
  if (!work.owns_attributes || !work.attributes->add_short(bit, name, value))
    return put_attribute(work, name, value);
  work.has_new_attributes = true;
  if (wiring_.provenance != nullptr && wiring_.provenance->may_be_marked(bit))
    look_for_mark(work, name);
}

void SessionCore::put_attribute(Work& work, std::string_view name, std::string_view value) {
  work.attributes = work.owns_attributes || work.attributes == nullptr
                        ? Attributes::with(work.attributes, name, value)
                        : Attributes::copy_with(*work.attributes, name, value);
  work.owns_attributes = true;
  work.has_new_attributes = true;
  if (wiring_.provenance != nullptr && wiring_.provenance->may_be_marked(Attributes::bit_of(name)))
    look_for_mark(work, name);
}

void SessionCore::look_for_mark(Work& work, std::string_view name) {
  if (wiring_.provenance->is_marked(name)) work.may_be_marked = may_be_marked_ = true;
}

void SessionCore::remove_attribute(FlowRecord& record, std::string_view name) {
  Work& work = static_cast<Work&>(record);
  if (work.attributes == nullptr) return;
  if (!work.owns_attributes) work.attributes->retain();
  work.attributes = Attributes::without(work.attributes, name);
  work.owns_attributes = true;
  work.has_new_attributes = true;
}

void SessionCore::each_attribute(
    const FlowRecord& record,
    const std::function<void(std::string_view, std::string_view)>& visit) const {
  // The core attributes are there even where they are not written out.
  const std::string uuid_text = uuid(record);
  std::vector<std::pair<std::string_view, std::string_view>> all;
  bool has_filename = false;
  bool has_path = false;
  bool has_uuid = false;
  if (record.attributes != nullptr) {
    record.attributes->each([&](std::string_view name, std::string_view value) {
      has_filename = has_filename || name == "filename";
      has_path = has_path || name == "path";
      has_uuid = has_uuid || name == "uuid";
      all.emplace_back(name, value);
    });
  }
  if (!has_filename) all.emplace_back("filename", uuid_text);
  if (!has_path) all.emplace_back("path", "./");
  if (!has_uuid) all.emplace_back("uuid", uuid_text);
  std::sort(all.begin(), all.end());
  for (const auto& [name, value] : all) visit(name, value);
}

std::string SessionCore::uuid(const FlowRecord& record) const {
  return flowfile_uuid(ledger_.instance_id(), record.id);
}

}  // namespace runnel
