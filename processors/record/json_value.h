// A value from its JSON.

#pragma once

#include <string_view>

#include "agent/base/result.h"
#include "processors/record/record.h"

namespace runnel {

// kInvalid: it is no JSON. Who calls bounds its size and depth.
Result<Value> parse_json(std::string_view text);

}  // namespace runnel
