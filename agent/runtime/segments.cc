// The segment files: blocks with their sums, appended, synced, read.

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/log.h"
#include "agent/runtime/content.h"

namespace runnel {
namespace {

constexpr std::uint64_t kSegmentSize = 64 << 20;
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kSum = sizeof(std::uint32_t);
constexpr std::size_t kHeld = kBlock - kSum;                  // what the sum is over
constexpr std::size_t kHidden = kHeld - Sealer::kExtraBytes;  // content in a sealed block
constexpr std::size_t kBlocksAtOnce = 16;                     // read and checked together
constexpr std::string_view kBlocksEnding = ".blk";
constexpr std::string_view kSealedEnding = ".enc";
constexpr std::string_view kPlainEnding = ".seg";
constexpr std::string_view kMovedEnding = ".moved";
constexpr std::string_view kNoRoom = "the disk has no room to keep them";

std::uint32_t sum_of(std::uint64_t file, std::uint64_t block, std::string_view held) {
  std::array<char, 16> where{};
  for (std::size_t i = 0; i < 8; ++i) {
    where[i] = static_cast<char>(file >> (8 * i));
    where[8 + i] = static_cast<char>(block >> (8 * i));
  }
  return crc32c(held, crc32c({where.data(), where.size()}));
}

void put_sum(char* at, std::uint32_t sum) {
  for (std::size_t i = 0; i < kSum; ++i) at[i] = static_cast<char>(sum >> (8 * i));
}

std::uint32_t sum_at(const char* at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < kSum; ++i)
    sum |= std::uint32_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return sum;
}

}  // namespace

// ---- one file

SegmentFile::~SegmentFile() {
  if (!is_kept_) static_cast<void>(disk_.remove(path_).ok());  // what stays is an orphan
}

std::size_t SegmentFile::held() const { return form_ == Form::kSealed ? kHidden : kHeld; }

Result<std::string_view> SegmentFile::content_of(std::uint64_t number, const char* block,
                                                 char* room) const {
  if (sum_at(block + kHeld) != sum_of(number_, number, {block, kHeld})) {
    return corrupt("segment `" + path_ + "`: block " + std::to_string(number) +
                   " is not what was written");
  }
  if (form_ != Form::kSealed) return std::string_view(block, kHeld);
  if (sealer_ == nullptr) return invalid("segment `" + path_ + "` is encrypted; no key is given");
  TRY(sealer_->open_into(room, {block, kHeld}, place_of("segment", number_, number))
          .within("segment `" + path_ + "`"));
  return std::string_view(room, kHidden);
}

Result<std::size_t> SegmentFile::read_at(std::uint64_t offset, char* into, std::size_t size) const {
  if (size == 0) return std::size_t{0};
  if (form_ == Form::kPlain) {
    TRY_ASSIGN(got, file_->read_at(offset, into, size));
    if (got == 0)
      return corrupt("segment `" + path_ + "` ends before byte " + std::to_string(offset));
    return got;
  }
  const std::size_t in_block = held();
  const std::uint64_t first = offset / in_block;
  auto skip = static_cast<std::size_t>(offset % in_block);
  std::array<char, kBlock * kBlocksAtOnce> blocks;
  std::array<char, kHidden> room;
  const std::size_t wanted =
      std::min((skip + size + in_block - 1) / in_block, kBlocksAtOnce) * kBlock;
  TRY_ASSIGN(there, read_whole_at(*file_, first * kBlock, blocks.data(), wanted));
  std::size_t done = 0;
  for (std::size_t i = 0; i < there / kBlock && done < size; ++i) {
    const Result<std::string_view> content =
        content_of(first + i, blocks.data() + i * kBlock, room.data());
    if (!content.ok() && done > 0) return done;
    TRY(content);
    const std::size_t part = std::min(in_block - skip, size - done);
    std::memcpy(into + done, content->data() + skip, part);
    done += part;
    skip = 0;
  }
  if (done == 0)
    return corrupt("segment `" + path_ + "` ends before byte " + std::to_string(offset));
  return done;
}

Result<> SegmentFile::write_blocks(std::uint64_t first, std::string_view bytes) {
  const std::size_t in_block = held();
  std::string blocks((bytes.size() + in_block - 1) / in_block * kBlock, '\0');
  std::string whole;  // a last block is filled with zeros before it is sealed
  for (std::size_t i = 0; i * in_block < bytes.size(); ++i) {
    char* const block = blocks.data() + i * kBlock;
    const std::string_view content = bytes.substr(i * in_block, in_block);
    if (form_ == Form::kSealed) {
      whole = content;
      whole.resize(in_block, '\0');
      sealer_->seal_into(block, whole, place_of("segment", number_, first + i));
    } else {
      std::memcpy(block, content.data(), content.size());
    }
    put_sum(block + kHeld, sum_of(number_, first + i, {block, kHeld}));
  }
  TRY(file_->write_at(first * kBlock, blocks));
  size_ += blocks.size();
  return {};
}

Result<> SegmentFile::write_again(std::uint64_t first_byte, std::uint64_t end_byte) {
  std::string blocks(kBlock * kBlocksAtOnce, '\0');
  for (std::uint64_t at = first_byte; at < end_byte;) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(blocks.size(), end_byte - at));
    TRY_ASSIGN(there, read_whole_at(*file_, at, blocks.data(), wanted));
    bool is_right = there == wanted;
    for (std::size_t i = 0; is_right && i < wanted / kBlock; ++i) {
      const char* const block = blocks.data() + i * kBlock;
      is_right = sum_at(block + kHeld) == sum_of(number_, at / kBlock + i, {block, kHeld});
    }
    if (!is_right) {
      return unavailable("what an fsync of `" + path_ +
                         "` has lost cannot be read again; sources give it again after a restart");
    }
    TRY(file_->write_at(at, std::string_view(blocks).substr(0, wanted)));
    at += wanted;
  }
  return {};
}

Result<SegmentCheck> check_segment(Disk& disk, const std::string& path, std::uint64_t number) {
  TRY_ASSIGN(file, disk.open(path));
  TRY_ASSIGN(size, file->size());
  SegmentCheck check;
  std::string block(kBlock, '\0');
  for (std::uint64_t at = 0; at < size; at += kBlock, ++check.blocks) {
    TRY_ASSIGN(there, read_whole_at(*file, at, block.data(), kBlock));
    const std::string_view held = std::string_view(block).substr(0, kHeld);
    if (there < kBlock || sum_at(block.data() + kHeld) != sum_of(number, at / kBlock, held))
      ++check.damaged;
  }
  return check;
}

// ---- all of them

Result<std::unique_ptr<SegmentStore>> SegmentStore::open(std::string directory, Disk& disk,
                                                         std::uint64_t left_free, Vault vault) {
  TRY(disk.make_directory(directory));
  TRY_ASSIGN(names, disk.list(directory));
  std::unique_ptr<SegmentStore> store(
      new SegmentStore(std::move(directory), disk, left_free, std::move(vault)));
  Lock lock(store->mutex_);
  for (const std::string& name : names) {
    const Result<std::int64_t> number = parse_int(name.substr(0, name.find('.')));
    const std::string ending = name.substr(std::min(name.find('.'), name.size()));
    const std::string_view kept = std::string_view(ending).substr(
        0, ending.size() - (ending.ends_with(kMovedEnding) ? kMovedEnding.size() : 0));
    const bool is_ours = kept == kBlocksEnding || kept == kSealedEnding || ending == kPlainEnding;
    if (!is_ours || !number.ok() || *number < 0) continue;
    store->found_.push_back(name);
    store->next_number_ = std::max(store->next_number_, static_cast<std::uint64_t>(*number) + 1);
  }
  return store;
}

SegmentStore::~SegmentStore() { keep_all(); }

std::string SegmentStore::path_of(std::uint64_t number, SegmentFile::Form form) const {
  const std::string_view ending = form == SegmentFile::Form::kBlocks   ? kBlocksEnding
                                  : form == SegmentFile::Form::kSealed ? kSealedEnding
                                                                       : kPlainEnding;
  return directory_ + "/" + std::to_string(number) + std::string(ending);
}

std::size_t SegmentStore::block_content() const { return vault_.seals ? kHidden : kHeld; }

Result<> SegmentStore::open_next() {
  const std::uint64_t number = next_number_++;
  const SegmentFile::Form form =
      vault_.seals ? SegmentFile::Form::kSealed : SegmentFile::Form::kBlocks;
  const std::string path = path_of(number, form);
  TRY_ASSIGN(file, disk_.make(path));
  if (current_ && (current_->synced_ < current_->size_ || !current_->is_name_synced_))
    unsynced_.push_back(current_);
  current_ =
      std::make_shared<SegmentFile>(disk_, path, number, form, std::move(file), vault_.sealer);
  current_->is_name_synced_ = false;
  std::erase_if(files_, [](const auto& known) { return known.second.expired(); });
  files_[number] = current_;
  return {};
}

// The disk is asked once for a share of what is free, the sooner again the fuller it is: a call for
// each append costs as much as a small append. What others take meanwhile a write meets.
Result<> SegmentStore::check_room(std::uint64_t bytes) {
  constexpr std::uint64_t kShare = 16;
  constexpr std::uint64_t kKnownMax = 4 << 20;
  if (left_free_ == 0) return {};
  if (known_room_ >= bytes) {
    known_room_ -= bytes;
    return {};
  }
  known_room_ = 0;
  const Result<std::uint64_t> left = disk_.free_bytes(directory_);
  if (!left.ok()) return {};
  if (*left < left_free_ + bytes)
    return full("no room for content: the disk of `" + directory_ + "` is full");
  known_room_ = std::min((*left - left_free_ - bytes) / kShare, kKnownMax);
  return {};
}

Result<SegmentStore::Place> SegmentStore::append(std::string_view bytes) {
  Lock lock(mutex_);
  TRY(check_room(bytes.size()));
  if (!current_ || current_->size_ + bytes.size() > kSegmentSize) TRY(open_next());
  const std::uint64_t block = current_->size_ / kBlock;
  const std::uint64_t before = current_->size_;
  TRY(current_->write_blocks(block, bytes));
  written_bytes_ += current_->size_ - before;
  return Place{current_, block * current_->held()};
}

void SegmentStore::let_go_unused() {
  Lock lock(mutex_);
  // Nobody can come by it any more but through here.
  if (current_.use_count() == 1) current_.reset();
}

Result<std::shared_ptr<SegmentFile>> SegmentStore::find(std::uint64_t number) {
  Lock lock(mutex_);
  if (const auto known = files_.find(number); known != files_.end()) {
    if (std::shared_ptr<SegmentFile> file = known->second.lock()) return file;
  }
  SegmentFile::Form form = SegmentFile::Form::kBlocks;
  Result<std::unique_ptr<DiskFile>> opened = disk_.open(path_of(number, form));
  for (const auto other : {SegmentFile::Form::kSealed, SegmentFile::Form::kPlain}) {
    if (opened.ok() || opened.code() != Code::kNotFound) break;
    form = other;
    opened = disk_.open(path_of(number, form));
  }
  if (!opened.ok()) return opened.error();
  TRY_ASSIGN(size, (*opened)->size());
  auto file = std::make_shared<SegmentFile>(disk_, path_of(number, form), number, form,
                                            std::move(*opened), vault_.sealer);
  file->size_ = size;
  file->synced_ = size;
  if (is_keeping_found_) file->keep();
  files_[number] = file;
  return file;
}

std::vector<SegmentStore::Dirty> SegmentStore::dirty() {
  std::vector<Dirty> all;
  const auto add = [&all](std::shared_ptr<SegmentFile> file) {
    if (!file || (file->synced_ == file->size_ && file->is_name_synced_)) return;
    const std::uint64_t from = file->synced_;
    const std::uint64_t to = file->size_;
    all.push_back({std::move(file), from, to});
  };
  for (const std::weak_ptr<SegmentFile>& weak : unsynced_) add(weak.lock());
  add(current_);
  return all;
}

Result<> SegmentStore::sync_files(const std::vector<Dirty>& files, bool is_again) {
  for (const Dirty& one : files) {
    if (one.from == one.to) continue;
    if (is_again) TRY(one.file->write_again(one.from, one.to));
    TRY(one.file->file_->sync());
  }
  return {};
}

Result<> SegmentStore::sync_names(const std::vector<std::shared_ptr<SegmentFile>>& files,
                                  bool is_again) {
  if (files.empty()) return {};
  for (const std::shared_ptr<SegmentFile>& file : files) {
    if (!is_again) break;
    const std::string moved = file->path_ + std::string(kMovedEnding);
    const Result<> away = disk_.rename(file->path_, moved);
    // An earlier try may have ended between the two.
    if (!away.ok() && away.code() != Code::kNotFound) return away;
    TRY(disk_.rename(moved, file->path_));
  }
  return disk_.sync_directory(directory_);
}

Result<> SegmentStore::sync() {
  std::vector<Dirty> files;
  std::vector<std::shared_ptr<SegmentFile>> unnamed;
  bool is_again = false;
  {
    Lock lock(mutex_);
    files = dirty();
    for (const Dirty& one : files) {
      if (!one.file->is_name_synced_) unnamed.push_back(one.file);
    }
    is_again = std::exchange(has_failed_, false);
  }
  Result<> synced = sync_files(files, is_again);
  if (synced.ok()) synced = sync_names(unnamed, is_again);
  Lock lock(mutex_);
  if (!synced.ok()) {
    has_failed_ = true;
    return synced;
  }
  for (const Dirty& one : files) {
    one.file->synced_ = std::max(one.file->synced_, one.to);
    one.file->is_name_synced_ = true;
  }
  std::erase_if(unsynced_, [](const std::weak_ptr<SegmentFile>& weak) {
    const std::shared_ptr<SegmentFile> file = weak.lock();
    return !file || (file->synced_ == file->size_ && file->is_name_synced_);
  });
  return {};
}

bool SegmentStore::is_orphan(const std::string& name) const {
  const Result<std::int64_t> number = parse_int(name.substr(0, name.find('.')));
  const auto known = files_.find(static_cast<std::uint64_t>(*number));
  if (known == files_.end()) return true;
  const std::shared_ptr<SegmentFile> file = known->second.lock();
  return !file || file->path_ != directory_ + "/" + name;
}

bool SegmentStore::has_found() const {
  Lock lock(mutex_);
  return !found_.empty();
}

void SegmentStore::remove_orphans() {
  Lock lock(mutex_);
  for (const std::string& name : found_) {
    if (is_orphan(name))
      static_cast<void>(disk_.remove(directory_ + "/" + name).ok());  // the next start tries again
  }
  found_.clear();
}

bool SegmentStore::has_free(std::uint64_t bytes) const {
  const Result<std::uint64_t> left = disk_.free_bytes(directory_);
  return !left.ok() || *left >= bytes;
}

Result<SegmentStore::Aside> SegmentStore::put_aside(const std::string& folder,
                                                    std::uint64_t left_free) {
  Lock lock(mutex_);
  const auto number_of = [](const std::string& name) {
    return parse_int(name.substr(0, name.find('.'))).value_or(0);
  };
  std::sort(found_.begin(), found_.end(), [&](const std::string& a, const std::string& b) {
    return number_of(a) < number_of(b);
  });
  Aside aside;
  for (const std::string& name : found_) {
    if (!is_orphan(name)) continue;
    const std::string path = directory_ + "/" + name;
    TRY_ASSIGN(file, disk_.open(path));
    TRY_ASSIGN(size, file->size());
    if (size == 0) continue;
    file.reset();
    if (!has_free(left_free)) {
      TRY(disk_.remove(path));
      aside.lost += size;
      aside.why = kNoRoom;
      continue;
    }
    if (aside.kept == 0) TRY(disk_.make_directory(folder));
    TRY(disk_.rename(path, folder + "/" + name));
    aside.kept += size;
  }
  if (aside.kept == 0) return aside;
  TRY(disk_.sync_directory(folder));
  TRY(disk_.sync_directory(directory_));
  return aside;
}

Result<SegmentStore::Aside> SegmentStore::link_aside(
    const std::vector<std::shared_ptr<SegmentFile>>& files, const std::string& folder,
    std::uint64_t left_free) {
  Lock lock(mutex_);
  Aside aside;
  for (const std::shared_ptr<SegmentFile>& file : files) {
    Result<> linked = full(std::string(kNoRoom));
    const std::string path = folder + file->path_.substr(directory_.size());
    if (disk_.identity(path) != 0) continue;  // an earlier call has done it
    if (has_free(left_free)) {
      TRY(disk_.make_directory(folder));
      linked = disk_.link(file->path_, path);
    }
    (linked.ok() ? aside.kept : aside.lost) += file->size_;
    if (!linked.ok()) aside.why = linked.error().text();
  }
  if (aside.kept != 0) TRY(disk_.sync_directory(folder));
  return aside;
}

std::uint64_t SegmentStore::bytes() const {
  Lock lock(mutex_);
  std::uint64_t total = 0;
  for (const auto& [number, weak] : files_) {
    if (const std::shared_ptr<SegmentFile> file = weak.lock()) total += file->size_;
  }
  return total;
}

void SegmentStore::keep_found() {
  Lock lock(mutex_);
  is_keeping_found_ = true;
}

std::uint64_t SegmentStore::written_bytes() const {
  Lock lock(mutex_);
  return written_bytes_;
}

void SegmentStore::keep_all() {
  Lock lock(mutex_);
  for (const auto& [number, weak] : files_) {
    if (const std::shared_ptr<SegmentFile> file = weak.lock()) file->keep();
  }
}

}  // namespace runnel
