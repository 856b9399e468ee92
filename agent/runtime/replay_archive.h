// ReplayArchive: FlowFiles that have ended, as they stood in their last connection, so that they
// can be replayed. Bounded by size and age; off unless the agent is told to keep one.
//
// What ends is held in memory until 256 KiB or a minute have come together, then written as one
// block by the thread `archive`; nobody waits for it, and a power cut costs the newest block. Files
// `archive/<number>.arc` hold blocks, one after the other; the oldest file goes when there is too
// much. A block, numbers little-endian:
//
//   magic "RNAB", size of the head u32, size of the body u32, count u32, first and last time of an
//   end (wall ms) i64, smallest and largest FlowFile id u64, FNV-1a of all this, head and body u64
//   head: number of connections, (size, id)*; for each FlowFile: index of its connection, zigzag of
//         the time of its end less the one before (LEB128)
//   body: as in a batch of the ledger (batch_codec.h), with all contents in it; encrypted if told
//         to (vault.h), bound to the first time of an end and the smallest id
//
// Of a file whose end is damaged (a crash) the blocks before are used; one of which none can be
// read is moved to `quarantine/` at the start, and counted. A block whose checksum is wrong is left
// out.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/runtime/content.h"
#include "agent/runtime/disk.h"
#include "agent/sdk/flow_record.h"

namespace runnel {

class ReplayArchive {
 public:
  struct Options {
    std::uint64_t bytes_max = 0;  // 0: none is kept
    std::int64_t age_max_ms = std::int64_t{7} * 24 * 3600 * 1000;
    std::string state_dir = {};
    Vault vault = {};
    Disk* disk = nullptr;    // nullptr: the machine's
    bool is_driven = false;  // no thread: what is due is written by `keep` (tests)
  };
  // Larger contents are not kept.
  static constexpr std::uint64_t kContentMax = 4 << 20;
  static constexpr std::size_t kBlockBytes = 256 << 10;
  static constexpr std::size_t kUnwrittenMax = 8 << 20;
  static constexpr std::int64_t kBlockAgeMs = 60'000;

  struct Ended {
    std::string queue_id;
    std::int64_t at_ms = 0;  // wall time
    FlowRecord record;       // with references of its own
  };

  // `segments` and `clock` outlive it. kUnavailable: the directory cannot be used.
  static Result<std::unique_ptr<ReplayArchive>> open(Options options, SegmentStore& segments,
                                                     Clock& clock);
  // Writes what is left.
  ~ReplayArchive();

  // Any thread. Takes over the references, and empties `ended`. When the disk does not keep up, the
  // oldest unwritten are given up.
  void keep(std::vector<Ended>& ended);
  // Everything kept so far is in the files. For tests and the end.
  void flush();

  struct Sought {
    std::optional<std::uint64_t> flowfile;
    std::int64_t from_ms = 0;
    std::int64_t to_ms = INT64_MAX;
  };
  // Visits those that match, oldest first, until `visit` returns false. Each record's references
  // are the visitor's. Says how many blocks could not be read. Holds no lock while it visits.
  std::uint64_t each(const Sought& sought, const std::function<bool(Ended)>& visit) const;

  std::uint64_t bytes() const;
  std::uint64_t given_up_count() const;
  std::uint64_t too_large_count() const;
  std::uint64_t files_put_aside() const { return files_put_aside_; }

 private:
  struct Frame {
    std::uint32_t head_bytes = 0;
    std::uint32_t body_bytes = 0;
    std::uint32_t count = 0;
    std::int64_t first_ms = 0;
    std::int64_t last_ms = 0;
    std::uint64_t smallest_id = 0;
    std::uint64_t largest_id = 0;
    std::uint64_t checksum = 0;

    std::string text(bool with_checksum) const;
    static std::optional<Frame> parse(std::string_view bytes);
    bool may_hold(const Sought& sought) const;
  };
  struct Block {
    std::uint64_t offset = 0;
    Frame frame;
  };
  struct File {
    std::shared_ptr<DiskFile> file;
    std::vector<Block> blocks;
    std::uint64_t bytes = 0;
  };

  ReplayArchive(Options options, SegmentStore& segments, Clock& clock);
  std::string directory() const { return options_.state_dir + "/archive"; }
  std::string path_of(std::uint64_t number) const;
  Result<> load();
  Result<File> load_file(std::uint64_t number);
  void put_aside(std::uint64_t number, const Error& why);
  void write_loop();
  void write_pending();
  Result<> write_block(const std::vector<Ended>& ended) REQUIRES(writing_);
  void remove_old();
  Result<std::vector<Ended>> read_block(const DiskFile& file, const Block& block) const;
  bool is_due() const REQUIRES(mutex_);

  const Options options_;
  SegmentStore& segments_;
  Clock& clock_;
  Disk& disk_;
  std::uint64_t files_put_aside_ = 0;
  Mutex writing_;  // one block at a time; outside of `mutex_`
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Ended> pending_ GUARDED_BY(mutex_);
  std::size_t pending_bytes_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, File> files_ GUARDED_BY(mutex_);  // by number
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t given_up_ GUARDED_BY(mutex_) = 0;
  std::uint64_t too_large_ GUARDED_BY(mutex_) = 0;
  bool is_closing_ GUARDED_BY(mutex_) = false;
  std::uint64_t next_number_ GUARDED_BY(writing_) = 1;
  std::uint64_t first_own_number_ GUARDED_BY(writing_) = 1;  // of this life
  std::thread writer_;
};

}  // namespace runnel
