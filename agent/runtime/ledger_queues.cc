// The queues as a whole: attaching, parking, finding, expiry, emptying.

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {

Result<Queue*> Ledger::attach(QueueSpec spec) {
  Lock lock(mutex_);
  attached_.insert(spec.id);
  const auto known = queues_.find(spec.id);
  if (known != queues_.end()) {
    parked_of_.erase(spec.id);
    queue_rows_.push_back({known->second->key(), spec.id, spec.name, std::nullopt});
    known->second->held();
    known->second->respecify(std::move(spec));
    is_cut_wanted_ = true;
    return known->second.get();
  }
  const std::uint64_t key = next_queue_key_++;
  queue_rows_.push_back({key, spec.id, spec.name, std::nullopt});
  auto queue = std::make_unique<Queue>(mutex_, spec, key);
  Queue* const made = queue.get();
  queues_by_key_[key] = made;
  queues_.emplace(spec.id, std::move(queue));
  is_cut_wanted_ = true;
  return made;
}

void Ledger::park(Queue& queue, const std::string& flow) {
  Lock lock(mutex_);
  queue.held();
  queue.on_ready = nullptr;
  queue.on_room = nullptr;
  parked_of_[queue.id()] = flow;
  attached_.erase(queue.id());
  queue_rows_.push_back({queue.key(), queue.id(), queue.spec().name, flow});
  is_cut_wanted_ = true;
  settle();
}

std::vector<ParkedQueue> Ledger::parked() {
  Lock lock(mutex_);
  std::vector<ParkedQueue> all;
  for (const auto& [id, queue] : queues_) {
    if (attached_.contains(id) || queue->count() == 0) continue;
    queue->held();
    const auto flow = parked_of_.find(id);
    all.push_back({id, queue->spec().name, flow == parked_of_.end() ? std::string() : flow->second,
                   queue->count(), queue->bytes()});
  }
  return all;
}

Queue* Ledger::find(const std::string& id) {
  Lock lock(mutex_);
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : found->second.get();
}

void Ledger::note_occupied(Queue& queue) {
  queue.held();
  if (queue.list()) return;
  if (occupied_.size() >= sift_at_) sift_occupied();
  occupied_.push_back(&queue);
}

// Those that are empty keep no memory: one FlowFile that goes through ten thousand queues shall not
// leave a chunk in each.
void Ledger::sift_occupied() {
  std::erase_if(occupied_, [](Queue* queue) {
    queue->held();
    if (queue->is_occupied()) return false;
    queue->unlist();
    queue->shrink();
    return true;
  });
  sift_at_ = std::max(kOccupiedMin, 2 * occupied_.size());
}

void Ledger::watch(std::span<const Watched> queues, std::function<void()> on_touched) {
  for (const auto& [id, queue] : queues_) {
    queue->held();
    queue->set_watch(nullptr);
  }
  touched_.clear();
  for (const auto& [queue, watch] : queues) {
    queue->held();
    queue->set_watch(watch);
    *watch = {.touched = &touched_};
  }
  on_touched_.swap(on_touched);
}

// ---- expiry

std::int64_t Ledger::follow_wall() {
  Lock lock(mutex_);
  // Both are read again: whoever was here first may have done it.
  const std::int64_t wall = options_.clock->wall_ms();
  const std::int64_t moved = wall - ms_of(options_.clock->since_boot()) - boot_base_ms_;
  wall_base_ms_ = wall - ms_of(options_.clock->steady());
  if (moved <= kClockStepMs && moved >= -kClockStepMs) return wall;  // the machine was suspended
  boot_base_ms_ += moved;
  wall_shift_ms_ += moved;
  const std::int64_t until = wall - moved + kClockStepMs;
  wall_steps_.push_back({next_batch_, moved, until});
  for (const auto& [id, queue] : queues_) {
    queue->held();
    queue->shift_entries(moved, until);
  }
  log_warn("ledger", "the wall clock was set; entry times of what is queued follow it",
           {{"by_ms", moved}});
  return wall;
}

std::int64_t Ledger::expire(Queue& queue, std::vector<std::uint64_t>& expired) {
  constexpr std::int64_t kLookAgainMs = 1000;  // at what is taken, or cannot be read now
  const std::int64_t expire_ms = queue.expire_ms();
  if (expire_ms == 0) return INT64_MAX;
  const bool was_full = queue.is_full();
  std::vector<FlowRecord> gone;
  const std::int64_t start_ms = wall_ms() - expire_ms;  // what began before it has expired
  while (true) {
    Queue::Position first = 0;
    Queue::Paged paged;
    std::uint32_t count = 0;
    Lock paging(paging_mutex_);
    {
      Lock lock(mutex_);
      queue.held();
      for (const Queue::Position position : queue.started_before(start_ms)) {
        gone.push_back(take_out(queue, position));
        count_drop(gone.back().epoch, End::kExpired, gone.back().id);
        expired.push_back(gone.back().id);
      }
      const Queue::Paged* const next = queue.paged_before(start_ms, first);
      if (next == nullptr) {
        queue.recount_oldest(start_ms + kLookAgainMs);
        settle();
        break;
      }
      paged = *next;
      count = batches_.at(paged.batch).count;
      settle();
    }
    const Result<> read = page_in_batch(queue, first, paged, count);
    if (read.ok() || read.code() == Code::kCorrupt) continue;
    return start_ms + expire_ms + kLookAgainMs;
  }
  for (const FlowRecord& record : gone) release(record);
  if (was_full && !queue.is_full() && queue.on_room) queue.on_room();
  const std::int64_t oldest = queue.oldest_start_ms();
  return oldest == INT64_MAX ? oldest : oldest + expire_ms + 1;
}

std::uint64_t Ledger::purge(Queue& queue) {
  std::vector<FlowRecord> gone;
  std::uint64_t count = 0;
  Lock paging(paging_mutex_);
  {
    Lock lock(mutex_);
    queue.held();
    std::vector<Queue::Position> waiting;
    queue.each([&waiting](Queue::Position position, const FlowRecord&, bool is_taken) {
      if (!is_taken) waiting.push_back(position);
      return true;
    });
    for (const Queue::Position position : waiting) {
      const FlowRecord record = take_out(queue, position);
      count_drop(record.epoch, End::kRemoved, record.id);
      gone.push_back(record);
    }
    count = gone.size();
    // What lies on disk only need not be read for this.
    while (!queue.paged().empty()) {
      const auto [first, paged] = *queue.paged().begin();
      queue.drop_paged(first);
      const Batch& batch = batches_.at(paged.batch);
      for (std::uint32_t i = 0; i < batch.count; ++i) {
        if (batch.done[i]) continue;
        note_saved_done({paged.batch, i});
        count_drop(0, End::kRemoved, 0);
        ++count;
      }
    }
    settle();
  }
  for (const FlowRecord& record : gone) release(record);
  if (queue.on_room) queue.on_room();
  return count;
}

// Piece by piece: memory may not hold all of it, and what is read long before it is moved would be
// paged out again.
Result<std::uint64_t> Ledger::move_all(Queue& from, Queue& to) {
  constexpr std::size_t kMovedAtOnce = 4096;
  constexpr std::chrono::seconds kWritten{60};
  std::uint64_t count = 0;
  const std::uint64_t count_max = from.count();  // not what comes meanwhile
  for (bool has_more = true; has_more && count < count_max;) {
    const Result<> read = page_in(from);
    if (!read.ok() && read.code() != Code::kCorrupt) return read.error();
    std::vector<FlowRecord> dropped;
    {
      Lock lock(mutex_);
      from.held();
      const bool has_paged = !from.paged().empty();
      const Queue::Position end = has_paged ? from.paged().begin()->first : UINT64_MAX;
      const auto limit = std::min<std::uint64_t>(kMovedAtOnce, count_max - count);
      std::vector<Queue::Position> waiting;
      from.each([&](Queue::Position position, const FlowRecord&, bool is_taken) {
        if (position >= end || waiting.size() == limit) return false;
        if (!is_taken) waiting.push_back(position);
        return true;
      });
      const std::uint32_t at_ms = now_ms();
      for (const Queue::Position position : waiting)
        put(to, take_out(from, position), at_ms, dropped);
      count += waiting.size();
      has_more = has_paged || !waiting.empty();
      settle();
    }
    for (const FlowRecord& record : dropped) release(record);
    if (from.on_room) from.on_room();
    if (to.on_ready) to.on_ready();
    if (is_behind()) TRY(flush(kWritten));
  }
  return count;
}

void Ledger::quarantine(Queue& queue, Queue::Position position, const Error& why) {
  const bool was_full = queue.is_full();
  FlowRecord record;
  {
    Lock lock(mutex_);
    record = take_out(queue, position);
    count_drop(record.epoch, End::kQuarantined, record.id);
    settle();
  }
  release(record);
  if (was_full && !queue.is_full() && queue.on_room) queue.on_room();
  tell("FlowFile " + std::to_string(record.id) + " of `" + queue.id() +
       "` cannot be read and is counted as quarantined: " + why.text());
}

}  // namespace runnel
