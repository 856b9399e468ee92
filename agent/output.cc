// Printing results, errors and tables.

#include "agent/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "agent/commands.h"

namespace runnel {

int failed(const Error& error) {
  std::fprintf(stderr, "runnel-agent: %s\n", error.text().c_str());
  return kExitFailed;
}

int usage_error(const std::string& text) {
  std::fprintf(stderr, "runnel-agent: %s\n", text.c_str());
  return kExitUsage;
}

std::string laid_out(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return kExitGood;
  return failed(unavailable(std::string("writing the output: ") + std::strerror(errno)));
}

std::string Table::text() const {
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_last = i + 1 == row.size();
      out += is_last ? row[i] : fmt::format("{:<{}}  ", row[i], width(i));
    }
    out += '\n';
  }
  return out;
}

std::size_t Table::width(std::size_t column) const {
  std::size_t widest = 0;
  for (const auto& row : rows_) widest = std::max(widest, row[column].size());
  return widest;
}

}  // namespace runnel
