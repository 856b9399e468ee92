// ListenHTTP: makes a FlowFile of each request that is posted to it.
//
// 200 is answered only when the FlowFile is safe: fsynced, or already acknowledged by where it
// went. When the queue is full, or the disk does not keep up within `Safe Timeout`, the answer is
// 503 with Retry-After; the sender has to send again, and may then have sent twice.
//
// As MiNiFi's: POST and GET make a FlowFile, HEAD makes none, other methods are answered with 405.
// A FlowFile that comes in with `http.type` = `response_body` becomes the body of answers to
// requests for `Base Path`/`filename`. Such bodies are the processor's state, here: a restart keeps
// them.

#include <array>
#include <map>
#include <string>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/http/http_server.h"
#include "processors/net/ssl_context.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class VerifyPeer { kYes, kNo };
enum class TlsVersion { kTls12, kTls13 };

template <>
struct EnumNames<VerifyPeer> {
  static constexpr std::array<std::pair<VerifyPeer, std::string_view>, 2> names{
      {{VerifyPeer::kYes, "yes"}, {VerifyPeer::kNo, "no"}}};
};
template <>
struct EnumNames<TlsVersion> {
  static constexpr std::array<std::pair<TlsVersion, std::string_view>, 2> names{
      {{TlsVersion::kTls12, "TLS1.2"}, {TlsVersion::kTls13, "TLS1.3"}}};
};

namespace {

using namespace std::chrono_literals;

struct ListenHttpConfig {
  std::string base_path = "contentListener";
  std::uint16_t listening_port = 80;
  EnvironmentText listening_address = EnvironmentText("0.0.0.0");
  std::string authorized_dn = ".*";
  ServiceRef<SslContext> ssl_context;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> key_pass_phrase;
  std::optional<std::string> ca_file;
  VerifyPeer verify_peer = VerifyPeer::kNo;
  TlsVersion tls_min = TlsVersion::kTls12;
  std::optional<std::string> headers_as_attributes;
  Size body_size_max{1 << 30};
  std::uint32_t threads = 16;
  std::chrono::milliseconds request_timeout = 30s;
  std::chrono::milliseconds safe_timeout = 10s;
};

// What is answered to requests for one path.
struct StaticBody {
  std::string mime_type;
  std::string bytes;
};

constexpr std::size_t kStaticBodyMax = 64 << 10;
constexpr std::size_t kStaticBodiesMax = 256;
constexpr std::string_view kResponsePrefix = "response/";

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
  Result<HttpServerOptions> server_options(Context& context) const;
  ServedResponse serve(const ServedRequest& request, ServedBody& body);
  ServedResponse take(const ServedRequest& request, ServedBody& body);
  Result<> receive(ServedBody& body, Arrival& arrival);
  void set_attributes(const ServedRequest& request, Arrival& arrival) const;
  bool is_own_path(std::string_view path) const;
  ServedResponse answer(const ServedRequest& request);
  bool wait_until_safe(Ticket ticket);
  void read_static_bodies(Session& session);
  Result<> take_static_body(Session& session, FlowFile flowfile);

  const Config config_;
  std::string base_;  // "/contentListener"
  std::optional<Regex> headers_;
  std::optional<Regex> authorized_dn_;
  Context* context_ = nullptr;
  Relationship success_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<HttpServer> server_;
  bool has_read_state_ = false;  // of the worker
  Mutex mutex_;
  CondVar became_safe_;
  Ticket safe_through_ GUARDED_BY(mutex_) = 0;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::map<std::string, StaticBody, std::less<>> static_bodies_ GUARDED_BY(mutex_);
};

const ServedResponse kBusy{
    .status = 503, .body = "busy: send it again later\n", .headers = {{"Retry-After", "1"}}};

}  // namespace

ProcessorType listen_http() {
  using C = ListenHttpConfig;
  return Describe<ListenHttp>(
             "ListenHTTP",
             "Makes a FlowFile of each request that is posted to it. 200 is answered only when the "
             "FlowFile is safe; 503 with `Retry-After` when the queue behind is full. GET makes an "
             "empty FlowFile, HEAD none, other methods are answered with 405. A FlowFile that "
             "comes "
             "in with `http.type` = `response_body` becomes the body of answers to requests for "
             "`Base Path`/`filename` (up to 64 KB each, 256 of them; empty: none any more). "
             "MiNiFi's "
             "`Batch Size` and `Buffer Size` are not there: requests wait in their threads until "
             "they are safe.")
      .property("Base Path", &C::base_path,
                {.doc = "The path to post to, without the slash at its begin; paths below it are "
                        "taken, too."})
      .property("Listening Port", &C::listening_port,
                {.doc = "The TCP port. 0: the system picks one and a bulletin tells it."})
      .property("Listening Address", &C::listening_address,
                {.doc = "The IPv4 address to listen on. `127.0.0.1`: this machine only."})
      .property("Authorized DN Pattern", &C::authorized_dn,
                {.doc = "Clients whose certificate's whole subject does not match this regular "
                        "expression are answered with 403. It is written as in "
                        "`/O=Fleet/CN=truck`. Needs `SSL Verify Peer`."})
      .property(std::string(SslContext::kProperty), &C::ssl_context,
                {.doc = "The service that has the certificates and the key, in place of `SSL "
                        "Certificate` and the others. Given: HTTPS only."})
      .property("SSL Certificate", &C::certificate_file,
                {.doc = "PEM file of the server's certificate, the chain to its authority, and its "
                        "private key. Given: HTTPS only."})
      .property("SSL Private Key", &C::key_file,
                {.doc = "PEM file of the private key. Empty: it is in `SSL Certificate`."})
      .property("SSL Pass Phrase", &C::key_pass_phrase,
                {.doc = "Pass phrase of the private key.", .sensitive = true})
      .property("SSL Certificate Authority", &C::ca_file,
                {.doc = "PEM file of the authorities that may have signed clients' certificates."})
      .property(
          "SSL Verify Peer", &C::verify_peer,
          {.doc = "Take only clients that show a certificate of `SSL Certificate Authority`."})
      .property("SSL Minimum Version", &C::tls_min, {.doc = "The oldest TLS that is spoken."})
      .property(
          "HTTP Headers to receive as Attributes (Regex)", &C::headers_as_attributes,
          {.doc = "Headers whose whole name matches this regular expression become attributes."})
      .property("Maximum Body Size", &C::body_size_max,
                {.doc = "A larger body is answered with 413. Bodies go to disk as they come.",
                 .min = Size{1}})
      .property("Threads", &C::threads, {.doc = "Requests served at once.", .min = 1, .max = 256})
      .property(
          "Request Timeout", &C::request_timeout,
          {.doc = "A client that is silent for so long is cut off; so is one whose body takes "
                  "longer and comes at less than 1 KB a second (408).",
           .min = 10ms,
           .max = 1h})
      .property("Safe Timeout", &C::safe_timeout,
                {.doc = "How long a request waits for its FlowFile to be safe before it is "
                        "answered with 503.",
                 .min = 10ms,
                 .max = 1h})
      .relationship("success", "Every request's body.")
      .reads("http.type", "Of an incoming FlowFile: `response_body`; any other one is dropped.")
      .writes("http.method", "The method.")
      .writes("http.path", "The path.")
      .writes("http.query", "What stands behind the `?`, where there is one.")
      .writes("http.remote.addr", "Who sent it.")
      .writes("http.subject.dn", "The subject of the client's certificate, where there is one.")
      .writes("mime.type", "The request's `Content-Type`, where there is one.")
      .writes("filename", "The request's header `filename`, where there is one.")
      .input(InputRule::kAllowed)
      .example(R"(posted:
  type: ListenHTTP
  properties: {Base Path: telemetry, Listening Port: "8080"}
)");
}

Result<std::unique_ptr<ListenHttp>> ListenHttp::make(Config config) {
  auto made = std::make_unique<ListenHttp>(std::move(config));
  const Config& c = made->config_;
  if (c.headers_as_attributes) {
    TRY_ASSIGN(pattern, Regex::compile(*c.headers_as_attributes)
                            .within("property `HTTP Headers to receive as Attributes (Regex)`"));
    made->headers_ = std::move(pattern);
  }
  const bool verifies = c.verify_peer == VerifyPeer::kYes;
  if (verifies && !c.certificate_file && !c.ssl_context)
    return invalid("property `SSL Verify Peer`: `yes` needs `SSL Certificate`, too");
  if (verifies && !c.ca_file && !c.ssl_context)
    return invalid("property `SSL Verify Peer`: `yes` needs `SSL Certificate Authority`, too");
  if (c.authorized_dn != ".*") {
    // Without a certificate there is no name to look at: all would be let in.
    if (!verifies)
      return invalid("property `Authorized DN Pattern` needs `SSL Verify Peer: yes`, too");
    TRY_ASSIGN(pattern, Regex::compile(c.authorized_dn).within("property `Authorized DN Pattern`"));
    made->authorized_dn_ = std::move(pattern);
  }
  std::string_view base = c.base_path;
  while (base.starts_with("/")) base.remove_prefix(1);
  while (base.ends_with("/")) base.remove_suffix(1);
  made->base_ = "/" + std::string(base);
  return made;
}

Result<HttpServerOptions> ListenHttp::server_options(Context& context) const {
  HttpServerOptions options{.address = config_.listening_address.value,
                            .port = config_.listening_port,
                            .threads = config_.threads,
                            .body_size_max = config_.body_size_max.bytes,
                            .patience = config_.request_timeout};
  TRY_ASSIGN(files,
             tls_files(context, config_.ssl_context,
                       {config_.ca_file.value_or(""), config_.certificate_file.value_or(""),
                        config_.key_file.value_or(""), config_.key_pass_phrase.value_or("")}));
  if (config_.ssl_context && files.certificate_file.empty()) {
    return invalid("service `" + config_.ssl_context.name +
                   "` has no `Client Certificate`; a server must show one");
  }
  if (!files.certificate_file.empty()) {
    options.tls = {.certificate_file = files.certificate_file,
                   .key_file = files.key_file,
                   .key_pass_phrase = files.key_pass_phrase,
                   .ca_file = files.ca_file,
                   .verifies_peer = config_.verify_peer == VerifyPeer::kYes,
                   .is_tls13_only = config_.tls_min == TlsVersion::kTls13};
  }
  return options;
}

Result<> ListenHttp::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  has_read_state_ = false;
  {
    Lock lock(mutex_);
    is_stopping_ = false;
    safe_through_ = 0;
  }
  intake_ = context.open_intake({.on_safe = [this](Ticket ticket) {
    Lock lock(mutex_);
    safe_through_ = ticket;
    became_safe_.notify_all();
  }});
  TRY_ASSIGN(options, server_options(context));
  TRY_ASSIGN(server,
             HttpServer::open(options, [this](const ServedRequest& request, ServedBody& body) {
               return serve(request, body);
             }));
  server_ = std::move(server);
  if (config_.listening_port == 0) {
    context.bulletin(BulletinLevel::kInfo, "listening on port " + std::to_string(server_->port()));
  }
  context.wake();  // to read the state
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
  if (!has_read_state_) read_static_bodies(session);
  if (const FlowFile arrived = intake_->next(session)) {
    session.transfer(arrived, success_);
    return {};
  }
  const FlowFile flowfile = session.get();
  return flowfile ? take_static_body(session, flowfile) : Result<>();
}

// ---- static bodies

// The state holds, for each path, the type, a line end, and the bytes.
void ListenHttp::read_static_bodies(Session& session) {
  has_read_state_ = true;
  Lock lock(mutex_);
  static_bodies_.clear();
  session.each_state([this](std::string_view key, std::string_view value) REQUIRES(mutex_) {
    const std::size_t end = value.find('\n');
    if (!key.starts_with(kResponsePrefix) || end == value.npos) return;
    static_bodies_[std::string(key.substr(kResponsePrefix.size()))] = {
        std::string(value.substr(0, end)), std::string(value.substr(end + 1))};
  });
}

Result<> ListenHttp::take_static_body(Session& session, FlowFile flowfile) {
  const std::string path(flowfile.attribute("filename").value_or(""));
  const bool is_body = flowfile.attribute("http.type") == "response_body" && !path.empty();
  const Result<std::string_view> content = session.content(flowfile, kStaticBodyMax);
  if (!content.ok() && content.code() != Code::kFull) return content.error();
  if (!is_body || !content.ok()) {
    context_->bulletin(BulletinLevel::kWarning,
                       "FlowFile " + flowfile.uuid() + " is dropped: " +
                           (is_body ? content.error().text()
                                    : "it has not `http.type` = `response_body` and a `filename`"));
    session.drop(flowfile);
    return {};
  }
  const std::string key = std::string(kResponsePrefix) + path;
  Lock lock(mutex_);
  if (content->empty()) {
    static_bodies_.erase(path);
    session.remove_state(key);
  } else if (static_bodies_.size() >= kStaticBodiesMax && !static_bodies_.contains(path)) {
    context_->bulletin(BulletinLevel::kWarning, "no body is set for `" + path + "`: there are " +
                                                    std::to_string(kStaticBodiesMax) + " already");
  } else {
    std::string type(flowfile.attribute("mime.type").value_or("application/octet-stream"));
    std::erase_if(type, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    session.set_state(key, type + "\n" + std::string(*content));
    static_bodies_[path] = {std::move(type), std::string(*content)};
  }
  session.drop(flowfile);
  return {};
}

ServedResponse ListenHttp::answer(const ServedRequest& request) {
  ServedResponse response{.status = 200, .body = ""};
  if (request.path.size() <= base_.size() + 1) return response;
  Lock lock(mutex_);
  const auto found = static_bodies_.find(request.path.substr(base_.size() + 1));
  if (found == static_bodies_.end()) return response;
  response.content_type = found->second.mime_type;
  response.body = found->second.bytes;
  return response;
}

// ---- requests, on civetweb's threads

bool ListenHttp::is_own_path(std::string_view path) const {
  if (base_ == "/") return true;
  return path.starts_with(base_) && (path.size() == base_.size() || path[base_.size()] == '/');
}

ServedResponse ListenHttp::serve(const ServedRequest& request, ServedBody& body) {
  if (authorized_dn_ && !authorized_dn_->matches(request.client_dn)) {
    context_->bulletin(BulletinLevel::kWarning,
                       request.remote_address + " was refused: the subject `" +
                           to_utf8(request.client_dn) + "` is not authorized");
    return {.status = 403, .body = "this certificate's subject is not authorized\n"};
  }
  if (!is_own_path(request.path)) return {.status = 404, .body = "post to " + base_ + "\n"};
  if (request.method == "HEAD") return answer(request);
  if (request.method != "POST" && request.method != "GET") {
    return {
        .status = 405, .body = "POST, GET or HEAD\n", .headers = {{"Allow", "POST, GET, HEAD"}}};
  }
  return take(request, body);
}

ServedResponse ListenHttp::take(const ServedRequest& request, ServedBody& body) {
  if (context_->is_blocked()) return kBusy;  // before the body has to be sent
  Arrival arrival;
  if (const Result<> received = receive(body, arrival); !received.ok()) {
    return received.error().code() == Code::kFull
               ? ServedResponse{.status = 413, .body = received.error().text() + "\n"}
           : received.error().code() == Code::kUnavailable
               ? ServedResponse{.status = 408, .body = received.error().text() + "\n"}
           : received.error().code() == Code::kInvalid
               ? ServedResponse{.status = 400, .body = received.error().text() + "\n"}
               : kBusy;
  }
  const bool is_https = config_.certificate_file || config_.ssl_context;
  arrival.uri =
      (is_https ? "https://" : "http://") + request.remote_address + to_utf8(request.path);
  set_attributes(request, arrival);
  const Result<Ticket> ticket = intake_->deliver(std::move(arrival));
  if (!ticket.ok() || !wait_until_safe(*ticket)) return kBusy;
  return answer(request);
}

// kCorrupt: the disk takes no more. Other codes are the body's.
Result<> ListenHttp::receive(ServedBody& body, Arrival& arrival) {
  arrival.draft = context_->open_draft();
  std::array<char, 16 << 10> piece;
  while (true) {
    TRY_ASSIGN(got, body.read(piece));
    if (got == 0) return {};
    if (const Result<> written = arrival.draft->write({piece.data(), got}); !written.ok()) {
      context_->bulletin(BulletinLevel::kError, "a body is refused: " + written.error().text());
      return corrupt(written.error().text());
    }
  }
}

void ListenHttp::set_attributes(const ServedRequest& request, Arrival& arrival) const {
  arrival.attributes = {{"http.method", request.method},
                        {"http.path", to_utf8(request.path)},
                        {"http.remote.addr", request.remote_address}};
  const auto add = [&arrival](std::string_view name, std::string_view value) {
    if (!value.empty()) arrival.attributes.emplace_back(name, to_utf8(value));
  };
  add("http.query", request.query);
  add("http.subject.dn", request.client_dn);
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "content-type")) add("mime.type", value);
    if (equal_ignoring_case(name, "filename")) add("filename", value);
    if (headers_ && headers_->matches(name)) add(to_utf8(name), value);
  }
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
