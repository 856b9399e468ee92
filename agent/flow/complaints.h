// Complaints: gathers what is wrong with one text, up to a bound.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"

namespace runnel {

class Complaints {
 public:
  Complaints(std::string file, std::size_t at_most) : file_(std::move(file)), at_most_(at_most) {}

  void add(Position at, std::string text, Severity severity = Severity::kError);
  // Whether one more would only be counted: its text need not be made.
  bool is_full() const { return all_.size() >= at_most_; }
  // By place; the last one says how many there were beyond the bound.
  std::vector<Complaint> take();

 private:
  std::string file_;
  std::size_t at_most_;
  std::size_t left_out_ = 0;
  std::vector<Complaint> all_;
};

// A word of the user's in a complaint: in backquotes, well-formed, not endless.
std::string backquoted(std::string_view word);
// "; did you mean `x`?", or nothing when no candidate is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);
// "`a`, `b` and `c`"; of many, the first dozen.
std::string listed(const std::vector<std::string>& words);

}  // namespace runnel
