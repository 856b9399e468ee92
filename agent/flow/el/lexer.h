// The smallest parts of an expression: white space, names, numbers, text in quotes; each knows
// where it stands.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::el {

// Text, and for each of its bytes where it stands in what the user wrote. A string literal whose
// escapes are undone has its own map; plain text is its own map with a shift.
struct Source {
  std::string_view text;
  std::size_t shift = 0;
  const std::vector<std::size_t>* map = nullptr;

  std::size_t offset(std::size_t at) const {
    if (map == nullptr) return shift + at;
    return at < map->size() ? (*map)[at] : (map->empty() ? shift : map->back() + 1);
  }
};

// Where one source is being read.
struct Cursor {
  Source source;
  std::size_t at = 0;

  bool at_end() const { return at >= source.text.size(); }
  char peek() const { return at_end() ? '\0' : source.text[at]; }
  bool sees(std::string_view word) const { return source.text.substr(at).starts_with(word); }
  std::size_t offset() const { return source.offset(at); }

  // Moves behind white space and comments.
  void skip_space();
  // The name that begins here, or empty.
  std::string_view read_name();
  // What begins here and may be a number: digits, letters, dots, and signs where a number has them.
  std::string_view read_number();
  // At a quote: the text up to the closing one with its escapes undone, and where each of its bytes
  // stands. False when the quote is never closed.
  bool read_quoted(std::string& text, std::vector<std::size_t>& map);
};

}  // namespace runnel::el
