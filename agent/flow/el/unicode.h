// UTF-8 text by characters: lengths, positions and letter case. A byte that begins no sequence
// counts as a character.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::el {

// Of ASCII only.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

inline bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Where `what` begins in `text`, or npos: in linear time, which string_view::find does not promise.
std::size_t find_text(std::string_view text, std::string_view what, std::size_t from = 0);

// How many characters `text` has.
std::size_t character_count(std::string_view text);
// The byte at which character `index` begins; the size of `text` when there are not so many.
std::size_t byte_of(std::string_view text, std::size_t index);

// By the Unicode character database as the C library has it, one character for one, and "ß" to "SS"
// as Java does.
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
bool equal_ignoring_letter_case(std::string_view a, std::string_view b);

// The character at `at`, which moves behind it; an ill-formed byte is U+FFFD.
std::uint32_t next_character(std::string_view text, std::size_t& at);
// Appends a character as UTF-8; what is none (surrogates, beyond U+10FFFF) becomes U+FFFD.
void append_character(std::string& out, std::uint32_t character);

}  // namespace runnel::el
