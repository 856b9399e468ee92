// Characters, as unicode.h says.

#include "agent/flow/el/unicode.h"

#include <locale.h>
#include <string.h>
#include <wctype.h>

#include <algorithm>

namespace runnel::el {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// C.UTF-8 is built into the C library; where it is not, only ASCII letters change.
locale_t unicode_locale() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kLocale;
}

template <typename Change>
std::string changed(std::string_view text, Change change) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::uint32_t character = next_character(text, at);
    const std::uint32_t mapped = change(character);
    if (mapped == character) {
      out += text.substr(begin, at - begin);  // ill-formed bytes stay as they are
    } else {
      append_character(out, mapped);
    }
  }
  return out;
}

std::uint32_t lower_of(std::uint32_t character) {
  const locale_t locale = unicode_locale();
  if (locale == nullptr) return character;
  return static_cast<std::uint32_t>(towlower_l(static_cast<wint_t>(character), locale));
}

}  // namespace

std::size_t find_text(std::string_view text, std::string_view what, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  if (text.size() == from) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::size_t character_count(std::string_view text) {
  return text.size() -
         static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::size_t byte_of(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  while (at < text.size() && is_continuation(text[at])) ++at;
  for (; at < text.size() && index > 0; --index) {
    ++at;
    while (at < text.size() && is_continuation(text[at])) ++at;
  }
  return at;
}

std::uint32_t next_character(std::string_view text, std::size_t& at) {
  constexpr std::uint32_t kIllFormed = 0xFFFD;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(at++);
  if (lead < 0x80) return lead;
  const std::size_t more = lead >= 0xF0 && lead <= 0xF4   ? 3
                           : lead >= 0xE0 && lead < 0xF0  ? 2
                           : lead >= 0xC2 && lead <= 0xDF ? 1
                                                          : 0;
  if (more == 0 || at + more > text.size()) return kIllFormed;
  std::uint32_t character = lead & (more == 1 ? 0x1FU : more == 2 ? 0x0FU : 0x07U);
  for (std::size_t i = 0; i < more; ++i) {
    if (!is_continuation(text[at + i])) return kIllFormed;
    character = (character << 6) | (byte(at + i) & 0x3F);
  }
  at += more;
  return character;
}

void append_character(std::string& out, std::uint32_t character) {
  if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) character = 0xFFFD;
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xC0 | (character >> 6));
    put(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    put(0xE0 | (character >> 12));
    put(0x80 | ((character >> 6) & 0x3F));
    put(0x80 | (character & 0x3F));
  } else {
    put(0xF0 | (character >> 18));
    put(0x80 | ((character >> 12) & 0x3F));
    put(0x80 | ((character >> 6) & 0x3F));
    put(0x80 | (character & 0x3F));
  }
}

std::string upper_case(std::string_view text) {
  if (is_ascii(text)) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), ascii_upper);
    return out;
  }
  std::string out = changed(text, [](std::uint32_t character) {
    const locale_t locale = unicode_locale();
    if (locale == nullptr) return character;
    return static_cast<std::uint32_t>(towupper_l(static_cast<wint_t>(character), locale));
  });
  for (std::size_t at = out.find("\u00DF"); at != std::string::npos; at = out.find("\u00DF", at)) {
    out.replace(at, 2, "SS");
  }
  return out;
}

std::string lower_case(std::string_view text) {
  if (is_ascii(text)) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), ascii_lower);
    return out;
  }
  return changed(text, lower_of);
}

bool equal_ignoring_letter_case(std::string_view a, std::string_view b) {
  std::size_t at_a = 0;
  std::size_t at_b = 0;
  while (at_a < a.size() && at_b < b.size()) {
    const std::uint32_t character_a = next_character(a, at_a);
    const std::uint32_t character_b = next_character(b, at_b);
    if (character_a == character_b) continue;
    if (character_a < 0x80 && character_b < 0x80) {
      if (ascii_lower(static_cast<char>(character_a)) !=
          ascii_lower(static_cast<char>(character_b))) {
        return false;
      }
    } else if (lower_of(character_a) != lower_of(character_b)) {
      return false;
    }
  }
  return at_a == a.size() && at_b == b.size();
}

}  // namespace runnel::el
