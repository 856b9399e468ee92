// Putting parameters in.

#include "agent/flow/parameters.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "agent/base/bytes.h"
#include "agent/flow/complaints.h"

namespace runnel {
namespace {

constexpr std::size_t kProblemsMax = 10;  // of one value
constexpr std::size_t kNamesMax = 2'000;  // among so many one is sought that may be meant

using Span = PropertySource::Span;

// The first of them that begins behind `offset`.
std::vector<Span>::const_iterator behind(const std::vector<Span>& spans, std::size_t offset) {
  return std::upper_bound(spans.begin(), spans.end(), offset,
                          [](std::size_t at, const Span& span) { return at < span.offset; });
}

// Collects the value, and where each piece of it stands.
class Composer {
 public:
  Composer(PutIn& out, const std::vector<Span>& spans, std::size_t at_most)
      : out_(out), at_most_(at_most) {
    written_.spans = spans;
  }

  void copy(std::string_view text, std::size_t offset) {
    if (text.empty() || !has_room(text.size(), offset)) return;
    add_span(place(offset));
    for (auto span = behind(written_.spans, offset);
         span != written_.spans.end() && span->offset < offset + text.size(); ++span) {
      out_.spans.push_back(
          {out_.value.size() + (span->offset - offset), span->at, span->is_parameter});
    }
    out_.value += text;
  }

  bool is_full() const { return is_full_; }

  void put(const std::string& value, std::size_t offset) {
    if (!has_room(value.size(), offset)) return;
    add_span({0, written_.place_of(offset), true});
    out_.value += value;
  }

 private:
  bool has_room(std::size_t size, std::size_t offset) {
    if (!is_full_ && out_.value.size() + size <= at_most_) return true;
    if (!is_full_) {
      out_.problems.push_back(
          {offset, "the value is longer than " + size_text(at_most_) + " with its parameters"});
    }
    is_full_ = true;
    return false;
  }

  Span place(std::size_t offset) const {
    const auto next = behind(written_.spans, offset);
    const bool is_fixed = next == written_.spans.begin() || std::prev(next)->is_parameter;
    return {0, written_.place_of(offset), is_fixed};
  }

  void add_span(Span span) {
    span.offset = out_.value.size();
    out_.spans.push_back(span);
  }

  PutIn& out_;
  PropertySource written_;
  std::size_t at_most_;
  bool is_full_ = false;
};

// Where in an expression (`${…}`) the text that was followed so far has come to.
class Follower {
 public:
  void follow(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool is_opening = dollars_ % 2 == 1 && c == '{';
      dollars_ = c == '$' ? dollars_ + 1 : 0;
      if (is_opening) {
        quotes_.push_back(kNone);
      } else if (quotes_.empty()) {
        continue;
      } else if (quotes_.back() != kNone) {
        if (c == '\\') ++i;
        if (c == quotes_.back()) quotes_.back() = kNone;
      } else if (c == '"' || c == '\'') {
        quotes_.back() = c;
      } else if (c == '}') {
        quotes_.pop_back();
      }
      if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) last_ = c;
    }
  }
  void follow_value() { last_ = kValue; }

  bool is_subject() const { return is_bare() && last_ == '{'; }
  bool is_argument() const { return is_bare() && (last_ == '(' || last_ == ','); }

 private:
  static constexpr char kNone = '\0';
  static constexpr char kValue = '\1';
  bool is_bare() const { return !quotes_.empty() && quotes_.back() == kNone; }

  std::vector<char> quotes_;  // of each expression that it is in: the quote that is open
  std::size_t dollars_ = 0;   // just before
  char last_ = kNone;         // that is no blank
};

// In quotes, for an expression.
std::string quoted(std::string_view value) {
  std::string out("\"");
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// As expressions write one: `80`, `-1.5`; not `007`, which is a text.
bool is_number(std::string_view value) {
  if (value.starts_with('-')) value.remove_prefix(1);
  const std::size_t dot = value.find('.');
  const std::string_view whole = value.substr(0, dot);
  const auto are_digits = [](std::string_view digits) {
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return are_digits(whole) && (whole.size() == 1 || whole[0] != '0') &&
         (dot == std::string_view::npos || are_digits(value.substr(dot + 1)));
}

// What stands as a whole where an expression has its subject or an argument is a value, as in NiFi;
// everywhere else, a piece of the text.
std::string as_put_in(std::string_view value, const Follower& before, std::string_view behind) {
  const std::size_t next = behind.find_first_not_of(" \t\r\n");
  const char follows = next == std::string_view::npos ? '\0' : behind[next];
  const bool is_expression = value.starts_with("${") && value.ends_with("}");
  if (before.is_subject() && (follows == ':' || follows == '}') && !is_expression)
    return "literal(" + quoted(value) + ")";
  if (!before.is_argument() || (follows != ',' && follows != ')') || is_expression)
    return std::string(value);
  const bool is_plain = value == "true" || value == "false" || is_number(value);
  return is_plain ? std::string(value) : quoted(value);
}

std::string cure(std::string_view name, const ParameterScope& scope) {
  if (scope.count() > kNamesMax) return {};
  const std::vector<std::string> names = scope.names();
  std::string out = did_you_mean(name, names);
  if (!out.empty()) return out;
  return names.empty() ? "; the flow has no `parameters`" : "; there are " + listed(names);
}

// Its name may stand in quotes, as expressions have it in NiFi.
const Parameter* find(const ParameterScope& scope, std::string_view name) {
  const Parameter* found = scope.find(name);
  const bool is_quoted = name.size() > 2 && name.front() == name.back() &&
                         (name.front() == '"' || name.front() == '\'');
  return found == nullptr && is_quoted ? scope.find(name.substr(1, name.size() - 2)) : found;
}

}  // namespace

const Parameter* ParameterScope::find(std::string_view name) const {
  const auto found = own_.find(name);
  if (found != own_.end()) return found->second;
  if (context_ != nullptr) {
    const auto theirs = context_->find(name);
    if (theirs != context_->end()) return &theirs->second;
  }
  return outer_ == nullptr ? nullptr : outer_->find(name);
}

std::vector<std::string> ParameterScope::names() const {
  std::set<std::string> all;
  for (const ParameterScope* scope = this; scope != nullptr; scope = scope->outer_) {
    for (const auto& [name, parameter] : scope->own_) all.insert(name);
    if (scope->context_ == nullptr) continue;
    for (const auto& [name, parameter] : *scope->context_) all.insert(name);
  }
  return {all.begin(), all.end()};
}

std::size_t ParameterScope::count() const {
  std::size_t sum = 0;
  for (const ParameterScope* scope = this; scope != nullptr; scope = scope->outer_)
    sum += scope->own_.size() + (scope->context_ == nullptr ? 0 : scope->context_->size());
  return sum;
}

PutIn put_in(std::string_view written, const std::vector<PropertySource::Span>& spans,
             const ParameterScope& scope, std::size_t at_most, bool explains) {
  PutIn out;
  Composer composer(out, spans, at_most);
  Follower follower;
  std::size_t done = 0;
  for (std::size_t brace = written.find("#{"); brace != std::string_view::npos;
       brace = written.find("#{", std::max(brace + 2, done))) {
    std::size_t first = brace;  // of the row of `#`
    while (first > done && written[first - 1] == '#') --first;
    const std::size_t count = brace + 1 - first;
    composer.copy(written.substr(done, first - done), done);
    composer.copy(written.substr(first, count / 2), first);
    follower.follow(written.substr(done, brace + 1 - done - count % 2));
    done = brace + 1;
    if (count % 2 == 0) continue;
    const std::size_t end = written.find('}', brace);
    if (end == std::string_view::npos) {
      out.problems.push_back({brace, "`#{` without its `}`; write `##{` for the plain characters"});
      done = brace;
      break;
    }
    const std::string_view name = trimmed(written.substr(brace + 2, end - brace - 2));
    const Parameter* parameter = find(scope, name);
    if (parameter == nullptr && scope.is_open()) {
      out.is_open = true;
    } else if (parameter == nullptr) {
      if (out.problems.size() >= kProblemsMax) {
        done = end + 1;
        continue;
      }
      out.problems.push_back(
          {brace, explains ? "unknown parameter " + backquoted(name) + cure(name, scope) : ""});
    } else {
      out.is_sensitive = out.is_sensitive || parameter->is_sensitive;
      if (parameter->is_sensitive && parameter->value) out.secrets.insert(*parameter->value);
      if (parameter->value && !composer.is_full())
        composer.put(as_put_in(*parameter->value, follower, written.substr(end + 1)), brace);
    }
    follower.follow_value();
    done = end + 1;
  }
  composer.copy(written.substr(done), done);
  return out;
}

}  // namespace runnel
