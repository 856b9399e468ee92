// The door to civetweb.

#include "hub/http/server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "agent/base/bytes.h"
#include "agent/base/civetweb_tls.h"
#include "agent/base/log.h"
#include "hub/http/gzip.h"

namespace runnel::hub {
namespace {

// Of a body that is too large so much is read on, so that its sender reads the refusal, and sees no
// reset.
constexpr std::size_t kDiscardMax = 4 * 1024 * 1024;
constexpr std::size_t kCompressFrom = 1400;  // bytes: what does not fit into one packet

Result<> ready_library(bool is_tls) {
  if (is_tls) TRY(load_tls_for_civetweb());
  const unsigned wanted = is_tls ? MG_FEATURES_TLS : MG_FEATURES_DEFAULT;
  if (mg_init_library(wanted) != wanted)
    return invalid("TLS does not work: civetweb did not find OpenSSL");
  return {};
}

std::string_view reason_of(mg_connection* connection, int status) {
  const char* text = mg_get_response_code_text(connection, status);
  return text == nullptr ? "Unknown" : text;
}

Response too_large(mg_connection* connection, std::size_t bytes_max) {
  std::array<char, 32 * 1024> chunk;
  std::size_t discarded = 0;
  while (discarded < kDiscardMax) {
    const int got = mg_read(connection, chunk.data(), chunk.size());
    if (got <= 0) break;
    discarded += static_cast<std::size_t>(got);
  }
  return problem(413, "invalid",
                 "the body may have at most " + std::to_string(bytes_max) + " bytes");
}

// The body as it came over the wire; a Response when it cannot be had.
std::optional<Response> read_body(mg_connection* connection, const mg_request_info& info,
                                  std::size_t bytes_max, std::string& into) {
  if (info.content_length > static_cast<long long>(bytes_max)) {
    return too_large(connection, bytes_max);
  }
  std::array<char, 32 * 1024> chunk;
  while (true) {
    const int got = mg_read(connection, chunk.data(), chunk.size());
    if (got < 0) return problem(400, "invalid", "the body did not arrive whole");
    if (got == 0) break;
    if (into.size() + static_cast<std::size_t>(got) > bytes_max) {
      return too_large(connection, bytes_max);
    }
    into.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (info.content_length > 0 && into.size() != static_cast<std::size_t>(info.content_length)) {
    return problem(400, "invalid", "the body did not arrive whole");
  }
  return std::nullopt;
}

}  // namespace

struct HttpServer::State {
  HttpServerOptions options;
  mg_context* context = nullptr;
  std::uint16_t port = 0;
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<int> connections_open{0};

  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection*, const char* text);
  static int on_open(const mg_connection* connection, void** data);
  static void on_close(const mg_connection* connection);

  Response answer(mg_connection* connection, const mg_request_info& info);
  void send(mg_connection* connection, const mg_request_info& info, Response response);
};

int HttpServer::State::on_log(const mg_connection*, const char* text) {
  log_debug("http", "civetweb", {{"text", text}});
  return 1;
}

int HttpServer::State::on_open(const mg_connection* connection, void**) {
  auto* state = static_cast<State*>(mg_get_user_data(mg_get_context(connection)));
  ++state->connections;
  ++state->connections_open;
  return 0;
}

void HttpServer::State::on_close(const mg_connection* connection) {
  auto* state = static_cast<State*>(mg_get_user_data(mg_get_context(connection)));
  --state->connections_open;
}

int HttpServer::State::on_request(mg_connection* connection) {
  const mg_request_info* info = mg_get_request_info(connection);
  auto* state = static_cast<State*>(info->user_data);
  ++state->requests;
  state->send(connection, *info, state->answer(connection, *info));
  return 200;
}

Response HttpServer::State::answer(mg_connection* connection, const mg_request_info& info) {
  Request request;
  request.method = info.request_method;
  request.path = info.request_uri;
  request.query = info.query_string == nullptr ? "" : info.query_string;
  request.remote = info.remote_addr;
  request.is_tls = info.is_ssl != 0;
  for (int i = 0; i < info.num_headers; ++i) {
    request.headers.emplace_back(info.http_headers[i].name, info.http_headers[i].value);
  }
  const std::size_t limit = options.body_max(request.method, request.path);
  const std::string_view encoding = request.header("Content-Encoding");
  const bool is_gzip = equal_ignoring_case(encoding, "gzip");
  if (!encoding.empty() && !is_gzip && !equal_ignoring_case(encoding, "identity")) {
    return problem(415, "invalid", "of encodings only gzip is understood");
  }
  const bool has_body = info.content_length > 0 || !request.header("Transfer-Encoding").empty();
  if (has_body) {
    // A body that is not read to its end closes the connection: the next request cannot be found.
    if (limit == 0) {
      Response response = options.handler(request);
      response.closes = true;
      return response;
    }
    auto refused =
        read_body(connection, info, std::min(limit, options.wire_body_max), request.body);
    if (refused) {
      refused->closes = true;
      return std::move(*refused);
    }
  }
  if (is_gzip && !request.body.empty()) {
    auto plain = inflated(request.body, limit);
    if (!plain.ok()) {
      return problem(plain.code() == Code::kFull ? 413 : 400, "invalid", plain.error().text());
    }
    request.body = std::move(plain).value();
  }
  return options.handler(request);
}

void HttpServer::State::send(mg_connection* connection, const mg_request_info& info,
                             Response response) {
  const char* accepted = mg_get_header(connection, "Accept-Encoding");
  const bool takes_gzip = accepted != nullptr && std::strstr(accepted, "gzip") != nullptr;
  if (response.is_gzip && !takes_gzip) {
    auto plain = inflated(response.body, 256 * 1024 * 1024);
    response.body = plain.ok() ? std::move(plain).value() : std::string();
    response.is_gzip = false;
  } else if (!response.is_gzip && takes_gzip && response.body.size() >= kCompressFrom) {
    response.body = gzipped(response.body);
    response.is_gzip = true;
  }
  if (connections_open.load() * 2 > options.threads) response.closes = true;
  if (response.closes) mg_disable_connection_keep_alive(connection);
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                     std::string(reason_of(connection, response.status)) + "\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  if (response.is_gzip) add("Content-Encoding", "gzip");
  bool says_cache = false;
  for (const auto& [name, value] : response.headers) {
    add(name, value);
    says_cache = says_cache || name == "Cache-Control";
  }
  if (!says_cache) add("Cache-Control", "no-store");
  for (const auto& [name, value] : options.headers) add(name, value);
  if (response.status != 204 && response.status != 304) {
    add("Content-Length", std::to_string(response.body.size()));
  }
  add("Connection", response.closes ? "close" : "keep-alive");
  head += "\r\n";
  // One write, so that small answers are one packet.
  if (std::strcmp(info.request_method, "HEAD") != 0) head += response.body;
  mg_write(connection, head.data(), head.size());
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options) {
  const bool is_tls = !options.certificate.empty();
  TRY(ready_library(is_tls));
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  const std::string listen =
      state->options.address + ":" + std::to_string(state->options.port) + (is_tls ? "s" : "");
  const std::string threads = std::to_string(state->options.threads);
  std::vector<const char*> settings{"listening_ports",
                                    listen.c_str(),
                                    "num_threads",
                                    threads.c_str(),
                                    "enable_keep_alive",
                                    "yes",
                                    "keep_alive_timeout_ms",
                                    "5000",
                                    "request_timeout_ms",
                                    "20000",
                                    "tcp_nodelay",
                                    "1",
                                    "connection_queue",
                                    "2000",
                                    "listen_backlog",
                                    "4096",
                                    "enable_directory_listing",
                                    "no"};
  if (is_tls) {
    settings.insert(settings.end(),
                    {"ssl_certificate", state->options.certificate.c_str(), "ssl_protocol_version",
                     "4", "ssl_cipher_list", "ECDHE+AESGCM:ECDHE+CHACHA20"});
  }
  settings.push_back(nullptr);
  mg_callbacks callbacks{};
  callbacks.begin_request = &State::on_request;
  callbacks.log_message = &State::on_log;
  callbacks.init_connection = &State::on_open;
  callbacks.connection_close = &State::on_close;
  std::array<char, 512> text{};
  unsigned code = 0;
  mg_init_data init{};
  init.callbacks = &callbacks;
  init.user_data = state.get();
  init.configuration_options = settings.data();
  mg_error_data error{};
  error.code = &code;
  error.text = text.data();
  error.text_buffer_size = text.size();
  state->context = mg_start2(&init, &error);
  if (state->context == nullptr) {
    return unavailable("listening on " + state->options.address + ":" +
                       std::to_string(state->options.port) + " for " + state->options.name + ": " +
                       text.data() + " (civetweb " + std::to_string(code) +
                       "); is another program there? Choose another port, or 0 for any");
  }
  std::array<mg_server_port, 4> ports{};
  if (mg_get_server_ports(state->context, static_cast<int>(ports.size()), ports.data()) > 0) {
    state->port = static_cast<std::uint16_t>(ports[0].port);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

// mg_stop waits for the accepting thread, which sleeps up to two seconds: connections wake it.
HttpServer::~HttpServer() {
  std::atomic<bool> is_stopped{false};
  std::thread stopping([&] {
    mg_stop(state_->context);
    is_stopped = true;
  });
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(state_->port);
  inet_pton(AF_INET, state_->options.address.c_str(), &address.sin_addr);
  while (!is_stopped.load()) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr generic{};
    std::memcpy(&generic, &address, sizeof generic);
    static_cast<void>(::connect(socket, &generic, sizeof generic));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ::close(socket);
  }
  stopping.join();
}

std::uint16_t HttpServer::port() const { return state_->port; }

std::string HttpServer::url() const {
  return (state_->options.certificate.empty() ? "http://" : "https://") + state_->options.address +
         ":" + std::to_string(state_->port);
}

HttpServerCounters HttpServer::counters() const {
  return {state_->requests.load(), state_->connections.load(), state_->connections_open.load()};
}

}  // namespace runnel::hub
