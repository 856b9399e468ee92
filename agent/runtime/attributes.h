// Attributes: a FlowFile's attributes in one packed block, shared until somebody changes them.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/copy.h"

namespace runnel {

// Bytes behind the header:  (name size u32, value size u32, name, value)*
// Each name is there once. They stand as they came: one more goes to the end and moves no other;
// who needs the order of names (a batch, a reader) sorts.
//
// What waits long is *folded*: it names a block of the same names, its base, and holds only the
// values that are not the same. Who changes it gets a block of its own.
class Attributes {
 public:
  // From packed bytes as above, which the caller vouches for (see is_well_formed). One reference.
  static Attributes* copy_of(std::string_view packed);
  // As above, and in the order of names, as they lie on disk.
  static bool is_well_formed(std::string_view packed);

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  std::optional<std::string_view> find(std::string_view name) const;
  // REQUIRES: not folded.
  std::string_view packed() const { return {bytes(), used_}; }
  bool is_empty() const { return used_ == 0 && !is_folded(); }
  bool is_folded() const { return capacity_ == kFolded; }
  bool is_shared() const { return refs_.load(std::memory_order_acquire) != 1; }
  // What it takes in memory, about, without its base.
  std::size_t memory_bytes() const {
    return sizeof(Attributes) + (is_folded() ? kBaseSize + own_size() : capacity_);
  }

  template <typename Visit>
  void each(Visit&& visit) const {
    each_own(visit);
    if (is_folded()) [[unlikely]]
      each_folded(visit);
  }

  // A bit for the name, one of 32, by which the few names of a FlowFile mostly differ.
  static std::uint32_t bit_of(std::string_view name) {
    if (name.empty()) return 1;
    const std::size_t mixed = name.size() * 7 + static_cast<unsigned char>(name.front()) * 3U +
                              static_cast<unsigned char>(name.back());
    return std::uint32_t{1} << (mixed % 32);
  }
  // Mostly a name is new, it and its value are short, nobody shares what they are added to, and
  // there is room. False: something of that is not so, and nothing has changed. `bit` is the
  // name's. (Calls nothing, so that who calls it has nothing to put aside.)
  bool add_short(std::uint32_t bit, std::string_view name, std::string_view value) {
    const std::size_t fresh = kHead + name.size() + value.size();
    if ((names_ & bit) != 0 || (name.size() | value.size()) > kFew - 1 ||
        fresh > capacity_ - used_ || is_shared())
      return false;
    char* const at = bytes() + used_;
    put_sizes(at, name, value);
    copy_few(at + kHead, name);
    copy_few(at + kHead + name.size(), value);
    names_ |= bit;
    used_ += static_cast<std::uint32_t>(fresh);
    return true;
  }

  // Consumes the reference `from` (nullptr: no attributes) and returns one to attributes with that
  // change; in place when nobody shares them.
  static Attributes* with(Attributes* from, std::string_view name, std::string_view value);
  // The same of attributes that somebody else holds: consumes no reference.
  static Attributes* copy_with(Attributes& from, std::string_view name, std::string_view value);
  static Attributes* without(Attributes* from, std::string_view name);

 private:
  friend class AttributesFolder;
  struct Entry {
    std::string_view name;
    std::string_view value;
    std::size_t size() const { return kHead + name.size() + value.size(); }
  };
  static constexpr std::size_t kHead = 8;  // of an entry: the two sizes

  explicit Attributes(std::uint32_t capacity) : capacity_(capacity) {}
  static Attributes* allocate(std::size_t capacity);
  static Entry entry_at(const char* at);
  static void put_sizes(char* at, std::string_view name, std::string_view value) {
    const auto name_size = static_cast<std::uint32_t>(name.size());
    const auto value_size = static_cast<std::uint32_t>(value.size());
    std::memcpy(at, &name_size, sizeof name_size);
    std::memcpy(at + sizeof name_size, &value_size, sizeof value_size);
  }
  static void put_entry(char* at, std::string_view name, std::string_view value) {
    put_sizes(at, name, value);
    copy_text(at + kHead, name);
    copy_text(at + kHead + name.size(), value);
  }
  // Where the entry of this name begins; the end when there is none. `bit` is the name's.
  const char* locate(std::uint32_t bit, std::string_view name) const {
    return (names_ & bit) == 0 ? end() : search(name);
  }
  const char* search(std::string_view name) const;
  bool is_ours() const { return refs_.load(std::memory_order_acquire) == 1; }
  // Makes room of `fresh` bytes in place of `old` bytes at `at`; returns the block, which may be
  // another one.
  static Attributes* respaced(Attributes* from, std::size_t at, std::size_t old, std::size_t fresh);
  static Attributes* copy_respaced(const Attributes& from, std::size_t at, std::size_t old,
                                   std::size_t fresh);
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  const char* end() const { return bytes() + used_; }

  // -- folded: behind the header the base's address, then, in the base's order, of each value that
  // differs:  (number of the entry u8, value size u16, value)*
  static constexpr std::uint32_t kFolded = 0;  // a flat one has room for a byte at least
  struct Base {
    Attributes* block;
  };
  static constexpr std::size_t kBaseSize = sizeof(Base);
  static constexpr std::size_t kOwnHead = 3;
  std::size_t own_size() const { return names_; }
  Attributes* base() const {
    Base base{};
    std::memcpy(&base, bytes(), sizeof base);
    return base.block;
  }
  // The value of entry `number`, where `own` is the next that differs; steps over it.
  static std::string_view value_of(std::string_view& own, std::size_t number,
                                   std::string_view of_base) {
    if (own.empty() || static_cast<unsigned char>(own[0]) != number) return of_base;
    std::uint16_t size = 0;
    std::memcpy(&size, own.data() + 1, sizeof size);
    const std::string_view value = own.substr(kOwnHead, size);
    own.remove_prefix(kOwnHead + size);
    return value;
  }
  template <typename Visit>
  void each_own(Visit&& visit) const {  // folded: none
    const char* at = bytes();
    const char* const end = at + used_;
    while (at < end) {
      const Entry entry = entry_at(at);
      visit(entry.name, entry.value);
      at += entry.size();
    }
  }
  template <typename Visit>
  void each_folded(Visit& visit) const {
    std::string_view own(bytes() + kBaseSize, own_size());
    std::size_t number = 0;
    base()->each_own([&](std::string_view name, std::string_view of_base) {
      visit(name, value_of(own, number++, of_base));
    });
  }
  std::optional<std::string_view> find_folded(std::string_view name) const;
  // Consumes the reference.
  static Attributes* unfolded(Attributes* from);

  std::atomic<std::uint32_t> refs_{1};
  std::uint32_t used_ = 0;  // 0: folded
  std::uint32_t capacity_;  // kFolded: it is
  // A bit for each name (`bit_of`): one whose bit is not here is not there, and need not be looked
  // for. Folded: how many bytes are behind the base's address.
  std::uint32_t names_ = 0;
};

// Folds the attributes of FlowFiles that follow one another. One thread.
class AttributesFolder {
 public:
  AttributesFolder() = default;
  ~AttributesFolder();
  AttributesFolder(const AttributesFolder&) = delete;
  AttributesFolder& operator=(const AttributesFolder&) = delete;

  // One reference to what reads the same and takes less memory; nullptr: nothing does.
  Attributes* fold(const Attributes& flat);

 private:
  // False: its names are others, or it would not be worth it.
  bool differs_little(const Attributes& base, const Attributes& flat);

  std::array<Attributes*, 4> bases_{};
  std::size_t next_ = 0;  // the base that is replaced next
  std::uint64_t folded_ = 0;
  std::uint64_t others_ = 0;
  std::string own_;
};

}  // namespace runnel
