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

  void put(std::string_view value, std::size_t offset) {
    if (!has_room(value.size(), offset)) return;
    add_span({0, written_.place_of(offset), true});
    out_.value += value;
  }

 private:
  bool has_room(std::size_t size, std::size_t offset) {
    if (out_.value.size() + size <= at_most_) return true;
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

std::string cure(std::string_view name, const ParameterScope& scope) {
  if (scope.count() > kNamesMax) return {};
  const std::vector<std::string> names = scope.names();
  std::string out = did_you_mean(name, names);
  if (!out.empty()) return out;
  return names.empty() ? "; the flow has no `parameters`" : "; there are " + listed(names);
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
  std::size_t done = 0;
  for (std::size_t brace = written.find("#{"); brace != std::string_view::npos;
       brace = written.find("#{", std::max(brace + 2, done))) {
    std::size_t first = brace;  // of the row of `#`
    while (first > done && written[first - 1] == '#') --first;
    const std::size_t count = brace + 1 - first;
    composer.copy(written.substr(done, first - done), done);
    composer.copy(written.substr(first, count / 2), first);
    done = brace + 1;
    if (count % 2 == 0) continue;
    const std::size_t end = written.find('}', brace);
    if (end == std::string_view::npos) {
      out.problems.push_back({brace, "`#{` without its `}`; write `##{` for the plain characters"});
      done = brace;
      break;
    }
    const std::string_view name = trimmed(written.substr(brace + 2, end - brace - 2));
    const Parameter* parameter = scope.find(name);
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
      if (parameter->value) composer.put(*parameter->value, brace);
    }
    done = end + 1;
  }
  composer.copy(written.substr(done), done);
  return out;
}

}  // namespace runnel
