// Salvage: a damaged database is put aside, and what can be read of it is carried over; what memory
// knows beyond that is written again.

#include <algorithm>
#include <array>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

// What contents that nobody names any more leave free beside what the reserve takes to be taken
// again: one more file of contents.
constexpr std::uint64_t kLeftFree = 64 << 20;
constexpr std::uint64_t kReserveTimes = 4;

// In `meta`, from a repair until the content that only lost rows named is put aside: into
// which folder of `quarantine/`.
constexpr std::string_view kLostContent = "lost_content";

// What one transaction of a repair carries over: few fsyncs, and a log that stays small.
constexpr std::uint64_t kCarriedRows = 1024;
constexpr std::uint64_t kCarriedBytes = 4 << 20;

struct Table {
  std::string_view name;
  std::string_view columns;
  int count;
};
constexpr std::array<Table, 5> kTables{
    {{"meta", "name, value", 2},
     {"queue", "key, id, name, parked_of", 4},
     {"state", "processor, name, value", 3},
     {"batch", "id, queue, head, effects, body", 5},
     {"provenance", "id, bytes_before, body_bytes, last_ms, is_tail, head, body", 7}}};

// Commits now and then.
class Carrier {
 public:
  explicit Carrier(Database& into) : into_(into) {}

  Result<> row(Statement& insert, std::uint64_t bytes) {
    if (!transaction_) {
      TRY_ASSIGN(begun, Transaction::begin(into_));
      transaction_.emplace(std::move(begun));
    }
    const Result<> inserted = insert.run();
    if (inserted.ok()) ++carried_;
    // The row may make no sense; but a disk that does not take it is tried again.
    if (!inserted.ok() && inserted.code() != Code::kInvalid) return inserted;
    ++rows_;
    bytes_ += bytes;
    return rows_ < kCarriedRows && bytes_ < kCarriedBytes ? Result<>() : commit();
  }
  Result<> commit() {
    rows_ = bytes_ = 0;
    if (!transaction_) return {};
    TRY(transaction_->commit());
    transaction_.reset();
    TRY_ASSIGN(moved, into_.checkpoint(CheckpointMode::kTruncate));
    static_cast<void>(moved);
    return {};
  }
  std::uint64_t carried() const { return carried_; }

 private:
  Database& into_;
  std::optional<Transaction> transaction_;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t carried_ = 0;
};

// Which rows of `batch` are what was written. Unsealed ones cannot tell; they are older than every
// sealed one.
class BatchSieve {
 public:
  // `needs_body`: memory may know what the body does not say right.
  BatchSieve(std::uint64_t sealed_from, bool needs_body)
      : sealed_from_(sealed_from), needs_body_(needs_body) {}

  bool is_whole(const Statement& row) {
    const auto id = static_cast<std::uint64_t>(row.integer(0));
    const bool is_old = id < std::min(sealed_from_, first_sealed_);
    const Result<BatchHead> head = BatchHead::unseal(
        row.text(2), id, static_cast<std::uint64_t>(row.integer(1)), row.text(3), is_old);
    if (!head.ok() || (!row.text(3).empty() && !BatchEffects::parse(row.text(3)).ok()))
      return false;
    if (head->clock) first_sealed_ = std::min(first_sealed_, id);
    return !needs_body_ || row.text(4).empty() || check_body(row.text(4)).ok();
  }
  std::uint64_t first_sealed() const { return first_sealed_; }

 private:
  const std::uint64_t sealed_from_;
  const bool needs_body_;
  std::uint64_t first_sealed_ = UINT64_MAX;
};

}  // namespace

// Where a damaged database lies until all that can be read of it is carried over: a repair that was
// interrupted, by a cut of the power too, is found here and taken up again.
std::string Ledger::unfinished_folder() const {
  return options_.directory + "/quarantine/unfinished";
}

bool Ledger::is_repair_unfinished() const { return disk().identity(unfinished_folder()) != 0; }

Result<> Ledger::put_aside() {
  TRY(disk().make_directory(options_.directory + "/quarantine"));
  TRY(disk().make_directory(unfinished_folder()));
  const std::string moved = unfinished_folder() + "/ledger.db";
  if (disk().identity(moved) != 0) return {};  // it goes last
  for (const char* ending : {"-wal", "-shm", ""}) {
    const Result<> done = disk().rename(database_path() + ending, moved + ending);
    if (!done.ok() && done.code() != Code::kNotFound) return done;
  }
  TRY(disk().sync_directory(unfinished_folder()));
  return disk().sync_directory(options_.directory);
}

std::string Ledger::quarantine_folder() const {
  const std::string named =
      options_.directory + "/quarantine/" + iso_time(options_.clock->wall_ms());
  std::string folder = named;
  for (int i = 2; disk().identity(folder) != 0; ++i) folder = named + "-" + std::to_string(i);
  return folder;
}

// Its name is its time from now on; which one is told.
Result<std::string> Ledger::end_put_aside() {
  const std::string folder = quarantine_folder();
  TRY_ASSIGN(mark, database_->prepare("REPLACE INTO meta(name, value) VALUES(?, ?)"));
  TRY(mark.bind_text(1, kLostContent).bind_text(2, folder.substr(folder.rfind('/') + 1)).run());
  TRY(disk().rename(unfinished_folder(), folder));
  TRY(disk().sync_directory(options_.directory + "/quarantine"));
  return folder;
}

// Where the content goes that rows named which a repair could not carry over; empty: there was no
// repair, or it is done.
Result<std::string> Ledger::lost_content_folder() {
  TRY_ASSIGN(select, database_->prepare("SELECT value FROM meta WHERE name = ?"));
  select.bind_text(1, kLostContent);
  TRY_ASSIGN(is_marked, select.step());
  if (!is_marked) return std::string();
  return options_.directory + "/quarantine/" + std::string(select.text(0));
}

Result<> Ledger::end_lost_content() {
  TRY_ASSIGN(remove, database_->prepare("DELETE FROM meta WHERE name = ?"));
  return remove.bind_text(1, kLostContent).run();
}

std::uint64_t Ledger::left_free() const { return kLeftFree + kReserveTimes * options_.reserve; }

std::string Ledger::aside_text(const SegmentStore::Aside& aside, const std::string& folder) {
  std::string text =
      std::to_string(aside.kept + aside.lost) + " bytes of content that no row names any more";
  if (aside.kept == 0) return text + " are lost: " + aside.why;
  text += " were put aside into " + folder;
  return aside.lost == 0
             ? text
             : text + ", but for " + std::to_string(aside.lost) + " that are lost: " + aside.why;
}

// Content that no row names, after a repair, or beside a database that is new: that is not what a
// crash has left behind, but what rows named that are lost.
Result<> Ledger::keep_nameless() {
  TRY_ASSIGN(folder, lost_content_folder());
  const bool is_repaired = !folder.empty();
  if (!is_repaired) {
    Lock lock(mutex_);
    TRY_ASSIGN(select, database_->prepare("SELECT 1 FROM meta WHERE name = 'generation'"));
    TRY_ASSIGN(is_known, select.step());
    if (is_known || !batches_.empty()) return {};
  }
  if (segments_->has_found()) {
    const std::string quarantine = options_.directory + "/quarantine";
    TRY(disk().make_directory(quarantine));
    if (!is_repaired) folder = quarantine_folder();
    TRY_ASSIGN(aside, segments_->put_aside(folder, left_free()));
    if (aside.kept != 0) TRY(disk().sync_directory(quarantine));
    if (aside.kept + aside.lost != 0) {
      const std::string told =
          (is_repaired ? "" : "the ledger's database was lost; ") + aside_text(aside, folder);
      log_error("ledger", told);
      repaired_ += (repaired_.empty() ? "" : "; ") + told;
    }
  }
  return is_repaired ? end_lost_content() : Result<>();
}

// Content of rows that turned out to be lost while others may use the same files. `folder` empty:
// the one of this run.
void Ledger::keep_lost(std::vector<std::shared_ptr<SegmentFile>> files, std::string folder) {
  if (files.empty()) return;
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  if (folder.empty()) {
    Lock lock(mutex_);
    if (lost_folder_.empty()) lost_folder_ = quarantine_folder();
    folder = lost_folder_;
  }
  Result<> made = disk().make_directory(options_.directory + "/quarantine");
  Result<SegmentStore::Aside> aside = made.ok() ? segments_->link_aside(files, folder, left_free())
                                                : Result<SegmentStore::Aside>(made.error());
  if (aside.ok()) made = disk().sync_directory(options_.directory + "/quarantine");
  if (!aside.ok() || !made.ok()) {
    tell("content that no row names any more is not kept: " +
         (aside.ok() ? made : Result<>(aside.error())).error().text());
  } else if (aside->kept + aside->lost != 0) {
    tell(aside_text(*aside, folder));
  }
}

// Forward until the first row that cannot be read, then backward until the last such row.
Result<std::uint64_t> Ledger::carry_over(Database& from) {
  Carrier carrier(*database_);
  BatchSieve sieve(is_loaded_ ? sealed_from_ : UINT64_MAX, is_loaded_);
  for (const Table& table : kTables) {
    std::string marks = "?";
    for (int i = 1; i < table.count; ++i) marks += ", ?";
    const std::string verb = table.name == "meta" ? "REPLACE" : "IGNORE";
    TRY_ASSIGN(insert,
               database_->prepare("INSERT OR " + verb + " INTO " + std::string(table.name) + "(" +
                                  std::string(table.columns) + ") VALUES(" + marks + ")"));
    for (const char* order : {" ORDER BY 1", " ORDER BY 1 DESC"}) {
      Result<Statement> select = from.prepare("SELECT " + std::string(table.columns) + " FROM " +
                                              std::string(table.name) + order);
      if (!select.ok()) continue;
      bool is_whole = false;
      while (true) {
        const Result<bool> has_row = select->step();
        is_whole = has_row.ok() && !*has_row;
        if (!has_row.ok() || !*has_row) break;
        if (table.name == "batch" && !sieve.is_whole(*select)) continue;
        std::uint64_t bytes = 0;
        for (int i = 0; i < table.count; ++i) {
          select->copy_column(i, insert, i + 1);
          bytes += select->text(i).size();
        }
        TRY(carrier.row(insert, bytes));
      }
      if (is_whole) break;
    }
  }
  TRY(carrier.commit());
  if (sieve.first_sealed() != UINT64_MAX) {
    TRY_ASSIGN(insert, database_->prepare(
                           "INSERT OR IGNORE INTO meta(name, value) VALUES('sealed_from', ?)"));
    TRY(insert.bind_text(1, std::to_string(sieve.first_sealed())).run());
  }
  return carrier.carried();
}

Result<> Ledger::salvage(const Error& why) {
  log_error("ledger", "the database is damaged; what can be read is carried over",
            {{"reason", why.text()}});
  // Nobody reads before it is done: a row that is not carried over yet would be missing for good.
  Lock paging(paging_mutex_);
  Lock reading(reader_mutex_);
  statements_.reset();
  database_.reset();
  reader_.reset();
  database_identity_ = 0;
  TRY(put_aside());
  TRY(reopen());
  // Where it cannot be read from which row on there are sums, no row needs one.
  TRY(database_->execute("DELETE FROM meta WHERE name = 'sealed_from'"));
  std::uint64_t carried = 0;
  DatabaseOptions damaged = database_options();
  damaged.is_damaged = true;
  Result<std::unique_ptr<Database>> old =
      Database::open(unfinished_folder() + "/ledger.db", damaged);
  // What cannot be opened now may be whole.
  if (!old.ok() && old.code() == Code::kUnavailable) return old.error();
  if (old.ok()) {
    TRY_ASSIGN(rows, carry_over(**old));
    carried = rows;
  }
  TRY(keep_ids_unique());
  TRY(
      database_->execute("INSERT OR IGNORE INTO meta(name, value) SELECT 'sealed_from', "
                         "coalesce(max(id), 0) + 1 FROM batch"));
  TRY_ASSIGN(reader, Database::open(database_path(), database_options()));
  old = unavailable("closed");
  is_recut_due_ = is_loaded_;
  TRY_ASSIGN(folder, end_put_aside());
  reader_ = std::move(reader);
  is_salvaged_ = true;
  const std::string told = "the ledger's database was damaged (" + why.text() +
                           "); it was put aside into " + folder + ", and " +
                           std::to_string(carried) + " rows were carried over";
  const bool is_first = salvages_++ == 0;
  if (is_first && !is_loaded_) {
    repaired_ = told;  // told by who opens it
    log_error("ledger", told);
  } else {
    tell(told);
  }
  return {};
}

// ---- while running: what memory knows

// A repair, and all that memory knows beyond what it carried over is in this write.
Result<> Ledger::repair(std::unique_ptr<Write>& write, const Error& why) {
  TRY(salvage(why));
  return recall(write);
}

Result<> Ledger::recall(std::unique_ptr<Write>& write) {
  std::set<std::uint64_t> rows;
  TRY_ASSIGN(select, database_->prepare("SELECT id FROM batch"));
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) break;
    rows.insert(static_cast<std::uint64_t>(select.integer(0)));
  }
  recut(write, &rows);
  is_recut_due_ = false;
  std::vector<std::shared_ptr<SegmentFile>> lost;
  {
    Lock lock(mutex_);
    lost.swap(lost_segments_);
  }
  TRY_ASSIGN(folder, lost_content_folder());
  keep_lost(std::move(lost), folder);
  return end_lost_content();
}

// In place of a write that is not on disk, and of the one that waits behind it, comes one of all
// that is not on disk, as it stands now. What has been delivered meanwhile need not be written any
// more, and what a repair could not carry over is written again. `rows_there`: the rows that there
// are; nullptr: all but those of these writes.
void Ledger::recut(std::unique_ptr<Write>& write, const std::set<std::uint64_t>* rows_there) {
  std::vector<std::unique_ptr<Write>> undone;  // their references are let go without the mutex
  undone.push_back(std::move(write));
  Lock paging(paging_mutex_);
  Lock lock(mutex_);
  while (is_packing_) writer_wake_.wait(mutex_);
  if (packed_) undone.push_back(std::move(packed_));
  for (; driven_.size() > 1; driven_.pop_back()) undone.push_back(std::move(driven_.back()));
  std::vector<const Write*> all;
  for (const auto& one : undone) all.push_back(one.get());
  write = cut_anew(all, rows_there);
}

std::unique_ptr<Ledger::Write> Ledger::cut_anew(const std::vector<const Write*>& undone,
                                                const std::set<std::uint64_t>* rows_there) {
  std::set<std::uint64_t> gone;
  std::vector<std::uint64_t> unknown;  // rows that are there, and that nobody knows
  std::map<std::uint64_t, std::shared_ptr<SegmentFile>> named;
  for (const Write* const one : undone) {
    named.insert(one->named_before.begin(), one->named_before.end());
    for (const Write::Row& row : one->rows) {
      gone.insert(row.id);
      const auto known = batches_.find(row.id);
      if (known == batches_.end()) continue;
      for (const auto& segment : known->second.segments) named.emplace(segment->number(), segment);
    }
    removable_.insert(removable_.end(), one->removed.begin(), one->removed.end());
  }
  if (rows_there != nullptr) {
    for (const std::uint64_t row : *rows_there) {
      if (gone.contains(row) || !batches_.contains(row)) unknown.push_back(row);
    }
    for (const auto& [row, batch] : batches_) {
      if (!rows_there->contains(row)) gone.insert(row);
    }
  }
  forget_rows(gone);
  std::unique_ptr<Write> fresh = cut(true, true);
  fresh->removed.insert(fresh->removed.end(), unknown.begin(), unknown.end());
  // State: what is gone from it stands in the changes, what is in it is known as a whole.
  std::vector<StateChange> state;
  for (const Write* const one : undone)
    state.insert(state.end(), one->state.begin(), one->state.end());
  state.insert(state.end(), fresh->state.begin(), fresh->state.end());
  for (const auto& [processor, values] : state_) {
    for (const auto& [name, value] : values) state.push_back({processor, name, value, 0});
  }
  fresh->state = std::move(state);
  fresh->named_before = std::move(named);
  fresh->queues.clear();
  for (const auto& [id, queue] : queues_) {
    queue->held();
    const auto flow = parked_of_.find(id);
    fresh->queues.push_back(
        {queue->key(), id, queue->spec().name,
         flow == parked_of_.end() ? std::nullopt : std::optional(flow->second)});
  }
  return fresh;
}

void Ledger::forget_rows(const std::set<std::uint64_t>& rows) {
  if (rows.empty()) return;
  const auto is_gone = [&rows](std::uint64_t row) { return rows.contains(row); };
  for (const auto& [id, queue] : queues_) {
    queue->held();
    queue->unsave(is_gone);
    // What lay on disk only is lost.
    std::vector<Queue::Position> lost;
    for (const auto& [first, paged] : queue->paged()) {
      if (is_gone(paged.batch)) lost.push_back(first);
    }
    std::uint64_t count = 0;
    for (const Queue::Position first : lost) {
      if (const auto row = batches_.find(queue->paged().at(first).batch); row != batches_.end())
        lost_segments_.insert(lost_segments_.end(), row->second.segments.begin(),
                              row->second.segments.end());
      for (std::uint64_t i = queue->paged().at(first).count; i > 0; --i, ++count)
        count_drop(0, End::kQuarantined, 0);
      queue->drop_paged(first);
    }
    if (count != 0) {
      log_error("ledger", "FlowFiles could not be read and were counted as quarantined",
                {{"connection", id}, {"count", count}});
    }
  }
  // What they said to be done is said again.
  for (auto& [row, batch] : batches_) {
    if (is_gone(row) || std::erase_if(batch.referrers, is_gone) == 0) continue;
    std::vector<std::uint32_t>& again = done_[row];
    again.clear();
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      if (batch.done[i]) again.push_back(i);
    }
  }
  for (const std::uint64_t row : rows) {
    done_.erase(row);
    note_row_gone(row);
  }
}

}  // namespace runnel
