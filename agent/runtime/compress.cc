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

thread_local PackingRoom* room_here = nullptr;

}  // namespace

char* Scratch::take(std::size_t wanted) {
  if (size >= wanted) return bytes.get();
  bytes.reset();                  // not both at once
  bytes.reset(new char[wanted]);  // a string would be filled first
  size = wanted;
  return bytes.get();
}

PackingRoom::PackingRoom() {
  RUNNEL_ASSERT(room_here == nullptr);
  room_here = this;
}

PackingRoom::~PackingRoom() { room_here = nullptr; }

Scratch& PackingRoom::scratch(std::size_t which, Scratch& own) {
  return room_here == nullptr ? own : room_here->scratches_[which];
}

std::string_view compress_into(Scratch& scratch, std::string_view bytes) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  const std::size_t bound = ZSTD_compressBound(bytes.size());
  char* const packed = scratch.take(bound);
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), packed, bound, bytes.data(), bytes.size(), kLevel);
  RUNNEL_ASSERT(ZSTD_isError(size) == 0);
  return {packed, size};
}

std::string compress(std::string_view bytes) {
  Scratch scratch;
  return std::string(compress_into(scratch, bytes));
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
