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

// As string_view's; but most names differ in their first byte.
int compare(std::string_view a, std::string_view b) {
  if (!a.empty() && !b.empty() && a[0] != b[0])
    return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]) ? -1 : 1;
  return a.compare(b);
}

void put_number(char* at, std::size_t number) {
  const auto narrow = static_cast<std::uint32_t>(number);
  std::memcpy(at, &narrow, sizeof narrow);
}

void put_entry(char* at, std::string_view name, std::string_view value) {
  put_number(at, name.size());
  put_number(at + 4, value.size());
  std::memcpy(at + 8, name.data(), name.size());
  if (!value.empty()) std::memcpy(at + 8 + name.size(), value.data(), value.size());
}

}  // namespace

Attributes* Attributes::allocate(std::size_t capacity) {
  RUNNEL_ASSERT(capacity < kSizeMax);
  void* const memory = take_block(sizeof(Attributes) + capacity);
  return new (memory) Attributes(static_cast<std::uint32_t>(capacity));
}

void Attributes::release() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (!is_folded()) return give_block(this, sizeof(Attributes) + capacity_);
  base()->release();
  give_block(this, sizeof(Attributes) + kBaseSize + last_);
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
  const char* at = bytes();
  const char* const end = at + used_;
  while (at < end) {
    const std::uint32_t name_size = number_at(at);
    const std::uint32_t value_size = number_at(at + 4);
    if (name_size == name.size() && std::memcmp(at + 8, name.data(), name_size) == 0) {
      return std::string_view(at + 8 + name_size, value_size);
    }
    at += 8 + std::size_t{name_size} + value_size;
  }
  if (is_folded()) [[unlikely]]
    return find_folded(name);
  return std::nullopt;
}

std::size_t Attributes::locate(std::string_view name, std::size_t& size) const {
  const char* at = bytes();
  const char* const end = at + used_;
  size = 0;
  // Mostly they come in the order of names.
  if (last_ != 0 && compare(entry_at(at + last_).name, name) < 0) return used_;
  while (at < end) {
    const Entry entry = entry_at(at);
    const int order = compare(entry.name, name);
    if (order == 0) size = entry.size();
    if (order >= 0) break;
    at += entry.size();
  }
  return static_cast<std::size_t>(at - bytes());
}

Attributes* Attributes::respaced(Attributes* from, std::size_t at, std::size_t old,
                                 std::size_t fresh) {
  const std::size_t used = from->used_ - old + fresh;
  const std::size_t tail = from->used_ - at - old;
  // The last entry moves with what comes before it.
  const std::size_t last = at < from->last_ ? from->last_ + fresh - old : 0;
  const bool is_ours = from->refs_.load(std::memory_order_acquire) == 1;
  if (is_ours && used <= from->capacity_) {
    std::memmove(from->bytes() + at + fresh, from->bytes() + at + old, tail);
    from->used_ = static_cast<std::uint32_t>(used);
    from->last_ = static_cast<std::uint32_t>(last);
    return from;
  }
  Attributes* const made = allocate(used + kSlack);
  std::memcpy(made->bytes(), from->bytes(), at);
  std::memcpy(made->bytes() + at + fresh, from->bytes() + at + old, tail);
  made->used_ = static_cast<std::uint32_t>(used);
  made->last_ = static_cast<std::uint32_t>(last);
  from->release();
  return made;
}

// Whether one of this name and size goes behind all others, in our own block: mostly they come in
// the order of names.
bool Attributes::appends(std::string_view name, std::size_t size) const {
  return used_ + size <= capacity_ && refs_.load(std::memory_order_acquire) == 1 &&
         (used_ == 0 || (last_ != 0 && compare(entry_at(bytes() + last_).name, name) < 0));
}

Attributes* Attributes::with(Attributes* from, std::string_view name, std::string_view value) {
  const std::size_t fresh = 8 + name.size() + value.size();
  RUNNEL_ASSERT(fresh < kSizeMax);
  if (from == nullptr) from = allocate(std::max(fresh, kFirst));
  if (from->appends(name, fresh)) {
    from->last_ = from->used_;
    put_entry(from->bytes() + from->used_, name, value);
    from->used_ += static_cast<std::uint32_t>(fresh);
    return from;
  }
  if (from->is_folded()) [[unlikely]]
    from = unfolded(from);
  std::size_t old = 0;
  const std::size_t at = from->locate(name, old);
  if (old == fresh && entry_at(from->bytes() + at).value == value) return from;
  Attributes* const made = respaced(from, at, old, fresh);
  if (at + fresh == made->used_) made->last_ = static_cast<std::uint32_t>(at);
  put_entry(made->bytes() + at, name, value);
  return made;
}

Attributes* Attributes::without(Attributes* from, std::string_view name) {
  if (from == nullptr) return nullptr;
  if (from->is_folded()) from = unfolded(from);
  std::size_t old = 0;
  const std::size_t at = from->locate(name, old);
  return old == 0 ? from : respaced(from, at, old, 0);
}

}  // namespace runnel
