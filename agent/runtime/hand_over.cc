// What a session has handed to its client library: it stays taken until the receiver has answered.

#include <algorithm>
#include <utility>

#include "agent/base/assert.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"
#include "agent/runtime/session_parts.h"

namespace runnel {
namespace {

// How long to wait before the next try of a retry.
std::chrono::milliseconds wait_of(const RetryRule& rule, std::uint32_t attempts) {
  const auto steps = std::min<std::uint32_t>(attempts, 20);
  return std::min(rule.backoff_max, rule.backoff_first * (std::int64_t{1} << steps));
}

}  // namespace

void call_each(const std::vector<Queue*>& queues, std::function<void()> Queue::*hook) {
  Queue* last = nullptr;
  for (Queue* const queue : queues) {
    if (queue != last && queue->*hook) (queue->*hook)();
    last = queue;
  }
}

bool sent_back(Ledger& ledger, const Outlet& outlet, Queue& from, Queue::Position position,
               std::chrono::milliseconds& yields) {
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

Handed SessionCore::hand_over(FlowFile what, std::string_view sent_to) {
  Work& work = work_of(what);
  RUNNEL_ASSERT(work.from != nullptr && work.fate == Fate::kOpen);
  HandOver::Slot slot{work.from, work.position, nullptr};
  if (!sent_to.empty()) {
    if (!last_sent_to_ || *last_sent_to_ != sent_to) {
      last_sent_to_ = std::make_shared<const std::string>(sent_to);
    }
    slot.sent_to = last_sent_to_;
  }
  // What was changed stays with it; after a crash it is as it was when it came.
  const bool has_other_content =
      work.owns_content || (work.has_new_content && work.content == nullptr);
  if (work.owns_attributes || has_other_content) {
    Attributes* old_attributes = nullptr;
    Content* old_content = nullptr;
    {
      Lock lock(ledger_.mutex());
      work.from->held();
      FlowRecord& record = *work.from->find(work.position);
      FlowRecord changed = record;
      if (work.owns_attributes) old_attributes = std::exchange(changed.attributes, work.attributes);
      if (has_other_content) {
        old_content = std::exchange(changed.content, work.content);
        changed.offset = work.offset;
        changed.size = work.size;
      }
      work.from->replace(record, changed);
    }
    if (old_attributes != nullptr) old_attributes->release();
    if (old_content != nullptr) old_content->release();
    work.owns_attributes = false;
    work.owns_content = false;
  }
  if (auto sent = told_.take_send(call_, work.id)) {
    slot.sent_to = std::make_shared<const std::string>(*std::move(sent));
  }
  work.fate = Fate::kHanded;
  if (wiring_.counters != nullptr)
    wiring_.counters->in_flight.fetch_add(1, std::memory_order_relaxed);
  return Handed(&hand_over_, hand_over_.put(std::move(slot)));
}

FlowFile SessionCore::take_back(Handed handed) {
  RUNNEL_ASSERT(handed && handed.owner() == &hand_over_);
  const HandOver::Slot slot = hand_over_.take(handed.release());
  if (wiring_.counters != nullptr)
    wiring_.counters->in_flight.fetch_sub(1, std::memory_order_relaxed);
  Queue::Taken taken{slot.position, nullptr};
  FlowRecord record;
  {
    Lock lock(ledger_.mutex());
    slot.queue->held();
    follow_wall();
    taken.record = slot.queue->find(slot.position);
    record = *taken.record;
    record.entry_ms += slot.queue->owed_ms(slot.position);
  }
  Work& work = works_.add(record, call_, taken, slot.queue);
  has_progress_ = true;
  if (slot.sent_to) event(FlowFile(&work, this), ProvenanceKind::kSend, *slot.sent_to, {}, {});
  return FlowFile(&work, this);
}

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
  if (slot.queue->is_full() && (done.roomy.empty() || done.roomy.back() != slot.queue))
    done.roomy.push_back(slot.queue);
  FlowRecord record = ledger_.take_out(*slot.queue, slot.position);
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
  const bool is_end = outlet.queues.empty();
  for (std::size_t begin = 0; begin < taken.size(); begin += kAtOnce) {
    bool must_notify = false;
    {
      Lock lock(ledger_.mutex());
      const std::size_t end = std::min(begin + kAtOnce, taken.size());
      const std::uint64_t count_before = done.count;
      const std::uint64_t bytes_before = done.bytes;
      for (std::size_t i = begin; i < end; ++i) transfer_one(taken[i], outlet, set, done);
      if (wiring_.counters != nullptr) {
        ProcessorCounters& counters = *wiring_.counters;
        const std::uint64_t count = done.count - count_before;
        counters.in_count.add(count);
        counters.in_bytes.add(done.bytes - bytes_before);
        (is_end ? counters.dropped_count : counters.out_count).add(count);
        if (!is_end) counters.out_bytes.add(done.bytes - bytes_before);
      }
      must_notify = ledger_.settle_commit();
    }
    if (must_notify) ledger_.notify();
  }
  if (!done.ended.empty()) wiring_.archive->keep(done.ended);
  tell(done, outlet, set);
  if (wiring_.counters != nullptr)
    wiring_.counters->in_flight.fetch_sub(slots.size(), std::memory_order_relaxed);
  if (done.yields.count() > 0 && wiring_.on_yield) wiring_.on_yield(done.yields);
  call_each(done.retried, &Queue::on_ready);
  if (done.count > 0) call_each(outlet.queues, &Queue::on_ready);
  std::erase_if(done.roomy, [](const Queue* queue) { return queue->is_full(); });
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
