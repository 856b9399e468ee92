// Writes and reads the heads of blocks of provenance.

#include "agent/runtime/provenance_head.h"

#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::size_t kHulls = 8;

}  // namespace

ProvenanceHead ProvenanceHead::of(const ProvenanceEncoder& block, std::uint64_t first_event) {
  ProvenanceHead head;
  head.first_event = first_event;
  head.count = block.count();
  head.first_ms = block.first_ms();
  head.component_bits = block.component_bits();
  head.kind_bits = block.kind_bits();
  head.hulls = block.hulls(kHulls);
  return head;
}

std::string ProvenanceHead::text() const {
  std::string out;
  put_varint(out, first_event);
  put_varint(out, count);
  put_varint(out, zigzag(first_ms));
  put_varint(out, component_bits);
  put_varint(out, kind_bits);
  put_varint(out, hulls.size());
  std::uint64_t last = 0;
  for (const IdRange& hull : hulls) {
    put_varint(out, hull.first - last);
    put_varint(out, hull.last - hull.first);
    last = hull.last;
  }
  return out;
}

std::optional<ProvenanceHead> ProvenanceHead::parse(std::string_view bytes) {
  ProvenanceHead head;
  std::uint64_t first_ms = 0;
  std::uint64_t hulls = 0;
  if (!take_varint(bytes, head.first_event) || !take_varint(bytes, head.count) ||
      !take_varint(bytes, first_ms) || !take_varint(bytes, head.component_bits) ||
      !take_varint(bytes, head.kind_bits) || !take_varint(bytes, hulls) || hulls > bytes.size()) {
    return std::nullopt;
  }
  head.first_ms = unzigzag(first_ms);
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < hulls; ++i) {
    std::uint64_t gap = 0;
    std::uint64_t length = 0;
    if (!take_varint(bytes, gap) || !take_varint(bytes, length)) return std::nullopt;
    head.hulls.push_back({last + gap, last + gap + length});
    last += gap + length;
  }
  return head;
}

}  // namespace runnel
