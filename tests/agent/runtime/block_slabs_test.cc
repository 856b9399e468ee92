// Slabs, and where a chunk's FlowFiles lie.

#include "agent/runtime/block_slabs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "agent/runtime/block_cache.h"
#include "agent/runtime/saved_places.h"

namespace runnel {
namespace {

TEST_CASE("slabs: no two blocks overlap, and what is empty is given back, whoever took it") {
  trim_slabs();
  const SlabFigures before = slab_figures();
  constexpr std::size_t kSize = 208;
  std::vector<FreeBlock*> all;
  std::thread taker([&all] {
    for (int i = 0; i < 1000; ++i) {
      FreeBlock* chain = take_from_slabs(kSize, 32);
      while (chain != nullptr) {
        all.push_back(chain);
        chain = chain->next;
      }
    }
  });
  taker.join();
  REQUIRE(all.size() == 32'000);
  for (std::size_t i = 0; i < all.size(); ++i)
    std::memset(static_cast<void*>(all[i]), static_cast<int>(i % 251), kSize);
  bool is_whole = true;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(all[i]);
    for (std::size_t at = 0; at < kSize; ++at) is_whole = is_whole && bytes[at] == i % 251;
  }
  CHECK(is_whole);
  const std::uint64_t needed = all.size() * kSize / kSlabBytes;
  CHECK(slab_figures().slabs - before.slabs <= needed + needed / 50 + 1);
  std::shuffle(all.begin(), all.end(), std::mt19937(3));
  for (FreeBlock* const block : all) {
    block->next = nullptr;
    give_to_slabs(block);
  }
  CHECK(slab_figures().slabs == before.slabs);
  CHECK(slab_figures().kept <= kSlabsKept);
  trim_slabs();
  CHECK(slab_figures().kept == 0);
}

TEST_CASE(
    "blocks of all sizes, taken by one thread and given back by another, are each one's own") {
  std::mt19937 random(5);
  struct Taken {
    void* block;
    std::size_t size;
    unsigned char mark;
  };
  std::vector<Taken> all;
  for (int round = 0; round < 20; ++round) {
    std::thread worker([&] {
      for (int i = 0; i < 2000; ++i) {
        const std::size_t size = 1 + random() % 1500;
        const auto mark = static_cast<unsigned char>(random() % 256);
        all.push_back({take_block(size), size, mark});
        std::memset(all.back().block, mark, size);
      }
    });
    worker.join();
    std::shuffle(all.begin(), all.end(), random);
    bool is_whole = true;
    const std::size_t kept = round == 19 ? 0 : all.size() / 2;
    for (; all.size() > kept; all.pop_back()) {
      const Taken& one = all.back();
      const auto* const bytes = static_cast<const unsigned char*>(one.block);
      for (std::size_t at = 0; at < one.size; ++at) is_whole = is_whole && bytes[at] == one.mark;
      give_block(one.block, one.size);
    }
    CHECK(is_whole);
  }
}

TEST_CASE("the places of a chunk are those that were put last, in few runs where rows are long") {
  std::mt19937 random(9);
  for (int round = 0; round < 200; ++round) {
    SavedPlaces places;
    std::array<SavedPlace, 64> model{};
    std::uint64_t saved = 0;
    for (int step = 0; step < 100; ++step) {
      // A write takes some of the slots, in their order.
      const std::uint64_t row = 1 + static_cast<std::uint64_t>(step);
      auto index = static_cast<std::uint32_t>(random() % 1000);
      const std::size_t from = random() % 64;
      const std::size_t to = from + random() % (65 - from);
      for (std::size_t slot = from; slot < to; ++slot) {
        if (random() % 8 == 0) continue;
        model[slot] = {row, index++};
        const std::uint64_t later = slot == 63 ? 0 : saved >> (slot + 1);
        places.put(slot, model[slot], later != 0);
        saved |= std::uint64_t{1} << slot;
      }
      for (std::size_t slot = 0; slot < 64; ++slot) {
        if ((saved >> slot & 1) == 0) continue;
        REQUIRE(places.at(slot).batch == model[slot].batch);
        REQUIRE(places.at(slot).index == model[slot].index);
      }
    }
  }
  SavedPlaces places;
  for (std::size_t slot = 0; slot < 64; ++slot)
    places.put(slot, {slot < 40 ? 7U : 8U, static_cast<std::uint32_t>(slot % 40)}, false);
  CHECK(places.runs() == 2);
}

}  // namespace
}  // namespace runnel
