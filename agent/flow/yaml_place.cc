// Where the bytes of a YAML scalar's value stand in its text: quotes, escapes and block indents
// make value and text differ.

#include "agent/base/bytes.h"
#include "agent/flow/yaml.h"

namespace runnel {
namespace {

using Span = PropertySource::Span;

class Walker {
 public:
  Walker(std::string_view text, Position at, std::size_t offset)
      : text_(text), at_(at), next_(offset) {}

  bool is_end() const { return next_ >= text_.size(); }
  char peek() const { return is_end() ? '\0' : text_[next_]; }
  Position at() const { return at_; }
  std::size_t offset() const { return next_; }

  void step() {
    if (is_end()) return;
    ++at_.column;
    if (text_[next_] == '\n') at_ = {at_.line + 1, 1};
    ++next_;
  }
  void step(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) step();
  }

 private:
  std::string_view text_;
  Position at_;
  std::size_t next_;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Over anchor and tag, to the value itself.
void skip_properties(Walker& walker) {
  while (walker.peek() == '&' || walker.peek() == '!') {
    while (!walker.is_end() && !is_blank(walker.peek())) walker.step();
    while (!walker.is_end() && is_blank(walker.peek())) walker.step();
  }
}

void add_span(std::vector<Span>& spans, std::size_t value, Position at) {
  if (!spans.empty()) {
    const Span& last = spans.back();
    if (last.at.line == at.line && last.at.column + (value - last.offset) == at.column) return;
  }
  spans.push_back({value, at, false});
}

// Bytes of UTF-8 that an escape of `digits` hexadecimal digits stands for.
std::size_t escaped_bytes(std::string_view digits) {
  std::uint32_t code = 0;
  for (const char c : digits) {
    const char lower = static_cast<char>(c | 0x20);
    code = code * 16 + static_cast<std::uint32_t>(lower >= 'a' ? lower - 'a' + 10 : c - '0');
  }
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

// The bytes of the value one after the other, up to a line break, which folds.
std::vector<Span> quoted_spans(Walker walker, std::string_view text, std::size_t value_size) {
  const char quote = walker.peek();
  walker.step();
  std::vector<Span> spans;
  std::size_t value = 0;
  while (!walker.is_end() && value < value_size && walker.peek() != '\n') {
    add_span(spans, value, walker.at());
    if (walker.peek() != '\\' && walker.peek() != quote) {
      walker.step();
      ++value;
      continue;
    }
    const bool is_escape = walker.peek() == '\\' && quote == '"';
    if (!is_escape) {  // `\` or `''` within single quotes
      walker.step(walker.peek() == quote ? 2 : 1);
      ++value;
      continue;
    }
    walker.step();
    const char kind = walker.peek();
    walker.step();
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    value += digits > 0 ? escaped_bytes(text.substr(walker.offset(), digits)) : 1;
    walker.step(digits);
  }
  return spans;
}

// A literal block (`|`): each line of the value is a line of the text behind the block's indent.
std::vector<Span> block_spans(Walker walker, std::string_view text, std::string_view value) {
  while (!walker.is_end() && walker.peek() != '\n') walker.step();
  walker.step();
  std::size_t indent = std::string_view::npos;
  for (std::size_t i = walker.offset(), begin = i; i < text.size(); ++i) {
    if (text[i] == '\n') {
      begin = i + 1;
    } else if (text[i] != ' ') {
      indent = i - begin;
      break;
    }
  }
  if (indent == std::string_view::npos) return {};
  std::vector<Span> spans;
  std::size_t offset = 0;
  for (const std::string_view line : split(value, '\n')) {
    const std::uint32_t column = static_cast<std::uint32_t>(indent) + 1;
    spans.push_back({offset, {walker.at().line, column}, false});
    offset += line.size() + 1;
    while (!walker.is_end() && walker.peek() != '\n') walker.step();
    walker.step();
  }
  return spans;
}

}  // namespace

std::vector<PropertySource::Span> YamlDocument::spans_of(const YamlNode& scalar) const {
  const std::vector<Span> whole{{0, scalar.at, true}};
  if (!scalar.is(YamlNode::Kind::kScalar)) return whole;
  Walker walker(text_, scalar.at, scalar.offset);
  skip_properties(walker);
  const std::string_view rest = text_.substr(std::min(walker.offset(), text_.size()));
  std::vector<Span> spans;
  switch (walker.peek()) {
    case '"':
    case '\'':
      spans = quoted_spans(walker, text_, scalar.text.size());
      break;
    case '|':
      spans = block_spans(walker, text_, scalar.text);
      break;
    case '>':
      break;
    default:
      if (rest.starts_with(scalar.text)) spans.push_back({0, walker.at(), false});
  }
  return spans.empty() ? whole : spans;
}

}  // namespace runnel
