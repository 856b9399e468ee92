// WebClientServiceProvider: one HTTP client for several processors, and how it reaches servers.

#pragma once

#include <string_view>

#include "processors/http/http_client.h"

namespace runnel {

class WebClientServiceProvider {
 public:
  static constexpr std::string_view kService = "WebClientServiceProvider";
  static constexpr std::string_view kProperty = "Web Client Service Provider";
  static constexpr const char* kDoc =
      "The service whose connections are used, with those of others that name it, in place of the "
      "properties for timeouts, redirects, the proxy and certificates.";

  virtual ~WebClientServiceProvider() = default;
  // Who sends by it cancels what is under way when it stops.
  virtual HttpClient& client() = 0;
  // Timeouts, redirects, proxy and certificates. Any thread.
  virtual void set_connection(HttpRequest& request) const = 0;
};

}  // namespace runnel
