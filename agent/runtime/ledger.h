// Ledger: the only writer of the agent's database, and the order of all commits.
//
// How a FlowFile survives, in the order in which its bytes move:
//
//  1. A source's session commits. Its FlowFiles get the current *epoch*, a slice of time of about a
//  millisecond, and stand in the queues, in memory.
//     Descendants inherit the epoch. `live` of an epoch counts its FlowFiles in queues, wherever
//     they have got to.
//  2. What is finished before its epoch is written is never written: an epoch that is alive nowhere
//  is *finished*, and who waits for it is told that it is safe.
//  3. An epoch that is still alive when it is older than the linger time is *cut*: under the commit
//  lock everything unsaved of it and of all older epochs is marked and
//     copied, wherever it stands by then, with what is done of earlier batches, the sources' state
//     up to it, and the counters. One transaction makes all of it durable. Epochs do not touch one
//     another except where a call combines FlowFiles of several (merge, join): then a cut that
//     takes the older one takes the younger one, too
//     (`tie`); and where a session changes a processor's state in mid-flow: then everything is cut
//     at once, and its epochs are not finished before that is written. So a cut is always a
//     consistent state: as if all that came later had never come.
//  4. FlowFiles that were saved and have moved on since are, after a crash, where they were at the
//  last cut; their way is taken again.
//  5. After a failed write nothing is acknowledged, the same write is tried again on a database
//  that was opened anew, and nothing newer overtakes it.
//
// Threads: `ledger` cuts, packs and writes; while it waits for the disk and much waits for it,
// `packer` cuts and packs the next write; `checkpoint` moves the WAL into the database; `notifier`
// calls those who waited. Any thread may commit.

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/runtime/content.h"
#include "agent/runtime/ledger_types.h"
#include "agent/runtime/queue.h"
#include "agent/runtime/status.h"
#include "agent/runtime/vault.h"
#include "agent/sdk/context.h"
#include "agent/store/database.h"

namespace runnel {

class ProvenanceLog;
class ProvenanceShelf;
struct BatchHead;
struct BatchEffects;

class Ledger {
 public:
  // kUnavailable, kFull: the directory cannot be used, now. A damaged database is put aside into
  // quarantine/<time>/ and what can be read of it is carried over.
  static Result<std::unique_ptr<Ledger>> open(LedgerOptions options);
  // Writes everything first.
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  Mutex& mutex() RETURN_CAPABILITY(mutex_) { return mutex_; }
  // Tells the thread-safety analysis that it is held here, where somebody keeps a reference to it.
  void held() const ASSERT_CAPABILITY(mutex_) {}
  Clock& clock() { return *options_.clock; }
  const std::string& instance_id() const { return instance_id_; }
  SegmentStore& segments() { return *segments_; }
  // The ledger's own clock, in ms since it was opened; never 0.
  std::uint32_t now_ms() const { return now_ms(options_.clock->steady()); }
  std::uint32_t now_ms(SteadyTime at) const;
  // The wall clock's time. When it was set, by more than half a second, the entry times of all that
  // is queued follow it first, so that ages stay what they are.
  std::int64_t wall_ms() { return moment().wall_ms; }
  // The same, with all that is known of this moment.
  Clock::Moment moment() { return followed(options_.clock->moment()); }
  // The same, a tick late at most (Clock::recent).
  Clock::Moment recent() { return followed(options_.clock->recent()); }
  // By how much it was set in all since the ledger was opened.
  std::int64_t wall_shift_ms() const { return wall_shift_ms_.load(std::memory_order_relaxed); }
  // `count` ids that nobody else gets, ever; the first of them.
  std::uint64_t take_ids(std::uint64_t count) {
    return next_id_.fetch_add(count, std::memory_order_relaxed);
  }

  // ---- queues. Not while sessions run on them.
  // The queue of this connection, with what is stored of it. Attached until `park` or the end.
  Result<Queue*> attach(QueueSpec spec);
  // The connection is no longer in the flow: its FlowFiles stay, under the flow's name.
  void park(Queue& queue, const std::string& flow);
  // All that are not attached and hold something: parked ones, and those of a flow that was changed
  // while no agent ran.
  std::vector<ParkedQueue> parked();
  // Attached or not; nullptr when there is none of this id.
  Queue* find(const std::string& id);
  // Reads what lies on disk only and would be taken next. kCorrupt: what could not be read was
  // counted as quarantined, and is gone.
  Result<> page_in(Queue& queue);
  // The same for the first batch that lies on disk only, needed now or not; false: there is none.
  // For those who look at a queue.
  Result<bool> page_in_next(Queue& queue);
  bool needs_paging(Queue& queue) {
    Lock lock(mutex_);
    return needs_paging_locked(queue);
  }
  bool needs_paging_locked(Queue& queue) REQUIRES(mutex_) {
    queue.held();
    Queue::Position first = 0;
    return queue.next_paged(first) != nullptr;
  }

  // ---- commits, under the mutex
  EpochNumber birth_epoch() REQUIRES(mutex_);
  // The session's own: what FlowFiles of epoch `low` .. `high` do together is cut together.
  void tie(EpochNumber low, EpochNumber high) REQUIRES(mutex_);
  void count_birth(EpochNumber epoch, std::uint64_t count) REQUIRES(mutex_) {
    totals_.in += count;
    if (Epoch* const one = epoch_at(epoch)) one->counters.in += count;
  }
  void count_end(EpochNumber epoch, End end, std::uint64_t count = 1) REQUIRES(mutex_) {
    const auto reason = static_cast<std::size_t>(end);
    totals_.ends[reason] += count;
    if (Epoch* const one = epoch_at(epoch)) one->counters.ends[reason] += count;
  }
  // An end by which data is lost; `flowfile` 0: it was not read.
  void count_drop(EpochNumber epoch, End end, std::uint64_t flowfile) REQUIRES(mutex_);
  // Takes over the references of the records, which are of one epoch. A queue that is full and
  // drops does so here: what is dropped is added to `dropped`.
  void put(Queue& queue, std::span<const FlowRecord* const> records, std::uint32_t now_ms,
           std::vector<FlowRecord>& dropped) REQUIRES(mutex_);
  void put(Queue& queue, const FlowRecord& record, std::uint32_t now_ms,
           std::vector<FlowRecord>& dropped) REQUIRES(mutex_) {
    const FlowRecord* const one = &record;
    put(queue, {&one, 1}, now_ms, dropped);
  }
  // Out of its queue; the references are the caller's.
  FlowRecord take_out(Queue& queue, Queue::Position position) REQUIRES(mutex_);
  // The same, for who has read the records of `count` that stand side by side and are of one epoch.
  // Returns what their contents come to.
  std::uint64_t let_out(Queue& queue, Queue::Position first, std::size_t count, EpochNumber epoch)
      REQUIRES(mutex_);
  // Changes of a processor's state. `is_mid_flow`: by a session with inputs, of the epochs up to
  // `epoch`.
  void change_state(const std::string& processor, const std::string& name,
                    std::optional<std::string> value, EpochNumber epoch, bool is_mid_flow)
      REQUIRES(mutex_);
  void wait(const std::shared_ptr<SafeLine>& line, EpochNumber epoch, bool needs_write,
            SafeLine::Then then) REQUIRES(mutex_);
  // At the end of each commit: only then the figures of its queues are published.
  void settle() REQUIRES(mutex_) {
    if (settle_commit()) notify();
  }
  // The same. True: `notify` is to be called as soon as the mutex is let go; whoever is woken while
  // it is held only waits for it.
  [[nodiscard]] bool settle_commit() REQUIRES(mutex_);
  void notify() { notifier_wake_.notify_one(); }

  // ---- who counts what stands in queues (gates of process groups), under the mutex
  using Watched = std::pair<Queue*, QueueWatch*>;
  // In the place of all who counted before. `on_touched` is called at the end of each commit that
  // has touched one of the queues; it empties `touched`, and keeps the watches alive.
  void watch(std::span<const Watched> queues, std::function<void()> on_touched) REQUIRES(mutex_);
  std::vector<QueueWatch*>& touched() REQUIRES(mutex_) { return touched_; }
  void tell_watchers() REQUIRES(mutex_) {
    if (on_touched_) on_touched_();
  }

  // ---- the processors' state
  std::optional<std::string> state(const std::string& processor, const std::string& name)
      REQUIRES(mutex_);
  void each_state(const std::string& processor,
                  const std::function<void(std::string_view, std::string_view)>& visit)
      REQUIRES(mutex_);
  // Of all components that remember something.
  std::vector<StateExtent> state_extents();
  // All that this one remembers, in one write, at once; how many keys.
  std::uint64_t clear_state(const std::string& component);
  // The flow has changed. What no component of it remembers is kept for a flow that has that
  // component again, but for no more than a thousand components and 16 MiB: whose was removed first
  // is forgotten first, that of the last change never. Returns who was forgotten.
  std::vector<std::string> keep_state(const std::function<bool(const std::string&)>& is_in_flow);

  // ---- waiting
  static std::shared_ptr<SafeLine> open_line() { return std::make_shared<SafeLine>(); }
  // Nobody of this line is called any more when it returns.
  void close_line(const std::shared_ptr<SafeLine>& line);
  // Somebody cannot go on before what waits is safe.
  void urge();
  // Everything committed so far is written, and those who waited for it were called, when it
  // returns; kUnavailable when the disk does not take it within the time. Not from such a call.
  Result<> flush(std::chrono::milliseconds within);

  // ---- driven: what the threads would do, one step at a time
  // Begins a write, if one is due (`is_all`: of everything, due or not) and no two are under way.
  bool drive_cut(bool is_all);
  // Tries to finish the older write under way. After an error it is still under way.
  Result<> drive_write();
  // Calls those whose waiting is over.
  void drive_notify();
  Result<> drive_checkpoint(CheckpointMode mode);

  // Ends what has stayed longer than its queue allows, and is not taken, wherever it lies.
  // `expired` gets its ids. Returns when there may be more to end, by the wall clock; INT64_MAX:
  // never.
  std::int64_t expire(Queue& queue, std::vector<std::uint64_t>& expired);
  // Removes what is queued and not taken; returns how many.
  std::uint64_t purge(Queue& queue);
  // Puts what is queued and not taken into another queue, in its order; returns how many. What
  // cannot be read is quarantined. kUnavailable: not all could be read or written now; the rest
  // stays.
  Result<std::uint64_t> move_all(Queue& from, Queue& to);
  // Reads all rows: what cannot be read ends as it would when its turn comes, and so do those that
  // `is_lost` names. Driven, and before anybody takes.
  Result<> quarantine_lost(const std::function<bool(const FlowRecord&)>& is_lost);
  // Ends one that is taken and whose content cannot be read, and says so.
  void quarantine(Queue& queue, Queue::Position position, const Error& why);

  std::unique_ptr<DurableMap> durable(const std::string& owner);
  ProvenanceShelf& provenance_shelf();
  // Written with every cut from now on; nullptr: none.
  void set_provenance(ProvenanceLog* log);

  LossFigures loss();
  std::vector<DropExtent> drops();
  LedgerStatus status();
  bool is_healthy() const { return is_healthy_.load(std::memory_order_relaxed); }
  // The quota of the disk is reached: sources must wait, unless all that they feed drops when it is
  // full; such queues drop one for each that comes.
  bool is_over_quota() const { return is_over_quota_.load(std::memory_order_relaxed); }
  // More waits to be written than memory has room for, since sources are faster than the disk: they
  // must wait for it, unless all that they feed drops when it is full.
  bool is_behind() const { return is_behind_.load(std::memory_order_relaxed); }
  // What opening had to repair, for people; empty: nothing.
  const std::string& repaired() const { return repaired_; }

 private:
  static constexpr std::size_t kEnds = 6;
  struct Counters {
    std::uint64_t in = 0;
    std::array<std::uint64_t, kEnds> ends{};
  };
  struct Epoch {
    std::int64_t live = 0;
    EpochNumber tied_to = 0;  // a younger epoch that has to be finished, too; 0: none
    bool must_write = false;
    bool has_waiter = false;
    bool has_state = false;
    SteadyTime opened{};
    Counters counters;
  };
  struct StateChange {
    std::string processor;
    std::string name;
    std::optional<std::string> value;
    EpochNumber epoch;
  };
  // What is known of a row of `batch`.
  struct Batch {
    std::uint64_t queue = 0;
    std::uint32_t count = 0;
    std::uint32_t left = 0;
    std::vector<bool> done;
    std::vector<std::shared_ptr<SegmentFile>> segments;
    std::vector<std::uint64_t> referrers;  // rows with effects on this one
    std::uint32_t targets_alive = 0;       // rows that this one has effects on
    // Since it was written the wall clock was set by so much, before the ledger was opened; what
    // came later than `until_ms` was told by another clock.
    std::int64_t set_by_ms = 0;
    std::int64_t until_ms = INT64_MAX;
  };
  struct Write;  // one transaction, ready to be written (ledger_writer.cc)
  class Shelf;
  class Map;
  struct Statements;

  explicit Ledger(LedgerOptions options);
  DatabaseOptions database_options() const;
  std::string database_path() const { return options_.directory + "/ledger.db"; }
  std::string durable_path() const;
  std::string counts_path() const { return options_.directory + "/counts"; }
  std::string reserve_path() const { return options_.directory + "/reserve"; }
  Disk& disk() const { return options_.disk == nullptr ? real_disk() : *options_.disk; }
  Result<> begin();
  Result<> open_database();
  Result<> check_place();
  void keep_reserve();
  bool let_reserve_go();
  void tell(const std::string& trouble);
  void note_failure(const Error& why);
  // What is known at a good end and may be all that is left of the newest row.
  void note_end();
  Result<> load();
  Result<> load_queues() REQUIRES(mutex_);
  Result<> load_batches() REQUIRES(mutex_);
  void load_effects(std::uint64_t row, const BatchEffects& effects) REQUIRES(mutex_);
  // The batch that `find` names, under the mutex; false: none.
  Result<bool> page_in_one(Queue& queue,
                           const std::function<const Queue::Paged*(Queue::Position& first)>& find);
  Result<> page_in_batch(Queue& queue, Queue::Position first, Queue::Paged paged,
                         std::uint32_t count);
  static bool is_crowded(Queue& queue, const BatchHead& head, const Batch& batch);
  void offer_batch(std::uint64_t row, const BatchHead& head) REQUIRES(mutex_);
  void leave_out(std::uint64_t row, const Batch& batch) REQUIRES(mutex_);
  void follow_clock(const std::map<std::uint64_t, BatchHead>& heads) REQUIRES(mutex_);
  void balance() REQUIRES(mutex_);
  Result<> begin_generation();
  Result<> forget_parked();
  Result<> salvage(const Error& why);
  Result<std::uint64_t> carry_over(Database& from);
  Result<> repair(std::unique_ptr<Write>& write, const Error& why);
  Result<> recall(std::unique_ptr<Write>& write);
  void recut(std::unique_ptr<Write>& write, const std::set<std::uint64_t>* rows_there);
  void forget_rows(const std::set<std::uint64_t>& rows) REQUIRES(mutex_);
  std::unique_ptr<Write> cut_anew(const std::vector<const Write*>& undone,
                                  const std::set<std::uint64_t>* rows_there) REQUIRES(mutex_);
  std::string unfinished_folder() const;
  bool is_repair_unfinished() const;
  Result<> put_aside();
  std::string quarantine_folder() const;  // a new one, by its time
  Result<std::string> end_put_aside();
  Result<std::string> lost_content_folder();
  Result<> end_lost_content();
  std::uint64_t left_free() const;
  static std::string aside_text(const SegmentStore::Aside& aside, const std::string& folder);
  Result<> keep_nameless();
  void keep_lost(std::vector<std::shared_ptr<SegmentFile>> files, std::string folder);
  Result<Statement> prepare_read(std::string_view sql) REQUIRES(reader_mutex_);
  Result<> keep_ids_unique();
  void choose_quota();
  void start_threads();

  static std::int64_t ms_of(SteadyTime when) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
  }
  std::int64_t follow_wall();
  Clock::Moment followed(Clock::Moment moment) {
    const std::int64_t moved = moment.wall_ms - ms_of(moment.steady) - wall_base_ms_.load();
    if (moved > kClockStepMs || moved < -kClockStepMs) moment.wall_ms = follow_wall();
    return moment;
  }

  // -- epochs
  Epoch* epoch_at(EpochNumber epoch) REQUIRES(mutex_) {
    return found_epoch_number_ == epoch && found_epoch_ != nullptr ? found_epoch_
                                                                   : look_up_epoch(epoch);
  }
  Epoch* look_up_epoch(EpochNumber epoch) REQUIRES(mutex_);
  bool is_finished(EpochNumber epoch) REQUIRES(mutex_);
  bool is_safe(const SafeLine::Waiter& waiter) REQUIRES(mutex_);
  void forget_old_epochs() REQUIRES(mutex_);
  // When the next cut is due; SteadyTime::max() when nothing needs one.
  SteadyTime next_cut_at() REQUIRES(mutex_);

  // -- the components' state
  std::uint64_t forget_state(const std::string& component, bool is_at_once) REQUIRES(mutex_);
  void mark_removed(const std::set<std::string>& owners,
                    const std::function<bool(const std::string&)>& is_in_flow) REQUIRES(mutex_);
  std::vector<std::string> surplus_state() REQUIRES(mutex_);
  Result<Database*> durable_database() REQUIRES(durable_mutex_);
  std::set<std::string> durable_owners();
  void forget_durable(const std::vector<std::string>& owners);

  // -- the writer
  void write_loop();
  void pack_loop();
  std::unique_ptr<Write> next_write();
  bool is_worth_packing_ahead() const REQUIRES(mutex_);
  void notify_loop();
  void checkpoint_loop();
  EpochNumber cut_epoch() REQUIRES(mutex_);
  std::unique_ptr<Write> cut(bool is_all, bool needs_row = false) REQUIRES(mutex_);
  void enter(Queue& queue, std::span<const FlowRecord* const> records, std::uint32_t now_ms)
      REQUIRES(mutex_);
  void make_room(Queue& queue, std::vector<FlowRecord>& dropped) REQUIRES(mutex_);
  void evict_paged(Queue& queue, Queue::Position first, std::uint64_t row) REQUIRES(mutex_);
  void note_saved_done(SavedPlace place) REQUIRES(mutex_);
  void note_row_gone(std::uint64_t id) REQUIRES(mutex_);
  static bool is_removable(const Batch& batch) {
    return batch.left == 0 && batch.targets_alive == 0;
  }
  void note_occupied(Queue& queue) REQUIRES(mutex_);
  void note_changed(Queue& queue) REQUIRES(mutex_) {
    queue.held();
    if (!queue.note_changed()) changed_.push_back(&queue);
  }
  void sift_occupied() REQUIRES(mutex_);
  void cut_queue(Queue& queue, Write& write) REQUIRES(mutex_);
  void cut_effects(Write& write) REQUIRES(mutex_);
  void pack(Write& write) const;
  Result<> write_rows(Write& write, ProvenanceLog* provenance) REQUIRES(provenance_use_mutex_);
  Result<bool> is_written(const Write& write);
  Result<bool> resume(const Write& write);
  Result<> write(Write& write);
  Result<> attempt(std::unique_ptr<Write>& write);
  void wait_until_told(SteadyTime deadline) REQUIRES(mutex_);
  bool call_ready(std::vector<SafeLine::Then>& ready) REQUIRES(mutex_);
  // What deadlines are measured by.
  SteadyTime now() const {
    return options_.is_driven ? options_.clock->steady() : std::chrono::steady_clock::now();
  }
  void write_until_done(std::unique_ptr<Write>& write);
  void written(Write& write) REQUIRES(mutex_);
  Result<> reopen();
  void page_out();
  void fold();
  void page_out_batch(Queue& queue, std::uint64_t row,
                      std::span<const std::pair<Queue::Position, SavedPlace>> newest_first,
                      std::vector<FlowRecord>& gone) REQUIRES(mutex_);
  void measure();

  LedgerOptions options_;
  const SteadyTime opened_;
  SteadyTime clock_began_{};  // of options_.clock
  static constexpr std::size_t kOccupiedMin = 64;
  static constexpr std::int64_t kClockStepMs = 500;
  // Of less time what is written in a day is not known.
  static constexpr std::int64_t kDayKnownMs = 60'000;
  std::atomic<std::int64_t> wall_base_ms_{0};   // wall time less steady time
  std::atomic<std::int64_t> wall_shift_ms_{0};  // by which it was set, in all
  std::string instance_id_;
  std::string repaired_;
  bool is_salvaged_ = false;  // rows that make no sense are left out, and counted
  bool is_loaded_ = false;    // memory knows more than the database
  std::unique_ptr<SegmentStore> segments_;
  std::unique_ptr<Shelf> shelf_;
  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<unsigned> salvages_{
      0};  // connections from before one are to a file that was put aside
  std::atomic<bool> is_healthy_{true};
  std::atomic<bool> is_over_quota_{false};

  std::unique_ptr<Database> database_;  // the writer's thread
  // A write, or an fsync of a checkpoint, has failed: nobody knows what is on disk.
  std::atomic<bool> is_unknown_{false};
  bool is_disk_full_ = false;     // it failed for that: the writer's thread
  bool has_reserve_ = false;      // the writer's thread
  bool is_reserve_lent_ = false;  // sources wait until it is taken again
  bool is_recut_due_ = false;     // a repair is done, what memory knows beyond it is not written
  std::atomic<std::uint64_t> database_identity_{0};  // the file that was opened; 0: none
  std::uint64_t sealed_from_ = 0;                    // rows from this one on have sums
  std::uint64_t boot_ = 0;                           // made of the boot's id; 0: not known
  std::deque<std::unique_ptr<Write>> driven_;        // under way, when there are no threads
  std::unique_ptr<Statements> statements_;
  Mutex reader_mutex_;
  std::unique_ptr<Database> reader_ GUARDED_BY(reader_mutex_);
  Mutex durable_mutex_;  // durable.db has a connection and a lock of its own: whoever waits for it
                         // does not wait for the ledger
  std::unique_ptr<Database> durable_ GUARDED_BY(durable_mutex_);

  Mutex mutex_;
  CondVar writer_wake_;
  CondVar packer_wake_;
  CondVar notifier_wake_;
  CondVar written_wake_;
  std::map<std::string, std::unique_ptr<Queue>> queues_
      GUARDED_BY(mutex_);  // by id; parked ones, too
  std::map<std::uint64_t, Queue*> queues_by_key_ GUARDED_BY(mutex_);
  // All of which something is in memory, and some that were emptied since: of ten thousand queues
  // only these are looked at by each write.
  std::vector<Queue*> occupied_ GUARDED_BY(mutex_);
  std::size_t sift_at_ GUARDED_BY(mutex_) = kOccupiedMin;
  std::vector<Queue*> changed_ GUARDED_BY(mutex_);                   // by the commit under way
  std::vector<SavedPlace> left_ GUARDED_BY(mutex_);                  // of `let_out`
  std::map<std::string, std::string> parked_of_ GUARDED_BY(mutex_);  // queue id -> flow
  std::set<std::string> attached_ GUARDED_BY(mutex_);
  struct QueueRow {
    std::uint64_t key;
    std::string id;
    std::string name;
    std::optional<std::string> parked_of;
  };
  std::vector<QueueRow> queue_rows_ GUARDED_BY(mutex_);  // to be written
  std::uint64_t next_queue_key_ GUARDED_BY(mutex_) = 1;

  std::deque<Epoch> epochs_ GUARDED_BY(mutex_);
  // What `epoch_at` found last: mostly it is asked for again.
  Epoch* found_epoch_ GUARDED_BY(mutex_) = nullptr;
  EpochNumber found_epoch_number_ GUARDED_BY(mutex_) = 0;
  EpochNumber first_epoch_ GUARDED_BY(mutex_);      // of epochs_; older ones are finished or saved
  EpochNumber cut_through_ GUARDED_BY(mutex_) = 0;  // taken by a cut
  EpochNumber saved_through_ GUARDED_BY(mutex_) = 0;  // written
  EpochNumber raise_to_ GUARDED_BY(mutex_) = 0;       // a cut takes at least up to here (ties)
  std::uint64_t cuts_ GUARDED_BY(mutex_) = 0;         // begun
  std::uint64_t cuts_written_ GUARDED_BY(mutex_) = 0;
  bool is_cut_wanted_ GUARDED_BY(mutex_) = false;  // now, everything
  bool is_idle_ GUARDED_BY(mutex_) =
      false;  // the writer sleeps without a deadline or until `sleeps_until_`
  SteadyTime sleeps_until_ GUARDED_BY(mutex_) = SteadyTime::max();
  SteadyTime lazy_since_ GUARDED_BY(mutex_) =
      SteadyTime::max();  // since when something is done or changed that is not written
  std::uint64_t unsaved_bytes_ GUARDED_BY(mutex_) = 0;
  // Above so much of it sources wait: it needs its room twice, in the log and in the database, and
  // the disk has no more.
  std::uint64_t unsaved_max_ GUARDED_BY(mutex_) = UINT64_MAX;
  // An eighth of the budget. As much may be packed, and as much come, while one write is at the
  // disk, and with what it holds beside contents (`unsaved_bytes_` is about) that is three eighths.
  const std::uint64_t behind_at_;
  // With so much of it a cut is made at once.
  const std::uint64_t cut_at_;
  // So much of the budget is left for what stays in memory when a write has ended.
  const std::uint64_t settled_max_;
  std::atomic<bool> is_behind_{false};
  Counters totals_ GUARDED_BY(mutex_);
  std::array<DropExtent, kEnds> drops_ GUARDED_BY(mutex_);  // by End

  // Two stages: one write is at the disk, the next one is packed or being packed.
  bool is_at_disk_ GUARDED_BY(mutex_) = false;
  bool is_packing_ GUARDED_BY(mutex_) = false;  // the packer
  std::unique_ptr<Write> packed_ GUARDED_BY(mutex_);

  std::unordered_map<std::uint64_t, Batch> batches_ GUARDED_BY(mutex_);
  std::uint64_t next_batch_ GUARDED_BY(mutex_) = 1;
  std::uint64_t written_row_ GUARDED_BY(mutex_) = 0;  // rows up to here are on disk
  std::map<std::uint64_t, std::vector<std::uint32_t>> done_
      GUARDED_BY(mutex_);  // row -> indexes, not yet written
  std::vector<std::uint64_t> removable_ GUARDED_BY(mutex_);
  // Of rows that a repair could not carry over, until they are put aside.
  std::vector<std::shared_ptr<SegmentFile>> lost_segments_ GUARDED_BY(mutex_);
  std::string lost_folder_ GUARDED_BY(mutex_);  // where content goes of rows that cannot be read
  std::int64_t boot_base_ms_ GUARDED_BY(mutex_) = 0;  // wall time less time since the boot
  struct WallStep {
    std::uint64_t row;  // this one and later ones were cut after it
    std::int64_t by_ms;
    std::int64_t until_ms;  // what came later was told by another clock
  };
  std::vector<WallStep> wall_steps_ GUARDED_BY(mutex_);

  std::map<std::string, std::map<std::string, std::string>> state_ GUARDED_BY(mutex_);
  std::deque<StateChange> state_changes_ GUARDED_BY(mutex_);

  // Those in which somebody waits or is being called; they take turns.
  std::deque<std::shared_ptr<SafeLine>> waiting_lines_ GUARDED_BY(mutex_);
  std::vector<QueueWatch*> touched_ GUARDED_BY(mutex_);
  std::function<void()> on_touched_ GUARDED_BY(mutex_);
  ProvenanceLog* provenance_ GUARDED_BY(mutex_) = nullptr;
  Mutex provenance_use_mutex_;  // held while a write takes its events; outside of `mutex_`
  bool is_closing_ GUARDED_BY(mutex_) = false;
  bool has_news_ GUARDED_BY(mutex_) = false;  // for the notifier
  std::string trouble_ GUARDED_BY(mutex_);
  std::uint64_t written_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t accepted_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t database_bytes_ GUARDED_BY(mutex_) = 0;

  Mutex paging_mutex_;
  Mutex checkpoint_mutex_;
  CondVar checkpoint_wake_;
  std::uint64_t wal_bytes_ GUARDED_BY(checkpoint_mutex_) = 0;
  bool is_checkpoint_closing_ GUARDED_BY(checkpoint_mutex_) = false;
  std::thread writer_;
  std::thread packer_;
  std::thread notifier_;
  std::thread checkpointer_;
};

}  // namespace runnel
