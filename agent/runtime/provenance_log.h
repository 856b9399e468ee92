// ProvenanceLog: what happened to every FlowFile, bounded by size and age, found without decoding
// it all.
//
// Events are collected in an open block. Each write of the ledger takes what was added since the
// last one along, in its own transaction: as a tail row of the open block, or, when the block is
// full, as one compressed row in place of its tails. A full row carries a head (times, up to 8
// hulls of FlowFile ids, bits for components and kinds), so that a query decodes only rows that may
// hold an answer. Rows have ids in the order of time; the oldest go when the log is too large or
// too old.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/runtime/provenance_codec.h"
#include "agent/runtime/provenance_gathered.h"
#include "agent/runtime/provenance_head.h"
#include "agent/runtime/status.h"

namespace runnel {

struct ProvenanceRow {
  std::uint64_t id = 0;
  std::uint64_t bytes_before = 0;  // of all bodies ever written before this one, tails left out
  std::uint64_t body_bytes = 0;    // of this one and its head
  std::int64_t last_ms = 0;
  bool is_tail = false;
  std::string head;
  std::string body;  // zstd
};

// Where the rows are kept.
class ProvenanceShelf {
 public:
  virtual ~ProvenanceShelf() = default;
  // The row with the smallest id from `from` on, without its body.
  virtual Result<std::optional<ProvenanceRow>> first_from(std::uint64_t from) = 0;
  // From the newest to the oldest, until `visit` returns false; without bodies. Rows below
  // `before` only.
  virtual Result<> each_before(std::uint64_t before,
                               const std::function<bool(const ProvenanceRow&)>& visit) = 0;
  virtual Result<std::string> body(std::uint64_t id) = 0;
};

// What one write of the ledger has to do, in one transaction.
struct ProvenanceWrite {
  std::vector<ProvenanceRow> insert;
  std::vector<IdRange> remove;
};

class ProvenanceLog {
 public:
  struct Options {
    std::uint64_t bytes_max = 64 << 20;
    std::int64_t age_max_ms = std::int64_t{7} * 24 * 3600 * 1000;
    std::size_t block_events = 4096;
    std::size_t block_bytes = 256 << 10;  // before compression
    std::size_t unwritten_bytes_max = 4 << 20;
    // Names of the attributes by whose values events are found.
    std::vector<std::string> attributes = {"filename"};
    // Wall time of the opening: beyond what can be read of a damaged shelf, rows are numbered by
    // it.
    std::int64_t opened_ms = 0;
    // Ranges of FlowFiles that a query by attribute holds in memory, at 16 bytes each.
    std::size_t matches_max = 1 << 18;
  };

  // Takes up where the shelf ends. A row that cannot be read is skipped and said in the log; when
  // the shelf's end cannot be read, it goes on behind it.
  // `commits` is held by sessions that commit: the ledger's mutex. Outside of the log's own.
  static Result<std::unique_ptr<ProvenanceLog>> open(Options options, ProvenanceShelf& shelf,
                                                     Mutex& commits);
  // Tells the thread-safety analysis that `commits` is held here.
  void held() const ASSERT_CAPABILITY(commits_) {}

  // Any thread. Above `unwritten_bytes_max` (the ledger does not write) the oldest unwritten block
  // is given up.
  void add(std::span<const ProvenanceRecord> records) EXCLUDES(commits_);
  void add(const ProvenanceRecord& record) EXCLUDES(commits_) { add({&record, 1}); }
  // The same; but what sessions of one millisecond tell alike may become one event, which costs a
  // fraction when each has one FlowFile.
  void gather(std::span<const ProvenanceRecord> records) EXCLUDES(commits_);
  // The same, in the commit itself, of what `ProvenanceGathered` takes. Each seat is taken by its
  // record; it may be that of a record in which only the time and the FlowFiles were others.
  using Seat = ProvenanceGathered::Seat;
  void gather(std::span<const ProvenanceRecord> records, std::span<Seat> seats) REQUIRES(commits_);
  // For who has seats of such records: how many of them, from the first on, are told of this
  // FlowFile, too. The others are to be told by records.
  std::size_t gather_again(std::span<const Seat> seats, std::int64_t at_ms, std::uint64_t flowfile)
      REQUIRES(commits_) {
    std::size_t told = 0;
    while (told < seats.size() && gathered_.join(seats[told], at_ms, flowfile)) ++told;
    return told;
  }
  // Of these, sessions tell who has which value (kProvenanceMark).
  const std::vector<std::string>& marked_attributes() const { return options_.attributes; }
  // False: no name with this bit (Attributes::bit_of) is marked.
  bool may_be_marked(std::uint32_t bit) const { return (marked_bits_ & bit) != 0; }
  bool is_marked(std::string_view attribute) const {
    for (const std::string& one : options_.attributes) {
      if (one == attribute) return true;
    }
    return false;
  }
  // A block has become full: whoever writes should not wait for long.
  bool wants_write() const { return has_full_block_.load(std::memory_order_relaxed); }
  bool has_unwritten() const REQUIRES(commits_);

  // The writer: `take` what is to be written; then `written`, when it is on disk, or `failed`, and
  // it is taken again. One write at a time.
  ProvenanceWrite take(std::int64_t now_ms);
  void written();
  void failed();

  // Newest first. Of the query's `component`, `component_ids` is what counts: those it stands for;
  // none: all. Paths and types of components are left to the caller. Holds no lock while it reads
  // and decodes.
  Result<ProvenanceAnswer> query(const ProvenanceQuery& query,
                                 const std::vector<std::string>& component_ids);
  // The FlowFile, its ancestors and its descendants, and what each of them was made of.
  Result<ProvenanceLineage> lineage(std::uint64_t flowfile);

  std::uint64_t stored_bytes() const;
  std::uint64_t given_up_events() const;
  // For tests: rows decoded by the queries so far.
  std::uint64_t decoded_rows() const { return decoded_; }

 private:
  struct Block {
    ProvenanceEncoder encoder;
    std::uint64_t first_event = 0;
    std::vector<std::uint64_t> tail_ids = {};  // of its rows on disk
    // Of those of writes that failed: such a row may be there after all, and goes with the next.
    std::vector<std::uint64_t> doubtful_ids = {};
    std::size_t written_bytes = 0;  // of its stream, in those rows
    std::uint64_t row_id = 0;       // of its full row, once it was taken
  };
  // A query, made ready to be put to blocks.
  struct Sought {
    bool is_by_id = false;
    IdSet ids;
    std::vector<std::string> components;
    std::uint64_t component_bits = UINT64_MAX;
    std::uint32_t kind_bits = kProvenanceEventBits;
    std::int64_t from_ms = 0;
    std::int64_t to_ms = INT64_MAX;
    std::string relationship;
    std::string attribute;                // of marks
    std::string value;                    // of marks
    std::vector<std::uint64_t> all_keys;  // a block that may hold an answer has all of these,
    std::vector<std::uint64_t> any_keys;  // and one of these, if there are any

    bool may_be_in(const ProvenanceHead& head, std::int64_t last_ms);
    bool is_met_by(const ProvenanceRecord& record);
    std::vector<IdRange> marked(const ProvenanceRecord& mark) const;
  };
  // What a search came across beside what it looked for.
  struct Trouble {
    std::uint64_t damaged_rows = 0;
  };
  // What stands in memory at one moment, and below which rows the disk goes on.
  struct Snapshot {
    struct Stream {
      std::uint64_t first_event;
      std::string bytes;
    };
    std::vector<Stream> streams;  // newest first
    std::vector<std::uint64_t> row_ids;
    std::uint64_t rows_before = 0;
  };

  void encode(const ProvenanceRecord& record) REQUIRES(mutex_);
  void encode_gathered() REQUIRES(commits_);
  // What is gathered goes into the open block.
  void encode_what_is_gathered() EXCLUDES(commits_);

  ProvenanceLog(Options options, ProvenanceShelf& shelf, Mutex& commits);
  Result<> load();
  void open_block() REQUIRES(mutex_);
  void give_up_oldest() REQUIRES(mutex_);
  Result<> plan_removal(ProvenanceWrite& write, std::int64_t now_ms);
  Snapshot snapshot() EXCLUDES(commits_);
  using Found = std::function<void(std::uint64_t event_id, const ProvenanceRecord&)>;
  Result<> search(Sought& sought, const Found& found, const std::function<bool()>& goes_on,
                  Trouble& trouble);
  Result<> walk_rows(std::uint64_t before, Trouble& trouble,
                     const std::function<bool(const ProvenanceRow&)>& visit) const;
  static Result<> search_stream(Sought& sought, std::uint64_t first_event, std::string_view bytes,
                                const Found& found);
  Result<> add_last_events(ProvenanceLineage& lineage, Trouble& trouble);
  Result<IdSet> with_value(const std::string& attribute, const std::string& value,
                           std::int64_t to_ms, ProvenanceAnswer& answer);

  const Options options_;
  std::uint32_t marked_bits_ = 0;  // of the names of `options_.attributes`
  ProvenanceShelf& shelf_;
  Mutex& commits_;
  // Not in a block yet: sessions of this millisecond may still join it.
  ProvenanceGathered gathered_ GUARDED_BY(commits_);
  mutable Mutex mutex_;
  // Full blocks that are not on disk yet, oldest first, and the open one at the end.
  std::deque<std::unique_ptr<Block>> blocks_ GUARDED_BY(mutex_);
  std::atomic<bool> has_full_block_{false};  // more than the open one
  std::uint64_t next_row_ GUARDED_BY(mutex_) = 1;
  std::uint64_t stored_bytes_ GUARDED_BY(mutex_) = 0;  // bodies ever written
  std::uint64_t sealed_bytes_ GUARDED_BY(mutex_) = 0;  // of full blocks that are not written
  std::uint64_t given_up_ GUARDED_BY(mutex_) = 0;
  // Of the write under way.
  std::size_t taken_blocks_ GUARDED_BY(mutex_) = 0;
  std::size_t taken_bytes_ GUARDED_BY(mutex_) = 0;  // of the open block
  std::uint64_t taken_tail_ GUARDED_BY(mutex_) = 0;
  std::optional<ProvenanceRow> oldest_ GUARDED_BY(mutex_);
  // The writer's own.
  std::uint64_t taken_stored_bytes_ = 0;
  std::optional<ProvenanceRow> oldest_after_;
  mutable std::atomic<std::uint64_t> decoded_{0};
};

}  // namespace runnel
