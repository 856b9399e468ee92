// Packing and unpacking the blocks of Avro files.

#include "processors/record/avro_blocks.h"

#include <algorithm>
#include <array>
#include <vector>

#include "processors/record/deflate.h"
#include "processors/record/snappy.h"
#include "processors/record/zstandard.h"

namespace runnel::avro {
namespace {

constexpr std::size_t kPackedPiece = 16 << 10;
constexpr std::array<std::string_view, 4> kCodecNames{"null", "deflate", "snappy", "zstandard"};
constexpr std::size_t kSnappySum = 4;  // bytes behind a block of Snappy

// A piece of the packed bytes that is not taken yet.
class Packed {
 public:
  explicit Packed(Input& from) : from_(from) {}
  // False: there are no more.
  Result<bool> fill() {
    if (at_ < end_) return true;
    TRY_ASSIGN(count, from_.read(buffer_));
    at_ = 0;
    end_ = count;
    return count > 0;
  }
  std::string_view rest() const { return {buffer_.data() + at_, end_ - at_}; }
  void take(std::size_t count) { at_ += count; }

 private:
  Input& from_;
  std::vector<char> buffer_ = std::vector<char>(kPackedPiece);
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

class Inflated final : public Input {
 public:
  explicit Inflated(Input& from) : packed_(from) {}
  Result<std::size_t> read(std::span<char> into) override {
    while (!is_end_) {
      TRY_ASSIGN(is_more, packed_.fill());
      if (!is_more) return invalid("the compressed bytes end too early");
      TRY_ASSIGN(step, inflater_.inflate(packed_.rest(), into));
      packed_.take(step.taken);
      is_end_ = step.is_end;
      if (step.made > 0) return step.made;
      if (step.taken == 0 && !is_end_) return invalid("the compressed bytes are no DEFLATE");
    }
    return std::size_t{0};
  }

 private:
  Packed packed_;
  Inflater inflater_;
  bool is_end_ = false;
};

class Unzstandard final : public Input {
 public:
  explicit Unzstandard(Input& from) : packed_(from) {}
  Result<std::size_t> read(std::span<char> into) override {
    while (true) {
      // What is left inside comes out without more of the packed bytes.
      TRY_ASSIGN(is_more, packed_.fill());
      if (!is_more && is_between_) return std::size_t{0};
      TRY_ASSIGN(step, stream_.unpack(packed_.rest(), into));
      packed_.take(step.taken);
      is_between_ = step.is_between;
      if (step.made > 0) return step.made;
      if (!is_more) return invalid("the compressed bytes end too early");
    }
  }

 private:
  Packed packed_;
  ZstandardStream stream_;
  bool is_between_ = true;
};

class Unsnappied final : public Input {
 public:
  explicit Unsnappied(Input& from) : from_(from) {}
  Result<std::size_t> read(std::span<char> into) override {
    if (!is_unpacked_) TRY(unpack());
    const std::size_t count = std::min(into.size(), bytes_.size() - at_);
    std::copy_n(bytes_.data() + at_, count, into.data());
    at_ += count;
    return count;
  }

 private:
  Result<> unpack() {
    is_unpacked_ = true;
    std::string packed;
    std::vector<char> piece(kPackedPiece);
    // Bytes that do not compress grow by a sixth.
    constexpr std::size_t kPackedMax = kSnappyBlockMax + kSnappyBlockMax / 6 + kPackedPiece;
    while (true) {
      TRY_ASSIGN(count, from_.read(piece));
      if (count == 0) break;
      packed.append(piece.data(), count);
      if (packed.size() > kPackedMax) return invalid("a block of Snappy is too large");
    }
    if (packed.size() < kSnappySum) return invalid("the compressed bytes end too early");
    std::uint32_t sum = 0;
    for (const char one : std::string_view(packed).substr(packed.size() - kSnappySum))
      sum = sum << 8 | static_cast<unsigned char>(one);
    packed.resize(packed.size() - kSnappySum);
    TRY_ASSIGN(bytes, unsnappy(packed, kSnappyBlockMax));
    if (crc32_of(bytes) != sum) return invalid("the sum of a block is wrong");
    bytes_ = std::move(bytes);
    return {};
  }

  Input& from_;
  bool is_unpacked_ = false;
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view name_of(Codec codec) { return kCodecNames[static_cast<std::size_t>(codec)]; }

std::optional<Codec> codec_named(std::string_view name) {
  if (name.empty()) return Codec::kNull;
  const auto found = std::find(kCodecNames.begin(), kCodecNames.end(), name);
  if (found == kCodecNames.end()) return std::nullopt;
  return static_cast<Codec>(found - kCodecNames.begin());
}

void pack(std::string& into, std::string_view bytes, Codec codec) {
  switch (codec) {
    case Codec::kNull:
      into += bytes;
      break;
    case Codec::kDeflate:
      deflate_to(into, bytes);
      break;
    case Codec::kSnappy: {
      snappy_to(into, bytes);
      const std::uint32_t sum = crc32_of(bytes);
      for (int shift = 24; shift >= 0; shift -= 8) into += static_cast<char>(sum >> shift & 0xFF);
      break;
    }
    case Codec::kZstandard:
      zstandard_to(into, bytes);
      break;
  }
}

std::unique_ptr<Input> unpacked(Input& from, Codec codec) {
  switch (codec) {
    case Codec::kNull:
      break;
    case Codec::kDeflate:
      return std::make_unique<Inflated>(from);
    case Codec::kSnappy:
      return std::make_unique<Unsnappied>(from);
    case Codec::kZstandard:
      return std::make_unique<Unzstandard>(from);
  }
  return nullptr;
}

}  // namespace runnel::avro
