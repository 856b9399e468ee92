// The bytes of the ledger's batches. Numbers are LEB128 (varint.h), signed ones by zigzag.
//
//   head     since schema 2 sealed: the bytes 80 00, which begin no other head; the CRC-32C, little
//            endian, of the row's number and its queue (8 bytes each), of what follows it here, and
//            of the effects; then the clock at the cut: a number made of the boot's id, wall time
//            and time since the boot in ms. Then, in all versions: count, bytes of content, the
//            positions as ranges: number of ranges, (gap to the last one's end, length - 1)*, the
//            segment files that the contents refer to: how many, their numbers; then, since 0.1.0,
//            when the oldest lineage began (wall time in ms)
//   effects  the counters of the loss ledger: in, and the ends by reason; then what is done of
//   earlier rows:
//            how many rows, (row, number of ranges, (gap, length - 1)*)*
//   body     one byte: 0 plain, 1 zstd, and since schema 2 2 plain, 3 zstd, each with the CRC-32C,
//            little endian, of what follows; or 4, encrypted (vault.h). Then the columns, each with
//            its size in front: ids (difference to the last), entry times (the same), lineage
//            leads, shapes, sizes of values, values, content forms and sizes, contents
//   shape    of a FlowFile's attributes: 0 none; else its number, counted from 1; one past the last
//            is a new one: how many names, (size, name)*
//   value    for each name its size + 1; 0: the same as in the last FlowFile of this shape
//   content  form 0: so many bytes, in the column of contents; form 1: so many pieces, each
//   (segment + 1, offset, size) or (0, size) with its bytes there

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/runtime/content.h"
#include "agent/sdk/flow_record.h"

namespace runnel {

struct PositionRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// When a row was cut, by which clock.
struct RowClock {
  std::uint64_t boot = 0;  // made of the boot's id
  std::int64_t wall_ms = 0;
  std::int64_t since_boot_ms = 0;
};

struct BatchHead {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::vector<PositionRange> positions;
  std::vector<std::uint64_t> segments;
  // When the oldest lineage of these FlowFiles began; unknown in rows of earlier versions.
  std::int64_t oldest_ms = kUnknownMs;
  static constexpr std::int64_t kUnknownMs = INT64_MIN;
  std::optional<RowClock> clock = std::nullopt;  // of sealed ones

  // Without seal and clock.
  std::string text() const;
  static Result<BatchHead> parse(std::string_view text);

  std::string sealed(std::uint64_t row, std::uint64_t queue, std::string_view effects) const;
  // kCorrupt: it is not what was written into this row. `may_be_unsealed`: the row may be of
  // schema 1.
  static Result<BatchHead> unseal(std::string_view text, std::uint64_t row, std::uint64_t queue,
                                  std::string_view effects, bool may_be_unsealed);
};

inline constexpr std::size_t kCounterCount = 7;  // in, and six ends

struct BatchEffects {
  std::array<std::uint64_t, kCounterCount> counters{};
  struct Row {
    std::uint64_t row = 0;
    std::vector<PositionRange> done;  // indexes in that row
  };
  std::vector<Row> rows;

  std::string text() const;
  static Result<BatchEffects> parse(std::string_view text);
};

// Adds one to the ranges; ascending ones only.
void add_to_ranges(std::vector<PositionRange>& ranges, std::uint64_t position);

// `records` hold their references while this runs.
std::string pack_body(const std::vector<FlowRecord>& records);
// kCorrupt: it is not what was written. Bodies of schema 1 have no sum to tell by. Needs no key.
Result<> check_body(std::string_view body);
// Each record owns its references. kCorrupt when these are no such bytes, or a segment is missing.
// `is_summed`: without a sum they are no such bytes.
Result<std::vector<FlowRecord>> unpack_body(std::string_view body, std::uint64_t count,
                                            SegmentStore& segments, bool is_summed = false);

}  // namespace runnel
