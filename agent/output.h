// How commands speak: results to standard output, errors to standard error.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

// What a terminal would obey, as JSON writes it (`\u001b`): control characters other than the end
// of a line and a tab, those of two bytes too.
std::string harmless(std::string_view text);
// Says the error; kExitFailed.
int failed(const Error& error);
// Says what is wrong with the command line; kExitUsage.
int usage_error(const std::string& text);
// kExitGood, or kExitFailed and why: what could not be written (a full disk behind `>`) must not
// pass for a good answer. On a terminal, harmless: what data says of itself is not to be obeyed.
int print(const std::string& text);
// The same, but with what is meant for the terminal.
int print_raw(const std::string& text);
std::string laid_out(const nlohmann::ordered_json& json);

// Columns as wide as their widest cell; the last one runs free.
class Table {
 public:
  explicit Table(std::vector<std::string> heads) { add(std::move(heads)); }
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;  // of the columns
};

}  // namespace runnel
