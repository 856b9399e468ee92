// Gathering complaints, and the words they are made of.

#include "agent/flow/complaints.h"

#include <algorithm>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kShownWord = 80;
constexpr std::size_t kShownWords = 12;
constexpr std::size_t kCandidatesMax = 2'000;  // the search for what was meant is linear in them

}  // namespace

void Complaints::add(Position at, std::string text, Severity severity) {
  if (all_.size() >= at_most_) {
    ++left_out_;
    return;
  }
  all_.push_back({file_, at, std::move(text), severity});
}

std::vector<Complaint> Complaints::take() {
  sort_complaints(all_);
  if (left_out_ > 0) {
    const Position last = all_.empty() ? Position{} : all_.back().at;
    all_.push_back({file_, last, "and " + std::to_string(left_out_) + " more"});
  }
  return std::move(all_);
}

std::string backquoted(std::string_view word) {
  std::string out("`");
  std::size_t shown = std::min(word.size(), kShownWord);
  // Not in the middle of a character.
  while (shown < word.size() && shown > 0 &&
         (static_cast<unsigned char>(word[shown]) & 0xC0) == 0x80)
    --shown;
  for (const char c : to_utf8(word.substr(0, shown))) {
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  if (word.size() > shown) out += "…";
  return out + '`';
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (candidates.size() > kCandidatesMax) return {};
  const std::string_view near = nearest(word, candidates);
  return near.empty() ? std::string() : "; did you mean " + backquoted(near) + "?";
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  const std::size_t shown = std::min(words.size(), kShownWords);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += backquoted(words[i]);
  }
  if (shown < words.size()) out += " and " + std::to_string(words.size() - shown) + " more";
  return out;
}

}  // namespace runnel
