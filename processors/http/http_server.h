// HttpServer: takes HTTP requests for one processor. http_server.cc is the door to civetweb for
// processors.
//
// civetweb gives each open connection a thread. So a connection is kept open after its answer only
// while less than half of the threads are taken; beyond that each answer closes its connection, and
// many clients share few threads.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "processors/http/server_tls.h"

namespace runnel {

struct ServedRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::string query;
  std::string remote_address;
  // Of the client's certificate, as OpenSSL writes it in one line: "/O=Fleet/CN=truck". Only where
  // the server asks for one.
  std::string client_dn;
  std::vector<std::pair<std::string, std::string>> headers;
};

// The body of a request, as it arrives.
class ServedBody {
 public:
  virtual ~ServedBody() = default;
  // Fills a part of `into`; 0 at the end. kFull: it is larger than the server takes. kInvalid: it
  // ended early, or its chunks are none. kUnavailable: the client is too slow.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
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
  std::uint64_t body_size_max = 16 << 20;
  // A client that is silent for so long has gone. A body that takes longer must come at 1 KiB/s.
  std::chrono::milliseconds patience{30'000};
  std::optional<ServerTlsOptions> tls = std::nullopt;  // none: plain HTTP
};

class HttpServer {
 public:
  // Called on civetweb's threads, which may wait in it; their stacks have 100 KB. A body that is
  // not read to its end closes the connection.
  using Handler = std::function<ServedResponse(const ServedRequest& request, ServedBody& body)>;

  // kUnavailable when the port is taken; kInvalid when the TLS options are at fault.
  static Result<std::unique_ptr<HttpServer>> open(const HttpServerOptions& options,
                                                  Handler handler);
  // Waits for the requests under way.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace runnel
