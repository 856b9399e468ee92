// SessionCore: makes sessions true, over the ledger. One for each task, used again and again.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "agent/runtime/attributes.h"
#include "agent/runtime/block_cache.h"
#include "agent/runtime/id_set.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/provenance_told.h"
#include "agent/runtime/replay_archive.h"
#include "agent/sdk/flow_record.h"
#include "agent/sdk/session.h"

namespace runnel {

// Why a FlowFile was dropped, as provenance tells it.
inline constexpr std::string_view kAutoTerminated = "auto-terminated";
inline constexpr std::string_view kEvicted = "evicted: its connection was full";

struct RetryRule {
  std::optional<std::uint32_t> attempts;  // none: for ever
  std::chrono::milliseconds backoff_first{1000};
  std::chrono::milliseconds backoff_max{60'000};
  bool is_yield = false;  // the processor waits, and with it all that stands behind
};

// One relationship of one processor.
struct Outlet {
  std::string name;
  std::vector<Queue*> queues;  // none: auto-terminated
  std::optional<RetryRule> retry = {};
};

// What sessions of a processor have committed. Written under the ledger's mutex, read by anybody.
class SessionCounter {
 public:
  // Nobody else writes meanwhile: that needs no locked instruction.
  void add(std::uint64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  operator std::uint64_t() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct ProcessorCounters {
  SessionCounter in_count, in_bytes, out_count, out_bytes, made_count, dropped_count;
  SessionCounter read_bytes, written_bytes, sessions;
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::int64_t> last_session_ms{0};
};

// Where one processor stands in the flow. Constant while sessions run on it.
struct Wiring {
  static constexpr std::size_t kTakeMax = 256;
  std::string processor_id;
  std::vector<Queue*> inputs;
  std::size_t take_max = kTakeMax;  // FlowFiles taken from a queue at once
  std::vector<Outlet> outlets;      // by Relationship::index
  std::chrono::milliseconds penalty{30'000};
  ProvenanceLog* provenance = nullptr;  // nullptr: none
  ReplayArchive* archive = nullptr;     // nullptr: none
  std::shared_ptr<SafeLine> line;
  ProcessorCounters* counters = nullptr;
  // The processor is to wait so long: by a retry with `is_yield`, from any thread.
  std::function<void(std::chrono::milliseconds)> on_yield;
};

// FlowFiles of one processor that outlive their trigger. Any thread.
class HandOver final : public Handed::Owner {
 public:
  HandOver(Ledger& ledger, const Wiring& wiring) : ledger_(ledger), wiring_(wiring) {}

  void transfer(std::span<const std::uint64_t> slots, Relationship to,
                std::span<const std::pair<std::string_view, std::string_view>> set) override;
  void give_back(std::uint64_t slot, bool is_penalized) override;

 private:
  friend class SessionCore;
  struct Slot {
    Queue* queue = nullptr;
    Queue::Position position = 0;
    std::shared_ptr<const std::string> sent_to;  // a SEND event, told when it is committed
  };
  // What a transfer has done, to be told when no lock is held.
  struct Transferred {
    std::vector<FlowRecord> gone;
    std::vector<IdSet> sent;  // by the slot's `sent_to`, as they follow one another
    std::vector<std::shared_ptr<const std::string>> sent_to;
    IdSet ids;
    ProvenanceTold clones;
    IdSet evicted;
    std::vector<ReplayArchive::Ended> ended;  // for the archive
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::chrono::milliseconds yields{0};
    std::vector<Queue*> retried;
    std::vector<Queue*> roomy;
  };
  std::uint64_t put(Slot slot);
  Slot take(std::uint64_t slot);
  void transfer_one(const Slot& slot, const Outlet& outlet,
                    std::span<const std::pair<std::string_view, std::string_view>> set,
                    Transferred& done) REQUIRES(ledger_.mutex());
  void put_into(Queue& queue, const FlowRecord& record, std::uint32_t now_ms, Transferred& done)
      REQUIRES(ledger_.mutex());
  void tell(Transferred& done, const Outlet& outlet,
            std::span<const std::pair<std::string_view, std::string_view>> set);

  Ledger& ledger_;
  const Wiring& wiring_;
  Mutex mutex_;
  std::vector<Slot> slots_ GUARDED_BY(mutex_);
  std::vector<std::uint64_t> free_ GUARDED_BY(mutex_);
};

class SessionCore final : public Session {
 public:
  // What outlives it: the ledger, the wiring, the owner of what is handed over.
  SessionCore(Ledger& ledger, const Wiring& wiring, HandOver& hand_over);
  ~SessionCore() override;

  // ---- the engine's side. A session is begun by the first call and ends with commit or rollback.
  // Before each on_trigger.
  void begin_call() {
    if (call_++ == 0) begin();
    call_begin_ = works_.size();
    has_progress_ = false;
    if (!contents_.empty()) contents_.clear();
  }
  // After a good on_trigger: kInvalid when a FlowFile was neither transferred, dropped nor handed
  // over. Then roll it back.
  Result<> end_call() {
    // Mostly a call has one FlowFile.
    if (works_.size() == call_begin_ + 1 && works_.back().fate != Fate::kOpen) [[likely]]
      return {};
    return end_long_call();
  }
  // Undoes the present call; what it took is given back, penalized when asked. After an error of
  // kCorrupt, what cannot be read of it is quarantined instead.
  void rollback_call(bool is_penalized);
  void rollback_corrupt_call();
  // Whether the present call took, made or changed anything that stays.
  bool has_progress() const { return has_progress_; }
  std::size_t flowfiles() const { return works_.size(); }
  bool wants_yield() const { return wants_yield_; }
  // A FlowFile stays in its queue, and is to be taken next: after the commit.
  bool has_kept() const { return has_kept_; }
  // What was transferred by the calls since the last commit.
  struct Load {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t transferred_bytes() const { return transferred_bytes_; }
  std::span<const Load> loads();  // by outlet
  // Commits all calls since the last commit.
  void commit();
  void rollback();

  // ---- the author's side
  FlowFile get() override;
  FlowFile create() override;
  FlowFile create(FlowFile parent) override;
  FlowFile clone(FlowFile original) override;
  FlowFile clone(FlowFile original, std::uint64_t offset, std::uint64_t size) override;
  FlowFile merge(std::span<const FlowFile> parts, MergeText text) override;
  Result<std::string_view> content(FlowFile of, std::size_t at_most) override;
  Result<std::unique_ptr<ContentReader>> reader(FlowFile of) override;
  Result<std::unique_ptr<ContentReader>> reader(FlowFile of, std::uint64_t from) override;
  Result<> write(FlowFile to, std::string_view bytes) override;
  Result<> write(FlowFile to, ContentDraft& draft) override;
  Result<std::unique_ptr<ContentWriter>> writer(FlowFile to) override;
  void transfer(FlowFile what, Relationship to) override;
  void drop(FlowFile what) override;
  void keep(FlowFile what) override;
  void penalize(FlowFile what) override;
  Handed hand_over(FlowFile what, std::string_view sent_to = {}) override;
  FlowFile take_back(Handed handed) override;
  void event(FlowFile of, ProvenanceKind kind, std::string_view uri, std::string_view details,
             std::string_view alternate_id) override;
  std::optional<std::string> state(std::string_view key) override;
  void set_state(std::string_view key, std::string_view value) override;
  void remove_state(std::string_view key) override;
  void each_state(
      const std::function<void(std::string_view key, std::string_view value)>& visit) override;
  std::optional<std::string> shared_state(std::string_view service, std::string_view key) override;
  void set_shared_state(std::string_view service, std::string_view key,
                        std::string_view value) override;
  void remove_shared_state(std::string_view service, std::string_view key) override;
  void when_ended(std::function<void(bool)> then) override;
  void when_safe(std::function<void()> then) override;
  void when_stored(std::function<void()> then) override;
  void yield() override { wants_yield_ = true; }
  std::optional<std::string_view> attribute(const FlowRecord& record,
                                            std::string_view name) const override;
  void set_attribute(FlowRecord& record, std::string_view name, std::string_view value) override;
  void remove_attribute(FlowRecord& record, std::string_view name) override;
  void each_attribute(
      const FlowRecord& record,
      const std::function<void(std::string_view, std::string_view)>& visit) const override;
  std::string uuid(const FlowRecord& record) const override;

 private:
  class Writer;
  enum class Fate : std::uint8_t { kOpen, kTransfer, kDrop, kHanded, kExpired, kKept };
  // Where a FlowFile goes, and how it came to be: those of which this is the same are moved and
  // told as one, so that it is compared as one.
  struct Course {
    std::uint16_t to = 0xFFFF;
    std::uint16_t way = 0;  // which of the relationship's connections
    Fate fate = Fate::kOpen;
    bool is_sent = false;
    bool is_told = false;  // an event of it says how it came to be
    bool has_parent = false;

    bool operator==(const Course& other) const { return word() == other.word(); }
    std::uint64_t word() const { return std::bit_cast<std::uint64_t>(*this); }
  };
  // A FlowFile in this session: a copy of its record. What it shares with the queue's record it
  // does not own.
  struct Work : FlowRecord, Course {
    Work(const FlowRecord& record, std::uint32_t call_, const Queue::Taken& taken, Queue* from_)
        : FlowRecord(record),
          call(call_),
          from(from_),
          stored(taken.record),
          position(taken.position) {}

    const Course& course() const { return *this; }

    std::uint32_t call;
    bool owns_attributes = false;
    bool owns_content = false;
    bool has_new_attributes = false;
    bool has_new_content = false;
    Queue* from;               // nullptr: made here
    const FlowRecord* stored;  // there
    Queue::Position position;
    bool inherits = false;  // its epoch is that of FlowFiles that came from a queue
    bool is_penalized = false;
    bool may_be_marked = false;  // has got an attribute that can be searched for
  };
  // The session's FlowFiles, at addresses that stay, in small blocks that the thread's next session
  // uses again, whoever's it is: ten thousand processors keep none.
  class Works {
   public:
    Works() = default;
    ~Works() { clear(); }
    Works(const Works&) = delete;
    Works& operator=(const Works&) = delete;

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Work& operator[](std::size_t i) { return blocks_[i / kBlock][i % kBlock]; }
    const Work& operator[](std::size_t i) const { return blocks_[i / kBlock][i % kBlock]; }
    Work& back() { return next_[-1]; }
    template <typename... Of>
    Work& add(const Of&... of) {
      if (next_ == block_end_) [[unlikely]]
        enter_block();
      ++size_;
      return *new (next_++) Work(of...);
    }
    void pop_back() {
      --size_;
      --next_;
      if (size_ % kBlock == 0 && size_ != 0)
        next_ = block_end_ = blocks_[size_ / kBlock - 1] + kBlock;
    }
    void clear() {
      size_ = 0;
      next_ = block_end_ = nullptr;
      for (Work* const block : blocks_) give_block(block, kBlock * sizeof(Work));
      blocks_.clear();
    }
    template <typename Visit>
    void each(Visit&& visit) {
      for (std::size_t left = size_, block = 0; left != 0; ++block) {
        Work* at = blocks_[block];
        Work* const end = at + std::min(left, kBlock);
        left -= static_cast<std::size_t>(end - at);
        for (; at != end; ++at) visit(*at);
      }
    }

   private:
    static constexpr std::size_t kBlock = 8;
    static_assert(kBlock * sizeof(Work) <= 1024, "the cache keeps no larger ones");
    static_assert(std::is_trivially_destructible_v<Work>);
    // The next block, behind the last one's end.
    void enter_block();

    std::vector<Work*> blocks_;
    std::size_t size_ = 0;
    Work* next_ = nullptr;  // behind the last one; the next one's place, if the block has room
    Work* block_end_ = nullptr;
  };
  struct StateEdit {
    std::uint32_t call = 0;
    std::string owner;  // a service's id; empty: the processor's own
    std::string name;
    std::optional<std::string> value;
  };
  struct Ending {
    std::uint32_t call = 0;
    std::function<void(bool is_committed)> then;
  };
  struct Waiting {
    std::uint32_t call = 0;
    std::function<void()> then;
    bool must_be_stored = false;
  };

  void begin();
  Result<> end_long_call();
  static Work& work_of(const FlowFile& flowfile) { return *static_cast<Work*>(flowfile.record()); }
  FlowFile made(const Work* parent);
  bool refill();
  bool take_from(Queue& queue, bool has_read);
  std::uint32_t now_ms() const;
  void follow_wall() REQUIRES(ledger_.mutex());
  void release(Work& work);
  void fold_attributes(Work& work);
  void put_attribute(Work& work, std::string_view name, std::string_view value);
  void look_for_mark(Work& work, std::string_view name);
  void undo_from(std::size_t works_kept, bool is_penalized);
  std::optional<std::string> state_of(std::string_view owner, std::string_view key);
  void end_calls_from(std::uint32_t call, bool is_committed);
  void quarantine_unreadable();
  void set_content(Work& work, Content* content);
  void tell_kin(ProvenanceKind kind, std::uint64_t child, std::uint64_t parent);
  void fan_out();
  void mark_attributes();
  void mark_value(std::string_view attribute, std::string_view value, std::uint64_t id,
                  std::size_t first_mark, std::size_t first_own);
  void tell_marks();
  void forget_marks();
  // What one commit has moved.
  struct Moved {
    std::uint64_t in_count = 0;
    std::uint64_t in_bytes = 0;
    std::uint64_t out_count = 0;
    std::uint64_t out_bytes = 0;
    std::uint64_t made_count = 0;
    std::uint64_t dropped_count = 0;
    bool has_inputs = false;
  };
  struct Row;
  void commit_locked() REQUIRES(ledger_.mutex());
  EpochNumber birth_epoch() REQUIRES(ledger_.mutex());
  EpochNumber settle_epochs() REQUIRES(ledger_.mutex());
  void tie_calls() REQUIRES(ledger_.mutex());
  void move_all(std::uint32_t at_ms, Moved& moved) REQUIRES(ledger_.mutex());
  void move(Row& row, std::uint32_t at_ms, Moved& moved) REQUIRES(ledger_.mutex());
  void take_out(Row& row, Moved& moved) REQUIRES(ledger_.mutex());
  void end(Row& row, Moved& moved) REQUIRES(ledger_.mutex());
  void send_on(Row& row, std::uint32_t at_ms, Moved& moved) REQUIRES(ledger_.mutex());
  void change_states(EpochNumber newest, bool has_inputs) REQUIRES(ledger_.mutex());
  void count(const Moved& moved) REQUIRES(ledger_.mutex());
  bool ends_here(const Work& work) const;
  bool has_retries() const;
  bool retried(Work& work) REQUIRES(ledger_.mutex());
  bool give_back_kept(Work& work) REQUIRES(ledger_.mutex());
  void sum_up();
  void sum_up(const Work& work, const IdRange& ids);
  static std::uint64_t told_as(const Work& work);
  bool tell_in_commit() REQUIRES(ledger_.mutex());
  void tell_provenance();
  std::span<const ProvenanceRecord> tell_single();
  void finish();
  void give_back_room();
  // Room that one session after the other of a thread uses.
  struct Lent {
    std::vector<Queue::Taken> taken;
    std::vector<FlowRecord> gone;
  };
  static Lent& lent_by_thread();

  Ledger& ledger_;
  const Wiring& wiring_;
  HandOver& hand_over_;
  Works works_;
  std::vector<Queue::Taken> taken_;  // from the ledger, not yet asked for
  std::size_t next_taken_ = 0;
  Queue* taken_from_ = nullptr;
  std::size_t next_input_ = 0;
  // Of one commit; members, so that their memory is used again.
  std::vector<FlowRecord> gone_;  // their references are released when the mutex is free
  EpochNumber birth_ = 0;         // of what was made here; 0: not known yet
  bool may_be_marked_ = false;    // one of `works_` is
  std::vector<Queue*> readied_;
  std::vector<Queue*> roomy_;
  ProvenanceTold told_;
  // Values of the attributes that can be searched for, and who has them from this commit on.
  struct Mark {
    std::string_view attribute;
    std::string value;
    IdSet flowfiles;
  };
  std::vector<Mark> marks_;
  // Values that one FlowFile has: mostly all have the same, or each its own.
  struct OwnValue {
    std::uint64_t id = 0;
    std::size_t begin = 0;  // in own_text_
    std::size_t size = 0;
  };
  struct OwnValues {
    std::string_view attribute;
    std::size_t end = 0;  // of its part of own_values_
  };
  std::vector<OwnValue> own_values_;
  std::vector<OwnValues> own_;  // by attribute
  std::string own_text_;
  IdSet evicted_;
  std::vector<ReplayArchive::Ended> ended_;  // for the archive
  std::vector<ProvenanceRecord> records_;
  IdRange single_;  // of `tell_single`
  // Of what was told of single ones last, as `seated_as_` says (`told_as`).
  std::array<ProvenanceLog::Seat, 3> seats_;
  std::size_t seats_taken_ = 0;
  std::uint64_t seated_as_ = 0;
  std::vector<IdSet> valued_;  // of `records_`
  std::vector<std::string_view> values_;
  struct Summary {
    IdSet created, attributes, content, dropped;
    std::vector<IdSet> terminated, routed;  // by outlet
    void clear(std::size_t outlets);
  };
  Summary summary_;
  std::shared_ptr<const std::string> last_sent_to_;  // mostly the next one's, too
  std::vector<StateEdit> edits_;
  std::vector<Waiting> waiting_;
  std::vector<Ending> endings_;
  std::uint32_t call_ = 0;
  std::size_t call_begin_ = 0;  // of its works
  bool has_progress_ = false;
  bool wants_yield_ = false;
  bool has_kept_ = false;
  std::uint64_t ids_ = 0;  // taken, not used
  std::uint64_t ids_end_ = 0;
  Clock::Moment began_;
  std::int64_t wall_ms_ = 0;        // of this session
  std::int64_t wall_shift_ms_ = 0;  // then
  std::uint64_t transferred_bytes_ = 0;
  std::vector<Load> loads_;
  std::size_t loaded_ = 0;  // so many works are in `loads_`
  std::uint64_t read_bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  mutable std::forward_list<std::string> texts_;  // that views of this session point into
  // What was read from disk for the present call; a slice of 256 calls would hold as many.
  std::forward_list<std::string> contents_;
  std::unique_ptr<AttributesFolder> folder_;  // of a session of many
};

// The uuid that FlowFile `id` of this agent has, and back.
std::string flowfile_uuid(std::string_view instance_id, std::uint64_t id);
std::optional<std::uint64_t> flowfile_id(std::string_view instance_id, std::string_view uuid);

}  // namespace runnel
