// The door to civetweb for processors.

#include "processors/http/http_server.h"

#include <civetweb.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/civetweb_tls.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kPaceMin = 1024;  // bytes a second, of a body that takes its time

class CivetBody final : public ServedBody {
 public:
  CivetBody(mg_connection* connection, const mg_request_info& info,
            const HttpServerOptions& options)
      : connection_(connection),
        size_(info.content_length),
        size_max_(options.body_size_max),
        patience_(options.patience) {
    is_chunked_ = mg_get_header(connection, "Transfer-Encoding") != nullptr;
    is_at_end_ = size_ <= 0 && !is_chunked_;
  }

  Result<std::size_t> read(std::span<char> into) override {
    if (is_at_end_) return std::size_t{0};
    if (read_ == 0) TRY(begin());
    const int got = mg_read(connection_, into.data(), into.size());
    if (got < 0) return invalid("the body ended early, or its chunks are none");
    read_ += static_cast<std::uint64_t>(got);
    if (read_ > size_max_) return too_large();
    if (got == 0) {
      if (size_ > 0 && read_ < static_cast<std::uint64_t>(size_))
        return invalid("the body ended early");
      is_at_end_ = true;
    } else if (is_too_slow()) {
      return unavailable("the body comes too slowly");
    }
    return static_cast<std::size_t>(got);
  }

  bool is_at_end() const { return is_at_end_; }

 private:
  Result<> begin() {
    if (size_ > 0 && static_cast<std::uint64_t>(size_) > size_max_) return too_large();
    began_ = steady_clock::now();
    const char* expects = mg_get_header(connection_, "Expect");
    if (expects != nullptr && equal_ignoring_case(expects, "100-continue")) {
      mg_write(connection_, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    return {};
  }

  bool is_too_slow() const {
    const auto taken = steady_clock::now() - began_;
    if (taken <= patience_) return false;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(taken - patience_);
    return read_ < kPaceMin * static_cast<std::uint64_t>(seconds.count() + 1);
  }

  Error too_large() const { return full("the body is larger than " + size_text(size_max_)); }

  mg_connection* const connection_;
  const long long size_;  // -1: not said
  const std::uint64_t size_max_;
  const std::chrono::milliseconds patience_;
  bool is_chunked_ = false;
  bool is_at_end_ = false;
  std::uint64_t read_ = 0;
  steady_clock::time_point began_{};
};

class CivetServer final : public HttpServer {
 public:
  CivetServer(HttpServerOptions options, Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}
  ~CivetServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  Result<> start() {
    TRY(ready_library());
    const std::string listen =
        options_.address + ":" + std::to_string(options_.port) + (options_.tls ? "s" : "");
    const std::string threads = std::to_string(options_.threads);
    const std::string patience = std::to_string(options_.patience.count());
    const std::array<const char*, 17> settings{"listening_ports",
                                               listen.c_str(),
                                               "num_threads",
                                               threads.c_str(),
                                               "request_timeout_ms",
                                               patience.c_str(),
                                               "enable_keep_alive",
                                               "yes",
                                               "keep_alive_timeout_ms",
                                               "15000",
                                               "tcp_nodelay",
                                               "1",
                                               "connection_queue",
                                               "200",
                                               "listen_backlog",
                                               "1024",
                                               nullptr};
    mg_callbacks callbacks{};
    callbacks.log_message = [](const mg_connection*, const char* text) {
      log_debug("http", "civetweb", {{"text", text}});  // strangers cause most of it
      return 1;
    };
    callbacks.init_connection = on_open;
    callbacks.connection_close = on_close;
    if (options_.tls) callbacks.external_ssl_ctx = give_tls;
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
  Result<> ready_library() {
    unsigned wanted = MG_FEATURES_DEFAULT;
    if (options_.tls) {
      TRY(load_tls_for_civetweb());
      TRY_ASSIGN(tls, ServerTls::open(*options_.tls));
      tls_ = std::move(tls);
      wanted = MG_FEATURES_TLS;
    }
    if (mg_init_library(wanted) != wanted)
      return invalid("TLS does not work: civetweb did not find OpenSSL");
    return {};
  }

  // 1: the SSL_CTX is ours, at the begin and at the end.
  static int give_tls(void** into, void* opaque) {
    *into = static_cast<CivetServer*>(opaque)->tls_->ssl_ctx();
    return 1;
  }

  static CivetServer& of(const mg_connection* connection) {
    return *static_cast<CivetServer*>(mg_get_user_data(mg_get_context(connection)));
  }
  static int on_open(const mg_connection* connection, void**) {
    ++of(connection).connections_open_;
    return 0;
  }
  static void on_close(const mg_connection* connection) { --of(connection).connections_open_; }

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
    if (info.client_cert != nullptr && info.client_cert->subject != nullptr)
      request.client_dn = info.client_cert->subject;
    for (int i = 0; i < info.num_headers; ++i) {
      request.headers.emplace_back(info.http_headers[i].name, info.http_headers[i].value);
    }
    CivetBody body(connection, info, options_);
    const ServedResponse response = handler_(request, body);
    const bool closes = !body.is_at_end() || connections_open_ * 2 > options_.threads;
    if (closes) mg_disable_connection_keep_alive(connection);
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       mg_get_response_code_text(connection, response.status) +
                       "\r\nContent-Type: " + response.content_type +
                       "\r\nContent-Length: " + std::to_string(response.body.size()) +
                       "\r\nConnection: " + (closes ? "close" : "keep-alive") + "\r\n";
    for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
    text += "\r\n";
    if (request.method != "HEAD") text += response.body;
    mg_write(connection, text.data(), text.size());
    return response.status;
  }

  const HttpServerOptions options_;
  const Handler handler_;
  std::unique_ptr<ServerTls> tls_;
  std::atomic<std::uint32_t> connections_open_{0};
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
