// Opening the ledger: what it reads, what it repairs; paging in.

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"
#include "ledger_migrations.h"

namespace runnel {
namespace {

constexpr std::uint32_t kApplication = 0x524E4C31;  // "RNL1"
constexpr unsigned kGenerationShift = 40;           // ids of one opening of the ledger
constexpr std::uint64_t kQuotaDefault = 1 << 30;

void release_all(const std::vector<FlowRecord>& records) {
  for (const FlowRecord& record : records) {
    release(record);
  }
}

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return unavailable("making directory `" + path + "`: " + std::strerror(errno));
}

}  // namespace

DatabaseOptions Ledger::database_options() const {
  return {.application_id = kApplication,
          .checkpoints_itself = false,
          .cache_kib = 512,
          .vfs = options_.vfs};
}

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options) {
  TRY(make_directory(options.directory));
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(options)));
  Clock& clock = *ledger->options_.clock;
  ledger->clock_began_ = clock.steady();
  ledger->wall_base_ms_ = clock.wall_ms() - ms_of(clock.steady());
  {
    Lock lock(ledger->mutex_);
    ledger->boot_base_ms_ = clock.wall_ms() - ms_of(clock.since_boot());
  }
  Disk& disk = ledger->options_.disk == nullptr ? real_disk() : *ledger->options_.disk;
  TRY_ASSIGN(segments, SegmentStore::open(ledger->options_.directory + "/content", disk));
  ledger->segments_ = std::move(segments);
  ledger->shelf_ = std::make_unique<Shelf>(*ledger);
  Result<> opened = ledger->is_repair_unfinished() ? corrupt("an earlier repair was not finished")
                                                   : ledger->open_database();
  if (opened.ok()) opened = ledger->load();
  // Before anything is written: what the last run could not name any more may be what fills the
  // disk.
  if (opened.ok()) ledger->segments_->remove_orphans();
  if (opened.ok()) opened = ledger->begin_generation();
  if (!opened.ok() && opened.code() == Code::kCorrupt) {
    TRY(ledger->salvage(opened.error()));
    opened = ledger->load();
    if (opened.ok()) opened = ledger->begin_generation();
  }
  TRY(opened);
  ledger->segments_->remove_orphans();
  ledger->choose_quota();
  if (!ledger->options_.is_driven) ledger->start_threads();
  return ledger;
}

Result<> Ledger::open_database() {
  TRY(reopen());
  TRY_ASSIGN(reader, Database::open(database_path(), database_options()));
  Lock lock(reader_mutex_);
  reader_ = std::move(reader);
  return {};
}

Result<Statement> Ledger::prepare_read(std::string_view sql) {
  if (!reader_) return unavailable("the ledger's database is not repaired yet");
  return reader_->prepare(sql);
}

void Ledger::choose_quota() {
  if (options_.disk_quota != 0) return;
  struct statvfs disk {};
  options_.disk_quota = kQuotaDefault;
  if (::statvfs(options_.directory.c_str(), &disk) == 0) {
    const std::uint64_t free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    options_.disk_quota = std::min(kQuotaDefault, free_bytes / 10 * 8);
  }
}

void Ledger::start_threads() {
  writer_ = std::thread([this] { write_loop(); });
  packer_ = std::thread([this] { pack_loop(); });
  notifier_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "notifier");
    notify_loop();
  });
  checkpointer_ = std::thread([this] { checkpoint_loop(); });
}

// A number that no earlier opening had: the ids of FlowFiles begin with it, so that none is ever
// used twice.
Result<> Ledger::begin_generation() {
  TRY_ASSIGN(transaction, Transaction::begin(*database_));
  TRY(
      database_->execute("INSERT INTO meta(name, value) VALUES('generation', '1') ON CONFLICT DO "
                         "UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"));
  TRY_ASSIGN(insert,
             database_->prepare("INSERT OR IGNORE INTO meta(name, value) VALUES('instance', ?)"));
  TRY(insert.bind_text(1, random_uuid().text()).run());
  TRY_ASSIGN(select,
             database_->prepare("SELECT (SELECT value FROM meta WHERE name = 'generation'), "
                                "(SELECT value FROM meta WHERE name = 'instance')"));
  TRY_ASSIGN(has_row, select.step());
  RUNNEL_ASSERT(has_row);
  TRY_ASSIGN(generation, parse_int(select.text(0)));
  instance_id_ = select.text(1);
  select.reset();
  TRY(parse_uuid(instance_id_));
  TRY(transaction.commit());
  next_id_ = (static_cast<std::uint64_t>(generation) << kGenerationShift) + 1;
  return {};
}

// Where the number of the last opening could not be read, one is made of the time that no opening
// has reached by counting.
Result<> Ledger::keep_ids_unique() {
  constexpr std::int64_t kSince = 1'577'836'800'000;  // 2020, in ms
  const std::int64_t minutes =
      std::max<std::int64_t>((options_.clock->wall_ms() - kSince) / 60'000, 1);
  TRY_ASSIGN(insert,
             database_->prepare("INSERT OR IGNORE INTO meta(name, value) VALUES('generation', ?)"));
  return insert.bind_text(1, std::to_string(minutes)).run();
}

// ---- reading what is stored: heads and effects only

Result<> Ledger::load() {
  Lock lock(mutex_);
  queues_.clear();
  queues_by_key_.clear();
  batches_.clear();
  parked_of_.clear();
  state_.clear();
  TRY(load_queues());
  TRY(load_batches());
  TRY_ASSIGN(select, database_->prepare("SELECT processor, name, value FROM state"));
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) break;
    state_[std::string(select.text(0))][std::string(select.text(1))] = select.text(2);
  }
  balance();
  return {};
}

Result<> Ledger::load_queues() {
  TRY_ASSIGN(select, database_->prepare("SELECT key, id, name, parked_of FROM queue"));
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) return {};
    const auto key = static_cast<std::uint64_t>(select.integer(0));
    QueueSpec spec;
    spec.id = select.text(1);
    spec.name = select.text(2);
    next_queue_key_ = std::max(next_queue_key_, key + 1);
    if (!select.is_null(3)) parked_of_[spec.id] = select.text(3);
    auto queue = std::make_unique<Queue>(mutex_, spec, key);
    queues_by_key_[key] = queue.get();
    queues_.emplace(spec.id, std::move(queue));
  }
}

Result<> Ledger::load_batches() {
  TRY_ASSIGN(select, database_->prepare("SELECT id, queue, head, effects FROM batch ORDER BY id"));
  std::map<std::uint64_t, BatchHead> heads;
  BatchEffects newest;
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) break;
    const auto id = static_cast<std::uint64_t>(select.integer(0));
    Result<BatchHead> parsed = BatchHead::parse(select.text(2));
    if (!parsed.ok() && is_salvaged_) continue;
    TRY(parsed);
    BatchHead& head = *parsed;
    Batch batch;
    batch.queue = static_cast<std::uint64_t>(select.integer(1));
    batch.count = batch.left = static_cast<std::uint32_t>(head.count);
    batch.done.assign(head.count, false);
    for (const std::uint64_t number : head.segments) {
      // A missing one is found out when its FlowFiles are read.
      Result<std::shared_ptr<SegmentFile>> segment = segments_->find(number);
      if (segment.ok()) batch.segments.push_back(std::move(*segment));
    }
    batches_.emplace(id, std::move(batch));
    heads.emplace(id, std::move(head));
    next_batch_ = std::max(next_batch_, id + 1);
    if (!select.text(3).empty()) {
      Result<BatchEffects> effects = BatchEffects::parse(select.text(3));
      if (!effects.ok() && is_salvaged_) continue;
      TRY(effects);
      load_effects(id, *effects);
      newest = std::move(*effects);
    }
  }
  totals_.in = newest.counters[0];
  for (std::size_t end = 0; end < kEnds; ++end) totals_.ends[end] = newest.counters[end + 1];
  for (const auto& [id, head] : heads) offer_batch(id, head);
  written_row_ = next_batch_ - 1;
  return {};
}

void Ledger::load_effects(std::uint64_t row, const BatchEffects& effects) {
  for (const BatchEffects::Row& effect : effects.rows) {
    const auto found = batches_.find(effect.row);
    if (found == batches_.end()) continue;  // deleted since
    Batch& target = found->second;
    for (const PositionRange& range : effect.done) {
      for (std::uint64_t i = range.first; i < range.first + range.count && i < target.count; ++i) {
        if (target.done[i]) continue;
        target.done[i] = true;
        --target.left;
      }
    }
    target.referrers.push_back(row);
    ++batches_.at(row).targets_alive;
  }
}

void Ledger::offer_batch(std::uint64_t row, const BatchHead& head) {
  Batch& batch = batches_.at(row);
  if (is_removable(row, batch)) removable_.push_back(row);
  if (batch.left == 0 || head.positions.empty()) return;
  auto queue = queues_by_key_.find(batch.queue);
  if (queue == queues_by_key_.end()) {
    // Whose it was cannot be read any more: it is parked, so that somebody may look at it.
    QueueSpec spec;
    spec.id = spec.name = "salvaged-" + std::to_string(batch.queue);
    next_queue_key_ = std::max(next_queue_key_, batch.queue + 1);
    queue_rows_.push_back({batch.queue, spec.id, spec.name, "salvaged"});
    parked_of_[spec.id] = "salvaged";
    auto made = std::make_unique<Queue>(mutex_, spec, batch.queue);
    queue = queues_by_key_.emplace(batch.queue, made.get()).first;
    queues_[spec.id] = std::move(made);
  }
  Queue::Paged paged;
  paged.batch = row;
  paged.count = batch.left;
  paged.bytes =
      head.count == 0 ? 0 : head.bytes * batch.left / head.count;  // exact when it is read
  paged.last = head.positions.back().first + head.positions.back().count - 1;
  paged.oldest_ms = head.oldest_ms;
  // Two batches may begin at positions that only later bodies fill: the first position is unique by
  // construction.
  queue->second->held();
  queue->second->add_paged(head.positions.front().first, paged);
}

// What is stored and what is counted must agree; what a repair could not save is the difference.
void Ledger::balance() {
  std::uint64_t queued = 0;
  for (const auto& [id, queue] : queues_) queued += queue->count();
  std::uint64_t ended = 0;
  for (const std::uint64_t count : totals_.ends) ended += count;
  auto& quarantined = totals_.ends[static_cast<std::size_t>(End::kQuarantined)];
  if (totals_.in > ended + queued) {
    const std::uint64_t missing = totals_.in - ended - queued;
    quarantined += missing;
    log_error("ledger", "FlowFiles could not be read and were counted as quarantined",
              {{"count", missing}});
  } else {
    totals_.in = ended + queued;
  }
}

// ---- paging in

bool Ledger::needs_paging(Queue& queue) {
  Lock lock(mutex_);
  queue.held();
  Queue::Position first = 0;
  return queue.next_paged(first) != nullptr;
}

Result<> Ledger::page_in(Queue& queue) {
  Lock paging(paging_mutex_);
  Queue::Paged paged;
  Queue::Position first = 0;
  std::uint32_t count = 0;
  {
    Lock lock(mutex_);
    queue.held();
    const Queue::Paged* const next = queue.next_paged(first);
    if (next == nullptr) return {};
    paged = *next;
    count = batches_.at(paged.batch).count;
  }
  return page_in_batch(queue, first, paged, count);
}

Result<bool> Ledger::page_in_next(Queue& queue) {
  Lock paging(paging_mutex_);
  Queue::Paged paged;
  Queue::Position first = 0;
  std::uint32_t count = 0;
  {
    Lock lock(mutex_);
    queue.held();
    if (queue.paged().empty()) return false;
    first = queue.paged().begin()->first;
    paged = queue.paged().begin()->second;
    count = batches_.at(paged.batch).count;
  }
  TRY(page_in_batch(queue, first, paged, count));
  return true;
}

Result<> Ledger::page_in_batch(Queue& queue, Queue::Position first, Queue::Paged paged,
                               std::uint32_t count) {
  Result<std::vector<FlowRecord>> records =
      corrupt("row " + std::to_string(paged.batch) + " is missing");
  BatchHead head;
  {
    Lock lock(reader_mutex_);
    TRY_ASSIGN(select, prepare_read("SELECT head, body FROM batch WHERE id = ?"));
    select.bind(1, static_cast<std::int64_t>(paged.batch));
    const Result<bool> has_row = select.step();
    if (!has_row.ok() && has_row.code() != Code::kCorrupt) return has_row.error();
    if (has_row.ok() && *has_row) {
      Result<BatchHead> parsed = BatchHead::parse(select.text(0));
      if (parsed.ok() && parsed->count != count) {
        records = corrupt("the head is not the one that was read at the start");
      } else if (parsed.ok()) {
        head = std::move(*parsed);
        records = unpack_body(select.text(1), count, *segments_);
      } else {
        records = parsed.error();
      }
    } else if (!has_row.ok()) {
      records = has_row.error();
    }
  }
  if (!records.ok() && records.code() != Code::kCorrupt) return records.error();
  std::vector<FlowRecord> gone;
  {
    Lock lock(mutex_);
    queue.held();
    const bool is_there = queue.paged().count(first) != 0;  // else it was evicted meanwhile
    if (is_there) queue.drop_paged(first);
    if (!is_there) {
      if (records.ok()) release_all(*records);
      return {};
    }
    Batch& batch = batches_.at(paged.batch);
    if (!records.ok()) {
      for (std::uint32_t i = 0; i < batch.count; ++i) {
        if (batch.done[i]) continue;
        note_saved_done({paged.batch, i});
        count_end(0, End::kQuarantined);
      }
      log_error("ledger", "a batch cannot be read; its FlowFiles were counted as quarantined",
                {{"row", paged.batch}, {"count", paged.count}, {"reason", records.error().text()}});
      settle();
      return records.error();
    }
    const std::uint32_t at_ms = now_ms();
    std::uint32_t index = 0;
    for (const PositionRange& range : head.positions) {
      for (std::uint64_t i = 0; i < range.count; ++i, ++index) {
        FlowRecord& record = (*records)[index];
        for (const WallStep& step : wall_steps_) {
          if (paged.batch < step.row && record.entry_ms <= step.until_ms)
            record.entry_ms += step.by_ms;
        }
        if (batch.done[index]) {
          gone.push_back(record);
        } else {
          queue.restore(range.first + i, record, {paged.batch, index}, at_ms);
        }
      }
    }
  }
  release_all(gone);
  return {};
}

// ---- salvage

// Where a damaged database lies until all that can be read of it is carried over: a repair that was
// interrupted, by a cut of the power too, is found here and taken up again.
std::string Ledger::unfinished_folder() const {
  return options_.directory + "/quarantine/unfinished";
}

bool Ledger::is_repair_unfinished() const {
  return ::access(unfinished_folder().c_str(), F_OK) == 0;
}

Result<> Ledger::put_aside() {
  TRY(make_directory(options_.directory + "/quarantine"));
  TRY(make_directory(unfinished_folder()));
  const std::string moved = unfinished_folder() + "/ledger.db";
  if (::access(moved.c_str(), F_OK) == 0) return {};  // it goes last
  for (const char* ending : {"-wal", "-shm", ""}) {
    const std::string from = database_path() + ending;
    if (std::rename(from.c_str(), (moved + ending).c_str()) != 0 && errno != ENOENT)
      return unavailable("moving `" + from + "`: " + std::strerror(errno));
  }
  TRY(real_disk().sync_directory(unfinished_folder()));
  return real_disk().sync_directory(options_.directory);
}

// Its name is its time from now on; which one is told.
Result<std::string> Ledger::end_put_aside() {
  const std::string quarantine = options_.directory + "/quarantine";
  const std::string named = quarantine + "/" + iso_time(options_.clock->wall_ms());
  std::string folder = named;
  for (int i = 2; ::access(folder.c_str(), F_OK) == 0; ++i)
    folder = named + "-" + std::to_string(i);
  if (std::rename(unfinished_folder().c_str(), folder.c_str()) != 0)
    return unavailable("moving `" + unfinished_folder() + "`: " + std::strerror(errno));
  TRY(real_disk().sync_directory(quarantine));
  return folder;
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
  TRY(put_aside());
  TRY(reopen());
  std::uint64_t carried = 0;
  DatabaseOptions damaged = database_options();
  damaged.is_damaged = true;
  Result<std::unique_ptr<Database>> old =
      Database::open(unfinished_folder() + "/ledger.db", damaged);
  if (old.ok()) {
    struct Table {
      const char* name;
      const char* columns;
      int count;
      bool has_rowid;
    };
    // Forward until the first row that cannot be read, then backward until the last such row.
    constexpr std::array<Table, 5> kTables{
        {{"meta", "name, value", 2, false},
         {"queue", "key, id, name, parked_of", 4, true},
         {"state", "processor, name, value", 3, false},
         {"batch", "id, queue, head, effects, body", 5, true},
         {"provenance", "id, bytes_before, body_bytes, last_ms, is_tail, head, body", 7, true}}};
    for (const Table& table : kTables) {
      std::string marks = "?";
      for (int i = 1; i < table.count; ++i) marks += ", ?";
      TRY_ASSIGN(insert, database_->prepare(std::string("INSERT OR IGNORE INTO ") + table.name +
                                            "(" + table.columns + ") VALUES(" + marks + ")"));
      for (const char* order : {" ORDER BY 1", " ORDER BY 1 DESC"}) {
        Result<Statement> select =
            (*old)->prepare(std::string("SELECT ") + table.columns + " FROM " + table.name + order);
        if (!select.ok()) continue;
        bool is_whole = false;
        while (true) {
          const Result<bool> has_row = select->step();
          is_whole = has_row.ok() && !*has_row;
          if (!has_row.ok() || !*has_row) break;
          for (int i = 0; i < table.count; ++i) select->copy_column(i, insert, i + 1);
          const Result<> inserted = insert.run();
          if (inserted.ok()) ++carried;
          // The row may make no sense; but a disk that does not take it is tried again.
          if (!inserted.ok() && inserted.code() != Code::kInvalid) return inserted;
        }
        if (is_whole) break;
      }
    }
  }
  TRY(keep_ids_unique());
  TRY_ASSIGN(reader, Database::open(database_path(), database_options()));
  old = unavailable("closed");
  TRY_ASSIGN(folder, end_put_aside());
  reader_ = std::move(reader);
  is_salvaged_ = true;
  const std::string told = "the ledger's database was damaged (" + why.text() +
                           "); it was put aside into " + folder + ", and " +
                           std::to_string(carried) + " rows were carried over";
  if (salvages_++ == 0 && !writer_.joinable()) repaired_ = told;  // told by who opens it
  log_error("ledger", told);
  return {};
}

}  // namespace runnel
