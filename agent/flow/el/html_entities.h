// HTML's named characters (HTML 4.01, section 24).

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace runnel::el {

// HTML 3.2 has those of ISO 8859-1 and the four of markup; HTML 4 has Greek, mathematics and
// symbols too.
enum class HtmlVersion { k3, k4 };

// The name of a character, without & and ;, or empty when it has none in that version.
std::string_view html_name(std::uint32_t character, HtmlVersion version);
// The character of a name, or nothing.
std::optional<std::uint32_t> html_character(std::string_view name, HtmlVersion version);

}  // namespace runnel::el
