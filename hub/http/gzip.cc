// The door to zlib.

#include "hub/http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "agent/base/assert.h"

namespace runnel::hub {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;

Bytef* input_of(std::string_view bytes) {
  // zlib does not write through it; its type is older than const.
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

Result<std::string> inflated(std::string_view gzip, std::size_t bytes_max) {
  z_stream stream{};
  RUNNEL_ASSERT(inflateInit2(&stream, kGzipOnly) == Z_OK);
  stream.next_in = input_of(gzip);
  stream.avail_in = static_cast<uInt>(gzip.size());
  std::string out;
  std::array<char, 64 * 1024> chunk;
  int code = Z_OK;
  while (code == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) break;
    const std::size_t made = chunk.size() - stream.avail_out;
    if (out.size() + made > bytes_max) {
      inflateEnd(&stream);
      return full("the body is larger than " + std::to_string(bytes_max) + " bytes when inflated");
    }
    out.append(chunk.data(), made);
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END) return invalid("the body is not gzip");
  return out;
}

std::string gzipped(std::string_view bytes) {
  z_stream stream{};
  RUNNEL_ASSERT(deflateInit2(&stream, 4, Z_DEFLATED, kGzipOnly, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = input_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  RUNNEL_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace runnel::hub
