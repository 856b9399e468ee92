// Attributes: a FlowFile's attributes in one packed block, shared until somebody changes them.

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace runnel {

// Bytes behind the header:  (name size u32, value size u32, name, value)*
// Each name is there once. They stand as they came: one more goes to the end and moves no other;
// who needs the order of names (a batch, a reader) sorts.
class Attributes {
 public:
  // From packed bytes as above, which the caller vouches for (see is_well_formed). One reference.
  static Attributes* copy_of(std::string_view packed);
  // As above, and in the order of names, as they lie on disk.
  static bool is_well_formed(std::string_view packed);

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view packed() const { return {bytes(), used_}; }

  template <typename Visit>
  void each(Visit&& visit) const {
    const char* at = bytes();
    const char* const end = at + used_;
    while (at < end) {
      const Entry entry = entry_at(at);
      visit(entry.name, entry.value);
      at += entry.size();
    }
  }

  // Consumes the reference `from` (nullptr: no attributes) and returns one to attributes with that
  // change; in place when nobody shares them.
  static Attributes* with(Attributes* from, std::string_view name, std::string_view value);
  // The same of attributes that somebody else holds: consumes no reference.
  static Attributes* copy_with(Attributes& from, std::string_view name, std::string_view value);
  static Attributes* without(Attributes* from, std::string_view name);

 private:
  struct Entry {
    std::string_view name;
    std::string_view value;
    std::size_t size() const { return 8 + name.size() + value.size(); }
  };

  explicit Attributes(std::uint32_t capacity) : capacity_(capacity) {}
  static Attributes* allocate(std::size_t capacity);
  static Entry entry_at(const char* at);
  // Where the entry of this name begins; the end when there is none.
  const char* locate(std::string_view name) const;
  bool is_ours() const { return refs_.load(std::memory_order_acquire) == 1; }
  // Makes room of `fresh` bytes in place of `old` bytes at `at`; returns the block, which may be
  // another one.
  static Attributes* respaced(Attributes* from, std::size_t at, std::size_t old, std::size_t fresh);
  static Attributes* copy_respaced(const Attributes& from, std::size_t at, std::size_t old,
                                   std::size_t fresh);
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  const char* end() const { return bytes() + used_; }

  std::atomic<std::uint32_t> refs_{1};
  std::uint32_t used_ = 0;
  std::uint32_t capacity_;
  // A bit for each name (`bit_of`): one whose bit is not here is not there, and need not be looked
  // for.
  std::uint32_t names_ = 0;
};

}  // namespace runnel
