// The door to libzstd for processors.

#include "processors/record/zstandard.h"

#include <zstd.h>

#include "agent/base/assert.h"

namespace runnel {
namespace {

constexpr int kZstandardLevel = 3;       // libzstd's own default
constexpr int kZstandardWindowLog = 24;  // what levels up to 19 make needs half of it

}  // namespace

void zstandard_to(std::string& out, std::string_view bytes) {
  const std::size_t before = out.size();
  out.resize(before + ZSTD_compressBound(bytes.size()));
  const std::size_t size = ZSTD_compress(out.data() + before, out.size() - before, bytes.data(),
                                         bytes.size(), kZstandardLevel);
  RUNNEL_ASSERT(ZSTD_isError(size) == 0);
  out.resize(before + size);
}

struct ZstandardStream::State {
  ZSTD_DStream* stream = nullptr;
};

ZstandardStream::ZstandardStream() : state_(std::make_unique<State>()) {
  state_->stream = ZSTD_createDStream();
  RUNNEL_ASSERT(state_->stream != nullptr);
  ZSTD_DCtx_setParameter(state_->stream, ZSTD_d_windowLogMax, kZstandardWindowLog);
}

ZstandardStream::~ZstandardStream() { ZSTD_freeDStream(state_->stream); }

Result<ZstandardStream::Step> ZstandardStream::unpack(std::string_view from, std::span<char> into) {
  ZSTD_inBuffer in{from.data(), from.size(), 0};
  ZSTD_outBuffer out{into.data(), into.size(), 0};
  const std::size_t code = ZSTD_decompressStream(state_->stream, &out, &in);
  if (ZSTD_isError(code) != 0) {
    return invalid("the compressed bytes are no Zstandard: " +
                   std::string(ZSTD_getErrorName(code)));
  }
  return Step{in.pos, out.pos, code == 0};
}

}  // namespace runnel
