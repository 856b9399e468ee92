// The heads and the effects of batches, to bytes and back.

#include "agent/runtime/batch_codec.h"

#include <algorithm>
#include <utility>

#include "agent/base/crc32c.h"
#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::uint64_t kCountMax =
    1 << 24;  // of anything in one batch: beyond it the bytes are not ours
constexpr std::uint64_t kPositionMax = std::uint64_t{1} << 62;

void put_ranges(std::string& out, const std::vector<PositionRange>& ranges) {
  put_varint(out, ranges.size());
  std::uint64_t end = 0;
  for (const PositionRange& range : ranges) {
    put_varint(out, range.first - end);
    put_varint(out, range.count - 1);
    end = range.first + range.count;
  }
}

bool take_ranges(std::string_view& from, std::vector<PositionRange>& ranges) {
  std::uint64_t count = 0;
  if (!take_varint(from, count) || count > kCountMax) return false;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t gap = 0;
    std::uint64_t length = 0;
    if (!take_varint(from, gap) || !take_varint(from, length)) return false;
    if (gap > kPositionMax || length >= kCountMax) return false;
    ranges.push_back({end + gap, length + 1});
    end = ranges.back().first + ranges.back().count;
    if (end > kPositionMax) return false;
  }
  return true;
}

Error damaged(std::string_view what) {
  return corrupt("damaged " + std::string(what) + " of a batch");
}

}  // namespace

void add_to_ranges(std::vector<PositionRange>& ranges, std::uint64_t position) {
  if (!ranges.empty() && ranges.back().first + ranges.back().count == position) {
    ++ranges.back().count;
  } else {
    ranges.push_back({position, 1});
  }
}

std::string BatchHead::text() const {
  std::string out;
  put_varint(out, count);
  put_varint(out, bytes);
  put_ranges(out, positions);
  put_varint(out, segments.size());
  for (const std::uint64_t segment : segments) put_varint(out, segment);
  if (oldest_ms != kUnknownMs) put_varint(out, zigzag(oldest_ms));
  return out;
}

Result<BatchHead> BatchHead::parse(std::string_view text) {
  BatchHead head;
  std::uint64_t segments = 0;
  if (!take_varint(text, head.count) || !take_varint(text, head.bytes) || head.count > kCountMax ||
      !take_ranges(text, head.positions) || !take_varint(text, segments) || segments > kCountMax) {
    return damaged("head");
  }
  std::uint64_t positions = 0;
  for (const PositionRange& range : head.positions) positions += range.count;
  if (positions != head.count) return damaged("head");
  for (std::uint64_t i = 0; i < segments; ++i) {
    std::uint64_t segment = 0;
    if (!take_varint(text, segment)) return damaged("head");
    head.segments.push_back(segment);
  }
  std::uint64_t oldest = 0;
  if (!text.empty()) {
    if (!take_varint(text, oldest)) return damaged("head");
    head.oldest_ms = unzigzag(oldest);
    if (!is_a_time(head.oldest_ms)) return damaged("head");
  }
  return head;
}

namespace {

constexpr std::string_view kSealed{"\x80\0", 2};

void put_fixed(std::string& out, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i));
}

std::uint32_t seal_of(std::uint64_t row, std::uint64_t queue, std::string_view head,
                      std::string_view effects) {
  std::string where;
  put_fixed(where, row, 8);
  put_fixed(where, queue, 8);
  return crc32c(effects, crc32c(head, crc32c(where)));
}

}  // namespace

std::string BatchHead::sealed(std::uint64_t row, std::uint64_t queue,
                              std::string_view effects) const {
  std::string rest;
  const RowClock at = clock.value_or(RowClock{});
  put_varint(rest, at.boot);
  put_varint(rest, zigzag(at.wall_ms));
  put_varint(rest, zigzag(at.since_boot_ms));
  rest += text();
  std::string out(kSealed);
  put_fixed(out, seal_of(row, queue, rest, effects), 4);
  return out += rest;
}

Result<BatchHead> BatchHead::unseal(std::string_view text, std::uint64_t row, std::uint64_t queue,
                                    std::string_view effects, bool may_be_unsealed) {
  if (!text.starts_with(kSealed)) return may_be_unsealed ? parse(text) : damaged("head");
  text.remove_prefix(kSealed.size());
  std::string sum;
  put_fixed(sum, seal_of(row, queue, text.substr(std::min<std::size_t>(text.size(), 4)), effects),
            4);
  if (!text.starts_with(sum)) return damaged("head");
  text.remove_prefix(sum.size());
  RowClock at;
  std::uint64_t wall = 0;
  std::uint64_t since_boot = 0;
  if (!take_varint(text, at.boot) || !take_varint(text, wall) || !take_varint(text, since_boot))
    return damaged("head");
  at.wall_ms = unzigzag(wall);
  at.since_boot_ms = unzigzag(since_boot);
  TRY_ASSIGN(head, parse(text));
  head.clock = at;
  return head;
}

std::string BatchEffects::text() const {
  std::string out;
  for (const std::uint64_t counter : counters) put_varint(out, counter);
  put_varint(out, rows.size());
  for (const Row& row : rows) {
    put_varint(out, row.row);
    put_ranges(out, row.done);
  }
  return out;
}

Result<BatchEffects> BatchEffects::parse(std::string_view text) {
  BatchEffects effects;
  for (std::uint64_t& counter : effects.counters) {
    if (!take_varint(text, counter)) return damaged("effects");
  }
  std::uint64_t count = 0;
  if (!take_varint(text, count) || count > kCountMax) return damaged("effects");
  for (std::uint64_t i = 0; i < count; ++i) {
    Row row;
    if (!take_varint(text, row.row) || !take_ranges(text, row.done)) return damaged("effects");
    effects.rows.push_back(std::move(row));
  }
  return effects;
}

}  // namespace runnel
