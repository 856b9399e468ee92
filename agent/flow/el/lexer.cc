// As lexer.h says, after NiFi's AttributeExpressionLexer.g.

#include "agent/flow/el/lexer.h"

namespace runnel::el {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_name(char c) {
  return !is_space(c) && std::string_view("${}()[],:;/*'\"|").find(c) == std::string_view::npos;
}

}  // namespace

void Cursor::skip_space() {
  while (!at_end()) {
    if (is_space(peek())) {
      ++at;
    } else if (peek() == '#') {
      while (!at_end() && peek() != '\n') ++at;
    } else {
      return;
    }
  }
}

std::string_view Cursor::read_name() {
  const std::size_t begin = at;
  while (!at_end() && is_name(peek())) ++at;
  return source.text.substr(begin, at - begin);
}

std::string_view Cursor::read_number() {
  const std::size_t begin = at;
  while (!at_end()) {
    const char c = peek();
    const bool is_sign = c == '+' || c == '-';
    const char before = at > begin ? source.text[at - 1] : 'e';
    if (is_sign ? (before != 'e' && before != 'E') : !is_name(c)) break;
    ++at;
  }
  return source.text.substr(begin, at - begin);
}

bool Cursor::read_quoted(std::string& text, std::vector<std::size_t>& map) {
  constexpr std::string_view kFrom = "rnt'\"\\";
  constexpr std::string_view kTo = "\r\n\t'\"\\";
  const char quote = peek();
  ++at;
  const auto put = [&](char c, std::size_t from) {
    text += c;
    map.push_back(from);
  };
  while (!at_end()) {
    const std::size_t from = offset();
    const char c = peek();
    ++at;
    if (c == quote) return true;
    if (c != '\\' || at_end()) {
      put(c, from);
      continue;
    }
    const std::size_t escaped_from = offset();
    const char escaped = peek();
    ++at;
    const std::size_t index = kFrom.find(escaped);
    if (index == std::string_view::npos) {
      put('\\', from);  // `'\d'` keeps its backslash, for regular expressions
      put(escaped, escaped_from);
    } else {
      put(kTo[index], from);
    }
  }
  return false;
}

}  // namespace runnel::el
