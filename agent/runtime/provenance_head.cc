// Writes and reads the heads of blocks of provenance.

#include "agent/runtime/provenance_head.h"

#include <algorithm>
#include <span>

#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::size_t kHulls = 8;
constexpr std::size_t kBitsPerKey = 10;
constexpr std::uint64_t kProbes = 7;

// Where the `probe`-th bit of `key` stands in a filter of so many bits.
std::uint64_t bit_of(std::uint64_t key, std::uint64_t probe, std::uint64_t bits) {
  // FNV's low bits are weak: they are mixed (splitmix64's finish) before they are divided.
  std::uint64_t mixed = key + probe * 0x9E3779B97F4A7C15U;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
  return (mixed ^ (mixed >> 31)) % bits;
}

std::string filter_of(std::vector<std::uint64_t> keys, std::span<const std::uint64_t> own_keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  keys.insert(keys.end(), own_keys.begin(), own_keys.end());
  std::string filter(keys.size() * kBitsPerKey / 8 + 1, '\0');
  for (const std::uint64_t key : keys) {
    for (std::uint64_t probe = 0; probe < kProbes; ++probe) {
      const std::uint64_t bit = bit_of(key, probe, filter.size() * 8);
      filter[bit / 8] =
          static_cast<char>(static_cast<unsigned char>(filter[bit / 8]) | (1U << (bit % 8)));
    }
  }
  return filter;
}

}  // namespace

ProvenanceHead ProvenanceHead::of(const ProvenanceEncoder& block, std::uint64_t first_event) {
  ProvenanceHead head;
  head.first_event = first_event;
  head.count = block.count();
  head.first_ms = block.first_ms();
  head.component_bits = block.component_bits();
  head.kind_bits = block.kind_bits();
  head.hulls = block.hulls(kHulls);
  head.filter = filter_of(block.keys(), block.own_keys());
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
  return out + filter;
}

bool ProvenanceHead::may_hold(std::uint64_t key) const {
  if (filter.empty()) return true;
  for (std::uint64_t probe = 0; probe < kProbes; ++probe) {
    const std::uint64_t bit = bit_of(key, probe, filter.size() * 8);
    if ((static_cast<unsigned char>(filter[bit / 8]) & (1U << (bit % 8))) == 0) return false;
  }
  return true;
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
  head.filter = std::string(bytes);
  return head;
}

}  // namespace runnel
