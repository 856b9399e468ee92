// LookupService: a value for a key, from a table that somebody else keeps.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

class LookupService {
 public:
  static constexpr std::string_view kService = "LookupService";
  virtual ~LookupService() = default;
  // None: there is no such key. kUnavailable: the table cannot be read now. Any thread.
  virtual Result<std::optional<std::string>> find(std::string_view key) = 0;
};

}  // namespace runnel
