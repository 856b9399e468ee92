// BlockCache: memory for attributes and small contents, which slices take and give back by the
// hundred.
//
// Each thread keeps a few hundred blocks that were given back, by size, and takes from those first:
// so a FlowFile that goes down its chain on one core costs no malloc. Beyond that they come from
// slabs (block_slabs.h); above 1 KiB, blocks are malloc's. Any thread may give back what another
// one took.

#pragma once

#include <array>
#include <cstddef>
#include <new>

#include "agent/runtime/block_slabs.h"

namespace runnel {

// What a thread keeps: a chain for each size. Trivial, so that it is there until the very end of
// its thread.
struct KeptBlocks {
  static constexpr std::size_t kSizes = kBlockMax / kBlockStep;
  static constexpr std::size_t kBytesMax = 256 << 10;

  static std::size_t class_of(std::size_t size) { return (size - 1) / kBlockStep; }
  static constexpr std::size_t bytes_of(std::size_t which) { return (which + 1) * kBlockStep; }

  std::array<FreeBlock*, kSizes> of;
  std::size_t bytes;  // 0: none; kBytesMax and more: no more of them
  bool is_closed;     // the thread ends
};
extern constinit thread_local KeptBlocks kept_blocks;

// Where what is kept does not do: another size, nothing there, no room.
void* take_other_block(std::size_t size);
void give_other_block(void* block, std::size_t size);

// Aborts when there is no memory.
inline void* take_block(std::size_t size) {
  const std::size_t which = KeptBlocks::class_of(size);
  if (which >= KeptBlocks::kSizes) return take_other_block(size);
  KeptBlocks& kept = kept_blocks;
  FreeBlock* const found = kept.of[which];
  if (found == nullptr) return take_other_block(size);
  kept.of[which] = found->next;
  kept.bytes -= KeptBlocks::bytes_of(which);
  return found;
}

// `size` as it was taken.
inline void give_block(void* block, std::size_t size) {
  const std::size_t which = KeptBlocks::class_of(size);
  KeptBlocks& kept = kept_blocks;
  // (Less one, so that one comparison tells that there are some, and room for more.)
  if (which >= KeptBlocks::kSizes || kept.bytes - 1 >= KeptBlocks::kBytesMax - 1)
    return give_other_block(block, size);
  kept.of[which] = new (block) FreeBlock{kept.of[which]};
  kept.bytes += KeptBlocks::bytes_of(which);
}

// What a block of this size takes in memory.
std::size_t block_bytes(std::size_t size);

}  // namespace runnel
