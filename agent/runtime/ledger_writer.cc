// The ledger's writer: cuts, packs, writes, and tries again until it is on disk.

#include <pthread.h>

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"
#include "ledger_migrations.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFrame = 4096 + 24;  // of one page in the WAL
// A row takes no more FlowFiles than this, and no more bytes: what is packed and paged in at once.
constexpr std::size_t kRowCount = 4096;
constexpr std::uint64_t kRowBytes = 2 << 20;
// With so much waiting the next write is packed while one is at the disk. With less it is cut when
// the disk is free, so that it takes all that has come until then.
constexpr std::uint64_t kPackAheadAt = 1 << 20;

}  // namespace

Ledger::Write::~Write() {
  for (const Row& row : rows) {
    for (const FlowRecord& record : row.records) release(record);
  }
}

Result<std::unique_ptr<Ledger::Statements>> Ledger::Statements::prepare(Database& database) {
  auto all = std::make_unique<Statements>();
  const auto set = [&database](Statement& into, std::string_view sql) -> Result<> {
    TRY_ASSIGN(statement, database.prepare(sql));
    into = std::move(statement);
    return {};
  };
  // A row that is there already is one that a repair carried over from a try of the same write.
  TRY(set(all->insert_batch,
          "INSERT OR REPLACE INTO batch(id, queue, head, effects, body) VALUES(?, ?, ?, ?, ?)"));
  TRY(set(all->delete_batch, "DELETE FROM batch WHERE id = ?"));
  TRY(set(all->put_queue,
          "INSERT INTO queue(key, id, name, parked_of) VALUES(?, ?, ?, ?) "
          "ON CONFLICT(key) DO UPDATE SET name = excluded.name, parked_of = excluded.parked_of"));
  TRY(set(all->put_state,
          "INSERT INTO state(processor, name, value) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET "
          "value = excluded.value"));
  TRY(set(all->delete_state, "DELETE FROM state WHERE processor = ? AND name = ?"));
  TRY(set(all->insert_provenance,
          "INSERT OR REPLACE INTO provenance(id, bytes_before, body_bytes, last_ms, is_tail, head, "
          "body) "
          "VALUES(?, ?, ?, ?, ?, ?, ?)"));
  TRY(set(all->delete_provenance, "DELETE FROM provenance WHERE id BETWEEN ? AND ?"));
  return all;
}

// ---- when and what

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
  for (const std::uint64_t id : removable_) {
    const auto found = batches_.find(id);
    if (found != batches_.end() && is_removable(id, found->second) && id < write.rows.front().id)
      write.removed.push_back(id);
  }
  removable_.clear();
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
    if (is_removable(row.id, batches_.at(row.id))) removable_.push_back(row.id);
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

std::unique_ptr<Ledger::Write> Ledger::cut(bool is_all) {
  auto write = std::make_unique<Write>();
  if (is_all) is_cut_wanted_ = true;
  write->epoch = cut_epoch();
  write->cut = ++cuts_;
  for (const auto& [id, queue] : queues_) cut_queue(*queue, *write);
  while (!state_changes_.empty() && state_changes_.front().epoch <= write->epoch) {
    write->state.push_back(std::move(state_changes_.front()));
    state_changes_.pop_front();
  }
  write->queues = std::exchange(queue_rows_, {});
  const bool is_needed = !write->rows.empty() || !done_.empty() || !write->state.empty() ||
                         !write->queues.empty() ||
                         (provenance_ != nullptr && provenance_->has_unwritten());
  if (is_needed) cut_effects(*write);
  cut_through_ = std::max(cut_through_, write->epoch);
  for (std::size_t i = 0; i < epochs_.size() && first_epoch_ + i <= write->epoch; ++i)
    epochs_[i].has_state = false;
  is_cut_wanted_ = false;
  unsaved_bytes_ = 0;
  for (const auto& [id, queue] : queues_) {
    queue->held();
    unsaved_bytes_ += queue->unsaved() * 128;
  }
  lazy_since_ = state_changes_.empty() ? SteadyTime::max() : now();
  return write;
}

bool Ledger::is_removable(std::uint64_t, const Batch& batch) const {
  return batch.left == 0 && batch.targets_alive == 0;
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
    if (is_removable(referrer, other->second)) removable_.push_back(referrer);
  }
}

// ---- writing

void Ledger::pack(Write& write) {
  if (write.is_packed) return;
  for (Write::Row& row : write.rows) {
    if (!row.records.empty()) row.body = pack_body(row.records);
  }
  write.is_packed = true;
}

Result<> Ledger::write_rows(Write& write, ProvenanceLog* provenance) {
  TRY_ASSIGN(transaction, Transaction::begin(*database_));
  for (const QueueRow& queue : write.queues) {
    Statement& put = statements_->put_queue;
    put.bind(1, static_cast<std::int64_t>(queue.key))
        .bind_text(2, queue.id)
        .bind_text(3, queue.name);
    if (queue.parked_of) put.bind_text(4, *queue.parked_of);
    TRY(put.run());
  }
  for (std::size_t i = 0; i < write.rows.size(); ++i) {
    const Write::Row& row = write.rows[i];
    const std::string head = row.head.text();
    const std::string effects = i + 1 == write.rows.size() ? write.effects.text() : std::string();
    Statement& insert = statements_->insert_batch;
    insert.bind(1, static_cast<std::int64_t>(row.id)).bind(2, static_cast<std::int64_t>(row.queue));
    TRY(insert.bind_blob(3, head).bind_blob(4, effects).bind_blob(5, row.body).run());
  }
  for (const std::uint64_t id : write.removed)
    TRY(statements_->delete_batch.bind(1, static_cast<std::int64_t>(id)).run());
  for (const StateChange& change : write.state) {
    Statement& statement = change.value ? statements_->put_state : statements_->delete_state;
    statement.bind_text(1, change.processor).bind_text(2, change.name);
    if (change.value) statement.bind_blob(3, *change.value);
    TRY(statement.run());
  }
  if (provenance != nullptr) {
    const ProvenanceWrite rows = provenance->take(options_.clock->wall_ms());
    for (const ProvenanceRow& row : rows.insert) {
      Statement& insert = statements_->insert_provenance;
      insert.bind(1, static_cast<std::int64_t>(row.id))
          .bind(2, static_cast<std::int64_t>(row.bytes_before));
      insert.bind(3, static_cast<std::int64_t>(row.body_bytes))
          .bind(4, row.last_ms)
          .bind(5, std::int64_t{row.is_tail});
      TRY(insert.bind_blob(6, row.head).bind_blob(7, row.body).run());
    }
    for (const IdRange& range : rows.remove) {
      Statement& remove = statements_->delete_provenance;
      TRY(remove.bind(1, static_cast<std::int64_t>(range.first))
              .bind(2, static_cast<std::int64_t>(range.last))
              .run());
    }
  }
  return transaction.commit();
}

Result<> Ledger::write(Write& write) {
  pack(write);
  TRY(segments_->sync());
  const std::int64_t before = database_->pages_written();
  {
    Lock use(provenance_use_mutex_);
    ProvenanceLog* provenance = nullptr;
    {
      Lock lock(mutex_);
      provenance = provenance_;
    }
    const Result<> done = write_rows(write, provenance);
    if (provenance != nullptr) {
      if (done.ok()) {
        provenance->written();
      } else {
        provenance->failed();
      }
    }
    TRY(done);
  }
  const auto pages =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, database_->pages_written() - before));
  Lock lock(mutex_);
  written_bytes_ += pages * kFrame;
  return {};
}

// After a failed commit nobody knows whether it happened: the row says it.
Result<bool> Ledger::is_written(const Write& write) {
  TRY_ASSIGN(find, database_->prepare("SELECT 1 FROM batch WHERE id = ?"));
  find.bind(1, static_cast<std::int64_t>(write.rows.back().id));
  return find.step();
}

Result<> Ledger::reopen() {
  statements_.reset();
  database_.reset();
  TRY_ASSIGN(database, Database::open(database_path(), database_options()));
  database_ = std::move(database);
  TRY(database_->migrate(ledger_migrations()));
  TRY_ASSIGN(statements, Statements::prepare(*database_));
  statements_ = std::move(statements);
  return {};
}

// After a failed try nobody knows what is on disk, so that the next begins with a database that is
// opened anew, and whose log is moved into it: what an fsync that failed has dropped must not lie
// below what is written next, and a write that turns out to be there after all counts only when
// another fsync than that one says so.
Result<bool> Ledger::resume(const Write& write) {
  if (is_repair_unfinished()) return corrupt("an earlier repair was not finished");
  TRY(reopen().within("opening the database again"));
  TRY_ASSIGN(is_there, is_written(write));
  TRY_ASSIGN(moved, database_->checkpoint(CheckpointMode::kTruncate));
  if (!moved.is_complete) return unavailable("the database is busy");
  return is_there;
}

// All connections are written again after a repair, whose rows may not have been readable.
void Ledger::tell_queues(Write& write) {
  std::vector<QueueRow> all;
  {
    Lock lock(mutex_);
    for (const auto& [id, queue] : queues_) {
      queue->held();
      const auto flow = parked_of_.find(id);
      all.push_back({queue->key(), id, queue->spec().name,
                     flow == parked_of_.end() ? std::nullopt : std::optional(flow->second)});
    }
  }
  write.queues = std::move(all);  // newer than what it had
}

// One try.
Result<> Ledger::attempt(Write& write) {
  if (!statements_ || is_unknown_) {
    is_unknown_ = true;
    const Result<bool> is_there = resume(write);
    if (is_there.ok() && *is_there) {
      is_unknown_ = false;
      return {};
    }
    // What was carried over of this write is written again with the rest of it.
    if (!is_there.ok() && is_there.code() == Code::kCorrupt) {
      TRY(salvage(is_there.error()));
      tell_queues(write);
    } else {
      TRY(is_there);
    }
  }
  Result<> done = this->write(write);
  is_unknown_ = !done.ok();
  if (!done.ok() && done.code() == Code::kCorrupt) {
    // Damage is found where rows are read or deleted, too. What memory knows of rows stays right:
    // those that were not carried over are missing, which is found when their turn comes.
    TRY(salvage(done.error()));
    tell_queues(write);
    done = this->write(write);
    is_unknown_ = !done.ok();
  }
  return done;
}

void Ledger::write_until_done(Write& write) {
  auto wait = 50ms;
  while (true) {
    const Result<> done = attempt(write);
    if (done.ok()) break;
    log_error("ledger", "a write failed; nothing is acknowledged until it succeeds",
              {{"reason", done.error().text()}});
    is_healthy_ = false;
    Lock lock(mutex_);
    trouble_ = done.error().text();
    const auto until = now() + wait;
    while (!is_closing_ && writer_wake_.wait_until(mutex_, until)) {
    }
    if (is_closing_) return;
    wait = std::min(wait * 2, 2000ms);
  }
  if (!is_healthy_.exchange(true)) log_info("ledger", "writing works again");
}

bool Ledger::drive_cut(bool is_all) {
  RUNNEL_ASSERT(options_.is_driven);
  if (driven_.size() == 2) return false;
  Lock lock(mutex_);
  if (!is_all && next_cut_at() > now()) return false;
  driven_.push_back(cut(is_all));
  return true;
}

Result<> Ledger::drive_write() {
  if (driven_.empty()) return {};
  Write& oldest = *driven_.front();
  if (!oldest.rows.empty()) {
    const Result<> done = attempt(oldest);
    is_healthy_ = done.ok();
    TRY(done);
  }
  {
    Lock lock(mutex_);
    written(oldest);
  }
  driven_.pop_front();
  measure();
  page_out();
  return {};
}

void Ledger::drive_notify() {
  std::vector<SafeLine::Then> ready;
  Lock lock(mutex_);
  while (call_ready(ready)) {
  }
}

Result<> Ledger::drive_checkpoint(CheckpointMode mode) {
  TRY_ASSIGN(done, database_->checkpoint(mode));
  static_cast<void>(done);
  return {};
}

void Ledger::written(Write& write) {
  trouble_.clear();
  saved_through_ = std::max(saved_through_, write.epoch);
  cuts_written_ = write.cut;
  if (!write.rows.empty()) written_row_ = write.rows.back().id;
  for (const std::uint64_t id : write.removed) note_row_gone(id);
  forget_old_epochs();
  written_wake_.notify_all();
  notifier_wake_.notify_one();
}

// The packer's, or one that is cut and packed now that the disk is free; nullptr: closing.
std::unique_ptr<Ledger::Write> Ledger::next_write() {
  std::unique_ptr<Write> write;
  Lock lock(mutex_);
  while (true) {
    if (is_packing_) {
      writer_wake_.wait(mutex_);
      continue;
    }
    if (packed_) {
      write = std::move(packed_);
      break;
    }
    const SteadyTime at = next_cut_at();
    if (at <= now()) {
      write = cut(false);
      break;
    }
    if (is_closing_) return nullptr;
    is_idle_ = true;
    sleeps_until_ = at;
    if (at == SteadyTime::max()) {
      writer_wake_.wait(mutex_);
    } else {
      writer_wake_.wait_until(mutex_, at);
    }
    is_idle_ = false;
  }
  is_at_disk_ = true;
  if (is_worth_packing_ahead()) packer_wake_.notify_one();
  return write;
}

void Ledger::write_loop() {
  pthread_setname_np(pthread_self(), "ledger");
  while (std::unique_ptr<Write> write = next_write()) {
    if (!write->rows.empty()) write_until_done(*write);
    {
      Lock lock(mutex_);
      is_at_disk_ = false;
      if (is_closing_ && !is_healthy()) return;
      written(*write);
    }
    write.reset();
    measure();
    page_out();
  }
}

bool Ledger::is_worth_packing_ahead() const {
  return is_at_disk_ && is_cut_wanted_ && unsaved_bytes_ >= kPackAheadAt && !is_packing_ &&
         packed_ == nullptr;
}

// The first stage, while the disk is busy: at most one write ahead, so that groups grow.
void Ledger::pack_loop() {
  pthread_setname_np(pthread_self(), "packer");
  Lock lock(mutex_);
  while (!is_closing_) {
    if (!is_worth_packing_ahead()) {
      packer_wake_.wait(mutex_);
      continue;
    }
    std::unique_ptr<Write> write = cut(false);
    is_packing_ = true;
    mutex_.unlock();
    pack(*write);
    mutex_.lock();
    packed_ = std::move(write);
    is_packing_ = false;
    writer_wake_.notify_one();
  }
}

}  // namespace runnel
