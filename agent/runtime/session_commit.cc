// Commit and rollback of sessions, and of FlowFiles that were handed over.

#include <algorithm>

#include "agent/runtime/attributes.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

void call_each(const std::vector<Queue*>& queues, std::function<void()> Queue::*hook) {
  Queue* last = nullptr;
  for (Queue* const queue : queues) {
    if (queue != last && queue->*hook) (queue->*hook)();
    last = queue;
  }
}

// How long to wait before the next try of a retry.
std::chrono::milliseconds wait_of(const RetryRule& rule, std::uint32_t attempts) {
  const auto steps = std::min<std::uint32_t>(attempts, 20);
  return std::min(rule.backoff_max, rule.backoff_first * (std::int64_t{1} << steps));
}

// Sends it back to where it came from when its outlet says so. Returns how long to yield, if it is
// to.
bool sent_back(Ledger& ledger, const Outlet& outlet, Queue& from, Queue::Position position,
               std::chrono::milliseconds& yields) REQUIRES(ledger.mutex()) {
  if (!outlet.retry) return false;
  from.held();
  std::uint32_t& attempts = from.attempts(position);
  if (outlet.retry->attempts && attempts >= *outlet.retry->attempts) return false;
  const std::chrono::milliseconds wait = wait_of(*outlet.retry, attempts);
  ++attempts;
  if (outlet.retry->is_yield) {
    yields = std::max(yields, wait);
    from.give_back(position, 0);
  } else {
    from.give_back(position, ledger.now_ms() + static_cast<std::uint32_t>(wait.count()));
  }
  return true;
}

// A session of more FlowFiles gives back what it needed: there may be ten thousand of them.
constexpr std::size_t kSmall = 16;

}  // namespace

// ---- sessions

void SessionCore::release(Work& work) {
  if (work.owns_attributes) work.attributes->release();
  if (work.owns_content) work.content->release();
  work.owns_attributes = work.owns_content = false;
}

void SessionCore::undo_from(std::size_t works_kept, bool is_penalized) {
  const auto penalty =
      is_penalized ? ledger_.now_ms() + static_cast<std::uint32_t>(wiring_.penalty.count()) : 0;
  {
    Lock lock(ledger_.mutex());
    for (std::size_t i = works_.size(); i-- > works_kept;) {
      Work& work = works_[i];
      if (work.from == nullptr || work.fate == Fate::kHanded) continue;
      work.from->held();
      work.from->give_back(work.position, penalty);
    }
  }
  while (works_.size() > works_kept) {
    release(works_.back());
    works_.pop_back();
  }
}

void SessionCore::rollback_call(bool is_penalized) {
  undo_from(call_begin_, is_penalized);
  const auto of_call = [this](const auto& one) { return one.call == call_; };
  told_.undo(call_);
  std::erase_if(edits_, of_call);
  std::erase_if(waiting_, of_call);
  end_calls_from(call_, false);
  has_progress_ = false;
}

void SessionCore::rollback_corrupt_call() {
  quarantine_unreadable();
  rollback_call(true);
}

// Nobody says which FlowFile it was: all that this call took are read.
void SessionCore::quarantine_unreadable() {
  for (std::size_t i = call_begin_; i < works_.size(); ++i) {
    Work& work = works_[i];
    if (work.from == nullptr || work.fate == Fate::kHanded) continue;
    FlowRecord record;
    {
      Lock lock(ledger_.mutex());
      work.from->held();
      record = *work.from->find(work.position);
    }
    if (record.size == 0 || record.content->is_in_memory()) continue;
    const auto reader = reader_of(record.content, record.offset, record.size);
    std::string part(64 << 10, '\0');
    Result<std::size_t> got = reader->read(part);
    while (got.ok() && *got != 0) got = reader->read(part);
    if (got.ok() || got.code() != Code::kCorrupt) continue;
    ledger_.quarantine(*work.from, work.position, got.error());
    work.from = nullptr;
  }
}

void SessionCore::rollback() {
  undo_from(0, false);
  end_calls_from(0, false);
  finish();
}

// What a large session needed. The thread's next one has it of the thread.
void SessionCore::give_back_room() {
  constexpr std::size_t kKept = 1024;  // bytes
  Lent& lent = lent_by_thread();
  if (taken_.capacity() > lent.taken.capacity()) lent.taken.swap(taken_);
  if (gone_.capacity() > lent.gone.capacity()) lent.gone.swap(gone_);
  const auto give_back = [](auto& used) {
    if (used.capacity() * sizeof(used[0]) > kKept) used.shrink_to_fit();
  };
  const auto each = [&give_back](auto&... used) { (give_back(used), ...); };
  each(taken_, gone_, records_, valued_, values_, marks_, own_values_, own_text_);
}

SessionCore::Lent& SessionCore::lent_by_thread() {
  thread_local Lent lent;
  return lent;
}

void SessionCore::finish() {
  const bool was_large = works_.size() > kSmall || taken_.capacity() > kSmall;
  // What was taken from the queue and never asked for goes back to its place.
  if (next_taken_ < taken_.size()) {
    Lock lock(ledger_.mutex());
    taken_from_->held();
    for (; next_taken_ < taken_.size(); ++next_taken_)
      taken_from_->give_back(taken_[next_taken_].position, 0);
  }
  taken_.clear();
  next_taken_ = 0;
  works_.clear();
  told_.clear();
  gone_.clear();
  records_.clear();
  valued_.clear();
  values_.clear();
  marks_.clear();
  own_values_.clear();
  own_.clear();
  own_text_.clear();
  evicted_.clear();
  edits_.clear();
  waiting_.clear();
  texts_.clear();
  contents_.clear();
  call_ = 0;
  call_begin_ = 0;
  loads_.clear();
  loaded_ = 0;
  read_bytes_ = written_bytes_ = transferred_bytes_ = 0;
  wants_yield_ = false;
  if (was_large) give_back_room();
}

// A relationship with several connections: each but the last gets a clone.
void SessionCore::fan_out() {
  const std::size_t count = works_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (works_[i].fate != Fate::kTransfer) continue;
    const std::size_t ways = wiring_.outlets[works_[i].to].queues.size();
    for (std::size_t way = 1; way < ways; ++way) {
      const std::uint32_t call = call_;
      call_ = works_[i].call;
      Work& copy = work_of(clone(FlowFile(&works_[i], this)));
      call_ = call;
      copy.fate = Fate::kTransfer;
      copy.to = works_[i].to;
      copy.is_penalized = works_[i].is_penalized;
      copy.way = static_cast<std::uint16_t>(way);
    }
  }
}

void SessionCore::commit() {
  if (call_ == 0) return finish();
  fan_out();
  mark_attributes();
  if (gone_.capacity() == 0 && works_.size() > kSmall) gone_.swap(lent_by_thread().gone);
  bool must_notify = false;
  {
    Lock lock(ledger_.mutex());
    commit_locked();
    must_notify = ledger_.settle_commit();
  }
  if (must_notify) ledger_.notify();
  end_calls_from(0, true);
  tell_provenance();
  for (const FlowRecord& record : gone_) runnel::release(record);
  if (!ended_.empty()) wiring_.archive->keep(ended_);
  if (wiring_.counters != nullptr) {
    ProcessorCounters& counters = *wiring_.counters;
    counters.read_bytes.fetch_add(read_bytes_, std::memory_order_relaxed);
    counters.written_bytes.fetch_add(written_bytes_, std::memory_order_relaxed);
    counters.sessions.fetch_add(1, std::memory_order_relaxed);
    counters.last_session_ms.store(wall_ms_, std::memory_order_relaxed);
  }
  const bool gives_back = next_taken_ < taken_.size();
  finish();
  if (gives_back && taken_from_->on_ready) taken_from_->on_ready();
  call_each(readied_, &Queue::on_ready);
  call_each(roomy_, &Queue::on_room);
  readied_.clear();
  roomy_.clear();
}

// Delivered, dropped on purpose or auto-terminated: what expired would only expire again.
bool SessionCore::ends_here(const Work& work) const {
  return work.fate == Fate::kDrop ||
         (work.fate == Fate::kTransfer && wiring_.outlets[work.to].queues.empty());
}

bool SessionCore::retried(Work& work) {
  if (work.from == nullptr || work.fate != Fate::kTransfer) return false;
  std::chrono::milliseconds yields{0};
  if (!sent_back(ledger_, wiring_.outlets[work.to], *work.from, work.position, yields))
    return false;
  if (yields.count() > 0 && wiring_.on_yield) wiring_.on_yield(yields);
  return true;
}

void SessionCore::commit_locked() {
  // The epochs that each call combines belong together.
  EpochNumber birth = 0;
  const auto birth_epoch = [&]() REQUIRES(ledger_.mutex()) {
    if (birth == 0) birth = ledger_.birth_epoch();
    return birth;
  };
  EpochNumber newest = 0;
  bool has_inputs = false;
  for (std::size_t i = 0; i < works_.size();) {
    EpochNumber low = UINT64_MAX;
    EpochNumber high = 0;
    const std::size_t begin = i;
    const std::uint32_t call = works_[i].call;
    for (; i < works_.size() && works_[i].call == call; ++i) {
      Work& work = works_[i];
      if (work.fate == Fate::kHanded) continue;
      if (work.from == nullptr && !work.inherits) work.epoch = birth_epoch();
      has_inputs = has_inputs || work.from != nullptr;
      low = std::min(low, work.epoch);
      high = std::max(high, work.epoch);
    }
    newest = std::max(newest, high);
    if (low == UINT64_MAX || low == high) continue;
    ledger_.tie(low, high);
    // What was taken from the youngest may live on in any of them.
    for (std::size_t at = begin; at < i; ++at) works_[at].epoch = high;
  }
  const std::uint32_t now_ms = ledger_.now_ms();
  follow_wall();
  std::uint64_t in_count = 0, in_bytes = 0, out_count = 0, out_bytes = 0, made_count = 0,
                dropped_count = 0;
  for (Work& work : works_) {
    if (work.fate == Fate::kHanded) continue;
    if (work.from != nullptr) {
      if (retried(work)) {
        runnel::SessionCore::release(work);
        work.fate = Fate::kHanded;  // it is as it was: nothing is told of it
        continue;
      }
      const bool was_full = work.from->is_full();
      const FlowRecord old = ledger_.take_out(*work.from, work.position);
      work.entry_ms = old.entry_ms;  // it may have followed the wall clock
      ++in_count;
      in_bytes += old.size;
      if (wiring_.archive != nullptr && ends_here(work)) {
        retain(old);
        ended_.push_back({work.from->id(), wall_ms_, old});
      }
      if (was_full && !work.from->is_full()) roomy_.push_back(work.from);
      // What was not replaced is handed on with its reference; what was replaced is let go.
      FlowRecord left;
      if (work.owns_attributes) left.attributes = old.attributes;
      if (work.owns_content || (work.has_new_content && work.content == nullptr))
        left.content = old.content;
      work.owns_attributes = work.owns_content = false;
      if (left.attributes != nullptr || left.content != nullptr) gone_.push_back(left);
    } else {
      ledger_.count_birth(work.epoch, 1);
      ++made_count;
      work.owns_attributes = work.owns_content = false;
    }
    FlowRecord record = static_cast<const FlowRecord&>(work);  // what is queued of it
    record.penalty_until_ms =
        work.is_penalized ? now_ms + static_cast<std::uint32_t>(wiring_.penalty.count()) : 0;
    const Outlet* const outlet = work.fate == Fate::kTransfer ? &wiring_.outlets[work.to] : nullptr;
    if (outlet == nullptr || outlet->queues.empty()) {
      const End end = work.fate == Fate::kExpired          ? End::kExpired
                      : outlet != nullptr && !work.is_sent ? End::kTerminated
                                                           : End::kOut;
      if (end == End::kExpired) {
        ledger_.count_drop(work.epoch, end, work.id);
      } else {
        ledger_.count_end(work.epoch, end);
      }
      ++dropped_count;
      gone_.push_back(record);
      continue;
    }
    Queue& to = *outlet->queues[work.way];
    ++out_count;
    out_bytes += record.size;
    const std::size_t gone_before = gone_.size();
    ledger_.put(to, record, now_ms, gone_);
    for (std::size_t i = gone_before; i < gone_.size(); ++i) evicted_.add(gone_[i].id);
    if (readied_.empty() || readied_.back() != &to) readied_.push_back(&to);
  }
  for (StateEdit& edit : edits_) {
    const EpochNumber epoch = has_inputs ? newest : birth_epoch();
    const std::string& owner = edit.owner.empty() ? wiring_.processor_id : edit.owner;
    ledger_.change_state(owner, edit.name, std::move(edit.value), epoch, has_inputs);
  }
  // A change of state alone is safe when it is written: nobody's acknowledgement stands for it.
  const bool needs_write = has_inputs || (works_.empty() && !edits_.empty());
  for (Waiting& waiting : waiting_) {
    ledger_.wait(wiring_.line, newest == 0 ? birth_epoch() : newest,
                 needs_write || waiting.must_be_stored, std::move(waiting.then));
  }
  if (wiring_.counters != nullptr) {
    ProcessorCounters& counters = *wiring_.counters;
    counters.in_count.fetch_add(in_count, std::memory_order_relaxed);
    counters.in_bytes.fetch_add(in_bytes, std::memory_order_relaxed);
    counters.out_count.fetch_add(out_count, std::memory_order_relaxed);
    counters.out_bytes.fetch_add(out_bytes, std::memory_order_relaxed);
    counters.made_count.fetch_add(made_count, std::memory_order_relaxed);
    counters.dropped_count.fetch_add(dropped_count, std::memory_order_relaxed);
  }
}

// ---- handed over

std::uint64_t HandOver::put(Slot slot) {
  Lock lock(mutex_);
  if (free_.empty()) {
    slots_.push_back(std::move(slot));
    return slots_.size() - 1;
  }
  const std::uint64_t at = free_.back();
  free_.pop_back();
  slots_[at] = std::move(slot);
  return at;
}

HandOver::Slot HandOver::take(std::uint64_t at) {
  Lock lock(mutex_);
  free_.push_back(at);
  return std::exchange(slots_[at], {});
}

void HandOver::transfer_one(const Slot& slot, const Outlet& outlet,
                            std::span<const std::pair<std::string_view, std::string_view>> set,
                            Transferred& done) {
  slot.queue->held();
  if (sent_back(ledger_, outlet, *slot.queue, slot.position, done.yields)) {
    if (done.retried.empty() || done.retried.back() != slot.queue)
      done.retried.push_back(slot.queue);
    return;
  }
  const bool was_full = slot.queue->is_full();
  FlowRecord record = ledger_.take_out(*slot.queue, slot.position);
  if (was_full && !slot.queue->is_full()) done.roomy.push_back(slot.queue);
  ++done.count;
  done.bytes += record.size;
  done.ids.add(record.id);
  if (slot.sent_to) {
    if (done.sent_to.empty() || done.sent_to.back() != slot.sent_to) {
      done.sent_to.push_back(slot.sent_to);
      done.sent.emplace_back();
    }
    done.sent.back().add(record.id);
  }
  if (outlet.queues.empty() && wiring_.archive != nullptr) {
    retain(record);
    done.ended.push_back({slot.queue->id(), ledger_.clock().wall_ms(), record});
  }
  for (const auto& [name, value] : set)
    record.attributes = Attributes::with(record.attributes, name, value);
  const std::uint32_t now_ms = ledger_.now_ms();
  record.penalty_until_ms = 0;
  if (outlet.queues.empty()) {
    ledger_.count_end(record.epoch, slot.sent_to ? End::kOut : End::kTerminated);
    done.gone.push_back(record);
    return;
  }
  for (std::size_t way = 1; way < outlet.queues.size(); ++way) {
    FlowRecord copy = record;
    copy.id = ledger_.take_ids(1);
    retain(copy);
    ledger_.count_birth(copy.epoch, 1);
    if (wiring_.provenance != nullptr)
      done.clones.kin(static_cast<std::uint32_t>(way), ProvenanceKind::kClone, copy.id, record.id);
    put_into(*outlet.queues[way], copy, now_ms, done);
  }
  put_into(*outlet.queues[0], record, now_ms, done);
}

void HandOver::put_into(Queue& queue, const FlowRecord& record, std::uint32_t now_ms,
                        Transferred& done) {
  const std::size_t gone_before = done.gone.size();
  ledger_.put(queue, record, now_ms, done.gone);
  for (std::size_t i = gone_before; i < done.gone.size(); ++i) done.evicted.add(done.gone[i].id);
}

void HandOver::tell(Transferred& done, const Outlet& outlet,
                    std::span<const std::pair<std::string_view, std::string_view>> set) {
  if (wiring_.provenance == nullptr || done.count == 0) return;
  const std::int64_t now = ledger_.clock().wall_ms();
  std::vector<ProvenanceRecord> records;
  const auto add = [&](ProvenanceKind kind, IdSet& ids) -> ProvenanceRecord& {
    return records.emplace_back(ProvenanceRecord{
        .kind = kind, .at_ms = now, .component = wiring_.processor_id, .flowfiles = ids.ranges()});
  };
  done.clones.put_into(records, now, wiring_.processor_id);
  for (std::size_t i = 0; i < done.sent.size(); ++i) {
    add(ProvenanceKind::kSend, done.sent[i]).uri = *done.sent_to[i];
  }
  if (!set.empty()) add(ProvenanceKind::kAttributesModified, done.ids);
  if (outlet.queues.empty()) {
    ProvenanceRecord& drop = add(ProvenanceKind::kDrop, done.ids);
    drop.relationship = outlet.name;
    drop.details = kAutoTerminated;
  } else if (set.empty()) {
    add(ProvenanceKind::kRoute, done.ids).relationship = outlet.name;
  }
  if (!done.evicted.is_empty()) add(ProvenanceKind::kDrop, done.evicted).details = kEvicted;
  const std::vector<std::string>& marked = wiring_.provenance->marked_attributes();
  for (const auto& [name, value] : set) {
    if (std::find(marked.begin(), marked.end(), name) == marked.end()) continue;
    ProvenanceRecord& mark = add(kProvenanceMark, done.ids);
    mark.uri = name;
    mark.details = value.substr(0, kMarkValueMax);
  }
  wiring_.provenance->add(records);
}

void HandOver::transfer(std::span<const std::uint64_t> slots, Relationship to,
                        std::span<const std::pair<std::string_view, std::string_view>> set) {
  constexpr std::size_t kAtOnce = 256;  // nobody waits longer for the ledger than for a session
  RUNNEL_ASSERT(to.index < wiring_.outlets.size());
  const Outlet& outlet = wiring_.outlets[to.index];
  std::vector<Slot> taken;
  taken.reserve(slots.size());
  {
    Lock lock(mutex_);
    for (const std::uint64_t at : slots) {
      free_.push_back(at);
      taken.push_back(std::exchange(slots_[at], {}));
    }
  }
  Transferred done;
  for (std::size_t begin = 0; begin < taken.size(); begin += kAtOnce) {
    bool must_notify = false;
    {
      Lock lock(ledger_.mutex());
      const std::size_t end = std::min(begin + kAtOnce, taken.size());
      for (std::size_t i = begin; i < end; ++i) transfer_one(taken[i], outlet, set, done);
      must_notify = ledger_.settle_commit();
    }
    if (must_notify) ledger_.notify();
  }
  if (!done.ended.empty()) wiring_.archive->keep(done.ended);
  tell(done, outlet, set);
  if (wiring_.counters != nullptr) {
    ProcessorCounters& counters = *wiring_.counters;
    const bool is_end = outlet.queues.empty();
    counters.in_flight.fetch_sub(slots.size(), std::memory_order_relaxed);
    counters.in_count.fetch_add(done.count, std::memory_order_relaxed);
    counters.in_bytes.fetch_add(done.bytes, std::memory_order_relaxed);
    (is_end ? counters.dropped_count : counters.out_count)
        .fetch_add(done.count, std::memory_order_relaxed);
    if (!is_end) counters.out_bytes.fetch_add(done.bytes, std::memory_order_relaxed);
  }
  if (done.yields.count() > 0 && wiring_.on_yield) wiring_.on_yield(done.yields);
  call_each(done.retried, &Queue::on_ready);
  if (done.count > 0) call_each(outlet.queues, &Queue::on_ready);
  call_each(done.roomy, &Queue::on_room);
  // Last: with the last piece of a large content its files go, which takes the disk seconds.
  for (const FlowRecord& record : done.gone) release(record);
}

void HandOver::give_back(std::uint64_t at, bool is_penalized) {
  const Slot slot = take(at);
  {
    Lock lock(ledger_.mutex());
    slot.queue->held();
    slot.queue->give_back(
        slot.position,
        is_penalized ? ledger_.now_ms() + static_cast<std::uint32_t>(wiring_.penalty.count()) : 0);
  }
  if (wiring_.counters != nullptr)
    wiring_.counters->in_flight.fetch_sub(1, std::memory_order_relaxed);
  if (slot.queue->on_ready) slot.queue->on_ready();
}

}  // namespace runnel
