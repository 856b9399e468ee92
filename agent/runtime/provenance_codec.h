// The bytes of provenance: a stream of events, each for all FlowFiles that one session treated
// alike.
//
// The stream of a block only grows, so that what was added since the last write is a row of its own
// until the block is full. One event, numbers as LEB128:
//
//   flags            kind (bits 0-3 and 8), parents (4), relationship (5), uri (6), details (7),
//                    alternate id (9), values (10)
//   component        text
//   time             zigzag: ms since the event before
//   ids              of the FlowFiles
//   ids              of the parents, when flagged
//   text…            relationship, uri, details, alternate id, those that are flagged
//   value…           when flagged: one for each FlowFile, in their order
//
//   text             index into the block's texts; an index one past the last is a new one: length,
//                    bytes
//   value            how many bytes it has in common with the one before, from its beginning on (0
//   for
//                    the first); the length of what follows, bytes
//   ids              zigzag(first - the first id after the last event of the same component and
//                    kind), then the form: n > 0 ranges: (length - 1), then (gap - 1, length - 1)
//                    for each further one; 0: a bitmap: its length in bytes, the bytes, lowest bit
//                    first, from `first` on
//
// The first time counts from 1970, the first id from 0. The bytes are compressed as a whole by
// zstd.
//
// Kind 31 is no event but a mark: from here on these FlowFiles have the attribute `uri` with the
// value `details`, or each a value of its own. Queries by attribute begin there.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/result.h"
#include "agent/runtime/id_set.h"
#include "agent/sdk/session.h"

namespace runnel {

struct ProvenanceRecord {
  ProvenanceKind kind = ProvenanceKind::kUnknown;
  std::int64_t at_ms = 0;
  std::string_view component;  // its id
  std::span<const IdRange> flowfiles;
  std::span<const IdRange> parents = {};
  std::string_view relationship = {};
  std::string_view uri = {};
  std::string_view details = {};
  std::string_view alternate_id = {};
  // Of a mark, instead of `details`: the value of each FlowFile, in the order of ids. At most
  // kMarkValuesMax.
  std::span<const std::string_view> values = {};
};

// No event: these FlowFiles have an attribute (`uri`) with a value (`details`).
inline constexpr ProvenanceKind kProvenanceMark = static_cast<ProvenanceKind>(31);
inline constexpr std::uint32_t kProvenanceEventBits = 0x7FFF'FFFF;
// Of a mark's value no more than this is kept, nor sought.
inline constexpr std::size_t kMarkValueMax = 256;
inline constexpr std::size_t kMarkValuesMax = 1024;

// What a block is asked for by one number, the same in every build, because it is stored.
std::uint64_t provenance_key_of_kind(std::string_view component, ProvenanceKind kind);
std::uint64_t provenance_key_of_relationship(std::string_view relationship);
std::uint64_t provenance_key_of_mark(std::string_view attribute, std::string_view value);

// What both ends of the stream remember from event to event.
class ProvenanceContext {
 protected:
  std::uint64_t& next_id(std::size_t component, ProvenanceKind kind) {
    const std::size_t slot = component * 32 + static_cast<std::size_t>(kind);
    if (slot >= next_ids_.size()) next_ids_.resize(slot + 32, 0);
    return next_ids_[slot];
  }

  std::int64_t last_ms_ = 0;
  std::vector<std::uint64_t> next_ids_;
};

class ProvenanceEncoder : private ProvenanceContext {
 public:
  void add(const ProvenanceRecord& record);

  const std::string& bytes() const { return bytes_; }
  std::size_t count() const { return count_; }
  bool is_empty() const { return count_ == 0; }
  std::int64_t first_ms() const { return first_ms_; }
  std::int64_t last_ms() const { return last_ms_; }
  // At most so many hulls that cover every id in the block.
  std::vector<IdRange> hulls(std::size_t count_max) const;
  // One bit for each component (by hash) and kind: what is not set is not in the block.
  std::uint64_t component_bits() const { return component_bits_; }
  std::uint32_t kind_bits() const { return kind_bits_; }
  // The keys of all that is in the block; some more than once. Those of values that one FlowFile
  // has are mostly different, and are many: they stand by themselves.
  const std::vector<std::uint64_t>& keys() const { return keys_; }
  const std::vector<std::uint64_t>& own_keys() const { return own_keys_; }
  static std::uint64_t component_bit(std::string_view component);

 private:
  void put(std::uint64_t number);
  void put_signed(std::int64_t number);
  std::size_t put_text(std::string_view text);
  void put_ids(std::span<const IdRange> ids, std::uint64_t& next);
  void put_values(std::string_view attribute, std::span<const std::string_view> values);

  std::string bytes_;
  std::size_t count_ = 0;
  std::int64_t first_ms_ = INT64_MAX;
  std::uint64_t component_bits_ = 0;
  std::uint32_t kind_bits_ = 0;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> texts_;
  struct Recent {
    const std::string* text = nullptr;  // in texts_
    std::size_t index = 0;
  };
  static constexpr std::size_t kRecent = 16;
  std::array<Recent, kRecent> recent_{};
  std::vector<IdRange> covered_;
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint64_t> own_keys_;
  std::vector<bool> keyed_relationships_;  // by text
};

// Reads a stream from its first byte. Views in a record hold during the visit.
// kCorrupt when the bytes are no such stream; what came before was visited.
Result<> decode_provenance(std::string_view bytes,
                           const std::function<void(const ProvenanceRecord&)>& visit);

std::uint64_t count_of(std::span<const IdRange> ranges);
// Merges sorted ranges over their smallest gaps until there are at most so many.
void shrink_to_hulls(std::vector<IdRange>& ranges, std::size_t count_max);

}  // namespace runnel
