// What follows a write of the ledger: sizes, paging out, and checkpoints on a thread of their own.

#include <pthread.h>

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

constexpr std::uint64_t kPassiveAt = 4 << 20;   // bytes of WAL: move it into the database
constexpr std::uint64_t kRestartAt = 16 << 20;  // make the writer wait until the WAL can begin anew
constexpr std::size_t kChunksKept = 32;  // of a queue's head, in memory whatever the budget says
constexpr std::uint64_t kMeasureEvery = 16;  // writes
constexpr std::size_t kFoldedAtOnce = 256;   // nobody waits longer for the mutex than for a session

// Of the log: no other file of a database may be opened and closed here, as that would let go of
// SQLite's locks.
std::uint64_t file_bytes(Disk& disk, const std::string& path) {
  const Result<std::unique_ptr<DiskFile>> file = disk.open(path);
  return file.ok() ? (*file)->size().value_or(0) : 0;
}

}  // namespace

void Ledger::measure() {
  const std::uint64_t wal = file_bytes(disk(), database_path() + "-wal");
  {
    Lock lock(checkpoint_mutex_);
    wal_bytes_ = wal;
    if (wal >= kPassiveAt) checkpoint_wake_.notify_one();
  }
  // What stands in the log needs as much room once more to get into the database.
  const Result<std::uint64_t> left = disk().free_bytes(options_.directory);
  bool is_tight = false;
  bool is_due = false;
  if (options_.reserve != 0 && left.ok()) {
    const std::uint64_t taken = wal + 2 * options_.reserve;
    Lock lock(mutex_);
    std::uint64_t packed = 0;
    if (packed_) {
      for (const Write::Row& row : packed_->rows) packed += row.body.size();
    }
    // Half of what is there: while it is written as much may come.
    const std::uint64_t room = (*left - std::min(*left, taken)) / 2;
    unsaved_max_ = (room - std::min(room, packed)) / 2;
    is_tight = *left < taken || unsaved_bytes_ > unsaved_max_;
  }
  {
    Lock lock(mutex_);
    is_due = is_tight;
    is_due = is_due || cuts_written_ % kMeasureEvery == 1 || is_over_quota_;
  }
  if (is_tight) segments_->let_go_unused();
  if (!is_due || !database_) return;
  // On a disk that is nearly full the log stays short.
  if (is_tight && wal > options_.reserve / 4 &&
      !database_->checkpoint(CheckpointMode::kTruncate).ok())
    is_unknown_ = true;
  keep_reserve();
  const Result<std::uint64_t> used = database_->used_bytes();
  const std::uint64_t content = segments_->bytes();
  Lock lock(mutex_);
  if (used.ok()) database_bytes_ = *used;
  is_over_quota_ = database_bytes_ + content >= options_.disk_quota || is_reserve_lent_ || is_tight;
}

// Above what the budget leaves for them, batches that lie far behind their queue's head leave
// memory: until the next write has ended as much may come as two writes take.
void Ledger::page_out() {
  std::vector<FlowRecord> gone;
  {
    Lock lock(mutex_);
    std::uint64_t held = 0;
    for (Queue* const queue : occupied_) {
      queue->held();
      held += queue->memory_bytes();
    }
    for (Queue* const queue : occupied_) {
      if (held <= settled_max_) break;
      queue->held();
      const auto found = queue->pageable(
          {.chunks_kept = kChunksKept, .bytes = held - settled_max_, .row_max = written_row_},
          now_ms());
      for (std::size_t begin = 0; begin < found.size() && held > settled_max_;) {
        const std::uint64_t row = found[begin].second.batch;
        std::size_t end = begin;
        while (end < found.size() && found[end].second.batch == row) ++end;
        const std::uint64_t before = queue->memory_bytes();
        page_out_batch(*queue, row, std::span(found).subspan(begin, end - begin), gone);
        held -= before - queue->memory_bytes();
        begin = end;
      }
    }
  }
  for (const FlowRecord& record : gone) release(record);
}

// What stays takes less room: what FlowFiles have in common is held once. Not worth the while
// before there are many.
void Ledger::fold() {
  std::vector<Queue*> many;
  {
    Lock lock(mutex_);
    for (Queue* const queue : occupied_) {
      queue->held();
      if (queue->memory_bytes() > options_.memory_budget / 16) many.push_back(queue);
    }
  }
  std::vector<Attributes*> gone;
  for (Queue* const queue : many) {
    AttributesFolder folder;
    for (bool has_more = true; has_more;) {
      {
        Lock lock(mutex_);
        queue->held();
        has_more = queue->fold({kChunksKept, written_row_, kFoldedAtOnce}, folder, gone);
      }
      for (Attributes* const one : gone) one->release();
      gone.clear();
    }
  }
}

// Only as a whole: what is in memory would otherwise come a second time.
void Ledger::page_out_batch(Queue& queue, std::uint64_t row,
                            std::span<const std::pair<Queue::Position, SavedPlace>> newest_first,
                            std::vector<FlowRecord>& gone) {
  const auto known = batches_.find(row);
  if (known == batches_.end() || known->second.left != newest_first.size()) return;
  queue.held();
  Queue::Paged paged{row, newest_first.size(), 0, newest_first.front().first, INT64_MAX};
  for (const auto& [position, place] : newest_first) {
    const FlowRecord record = queue.page_out(position);
    paged.bytes += record.size;
    paged.oldest_ms = std::min(paged.oldest_ms, record.lineage_start_ms());
    gone.push_back(record);
  }
  queue.add_paged(newest_first.back().first, paged);
}

void Ledger::checkpoint_loop() {
  pthread_setname_np(pthread_self(), "checkpoint");
  std::unique_ptr<Database> database;
  std::int64_t moved_before = 0;  // pages of the present log
  std::int64_t log_before = 0;
  unsigned salvages_seen = salvages_;
  while (true) {
    CheckpointMode mode = CheckpointMode::kPassive;
    {
      Lock lock(checkpoint_mutex_);
      while (!is_checkpoint_closing_ && wal_bytes_ < kPassiveAt)
        checkpoint_wake_.wait(checkpoint_mutex_);
      if (is_checkpoint_closing_) return;
      if (wal_bytes_ >= kRestartAt) mode = CheckpointMode::kTruncate;
      wal_bytes_ = 0;  // until the next write measures it
    }
    const unsigned salvages = salvages_;
    if (salvages != salvages_seen) database.reset();
    salvages_seen = salvages;
    if (!database) {
      Result<std::unique_ptr<Database>> opened =
          Database::open(database_path(), database_options());
      if (!opened.ok()) continue;
      database = std::move(*opened);
    }
    const Result<Database::CheckpointResult> done = database->checkpoint(CheckpointMode::kPassive);
    const Result<Database::CheckpointResult> cut =
        done.ok() && mode != CheckpointMode::kPassive ? database->checkpoint(mode) : done;
    if (!done.ok() || !cut.ok()) {
      // Of what its fsync has dropped the writer's may never hear.
      is_unknown_ = true;
      const Error& why = done.ok() ? cut.error() : done.error();
      log_warn("ledger", "checkpoint failed", {{"reason", why.text()}});
      database.reset();
      moved_before = log_before = 0;
      continue;
    }
    // SQLite tells what of the present log is in the database by now, also by earlier calls; and
    // nothing of one that it has cut off, which is why the passive one comes first.
    // A shorter log than before is another one.
    const bool is_same_log = done->wal_pages >= log_before;
    const std::int64_t moved = done->written_pages - (is_same_log ? moved_before : 0);
    moved_before = cut->written_pages;
    log_before = cut->wal_pages;
    Lock lock(mutex_);
    written_bytes_ += static_cast<std::uint64_t>(std::max<std::int64_t>(0, moved)) * 4096;
  }
}

}  // namespace runnel
