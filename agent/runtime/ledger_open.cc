// Opening the ledger: what it reads, and what it does before anybody uses it.

#include <pthread.h>

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"
#include "ledger_migrations.h"

namespace runnel {
namespace {

constexpr unsigned kGenerationShift = 40;  // ids of one opening of the ledger
constexpr std::uint64_t kQuotaDefault = 1 << 30;

}  // namespace

DatabaseOptions Ledger::database_options() const {
  return {.application_id = kLedgerApplication,
          .checkpoints_itself = false,
          .cache_kib = 512,
          .vfs = options_.vfs};
}

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options) {
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(options)));
  TRY(ledger->disk().make_directory(ledger->options_.directory));
  Clock& clock = *ledger->options_.clock;
  ledger->clock_began_ = clock.steady();
  ledger->wall_base_ms_ = clock.wall_ms() - ms_of(clock.steady());
  const std::string boot = clock.boot_id();
  ledger->boot_ = boot.empty() ? 0 : crc32c(boot);
  {
    Lock lock(ledger->mutex_);
    ledger->boot_base_ms_ = clock.wall_ms() - ms_of(clock.since_boot());
  }
  ledger->has_reserve_ = ledger->disk().identity(ledger->reserve_path()) != 0;
  Result<> begun = ledger->begin();
  if (!begun.ok() && (begun.code() == Code::kFull || begun.code() == Code::kUnavailable) &&
      ledger->let_reserve_go()) {
    log_warn("ledger", "opening failed; trying again with the room of the reserve",
             {{"reason", begun.error().text()}});
    begun = ledger->begin();
  }
  TRY(begun);
  ledger->is_loaded_ = true;
  ledger->segments_->remove_orphans();
  ledger->keep_reserve();
  ledger->choose_quota();
  ledger->measure();
  if (!ledger->options_.is_driven) ledger->start_threads();
  return ledger;
}

// May be tried again when it has failed.
Result<> Ledger::begin() {
  TRY_ASSIGN(segments, SegmentStore::open(options_.directory + "/content", disk(), options_.reserve,
                                          options_.vault));
  segments_ = std::move(segments);
  shelf_ = std::make_unique<Shelf>(*this);
  Result<> opened =
      is_repair_unfinished() ? corrupt("an earlier repair was not finished") : open_database();
  if (opened.ok() && options_.is_thorough) opened = database_->check();
  if (opened.ok()) opened = load();
  if (opened.ok()) opened = keep_nameless();
  // Before anything is written: what the last run could not name any more may be what fills the
  // disk.
  if (opened.ok()) segments_->remove_orphans();
  if (opened.ok()) opened = begin_generation();
  if (!opened.ok() && opened.code() == Code::kCorrupt) {
    opened = salvage(opened.error());
    if (opened.ok()) opened = load();
    if (opened.ok()) opened = keep_nameless();
    if (opened.ok()) opened = begin_generation();
  }
  if (opened.ok()) opened = forget_parked();
  if (opened.ok()) return {};
  statements_.reset();
  database_.reset();
  Lock lock(reader_mutex_);
  reader_.reset();
  return opened;
}

Result<> Ledger::open_database() {
  database_identity_ = 0;
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

// What is queued already counts as free: a quota that shrinks with each start would be reached by
// starting often.
void Ledger::choose_quota() {
  const Result<std::uint64_t> used = database_->used_bytes();
  const std::uint64_t held = (used.ok() ? *used : 0) + segments_->bytes();
  {
    Lock lock(mutex_);
    database_bytes_ = used.ok() ? *used : 0;
  }
  if (options_.disk_quota == 0) {
    options_.disk_quota = kQuotaDefault;
    const Result<std::uint64_t> left = disk().free_bytes(options_.directory);
    if (left.ok()) options_.disk_quota = std::min(kQuotaDefault, (*left + held) / 10 * 8);
  }
  is_over_quota_ = held >= options_.disk_quota || is_reserve_lent_;
}

// ---- the reserve

void Ledger::keep_reserve() {
  constexpr std::size_t kPart = 64 << 10;
  constexpr std::uint64_t kRoomTimes = 4;  // taken again only when there is so much more
  if (has_reserve_ || options_.reserve == 0) return;
  const Result<std::uint64_t> left = disk().free_bytes(options_.directory);
  if (!left.ok() || *left < options_.reserve * kRoomTimes) return;
  Result<> kept;
  {
    Result<std::unique_ptr<DiskFile>> file = disk().make(reserve_path());
    if (!file.ok()) return;
    const std::string zeros(kPart, '\0');
    for (std::uint64_t at = 0; kept.ok() && at < options_.reserve; at += kPart) {
      const auto part = std::min<std::uint64_t>(kPart, options_.reserve - at);
      kept = (*file)->write_at(at, std::string_view(zeros).substr(0, part));
    }
  }
  if (kept.ok()) {
    has_reserve_ = true;
    is_reserve_lent_ = false;
  } else {
    static_cast<void>(disk().remove(reserve_path()).ok());  // what is left of it
  }
}

bool Ledger::let_reserve_go() {
  if (!has_reserve_ || !disk().remove(reserve_path()).ok()) return false;
  has_reserve_ = false;
  is_reserve_lent_ = true;
  return true;
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

// Connections that flows of before had, and that hold nothing any more.
Result<> Ledger::forget_parked() {
  Lock lock(mutex_);
  std::set<std::uint64_t> occupied;
  for (const auto& [id, batch] : batches_) occupied.insert(batch.queue);
  const auto is_empty = [&](const auto& parked) REQUIRES(mutex_) {
    return !occupied.contains(queues_.at(parked.first)->key());
  };
  if (std::none_of(parked_of_.begin(), parked_of_.end(), is_empty)) return {};
  TRY_ASSIGN(transaction, Transaction::begin(*database_));
  TRY_ASSIGN(remove, database_->prepare("DELETE FROM queue WHERE key = ?"));
  for (auto one = parked_of_.begin(); one != parked_of_.end();) {
    if (!is_empty(*one)) {
      ++one;
      continue;
    }
    const auto queue = queues_.find(one->first);
    const std::uint64_t key = queue->second->key();
    TRY(remove.bind(1, static_cast<std::int64_t>(key)).run());
    queues_by_key_.erase(key);
    queues_.erase(queue);
    one = parked_of_.erase(one);
  }
  return transaction.commit();
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
  TRY_ASSIGN(insert, database_->prepare("INSERT OR IGNORE INTO meta(name, value) VALUES(?, ?)"));
  if (is_loaded_) {  // memory knows
    TRY(database_->execute("DELETE FROM meta WHERE name IN ('generation', 'instance')"));
    TRY(insert.bind_text(1, "instance").bind_text(2, instance_id_).run());
    const std::string generation = std::to_string(next_id_ >> kGenerationShift);
    return insert.bind_text(1, "generation").bind_text(2, generation).run();
  }
  return insert.bind_text(1, "generation").bind_text(2, std::to_string(minutes)).run();
}

// ---- reading what is stored: heads and effects only

Result<> Ledger::load() {
  Lock lock(mutex_);
  // What an earlier try has read is let go; the files that it refers to are not.
  segments_->keep_all();
  occupied_.clear();
  queues_.clear();
  queues_by_key_.clear();
  batches_.clear();
  removable_.clear();
  queue_rows_.clear();
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

namespace {

// counts: in text, the next row's number, the counters of the loss ledger (in, and the ends by
// reason), and the CRC-32C of all that before it.
struct EndCounts {
  std::uint64_t next_row = 0;  // 0: it is not known
  std::array<std::uint64_t, kCounterCount> counters{};
};

EndCounts end_counts(Disk& disk, const std::string& path) {
  Result<std::unique_ptr<DiskFile>> file = disk.open(path);
  if (!file.ok()) return {};
  std::string text(256, '\0');
  const Result<std::size_t> got = (*file)->read_at(0, text.data(), text.size());
  if (!got.ok()) return {};
  text.resize(*got);
  const std::size_t end = text.rfind(' ');
  if (end == text.npos || text.substr(end + 1) != std::to_string(crc32c(text.substr(0, end))))
    return {};
  EndCounts counts;
  std::size_t i = 0;
  for (const std::string_view word : split(std::string_view(text).substr(0, end), ' ')) {
    const Result<std::int64_t> number = parse_int(word);
    if (!number.ok() || i > kCounterCount) return {};
    (i == 0 ? counts.next_row : counts.counters[i - 1]) = static_cast<std::uint64_t>(*number);
    ++i;
  }
  return i == kCounterCount + 1 ? counts : EndCounts{};
}

}  // namespace

void Ledger::note_end() {
  if (!statements_ || !is_loaded_ || !is_healthy() || !check_place().ok()) return;
  std::string text;
  {
    Lock lock(mutex_);
    text = std::to_string(next_batch_) + " " + std::to_string(totals_.in);
    for (const std::uint64_t end : totals_.ends) text += " " + std::to_string(end);
  }
  text += " " + std::to_string(crc32c(text));
  const std::string fresh = counts_path() + ".new";
  static_cast<void>(disk().remove(fresh).ok());  // of an end that was interrupted
  const auto write = [&]() -> Result<> {
    TRY_ASSIGN(file, disk().make(fresh));
    TRY(file->write_at(0, text));
    TRY(file->sync());
    TRY(disk().rename(fresh, counts_path()));
    return disk().sync_directory(options_.directory);
  };
  if (const Result<> written = write(); !written.ok())
    log_warn("ledger", "the counters are not kept", {{"reason", written.error().text()}});
}

Result<> Ledger::load_batches() {
  TRY_ASSIGN(find, database_->prepare("SELECT value FROM meta WHERE name = 'sealed_from'"));
  TRY_ASSIGN(is_known, find.step());
  sealed_from_ = UINT64_MAX;
  if (is_known) {
    TRY_ASSIGN(number, parse_int(find.text(0)));
    sealed_from_ = static_cast<std::uint64_t>(number);
  }
  find.reset();
  TRY_ASSIGN(select, database_->prepare("SELECT id, queue, head, effects FROM batch ORDER BY id"));
  std::map<std::uint64_t, BatchHead> heads;
  std::map<std::uint64_t, BatchEffects> effects;
  std::uint64_t last = 0;
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) break;
    const auto id = static_cast<std::uint64_t>(select.integer(0));
    // Pages in each other's place: what is looked for by its number is not found.
    if (id <= last && !is_salvaged_) return corrupt("the rows of batches stand in no order");
    last = id;
    Result<BatchHead> parsed =
        BatchHead::unseal(select.text(2), id, static_cast<std::uint64_t>(select.integer(1)),
                          select.text(3), id < sealed_from_);
    if (!parsed.ok() && is_salvaged_) continue;
    TRY(parsed);
    BatchHead& head = *parsed;
    Batch batch;
    batch.queue = static_cast<std::uint64_t>(select.integer(1));
    batch.count = batch.left = static_cast<std::uint32_t>(head.count);
    batch.done.assign(head.count, false);
    for (const std::uint64_t number : head.segments) {
      // A missing one is found out when its FlowFiles are read. One that cannot be opened now must
      // not be taken for one that nobody refers to.
      Result<std::shared_ptr<SegmentFile>> segment = segments_->find(number);
      if (!segment.ok() && segment.code() != Code::kNotFound) return segment.error();
      if (segment.ok()) batch.segments.push_back(std::move(*segment));
    }
    batches_.emplace(id, std::move(batch));
    heads.emplace(id, std::move(head));
    next_batch_ = std::max(next_batch_, id + 1);
    if (select.text(3).empty()) continue;
    Result<BatchEffects> parsed_effects = BatchEffects::parse(select.text(3));
    if (!parsed_effects.ok() && is_salvaged_) continue;
    TRY(parsed_effects);
    effects.emplace(id, std::move(*parsed_effects));
  }
  BatchEffects newest;
  for (const auto& [id, one] : effects) load_effects(id, one);
  if (!effects.empty()) newest = effects.rbegin()->second;
  // A good end has said them once more: the newest row, or all of them, may be lost.
  const EndCounts said = end_counts(disk(), counts_path());
  if (said.next_row > (effects.empty() ? 0 : effects.rbegin()->first)) {
    newest.counters = said.counters;
    next_batch_ = std::max(next_batch_, said.next_row);
  }
  totals_.in = newest.counters[0];
  for (std::size_t end = 0; end < kEnds; ++end) totals_.ends[end] = newest.counters[end + 1];
  follow_clock(heads);
  for (const auto& [id, head] : heads) offer_batch(id, head);
  written_row_ = next_batch_ - 1;
  return {};
}

namespace {

// By how much the wall clock was set between the two. Within one boot that is known to the
// millisecond. While the machine was off nobody measured: its clock is believed, but for a leap of
// more than a year ahead, which is a clock that has lost its battery rather than a machine that was
// off for so long.
std::int64_t set_between(const RowClock& before, const RowClock& after, std::int64_t step_ms) {
  constexpr std::int64_t kOffMax = std::int64_t{366} * 24 * 3600 * 1000;
  if (before.boot != after.boot || before.boot == 0) {
    const std::int64_t gap = after.wall_ms - before.wall_ms;
    return gap > kOffMax ? gap : 0;
  }
  const std::int64_t set =
      (after.wall_ms - after.since_boot_ms) - (before.wall_ms - before.since_boot_ms);
  return set > step_ms || set < -step_ms ? set : 0;
}

}  // namespace

// Entry times were told by the clock of their row's cut. Where it was set since, they follow.
void Ledger::follow_clock(const std::map<std::uint64_t, BatchHead>& heads) {
  const Clock& clock = *options_.clock;
  RowClock later{boot_, clock.wall_ms(), ms_of(clock.since_boot())};
  std::int64_t set_by_ms = 0;
  for (auto row = heads.rbegin(); row != heads.rend(); ++row) {
    if (!row->second.clock) continue;
    const RowClock& at = *row->second.clock;
    set_by_ms += set_between(at, later, kClockStepMs);
    later = at;
    Batch& batch = batches_.at(row->first);
    batch.set_by_ms = set_by_ms;
    batch.until_ms = at.wall_ms + kClockStepMs;
  }
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
  if (is_removable(batch)) removable_.push_back(row);
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
  if (head.oldest_ms != BatchHead::kUnknownMs && head.oldest_ms <= batch.until_ms)
    paged.oldest_ms = std::min(head.oldest_ms + batch.set_by_ms, batch.until_ms);
  queue->second->held();
  // No two rows that the ledger wrote begin at the same place.
  const Queue::Position first = head.positions.front().first;
  if (queue->second->paged().contains(first)) {
    leave_out(row, batch);
    return;
  }
  queue->second->add_paged(first, paged);
}

// Its FlowFiles are not in any queue; `balance` does the rest.
void Ledger::leave_out(std::uint64_t row, const Batch& batch) {
  const std::uint32_t left = batch.left;
  const std::string told = std::to_string(left) + " FlowFiles of row " + std::to_string(row) +
                           " claim places that are not theirs; they are counted as quarantined";
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    if (!batch.done[i]) note_saved_done({row, i});
  }
  totals_.ends[static_cast<std::size_t>(End::kQuarantined)] += left;
  log_error("ledger", told);
  repaired_ += (repaired_.empty() ? "" : "; ") + told;
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
