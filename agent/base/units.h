// The units of sizes and periods, for who describes the formats; base/bytes reads them.

#pragma once

#include <string_view>
#include <vector>

namespace runnel {

// In small letters; they are known in any case.
std::vector<std::string_view> size_units();
std::vector<std::string_view> period_units();

}  // namespace runnel
