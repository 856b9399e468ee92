// HttpServer: one listener with threads of its own. The door to civetweb.
//
// civetweb gives each open connection a thread. So a connection is kept open after its answer only
// while less than half of the threads are taken; beyond that each answer closes its connection, and
// many clients share few threads.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "hub/http/message.h"

namespace runnel::hub {

struct HttpServerOptions {
  std::string name;              // for the log: "operators"
  std::string address;           // IPv4: Debian's civetweb has no IPv6
  std::uint16_t port = 0;        // 0: any
  std::string certificate = {};  // PEM file with key, certificate and chain; empty: plain HTTP
  int threads = 32;
  std::size_t wire_body_max = 64 * 1024 * 1024;  // of a body as sent; before it is inflated
  std::vector<std::pair<std::string, std::string>> headers = {};  // with each answer
  // How large an (inflated) body may be; 0: none is read.
  std::function<std::size_t(std::string_view method, std::string_view path)> body_max;
  // On one of the server's threads. Must not throw.
  std::function<Response(Request&)> handler;
};

struct HttpServerCounters {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;  // accepted
  int connections_open = 0;
};

class HttpServer {
 public:
  // kUnavailable when the address is taken; kInvalid when TLS cannot work.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options);
  // Ends when the requests in hand are answered.
  ~HttpServer();

  std::uint16_t port() const;
  std::string url() const;  // "https://127.0.0.1:8443"
  HttpServerCounters counters() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace runnel::hub
