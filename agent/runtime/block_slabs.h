// BlockSlabs: where the blocks of block_cache.h come from: slabs of 64 KiB, each of blocks of one
// size.
//
// malloc adds 8 bytes to each, rounds, and keeps an arena for each thread: what one thread has
// freed the others do not get, and pages in which anything still lives never go back to the system.
// Here blocks of one size stand side by side, whoever took them, so that a queue that drains, first
// in first out, empties whole slabs; and what is empty goes back, but for a few.

#pragma once

#include <cstddef>
#include <cstdint>

namespace runnel {

inline constexpr std::size_t kBlockStep = 16;      // sizes are multiples of it
inline constexpr std::size_t kBlockMax = 1 << 10;  // larger ones are malloc's

struct FreeBlock {
  FreeBlock* next;
};

// A chain of `count` blocks; `size` is a multiple of kBlockStep, up to kBlockMax. Any thread, as
// the others here. Aborts when there is no memory.
FreeBlock* take_from_slabs(std::size_t size, std::size_t count);
// A chain of blocks of one size.
void give_to_slabs(FreeBlock* chain);
// The empty ones that are kept go back to the system, too.
void trim_slabs();

struct SlabFigures {
  std::uint64_t slabs = 0;  // with blocks that are taken
  std::uint64_t kept = 0;   // empty, in memory
};
SlabFigures slab_figures();
inline constexpr std::size_t kSlabBytes = 64 << 10;
inline constexpr std::size_t kSlabsKept =
    128;  // empty, at most: what a write lets go, and sources take again

}  // namespace runnel
