// HttpClient: HTTP requests side by side on one thread. http_client.cc is the door to libcurl for
// processors.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool sends_body = false;
  bool is_chunked = false;
  bool follows_redirects = true;
  bool verifies_peer = true;
  std::chrono::milliseconds connection_timeout{5000};
  std::chrono::milliseconds read_timeout{15000};  // of the whole exchange
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string key_pass_phrase;
  std::string proxy_host;
  std::uint16_t proxy_port = 0;
  std::string proxy_user;
  std::string proxy_password;
  std::size_t response_size_max = 64 << 20;
};

struct HttpResponse {
  long status = 0;
  std::string status_message;
  std::string effective_url;
  std::vector<std::pair<std::string, std::string>> headers;  // names as sent
  std::string body;
};

class HttpClient {
 public:
  // kInvalid: the request itself is at fault (no such scheme). kUnavailable: no answer came. kFull:
  // the answer was too large.
  using OnDone = std::function<void(Result<HttpResponse> response)>;

  static std::unique_ptr<HttpClient> open();
  // Requests under way are dropped; their `done` is destroyed uncalled.
  virtual ~HttpClient() = default;
  // `done` is called on the client's thread (named `http`), and must not block. Any thread.
  virtual void send(HttpRequest request, OnDone done) = 0;
};

}  // namespace runnel
