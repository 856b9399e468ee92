// How far a tailed file has been read.

#include "processors/file/tail_state.h"

#include <algorithm>
#include <array>
#include <optional>

#include "agent/base/bytes.h"

namespace runnel {

std::string TailState::text() const {
  return std::to_string(device) + ' ' + std::to_string(inode) + ' ' + std::to_string(position) +
         ' ' + std::to_string(modified_ms) + ' ' + std::to_string(head_size) + ' ' +
         std::to_string(static_cast<std::int64_t>(head_hash)) + ' ' + std::to_string(tail_size) +
         ' ' + std::to_string(static_cast<std::int64_t>(tail_hash));
}

Result<TailState> TailState::parse(std::string_view text) {
  const std::vector<std::string_view> fields = split(text, ' ');
  if (fields.size() != 8)
    return corrupt("`" + std::string(text.substr(0, 200)) + "` is no state of a tailed file");
  std::array<std::int64_t, 8> numbers{};
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
  state.tail_size = static_cast<std::uint32_t>(std::clamp<std::int64_t>(numbers[6], 0, kTailSize));
  state.tail_hash = static_cast<std::uint64_t>(numbers[7]);
  return state;
}

namespace {

// The hash of `size` bytes from `offset` on; nothing when the file is shorter.
std::optional<std::uint64_t> hash_at(const OpenFile& file, std::uint64_t offset,
                                     std::uint32_t size) {
  std::array<char, kHeadSize> bytes{};
  const Result<std::size_t> got = file.read_at(offset, bytes.data(), size);
  if (!got.ok() || *got < size) return std::nullopt;
  std::uint64_t hash = 14695981039346656037ULL;
  for (std::size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace

void note_marks(TailState& state, const OpenFile& file) {
  const auto head = static_cast<std::uint32_t>(std::min<std::uint64_t>(state.position, kHeadSize));
  if (head > state.head_size) {
    if (const auto hash = hash_at(file, 0, head)) {
      state.head_size = head;
      state.head_hash = *hash;
    }
  }
  const auto tail = static_cast<std::uint32_t>(std::min<std::uint64_t>(state.position, kTailSize));
  const auto hash = hash_at(file, state.position - tail, tail);
  state.tail_size = hash ? tail : 0;
  state.tail_hash = hash.value_or(0);
}

bool has_marks(const TailState& state, const OpenFile& file) {
  if (state.head_size > 0 && hash_at(file, 0, state.head_size) != state.head_hash) return false;
  if (state.tail_size == 0 || state.tail_size > state.position) return true;
  return hash_at(file, state.position - state.tail_size, state.tail_size) == state.tail_hash;
}

bool is_same_file(const TailState& state, const OpenFile& file, const FileFacts& facts) {
  return facts.device == state.device && facts.inode == state.inode &&
         facts.size >= state.position && has_marks(state, file);
}

}  // namespace runnel
