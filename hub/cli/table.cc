// Plain tables.

#include "hub/cli/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace runnel::hub {
namespace {

// Characters, not bytes: what is not the first byte of one does not count.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string number_text(double value) {
  constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (std::abs(value) >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> buffer{};
  const bool is_whole = std::abs(value - std::round(value)) < 0.05 || std::abs(value) >= 100;
  std::snprintf(buffer.data(), buffer.size(), is_whole ? "%.0f%s" : "%.1f%s", value, kUnits[unit]);
  return buffer.data();
}

std::string ago_text(std::int64_t ms) {
  const std::int64_t s = std::max<std::int64_t>(0, ms) / 1000;
  if (s < 120) return std::to_string(s) + " s ago";
  if (s < 7200) return std::to_string(s / 60) + " min ago";
  if (s < 172'800) return std::to_string(s / 3600) + " h ago";
  return std::to_string(s / 86'400) + " days ago";
}

}  // namespace runnel::hub
