// The door to civetweb for processors.

#include "processors/http/http_server.h"

#include <civetweb.h>

#include <array>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

class CivetServer final : public HttpServer {
 public:
  CivetServer(HttpServerOptions options, Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}
  ~CivetServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  Result<> start() {
    static const unsigned features = mg_init_library(MG_FEATURES_DEFAULT);
    static_cast<void>(features);  // plain HTTP needs none
    const std::string listen = options_.address + ":" + std::to_string(options_.port);
    const std::string threads = std::to_string(options_.threads);
    const std::array<const char*, 13> settings{"listening_ports",
                                               listen.c_str(),
                                               "num_threads",
                                               threads.c_str(),
                                               "request_timeout_ms",
                                               "30000",
                                               "enable_keep_alive",
                                               "yes",
                                               "keep_alive_timeout_ms",
                                               "30000",
                                               "tcp_nodelay",
                                               "1",
                                               nullptr};
    mg_callbacks callbacks{};
    callbacks.log_message = [](const mg_connection*, const char* text) {
      log_warn("http", "server", {{"text", text}});
      return 1;
    };
    context_ = mg_start(&callbacks, this, const_cast<const char**>(settings.data()));
    if (context_ == nullptr) {
      return unavailable("cannot listen on " + listen +
                         ": is the port taken, or below 1024 without permission?");
    }
    mg_set_request_handler(context_, "**", on_request, this);
    mg_server_port port{};
    if (mg_get_server_ports(context_, 1, &port) == 1) port_ = static_cast<std::uint16_t>(port.port);
    return {};
  }

  std::uint16_t port() const override { return port_; }

 private:
  static int on_request(mg_connection* connection, void* opaque) {
    return static_cast<CivetServer*>(opaque)->handle(connection);
  }

  int handle(mg_connection* connection) {
    const mg_request_info& info = *mg_get_request_info(connection);
    ServedRequest request;
    request.method = info.request_method;
    request.path = info.local_uri;
    request.query = info.query_string == nullptr ? "" : info.query_string;
    request.remote_address = info.remote_addr;
    for (int i = 0; i < info.num_headers; ++i) {
      request.headers.emplace_back(info.http_headers[i].name, info.http_headers[i].value);
    }
    if (info.content_length > static_cast<long long>(options_.body_size_max)) {
      return refuse(connection, 413,
                    "the body is larger than " + size_text(options_.body_size_max));
    }
    const char* expects = mg_get_header(connection, "Expect");
    if (expects != nullptr && equal_ignoring_case(expects, "100-continue")) {
      mg_write(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    std::array<char, 65536> piece{};
    while (true) {
      const int got = mg_read(connection, piece.data(), piece.size());
      if (got == 0) break;
      if (got < 0) return refuse(connection, 400, "the body ended early");
      if (request.body.size() + static_cast<std::size_t>(got) > options_.body_size_max) {
        return refuse(connection, 413,
                      "the body is larger than " + size_text(options_.body_size_max));
      }
      request.body.append(piece.data(), static_cast<std::size_t>(got));
    }
    if (info.content_length > 0 &&
        request.body.size() < static_cast<std::size_t>(info.content_length)) {
      return refuse(connection, 400, "the body ended early");
    }
    return answer(connection, handler_(std::move(request)));
  }

  static int answer(mg_connection* connection, const ServedResponse& response) {
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       mg_get_response_code_text(connection, response.status) +
                       "\r\nContent-Type: " + response.content_type +
                       "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
    head += "\r\n" + response.body;
    mg_write(connection, head.data(), head.size());
    return response.status;
  }

  // The rest of the body is not read: the connection ends.
  static int refuse(mg_connection* connection, int status, const std::string& why) {
    mg_disable_connection_keep_alive(connection);
    return answer(connection,
                  {.status = status, .body = why + "\n", .headers = {{"Connection", "close"}}});
  }

  const HttpServerOptions options_;
  const Handler handler_;
  mg_context* context_ = nullptr;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::open(const HttpServerOptions& options,
                                                     Handler handler) {
  auto server = std::make_unique<CivetServer>(options, std::move(handler));
  TRY(server->start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace runnel
