// The blocks that each thread keeps.

#include "agent/runtime/block_cache.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#include "agent/base/assert.h"
#include "agent/runtime/block_slabs.h"

namespace runnel {
namespace {

constexpr std::size_t kSizes = kBlockMax / kBlockStep;
#if defined(__has_feature)  // clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNNEL_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++
#define RUNNEL_SANITIZED
#endif
#ifdef RUNNEL_SANITIZED
constexpr bool kIsSanitized = true;  // all is malloc's, so that whoever uses what is gone is seen
#else
constexpr bool kIsSanitized = false;
#endif
constexpr std::size_t kKeptMax = 256 << 10;  // bytes, of one thread
constexpr std::size_t kAtOnceMax = 32;       // blocks, from the slabs and back
constexpr std::size_t kAtOnceBytes = 4 << 10;

// Trivial, so that it is there until the very end of its thread; `Keeper` empties it.
struct Kept {
  std::array<FreeBlock*, kSizes> of;
  std::size_t bytes;
  bool is_closed;
};
constinit thread_local Kept blocks{};

void give_all() {
  for (FreeBlock*& first : blocks.of) {
    give_to_slabs(first);
    first = nullptr;
  }
  blocks.bytes = 0;
}

struct Keeper {
  ~Keeper() {
    blocks.is_closed = true;
    give_all();
  }
};

std::size_t class_of(std::size_t size) { return (size - 1) / kBlockStep; }
std::size_t bytes_of(std::size_t which) { return (which + 1) * kBlockStep; }

[[gnu::noinline]] void* take_large(std::size_t size) {
  void* const large = std::malloc(size);
  RUNNEL_ASSERT(large != nullptr);
  return large;
}

void keep_thread() {
  thread_local const Keeper keeper;
  static_cast<void>(&keeper);
}

[[gnu::noinline]] void* take_fresh(std::size_t which) {
  const std::size_t bytes = bytes_of(which);
  if (blocks.is_closed) return take_from_slabs(bytes, 1);
  const std::size_t count = std::clamp<std::size_t>(kAtOnceBytes / bytes, 1, kAtOnceMax);
  FreeBlock* const first = take_from_slabs(bytes, count);
  blocks.of[which] = first->next;
  if (blocks.bytes == 0) keep_thread();
  blocks.bytes += (count - 1) * bytes;
  return first;
}

// One that does not fit any more, and with it some of its size; if there are few, all that the
// thread keeps: it is of sizes that it needs no more.
[[gnu::noinline]] void give_back(FreeBlock* block, std::size_t which) {
  block->next = blocks.is_closed ? nullptr : blocks.of[which];
  FreeBlock* last = block;
  std::size_t count = 1;
  for (; count < kAtOnceMax && last->next != nullptr; ++count) last = last->next;
  if (!blocks.is_closed) {
    blocks.of[which] = last->next;
    blocks.bytes -= (count - 1) * bytes_of(which);
    if (count < kAtOnceMax) give_all();
  }
  last->next = nullptr;
  give_to_slabs(block);
}

}  // namespace

void* take_block(std::size_t size) {
  const std::size_t which = class_of(size);
  if (kIsSanitized || which >= kSizes) return take_large(size);
  if (FreeBlock* const found = blocks.of[which]) {
    blocks.of[which] = found->next;
    blocks.bytes -= bytes_of(which);
    return found;
  }
  return take_fresh(which);
}

void give_block(void* block, std::size_t size) {
  const std::size_t which = class_of(size);
  if (kIsSanitized || which >= kSizes) return std::free(block);
  if (blocks.is_closed || blocks.bytes >= kKeptMax)
    return give_back(new (block) FreeBlock{nullptr}, which);
  if (blocks.bytes == 0) keep_thread();
  blocks.of[which] = new (block) FreeBlock{blocks.of[which]};
  blocks.bytes += bytes_of(which);
}

std::size_t block_bytes(std::size_t size) {
  const std::size_t which = class_of(size);
  return which >= kSizes ? size + kBlockStep : bytes_of(which);
}

}  // namespace runnel
