// Regex: Java's regular expressions on RE2, which never explodes.
//
// What RE2 spells otherwise is translated: `(?<name>…)`, `\p{Alpha}`, `\h`, `\R`, `\Z`. What needs
// a matcher that walks back (lookaround, back references, possessive quantifiers, atomic groups,
// `[a&&b]`) is refused by name. Text is UTF-8.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

// Immutable; cheap to copy; any thread.
class Regex {
 public:
  static constexpr std::size_t kMaxPattern = 64 * 1024;
  static constexpr std::size_t kMaxMemory = 8 * 1024 * 1024;  // of the compiled automaton

  // kInvalid says which construct is none, and what to write instead.
  static Result<Regex> compile(std::string_view pattern);

  // The whole text, as Matcher.matches; anywhere in it, as Matcher.find.
  bool matches(std::string_view text) const;
  bool find(std::string_view text) const;

  // Capture groups, without group 0; and the number of a named one.
  std::size_t group_count() const;
  std::optional<std::size_t> group(std::string_view name) const;
  const std::vector<std::string>& group_names() const;  // by number from 1; "" where it has none
  // The groups of the first match at or behind `from`, group 0 first; a group that took no part has
  // no value. Empty when nothing matches.
  using Groups = std::vector<std::optional<std::string_view>>;
  Groups search(std::string_view text, std::size_t from = 0) const;
  Groups match_whole(std::string_view text) const;

  // Java's replacement texts: `$1`, `${name}`, `\$`. kInvalid for a group that the pattern does not
  // have, or when the result would be larger than `limit`.
  Result<std::string> replace_all(std::string_view text, std::string_view replacement,
                                  std::size_t limit) const;
  Result<std::string> replace_first(std::string_view text, std::string_view replacement,
                                    std::size_t limit) const;
  // Whether `replacement` is well formed and names groups that exist.
  Result<> check_replacement(std::string_view replacement) const;

  // The pattern that matches `text` and nothing else.
  static std::string quoted(std::string_view text);

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  Result<std::string> replace(std::string_view text, std::string_view replacement,
                              std::size_t limit, bool is_all) const;

  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace runnel
