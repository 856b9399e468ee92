// LookupService: a value for a key, or for several together, from a table that somebody else keeps.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "processors/record/record.h"

namespace runnel {

class LookupService {
 public:
  static constexpr std::string_view kService = "LookupService";
  virtual ~LookupService() = default;
  // None: there is no such key. kUnavailable: the table cannot be read now. Any thread.
  virtual Result<std::optional<std::string>> find(std::string_view key) = 0;
  // The same as a value: of a service that has several values for a key, fields.
  virtual Result<std::optional<Value>> find_value(std::string_view key) {
    TRY_ASSIGN(text, find(key));
    if (!text) return std::optional<Value>{};
    return std::optional<Value>(Value{std::move(*text)});
  }
  // Of a service that takes several keys together: their names. It is asked by `find_row` only.
  virtual std::vector<std::string> key_names() const { return {}; }
  // One key for each name, in their order.
  virtual Result<std::optional<Value>> find_row(const std::vector<std::string>& keys) {
    return find_value(keys.at(0));
  }
};

}  // namespace runnel
