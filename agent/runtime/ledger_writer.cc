// The ledger's writer: packs what a cut took, writes it, and tries again until it is on disk.

#include <pthread.h>

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"
#include "ledger_migrations.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFrame = 4096 + 24;  // of one page in the WAL
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

// ---- writing

void Ledger::pack(Write& write) const {
  if (write.is_packed) return;
  const PackingRoom room;
  for (Write::Row& row : write.rows) {
    if (row.records.empty()) continue;
    row.body = options_.vault.to_disk(pack_body(row.records), batch_place(row.id, row.queue));
    // Another try writes the body again; what has left its queue meanwhile need not stay in memory.
    for (const FlowRecord& record : row.records) release(record);
    row.records = {};
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
    const std::string effects = i + 1 == write.rows.size() ? write.effects.text() : std::string();
    const std::string head = row.head.sealed(row.id, row.queue, effects);
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
      const std::string& plain = row.body;
      const std::string sealed = options_.vault.seals
                                     ? options_.vault.to_disk(plain, provenance_place(row.id))
                                     : std::string();
      const std::string& body = options_.vault.seals ? sealed : plain;
      TRY(insert.bind_blob(6, row.head).bind_blob(7, body).run());
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
    // What has to get through a full disk is what makes room on it.
    if (!is_disk_full_) {
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
  {
    Lock lock(mutex_);
    written_bytes_ += pages * kFrame;
  }
  // A file whose name is gone takes writes as well as any other.
  return check_place();
}

Result<> Ledger::check_place() {
  const std::uint64_t ours = database_identity_;
  if (ours == 0 || disk().identity(database_path()) == ours) return {};
  return unavailable("the database `" + database_path() +
                     "` was removed or replaced while the agent runs: put it back, or start the "
                     "agent again");
}

void Ledger::tell(const std::string& trouble) {
  log_error("ledger", trouble);
  if (options_.on_trouble) options_.on_trouble(trouble);
}

void Ledger::note_failure(const Error& why) {
  const bool is_first = is_healthy_.exchange(false);
  {
    Lock lock(mutex_);
    trouble_ = why.text();
  }
  const std::string text =
      "a write failed; nothing is acknowledged until it succeeds: " + why.text();
  if (is_first) {
    tell(text);
  } else {
    log_error("ledger", text);
  }
  if (why.code() != Code::kFull) return;
  // What is delivered must be written for room to come back: sources wait, and the reserve is for
  // this.
  is_disk_full_ = true;
  is_over_quota_ = true;
  let_reserve_go();
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
  // From here on it is known which file is ours: another one of its name is not.
  if (database_identity_ == 0) database_identity_ = disk().identity(database_path());
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

// One try.
Result<> Ledger::attempt(std::unique_ptr<Write>& write) {
  TRY(check_place());
  if (!statements_ || is_unknown_) {
    is_unknown_ = true;
    const Result<bool> is_there = resume(*write);
    if (is_there.ok() && *is_there && !is_recut_due_) {
      is_unknown_ = false;
      return {};
    }
    if (is_there.ok() && is_recut_due_) {
      TRY(recall(write));
    } else if (!is_there.ok() && is_there.code() == Code::kCorrupt) {
      TRY(repair(write, is_there.error()));
    } else {
      TRY(is_there);
      recut(write, nullptr);
    }
  }
  Result<> done = this->write(*write);
  is_unknown_ = !done.ok();
  if (!done.ok() && done.code() == Code::kCorrupt) {
    // Damage is found where rows are read or deleted, too.
    TRY(repair(write, done.error()));
    done = this->write(*write);
    is_unknown_ = !done.ok();
  }
  if (done.ok()) is_disk_full_ = false;
  return done;
}

void Ledger::write_until_done(std::unique_ptr<Write>& write) {
  auto wait = 50ms;
  while (true) {
    const Result<> done = attempt(write);
    if (done.ok()) break;
    note_failure(done.error());
    Lock lock(mutex_);
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
  if (!driven_.front()->rows.empty()) {
    const Result<> done = attempt(driven_.front());
    if (!done.ok()) note_failure(done.error());
    TRY(done);
    is_healthy_ = true;
  }
  {
    Lock lock(mutex_);
    written(*driven_.front());
  }
  driven_.pop_front();
  measure();
  page_out();
  fold();
  return {};
}

void Ledger::drive_notify() {
  std::vector<SafeLine::Then> ready;
  Lock lock(mutex_);
  while (call_ready(ready)) {
  }
}

Result<> Ledger::drive_checkpoint(CheckpointMode mode) {
  if (!database_) return unavailable("the database is not open");
  const Result<Database::CheckpointResult> done = database_->checkpoint(mode);
  if (done.ok()) return {};
  is_unknown_ = true;
  return done.error();
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
  bool is_look_due = false;  // at the disk, while it has no room
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
    if (at <= now() || (is_look_due && is_over_quota() && !is_closing_)) {
      write = cut(false);
      break;
    }
    if (is_closing_) return nullptr;
    is_idle_ = true;
    // While there is no room the disk is looked at again after each write, and room may come
    // without one of ours.
    sleeps_until_ = is_over_quota() ? std::min(at, now() + std::chrono::seconds(1)) : at;
    is_look_due = false;
    if (sleeps_until_ == SteadyTime::max()) {
      writer_wake_.wait(mutex_);
    } else {
      is_look_due = !writer_wake_.wait_until(mutex_, sleeps_until_);
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
    if (!write->rows.empty()) write_until_done(write);
    {
      Lock lock(mutex_);
      is_at_disk_ = false;
      if (is_closing_ && !is_healthy()) {
        for (const auto& [number, segment] : write->named_before) segment->keep();
        return;
      }
      written(*write);
    }
    write.reset();
    measure();
    page_out();
    fold();
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
