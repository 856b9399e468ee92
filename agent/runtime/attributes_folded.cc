// Folded attributes: what is the same as in the base is held once.

#include <algorithm>
#include <new>

#include "agent/runtime/attributes.h"
#include "agent/runtime/block_cache.h"

namespace runnel {
namespace {

constexpr std::size_t kEntriesMax = 256;  // of a base: their number is a byte
constexpr std::size_t kValueMax = UINT16_MAX;
constexpr std::uint64_t kTries = 64;  // then it is known whether folding pays here

}  // namespace

std::optional<std::string_view> Attributes::find_folded(std::string_view name) const {
  std::optional<std::string_view> found;
  each([&](std::string_view one, std::string_view value) {
    if (one == name) found = value;
  });
  return found;
}

Attributes* Attributes::unfolded(Attributes* from) {
  std::string packed;
  const auto put_size = [&packed](std::size_t size) {
    const auto narrow = static_cast<std::uint32_t>(size);
    packed.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  };
  from->each([&](std::string_view name, std::string_view value) {
    put_size(name.size());
    put_size(value.size());
    packed += name;
    packed += value;
  });
  Attributes* const flat = copy_of(packed);
  from->release();
  return flat;
}

AttributesFolder::~AttributesFolder() {
  for (Attributes* const base : bases_) {
    if (base != nullptr) base->release();
  }
}

bool AttributesFolder::differs_little(const Attributes& base, const Attributes& flat) {
  own_.clear();
  const char* at = base.bytes();
  const char* const end = at + base.used_;
  std::size_t number = 0;
  bool is_fit = true;
  flat.each([&](std::string_view name, std::string_view value) {
    is_fit = is_fit && at < end && number < kEntriesMax;
    if (!is_fit) return;
    const Attributes::Entry entry = Attributes::entry_at(at);
    at += entry.size();
    is_fit = entry.name == name && value.size() <= kValueMax;
    if (is_fit && entry.value != value) {
      const auto size = static_cast<std::uint16_t>(value.size());
      own_ += static_cast<char>(number);
      own_.append(reinterpret_cast<const char*>(&size), sizeof size);
      own_ += value;
    }
    ++number;
  });
  return is_fit && at == end && 2 * (Attributes::kBaseSize + own_.size()) <= flat.used_;
}

Attributes* AttributesFolder::fold(const Attributes& flat) {
  if (flat.is_folded() || flat.is_empty()) return nullptr;
  if (folded_ + others_ >= kTries && folded_ < others_) return nullptr;
  const auto base = std::find_if(bases_.begin(), bases_.end(), [&](const Attributes* one) {
    return one != nullptr && differs_little(*one, flat);
  });
  if (base == bases_.end()) {
    ++others_;
    Attributes*& replaced = bases_[next_++ % bases_.size()];
    if (replaced != nullptr) replaced->release();
    replaced = Attributes::copy_of(flat.packed());
    replaced->retain();
    return replaced;
  }
  ++folded_;
  const std::size_t size = Attributes::kBaseSize + own_.size();
  auto* const made = new (take_block(sizeof(Attributes) + size)) Attributes(Attributes::kFolded);
  (*base)->retain();
  const Attributes::Base of{*base};
  std::memcpy(made->bytes(), &of, sizeof of);
  std::memcpy(made->bytes() + Attributes::kBaseSize, own_.data(), own_.size());
  made->names_ = static_cast<std::uint32_t>(own_.size());
  return made;
}

}  // namespace runnel
