// InvokeHTTP: sends an HTTP request for each FlowFile, or, where no connection leads to it, one at
// each moment of its schedule.
//
// Requests are under way side by side on the client's own thread, while their FlowFiles are held;
// answers are routed as NiFi routes them: 2xx to `success` with a FlowFile for the answer to
// `response`, 5xx to `retry`, other statuses to `no retry`, no answer to `failure`.

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/base/mutex.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/http/http_client.h"
#include "processors/http/web_client.h"
#include "processors/net/ssl_context.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class HttpMethod { kGet, kPost, kPut, kPatch, kDelete, kConnect, kHead, kOptions, kTrace };
enum class InvalidHeaders { kTransform, kFail, kDrop };

template <>
struct EnumNames<HttpMethod> {
  static constexpr std::array<std::pair<HttpMethod, std::string_view>, 9> names{
      {{HttpMethod::kGet, "GET"},
       {HttpMethod::kPost, "POST"},
       {HttpMethod::kPut, "PUT"},
       {HttpMethod::kPatch, "PATCH"},
       {HttpMethod::kDelete, "DELETE"},
       {HttpMethod::kConnect, "CONNECT"},
       {HttpMethod::kHead, "HEAD"},
       {HttpMethod::kOptions, "OPTIONS"},
       {HttpMethod::kTrace, "TRACE"}}};
};
template <>
struct EnumNames<InvalidHeaders> {
  static constexpr std::array<std::pair<InvalidHeaders, std::string_view>, 3> names{
      {{InvalidHeaders::kFail, "fail"},
       {InvalidHeaders::kTransform, "transform"},
       {InvalidHeaders::kDrop, "drop"}}};
};

namespace {

using namespace std::chrono_literals;

struct InvokeHttpConfig {
  HttpMethod method = HttpMethod::kGet;
  std::optional<Text> remote_url;
  std::chrono::milliseconds connection_timeout = 5s;
  std::chrono::milliseconds read_timeout = 15s;
  bool include_date_header = true;
  bool follow_redirects = true;
  std::optional<std::string> attributes_to_send;
  std::string content_type = "application/octet-stream";
  bool send_message_body = true;
  bool use_chunked_encoding = false;
  bool disable_peer_verification = false;
  std::optional<std::string> put_body_in_attribute;
  bool always_output_response = false;
  bool penalize_no_retry = false;
  InvalidHeaders invalid_headers = InvalidHeaders::kTransform;
  std::optional<std::string> proxy_host;
  std::optional<std::uint16_t> proxy_port;
  std::optional<std::string> proxy_user;
  std::optional<std::string> proxy_password;
  ServiceRef<WebClientServiceProvider> web_client;
  ServiceRef<SslContext> ssl_context;
  std::optional<std::string> ca_file;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> key_pass_phrase;
  std::uint32_t requests_max = 16;
  Size body_size_max{1 << 30};
  std::optional<std::string> user;
  std::optional<std::string> password;
  std::optional<Size> upload_speed_max;
  std::optional<Size> download_speed_max;
};

class InvokeHttp final : public Processor {
 public:
  using Config = InvokeHttpConfig;
  static Result<std::unique_ptr<InvokeHttp>> make(Config config);
  explicit InvokeHttp(Config config) : config_(std::move(config)) {}
  ~InvokeHttp() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  struct Answer {
    Handed handed;  // nothing: the request had no FlowFile
    std::string url;
    std::string transaction;
    Result<HttpResponse> response;
  };

  Result<HttpRequest> request_for(Session& session, FlowFile flowfile);
  Result<std::vector<std::pair<std::string, std::string>>> headers_for(FlowFile flowfile) const;
  void set_connection(HttpRequest& request) const;
  Result<> begin(Session& session, FlowFile flowfile);
  void poll_url(Session& session);
  Result<> finish_poll(Session& session, const Answer& answer);
  Result<> make_response(Session& session, FlowFile made, const Answer& answer,
                         const HttpResponse& response, ProvenanceKind kind);
  Result<> finish(Session& session, Answer answer);
  Result<> route(Session& session, FlowFile flowfile, const HttpResponse& response);
  void set_facts(FlowFile flowfile, const Answer& answer, const HttpResponse& response) const;
  void on_answer(std::shared_ptr<Answer> answer, Result<HttpResponse> response);

  const Config config_;
  std::optional<Regex> headers_to_send_;
  Context* context_ = nullptr;
  TlsFiles tls_files_;
  Relationship success_;
  Relationship response_;
  Relationship retry_;
  Relationship no_retry_;
  Relationship failure_;
  Mutex mutex_;
  std::deque<Answer> answers_ GUARDED_BY(mutex_);
  std::uint32_t under_way_ = 0;
  WebClientServiceProvider* shared_ = nullptr;  // nullptr: there is a client of its own
  std::unique_ptr<HttpClient> own_client_;
  HttpClient* client_ = nullptr;  // while it runs
};

constexpr std::size_t kAttributeBodyMax = 256 << 10;

bool is_token(char c) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kSigns.find(c) != std::string_view::npos;
}

bool is_header_name(std::string_view name) {
  for (const char c : name) {
    if (!is_token(c)) return false;
  }
  return !name.empty();
}

std::string without_line_ends(std::string_view value) {
  std::string out(value);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') c = ' ';
  }
  return out;
}

// A URL may hold a user and a password, which are nobody's business.
std::string without_user(std::string_view url) {
  const std::size_t host = url.find("://") + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == url.npos || at < host) return std::string(url);
  return std::string(url.substr(0, host)).append(url.substr(at + 1));
}

// Of several with one name (Set-Cookie) the values stand together, as in NiFi.
void set_headers(FlowFile made, const HttpResponse& response) {
  const auto& headers = response.headers;
  for (auto one = headers.begin(); one != headers.end(); ++one) {
    const auto is_same = [one](const auto& other) {
      return equal_ignoring_case(other.first, one->first);
    };
    if (std::any_of(headers.begin(), one, is_same)) continue;
    std::string values = one->second;
    for (auto more = std::find_if(one + 1, headers.end(), is_same); more != headers.end();
         more = std::find_if(more + 1, headers.end(), is_same))
      values += ", " + more->second;
    made.set(one->first, to_utf8(values));
  }
}

std::string date_now(std::int64_t wall_ms) {
  const std::time_t time = wall_ms / 1000;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text.data(), size);
}

}  // namespace

ProcessorType invoke_http() {
  using C = InvokeHttpConfig;
  const std::string shared(WebClientServiceProvider::kProperty);
  return Describe<InvokeHttp>(
             "InvokeHTTP",
             "Sends an HTTP request for each FlowFile and routes it by the answer. MiNiFi's old "
             "`send-message-body` is not there.")
      .property("HTTP Method", &C::method, {.doc = "The method."})
      .property("Remote URL", &C::remote_url,
                {.doc = "Where to, `http://` or `https://`.", .required = true})
      .property(
          "Connection Timeout", &C::connection_timeout,
          {.doc = "How long connecting may take.", .min = 1ms, .max = 1h, .replaced_by = shared})
      .property("Read Timeout", &C::read_timeout,
                {.doc = "How long nothing may move after that; an exchange that takes longer must "
                        "make 1 KB a second.",
                 .min = 1ms,
                 .max = 24h,
                 .replaced_by = shared})
      .property("Include Date Header", &C::include_date_header, {.doc = "Send a `Date` header."})
      .property("Follow Redirects", &C::follow_redirects,
                {.doc = "Follow redirects, ten at most.", .replaced_by = shared})
      .property(
          "Attributes to Send", &C::attributes_to_send,
          {.doc = "Attributes whose whole name matches this regular expression become headers."})
      .property("Content-type", &C::content_type, {.doc = "The `Content-Type` of the body."})
      .property("Send Message Body", &C::send_message_body,
                {.doc = "Send the content with POST, PUT and PATCH."})
      .property("Use Chunked Encoding", &C::use_chunked_encoding,
                {.doc = "Send the body in chunks, without `Content-Length`."})
      .property("Disable Peer Verification", &C::disable_peer_verification,
                {.doc = "Accept any certificate. For tests only."})
      .property("Put Response Body in Attribute", &C::put_body_in_attribute,
                {.doc = "Put the answer's body (up to 256 KB) into this attribute of the FlowFile, "
                        "instead of making one for the answer."})
      .property("Always Output Response", &C::always_output_response,
                {.doc = "Make a FlowFile of the answer whatever its status."})
      .property("Penalize on \"No Retry\"", &C::penalize_no_retry,
                {.doc = "Penalize FlowFiles that go to `no retry`."})
      .property("Invalid HTTP Header Field Handling Strategy", &C::invalid_headers,
                {.doc = "What to do with an attribute whose name cannot be a header's: route to "
                        "`failure`, replace bad characters by `-`, or leave it out."})
      .property("Proxy Host", &C::proxy_host, {.doc = "The proxy.", .replaced_by = shared})
      .property("Proxy Port", &C::proxy_port,
                {.doc = "Its port.", .min = 1, .max = 65535, .replaced_by = shared})
      .property("invokehttp-proxy-username", &C::proxy_user,
                {.doc = "The user at the proxy.", .replaced_by = shared})
      .property("invokehttp-proxy-password", &C::proxy_password,
                {.doc = "Its password.", .sensitive = true, .replaced_by = shared})
      .property(shared, &C::web_client, {.doc = WebClientServiceProvider::kDoc})
      .property(std::string(SslContext::kProperty), &C::ssl_context,
                {.doc = SslContext::kDoc, .replaced_by = shared})
      .property(
          "Security CA", &C::ca_file,
          {.doc = "PEM file of the authorities that may have signed the server's certificate.",
           .replaced_by = shared})
      .property("Security Cert", &C::certificate_file,
                {.doc = "PEM file of the client's certificate.", .replaced_by = shared})
      .property("Security Private Key", &C::key_file,
                {.doc = "PEM file of the client's private key.", .replaced_by = shared})
      .property(
          "Security Pass Phrase", &C::key_pass_phrase,
          {.doc = "Pass phrase of the private key.", .sensitive = true, .replaced_by = shared})
      .property("Maximum Requests", &C::requests_max,
                {.doc = "Requests under way at once.", .min = 1, .max = 1000})
      .property("Maximum Body Size", &C::body_size_max,
                {.doc = "An answer with a larger body is a failure. Bodies are streamed: what is "
                        "sent has no limit, what comes goes to disk.",
                 .min = Size{1}})
      .property("Basic Authentication Username", &C::user,
                {.doc = "The user, where the server asks for Basic authentication."})
      .property("Basic Authentication Password", &C::password,
                {.doc = "The user's password.", .sensitive = true})
      .property("Upload Speed Limit", &C::upload_speed_max,
                {.doc = "Bytes a second that a request sends at most.", .min = Size{4096}})
      .property(
          "Download Speed Limit", &C::download_speed_max,
          {.doc = "Bytes a second that an answer is received with at most.", .min = Size{4096}})
      .relationship("success", "FlowFiles that were answered with 2xx.")
      .relationship("response", "One FlowFile for each answer.")
      .relationship("retry", "FlowFiles that were answered with 5xx.")
      .relationship("no retry", "FlowFiles that were answered with another status.")
      .relationship("failure",
                    "No answer: the connection failed, timed out, or the request cannot be made.")
      .writes("invokehttp.status.code", "The status.")
      .writes("invokehttp.status.message", "Its text.")
      .writes("invokehttp.request.url", "Where the request went.")
      .writes("invokehttp.response.url", "Where the answer came from, after redirects.")
      .writes("invokehttp.tx.id", "The same random text for a FlowFile and its answer.")
      .input(InputRule::kAllowed);
}

Result<std::unique_ptr<InvokeHttp>> InvokeHttp::make(Config config) {
  auto made = std::make_unique<InvokeHttp>(std::move(config));
  if (made->config_.attributes_to_send) {
    TRY_ASSIGN(
        pattern,
        Regex::compile(*made->config_.attributes_to_send).within("property `Attributes to Send`"));
    made->headers_to_send_ = std::move(pattern);
  }
  return made;
}

Result<> InvokeHttp::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  response_ = context.relationship("response");
  retry_ = context.relationship("retry");
  no_retry_ = context.relationship("no retry");
  failure_ = context.relationship("failure");
  TRY_ASSIGN(files,
             tls_files(context, config_.ssl_context,
                       {config_.ca_file.value_or(""), config_.certificate_file.value_or(""),
                        config_.key_file.value_or(""), config_.key_pass_phrase.value_or("")}));
  tls_files_ = std::move(files);
  TRY_ASSIGN(shared, context.service(config_.web_client));
  shared_ = shared;
  if (shared_ == nullptr) {
    TRY_ASSIGN(own, HttpClient::open());
    own_client_ = std::move(own);
  }
  client_ = shared_ != nullptr ? &shared_->client() : own_client_.get();
  return {};
}

void InvokeHttp::stop() {
  if (client_ != nullptr) client_->cancel(this);
  client_ = nullptr;
  own_client_.reset();
  under_way_ = 0;
  Lock lock(mutex_);
  answers_.clear();
}

Result<> InvokeHttp::on_trigger(Session& session) {
  std::optional<Answer> answer;
  {
    Lock lock(mutex_);
    if (!answers_.empty()) {
      answer.emplace(std::move(answers_.front()));
      answers_.pop_front();
    }
  }
  if (answer) {
    --under_way_;
    context_->wake();  // for the next answer, or the request that this one made room for
    return answer->handed ? finish(session, std::move(*answer)) : finish_poll(session, *answer);
  }
  if (under_way_ >= config_.requests_max) return {};  // an answer wakes us
  if (!context_->has_input()) {
    if (context_->is_scheduled()) poll_url(session);
    return {};
  }
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  return begin(session, flowfile);
}

// A request that no FlowFile asks for. While the last one is not answered there is no other.
void InvokeHttp::poll_url(Session& session) {
  if (under_way_ > 0) return;
  Result<HttpRequest> request = request_for(session, FlowFile());
  if (!request.ok()) {
    context_->bulletin(BulletinLevel::kError, request.error().text());
    return;
  }
  auto answer = std::make_shared<Answer>(
      Answer{{}, without_user(request->url), random_uuid().text(), unavailable("no answer")});
  ++under_way_;
  client_->send(
      std::move(*request),
      [this, answer](Result<HttpResponse> response) { on_answer(answer, std::move(response)); },
      this);
}

// There is nothing to route but the answer: what is none is told, and asked for again at the next
// moment.
Result<> InvokeHttp::finish_poll(Session& session, const Answer& answer) {
  if (!answer.response.ok()) {
    context_->bulletin(BulletinLevel::kWarning, answer.url + ": " + answer.response.error().text());
    return {};
  }
  const HttpResponse& response = *answer.response;
  const bool is_good = response.status >= 200 && response.status < 300;
  if (is_good || config_.always_output_response) {
    return make_response(session, session.create(), answer, response, ProvenanceKind::kReceive);
  }
  context_->bulletin(
      BulletinLevel::kWarning,
      answer.url + ": answered " + std::to_string(response.status) + " " + response.status_message);
  return {};
}

Result<> InvokeHttp::make_response(Session& session, FlowFile made, const Answer& answer,
                                   const HttpResponse& response, ProvenanceKind kind) {
  if (response.into) TRY(session.write(made, *response.into));
  set_facts(made, answer, response);
  set_headers(made, response);
  session.event(made, kind, without_user(response.effective_url));
  session.transfer(made, response_);
  return {};
}

Result<> InvokeHttp::begin(Session& session, FlowFile flowfile) {
  Result<HttpRequest> request = request_for(session, flowfile);
  if (!request.ok()) {
    if (request.code() == Code::kCorrupt || request.code() == Code::kUnavailable)
      return request.error();
    context_->bulletin(BulletinLevel::kError,
                       "FlowFile " + flowfile.uuid() + ": " + request.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  auto answer =
      std::make_shared<Answer>(Answer{session.hand_over(flowfile), without_user(request->url),
                                      random_uuid().text(), unavailable("no answer")});
  ++under_way_;
  client_->send(
      std::move(*request),
      [this, answer](Result<HttpResponse> response) { on_answer(answer, std::move(response)); },
      this);
  return {};
}

void InvokeHttp::on_answer(std::shared_ptr<Answer> answer, Result<HttpResponse> response) {
  answer->response = std::move(response);
  {
    Lock lock(mutex_);
    answers_.push_back(std::move(*answer));
  }
  context_->wake();
}

Result<HttpRequest> InvokeHttp::request_for(Session& session, FlowFile flowfile) {
  HttpRequest request;
  request.method = PropertyTraits<HttpMethod>::text(config_.method);
  TRY_ASSIGN(url, config_.remote_url->of(flowfile).within("`Remote URL`"));
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return invalid("`Remote URL` gives `" + url.substr(0, 200) +
                   "`, which begins with neither http:// nor https://");
  }
  request.url = std::move(url);
  TRY_ASSIGN(headers, headers_for(flowfile));
  request.headers = std::move(headers);
  const bool may_have_body = config_.method == HttpMethod::kPost ||
                             config_.method == HttpMethod::kPut ||
                             config_.method == HttpMethod::kPatch;
  if (may_have_body && config_.send_message_body && flowfile) {
    TRY_ASSIGN(body, session.reader(flowfile));
    request.body = std::move(body);
    request.body_size = flowfile.size();
    request.headers.emplace_back("Content-Type", config_.content_type);
  }
  set_connection(request);
  return request;
}

void InvokeHttp::set_connection(HttpRequest& request) const {
  request.is_chunked = config_.use_chunked_encoding;
  request.verifies_peer = !config_.disable_peer_verification;
  request.response_size_max = config_.body_size_max.bytes;
  request.user = config_.user.value_or("");
  request.password = config_.password.value_or("");
  request.upload_speed_max = config_.upload_speed_max.value_or(Size{0}).bytes;
  request.download_speed_max = config_.download_speed_max.value_or(Size{0}).bytes;
  request.response_kept = kAttributeBodyMax;
  const bool is_attribute = config_.put_body_in_attribute && context_->has_input();
  if (!is_attribute) request.into = context_->open_draft();
  if (shared_ != nullptr) return shared_->set_connection(request);
  request.follows_redirects = config_.follow_redirects;
  request.connection_timeout = config_.connection_timeout;
  request.read_timeout = config_.read_timeout;
  set_peer(request, tls_files_, config_);
}

Result<std::vector<std::pair<std::string, std::string>>> InvokeHttp::headers_for(
    FlowFile flowfile) const {
  std::vector<std::pair<std::string, std::string>> headers;
  if (config_.include_date_header)
    headers.emplace_back("Date", date_now(context_->clock().wall_ms()));
  if (!headers_to_send_ || !flowfile) return headers;
  std::optional<std::string> bad;
  flowfile.each_attribute([&](std::string_view name, std::string_view value) {
    if (!headers_to_send_->matches(name)) return;
    std::string header(name);
    if (!is_header_name(name)) {
      if (config_.invalid_headers == InvalidHeaders::kDrop) return;
      if (config_.invalid_headers == InvalidHeaders::kFail) bad = header;
      for (char& c : header) {
        if (!is_token(c)) c = '-';
      }
    }
    headers.emplace_back(std::move(header), without_line_ends(value));
  });
  if (bad) return invalid("attribute `" + *bad + "` cannot be a header's name");
  return headers;
}

void InvokeHttp::set_facts(FlowFile flowfile, const Answer& answer,
                           const HttpResponse& response) const {
  flowfile.set("invokehttp.status.code", std::to_string(response.status));
  flowfile.set("invokehttp.status.message", response.status_message);
  flowfile.set("invokehttp.request.url", answer.url);
  flowfile.set("invokehttp.response.url", without_user(response.effective_url));
  flowfile.set("invokehttp.tx.id", answer.transaction);
}

Result<> InvokeHttp::finish(Session& session, Answer answer) {
  FlowFile flowfile = session.take_back(std::move(answer.handed));
  if (!answer.response.ok() && answer.response.code() == Code::kCorrupt)
    return answer.response.error();  // its own content, which cannot be read
  if (!answer.response.ok()) {
    context_->bulletin(BulletinLevel::kWarning, answer.url + ": " + answer.response.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  const HttpResponse& response = *answer.response;
  set_facts(flowfile, answer, response);
  session.event(flowfile, ProvenanceKind::kSend, answer.url);
  const bool is_good = response.status >= 200 && response.status < 300;
  if (config_.put_body_in_attribute) {
    flowfile.set(*config_.put_body_in_attribute, to_utf8(response.body));
  } else if (is_good || config_.always_output_response) {
    TRY(make_response(session, session.create(flowfile), answer, response, ProvenanceKind::kFetch));
  }
  return route(session, flowfile, response);
}

Result<> InvokeHttp::route(Session& session, FlowFile flowfile, const HttpResponse& response) {
  if (response.status >= 200 && response.status < 300) {
    session.transfer(flowfile, success_);
  } else if (response.status >= 500) {
    session.penalize(flowfile);
    session.transfer(flowfile, retry_);
  } else {
    if (config_.penalize_no_retry) session.penalize(flowfile);
    session.transfer(flowfile, no_retry_);
  }
  return {};
}

}  // namespace runnel
