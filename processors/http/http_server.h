// HttpServer: takes HTTP requests for one processor. http_server.cc is the door to civetweb for
// processors.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

struct ServedRequest {
  std::string method;
  std::string path;  // without the query
  std::string query;
  std::string remote_address;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct ServedResponse {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the system picks
  std::uint32_t threads = 8;
  std::size_t body_size_max = 16 << 20;
};

class HttpServer {
 public:
  // Called on civetweb's threads, which may wait in it.
  using Handler = std::function<ServedResponse(ServedRequest request)>;

  // kUnavailable when the port is taken.
  static Result<std::unique_ptr<HttpServer>> open(const HttpServerOptions& options,
                                                  Handler handler);
  // Waits for the requests under way.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace runnel
