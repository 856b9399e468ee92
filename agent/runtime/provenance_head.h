// ProvenanceHead: what a block of provenance holds, known without decoding it.
//
// Its bytes, numbers as LEB128:
//   first_event, count, first_ms (zigzag), component bits, kind bits, number of hulls,
//   (first - the last one's last, length - 1) of each; then, to the end, a Bloom filter of the
//   block's keys, 10 bits for each: nothing in rows of 0.1.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/provenance_codec.h"

namespace runnel {

struct ProvenanceHead {
  std::uint64_t first_event = 0;
  std::uint64_t count = 0;  // of events
  std::int64_t first_ms = 0;
  std::uint64_t component_bits = 0;
  std::uint64_t kind_bits = 0;
  std::vector<IdRange> hulls;
  std::string filter;

  static ProvenanceHead of(const ProvenanceEncoder& block, std::uint64_t first_event);
  // None: these are no such bytes.
  static std::optional<ProvenanceHead> parse(std::string_view bytes);
  std::string text() const;
  // False: nothing in the block has this key.
  bool may_hold(std::uint64_t key) const;
};

}  // namespace runnel
