// Cuts: when one is due, what it takes, and which rows are needed no more.

#include <algorithm>

#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

// A row takes no more FlowFiles than this, and no more bytes: what is packed and paged in at once.
constexpr std::size_t kRowCount = 4096;
constexpr std::uint64_t kRowBytes = 2 << 20;
constexpr std::size_t kRemovedMax = 64;  // rows at once while the disk is full

}  // namespace

SteadyTime Ledger::next_cut_at() {
  if (is_cut_wanted_) return SteadyTime::min();
  SteadyTime at =
      lazy_since_ == SteadyTime::max() ? SteadyTime::max() : lazy_since_ + options_.lazy;
  for (std::size_t i = 0; i < epochs_.size(); ++i) {
    const EpochNumber number = first_epoch_ + i;
    const Epoch& epoch = epochs_[i];
    if (number <= cut_through_) continue;
    const bool is_alive = epoch.live > 0 || epoch.must_write || !is_finished(number);
    if (!is_alive) continue;
    at = std::min(at, epoch.opened + (epoch.has_waiter ? options_.linger : options_.idle_linger));
    if (epoch.has_waiter) break;  // later ones are due later
  }
  if (provenance_ != nullptr && provenance_->wants_write()) at = std::min(at, now());
  return at;
}

EpochNumber Ledger::cut_epoch() {
  const EpochNumber newest = epochs_.empty() ? cut_through_ : first_epoch_ + epochs_.size() - 1;
  if (is_cut_wanted_) return std::max(newest, cut_through_);
  const SteadyTime at = now();
  EpochNumber through = std::max(cut_through_, std::min(raise_to_, newest));
  for (std::size_t i = 0; i < epochs_.size(); ++i) {
    if (epochs_[i].opened + options_.linger <= at) through = std::max(through, first_epoch_ + i);
  }
  return through;
}

void Ledger::cut_queue(Queue& queue, Write& write) {
  queue.held();
  const std::size_t rows_before = write.rows.size();
  std::map<std::uint64_t, std::shared_ptr<SegmentFile>> segments;
  const auto end_row = [&]() REQUIRES(mutex_) {
    Write::Row& row = write.rows.back();
    Batch batch;
    batch.queue = row.queue;
    row.head.count = row.records.size();
    for (const auto& [number, segment] : segments) {
      row.head.segments.push_back(number);
      batch.segments.push_back(segment);
    }
    segments.clear();
    batch.count = batch.left = static_cast<std::uint32_t>(row.records.size());
    batch.done.assign(row.records.size(), false);
    batches_.emplace(row.id, std::move(batch));
  };
  const std::uint64_t unsaved = queue.unsaved();
  std::uint64_t row_bytes = 0;  // in memory, without attributes
  queue.save_each(
      write.epoch, [&](Queue::Position position, const FlowRecord& record) REQUIRES(mutex_) {
        const bool is_first = write.rows.size() == rows_before;
        if (is_first || write.rows.back().records.size() >= kRowCount || row_bytes >= kRowBytes) {
          if (!is_first) end_row();
          row_bytes = 0;
          write.rows.push_back(
              {.id = next_batch_++, .queue = queue.key(), .head = {}, .records = {}, .body = {}});
          write.rows.back().records.reserve(std::min<std::uint64_t>(unsaved, kRowCount));
        }
        Write::Row& row = write.rows.back();
        retain(record);
        if (record.content != nullptr) {
          if (record.content->is_in_memory()) {
            row_bytes += record.size;
          } else {
            record.content->each_piece(record.offset, record.size,
                                       [&segments](const Content::Piece& piece) {
                                         if (piece.file != nullptr)
                                           segments.emplace(piece.file->number(), piece.file);
                                       });
          }
        }
        add_to_ranges(row.head.positions, position);
        row.head.bytes += record.size;
        row.records.push_back(record);
        return SavedPlace{row.id, static_cast<std::uint32_t>(row.records.size() - 1)};
      });
  if (write.rows.size() != rows_before) end_row();
}

void Ledger::cut_effects(Write& write) {
  if (write.rows.empty()) {
    write.rows.push_back({.id = next_batch_++, .queue = 0, .head = {}, .records = {}, .body = {}});
    batches_.emplace(write.rows.back().id, Batch{});
  }
  const std::uint64_t carrier = write.rows.back().id;
  std::sort(removable_.begin(), removable_.end());
  removable_.erase(std::unique(removable_.begin(), removable_.end()), removable_.end());
  // On a full disk, few at once: what is freed is written, too.
  const std::size_t removed_max = is_over_quota_ ? kRemovedMax : removable_.size();
  std::vector<std::uint64_t> later;
  for (const std::uint64_t id : removable_) {
    const auto found = batches_.find(id);
    if (found == batches_.end() || !is_removable(found->second) || id >= write.rows.front().id)
      continue;
    (write.removed.size() < removed_max ? write.removed : later).push_back(id);
  }
  removable_ = std::move(later);
  for (auto& [id, indexes] : done_) {
    if (std::binary_search(write.removed.begin(), write.removed.end(), id)) continue;
    std::sort(indexes.begin(), indexes.end());
    BatchEffects::Row row{id, {}};
    for (const std::uint32_t index : indexes) add_to_ranges(row.done, index);
    write.effects.rows.push_back(std::move(row));
    batches_.at(id).referrers.push_back(carrier);
    ++batches_.at(carrier).targets_alive;
  }
  done_.clear();
  // A row without FlowFiles of its own goes as soon as another one carries the counters.
  for (const Write::Row& row : write.rows) {
    if (is_removable(batches_.at(row.id))) removable_.push_back(row.id);
  }
  Counters counters = totals_;
  for (std::size_t i = 0; i < epochs_.size(); ++i) {
    if (first_epoch_ + i <= write.epoch) continue;
    counters.in -= epochs_[i].counters.in;
    for (std::size_t end = 0; end < kEnds; ++end)
      counters.ends[end] -= epochs_[i].counters.ends[end];
  }
  write.effects.counters[0] = counters.in;
  for (std::size_t end = 0; end < kEnds; ++end)
    write.effects.counters[end + 1] = counters.ends[end];
}

std::unique_ptr<Ledger::Write> Ledger::cut(bool is_all, bool needs_row) {
  auto write = std::make_unique<Write>();
  if (is_all) is_cut_wanted_ = true;
  write->epoch = cut_epoch();
  write->cut = ++cuts_;
  sift_occupied();
  for (Queue* const queue : occupied_) cut_queue(*queue, *write);
  while (!state_changes_.empty() && state_changes_.front().epoch <= write->epoch) {
    write->state.push_back(std::move(state_changes_.front()));
    state_changes_.pop_front();
  }
  write->queues = std::exchange(queue_rows_, {});
  const auto has_events = [this]() REQUIRES(mutex_) {
    if (provenance_ == nullptr) return false;
    provenance_->held();
    return provenance_->has_unwritten();
  };
  const bool is_needed = needs_row || !write->rows.empty() || !done_.empty() ||
                         !write->state.empty() || !write->queues.empty() || has_events();
  if (is_needed) cut_effects(*write);
  // The clock by which entry times were told: as far as they have followed it.
  const std::int64_t since_boot_ms = ms_of(options_.clock->since_boot());
  const RowClock clock{boot_, boot_base_ms_ + since_boot_ms, since_boot_ms};
  for (Write::Row& row : write->rows) row.head.clock = clock;
  cut_through_ = std::max(cut_through_, write->epoch);
  for (std::size_t i = 0; i < epochs_.size() && first_epoch_ + i <= write->epoch; ++i)
    epochs_[i].has_state = false;
  is_cut_wanted_ = false;
  unsaved_bytes_ = 0;
  for (Queue* const queue : occupied_) {
    queue->held();
    unsaved_bytes_ += queue->unsaved() * 128;
  }
  is_behind_ = unsaved_bytes_ > behind_at_;
  const bool has_more_removable = write->removed.size() == kRemovedMax;
  lazy_since_ = state_changes_.empty() && !has_more_removable ? SteadyTime::max() : now();
  return write;
}

void Ledger::note_row_gone(std::uint64_t id) {
  const auto found = batches_.find(id);
  if (found == batches_.end()) return;
  const std::vector<std::uint64_t> referrers = std::move(found->second.referrers);
  batches_.erase(found);
  for (const std::uint64_t referrer : referrers) {
    const auto other = batches_.find(referrer);
    if (other == batches_.end()) continue;
    --other->second.targets_alive;
    if (is_removable(other->second)) removable_.push_back(referrer);
  }
}

}  // namespace runnel
