// Escaping for JSON, XML, CSV and HTML, as commons-text's StringEscapeUtils does.

#include <array>
#include <charconv>

#include "agent/flow/el/html_entities.h"
#include "agent/flow/el/program.h"
#include "agent/flow/el/unicode.h"

namespace runnel::el {
namespace {

// Applies `change` to the subject's text; null stays null.
template <typename Change>
Value changed(Call& call, Change change) {
  const auto text = call.subject_text();
  return text ? call.hold(change(*text)) : null_value();
}

void append_u(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 15];
}

std::string escaped_json(std::string_view text) {
  constexpr std::string_view kFrom = "\"\\/\b\n\t\f\r";
  constexpr std::string_view kTo = "\"\\/bntfr";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t c = next_character(text, at);
    const std::size_t short_form =
        c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
    if (short_form != std::string_view::npos) {
      out += '\\';
      out += kTo[short_form];
    } else if (c >= 0x10000) {
      append_u(out, 0xD800 + ((c - 0x10000) >> 10));
      append_u(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
    } else if (c < 0x20 || c > 0x7F) {
      append_u(out, c);
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::optional<std::uint32_t> hex4(std::string_view text) {
  std::uint32_t unit = 0;
  if (text.size() < 4) return std::nullopt;
  const auto read = std::from_chars(text.data(), text.data() + 4, unit, 16);
  return read.ec == std::errc() && read.ptr == text.data() + 4 ? std::optional(unit) : std::nullopt;
}

// At the digits behind `\u` (or `\uu`, or `\u+`). Reads a surrogate's other half too.
bool read_unicode(std::string_view text, std::size_t& at, std::string& out) {
  while (at < text.size() && text[at] == 'u') ++at;
  if (at < text.size() && text[at] == '+') ++at;
  const auto unit = hex4(text.substr(at));
  if (!unit) return false;
  at += 4;
  std::uint32_t character = *unit;
  if (character >= 0xD800 && character < 0xDC00 && text.substr(at).starts_with("\\u")) {
    const auto low = hex4(text.substr(at + 2));
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      character = 0x10000 + ((character - 0xD800) << 10) + (*low - 0xDC00);
      at += 6;
    }
  }
  append_character(out, character);
  return true;
}

// UNESCAPE_JAVA, which also serves for JSON: octal, \u, the short forms; a backslash before
// anything else falls away.
std::optional<std::string> unescaped_json(std::string_view text) {
  constexpr std::string_view kFrom = "bntfr\\\"'";
  constexpr std::string_view kTo = "\b\n\t\f\r\\\"'";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c != '\\') {
      out += c;
      continue;
    }
    if (at == text.size()) break;
    const std::size_t short_form = kFrom.find(text[at]);
    if (short_form != std::string_view::npos) {
      out += kTo[short_form];
      ++at;
    } else if (text[at] == 'u') {
      if (!read_unicode(text, at, out)) return std::nullopt;
    } else if (text[at] >= '0' && text[at] <= '7') {
      const std::size_t limit = text[at] <= '3' ? 3 : 2;
      std::uint32_t octal = 0;
      for (std::size_t i = 0; i < limit && at < text.size() && text[at] >= '0' && text[at] <= '7';
           ++i, ++at) {
        octal = octal * 8 + static_cast<std::uint32_t>(text[at] - '0');
      }
      append_character(out, octal);
    }
  }
  return out;
}

// ESCAPE_XML10: characters that XML 1.0 does not allow fall away.
std::string escaped_xml(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::uint32_t c = next_character(text, at);
    const bool is_white = c == '\t' || c == '\n' || c == '\r';
    if (c == '"') {
      out += "&quot;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '\'') {
      out += "&apos;";
    } else if (c >= 0x7F && c <= 0x9F && c != 0x85) {
      out += "&#" + std::to_string(c) + ";";
    } else if ((c >= 0x20 || is_white) && c != 0xFFFE && c != 0xFFFF) {
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

std::string escaped_html(std::string_view text, HtmlVersion version) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::string_view name = html_name(next_character(text, at), version);
    if (name.empty()) {
      out += text.substr(begin, at - begin);
    } else {
      out += "&" + std::string(name) + ";";
    }
  }
  return out;
}

// "#65" and "#x41", or nothing.
std::optional<std::uint32_t> numeric_entity(std::string_view name) {
  if (!name.starts_with('#')) return std::nullopt;
  name.remove_prefix(1);
  const bool is_hex = name.starts_with('x') || name.starts_with('X');
  if (is_hex) name.remove_prefix(1);
  std::uint32_t character = 0;
  const auto read =
      std::from_chars(name.data(), name.data() + name.size(), character, is_hex ? 16 : 10);
  if (name.empty() || read.ec != std::errc() || read.ptr != name.data() + name.size()) {
    return std::nullopt;
  }
  return character;
}

// Replaces `&name;` by what `find` says; what it does not know stays.
template <typename Find>
std::string unescaped_entities(std::string_view text, Find find) {
  constexpr std::size_t kLongestName = 16;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end =
        text[at] == '&' ? text.substr(at, kLongestName).find(';') : std::string_view::npos;
    if (end != std::string_view::npos) {
      const std::string_view name = text.substr(at + 1, end - 1);
      auto character = numeric_entity(name);
      if (!character) character = find(name);
      if (character) {
        append_character(out, *character);
        at += end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

std::optional<std::uint32_t> xml_character(std::string_view name) {
  if (name == "apos") return '\'';
  if (name == "quot" || name == "amp" || name == "lt" || name == "gt") {
    return html_character(name, HtmlVersion::k3);
  }
  return std::nullopt;
}

constexpr std::string_view kCsvSpecial = ",\"\r\n";

std::string escaped_csv(std::string_view text) {
  if (text.find_first_of(kCsvSpecial) == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

// CsvUnescaper: quotes around what needs none stay.
std::string unescaped_csv(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  const std::string_view quoted = text;
  text = text.substr(1, text.size() - 2);
  if (text.find_first_of(kCsvSpecial) == std::string_view::npos) return std::string(quoted);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] == '"' && i + 1 < text.size() && text[i + 1] == '"') ++i;
  }
  return out;
}

Value escape_json(Call& call) { return changed(call, escaped_json); }
Value escape_xml(Call& call) { return changed(call, escaped_xml); }
Value escape_csv(Call& call) { return changed(call, escaped_csv); }
Value unescape_csv(Call& call) { return changed(call, unescaped_csv); }

Value unescape_json(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  auto out = unescaped_json(*text);
  return out ? call.hold(*std::move(out))
             : call.fail("`\\u` is not followed by four hexadecimal digits");
}

Value unescape_xml(Call& call) {
  return changed(call, [](auto text) { return unescaped_entities(text, xml_character); });
}

template <HtmlVersion version>
Value escape_html(Call& call) {
  return changed(call, [](auto text) { return escaped_html(text, version); });
}
template <HtmlVersion version>
Value unescape_html(Call& call) {
  return changed(call, [](auto text) {
    return unescaped_entities(text, [](auto name) { return html_character(name, version); });
  });
}

constexpr std::array<Function, 10> kEscapeFunctions{{
    {"escapeJson", kNeeds, 0, 0, "", Type::kString,
     "The text as it stands between the quotes of a JSON string, in ASCII.", escape_json},
    {"unescapeJson", kNeeds, 0, 0, "", Type::kString,
     "The text of what stands between the quotes of a JSON string.", unescape_json},
    {"escapeXml", kNeeds, 0, 0, "", Type::kString,
     "The text for XML 1.0: `&`, `<`, `>` and quotes as entities, without the characters that XML "
     "forbids.",
     escape_xml},
    {"unescapeXml", kNeeds, 0, 0, "", Type::kString,
     "The text with XML's five entities and numeric ones undone.", unescape_xml},
    {"escapeCsv", kNeeds, 0, 0, "", Type::kString,
     "The text as a field of CSV (RFC 4180), in quotes where it needs them.", escape_csv},
    {"unescapeCsv", kNeeds, 0, 0, "", Type::kString,
     "The text of a field of CSV (RFC 4180). Quotes that it does not need stay.", unescape_csv},
    {"escapeHtml3", kNeeds, 0, 0, "", Type::kString, "The text with the entities of HTML 3.",
     escape_html<HtmlVersion::k3>},
    {"unescapeHtml3", kNeeds, 0, 0, "", Type::kString,
     "The text with the entities of HTML 3 undone.", unescape_html<HtmlVersion::k3>},
    {"escapeHtml4", kNeeds, 0, 0, "", Type::kString, "The text with the entities of HTML 4.",
     escape_html<HtmlVersion::k4>},
    {"unescapeHtml4", kNeeds, 0, 0, "", Type::kString,
     "The text with the entities of HTML 4 undone.", unescape_html<HtmlVersion::k4>},
}};

}  // namespace

std::span<const Function> escape_functions() { return kEscapeFunctions; }

}  // namespace runnel::el
