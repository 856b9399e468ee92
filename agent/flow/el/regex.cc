// The door to RE2, as regex.h says.

#include "agent/flow/el/regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "agent/flow/el/unicode.h"

namespace runnel {
namespace {

struct Translation {
  std::string_view java;
  std::string_view re2;  // inside of `[…]`
};
constexpr std::array<Translation, 17> kClasses{{{"Alpha", "[:alpha:]"},
                                                {"Lower", "[:lower:]"},
                                                {"Upper", "[:upper:]"},
                                                {"Digit", "[:digit:]"},
                                                {"Alnum", "[:alnum:]"},
                                                {"Punct", "[:punct:]"},
                                                {"Graph", "[:graph:]"},
                                                {"Print", "[:print:]"},
                                                {"Blank", "[:blank:]"},
                                                {"Cntrl", "[:cntrl:]"},
                                                {"XDigit", "[:xdigit:]"},
                                                {"Space", "[:space:]"},
                                                {"ASCII", "[:ascii:]"},
                                                {"IsAlphabetic", "\\p{L}"},
                                                {"IsDigit", "\\p{Nd}"},
                                                {"IsUppercase", "\\p{Lu}"},
                                                {"IsLowercase", "\\p{Ll}"}}};
constexpr std::string_view kHorizontal =
    "\\t \\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}";
constexpr std::string_view kVertical = "\\n\\x{0B}\\f\\r\\x{85}\\x{2028}\\x{2029}";
constexpr std::string_view kSpace = " \\t\\n\\x{0B}\\f\\r";  // RE2's \s lacks the vertical tab

Error unavailable_here(std::size_t at, std::string_view what, std::string_view why = {}) {
  return invalid("regular expression, column " + std::to_string(at + 1) + ": " + std::string(what) +
                 " is not available" + std::string(why));
}

Error refused(std::size_t at, std::string_view what) {
  return unavailable_here(at, what, ": expressions run in linear time here, without walking back");
}

// What `\h`, `\v` and `\s` stand for, and all but which `\H`, `\V` and `\S`; else nothing.
std::string_view blanks(char letter) {
  switch (letter) {
    case 'h':
    case 'H':
      return kHorizontal;
    case 'v':
    case 'V':
      return kVertical;
    case 's':
    case 'S':
      return kSpace;
    default:
      return {};
  }
}

// Java's pattern in RE2's spelling.
class Translator {
 public:
  explicit Translator(std::string_view java) : java_(java) {}

  Result<std::string> run() {
    while (at_ < java_.size()) {
      const char c = java_[at_];
      if (c == '\\') {
        TRY(escape());
      } else if (is_in_class_) {
        TRY(in_class());
      } else if (c == '[') {
        is_in_class_ = true;
        take(1);
        if (sees("^")) take(1);
        if (sees("]")) take(1);
      } else if (c == '(') {
        TRY(group());
      } else if (c == '*' || c == '+' || c == '?' || c == '}') {
        if (sees_at(1, '+')) return refused(at_, "a possessive quantifier");
        take(1);
        if (sees("?")) take(1);
      } else {
        take(1);
      }
    }
    return std::move(out_);
  }

 private:
  bool sees(std::string_view word) const { return java_.substr(at_).starts_with(word); }
  bool sees_at(std::size_t ahead, char c) const {
    return at_ + ahead < java_.size() && java_[at_ + ahead] == c;
  }
  void take(std::size_t count) {
    out_ += java_.substr(at_, count);
    at_ += count;
  }
  void put(std::string_view text, std::size_t skipped) {
    out_ += text;
    at_ += skipped;
  }

  Result<> in_class() {
    if (java_[at_] == ']') {
      is_in_class_ = false;
    } else if (sees("&&")) {
      return refused(at_, "the intersection `&&` of character classes");
    } else if (java_[at_] == '[') {
      return refused(at_, "a character class inside another (for a bracket write `\\[`)");
    }
    take(1);
    return {};
  }

  Result<> group() {
    if (sees("(?=") || sees("(?!")) return refused(at_, "lookahead");
    if (sees("(?<=") || sees("(?<!")) return refused(at_, "lookbehind");
    if (sees("(?>")) return refused(at_, "an atomic group");
    if (sees("(?<")) {
      put("(?P<", 3);
      return {};
    }
    if (sees("(?")) {
      // RE2 knows flags of these names, with another meaning or none.
      const std::size_t end = java_.find_first_not_of("dimsuxU-", at_ + 2);
      const std::string_view flags = java_.substr(at_ + 2, std::min(end, java_.size()) - at_ - 2);
      const std::size_t unknown = flags.find_first_of("dUux");
      if (unknown != std::string_view::npos) {
        return unavailable_here(at_, "the flag `" + std::string(flags.substr(unknown, 1)) + "`");
      }
    }
    take(1);
    return {};
  }

  Result<> escape() {
    if (at_ + 1 >= java_.size()) {
      return invalid("regular expression: ends in a single backslash");
    }
    const char c = java_[at_ + 1];
    const std::string members(blanks(c));
    const bool is_small = c >= 'a' && c <= 'z';
    if (!is_in_class_ && c >= '1' && c <= '9') return refused(at_, "a back reference");
    if (c == 'k' && sees_at(2, '<')) return refused(at_, "a back reference");
    if (c == 'G') return refused(at_, "`\\G`");
    if (c == 'Q') {
      const std::size_t end = java_.find("\\E", at_ + 2);
      const std::size_t stop = end == std::string_view::npos ? java_.size() : end;
      out_ += Regex::quoted(java_.substr(at_ + 2, stop - at_ - 2));
      at_ = end == std::string_view::npos ? java_.size() : end + 2;
    } else if (!members.empty() && !is_in_class_) {
      put((is_small ? "[" : "[^") + members + "]", 2);
    } else if (!members.empty() && is_small) {
      put(members, 2);
    } else if (c == 'R' && !is_in_class_) {
      put("(?:\\r\\n|[" + std::string(kVertical) + "])", 2);
    } else if (c == 'Z' && !is_in_class_) {
      put("(?:\\n?\\z)", 2);
    } else if (c == 'e') {
      put("\\x1B", 2);
    } else if (c == 'u' && at_ + 6 <= java_.size()) {
      put("\\x{" + std::string(java_.substr(at_ + 2, 4)) + "}", 6);
    } else if (c == '0' && at_ + 2 < java_.size() && el::is_digit(java_[at_ + 2])) {
      octal();
    } else if ((c == 'p' || c == 'P') && sees_at(2, '{')) {
      property(c == 'P');
    } else if (static_cast<unsigned char>(c) >= 0x80 || c == '<' || c == '>' || c == ' ') {
      at_ += 1;  // RE2 knows no escape of these: they stand for themselves
      take(1);
    } else {
      take(2);
    }
    return {};
  }

  // At `\0` and a digit: up to three octal digits, no more than \0377.
  void octal() {
    std::size_t end = at_ + 2;
    std::uint32_t character = 0;
    while (end < java_.size() && end < at_ + 5 && java_[end] >= '0' && java_[end] <= '7') {
      const std::uint32_t longer = character * 8 + static_cast<std::uint32_t>(java_[end] - '0');
      if (longer > 0377) break;
      character = longer;
      ++end;
    }
    const std::array<char, 4> digits{'\\', static_cast<char>('0' + (character >> 6)),
                                     static_cast<char>('0' + (character >> 3 & 7)),
                                     static_cast<char>('0' + (character & 7))};
    put({digits.data(), digits.size()}, end - at_);
  }

  void property(bool is_negated) {
    const std::size_t end = java_.find('}', at_);
    if (end == std::string_view::npos) return take(2);
    std::string_view name = java_.substr(at_ + 3, end - at_ - 3);
    for (const Translation& known : kClasses) {
      if (known.java != name) continue;
      std::string members(known.re2);
      if (is_negated) {
        // `[:alpha:]` becomes `[:^alpha:]`, `\p{L}` becomes `\P{L}`.
        members.replace(0, 2, members.front() == '[' ? "[:^" : "\\P");
      }
      return put(is_in_class_ ? members : "[" + members + "]", end + 1 - at_);
    }
    if (name.starts_with("Is")) name.remove_prefix(2);
    put((is_negated ? "\\P{" : "\\p{") + std::string(name) + "}", end + 1 - at_);
  }

  std::string_view java_;
  std::size_t at_ = 0;
  bool is_in_class_ = false;
  std::string out_;
};

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct Regex::Compiled {
  explicit Compiled(const std::string& pattern, const RE2::Options& options)
      : re(pattern, options) {}
  RE2 re;
  std::vector<std::string> names;
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) {
    return invalid("the regular expression is longer than " + std::to_string(kMaxPattern) +
                   " bytes");
  }
  TRY_ASSIGN(translated, Translator(pattern).run());
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(static_cast<std::int64_t>(kMaxMemory));
  auto compiled = std::make_shared<Compiled>(translated, options);
  if (!compiled->re.ok()) {
    return invalid("regular expression `" + std::string(pattern.substr(0, 200)) +
                   "`: " + compiled->re.error());
  }
  compiled->names.resize(static_cast<std::size_t>(compiled->re.NumberOfCapturingGroups()));
  for (const auto& [name, number] : compiled->re.NamedCapturingGroups()) {
    compiled->names[static_cast<std::size_t>(number - 1)] = name;
  }
  return Regex(std::move(compiled));
}

bool Regex::matches(std::string_view text) const {
  return compiled_->re.Match(piece(text), 0, text.size(), RE2::ANCHOR_BOTH, nullptr, 0);
}

bool Regex::find(std::string_view text) const {
  return compiled_->re.Match(piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}

std::size_t Regex::group_count() const { return compiled_->names.size(); }
const std::vector<std::string>& Regex::group_names() const { return compiled_->names; }

std::optional<std::size_t> Regex::group(std::string_view name) const {
  for (std::size_t i = 0; i < compiled_->names.size(); ++i) {
    if (compiled_->names[i] == name) return i + 1;
  }
  return std::nullopt;
}

namespace {

Regex::Groups groups_of(const RE2& re, std::string_view text, std::size_t from,
                        RE2::Anchor anchor) {
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(re.NumberOfCapturingGroups()) + 1);
  if (from > text.size() || !re.Match(piece(text), from, text.size(), anchor, found.data(),
                                      static_cast<int>(found.size()))) {
    return {};
  }
  Regex::Groups groups;
  for (const re2::StringPiece& part : found) {
    if (part.data() == nullptr) {
      groups.emplace_back(std::nullopt);
    } else {
      groups.emplace_back(std::string_view(part.data(), part.size()));
    }
  }
  return groups;
}

// A replacement in its parts: text, or the number of a group.
struct Part {
  std::string text;
  std::optional<std::size_t> group;
};

Result<std::vector<Part>> parts_of(const Regex& regex, std::string_view replacement) {
  std::vector<Part> parts;
  const auto text = [&](std::string_view plain) {
    if (parts.empty() || parts.back().group) parts.push_back({});
    parts.back().text += plain;
  };
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char c = replacement[i];
    if (c == '\\') {
      if (++i == replacement.size()) return invalid("the replacement ends in a single backslash");
      text(replacement.substr(i, 1));
    } else if (c != '$') {
      const std::size_t end = std::min(replacement.find_first_of("\\$", i), replacement.size());
      text(replacement.substr(i, end - i));
      i = end - 1;
    } else if (i + 1 < replacement.size() && replacement[i + 1] == '{') {
      const std::size_t end = replacement.find('}', i);
      const std::string_view name = end == std::string_view::npos
                                        ? std::string_view{}
                                        : replacement.substr(i + 2, end - i - 2);
      const std::optional<std::size_t> group = regex.group(name);
      if (name.empty() || !group) {
        return invalid("the replacement names a group `" + std::string(name) +
                       "` that the pattern does not have");
      }
      parts.push_back({{}, group});
      i = end;
    } else {
      if (i + 1 == replacement.size() || !el::is_digit(replacement[i + 1])) {
        return invalid(
            "in the replacement, `$` must be followed by a group's number or `{name}`; "
            "write `\\$` for a dollar");
      }
      std::size_t number = static_cast<std::size_t>(replacement[++i] - '0');
      if (number > regex.group_count()) {
        return invalid("the replacement names group " + std::to_string(number) +
                       ", but the pattern has " + std::to_string(regex.group_count()));
      }
      // As Java: further digits belong to the number as long as there is such a group.
      while (i + 1 < replacement.size() && el::is_digit(replacement[i + 1])) {
        const std::size_t longer = number * 10 + static_cast<std::size_t>(replacement[i + 1] - '0');
        if (longer > regex.group_count()) break;
        number = longer;
        ++i;
      }
      parts.push_back({{}, number});
    }
  }
  return parts;
}

// How far the character at `at` reaches, so that an empty match moves on by a whole one.
std::size_t character_size(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

}  // namespace

Regex::Groups Regex::search(std::string_view text, std::size_t from) const {
  return groups_of(compiled_->re, text, from, RE2::UNANCHORED);
}

Regex::Groups Regex::match_whole(std::string_view text) const {
  return groups_of(compiled_->re, text, 0, RE2::ANCHOR_BOTH);
}

Result<std::string> Regex::replace(std::string_view text, std::string_view replacement,
                                   std::size_t limit, bool is_all) const {
  TRY_ASSIGN(parts, parts_of(*this, replacement));
  std::string out;
  std::size_t copied = 0;
  std::size_t from = 0;
  while (from <= text.size()) {
    const Groups groups = search(text, from);
    if (groups.empty()) break;
    const auto begin = static_cast<std::size_t>(groups[0]->data() - text.data());
    out += text.substr(copied, begin - copied);
    for (const Part& part : parts) {
      if (!part.group) {
        out += part.text;
      } else if (groups[*part.group]) {
        out += *groups[*part.group];
      }
    }
    if (out.size() > limit) {
      return invalid("the text after the replacement is above the limit of " +
                     std::to_string(limit) + " bytes");
    }
    copied = begin + groups[0]->size();
    // An empty match moves on by a character, which is copied with the next piece.
    from = groups[0]->empty() ? copied + character_size(text, copied) : copied;
    if (!is_all) break;
  }
  if (copied < text.size()) out += text.substr(copied);
  return out;
}

Result<std::string> Regex::replace_all(std::string_view text, std::string_view replacement,
                                       std::size_t limit) const {
  return replace(text, replacement, limit, true);
}

Result<std::string> Regex::replace_first(std::string_view text, std::string_view replacement,
                                         std::size_t limit) const {
  return replace(text, replacement, limit, false);
}

Result<> Regex::check_replacement(std::string_view replacement) const {
  TRY(parts_of(*this, replacement));
  return {};
}

std::string Regex::quoted(std::string_view text) { return RE2::QuoteMeta(piece(text)); }

}  // namespace runnel
