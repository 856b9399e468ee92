// Queue: the FlowFiles of one connection, as a log of positions.
//
// A FlowFile that enters gets the next position and keeps it until it is done: taken by a session,
// it stays where it is, so that rollback and crash cost nothing. What the ledger still has to write
// is what stands here unsaved; cancellation needs no set of ids. The ledger's mutex guards
// everything but the published figures.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/runtime/saved_places.h"
#include "agent/sdk/flow_record.h"

namespace runnel {

class AttributesFolder;

// By `kLiveFirst`, *live* is what has stood in the queue for less than 10 s and has never left
// memory; all else is *backlog*: what is older, what lies or lay on disk only, what an earlier life
// of the agent has left. Live goes first, oldest first; the backlog drains in the gaps, oldest
// first, and of 8 FlowFiles that are taken at least one is of the backlog, as long as there is any.
// What was given back keeps its place in its part.
enum class QueueRule { kFirstIn, kNewestFirst, kOldestFirst, kAttribute, kLiveFirst };
// `kDropLowest`: what `kAttribute` would take last goes first, the oldest of its class.
enum class FullRule { kBlock, kDropOldest, kDropNewest, kDropLowest };

struct QueueSpec {
  std::string id;  // of the connection; what is stored is found again by it
  std::string name;
  std::uint64_t count_max = 10'000;  // 0: no limit
  std::uint64_t bytes_max = 100ULL << 20;
  FullRule when_full = FullRule::kBlock;
  std::chrono::milliseconds expire{0};  // 0: never
  QueueRule order = QueueRule::kFirstIn;
  std::string order_attribute = {};

  bool operator==(const QueueSpec&) const = default;
};

// The ledger's clock in ms begins anew after 49 days: times are compared by their distance, which
// is right for spans of up to 24 days.
inline bool is_reached(std::uint32_t when_ms, std::uint32_t now_ms) {
  return static_cast<std::int32_t>(now_ms - when_ms) >= 0;
}
struct EarlierMs {
  bool operator()(std::uint32_t a, std::uint32_t b) const {
    return static_cast<std::int32_t>(a - b) < 0;
  }
};

// Where a queue tells that its count may have changed; who counts looks at the end of the commit.
struct QueueWatch {
  std::vector<QueueWatch*>* touched = nullptr;
  bool is_touched = false;

  void touch() {
    is_touched = true;
    touched->push_back(this);
  }
};

class Queue {
 public:
  using Position = std::uint64_t;
  // By the ledger, once; `key` is the connection's number in the database.
  Queue(Mutex& mutex, QueueSpec spec, std::uint64_t key);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const std::string& id() const { return spec_.id; }
  std::uint64_t key() const { return key_; }

  // ---- published, any thread, without the mutex
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  bool is_full() const {
    const std::uint64_t count_max = count_max_.load(std::memory_order_relaxed);
    const std::uint64_t bytes_max = bytes_max_.load(std::memory_order_relaxed);
    return (count_max != 0 && count() >= count_max) || (bytes_max != 0 && bytes() >= bytes_max);
  }
  // What it takes before it is full; UINT64_MAX where there is no limit.
  struct Room {
    std::uint64_t count = UINT64_MAX;
    std::uint64_t bytes = UINT64_MAX;
  };
  Room room() const {
    const auto left = [](std::uint64_t max, std::uint64_t used) {
      return max == 0 ? UINT64_MAX : max - std::min(max, used);
    };
    return {left(count_max_.load(std::memory_order_relaxed), count()),
            left(bytes_max_.load(std::memory_order_relaxed), bytes())};
  }
  // Whether a session would get something: queued and neither taken nor penalized.
  bool is_ready() const { return ready_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t ready() const { return ready_.load(std::memory_order_relaxed); }
  // After so many ms of its lineage a FlowFile expires; 0: never.
  std::int64_t expire_ms() const { return expire_ms_.load(std::memory_order_relaxed); }
  // No lineage of what waits here began earlier, by the wall clock; INT64_MAX: nothing waits, or
  // nothing expires. INT64_MIN: not known.
  std::int64_t oldest_start_ms() const { return oldest_start_ms_.load(std::memory_order_relaxed); }
  // When the first penalty is over, by the ledger's clock in ms; 0: nobody is penalized.
  std::uint32_t penalty_ends_ms() const { return penalty_ends_ms_.load(std::memory_order_relaxed); }

  // Called without the mutex after a commit: `on_ready` when something can be taken that was not
  // before, `on_room` when it is no longer full. Set while nothing runs.
  std::function<void()> on_ready;
  std::function<void()> on_room;

  // ---- under the mutex
  // Tells the thread-safety analysis that the ledger's mutex, which is ours, is held here.
  void held() const ASSERT_CAPABILITY(mutex_) {}
  const QueueSpec& spec() const REQUIRES(mutex_) { return spec_; }
  void respecify(QueueSpec spec) REQUIRES(mutex_);
  // nullptr: nobody counts. Outlives the queue's use of it.
  void set_watch(QueueWatch* watch) REQUIRES(mutex_) { watch_ = watch; }
  // What a session could take now: those whose penalty is over are among them.
  std::uint64_t takeable(std::uint32_t now_ms) const REQUIRES(mutex_);

  // After `append` and `done`: the published figures follow. Once for all that a commit changes.
  void publish() REQUIRES(mutex_);
  // Whether somebody has noted that it is to be published; true until it is.
  bool note_changed() REQUIRES(mutex_) { return std::exchange(is_changed_, true); }

  // What has entered or left.
  struct Passed {
    std::uint64_t bytes = 0;
    // Of those that are to be written: their contents in memory, and `kUnsavedEach` for the rest.
    std::uint64_t unsaved_bytes = 0;
  };
  static constexpr std::uint64_t kUnsavedEach = 128;  // about
  // Takes over the records' references.
  Passed append(std::span<const FlowRecord* const> records, std::uint32_t now_ms) REQUIRES(mutex_);
  Position append(const FlowRecord& record, std::uint32_t now_ms) REQUIRES(mutex_);
  // A FlowFile that is in the database already, paged in. Positions may come in any order, but are
  // new.
  void restore(Position position, const FlowRecord& record, SavedPlace place, std::uint32_t now_ms)
      REQUIRES(mutex_);

  struct Taken {
    Position position;
    FlowRecord* record;  // stays where it is until it is done
  };
  // Whether `take` looks at the time: reading it takes longer than taking one.
  bool takes_by_time() const REQUIRES(mutex_) {
    return !penalized_.empty() || spec_.order == QueueRule::kLiveFirst;
  }
  // Takes up to `count_max` by the queue's rule, appending to `into`; returns how many.
  std::size_t take(std::size_t count_max, std::uint32_t now_ms, std::vector<Taken>& into)
      REQUIRES(mutex_);
  // Puts taken ones back, where they stood. `penalty_until_ms` 0: not penalized; else nobody gets
  // them until then.
  void give_back(Position position, std::uint32_t penalty_until_ms) REQUIRES(mutex_);
  // `count` that stand side by side are finished here: their references are the caller's, who has
  // read them (`find`), and what their entry times were owed. Adds to `saved` where they were.
  Passed done(Position first, std::size_t count, std::vector<SavedPlace>& saved) REQUIRES(mutex_);

  FlowRecord* find(Position position) REQUIRES(mutex_);
  // What a taken record holds is replaced by what `with` has; whose references are whose is the
  // caller's business.
  void replace(FlowRecord& record, const FlowRecord& with) REQUIRES(mutex_);
  bool is_taken(Position position) REQUIRES(mutex_);
  // In the order of positions, until `visit` returns false.
  void each(const std::function<bool(Position, const FlowRecord&, bool is_taken)>& visit) const
      REQUIRES(mutex_);
  // The untaken one in memory that stands first; false when there is none.
  bool oldest_untaken(Position& position) REQUIRES(mutex_);
  // With `kAttribute`: of the class that is taken last, the one in memory that stands first,
  // neither taken nor penalized; false when there is none.
  bool lowest_untaken(Position& position) REQUIRES(mutex_);

  // How often it has been sent back by a retry; forgotten when it is done.
  std::uint32_t& attempts(Position position) REQUIRES(mutex_) { return attempts_[position]; }

  // ---- for the ledger's writer
  // Visits the unsaved records with an epoch up to `epoch`, in order of position; each visited is
  // marked as saved at the place that is returned.
  void save_each(EpochNumber epoch,
                 const std::function<SavedPlace(Position, const FlowRecord&)>& visit)
      REQUIRES(mutex_);
  std::uint64_t unsaved() const REQUIRES(mutex_) { return unsaved_; }
  // Those that were saved in rows that are gone are unsaved again.
  void unsave(const std::function<bool(std::uint64_t row)>& is_gone) REQUIRES(mutex_);
  Position next_position() const REQUIRES(mutex_) { return tail_; }

  std::uint64_t memory_bytes() const REQUIRES(mutex_) { return memory_bytes_; }
  // Whether something of it is in memory.
  bool is_occupied() const REQUIRES(mutex_) { return present_ != 0; }
  std::size_t chunks() const REQUIRES(mutex_) { return chunks_.size() + spares_.size(); }
  // Nothing is: what it keeps for the next FlowFiles is given back.
  void shrink() REQUIRES(mutex_);
  // Whether the ledger has it on its list of those that may be occupied; true from now on.
  bool list() REQUIRES(mutex_) { return std::exchange(is_listed_, true); }
  void unlist() REQUIRES(mutex_) { is_listed_ = false; }
  // When it came here, or was paged in again, by the ledger's clock; 0: it is not in memory.
  std::uint32_t queued_at_ms(Position position) const REQUIRES(mutex_);
  std::uint32_t oldest_queued_at_ms() const REQUIRES(mutex_);

  // ---- paging: what lies in the database only
  // Batches that are not in memory: first position -> row. They count in `count` and `bytes`.
  struct Paged {
    std::uint64_t batch = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    Position last = 0;
    std::int64_t oldest_ms = INT64_MIN;  // no lineage began earlier; INT64_MIN: not known
  };
  void add_paged(Position first, Paged paged) REQUIRES(mutex_);
  // The first batch that must be paged in before `take` may go on; nullptr: none.
  const Paged* next_paged(Position& first) const REQUIRES(mutex_);
  void drop_paged(Position first) REQUIRES(mutex_);
  // One of its FlowFiles less.
  void shrink_paged(Position first) REQUIRES(mutex_);
  const std::map<Position, Paged>& paged() const REQUIRES(mutex_) { return paged_; }
  // Folds the attributes (agent/runtime/attributes.h) of up to `count_max` records that are in rows
  // up to `row_max`, not taken, and behind the chunks that will be taken next. What they had goes
  // to `gone`. True: there are more.
  struct FoldOut {
    std::size_t chunks_kept;
    std::uint64_t row_max;
    std::size_t count_max;
  };
  bool fold(const FoldOut& wanted, AttributesFolder& folder, std::vector<Attributes*>& gone)
      REQUIRES(mutex_);
  // Takes one saved, untaken record out of memory (its count stays, by `add_paged`). Its references
  // go to the caller.
  FlowRecord page_out(Position position) REQUIRES(mutex_);
  struct PageOut {
    std::size_t chunks_kept;  // of those that will be taken next
    std::uint64_t bytes;      // so much is to leave memory
    std::uint64_t row_max;    // younger rows are not on disk yet
  };
  // Saved, untaken records that hold so much together, the newest first, so that paging them out
  // does the least harm; live-first, those of the backlog, if there are any. The oldest of them is
  // the first of its row that does not stand in the chunks that are kept. Empty: nothing.
  std::vector<std::pair<Position, SavedPlace>> pageable(const PageOut& wanted, std::uint32_t now_ms)
      REQUIRES(mutex_);

  // ---- expiry
  // The untaken ones in memory whose lineage began before `start_ms`.
  std::vector<Position> started_before(std::int64_t start_ms) const REQUIRES(mutex_);
  // The first batch on disk only that may hold such a one; nullptr: none.
  const Paged* paged_before(std::int64_t start_ms, Position& first) const REQUIRES(mutex_);
  // Finds out anew when the oldest lineage began. Taken ones count as begun at `taken_ms` or later.
  void recount_oldest(std::int64_t taken_ms) REQUIRES(mutex_);
  // The wall clock was set: what is in memory gets the times that the new one would have given.
  // Taken records are read without the mutex: they follow when they are given back or done.
  // What came later than `until_ms` was not told by the clock that was set: a machine without a
  // clock of its own boots in the past, and finds FlowFiles of an earlier life.
  void shift_entries(std::int64_t by_ms, std::int64_t until_ms) REQUIRES(mutex_);
  // By how much the entry time of a taken one will follow.
  std::int64_t owed_ms(Position position) const REQUIRES(mutex_) {
    if (owed_ms_.empty()) return 0;
    const auto found = owed_ms_.find(position);
    return found == owed_ms_.end() ? 0 : found->second;
  }

  struct Traffic {
    std::uint64_t in_count = 0;
    std::uint64_t in_bytes = 0;
    std::uint64_t out_count = 0;
    std::uint64_t out_bytes = 0;
  };
  const Traffic& traffic() const REQUIRES(mutex_) { return traffic_; }

  // Sees each FlowFile that enters, under the mutex; for `tap`.
  std::function<void(const FlowRecord&)> tap GUARDED_BY(mutex_);

 private:
  static constexpr std::size_t kChunk = 64;
  static constexpr std::size_t kSparesMax = 4;  // what a slice empties
  using Bits = std::array<std::uint64_t, kChunk / 64>;
  struct Chunk {
    std::array<FlowRecord, kChunk> at;
    std::array<std::uint32_t, kChunk> queued_at_ms;  // by the ledger's clock
    Bits present{};                                  // queued
    Bits taken{};
    Bits saved{};
    SavedPlaces places;       // of the saved ones
    std::uint32_t count = 0;  // present
    std::uint32_t unsaved = 0;
  };
  static bool has(const Bits& bits, std::size_t i) { return ((bits[i / 64] >> (i % 64)) & 1) != 0; }
  static void put(Bits& bits, std::size_t i) { bits[i / 64] |= std::uint64_t{1} << (i % 64); }
  static void clear(Bits& bits, std::size_t i) { bits[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  static std::size_t slot(Position position) { return position % kChunk; }
  // `begin` .. `end` - 1. REQUIRES: there is one.
  static std::uint64_t bits_of(std::size_t begin, std::size_t end) {
    static_assert(kChunk == 64, "a chunk's bits are one word");
    return (~std::uint64_t{0} >> (kChunk - (end - begin))) << begin;
  }
  static void put_saved(Chunk& chunk, std::size_t i, SavedPlace place) {
    bool has_later = i + 1 < kChunk && (chunk.saved[i / 64] >> (i % 64)) > 1;
    for (std::size_t word = i / 64 + 1; word < chunk.saved.size(); ++word)
      has_later = has_later || chunk.saved[word] != 0;
    chunk.places.put(i, place, has_later);
    put(chunk.saved, i);
  }

  Chunk& chunk_for(Position position) REQUIRES(mutex_);
  Chunk& open_tail() REQUIRES(mutex_);
  Passed append_row(const FlowRecord* const* records, std::size_t count, std::uint32_t now_ms)
      REQUIRES(mutex_);
  Passed append_many(std::span<const FlowRecord* const> records, std::uint32_t now_ms)
      REQUIRES(mutex_);
  Passed done_row(Position first, std::size_t count, std::vector<SavedPlace>& saved)
      REQUIRES(mutex_);
  Passed done_many(Position first, std::size_t count, std::vector<SavedPlace>& saved)
      REQUIRES(mutex_);
  void note_entered(Position position, const FlowRecord& record) REQUIRES(mutex_);
  void forget_waiting(const Chunk& chunk, Position first, std::size_t count) REQUIRES(mutex_);
  void forget_past(Position first, Position last) REQUIRES(mutex_);
  void forget_chunk(std::uint64_t number) REQUIRES(mutex_);
  Chunk* chunk_at(Position position) const REQUIRES(mutex_);
  void pay_owed(Position position, FlowRecord& record) REQUIRES(mutex_);
  void note_start(const FlowRecord& record) REQUIRES(mutex_);
  // What stands at it or behind it is behind something that lies on disk only.
  Position paged_begin() const REQUIRES(mutex_) {
    return paged_.empty() ? UINT64_MAX : paged_.begin()->first;
  }
  bool take_returned(Taken& taken) REQUIRES(mutex_);
  std::size_t take_in_row(std::size_t count_max, std::vector<Taken>& into) REQUIRES(mutex_);
  std::vector<std::pair<Position, SavedPlace>> pageable_from(Position from, Position to,
                                                             const PageOut& wanted) const
      REQUIRES(mutex_);
  bool take_live_first(std::uint32_t now_ms, Taken& taken) REQUIRES(mutex_);
  void advance_live(std::uint32_t now_ms) REQUIRES(mutex_);
  // The first of `from` .. `to` that can be taken: given back, or at the cursor or behind it.
  bool take_between(Position from, Position to, Position& cursor, Taken& taken) REQUIRES(mutex_);
  // Moves the cursor to the next that can be taken before `to`; false: there is none.
  bool find_from(Position& cursor, Position to) const REQUIRES(mutex_);
  bool take_ordered(std::uint32_t now_ms, Taken& taken) REQUIRES(mutex_);
  void end_penalties(std::uint32_t now_ms) REQUIRES(mutex_);
  bool take_at(Position position, std::uint32_t now_ms, Taken& taken) REQUIRES(mutex_);
  void enter_order(Position position, const FlowRecord& record) REQUIRES(mutex_);
  void enter(Position position, const FlowRecord& record) REQUIRES(mutex_);
  std::pair<double, std::string> key_of(Position position, const FlowRecord& record) const
      REQUIRES(mutex_);
  struct Weight;
  static std::uint64_t weight(const FlowRecord& record);
  // By position, without an order of its own.
  bool is_sequential() const REQUIRES(mutex_) {
    return spec_.order == QueueRule::kFirstIn || spec_.order == QueueRule::kLiveFirst;
  }

  Mutex& mutex_;
  const std::uint64_t key_;
  QueueSpec spec_;

  std::map<std::uint64_t, std::unique_ptr<Chunk>> chunks_
      GUARDED_BY(mutex_);  // by position / kChunk
  // What `chunk_at` found last: mostly it is asked for again.
  mutable Chunk* found_chunk_ GUARDED_BY(mutex_) = nullptr;
  mutable std::uint64_t found_number_ GUARDED_BY(mutex_) = 0;
  Chunk* tail_chunk_ GUARDED_BY(mutex_) = nullptr;
  std::vector<std::unique_ptr<Chunk>> spares_ GUARDED_BY(mutex_);  // empty
  Position tail_ GUARDED_BY(mutex_) = 0;                           // the next one to be given
  Position take_ GUARDED_BY(mutex_) =
      0;  // first-in: everything before was taken once, or is in `returned_`
  Position live_from_ GUARDED_BY(mutex_) = 0;      // live-first: what stands before it is backlog
  Position live_take_ GUARDED_BY(mutex_) = 0;      // as `take_`, of the live ones
  unsigned live_taken_ GUARDED_BY(mutex_) = 0;     // in a row, while there is a backlog
  Position first_unsaved_ GUARDED_BY(mutex_) = 0;  // nothing before it is unsaved
  Position folded_to_ GUARDED_BY(mutex_) = 0;      // what stands before it was looked at
  std::uint64_t unsaved_ GUARDED_BY(mutex_) = 0;
  std::uint64_t untaken_ GUARDED_BY(mutex_) = 0;  // present, in memory, neither taken nor penalized
  std::uint64_t present_ GUARDED_BY(mutex_) = 0;
  std::uint64_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t memory_bytes_ GUARDED_BY(mutex_) = 0;
  std::set<Position> returned_ GUARDED_BY(mutex_);
  std::multimap<std::uint32_t, Position, EarlierMs> penalized_
      GUARDED_BY(mutex_);  // by the end of the penalty
  std::set<std::pair<std::pair<double, std::string>, Position>> ordered_
      GUARDED_BY(mutex_);  // other rules than first-in
  std::unordered_map<Position, std::uint32_t> attempts_ GUARDED_BY(mutex_);
  std::map<Position, Paged> paged_ GUARDED_BY(mutex_);
  std::uint64_t paged_count_ GUARDED_BY(mutex_) = 0;
  std::uint64_t paged_bytes_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<Position, std::int64_t> owed_ms_ GUARDED_BY(mutex_);
  bool is_listed_ GUARDED_BY(mutex_) = false;
  bool is_changed_ GUARDED_BY(mutex_) = false;
  Traffic traffic_ GUARDED_BY(mutex_);
  QueueWatch* watch_ GUARDED_BY(mutex_) = nullptr;

  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> ready_{0};
  std::atomic<std::uint32_t> penalty_ends_ms_{0};
  std::atomic<std::int64_t> expire_ms_;
  std::atomic<std::int64_t> oldest_start_ms_{INT64_MAX};
  std::atomic<std::uint64_t> count_max_;
  std::atomic<std::uint64_t> bytes_max_;
};

}  // namespace runnel
