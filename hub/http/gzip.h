// gzip, bounded. The door to zlib.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel::hub {

// kFull when it would come to more than `bytes_max`, kInvalid when it is no gzip.
Result<std::string> inflated(std::string_view gzip, std::size_t bytes_max);
std::string gzipped(std::string_view bytes);

}  // namespace runnel::hub
