// Pattern: a regular expression that cannot explode (RE2), for properties that take one. pattern.cc
// is the door to RE2.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

class Pattern {
 public:
  struct Options {
    bool is_case_insensitive = false;
    bool is_multiline = false;  // ^ and $ match at line ends
    bool dot_matches_newline = false;
  };

  // kInvalid says why and where; look-around and back references, which only a backtracking engine
  // has, are named as such.
  static Result<Pattern> compile(std::string_view text) { return compile(text, Options{}); }
  static Result<Pattern> compile(std::string_view text, Options options);
  // What `text` is, taken letter by letter.
  static std::string quoted(std::string_view text);

  // The whole text matches.
  bool matches(std::string_view text) const;
  // A part of it matches.
  bool is_found_in(std::string_view text) const;
  // The first match from `from` on: its groups, 0 being the whole match; nothing when there is
  // none. A group that took no part is nullopt.
  std::optional<std::vector<std::optional<std::string_view>>> find(std::string_view text,
                                                                   std::size_t from = 0) const;
  int group_count() const;
  // Every match replaced; `$1` and `${name}` stand for groups, as in Java, `\$` for a dollar.
  Result<std::string> replaced_all(std::string_view text, std::string_view replacement) const;
  Result<std::string> replaced_first(std::string_view text, std::string_view replacement) const;

 private:
  struct Compiled;
  explicit Pattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  Result<std::string> replaced(std::string_view text, std::string_view replacement,
                               bool is_first_only) const;

  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace runnel
