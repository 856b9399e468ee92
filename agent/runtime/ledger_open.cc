// Opening the ledger: what it reads, and what it does before anybody uses it.

#include <pthread.h>
#include <sys/statvfs.h>

#include <algorithm>

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

}  // namespace

DatabaseOptions Ledger::database_options() const {
  return {.application_id = kApplication,
          .checkpoints_itself = false,
          .cache_kib = 512,
          .vfs = options_.vfs};
}

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options) {
  TRY(real_disk().make_directory(options.directory));
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

}  // namespace runnel
