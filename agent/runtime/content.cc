// Contents and the segment files that hold the large ones.

#include "agent/runtime/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>

#include "agent/base/bytes.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

constexpr std::uint64_t kSegmentSize = 64 << 20;
constexpr std::size_t kSpill = 256 << 10;
constexpr std::string_view kEnding = ".seg";

Error file_error(const std::string& path, std::string_view what) {
  const int number = errno;
  std::string text = std::string(what) + " `" + path + "`: " + std::strerror(number);
  return number == ENOSPC || number == EDQUOT ? full(std::move(text))
                                              : unavailable(std::move(text));
}

}  // namespace

// ---- segment files

SegmentFile::~SegmentFile() {
  ::close(descriptor_);
  if (!is_kept_) ::unlink(path_.c_str());
}

Result<std::size_t> SegmentFile::read_at(std::uint64_t offset, char* into, std::size_t size) const {
  while (true) {
    const ssize_t got = ::pread(descriptor_, into, size, static_cast<off_t>(offset));
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0)
      return corrupt("segment `" + path_ + "` ends before byte " + std::to_string(offset));
    if (errno != EINTR) return file_error(path_, "reading");
  }
}

Result<std::unique_ptr<SegmentStore>> SegmentStore::open(std::string directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return file_error(directory, "making");
  std::unique_ptr<SegmentStore> store(new SegmentStore(std::move(directory)));
  DIR* const dir = ::opendir(store->directory_.c_str());
  if (dir == nullptr) return file_error(store->directory_, "opening");
  Lock lock(store->mutex_);
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (!name.ends_with(kEnding)) continue;
    const Result<std::int64_t> number = parse_int(name.substr(0, name.size() - kEnding.size()));
    if (!number.ok() || *number < 0) continue;
    store->found_.push_back(static_cast<std::uint64_t>(*number));
    store->next_number_ = std::max(store->next_number_, static_cast<std::uint64_t>(*number) + 1);
  }
  ::closedir(dir);
  return store;
}

SegmentStore::~SegmentStore() { keep_all(); }

std::string SegmentStore::path_of(std::uint64_t number) const {
  return directory_ + "/" + std::to_string(number) + std::string(kEnding);
}

Result<> SegmentStore::open_next() {
  const std::uint64_t number = next_number_++;
  const std::string path = path_of(number);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return file_error(path, "making");
  is_directory_dirty_ = true;
  current_ = std::make_shared<SegmentFile>(path, number, descriptor, 0);
  files_[number] = current_;
  return {};
}

Result<SegmentStore::Place> SegmentStore::append(std::string_view bytes) {
  Lock lock(mutex_);
  if (!current_ || current_->size_ + bytes.size() > kSegmentSize) {
    // The full one is synced before it is left, so that `sync` has only the current one to look
    // after.
    if (current_ && current_->synced_ < current_->size_ &&
        ::fdatasync(current_->descriptor_) != 0) {
      return file_error(current_->path_, "fsync of");
    }
    TRY(open_next());
  }
  const Place place{current_, current_->size_};
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(current_->descriptor_, bytes.data(), bytes.size(),
                                     static_cast<off_t>(current_->size_));
    if (written < 0) {
      if (errno == EINTR) continue;
      return file_error(current_->path_, "writing");
    }
    current_->size_ += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return place;
}

Result<std::shared_ptr<SegmentFile>> SegmentStore::find(std::uint64_t number) {
  Lock lock(mutex_);
  if (std::shared_ptr<SegmentFile> known = files_[number].lock()) return known;
  const std::string path = path_of(number);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return not_found("segment `" + path + "` is missing");
    return file_error(path, "opening");
  }
  struct stat status {};
  ::fstat(descriptor, &status);
  auto file = std::make_shared<SegmentFile>(path, number, descriptor,
                                            static_cast<std::uint64_t>(status.st_size));
  file->synced_ = file->size_;
  files_[number] = file;
  return file;
}

Result<> SegmentStore::sync() {
  std::shared_ptr<SegmentFile> file;
  std::uint64_t size = 0;
  bool is_directory_dirty = false;
  {
    Lock lock(mutex_);
    const bool is_synced = !current_ || current_->synced_ == current_->size_;
    if (is_synced && !is_directory_dirty_) return {};
    file = current_;
    size = file->size_;
    is_directory_dirty = std::exchange(is_directory_dirty_, false);
  }
  if (::fdatasync(file->descriptor_) != 0) return file_error(file->path_, "fsync of");
  if (is_directory_dirty) {
    const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = directory >= 0 && ::fsync(directory) == 0;
    if (directory >= 0) ::close(directory);
    if (!is_synced) {
      Lock lock(mutex_);
      is_directory_dirty_ = true;
      return file_error(directory_, "fsync of");
    }
  }
  Lock lock(mutex_);
  file->synced_ = std::max(file->synced_, size);
  return {};
}

void SegmentStore::remove_orphans() {
  Lock lock(mutex_);
  for (const std::uint64_t number : found_) {
    const auto known = files_.find(number);
    if (known != files_.end() && !known->second.expired()) continue;
    ::unlink(path_of(number).c_str());
  }
  found_.clear();
}

std::uint64_t SegmentStore::bytes() const {
  Lock lock(mutex_);
  std::uint64_t total = 0;
  for (const auto& [number, weak] : files_) {
    if (const std::shared_ptr<SegmentFile> file = weak.lock()) total += file->size_;
  }
  return total;
}

void SegmentStore::keep_all() {
  Lock lock(mutex_);
  for (const auto& [number, weak] : files_) {
    if (const std::shared_ptr<SegmentFile> file = weak.lock()) file->keep();
  }
}

// ---- contents

struct Content::Segment : Content {
  Segment(SegmentStore::Place where, std::uint64_t size)
      : Content(Kind::kSegment, size), place(std::move(where)) {}
  SegmentStore::Place place;
};

struct Content::Rope : Content {
  explicit Rope(std::uint64_t size) : Content(Kind::kRope, size) {}
  std::vector<Slice> slices;
  std::vector<std::uint64_t> begins;
};

Content* Content::of_bytes(std::string_view bytes) {
  void* const memory = std::malloc(sizeof(Content) + bytes.size());
  RUNNEL_ASSERT(memory != nullptr);
  auto* const content = new (memory) Content(Kind::kMemory, bytes.size());
  if (!bytes.empty()) std::memcpy(reinterpret_cast<char*>(content + 1), bytes.data(), bytes.size());
  return content;
}

Content* Content::of_segment(SegmentStore::Place place, std::uint64_t size) {
  return new Segment(std::move(place), size);
}

Content* Content::of_slices(const std::vector<Slice>& slices) {
  std::uint64_t size = 0;
  for (const Slice& slice : slices) size += slice.size;
  auto* const rope = new Rope(size);
  std::uint64_t begin = 0;
  for (const Slice& slice : slices) {
    if (slice.size == 0) continue;
    slice.of->retain();
    rope->slices.push_back(slice);
    rope->begins.push_back(begin);
    begin += slice.size;
  }
  return rope;
}

void Content::release() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  switch (kind_) {
    case Kind::kMemory:
      std::free(this);
      return;
    case Kind::kSegment:
      delete static_cast<Segment*>(this);
      return;
    case Kind::kRope: {
      auto* const rope = static_cast<Rope*>(this);
      for (const Slice& slice : rope->slices) slice.of->release();
      delete rope;
      return;
    }
  }
}

std::uint64_t Content::memory_bytes() const {
  if (kind_ == Kind::kMemory) return size_;
  if (kind_ == Kind::kSegment) return sizeof(Segment);
  std::uint64_t bytes = sizeof(Rope);
  for (const Slice& slice : static_cast<const Rope*>(this)->slices)
    bytes += sizeof(Slice) + slice.of->memory_bytes();
  return bytes;
}

Result<std::size_t> Content::read_at(std::uint64_t offset, char* into, std::size_t size) const {
  if (offset >= size_) return std::size_t{0};
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset));
  switch (kind_) {
    case Kind::kMemory:
      std::memcpy(into, bytes().data() + offset, size);
      return size;
    case Kind::kSegment: {
      const SegmentStore::Place& place = static_cast<const Segment*>(this)->place;
      return place.file->read_at(place.offset + offset, into, size);
    }
    case Kind::kRope: {
      const auto& rope = *static_cast<const Rope*>(this);
      const auto after = std::upper_bound(rope.begins.begin(), rope.begins.end(), offset);
      const auto at = static_cast<std::size_t>(after - rope.begins.begin()) - 1;
      const Slice& slice = rope.slices[at];
      const std::uint64_t inside = offset - rope.begins[at];
      return slice.of->read_at(
          slice.offset + inside, into,
          static_cast<std::size_t>(std::min<std::uint64_t>(size, slice.size - inside)));
    }
  }
  return std::size_t{0};
}

void Content::each_piece(std::uint64_t offset, std::uint64_t size,
                         const std::function<void(const Piece&)>& visit) const {
  if (size == 0) return;
  switch (kind_) {
    case Kind::kMemory:
      visit({bytes().substr(offset, size), nullptr, 0, size});
      return;
    case Kind::kSegment: {
      const SegmentStore::Place& place = static_cast<const Segment*>(this)->place;
      visit({{}, place.file, place.offset + offset, size});
      return;
    }
    case Kind::kRope: {
      const auto& rope = *static_cast<const Rope*>(this);
      for (std::size_t i = 0; i < rope.slices.size(); ++i) {
        const std::uint64_t from = std::max(offset, rope.begins[i]);
        const std::uint64_t to = std::min(offset + size, rope.begins[i] + rope.slices[i].size);
        if (from >= to) continue;
        rope.slices[i].of->each_piece(rope.slices[i].offset + from - rope.begins[i], to - from,
                                      visit);
      }
      return;
    }
  }
}

namespace {

class SliceReader final : public ContentReader {
 public:
  SliceReader(Content* content, std::uint64_t offset, std::uint64_t size)
      : content_(content), at_(offset), end_(offset + size) {
    if (content_ != nullptr) content_->retain();
  }
  ~SliceReader() override {
    if (content_ != nullptr) content_->release();
  }

  Result<std::size_t> read(std::span<char> into) override {
    std::size_t filled = 0;
    while (filled < into.size() && at_ < end_) {
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(into.size() - filled, end_ - at_));
      TRY_ASSIGN(got, content_->read_at(at_, into.data() + filled, wanted));
      if (got == 0) return corrupt("content ends early");
      filled += got;
      at_ += got;
    }
    return filled;
  }

 private:
  Content* const content_;
  std::uint64_t at_;
  const std::uint64_t end_;
};

}  // namespace

std::unique_ptr<ContentReader> reader_of(Content* content, std::uint64_t offset,
                                         std::uint64_t size) {
  return std::make_unique<SliceReader>(content, offset, size);
}

ContentBuilder::~ContentBuilder() {
  for (const Content::Slice& part : parts_) part.of->release();
}

Result<> ContentBuilder::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t take = std::min(bytes.size(), kSpill - pending_.size());
    pending_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (pending_.size() == kSpill) TRY(spill());
  }
  return {};
}

Result<> ContentBuilder::spill() {
  TRY_ASSIGN(place, segments_.append(pending_));
  parts_.push_back({Content::of_segment(std::move(place), pending_.size()), 0, pending_.size()});
  pending_.clear();
  return {};
}

Result<Content*> ContentBuilder::finish() {
  if (parts_.empty() && pending_.size() <= kSmallContentMax) {
    return pending_.empty() ? nullptr : Content::of_bytes(pending_);
  }
  if (!pending_.empty()) TRY(spill());
  if (parts_.size() == 1) {
    Content* const only = parts_[0].of;
    parts_.clear();
    return only;
  }
  return Content::of_slices(parts_);
}

}  // namespace runnel
