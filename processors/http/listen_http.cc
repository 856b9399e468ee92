// ListenHTTP: makes a FlowFile of each request that is posted to it.
//
// 200 is answered only when the FlowFile is safe: fsynced, or already acknowledged by where it
// went. When the queue is full, or the disk does not keep up within `Safe Timeout`, the answer is
// 503 with Retry-After; the sender has to send again, and may then have sent twice.

#include <array>
#include <string>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/http/http_server.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct ListenHttpConfig {
  std::string base_path = "contentListener";
  std::uint16_t listening_port = 80;
  EnvironmentText listening_address = EnvironmentText("0.0.0.0");
  std::optional<std::string> headers_as_attributes;
  Size body_size_max{16 << 20};
  std::uint32_t threads = 16;
  std::chrono::milliseconds safe_timeout = 10s;
};

class ListenHttp final : public Processor {
 public:
  using Config = ListenHttpConfig;
  static Result<std::unique_ptr<ListenHttp>> make(Config config);
  explicit ListenHttp(Config config) : config_(std::move(config)) {}
  ~ListenHttp() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  ServedResponse serve(ServedRequest request);
  ServedResponse take(ServedRequest request);
  bool wait_until_safe(Ticket ticket);

  const Config config_;
  std::optional<Regex> headers_;
  Context* context_ = nullptr;
  Relationship success_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<HttpServer> server_;
  Mutex mutex_;
  CondVar became_safe_;
  Ticket safe_through_ GUARDED_BY(mutex_) = 0;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
};

const ServedResponse kBusy{
    .status = 503, .body = "busy: send it again later\n", .headers = {{"Retry-After", "1"}}};

}  // namespace

ProcessorType listen_http() {
  using C = ListenHttpConfig;
  return Describe<ListenHttp>("ListenHTTP",
                              "Makes a FlowFile of each request that is posted to it. 200 is "
                              "answered only when the FlowFile is safe.")
      .property("Base Path", &C::base_path,
                {.doc = "The path to post to, without the slash at its begin."})
      .property("Listening Port", &C::listening_port,
                {.doc = "The TCP port. 0: the system picks one and a bulletin tells it."})
      .property("Listening Address", &C::listening_address,
                {.doc = "The address to listen on. `127.0.0.1`: this machine only."})
      .property(
          "HTTP Headers to receive as Attributes (Regex)", &C::headers_as_attributes,
          {.doc = "Headers whose whole name matches this regular expression become attributes."})
      .property(
          "Maximum Body Size", &C::body_size_max,
          {.doc = "A larger body is answered with 413.", .min = Size{1}, .max = Size{1 << 30}})
      .property("Threads", &C::threads, {.doc = "Requests served at once.", .min = 1, .max = 256})
      .property("Safe Timeout", &C::safe_timeout,
                {.doc = "How long a request waits for its FlowFile to be safe before it is "
                        "answered with 503.",
                 .min = 10ms,
                 .max = 1h})
      .relationship("success", "Every request's body.")
      .writes("http.method", "The method.")
      .writes("http.path", "The path.")
      .writes("http.remote.addr", "Who sent it.")
      .writes("mime.type", "The request's `Content-Type`, where there is one.")
      .writes("filename", "The request's header `filename`, where there is one.")
      .input(InputRule::kForbidden)
      .example(R"(posted:
  type: ListenHTTP
  properties: {Base Path: telemetry, Listening Port: "8080"}
)");
}

Result<std::unique_ptr<ListenHttp>> ListenHttp::make(Config config) {
  auto made = std::make_unique<ListenHttp>(std::move(config));
  if (made->config_.headers_as_attributes) {
    TRY_ASSIGN(pattern, Regex::compile(*made->config_.headers_as_attributes)
                            .within("property `HTTP Headers to receive as Attributes (Regex)`"));
    made->headers_ = std::move(pattern);
  }
  return made;
}

Result<> ListenHttp::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  {
    Lock lock(mutex_);
    is_stopping_ = false;
    safe_through_ = 0;
  }
  intake_ = context.open_intake(
      {.count_max = 10'000,
       .bytes_max = std::max<std::size_t>(16 << 20, config_.body_size_max.bytes),
       .on_safe = [this](Ticket ticket) {
         Lock lock(mutex_);
         safe_through_ = ticket;
         became_safe_.notify_all();
       }});
  TRY_ASSIGN(server,
             HttpServer::open({.address = config_.listening_address.value,
                               .port = config_.listening_port,
                               .threads = config_.threads,
                               .body_size_max = config_.body_size_max.bytes},
                              [this](ServedRequest request) { return serve(std::move(request)); }));
  server_ = std::move(server);
  if (config_.listening_port == 0) {
    context.bulletin(BulletinLevel::kInfo, "listening on port " + std::to_string(server_->port()));
  }
  return {};
}

void ListenHttp::stop() {
  {
    Lock lock(mutex_);
    is_stopping_ = true;
    became_safe_.notify_all();
  }
  server_.reset();
  intake_.reset();
}

Result<> ListenHttp::on_trigger(Session& session) {
  const FlowFile flowfile = intake_->next(session);
  if (flowfile) session.transfer(flowfile, success_);
  return {};
}

ServedResponse ListenHttp::serve(ServedRequest request) {
  if (request.path != "/" + config_.base_path) {
    return {.status = 404, .body = "post to /" + config_.base_path + "\n"};
  }
  if (request.method == "HEAD" || request.method == "GET") return {.status = 200, .body = ""};
  if (request.method != "POST" && request.method != "PUT") {
    return {.status = 405, .body = "POST or PUT\n", .headers = {{"Allow", "POST, PUT, GET, HEAD"}}};
  }
  return take(std::move(request));
}

ServedResponse ListenHttp::take(ServedRequest request) {
  if (context_->is_blocked()) return kBusy;
  Arrival arrival;
  arrival.content = std::move(request.body);
  arrival.uri = "http://" + request.remote_address + request.path;
  arrival.attributes = {{"http.method", request.method},
                        {"http.path", request.path},
                        {"http.remote.addr", request.remote_address}};
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "content-type"))
      arrival.attributes.emplace_back("mime.type", to_utf8(value));
    if (equal_ignoring_case(name, "filename"))
      arrival.attributes.emplace_back("filename", to_utf8(value));
    if (headers_ && headers_->matches(name)) arrival.attributes.emplace_back(name, to_utf8(value));
  }
  const Result<Ticket> ticket = intake_->deliver(std::move(arrival));
  if (!ticket.ok() || !wait_until_safe(*ticket)) return kBusy;
  return {.status = 200, .body = ""};
}

bool ListenHttp::wait_until_safe(Ticket ticket) {
  const auto deadline = std::chrono::steady_clock::now() + config_.safe_timeout;
  Lock lock(mutex_);
  while (safe_through_ < ticket) {
    if (is_stopping_) return false;
    if (!became_safe_.wait_until(mutex_, deadline)) return safe_through_ >= ticket;
  }
  return true;
}

}  // namespace runnel
