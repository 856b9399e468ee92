// Any bytes as places in segment files and as slices of slices of them.
//
// A segment file has no form of its own: what a dead disk can say about it is where a content lies
// in it, and the name and the size that the file has. A place outside of the file is kCorrupt when
// it is read; all else reads as a model has it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/content.h"
#include "agent/runtime/varint.h"
#include "tests/support/forgetful_vfs.h"

namespace {

using runnel::Code;
using runnel::Content;
using runnel::Result;

constexpr std::size_t kFileSize = 3000;
constexpr std::uint64_t kPlaceMax = std::uint64_t{1} << 38;  // a batch has none beyond it
constexpr std::size_t kStepsMax = 32;
constexpr std::size_t kSizeMax = 1 << 16;  // of a content; a rope of ropes doubles in every step

void must(bool holds) {
  if (!holds) std::abort();
}

std::string file_text() {
  std::string text(kFileSize, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

class Contents {
 public:
  explicit Contents(std::shared_ptr<runnel::SegmentFile> file) : file_(std::move(file)) {}
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;
  ~Contents() {
    for (const Known& known : known_) known.content->release();
  }

  // One content, of what the bytes say.
  void make(std::string_view& bytes) {
    const std::uint64_t form = number(bytes) % 3;
    if (form == 0) {
      const std::uint64_t size = number(bytes) % 64;
      const std::string_view text = bytes.substr(0, size);
      bytes.remove_prefix(text.size());
      known_.push_back({Content::of_bytes(text), std::string(text)});
    } else if (form == 1) {
      const std::uint64_t offset = number(bytes) % kPlaceMax;
      of_file(offset, number(bytes) % kPlaceMax);
    } else {
      of_slices(bytes);
    }
  }

  void check(std::string_view& bytes) const {
    const Known& known = known_.back();
    must(known.content->size() == known.model.size());
    const std::size_t from = number(bytes) % (known.model.size() + 1);
    const std::size_t size = known.model.size() - from;
    std::string read(size, '\0');
    const auto reader = runnel::reader_of(known.content, from, size);
    const Result<std::size_t> got = reader->read(read);
    must(got.ok() && *got == size && read == std::string_view(known.model).substr(from));
    std::uint64_t pieces = 0;
    known.content->each_piece(from, size,
                              [&](const Content::Piece& piece) { pieces += piece.size; });
    must(pieces == size);
  }

  bool is_empty() const { return known_.empty(); }

 private:
  struct Known {
    Content* content;
    std::string model;
  };

  static std::uint64_t number(std::string_view& bytes) {
    std::uint64_t number = 0;
    return runnel::take_varint(bytes, number) ? number : 0;
  }

  void of_file(std::uint64_t offset, std::uint64_t size) {
    const bool is_inside = size <= kFileSize && offset <= kFileSize - size;
    if (is_inside) {
      known_.push_back(
          {Content::of_segment({file_, offset}, size),
           file_text().substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size))});
      return;
    }
    Content* const outside = Content::of_segment({file_, offset}, size);
    std::string read(static_cast<std::size_t>(std::min<std::uint64_t>(size, kFileSize + 1)), '\0');
    const Result<std::size_t> got = runnel::reader_of(outside, 0, size)->read(read);
    must(size == 0 ? got.ok() : !got.ok() && got.code() == Code::kCorrupt);
    outside->release();
  }

  void of_slices(std::string_view& bytes) {
    if (known_.empty()) return;
    std::vector<Content::Slice> slices;
    std::string model;
    for (std::uint64_t left = number(bytes) % 5; left > 0; --left) {
      const Known& known = known_[number(bytes) % known_.size()];
      const std::uint64_t from = number(bytes) % (known.model.size() + 1);
      const std::uint64_t size = number(bytes) % (known.model.size() - from + 1);
      if (model.size() + size > kSizeMax) break;
      slices.push_back({known.content, from, size});
      model.append(known.model, from, size);
    }
    known_.push_back({Content::of_slices(slices), std::move(model)});
  }

  const std::shared_ptr<runnel::SegmentFile> file_;
  std::vector<Known> known_;
};

// A directory with a file of any name: it is known by its number, or left alone.
void check_names(std::string_view bytes) {
  const std::string name(bytes.substr(0, 40));
  if (name.empty() || name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) return;
  runnel::ForgetfulDisk disk(1);
  must(disk.make("content/" + name).ok());
  const auto store = runnel::SegmentStore::open("content", disk);
  must(store.ok());
  const auto place = (*store)->append("x");
  must(place.ok() && disk.exists("content/" + std::to_string(place->file->number()) + ".blk"));
  (*store)->remove_orphans();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static runnel::ForgetfulDisk disk(1);
  static const auto store = [] {
    auto opened = runnel::SegmentStore::open("content", disk).value();
    must(disk.make("content/7.seg").value()->write_at(0, file_text()).ok());
    return opened;
  }();
  static const auto file = store->find(7).value();
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_names(bytes);
  Contents contents(file);
  for (std::size_t step = 0; step < kStepsMax && !bytes.empty(); ++step) {
    contents.make(bytes);
    if (!contents.is_empty()) contents.check(bytes);
  }
  return 0;
}
