// Snappy's raw format, one piece at a time. snappy.cc is the door to libsnappy.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// Appends what `bytes` come to.
void snappy_to(std::string& out, std::string_view bytes);
// kInvalid: these are no such bytes, or more than `size_max` come out; no more room than that is
// taken, whatever they claim.
Result<std::string> unsnappy(std::string_view bytes, std::size_t size_max);

}  // namespace runnel
