// WebClientServiceProvider: one HTTP client for several processors, and how it reaches servers.

#pragma once

#include <cstdint>
#include <string_view>

#include "processors/http/http_client.h"
#include "processors/net/ssl_context.h"

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

// What InvokeHTTP and the service have alike: the certificates, and the proxy of their properties.
template <typename Config>
void set_peer(HttpRequest& request, const TlsFiles& tls, const Config& config) {
  request.ca_file = tls.ca_file;
  request.certificate_file = tls.certificate_file;
  request.key_file = tls.key_file;
  request.key_pass_phrase = tls.key_pass_phrase;
  request.proxy_host = config.proxy_host.value_or("");
  request.proxy_port = config.proxy_port.value_or(std::uint16_t{0});
  request.proxy_user = config.proxy_user.value_or("");
  request.proxy_password = config.proxy_password.value_or("");
}

}  // namespace runnel
