// The door to zstd.

#include "agent/runtime/compress.h"

#include <zstd.h>

#include <memory>

namespace runnel {
namespace {

constexpr int kLevel = 1;  // what pays here is decided in agent/README.md
// What a block of a frame is at least, and what comes out of it at most (RFC 8878, 3.1.1.2).
constexpr std::size_t kBlockMin = 4;
constexpr std::size_t kBlockPlainMax = 128 << 10;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

std::string compress(std::string_view bytes, std::string_view before) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  const std::size_t bound = ZSTD_compressBound(bytes.size());
  const std::unique_ptr<char[]> packed(new char[bound]);  // a string would be filled first
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), packed.get(), bound, bytes.data(), bytes.size(), kLevel);
  RUNNEL_ASSERT(ZSTD_isError(size) == 0);
  std::string out;
  out.reserve(before.size() + size);
  out += before;
  out.append(packed.get(), size);
  return out;
}

Result<std::string> decompress(std::string_view bytes, std::size_t size_max) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  // The frame says how much comes out; damaged, it may say anything, and the room is taken first.
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > size_max ||
      size > (bytes.size() / kBlockMin + 1) * kBlockPlainMax) {
    return corrupt("these are no bytes compressed here, or too many come out of them");
  }
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  std::string out(static_cast<std::size_t>(size), '\0');
  const std::size_t got =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0 || got != out.size()) {
    return corrupt("compressed bytes are damaged");
  }
  return out;
}

}  // namespace runnel
