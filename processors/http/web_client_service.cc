// StandardWebClientServiceProvider: one pool of connections, and one thread, for the InvokeHTTP
// processors that name it.

#include <array>
#include <chrono>
#include <memory>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/http/web_client.h"
#include "processors/net/ssl_context.h"
#include "processors/registry.h"

namespace runnel {

enum class RedirectHandling { kFollowed, kIgnored };

template <>
struct EnumNames<RedirectHandling> {
  static constexpr std::array<std::pair<RedirectHandling, std::string_view>, 2> names{
      {{RedirectHandling::kFollowed, "FOLLOWED"}, {RedirectHandling::kIgnored, "IGNORED"}}};
};

namespace {

using namespace std::chrono_literals;

struct WebClientConfig {
  std::chrono::milliseconds connect_timeout = 10s;
  std::chrono::milliseconds read_timeout = 10s;
  RedirectHandling redirects = RedirectHandling::kFollowed;
  ServiceRef<SslContext> ssl_context;
  std::optional<std::string> proxy_host;
  std::optional<std::uint16_t> proxy_port;
  std::optional<std::string> proxy_user;
  std::optional<std::string> proxy_password;
};

class WebClientService final : public Service, public WebClientServiceProvider {
 public:
  using Config = WebClientConfig;
  explicit WebClientService(Config config) : config_(std::move(config)) {}

  Result<> start(ServiceContext& context) override {
    TRY_ASSIGN(files, tls_files(context, config_.ssl_context, {}));
    tls_files_ = std::move(files);
    TRY_ASSIGN(client, HttpClient::open());
    client_ = std::move(client);
    return {};
  }
  void stop() override { client_.reset(); }

  HttpClient& client() override { return *client_; }
  void set_connection(HttpRequest& request) const override;

 private:
  const Config config_;
  TlsFiles tls_files_;  // constant while it runs, as the next
  std::unique_ptr<HttpClient> client_;
};

}  // namespace

ServiceType web_client_service() {
  using C = WebClientConfig;
  return DescribeService<WebClientService>(
             "StandardWebClientServiceProvider",
             "One pool of HTTP connections for several InvokeHTTP, and how servers are reached.")
      .property("Connect Timeout", &C::connect_timeout,
                {.doc = "How long connecting may take.", .min = 1ms, .max = 1h})
      .property("Read Timeout", &C::read_timeout,
                {.doc = "How long nothing may move after that; an exchange that takes longer must "
                        "make 1 KB a second.",
                 .min = 1ms,
                 .max = 24h})
      .property("Redirect Handling Strategy", &C::redirects,
                {.doc = "Whether redirects are followed, ten at most."})
      .property(std::string(SslContext::kProperty), &C::ssl_context,
                {.doc = "The service that has the certificates and the key. None: the machine's "
                        "own authorities."})
      .property("Proxy Host", &C::proxy_host, {.doc = "The proxy."})
      .property("Proxy Port", &C::proxy_port, {.doc = "Its port.", .min = 1, .max = 65535})
      .property("Proxy Username", &C::proxy_user, {.doc = "The user at the proxy."})
      .property("Proxy Password", &C::proxy_password, {.doc = "Its password.", .sensitive = true})
      .provides<WebClientServiceProvider>();
}

void WebClientService::set_connection(HttpRequest& request) const {
  request.connection_timeout = config_.connect_timeout;
  request.read_timeout = config_.read_timeout;
  request.follows_redirects = config_.redirects == RedirectHandling::kFollowed;
  set_peer(request, tls_files_, config_);
}

}  // namespace runnel
