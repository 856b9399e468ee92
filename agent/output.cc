// Printing results, errors and tables.

#include "agent/output.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "agent/commands.h"

namespace runnel {

std::string harmless(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F: C2 and the code.
    const bool is_second = byte == 0xC2 && i + 1 < text.size() &&
                           static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                           static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_second) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

int failed(const Error& error) {
  const std::string text = isatty(STDERR_FILENO) != 0 ? harmless(error.text()) : error.text();
  std::fprintf(stderr, "runnel-agent: %s\n", text.c_str());
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
  return print_raw(isatty(STDOUT_FILENO) != 0 ? harmless(text) : text);
}

int print_raw(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return kExitGood;
  return failed(unavailable(std::string("writing the output: ") + std::strerror(errno)));
}

void Table::add(std::vector<std::string> cells) {
  widths_.resize(std::max(widths_.size(), cells.size()));
  for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_last = i + 1 == row.size();
      out += is_last ? row[i] : fmt::format("{:<{}}  ", row[i], widths_[i]);
    }
    out += '\n';
  }
  return out;
}

}  // namespace runnel
