// How far a tailed file has been read.

#include "processors/file/tail_state.h"

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"

namespace runnel {

std::string TailState::text() const {
  return std::to_string(device) + ' ' + std::to_string(inode) + ' ' + std::to_string(position) +
         ' ' + std::to_string(modified_ms) + ' ' + std::to_string(head_size) + ' ' +
         std::to_string(static_cast<std::int64_t>(head_hash));
}

Result<TailState> TailState::parse(std::string_view text) {
  const std::vector<std::string_view> fields = split(text, ' ');
  if (fields.size() != 6)
    return corrupt("`" + std::string(text.substr(0, 200)) + "` is no state of a tailed file");
  std::array<std::int64_t, 6> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    TRY_ASSIGN(number, parse_int(fields[i]));
    numbers[i] = number;
  }
  TailState state;
  state.device = static_cast<std::uint64_t>(numbers[0]);
  state.inode = static_cast<std::uint64_t>(numbers[1]);
  state.position = static_cast<std::uint64_t>(numbers[2]);
  state.modified_ms = numbers[3];
  state.head_size = static_cast<std::uint32_t>(std::clamp<std::int64_t>(numbers[4], 0, kHeadSize));
  state.head_hash = static_cast<std::uint64_t>(numbers[5]);
  return state;
}

std::optional<std::uint64_t> head_hash(const OpenFile& file, std::uint32_t size) {
  std::array<char, kHeadSize> head{};
  const Result<std::size_t> got =
      file.read_at(0, head.data(), std::min<std::size_t>(size, head.size()));
  if (!got.ok() || *got < size) return std::nullopt;
  std::uint64_t hash = 14695981039346656037ULL;
  for (std::size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(head[i])) * 1099511628211ULL;
  }
  return hash;
}

void note_head(TailState& state, const OpenFile& file) {
  const auto wanted =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(state.position, kHeadSize));
  if (wanted <= state.head_size) return;
  if (const auto hash = head_hash(file, wanted)) {
    state.head_size = wanted;
    state.head_hash = *hash;
  }
}

bool is_same_file(const TailState& state, const OpenFile& file, const FileFacts& facts) {
  if (facts.device != state.device || facts.inode != state.inode) return false;
  if (facts.size < state.position) return false;
  return state.head_size == 0 || head_hash(file, state.head_size) == state.head_hash;
}

}  // namespace runnel
