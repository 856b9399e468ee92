// BlockCache: memory for attributes and small contents, which slices take and give back by the
// hundred.
//
// Each thread keeps a few hundred blocks that were given back, by size, and takes from those first:
// so a FlowFile that goes down its chain on one core costs no malloc. Beyond that they come from
// slabs (block_slabs.h); above 1 KiB, blocks are malloc's. Any thread may give back what another
// one took.

#pragma once

#include <cstddef>

namespace runnel {

// Aborts when there is no memory.
void* take_block(std::size_t size);
// `size` as it was taken.
void give_block(void* block, std::size_t size);
// What a block of this size takes in memory.
std::size_t block_bytes(std::size_t size);

}  // namespace runnel
