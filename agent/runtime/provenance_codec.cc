// Writes and reads the stream of provenance events.

#include "agent/runtime/provenance_codec.h"

#include <algorithm>
#include <bit>

#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::uint64_t kParents = 1U << 4;
constexpr std::uint64_t kRelationship = 1U << 5;
constexpr std::uint64_t kUri = 1U << 6;
constexpr std::uint64_t kDetails = 1U << 7;
constexpr std::uint64_t kKindHigh = 1U << 8;
constexpr std::uint64_t kAlternateId = 1U << 9;
constexpr ProvenanceKind kLastKind = ProvenanceKind::kRemoteInvocation;
constexpr std::uint64_t kValues = 1U << 10;
constexpr std::uint64_t kFlagsMax = 0x7FF;
constexpr std::size_t kCoveredMax = 2048;
constexpr std::size_t kCoveredAfterShrink = 256;
constexpr std::uint64_t kBitmapBytesMax = 64 * 1024;

std::size_t size_of(std::uint64_t number) {
  return static_cast<std::size_t>(std::bit_width(number | 1) + 6) / 7;
}

std::uint64_t flags_of(ProvenanceKind kind) {
  const auto number = static_cast<std::uint64_t>(kind);
  return (number & 0x0F) | ((number & 0x10) != 0 ? kKindHigh : 0);
}

// FNV-1a.
std::uint64_t hashed(std::uint64_t hash, char c) {
  return (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
}
std::uint64_t hash_of(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325U) {
  for (const char c : text) hash = hashed(hash, c);
  return hash;
}

}  // namespace

std::uint64_t count_of(std::span<const IdRange> ranges) {
  std::uint64_t count = 0;
  for (const IdRange& range : ranges) count += range.count();
  return count;
}

void shrink_to_hulls(std::vector<IdRange>& ranges, std::size_t count_max) {
  IdSet set(std::move(ranges));
  ranges.assign(set.ranges().begin(), set.ranges().end());
  if (ranges.size() <= count_max) return;
  // The widest gaps stay open.
  std::vector<std::uint64_t> gaps;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    gaps.push_back(ranges[i].first - ranges[i - 1].last);
  }
  const std::size_t open = count_max - 1;
  std::uint64_t narrowest_open = UINT64_MAX;
  if (open > 0) {
    const auto nth = gaps.begin() + static_cast<std::ptrdiff_t>(open - 1);
    std::nth_element(gaps.begin(), nth, gaps.end(), std::greater<>());
    narrowest_open = *nth;
  }
  std::size_t kept = 0;
  std::size_t opened = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (opened < open && ranges[i].first - ranges[kept].last >= narrowest_open) {
      ranges[++kept] = ranges[i];
      ++opened;
    } else {
      ranges[kept].last = ranges[i].last;
    }
  }
  ranges.resize(kept + 1);
}

std::uint64_t ProvenanceEncoder::component_bit(std::string_view component) {
  return std::uint64_t{1} << (hash_of(component) >> 58);
}

std::uint64_t provenance_key_of_kind(std::string_view component, ProvenanceKind kind) {
  const char of[2] = {'k', static_cast<char>(kind)};
  return hash_of(component, hash_of({of, 2}));
}

std::uint64_t provenance_key_of_relationship(std::string_view relationship) {
  return hash_of(relationship, hash_of("r"));
}

std::uint64_t provenance_key_of_mark(std::string_view attribute, std::string_view value) {
  return hash_of(value, hash_of({"\0", 1}, hash_of(attribute, hash_of("a"))));
}

void ProvenanceEncoder::put(std::uint64_t number) { put_varint(bytes_, number); }

void ProvenanceEncoder::put_signed(std::int64_t number) { put(zigzag(number)); }

std::size_t ProvenanceEncoder::put_text(std::string_view text) {
  // A block has few texts, which come again and again: most are found without hashing them.
  Recent& recent =
      recent_[text.empty() ? 0 : (text.size() + static_cast<unsigned char>(text.back())) % kRecent];
  if (recent.text != nullptr && *recent.text == text) {
    put(recent.index);
    return recent.index;
  }
  const auto found = texts_.find(text);
  if (found != texts_.end()) {
    recent = {&found->first, found->second};
    put(found->second);
    return found->second;
  }
  const std::size_t index = texts_.size();
  put(index);
  put(text.size());
  bytes_ += text;
  recent = {&texts_.emplace(text, index).first->first, index};
  return index;
}

void ProvenanceEncoder::put_ids(std::span<const IdRange> ids, std::uint64_t& next) {
  RUNNEL_ASSERT(!ids.empty());
  const std::uint64_t first = ids.front().first;
  put_signed(static_cast<std::int64_t>(first - next));
  next = ids.back().last + 1;
  std::size_t range_bytes = size_of(ids.size()) + size_of(ids.front().count());
  for (std::size_t i = 1; i < ids.size(); ++i) {
    range_bytes += size_of(ids[i].first - ids[i - 1].last) + size_of(ids[i].count());
  }
  const std::uint64_t bitmap_bytes = (ids.back().last - first) / 8 + 1;
  if (bitmap_bytes + 1 + size_of(bitmap_bytes) < range_bytes && bitmap_bytes <= kBitmapBytesMax) {
    put(0);
    put(bitmap_bytes);
    const std::size_t at = bytes_.size();
    bytes_.resize(at + bitmap_bytes, '\0');
    for (const IdRange& range : ids) {
      for (std::uint64_t bit = range.first - first; bit <= range.last - first; ++bit) {
        char& byte = bytes_[at + bit / 8];
        byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (bit % 8)));
      }
    }
    return;
  }
  put(ids.size());
  put(ids.front().count() - 1);
  for (std::size_t i = 1; i < ids.size(); ++i) {
    put(ids[i].first - ids[i - 1].last - 1);
    put(ids[i].count() - 1);
  }
}

// Values that come together are mostly names with a number in them: what one has in common with the
// one before is neither stored nor hashed again.
void ProvenanceEncoder::put_values(std::string_view attribute,
                                   std::span<const std::string_view> values) {
  std::array<std::uint64_t, kMarkValueMax + 1> hashes;  // of the first n bytes of the last value
  hashes[0] = provenance_key_of_mark(attribute, {});
  std::string_view last;
  for (const std::string_view whole : values) {
    const std::string_view value = whole.substr(0, kMarkValueMax);
    const auto parting = std::mismatch(last.begin(), last.end(), value.begin(), value.end()).first;
    const auto shared = static_cast<std::size_t>(parting - last.begin());
    put(shared);
    put(value.size() - shared);
    bytes_.append(value.substr(shared));
    for (std::size_t i = shared; i < value.size(); ++i) hashes[i + 1] = hashed(hashes[i], value[i]);
    own_keys_.push_back(hashes[value.size()]);
    last = value;
  }
}

void ProvenanceEncoder::add(const ProvenanceRecord& record) {
  if (record.flowfiles.empty()) return;
  const bool has_values = !record.values.empty();
  RUNNEL_ASSERT(!has_values ||
                (record.kind == kProvenanceMark && record.values.size() <= kMarkValuesMax &&
                 record.values.size() == count_of(record.flowfiles)));
  std::uint64_t flags = flags_of(record.kind);
  if (!record.parents.empty()) flags |= kParents;
  if (!record.relationship.empty()) flags |= kRelationship;
  if (!record.uri.empty()) flags |= kUri;
  if (!record.details.empty()) flags |= kDetails;
  if (!record.alternate_id.empty()) flags |= kAlternateId;
  if (has_values) flags |= kValues;
  put(flags);
  const std::size_t component = put_text(record.component);
  put_signed(record.at_ms - last_ms_);
  std::uint64_t& next = next_id(component, record.kind);
  const bool is_first = next == 0;  // of this component and kind
  put_ids(record.flowfiles, next);
  if (!record.parents.empty()) {
    std::uint64_t parent_base = next;
    put_ids(record.parents, parent_base);
  }
  if (!record.relationship.empty()) {
    const std::size_t text = put_text(record.relationship);
    if (keyed_relationships_.size() <= text) keyed_relationships_.resize(text + 1);
    if (!keyed_relationships_[text]) {
      keyed_relationships_[text] = true;
      keys_.push_back(provenance_key_of_relationship(record.relationship));
    }
  }
  if (!record.uri.empty()) put_text(record.uri);
  if (!record.details.empty()) put_text(record.details);
  if (!record.alternate_id.empty()) put_text(record.alternate_id);
  if (has_values) {
    put_values(record.uri, record.values);
  } else if (record.kind == kProvenanceMark) {
    const std::uint64_t key = provenance_key_of_mark(record.uri, record.details);
    if (keys_.empty() || keys_.back() != key) keys_.push_back(key);
  } else if (is_first) {
    keys_.push_back(provenance_key_of_kind(record.component, record.kind));
  }
  if (is_first) component_bits_ |= component_bit(record.component);

  last_ms_ = record.at_ms;
  first_ms_ = std::min(first_ms_, record.at_ms);
  ++count_;
  kind_bits_ |= 1U << static_cast<unsigned>(record.kind);
  for (const std::span<const IdRange> ids : {record.flowfiles, record.parents}) {
    for (const IdRange& range : ids) {
      if (!covered_.empty() && range.first >= covered_.back().first &&
          range.first <= covered_.back().last + 1) {
        covered_.back().last = std::max(covered_.back().last, range.last);
      } else {
        covered_.push_back(range);
      }
    }
  }
  if (covered_.size() > kCoveredMax) shrink_to_hulls(covered_, kCoveredAfterShrink);
}

std::vector<IdRange> ProvenanceEncoder::hulls(std::size_t count_max) const {
  std::vector<IdRange> ranges = covered_;
  shrink_to_hulls(ranges, count_max);
  return ranges;
}

namespace {

class Decoder : private ProvenanceContext {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  Result<> next(const std::function<void(const ProvenanceRecord&)>& visit);

 private:
  Result<std::uint64_t> number();
  Result<std::size_t> text();
  Result<> ids(std::vector<IdRange>& into, std::uint64_t& next);
  Result<> bitmap(std::vector<IdRange>& into, std::uint64_t first);
  Result<> values();

  static Error broken() { return corrupt("provenance: the bytes of a block are damaged"); }

  std::string_view rest_;
  std::vector<std::string_view> texts_;
  std::vector<IdRange> flowfiles_;
  std::vector<IdRange> parents_;
  std::string values_text_;
  std::vector<std::string_view> values_;
};

Result<std::uint64_t> Decoder::number() {
  std::uint64_t number = 0;
  if (!take_varint(rest_, number)) return broken();
  return number;
}

Result<std::size_t> Decoder::text() {
  TRY_ASSIGN(index, number());
  if (index > texts_.size()) return broken();
  if (index == texts_.size()) {
    TRY_ASSIGN(size, number());
    if (size > rest_.size()) return broken();
    texts_.push_back(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  return static_cast<std::size_t>(index);
}

Result<> Decoder::bitmap(std::vector<IdRange>& into, std::uint64_t first) {
  TRY_ASSIGN(size, number());
  if (size > rest_.size() || size > kBitmapBytesMax) return broken();
  if (first >= UINT64_MAX - size * 8) return broken();
  for (std::uint64_t bit = 0; bit < size * 8; ++bit) {
    const unsigned byte = static_cast<unsigned char>(rest_[bit / 8]);
    if (((byte >> (bit % 8)) & 1U) == 0) continue;
    if (!into.empty() && into.back().last + 1 == first + bit) {
      ++into.back().last;
    } else {
      into.push_back({first + bit, first + bit});
    }
  }
  rest_.remove_prefix(size);
  if (into.empty()) return broken();
  return {};
}

Result<> Decoder::ids(std::vector<IdRange>& into, std::uint64_t& next) {
  into.clear();
  TRY_ASSIGN(step, number());
  const std::uint64_t first = next + static_cast<std::uint64_t>(unzigzag(step));
  TRY_ASSIGN(ranges, number());
  if (ranges == 0) {
    TRY(bitmap(into, first));
  } else {
    if (ranges > rest_.size()) return broken();
    std::uint64_t at = first;
    for (std::uint64_t i = 0; i < ranges; ++i) {
      if (i > 0) {
        TRY_ASSIGN(gap, number());
        if (gap >= UINT64_MAX - at) return broken();
        at += gap + 1;
      }
      TRY_ASSIGN(more, number());
      if (more >= UINT64_MAX - at) return broken();
      into.push_back({at, at + more});
      at += more;
    }
  }
  // No agent has had so many; beyond it a bitmap of theirs would wrap around.
  if (into.back().last > INT64_MAX) return broken();
  next = into.back().last + 1;
  return {};
}

// One for each of `flowfiles_`.
Result<> Decoder::values() {
  const std::uint64_t count = count_of(flowfiles_);
  if (count > kMarkValuesMax) return broken();
  values_text_.clear();
  values_text_.reserve(count * kMarkValueMax);  // so that views into it hold
  values_.clear();
  std::string_view last;
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(shared, number());
    TRY_ASSIGN(more, number());
    if (shared > last.size() || more > rest_.size() || shared + more > kMarkValueMax)
      return broken();
    const std::size_t begin = values_text_.size();
    values_text_.append(last.substr(0, shared)).append(rest_.substr(0, more));
    rest_.remove_prefix(more);
    last = std::string_view(values_text_).substr(begin);
    values_.push_back(last);
  }
  return {};
}

Result<> Decoder::next(const std::function<void(const ProvenanceRecord&)>& visit) {
  TRY_ASSIGN(flags, number());
  if (flags > kFlagsMax) return broken();
  ProvenanceRecord record;
  record.kind = static_cast<ProvenanceKind>((flags & 0x0F) | ((flags & kKindHigh) >> 4));
  if (record.kind > kLastKind && record.kind != kProvenanceMark) return broken();
  TRY_ASSIGN(component, text());
  TRY_ASSIGN(step, number());
  last_ms_ = stepped_ms(last_ms_, step);
  if (!is_a_time(last_ms_)) return broken();
  record.at_ms = last_ms_;
  std::uint64_t& next = next_id(component, record.kind);
  TRY(ids(flowfiles_, next));
  parents_.clear();
  if ((flags & kParents) != 0) {
    std::uint64_t parent_base = next;
    TRY(ids(parents_, parent_base));
  }
  const auto optional_text = [this, flags](std::uint64_t flag, std::string_view& into) -> Result<> {
    if ((flags & flag) == 0) return {};
    TRY_ASSIGN(index, text());
    into = texts_[index];
    return {};
  };
  TRY(optional_text(kRelationship, record.relationship));
  TRY(optional_text(kUri, record.uri));
  TRY(optional_text(kDetails, record.details));
  TRY(optional_text(kAlternateId, record.alternate_id));
  if ((flags & kValues) != 0) {
    if (record.kind != kProvenanceMark) return broken();
    TRY(values());
    record.values = values_;
  }
  record.component = texts_[component];
  record.flowfiles = flowfiles_;
  record.parents = parents_;
  visit(record);
  return {};
}

}  // namespace

Result<> decode_provenance(std::string_view bytes,
                           const std::function<void(const ProvenanceRecord&)>& visit) {
  Decoder decoder(bytes);
  while (!decoder.at_end()) TRY(decoder.next(visit));
  return {};
}

}  // namespace runnel
