// Commits, epochs; closing; figures. What waits stands in ledger_wait.cc,
// the queues as a whole in ledger_queues.cc, what a write takes in ledger_cut.cc.

#include "agent/runtime/ledger.h"

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kUnsavedMax = 4 << 20;  // bytes that wait; then a cut is made at once
// Of an epoch: whoever waits for what was finished waits for what came with it, too.
constexpr auto kSliceMax = 5ms;

}  // namespace

Ledger::Ledger(LedgerOptions options)
    : options_(std::move(options)),
      opened_(std::chrono::steady_clock::now()),
      first_epoch_(options_.first_epoch),
      behind_at_(options_.memory_budget / 8),
      cut_at_(std::min<std::uint64_t>(kUnsavedMax, behind_at_ / 2)),
      settled_max_(options_.memory_budget / 8 * 5) {
  if (options_.clock == nullptr) options_.clock = &system_clock();
  options_.idle_linger = std::max(options_.idle_linger, options_.linger);
}

Ledger::~Ledger() {
  if (options_.is_driven && statements_ && !flush(0s).ok())
    log_error("ledger", "closing with unwritten FlowFiles");
  if (writer_.joinable()) {
    const Result<> flushed = flush(10s);
    if (!flushed.ok())
      log_error("ledger", "closing with unwritten FlowFiles", {{"reason", flushed.error().text()}});
    {
      Lock lock(mutex_);
      is_closing_ = true;
      writer_wake_.notify_all();
      packer_wake_.notify_all();
      notifier_wake_.notify_all();
      written_wake_.notify_all();
    }
    {
      Lock lock(checkpoint_mutex_);
      is_checkpoint_closing_ = true;
      checkpoint_wake_.notify_all();
    }
    writer_.join();
    packer_.join();
    notifier_.join();
    checkpointer_.join();
  }
  note_end();
  if (segments_) segments_->keep_all();
  Lock lock(mutex_);
  for (auto& [id, batch] : batches_) {
    for (const auto& segment : batch.segments) segment->keep();
  }
  batches_.clear();
  occupied_.clear();
  queues_.clear();
}

std::uint32_t Ledger::now_ms(SteadyTime at) const {
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(at - clock_began_);
  return static_cast<std::uint32_t>(std::max<std::int64_t>(passed.count(), 0)) + 1;
}

// ---- epochs

Ledger::Epoch* Ledger::look_up_epoch(EpochNumber epoch) {
  if (epoch < first_epoch_ || epoch - first_epoch_ >= epochs_.size()) return nullptr;
  found_epoch_number_ = epoch;
  return found_epoch_ = &epochs_[epoch - first_epoch_];
}

EpochNumber Ledger::birth_epoch() {
  // Perhaps a tick late: an epoch is due so much sooner then, and its slice as much longer.
  const SteadyTime at =
      options_.is_driven ? options_.clock->steady() : system_clock().recent().steady;
  const bool is_cut = !epochs_.empty() && first_epoch_ + epochs_.size() - 1 <= cut_through_;
  if (epochs_.empty() || is_cut ||
      at - epochs_.back().opened >=
          std::min<std::chrono::milliseconds>(options_.linger / 4, kSliceMax)) {
    if (epochs_.empty()) first_epoch_ = std::max(first_epoch_, cut_through_ + 1);
    epochs_.emplace_back().opened = at;
  }
  return first_epoch_ + epochs_.size() - 1;
}

void Ledger::tie(EpochNumber low, EpochNumber high) {
  raise_to_ = std::max(raise_to_, high);
  if (Epoch* const epoch = epoch_at(low)) epoch->tied_to = std::max(epoch->tied_to, high);
  // Those between may be tied as well, by the same call: which of them is not known here, and more
  // is sound.
  for (EpochNumber between = std::max(low, first_epoch_); between < high; ++between) {
    if (Epoch* const epoch = epoch_at(between)) epoch->tied_to = std::max(epoch->tied_to, high);
  }
}

bool Ledger::is_finished(EpochNumber number) {
  while (true) {
    const Epoch* const epoch = epoch_at(number);
    if (epoch == nullptr) return true;  // forgotten: finished or saved
    if (number <= saved_through_) return true;
    if (epoch->live > 0 || epoch->must_write) return false;
    if (epoch->tied_to <= number) return true;
    number = epoch->tied_to;
  }
}

bool Ledger::is_safe(const SafeLine::Waiter& waiter) {
  if (waiter.cut != 0) return cuts_written_ >= waiter.cut;
  return waiter.epoch <= saved_through_ || is_finished(waiter.epoch);
}

void Ledger::forget_old_epochs() {
  while (!epochs_.empty()) {
    const bool is_saved = first_epoch_ <= saved_through_;
    // The youngest stays while it may still get FlowFiles.
    const bool may_go =
        is_saved || (epochs_.size() > 1 && is_finished(first_epoch_) && !epochs_.front().has_state);
    if (!may_go) return;
    if (found_epoch_number_ == first_epoch_) found_epoch_ = nullptr;
    epochs_.pop_front();
    ++first_epoch_;
  }
}

void Ledger::count_drop(EpochNumber epoch, End end, std::uint64_t flowfile) {
  count_end(epoch, end);
  DropExtent& drop = drops_[static_cast<std::size_t>(end)];
  drop.last_ms = options_.clock->wall_ms();  // `wall_ms` may want the mutex
  drop.last_id = flowfile;
  if (drop.count++ > 0) return;
  drop.first_ms = drop.last_ms;
  drop.first_id = flowfile;
}

// ---- moving FlowFiles

[[gnu::always_inline]] inline void Ledger::enter(Queue& queue,
                                                 std::span<const FlowRecord* const> records,
                                                 std::uint32_t now_ms) {
  queue.held();
  const Queue::Passed passed = queue.append(records, now_ms);
  note_changed(queue);
  note_occupied(queue);
  if (Epoch* const epoch = epoch_at(records.front()->epoch))
    epoch->live += static_cast<std::int64_t>(records.size());
  unsaved_bytes_ += passed.unsaved_bytes;
  if (unsaved_bytes_ > unsaved_max_) is_over_quota_ = true;  // until the disk is measured again
  if (unsaved_bytes_ > behind_at_) is_behind_ = true;        // until the next cut
  accepted_bytes_ += passed.bytes;
}

void Ledger::put(Queue& queue, std::span<const FlowRecord* const> records, std::uint32_t now_ms,
                 std::vector<FlowRecord>& dropped) {
  queue.held();
  const FullRule rule = queue.spec().when_full;
  if (rule == FullRule::kBlock) return enter(queue, records, now_ms);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const FlowRecord& record = *records[i];
    if (rule == FullRule::kDropNewest) {
      queue.publish();
      if (queue.is_full() || is_over_quota()) {
        count_drop(record.epoch, End::kEvicted, record.id);
        dropped.push_back(record);
        continue;
      }
    }
    enter(queue, records.subspan(i, 1), now_ms);
    if (rule != FullRule::kDropNewest) make_room(queue, dropped);
  }
}

// One has come into a queue that drops others when it is full.
void Ledger::make_room(Queue& queue, std::vector<FlowRecord>& dropped) {
  queue.held();
  queue.publish();
  const bool is_by_class = queue.spec().when_full == FullRule::kDropLowest;
  Queue::Position oldest = 0;
  // At the disk's quota, one goes for each that comes.
  bool is_one_due = is_over_quota();
  while ((queue.is_full() || std::exchange(is_one_due, false)) && queue.count() > 1) {
    const bool has_untaken =
        is_by_class ? queue.lowest_untaken(oldest) : queue.oldest_untaken(oldest);
    const auto paged = queue.paged().begin();
    // Of what class it is that lies on disk only is not known without reading it.
    const bool is_paged_first = !has_untaken || (!is_by_class && paged->first < oldest);
    if (paged != queue.paged().end() && is_paged_first) {
      evict_paged(queue, paged->first, paged->second.batch);
      continue;
    }
    if (!has_untaken) break;
    const FlowRecord old = take_out(queue, oldest);
    count_drop(old.epoch, End::kEvicted, old.id);
    dropped.push_back(old);
    queue.publish();
  }
}

// The oldest one lies on disk only: it need not be read to be dropped.
void Ledger::evict_paged(Queue& queue, Queue::Position first, std::uint64_t row) {
  const Batch& batch = batches_.at(row);
  const auto next = std::find(batch.done.begin(), batch.done.end(), false);
  RUNNEL_ASSERT(next != batch.done.end());
  const auto index = static_cast<std::uint32_t>(next - batch.done.begin());
  queue.held();
  queue.shrink_paged(first);
  note_saved_done({row, index});
  count_drop(0, End::kEvicted, 0);
}

FlowRecord Ledger::take_out(Queue& queue, Queue::Position position) {
  queue.held();
  FlowRecord record = *queue.find(position);
  record.entry_ms += queue.owed_ms(position);
  let_out(queue, position, 1, record.epoch);
  return record;
}

std::uint64_t Ledger::let_out(Queue& queue, Queue::Position first, std::size_t count,
                              EpochNumber epoch) {
  queue.held();
  if (Epoch* const one = epoch_at(epoch)) one->live -= static_cast<std::int64_t>(count);
  const Queue::Passed passed = queue.done(first, count, left_);
  note_changed(queue);
  if (!left_.empty()) {
    for (const SavedPlace& place : left_) note_saved_done(place);
    left_.clear();
  }
  unsaved_bytes_ -= std::min(unsaved_bytes_, passed.unsaved_bytes);
  if (is_behind() && unsaved_bytes_ <= behind_at_) is_behind_ = false;
  return passed.bytes;
}

void Ledger::note_saved_done(SavedPlace place) {
  const auto found = batches_.find(place.batch);
  RUNNEL_ASSERT(found != batches_.end());
  Batch& batch = found->second;
  RUNNEL_ASSERT(!batch.done[place.index]);
  batch.done[place.index] = true;
  --batch.left;
  done_[place.batch].push_back(place.index);
  if (is_removable(batch)) removable_.push_back(place.batch);
  if (lazy_since_ == SteadyTime::max()) lazy_since_ = now();
}

// ---- figures

LossFigures Ledger::loss() {
  Lock lock(mutex_);
  LossFigures figures;
  figures.in = totals_.in;
  figures.out = totals_.ends[static_cast<std::size_t>(End::kOut)];
  figures.expired = totals_.ends[static_cast<std::size_t>(End::kExpired)];
  figures.evicted = totals_.ends[static_cast<std::size_t>(End::kEvicted)];
  figures.terminated = totals_.ends[static_cast<std::size_t>(End::kTerminated)];
  figures.removed = totals_.ends[static_cast<std::size_t>(End::kRemoved)];
  figures.quarantined = totals_.ends[static_cast<std::size_t>(End::kQuarantined)];
  for (const auto& [id, queue] : queues_) figures.queued += queue->count();
  return figures;
}

std::vector<DropExtent> Ledger::drops() {
  static constexpr std::array<std::string_view, kEnds> kReasons{
      "out", "expired", "evicted", "auto_terminated", "removed", "quarantined"};
  std::vector<DropExtent> found;
  Lock lock(mutex_);
  for (std::size_t end = 0; end < kEnds; ++end) {
    if (drops_[end].count == 0) continue;
    found.push_back(drops_[end]);
    found.back().reason = kReasons[end];
  }
  return found;
}

LedgerStatus Ledger::status() {
  LedgerStatus status;
  // Whoever writes finds it out; but nobody may write for long.
  if (const Result<> place = check_place(); !place.ok() && is_healthy()) {
    {
      Lock lock(mutex_);
      trouble_ = place.error().text();
    }
    if (is_healthy_.exchange(false)) tell(place.error().text());
  }
  status.content_bytes = segments_->bytes();
  const std::uint64_t content_written = segments_->written_bytes();
  Lock lock(mutex_);
  status.is_healthy = is_healthy();
  status.trouble = trouble_;
  status.written_bytes = written_bytes_ + content_written;
  const auto open_ms = ms_of(now()) - ms_of(opened_);
  if (open_ms >= kDayKnownMs) {
    constexpr double kDayMs = 24.0 * 3600 * 1000;
    status.written_bytes_per_day = static_cast<std::uint64_t>(
        static_cast<double>(status.written_bytes) * kDayMs / static_cast<double>(open_ms));
  }
  status.accepted_bytes = accepted_bytes_;
  status.writes = cuts_written_;
  status.database_bytes = database_bytes_;
  status.disk_quota_bytes = options_.disk_quota;
  status.memory_budget_bytes = options_.memory_budget;
  for (const auto& [id, queue] : queues_) {
    queue->held();
    status.unsafe_count += queue->unsaved();
    status.memory_bytes += queue->memory_bytes();
  }
  return status;
}

void Ledger::set_provenance(ProvenanceLog* log) {
  Lock use(provenance_use_mutex_);
  Lock lock(mutex_);
  provenance_ = log;
}

ProvenanceShelf& Ledger::provenance_shelf() { return *shelf_; }

}  // namespace runnel
