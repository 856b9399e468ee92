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
//   device inode position modified_ms head_size head_hash tail_size tail_hash
struct TailState {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t position = 0;    // bytes read
  std::int64_t modified_ms = 0;  // of the file when it was last read
  // FNV-1a of the file's first bytes, and of those just before `position`: they tell a file that
  // was truncated, and perhaps grew again, from one that only grew.
  std::uint32_t head_size = 0;
  std::uint64_t head_hash = 0;
  std::uint32_t tail_size = 0;
  std::uint64_t tail_hash = 0;

  std::string text() const;
  static Result<TailState> parse(std::string_view text);
};

// Notes the bytes that were read from `file` up to `state.position`.
void note_marks(TailState& state, const OpenFile& file);
// Whether the file begins, and goes on up to the position, as what was read did.
bool has_marks(const TailState& state, const OpenFile& file);

// Whether this is the file of the state, grown or not, but not truncated or replaced in the
// meantime.
bool is_same_file(const TailState& state, const OpenFile& file, const FileFacts& facts);

inline constexpr std::uint32_t kHeadSize = 256;
inline constexpr std::uint32_t kTailSize = 64;

}  // namespace runnel
