// Compress: bytes by zstd, for rows that are written once and read seldom.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// Bytes that may be overwritten.
struct Scratch {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;

  // So much of it, whatever it holds.
  char* take(std::size_t wanted);
};

// While one lives, what this thread packs uses the same scratches again: a row of a batch takes
// more than a megabyte of each, and memory that is asked for and given back at that rate costs
// more than packing. One at a time.
class PackingRoom {
 public:
  static constexpr std::size_t kScratches = 2;
  PackingRoom();
  ~PackingRoom();
  PackingRoom(const PackingRoom&) = delete;
  PackingRoom& operator=(const PackingRoom&) = delete;
  // Of this thread's room, or `own` where there is none.
  static Scratch& scratch(std::size_t which, Scratch& own);

 private:
  Scratch scratches_[kScratches];
};

// The compressed bytes, in the scratch.
std::string_view compress_into(Scratch& scratch, std::string_view bytes);
std::string compress(std::string_view bytes);
// kCorrupt when these are no such bytes, or more than `size_max` come out.
Result<std::string> decompress(std::string_view bytes, std::size_t size_max);

}  // namespace runnel
