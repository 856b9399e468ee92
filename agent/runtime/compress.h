// Compress: bytes by zstd, for rows that are written once and read seldom.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// `before` stands in front of the compressed bytes, as it is.
std::string compress(std::string_view bytes, std::string_view before = {});
// kCorrupt when these are no such bytes, or more than `size_max` come out.
Result<std::string> decompress(std::string_view bytes, std::size_t size_max);

}  // namespace runnel
