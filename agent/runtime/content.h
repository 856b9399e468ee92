// Content: the bytes of FlowFiles, shared by slices: in memory, in segment files on disk, or a rope
// of such slices.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/runtime/disk.h"
#include "agent/runtime/vault.h"
#include "agent/sdk/flow_record.h"
#include "agent/sdk/session.h"

namespace runnel {

// Content above this size lives in segment files; up to it, in memory and in the ledger's batches.
inline constexpr std::size_t kSmallContentMax = 16 << 10;

// One append-only file of contents. It is removed when nobody refers to it any more.
//
//   content/<number>.blk   blocks of 4,096 bytes: 4,092 of content, then the CRC-32C (little
//   endian) of
//                          the file's number, the block's (8 bytes each) and the content before it.
//                          What is appended begins with a block of its own and fills its last one
//                          with zeros; an offset counts bytes of content, 4,092 to a block
//   content/<number>.enc   encrypted: the same, but what stands before the sum is what Sealer
//                          (agent/base/sealer.h) makes of 4,044 bytes of content, bound to the
//                          numbers of file and block; an offset counts 4,044 to a block
//   content/<number>.seg   of schema 1: contents as they are, without sums; read only
class SegmentFile {
 public:
  enum class Form { kBlocks, kSealed, kPlain };
  // `sealer`: of kSealed; nullptr: there are no keys, and it cannot be read.
  SegmentFile(Disk& disk, std::string path, std::uint64_t number, Form form,
              std::unique_ptr<DiskFile> file, std::shared_ptr<const Sealer> sealer)
      : disk_(disk),
        path_(std::move(path)),
        number_(number),
        form_(form),
        file_(std::move(file)),
        sealer_(std::move(sealer)) {}
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  std::uint64_t number() const { return number_; }
  // At least one byte; kCorrupt when the file ends before `offset`, or what it holds there is not
  // what was written.
  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const;
  // The file stays when the object goes: the agent is closing.
  void keep() { is_kept_ = true; }

 private:
  friend class SegmentStore;
  // Content in a block.
  std::size_t held() const;
  // What the block of a read holds; `room` is for what is opened.
  Result<std::string_view> content_of(std::uint64_t number, const char* block, char* room) const;
  Result<> write_blocks(std::uint64_t first, std::string_view bytes);
  // Writes again what an fsync that failed has perhaps dropped.
  Result<> write_again(std::uint64_t first_byte, std::uint64_t end_byte);

  Disk& disk_;
  const std::string path_;
  const std::uint64_t number_;
  const Form form_;
  const std::unique_ptr<DiskFile> file_;
  const std::shared_ptr<const Sealer> sealer_;
  std::uint64_t size_ = 0;  // of the file, in bytes; SegmentStore's mutex guards these
  std::uint64_t synced_ = 0;
  bool is_name_synced_ = true;
  std::atomic<bool> is_kept_{false};
};

// All segment files of one state directory. Any thread; `sync` one at a time.
//
// After a failed fsync nobody knows what of the file is on disk, and a second fsync may report
// success without having written anything. So the next `sync` first writes anew, in its place, all
// that was not synced, as it reads it from the file and if its sums are right; and moves new files
// to another name and back. What cannot be read any more fails every `sync` until nobody refers to
// the file: it is never acknowledged.
class SegmentStore {
 public:
  // `left_free`: so much of the disk is not for contents.
  static Result<std::unique_ptr<SegmentStore>> open(std::string directory, Disk& disk = real_disk(),
                                                    std::uint64_t left_free = 0, Vault vault = {});
  ~SegmentStore();

  struct Place {
    std::shared_ptr<SegmentFile> file;
    std::uint64_t offset = 0;
  };
  // kFull: no room on the disk.
  Result<Place> append(std::string_view bytes);
  // The file of that number; kNotFound when it is not there.
  Result<std::shared_ptr<SegmentFile>> find(std::uint64_t number);
  // Content in one block of what is appended.
  std::size_t block_content() const;
  // Everything appended before the call is on disk when this returns.
  Result<> sync();
  // Removes the files that nobody refers to: what a crash left behind. After the ledger has read
  // what it refers to.
  void remove_orphans();
  bool has_found() const;  // whether there was any file at open, until then
  struct Aside {
    std::uint64_t kept = 0;  // bytes
    std::uint64_t lost = 0;  // of files that could not be kept
    std::string why;         // of the last of those
  };
  // The same files, but moved into that directory, which is made if it is not there. Where less
  // than `left_free` of the disk is free, the oldest are removed until there is so much.
  Result<Aside> put_aside(const std::string& folder, std::uint64_t left_free);
  // These stay for who uses them, and get a second name in that directory: there they outlive
  // their use. None, where less than `left_free` is free, or the file system has no second names.
  Result<Aside> link_aside(const std::vector<std::shared_ptr<SegmentFile>>& files,
                           const std::string& folder, std::uint64_t left_free);
  std::uint64_t bytes() const;
  // The file that is appended to goes, too, if no content lies in it: on a full disk its room
  // counts.
  void let_go_unused();
  // To the disk, since it was opened, with sums and the ends of blocks.
  std::uint64_t written_bytes() const;
  // From now on files stay: the agent is closing.
  void keep_all();
  // What `find` finds from now on stays whatever becomes of it: for who only looks.
  void keep_found();

 private:
  // What one `sync` has to see to.
  struct Dirty {
    std::shared_ptr<SegmentFile> file;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  SegmentStore(std::string directory, Disk& disk, std::uint64_t left_free, Vault vault)
      : directory_(std::move(directory)),
        disk_(disk),
        left_free_(left_free),
        vault_(std::move(vault)) {}
  std::string path_of(std::uint64_t number, SegmentFile::Form form) const;
  bool is_orphan(const std::string& name) const REQUIRES(mutex_);
  bool has_free(std::uint64_t bytes) const;
  Result<> check_room(std::uint64_t bytes) REQUIRES(mutex_);
  Result<> open_next() REQUIRES(mutex_);
  std::vector<Dirty> dirty() REQUIRES(mutex_);
  Result<> sync_files(const std::vector<Dirty>& files, bool is_again);
  Result<> sync_names(const std::vector<std::shared_ptr<SegmentFile>>& files, bool is_again);

  const std::string directory_;
  Disk& disk_;
  const std::uint64_t left_free_;
  const Vault vault_;
  mutable Mutex mutex_;
  std::uint64_t next_number_ GUARDED_BY(mutex_) = 1;
  std::uint64_t written_bytes_ GUARDED_BY(mutex_) = 0;
  // So much is appended before the disk is asked again what is free.
  std::uint64_t known_room_ GUARDED_BY(mutex_) = 0;
  std::shared_ptr<SegmentFile> current_ GUARDED_BY(mutex_);
  // Full, but not synced; the writer's thread does that, not the one that filled it. What nobody
  // refers to any more need not be.
  std::vector<std::weak_ptr<SegmentFile>> unsynced_ GUARDED_BY(mutex_);
  bool has_failed_ GUARDED_BY(mutex_) = false;  // the last sync
  bool is_keeping_found_ GUARDED_BY(mutex_) = false;
  std::map<std::uint64_t, std::weak_ptr<SegmentFile>> files_ GUARDED_BY(mutex_);
  std::vector<std::string> found_ GUARDED_BY(mutex_);  // names, at open; until remove_orphans
};

// What the blocks of one segment file are worth; of `.blk` and `.enc` files. No key is needed.
struct SegmentCheck {
  std::uint64_t blocks = 0;
  std::uint64_t damaged = 0;
};
Result<SegmentCheck> check_segment(Disk& disk, const std::string& path, std::uint64_t number);

// Bytes that many FlowFiles may refer to. Immutable. Counted by hand: a FlowRecord is copied as it
// is.
class Content {
 public:
  struct Slice {
    Content* of = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  // Each returns one reference.
  static Content* of_bytes(std::string_view bytes);
  static Content* of_segment(SegmentStore::Place place, std::uint64_t size);
  static Content* of_slices(const std::vector<Slice>& slices);  // retains each

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  std::uint64_t size() const { return size_; }
  // What it holds in memory.
  std::uint64_t memory_bytes() const;
  bool is_in_memory() const { return kind_ == Kind::kMemory; }
  // REQUIRES: is_in_memory.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this + 1), size_}; }
  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const;
  // Visits the pieces of [offset, offset + size) in order: bytes in memory, or a place in a segment
  // file.
  struct Piece {
    std::string_view bytes;  // when `file` is nullptr
    std::shared_ptr<SegmentFile> file;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };
  void each_piece(std::uint64_t offset, std::uint64_t size,
                  const std::function<void(const Piece&)>& visit) const;

 private:
  enum class Kind : std::uint8_t { kMemory, kSegment, kRope };
  struct Segment;
  struct Rope;
  Content(Kind kind, std::uint64_t size) : kind_(kind), size_(size) {}

  std::atomic<std::uint32_t> refs_{1};
  const Kind kind_;
  const std::uint64_t size_;
};

// Reads a slice from front to back; after an error it stands where it stood.
std::unique_ptr<ContentReader> reader_of(Content* content, std::uint64_t offset,
                                         std::uint64_t size);

// Collects bytes; what is above kSmallContentMax goes to segment files as it comes, but for a last
// part that would leave most of a block empty: that stays in memory, and goes into the batch.
class ContentBuilder {
 public:
  explicit ContentBuilder(SegmentStore& segments) : segments_(segments) {}
  ContentBuilder(const ContentBuilder&) = delete;
  ContentBuilder& operator=(const ContentBuilder&) = delete;

  Result<> write(std::string_view bytes);
  // One reference, or nullptr when nothing was written.
  Result<Content*> finish();

 private:
  Result<> spill(std::size_t size);

  SegmentStore& segments_;
  // A stretch of one segment file: others may write in between.
  struct Run {
    SegmentStore::Place place;
    std::uint64_t size;
  };
  std::string pending_;
  std::vector<Run> runs_;
};

// Content that grows outside of sessions.
class SegmentDraft final : public ContentDraft {
 public:
  explicit SegmentDraft(SegmentStore& segments) : builder_(segments) {}
  ~SegmentDraft() override;

  Result<> write(std::string_view bytes) override;
  std::uint64_t size() const override { return size_; }
  // One reference more, or nullptr when nothing was written. From now on it is what it is.
  Result<Content*> content();

 private:
  ContentBuilder builder_;
  std::uint64_t size_ = 0;
  bool is_finished_ = false;
  Content* content_ = nullptr;
};

// The references that a copy of a record holds: to its attributes and to its content. Any thread.
void retain(const FlowRecord& record);
void release(const FlowRecord& record);

}  // namespace runnel
