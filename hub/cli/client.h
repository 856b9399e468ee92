// The hub's REST API as runnelctl sees it. The door to libcurl in the hub.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel::hub {

using Json = nlohmann::ordered_json;

// Where the hub is and who asks.
struct HubAccess {
  std::string hub;    // "https://127.0.0.1:8443"
  std::string ca;     // PEM file; empty: the system's
  std::string token;  // rnl_…; empty: none
};

struct Answer {
  long status = 0;
  std::string body;
  std::string cookie;  // name=value, when one was set

  bool is_good() const { return status >= 200 && status < 300; }
};

class Client {
 public:
  explicit Client(HubAccess access) : access_(std::move(access)) {}

  // Whatever the hub answers. kUnavailable when it does not, with the cure where one is known.
  Result<Answer> send(std::string_view method, const std::string& path,
                      const std::string& body = {},
                      const std::vector<std::string>& headers = {}) const;
  // The parsed answer; a problem becomes an error: its detail, then a line for each complaint with
  // `file` before it.
  Result<Json> ask(std::string_view method, const std::string& path, const Json* body = nullptr,
                   std::string_view file = {}) const;
  Result<Json> get(const std::string& path) const;
  const HubAccess& access() const { return access_; }

 private:
  HubAccess access_;
};

// As it is sent; kInvalid for text that is not UTF-8, which JSON cannot carry.
Result<std::string> written_json(const Json& json);

// One segment of a path, encoded.
std::string segment(std::string_view text);

}  // namespace runnel::hub
