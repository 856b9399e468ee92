// The packed block of attributes.

#include "agent/runtime/attributes.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "agent/base/assert.h"
#include "agent/runtime/block_cache.h"

namespace runnel {
namespace {

constexpr std::size_t kSlack = 96;   // so that a few more attributes fit without another block
constexpr std::size_t kFirst = 176;  // what a few attributes take, so that they need one block
constexpr std::size_t kSizeMax = 1U << 30;

std::uint32_t number_at(const char* at) {
  std::uint32_t number = 0;
  std::memcpy(&number, at, sizeof number);
  return number;
}

}  // namespace

Attributes* Attributes::allocate(std::size_t capacity) {
  RUNNEL_ASSERT(capacity < kSizeMax);
  void* const memory = take_block(sizeof(Attributes) + capacity);
  return new (memory) Attributes(static_cast<std::uint32_t>(capacity));
}

void Attributes::release() {
  if (!is_ours() && refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (!is_folded()) return give_block(this, sizeof(Attributes) + capacity_);
  base()->release();
  give_block(this, sizeof(Attributes) + kBaseSize + own_size());
}

Attributes::Entry Attributes::entry_at(const char* at) {
  const std::uint32_t name = number_at(at);
  const std::uint32_t value = number_at(at + 4);
  return {{at + 8, name}, {at + 8 + name, value}};
}

Attributes* Attributes::copy_of(std::string_view packed) {
  Attributes* const made = allocate(std::max<std::size_t>(packed.size(), kFolded + 1));
  if (!packed.empty()) std::memcpy(made->bytes(), packed.data(), packed.size());
  made->used_ = static_cast<std::uint32_t>(packed.size());
  made->each([made](std::string_view name, std::string_view) { made->names_ |= bit_of(name); });
  return made;
}

bool Attributes::is_well_formed(std::string_view packed) {
  std::string_view last;
  bool is_first = true;
  while (!packed.empty()) {
    if (packed.size() < 8) return false;
    const std::uint64_t size =
        8 + std::uint64_t{number_at(packed.data())} + number_at(packed.data() + 4);
    if (packed.size() < size) return false;
    const Entry entry = entry_at(packed.data());
    if (!is_first && !(last < entry.name)) return false;
    last = entry.name;
    is_first = false;
    packed.remove_prefix(size);
  }
  return true;
}

std::optional<std::string_view> Attributes::find(std::string_view name) const {
  const char* const at = locate(bit_of(name), name);
  if (at != end()) return entry_at(at).value;
  if (is_folded()) [[unlikely]]
    return find_folded(name);
  return std::nullopt;
}

// Names mostly differ in their size, so that few are compared.
const char* Attributes::search(std::string_view name) const {
  const char* at = bytes();
  while (at != end()) {
    const std::uint32_t size = number_at(at);
    if (equal_few({at + 8, size}, name)) break;
    at += 8 + std::size_t{size} + number_at(at + 4);
  }
  return at;
}

Attributes* Attributes::respaced(Attributes* from, std::size_t at, std::size_t old,
                                 std::size_t fresh) {
  const std::size_t used = from->used_ - old + fresh;
  const std::size_t tail = from->used_ - at - old;
  if (from->is_ours() && used <= from->capacity_) {
    std::memmove(from->bytes() + at + fresh, from->bytes() + at + old, tail);
    from->used_ = static_cast<std::uint32_t>(used);
    return from;
  }
  Attributes* const made = copy_respaced(*from, at, old, fresh);
  from->release();
  return made;
}

Attributes* Attributes::copy_respaced(const Attributes& from, std::size_t at, std::size_t old,
                                      std::size_t fresh) {
  const std::size_t used = from.used_ - old + fresh;
  Attributes* const made = allocate(used + kSlack);
  std::memcpy(made->bytes(), from.bytes(), at);
  std::memcpy(made->bytes() + at + fresh, from.bytes() + at + old, from.used_ - at - old);
  made->used_ = static_cast<std::uint32_t>(used);
  made->names_ = from.names_;
  return made;
}

Attributes* Attributes::with(Attributes* from, std::string_view name, std::string_view value) {
  const std::size_t fresh = kHead + name.size() + value.size();
  RUNNEL_ASSERT(fresh < kSizeMax);
  if (from == nullptr) from = allocate(std::max(fresh, kFirst));
  if (from->is_folded()) [[unlikely]]
    from = unfolded(from);
  const std::uint32_t bit = bit_of(name);
  if (from->add_short(bit, name, value)) return from;
  const char* const found = from->locate(bit, name);
  const auto at = static_cast<std::size_t>(found - from->bytes());
  std::size_t old = 0;
  if (found != from->end()) {
    const Entry entry = entry_at(found);
    if (entry.value == value) return from;
    old = entry.size();
  }
  Attributes* const made = respaced(from, at, old, fresh);
  put_entry(made->bytes() + at, name, value);
  made->names_ |= bit;
  return made;
}

Attributes* Attributes::copy_with(Attributes& from, std::string_view name, std::string_view value) {
  if (from.is_folded()) [[unlikely]] {
    from.retain();
    return with(&from, name, value);
  }
  const std::size_t fresh = kHead + name.size() + value.size();
  RUNNEL_ASSERT(fresh < kSizeMax);
  const std::uint32_t bit = bit_of(name);
  const char* const found = from.locate(bit, name);
  const auto at = static_cast<std::size_t>(found - from.bytes());
  const std::size_t old = found == from.end() ? 0 : entry_at(found).size();
  if (old == fresh && entry_at(found).value == value) {
    from.retain();
    return &from;
  }
  Attributes* const made = copy_respaced(from, at, old, fresh);
  put_entry(made->bytes() + at, name, value);
  made->names_ |= bit;
  return made;
}

Attributes* Attributes::without(Attributes* from, std::string_view name) {
  if (from == nullptr) return nullptr;
  if (from->is_folded()) [[unlikely]]
    from = unfolded(from);
  const char* const found = from->locate(bit_of(name), name);
  if (found == from->end()) return from;
  const auto at = static_cast<std::size_t>(found - from->bytes());
  return respaced(from, at, entry_at(found).size(), 0);
}

}  // namespace runnel
