// The door to zlib for processors.

#include "processors/record/deflate.h"

#include <zlib.h>

#include "agent/base/assert.h"

namespace runnel {
namespace {

constexpr int kRawWindow = -15;  // no head and no sum
constexpr std::size_t kPiece = 32 << 10;

Bytef* bytes_of(const char* at) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(at));  // zlib reads it only
}

}  // namespace

void deflate_to(std::string& out, std::string_view bytes) {
  z_stream stream{};
  const int begun =
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawWindow, 8, Z_DEFAULT_STRATEGY);
  RUNNEL_ASSERT(begun == Z_OK);
  stream.next_in = bytes_of(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    const std::size_t before = out.size();
    out.resize(before + kPiece);
    stream.next_out = bytes_of(out.data() + before);
    stream.avail_out = kPiece;
    code = ::deflate(&stream, Z_FINISH);
    out.resize(before + kPiece - stream.avail_out);
  }
  deflateEnd(&stream);
}

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

struct Inflater::State {
  z_stream stream{};
};

Inflater::Inflater() : state_(std::make_unique<State>()) {
  const int begun = inflateInit2(&state_->stream, kRawWindow);
  RUNNEL_ASSERT(begun == Z_OK);
}

Inflater::~Inflater() { inflateEnd(&state_->stream); }

void Inflater::restart() { inflateReset(&state_->stream); }

Result<Inflater::Step> Inflater::inflate(std::string_view from, std::span<char> into) {
  z_stream& stream = state_->stream;
  stream.next_in = bytes_of(from.data());
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = bytes_of(into.data());
  stream.avail_out = static_cast<uInt>(into.size());
  const int code = ::inflate(&stream, Z_NO_FLUSH);
  // Z_BUF_ERROR: it can go no further without more of either.
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
    return invalid("the compressed bytes are no DEFLATE");
  return Step{from.size() - stream.avail_in, into.size() - stream.avail_out, code == Z_STREAM_END};
}

}  // namespace runnel
