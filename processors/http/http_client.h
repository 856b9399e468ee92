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
#include "agent/sdk/session.h"

namespace runnel {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<ContentReader> body;  // nullptr: none is sent
  std::uint64_t body_size = 0;
  bool is_chunked = false;
  bool follows_redirects = true;
  bool verifies_peer = true;
  std::chrono::milliseconds connection_timeout{5000};
  // How long nothing may move after connecting. An exchange that takes longer must make 1 KiB/s.
  std::chrono::milliseconds read_timeout{15000};
  std::string user;  // of Basic authentication
  std::string password;
  std::uint64_t upload_speed_max = 0;  // bytes a second; 0: any
  std::uint64_t download_speed_max = 0;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string key_pass_phrase;
  std::string proxy_host;
  std::uint16_t proxy_port = 0;
  std::string proxy_user;
  std::string proxy_password;
  std::uint64_t response_size_max = 64 << 20;
  // Where the answer's body goes. nullptr: its first `response_kept` bytes go to
  // HttpResponse::body.
  std::shared_ptr<ContentDraft> into;
  std::size_t response_kept = 256 << 10;
};

struct HttpResponse {
  long status = 0;
  std::string status_message;
  std::string effective_url;
  std::vector<std::pair<std::string, std::string>> headers;  // names as sent
  std::string body;
  std::shared_ptr<ContentDraft> into;  // the request's
};

class HttpClient {
 public:
  // kInvalid: the request itself is at fault (no such scheme). kUnavailable: no answer came. kFull:
  // the answer was too large. kCorrupt: the body cannot be read, or the answer not be stored.
  using OnDone = std::function<void(Result<HttpResponse> response)>;

  // kInvalid: there is no libcurl.
  static Result<std::unique_ptr<HttpClient>> open();
  // Requests under way are dropped; their `done` is destroyed uncalled.
  virtual ~HttpClient() = default;
  // `done` is called on the client's thread (named `http`), and must not block. Any thread. `owner`
  // says whose request it is, to whoever shares the client.
  virtual void send(HttpRequest request, OnDone done, const void* owner) = 0;
  // Drops all requests of this owner, as the destructor does; no `done` of them is being called
  // when it returns. Not from a `done`, and by no two for the same owner.
  virtual void cancel(const void* owner) = 0;
};

}  // namespace runnel
