// Transport: one HTTP exchange at a time with a hub.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

struct HubRequest {
  std::string url;
  bool is_post = false;
  std::string body = {};  // application/json
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::size_t answer_max = 16 << 20;  // bytes; a longer answer is an error
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

struct HubAnswer {
  int status = 0;
  std::string body = {};
  std::optional<std::chrono::seconds> retry_after = {};
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Any HTTP answer is an answer. kUnavailable: there was none, and why; kInvalid: never will be.
  virtual Result<HubAnswer> send(const HubRequest& request) = 0;
  // Any thread: ends the exchange under way, and all later ones, with kUnavailable.
  virtual void interrupt() = 0;
};

struct CurlOptions {
  std::string ca_file = {};  // PEM; empty: the machine's own
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
};

// By libcurl. Redirects are not followed; nothing but HTTP and HTTPS is spoken. kInvalid: the CA's
// file cannot be read.
Result<std::unique_ptr<Transport>> curl_transport(CurlOptions options);

}  // namespace runnel
