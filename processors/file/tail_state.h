// How far a tailed file has been read, and how to know it again after it was rotated.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "processors/file/directory.h"

namespace runnel {

// Kept as the processor's state under `tail:<path>`, committed with the lines themselves. As text,
// fields separated by spaces:
//   device inode position modified_ms head_size head_hash
struct TailState {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t position = 0;    // bytes read
  std::int64_t modified_ms = 0;  // of the file when it was last read
  std::uint32_t head_size = 0;   // of the bytes that `head_hash` was made of
  std::uint64_t head_hash =
      0;  // FNV-1a of the file's first bytes: tells a truncated file from one that only grew

  std::string text() const;
  static Result<TailState> parse(std::string_view text);
};

// The hash of the first `size` bytes of a file; nothing when it is shorter.
std::optional<std::uint64_t> head_hash(const OpenFile& file, std::uint32_t size);

// Notes the head of the file, as far as it has been read, while it is shorter than kHeadSize.
void note_head(TailState& state, const OpenFile& file);

// Whether this is the file of the state, grown or not, but not truncated or replaced in the
// meantime.
bool is_same_file(const TailState& state, const OpenFile& file, const FileFacts& facts);

inline constexpr std::uint32_t kHeadSize = 256;

}  // namespace runnel
