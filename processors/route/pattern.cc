// The door to RE2 for processors.

#include "processors/route/pattern.h"

#include <re2/re2.h>

#include <map>

namespace runnel {
namespace {

constexpr std::int64_t kMemoryMax = 8 << 20;  // of one compiled expression
constexpr std::size_t kResultMax = 256 << 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

struct Pattern::Compiled {
  Compiled(std::string_view text, const RE2::Options& options)
      : regex(re2::StringPiece(text.data(), text.size()), options) {}
  RE2 regex;
};

Result<Pattern> Pattern::compile(std::string_view text, Options options) {
  RE2::Options how;
  how.set_log_errors(false);
  how.set_case_sensitive(!options.is_case_insensitive);
  how.set_dot_nl(options.dot_matches_newline);
  how.set_max_mem(kMemoryMax);
  const std::string whole = options.is_multiline ? "(?m)" + std::string(text) : std::string(text);
  auto compiled = std::make_shared<Compiled>(whole, how);
  if (!compiled->regex.ok()) {
    std::string why = compiled->regex.error();
    if (text.find("(?=") != std::string_view::npos || text.find("(?!") != std::string_view::npos ||
        text.find("(?<=") != std::string_view::npos ||
        text.find("(?<!") != std::string_view::npos) {
      why += "; look-ahead and look-behind are not supported (RE2 syntax)";
    }
    return invalid("regular expression `" + std::string(text.substr(0, 200)) + "`: " + why);
  }
  return Pattern(std::move(compiled));
}

std::string Pattern::quoted(std::string_view text) {
  return RE2::QuoteMeta(re2::StringPiece(text.data(), text.size()));
}

bool Pattern::matches(std::string_view text) const {
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), compiled_->regex);
}

bool Pattern::is_found_in(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->regex);
}

int Pattern::group_count() const { return compiled_->regex.NumberOfCapturingGroups(); }

std::optional<std::vector<std::optional<std::string_view>>> Pattern::find(std::string_view text,
                                                                          std::size_t from) const {
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(group_count()) + 1);
  const re2::StringPiece whole(text.data(), text.size());
  if (from > text.size() || !compiled_->regex.Match(whole, from, text.size(), RE2::UNANCHORED,
                                                    found.data(), static_cast<int>(found.size()))) {
    return std::nullopt;
  }
  std::vector<std::optional<std::string_view>> groups;
  groups.reserve(found.size());
  for (const re2::StringPiece& one : found) {
    if (one.data() == nullptr) {
      groups.emplace_back(std::nullopt);
    } else {
      groups.emplace_back(std::string_view(one.data(), one.size()));
    }
  }
  return groups;
}

namespace {

// Puts one match's groups into a replacement text.
Result<> append_replacement(std::string& out, std::string_view replacement,
                            const std::vector<std::optional<std::string_view>>& groups,
                            const std::map<std::string, int>& names) {
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char c = replacement[i];
    if (c == '\\' && i + 1 < replacement.size()) {
      out += replacement[++i];
    } else if (c == '$' && i + 1 < replacement.size() && is_digit(replacement[i + 1])) {
      std::size_t group = static_cast<std::size_t>(replacement[++i] - '0');
      // As in Java, further digits belong to the number as long as there is such a group.
      while (i + 1 < replacement.size() && is_digit(replacement[i + 1]) &&
             group * 10 + static_cast<std::size_t>(replacement[i + 1] - '0') < groups.size()) {
        group = group * 10 + static_cast<std::size_t>(replacement[++i] - '0');
      }
      if (group >= groups.size()) return invalid("there is no group " + std::to_string(group));
      out += groups[group].value_or("");
    } else if (c == '$' && i + 1 < replacement.size() && replacement[i + 1] == '{') {
      const std::size_t end = replacement.find('}', i);
      if (end == std::string_view::npos) return invalid("`${` without `}` in the replacement");
      const auto found = names.find(std::string(replacement.substr(i + 2, end - i - 2)));
      if (found == names.end()) return invalid("there is no group of that name");
      out += groups[static_cast<std::size_t>(found->second)].value_or("");
      i = end;
    } else {
      out += c;
    }
    if (out.size() > kResultMax) return full("the replaced text would be above 256 MB");
  }
  return {};
}

}  // namespace

Result<std::string> Pattern::replaced(std::string_view text, std::string_view replacement,
                                      bool is_first_only) const {
  const std::map<std::string, int>& names = compiled_->regex.NamedCapturingGroups();
  std::string out;
  std::size_t at = 0;
  std::size_t search = 0;
  while (const auto groups = find(text, search)) {
    const std::string_view match = *(*groups)[0];
    const auto begin = static_cast<std::size_t>(match.data() - text.data());
    out += text.substr(at, begin - at);
    TRY(append_replacement(out, replacement, *groups, names));
    at = begin + match.size();
    search = at;
    if (match.empty()) {
      if (at >= text.size()) break;
      out += text[at];
      search = ++at;
    }
    if (is_first_only) break;
  }
  if (at < text.size()) out += text.substr(at);
  return out;
}

Result<std::string> Pattern::replaced_all(std::string_view text,
                                          std::string_view replacement) const {
  return replaced(text, replacement, false);
}

Result<std::string> Pattern::replaced_first(std::string_view text,
                                            std::string_view replacement) const {
  return replaced(text, replacement, true);
}

}  // namespace runnel
