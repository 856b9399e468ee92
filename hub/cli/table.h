// Plain tables for terminals.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace runnel::hub {

// Columns as wide as their widest cell (in characters), two blanks between; no blanks at the ends
// of lines.
std::string table_text(const std::vector<std::vector<std::string>>& rows);
std::string number_text(double value);  // "1.2k", "340", "0.5"
std::string ago_text(std::int64_t ms);  // "3 s ago"

}  // namespace runnel::hub
