// Commit and rollback of sessions. What was handed over goes on in hand_over.cc.

#include <algorithm>

#include "agent/runtime/attributes.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"
#include "agent/runtime/session_parts.h"

namespace runnel {
namespace {

// A session of more FlowFiles gives back what it needed: there may be ten thousand of them.
constexpr std::size_t kSmall = 16;

bool has_several_ways(const Wiring& wiring) {
  for (const Outlet& outlet : wiring.outlets) {
    if (outlet.queues.size() > 1) return true;
  }
  return false;
}

}  // namespace

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
  birth_ = 0;
  records_.clear();
  if (may_be_marked_) forget_marks();
  evicted_.clear();
  edits_.clear();
  waiting_.clear();
  texts_.clear();
  contents_.clear();
  folder_.reset();
  call_ = 0;
  call_begin_ = 0;
  loads_.clear();
  loaded_ = 0;
  read_bytes_ = written_bytes_ = transferred_bytes_ = 0;
  wants_yield_ = has_kept_ = false;
  if (was_large) give_back_room();
}

void SessionCore::forget_marks() {
  may_be_marked_ = false;
  marks_.clear();
  own_values_.clear();
  own_.clear();
  own_text_.clear();
  values_.clear();
  valued_.clear();
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
  if (has_several_ways(wiring_)) fan_out();
  if (may_be_marked_) mark_attributes();
  if (gone_.capacity() == 0 && works_.size() > kSmall) gone_.swap(lent_by_thread().gone);
  bool must_notify = false;
  bool is_told = false;
  {
    Lock lock(ledger_.mutex());
    commit_locked();
    is_told = wiring_.provenance == nullptr || tell_in_commit();
    must_notify = ledger_.settle_commit();
  }
  if (must_notify) ledger_.notify();
  if (!endings_.empty()) end_calls_from(0, true);
  if (!is_told) tell_provenance();
  works_.each([this](Work& work) { release(work); });
  for (const FlowRecord& record : gone_) runnel::release(record);
  if (!ended_.empty()) wiring_.archive->keep(ended_);
  const bool gives_back = next_taken_ < taken_.size();
  finish();
  if (gives_back && taken_from_->on_ready) taken_from_->on_ready();
  call_each(readied_, &Queue::on_ready);
  readied_.clear();
  if (roomy_.empty()) return;
  std::erase_if(roomy_, [](const Queue* queue) { return queue->is_full(); });
  call_each(roomy_, &Queue::on_room);
  roomy_.clear();
}

EpochNumber SessionCore::birth_epoch() {
  if (birth_ == 0) birth_ = ledger_.birth_epoch();
  return birth_;
}

// What is made here is born; returns the youngest epoch, 0: there is no FlowFile.
inline EpochNumber SessionCore::settle_epochs() {
  EpochNumber low = UINT64_MAX;
  EpochNumber high = 0;
  works_.each([&](Work& work) {
    ledger_.held();
    if (work.fate == Fate::kHanded) return;
    if (work.from == nullptr && !work.inherits) work.epoch = birth_epoch();
    low = std::min(low, work.epoch);
    high = std::max(high, work.epoch);
  });
  if (low < high) tie_calls();
  return high;
}

// The epochs that each call combines belong together.
void SessionCore::tie_calls() {
  for (std::size_t i = 0; i < works_.size();) {
    EpochNumber low = UINT64_MAX;
    EpochNumber high = 0;
    const std::size_t begin = i;
    const std::uint32_t call = works_[i].call;
    for (; i < works_.size() && works_[i].call == call; ++i) {
      if (works_[i].fate == Fate::kHanded) continue;
      low = std::min(low, works_[i].epoch);
      high = std::max(high, works_[i].epoch);
    }
    if (low == UINT64_MAX || low == high) continue;
    ledger_.tie(low, high);
    // What was taken from the youngest may live on in any of them.
    for (std::size_t at = begin; at < i; ++at) works_[at].epoch = high;
  }
}

void SessionCore::commit_locked() {
  const EpochNumber newest = settle_epochs();
  const std::uint32_t at_ms = now_ms();
  follow_wall();
  Moved moved;
  move_all(at_ms, moved);
  const bool has_inputs = moved.has_inputs;
  if (!edits_.empty()) change_states(newest, has_inputs);
  // A change of state alone is safe when it is written: nobody's acknowledgement stands for it.
  const bool needs_write = has_inputs || (works_.empty() && !edits_.empty());
  for (Waiting& waiting : waiting_) {
    ledger_.wait(wiring_.line, newest == 0 ? birth_epoch() : newest,
                 needs_write || waiting.must_be_stored, std::move(waiting.then));
  }
  if (wiring_.counters != nullptr) count(moved);
}

void SessionCore::change_states(EpochNumber newest, bool has_inputs) {
  for (StateEdit& edit : edits_) {
    const EpochNumber epoch = has_inputs ? newest : birth_epoch();
    const std::string& owner = edit.owner.empty() ? wiring_.processor_id : edit.owner;
    ledger_.change_state(owner, edit.name, std::move(edit.value), epoch, has_inputs);
  }
}

}  // namespace runnel
