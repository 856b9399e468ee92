// The blocks that each thread keeps: what is not the rule.

#include "agent/runtime/block_cache.h"

#include <algorithm>
#include <cstdlib>

#include "agent/base/assert.h"

namespace runnel {
namespace {

#if defined(__has_feature)  // clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNNEL_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++
#define RUNNEL_SANITIZED
#endif
#ifdef RUNNEL_SANITIZED
// All is malloc's, so that whoever uses what is gone is seen: nothing is ever kept.
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif
constexpr std::size_t kAtOnceMax = 32;  // blocks, from the slabs and back
constexpr std::size_t kAtOnceBytes = 4 << 10;

void give_all() {
  for (FreeBlock*& first : kept_blocks.of) {
    give_to_slabs(first);
    first = nullptr;
  }
  kept_blocks.bytes = 0;
}

struct Keeper {
  ~Keeper() {
    give_all();
    kept_blocks.is_closed = true;
    kept_blocks.bytes = KeptBlocks::kBytesMax;
  }
};

void keep_thread() {
  thread_local const Keeper keeper;
  static_cast<void>(&keeper);
}

void* take_fresh(std::size_t which) {
  KeptBlocks& kept = kept_blocks;
  const std::size_t bytes = KeptBlocks::bytes_of(which);
  if (kept.is_closed) return take_from_slabs(bytes, 1);
  const std::size_t count = std::clamp<std::size_t>(kAtOnceBytes / bytes, 1, kAtOnceMax);
  FreeBlock* const first = take_from_slabs(bytes, count);
  kept.of[which] = first->next;
  if (kept.bytes == 0) keep_thread();
  kept.bytes += (count - 1) * bytes;
  return first;
}

// One that does not fit any more, and with it some of its size; if there are few, all that the
// thread keeps: it is of sizes that it needs no more.
void give_back(FreeBlock* block, std::size_t which) {
  KeptBlocks& kept = kept_blocks;
  block->next = kept.is_closed ? nullptr : kept.of[which];
  FreeBlock* last = block;
  std::size_t count = 1;
  for (; count < kAtOnceMax && last->next != nullptr; ++count) last = last->next;
  if (!kept.is_closed) {
    kept.of[which] = last->next;
    kept.bytes -= (count - 1) * KeptBlocks::bytes_of(which);
    if (count < kAtOnceMax) give_all();
  }
  last->next = nullptr;
  give_to_slabs(block);
}

}  // namespace

constinit thread_local KeptBlocks kept_blocks{};

void* take_other_block(std::size_t size) {
  const std::size_t which = KeptBlocks::class_of(size);
  if (!kIsSanitized && which < KeptBlocks::kSizes) return take_fresh(which);
  void* const large = std::malloc(size);
  RUNNEL_ASSERT(large != nullptr);
  return large;
}

void give_other_block(void* block, std::size_t size) {
  const std::size_t which = KeptBlocks::class_of(size);
  if (kIsSanitized || which >= KeptBlocks::kSizes) return std::free(block);
  KeptBlocks& kept = kept_blocks;
  if (kept.bytes >= KeptBlocks::kBytesMax) return give_back(new (block) FreeBlock{nullptr}, which);
  keep_thread();
  kept.of[which] = new (block) FreeBlock{kept.of[which]};
  kept.bytes += KeptBlocks::bytes_of(which);
}

std::size_t block_bytes(std::size_t size) {
  const std::size_t which = KeptBlocks::class_of(size);
  return which >= KeptBlocks::kSizes ? size + kBlockStep : KeptBlocks::bytes_of(which);
}

}  // namespace runnel
