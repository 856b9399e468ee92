// Attributes: a FlowFile's attributes in one packed block, shared until somebody changes them.

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace runnel {

// Bytes behind the header, in the order of names:  (name size u32, value size u32, name, value)*
class Attributes {
 public:
  // From packed bytes as above, which the caller vouches for (see is_well_formed). One reference.
  static Attributes* copy_of(std::string_view packed);
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
  // Where the entry of this name is, or where it would be; `size` is its size, 0 when it is not
  // there.
  std::size_t locate(std::string_view name, std::size_t& size) const;
  // Makes room of `fresh` bytes in place of `old` bytes at `at`; returns the block, which may be
  // another one.
  bool appends(std::string_view name, std::size_t size) const;
  static Attributes* respaced(Attributes* from, std::size_t at, std::size_t old, std::size_t fresh);
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }

  std::atomic<std::uint32_t> refs_{1};
  std::uint32_t used_ = 0;
  std::uint32_t capacity_;
  std::uint32_t last_ = 0;  // where the last entry begins; 0 also when it is not known
};

}  // namespace runnel
