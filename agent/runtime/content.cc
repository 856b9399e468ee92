// Contents: bytes in memory, in segment files, or ropes of both; building and reading them.

#include "agent/runtime/content.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>

#include "agent/runtime/attributes.h"
#include "agent/runtime/block_cache.h"

namespace runnel {
namespace {

constexpr std::size_t kSpill = 64 * 4092;  // whole blocks of a segment file
// 32 KiB would else be written as 36: a block's sum takes 4 bytes of it.
constexpr std::size_t kTailMax = 2048;

}  // namespace

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
  void* const memory = take_block(sizeof(Content) + bytes.size());
  auto* const content = new (memory) Content(Kind::kMemory, bytes.size());
  if (!bytes.empty()) std::memcpy(reinterpret_cast<char*>(content + 1), bytes.data(), bytes.size());
  return content;
}

Content* Content::of_segment(SegmentStore::Place place, std::uint64_t size) {
  return new Segment(std::move(place), size);
}

Content* Content::of_slices(const std::vector<Slice>& slices) {
  // Ropes stay flat: a merge of merges of merges is as deep as one.
  std::vector<Slice> flat;
  for (const Slice& slice : slices) {
    if (slice.size == 0) continue;
    if (slice.of->kind_ != Kind::kRope) {
      flat.push_back(slice);
      continue;
    }
    const auto& inner = *static_cast<const Rope*>(slice.of);
    for (std::size_t i = 0; i < inner.slices.size(); ++i) {
      const std::uint64_t from = std::max(slice.offset, inner.begins[i]);
      const std::uint64_t to =
          std::min(slice.offset + slice.size, inner.begins[i] + inner.slices[i].size);
      if (from >= to) continue;
      const Slice& part = inner.slices[i];
      flat.push_back({part.of, part.offset + from - inner.begins[i], to - from});
    }
  }
  std::uint64_t size = 0;
  for (const Slice& slice : flat) size += slice.size;
  auto* const rope = new Rope(size);
  std::uint64_t begin = 0;
  for (const Slice& slice : flat) {
    slice.of->retain();
    rope->begins.push_back(begin);
    begin += slice.size;
  }
  rope->slices = std::move(flat);
  return rope;
}

void Content::release() {
  const bool is_ours = refs_.load(std::memory_order_acquire) == 1;
  if (!is_ours && refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  switch (kind_) {
    case Kind::kMemory:
      give_block(this, sizeof(Content) + size_);
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
      : content_(content), begin_(offset), at_(offset), end_(offset + size) {
    if (content_ != nullptr) content_->retain();
  }
  ~SliceReader() override {
    if (content_ != nullptr) content_->release();
  }

  Result<std::size_t> read(std::span<char> into) override {
    std::size_t filled = 0;
    while (filled < into.size() && at_ + filled < end_) {
      const auto wanted = static_cast<std::size_t>(
          std::min<std::uint64_t>(into.size() - filled, end_ - at_ - filled));
      TRY_ASSIGN(got, content_->read_at(at_ + filled, into.data() + filled, wanted));
      if (got == 0) return corrupt("content ends early");
      filled += got;
    }
    at_ += filled;
    return filled;
  }
  void rewind() override { at_ = begin_; }

 private:
  Content* const content_;
  const std::uint64_t begin_;
  std::uint64_t at_;
  const std::uint64_t end_;
};

}  // namespace

std::unique_ptr<ContentReader> reader_of(Content* content, std::uint64_t offset,
                                         std::uint64_t size) {
  return std::make_unique<SliceReader>(content, offset, size);
}

Result<> ContentBuilder::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t take = std::min(bytes.size(), kSpill - pending_.size());
    pending_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (pending_.size() == kSpill) TRY(spill(kSpill));
  }
  return {};
}

Result<> ContentBuilder::spill(std::size_t size) {
  TRY_ASSIGN(place, segments_.append(std::string_view(pending_).substr(0, size)));
  if (!runs_.empty() && runs_.back().place.file == place.file &&
      runs_.back().place.offset + runs_.back().size == place.offset) {
    runs_.back().size += size;
  } else {
    runs_.push_back({std::move(place), size});
  }
  pending_.erase(0, size);
  return {};
}

Result<Content*> ContentBuilder::finish() {
  if (runs_.empty() && pending_.size() <= kSmallContentMax) {
    return pending_.empty() ? nullptr : Content::of_bytes(pending_);
  }
  const std::size_t rest = pending_.size() % segments_.block_content();
  const bool has_tail = rest > 0 && rest <= kTailMax;
  if (const std::size_t whole = pending_.size() - (has_tail ? rest : 0); whole > 0)
    TRY(spill(whole));
  std::vector<Content::Slice> parts;
  for (Run& run : runs_)
    parts.push_back({Content::of_segment(std::move(run.place), run.size), 0, run.size});
  runs_.clear();
  if (has_tail) parts.push_back({Content::of_bytes(pending_), 0, rest});
  pending_.clear();
  if (parts.size() == 1) return parts[0].of;
  Content* const whole = Content::of_slices(parts);
  for (const Content::Slice& part : parts) part.of->release();
  return whole;
}

SegmentDraft::~SegmentDraft() {
  if (content_ != nullptr) content_->release();
}

Result<> SegmentDraft::write(std::string_view bytes) {
  RUNNEL_ASSERT(!is_finished_);
  TRY(builder_.write(bytes));
  size_ += bytes.size();
  return {};
}

Result<Content*> SegmentDraft::content() {
  if (!is_finished_) {
    TRY_ASSIGN(finished, builder_.finish());
    content_ = finished;
    is_finished_ = true;
  }
  if (content_ != nullptr) content_->retain();
  return content_;
}

void retain(const FlowRecord& record) {
  if (record.attributes != nullptr) record.attributes->retain();
  if (record.content != nullptr) record.content->retain();
}

void release(const FlowRecord& record) {
  if (record.attributes != nullptr) record.attributes->release();
  if (record.content != nullptr) record.content->release();
}

}  // namespace runnel
