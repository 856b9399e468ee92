// InvokeHTTP over real sockets: what is sent, where FlowFiles go by the answer, and servers that
// are no good.

#include <doctest/doctest.h>

#include <array>
#include <future>
#include <map>
#include <thread>

#include "agent/base/mutex.h"
#include "processors/http/http_client.h"
#include "processors/http/http_server.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"
#include "tests/support/raw_peer.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using test::RawListener;
using test::RawPeer;

struct Seen {
  ServedRequest request;
  std::string body;
  std::string header(std::string_view name) const {
    for (const auto& [known, value] : request.headers) {
      if (known == name) return value;
    }
    return {};
  }
};

// A good server, which remembers what it was asked.
class Server {
 public:
  explicit Server(std::optional<ServerTlsOptions> tls = std::nullopt) {
    Result<std::unique_ptr<HttpServer>> opened = HttpServer::open(
        {.body_size_max = 1 << 30, .tls = std::move(tls)},
        [this](const ServedRequest& request, ServedBody& body) { return serve(request, body); });
    REQUIRE_MESSAGE(opened.ok(), opened.error().text());
    server_ = std::move(opened).value();
  }
  std::string url(std::string_view path = "/", std::string_view scheme = "http://") const {
    return std::string(scheme) + "127.0.0.1:" + std::to_string(server_->port()) + std::string(path);
  }
  std::uint16_t port() const { return server_->port(); }
  void answers(ServedResponse response) {
    Lock lock(mutex_);
    response_ = std::move(response);
  }
  std::vector<Seen> seen() const {
    Lock lock(mutex_);
    return seen_;
  }

 private:
  ServedResponse serve(const ServedRequest& request, ServedBody& body) {
    Seen seen{request, {}};
    std::string piece(65536, 0);
    while (true) {
      const Result<std::size_t> got = body.read(piece);
      if (!got.ok() || *got == 0) break;
      seen.body.append(piece.data(), *got);
    }
    Lock lock(mutex_);
    seen_.push_back(std::move(seen));
    if (request.path == "/moved")
      return {.status = 307, .body = "moved", .headers = {{"Location", "/there"}}};
    if (request.path == "/see")
      return {.status = 303, .body = "see", .headers = {{"Location", "/there"}}};
    if (request.path == "/loop")
      return {.status = 302, .body = "", .headers = {{"Location", "/loop"}}};
    return response_;
  }

  mutable Mutex mutex_;
  ServedResponse response_ GUARDED_BY(mutex_){.status = 200, .body = "done"};
  std::vector<Seen> seen_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

const std::array<const char*, 4> kWays{"success", "retry", "no retry", "failure"};

// Where the one FlowFile went, by name.
std::string way_of(ProcessorRunner& runner) {
  REQUIRE(runner.run_until([&] { return runner.queued() == 0; }));
  std::string ways;
  for (const char* way : kWays) {
    if (runner.count(way) != 0) ways += ways.empty() ? way : std::string("+") + way;
  }
  return ways;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST_CASE("a FlowFile is posted with attributes as headers, and its answer becomes another one") {
  Server server;
  server.answers({.status = 201,
                  .content_type = "application/json",
                  .body = "{\"id\":7}",
                  .headers = {{"X-Trace", "t1"}}});
  ProcessorRunner runner("InvokeHTTP", {{"HTTP Method", "POST"},
                                        {"Remote URL", server.url("/${where}")},
                                        {"Attributes to Send", "x-.*|bad name"},
                                        {"Content-type", "text/csv"},
                                        {"Basic Authentication Username", "ann"},
                                        {"Basic Authentication Password", "secret"}});
  runner.enqueue(
      "a,b", {{"where", "in"}, {"x-truck", "17\r\nEvil: 1"}, {"bad name", "v"}, {"other", "no"}});
  CHECK(way_of(runner) == "success");
  const auto seen = server.seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].request.method == "POST");
  CHECK(seen[0].request.path == "/in");
  CHECK(seen[0].body == "a,b");
  CHECK(seen[0].header("Content-Length") == "3");
  CHECK(seen[0].header("Content-Type") == "text/csv");
  CHECK(seen[0].header("x-truck") == "17  Evil: 1");
  CHECK(seen[0].header("bad-name") == "v");
  CHECK(seen[0].header("Evil").empty());
  CHECK(seen[0].header("other").empty());
  CHECK(seen[0].header("Date").ends_with(" GMT"));
  CHECK(seen[0].header("Authorization") == "Basic YW5uOnNlY3JldA==");
  const auto sent = runner.taken("success");
  CHECK(sent.at(0).content == "a,b");
  CHECK(sent[0].attribute("invokehttp.status.code") == "201");
  CHECK(sent[0].attribute("invokehttp.status.message") == "Created");
  CHECK(sent[0].attribute("invokehttp.request.url") == server.url("/in"));
  CHECK(sent[0].attribute("invokehttp.response.url") == server.url("/in"));
  const auto answers = runner.taken("response");
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].content == "{\"id\":7}");
  CHECK(answers[0].attribute("where") == "in");
  CHECK(answers[0].attribute("X-Trace") == "t1");
  CHECK(answers[0].attribute("Content-Type") == "application/json");
  CHECK(answers[0].attribute("invokehttp.tx.id") == sent[0].attribute("invokehttp.tx.id"));
  CHECK(runner.events(ProvenanceKind::kSend).size() == 1);
  CHECK(runner.events(ProvenanceKind::kFetch).size() == 1);
}

TEST_CASE("each method is sent as it is called; only POST, PUT and PATCH have a body") {
  Server server;
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}) {
    CAPTURE(method);
    const std::size_t before = server.seen().size();
    ProcessorRunner runner("InvokeHTTP", {{"HTTP Method", method}, {"Remote URL", server.url()}});
    runner.enqueue("body");
    const std::string way = way_of(runner);
    const auto seen = server.seen();
    // civetweb answers OPTIONS by itself.
    if (method == "OPTIONS" && seen.size() == before) continue;
    REQUIRE(seen.size() == before + 1);
    CHECK(way == "success");
    CHECK(seen.back().request.method == method);
    const bool has_body = method.starts_with("P");
    CHECK(seen.back().body == (has_body ? "body" : ""));
    CHECK(runner.taken("response").at(0).content == (method == "HEAD" ? "" : "done"));
  }
}

TEST_CASE("a body is left out, or sent in chunks, where the flow says so") {
  Server server;
  PropertyValues properties{
      {"HTTP Method", "PUT"}, {"Remote URL", server.url()}, {"Include Date Header", "false"}};
  properties["Send Message Body"] = "false";
  ProcessorRunner without("InvokeHTTP", properties);
  without.enqueue("body");
  CHECK(way_of(without) == "success");
  properties["Send Message Body"] = "true";
  properties["Use Chunked Encoding"] = "true";
  ProcessorRunner chunked("InvokeHTTP", properties);
  chunked.enqueue("body");
  CHECK(way_of(chunked) == "success");
  const auto seen = server.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].body.empty());
  CHECK(seen[0].header("Date").empty());
  CHECK(seen[1].body == "body");
  CHECK(seen[1].header("Transfer-Encoding") == "chunked");
  CHECK(seen[1].header("Content-Length").empty());
}

TEST_CASE("the status decides: 2xx success, 5xx retry and penalized, others no retry") {
  Server server;
  const std::map<int, std::string> ways{{200, "success"},  {204, "success"},  {304, "no retry"},
                                        {400, "no retry"}, {404, "no retry"}, {429, "no retry"},
                                        {500, "retry"},    {503, "retry"}};
  for (const auto& [status, way] : ways) {
    CAPTURE(status);
    server.answers({.status = status, .body = ""});
    ProcessorRunner runner("InvokeHTTP", {{"Remote URL", server.url()}});
    runner.enqueue("x");
    CHECK(way_of(runner) == way);
    CHECK(runner.count("response") == (way == "success" ? 1 : 0));
    const auto routed = runner.taken(way);
    REQUIRE(routed.size() == 1);
    CHECK(routed[0].is_penalized == (way == "retry"));
    CHECK(routed[0].attribute("invokehttp.status.code") == std::to_string(status));
  }
}

TEST_CASE("Always Output Response, Penalize on No Retry and the body in an attribute") {
  Server server;
  server.answers({.status = 404, .body = "not here \xff"});
  ProcessorRunner always("InvokeHTTP", {{"Remote URL", server.url()},
                                        {"Always Output Response", "true"},
                                        {"Penalize on \"No Retry\"", "true"}});
  always.enqueue("x");
  CHECK(way_of(always) == "no retry");
  CHECK(always.taken("response").at(0).content == "not here \xff");
  CHECK(always.taken("no retry").at(0).is_penalized);
  ProcessorRunner attribute(
      "InvokeHTTP", {{"Remote URL", server.url()}, {"Put Response Body in Attribute", "answer"}});
  attribute.enqueue("x");
  CHECK(way_of(attribute) == "no retry");
  CHECK(attribute.count("response") == 0);
  CHECK(attribute.taken("no retry").at(0).attribute("answer").starts_with("not here "));
  server.answers({.status = 200, .body = std::string(300'000, 'x')});
  attribute.enqueue("x");
  CHECK(way_of(attribute) == "success");
  CHECK(attribute.taken("success").at(0).attribute("answer").size() == 256 << 10);
}

TEST_CASE("redirects are followed with the body, ten at most, or not at all") {
  Server server;
  const PropertyValues post{{"HTTP Method", "POST"}, {"Remote URL", server.url("/moved")}};
  ProcessorRunner follows("InvokeHTTP", post);
  const std::string body(300'000, 'b');
  follows.enqueue(body);
  CHECK(way_of(follows) == "success");
  auto seen = server.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[1].request.path == "/there");
  CHECK(seen[1].body == body);
  CHECK(follows.taken("success").at(0).attribute("invokehttp.response.url") ==
        server.url("/there"));
  CHECK(follows.taken("response").at(0).content == "done");
  PropertyValues stays = post;
  stays["Follow Redirects"] = "false";
  ProcessorRunner is_told("InvokeHTTP", stays);
  is_told.enqueue("x");
  CHECK(way_of(is_told) == "no retry");
  ProcessorRunner loops("InvokeHTTP", {{"Remote URL", server.url("/loop")}});
  loops.enqueue("x");
  CHECK(way_of(loops) == "failure");
  CHECK(loops.has_bulletin("redirects"));
}

TEST_CASE("what is seen at another place is asked for by GET, without the body") {
  Server server;
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "GET"}) {
    CAPTURE(method);
    ProcessorRunner runner("InvokeHTTP",
                           {{"HTTP Method", method}, {"Remote URL", server.url("/see")}});
    runner.enqueue("body");
    CHECK(way_of(runner) == "success");
    const auto seen = server.seen();
    CHECK(seen.back().request.path == "/there");
    CHECK(seen.back().request.method == "GET");
    CHECK(seen.back().body.empty());
  }
}

TEST_CASE("content that cannot be read is left to the quarantine, and what is behind it is sent") {
  Server server;
  ProcessorRunner runner("InvokeHTTP", {{"HTTP Method", "POST"}, {"Remote URL", server.url()}},
                         {.clock = &system_clock()});
  runner.stop();
  runner.enqueue(std::string(100'000, 'x'));
  runner.enqueue("behind it");
  runner.flush();
  runner.damage_content(2'000);
  runner.restart();
  REQUIRE(runner.run_until([&] { return runner.loss().quarantined == 1; }));
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  CHECK(runner.count("failure") == 0);
  CHECK(server.seen().back().body == "behind it");
  check_balanced(runner.loss());
}

TEST_CASE("headers of one name make one attribute with all their values") {
  Server server;
  server.answers({.status = 200,
                  .body = "",
                  .headers = {{"Set-Cookie", "a=1"}, {"Warning", "w"}, {"set-cookie", "b=2"}}});
  ProcessorRunner runner("InvokeHTTP", {{"Remote URL", server.url()}});
  runner.enqueue("");
  CHECK(way_of(runner) == "success");
  const auto answer = runner.taken("response").at(0);
  CHECK(answer.attribute("Set-Cookie") == "a=1, b=2");
  CHECK(answer.attribute("Warning") == "w");
}

TEST_CASE("large bodies are streamed both ways, and an answer above the bound is a failure") {
  Server server;
  const std::string large(8 << 20, 'L');
  server.answers({.status = 200, .body = large});
  PropertyValues properties{{"HTTP Method", "POST"}, {"Remote URL", server.url()}};
  ProcessorRunner runner("InvokeHTTP", properties);
  runner.enqueue(large);
  CHECK(way_of(runner) == "success");
  CHECK(server.seen().at(0).body == large);
  CHECK(runner.taken("response").at(0).content == large);
  properties["Maximum Body Size"] = "1 MB";
  ProcessorRunner bounded("InvokeHTTP", properties);
  bounded.enqueue("x");
  CHECK(way_of(bounded) == "failure");
  CHECK(bounded.has_bulletin("the answer is larger than 1 MB"));
}

TEST_CASE(
    "an attribute that cannot be a header is a failure, or left out, where the flow says so") {
  Server server;
  PropertyValues properties{{"Remote URL", server.url()}, {"Attributes to Send", "bad name"}};
  properties["Invalid HTTP Header Field Handling Strategy"] = "fail";
  ProcessorRunner fails("InvokeHTTP", properties);
  fails.enqueue("x", {{"bad name", "v"}});
  CHECK(way_of(fails) == "failure");
  CHECK(fails.has_bulletin("attribute `bad name` cannot be a header's name"));
  properties["Invalid HTTP Header Field Handling Strategy"] = "drop";
  ProcessorRunner drops("InvokeHTTP", properties);
  drops.enqueue("x", {{"bad name", "v"}});
  CHECK(way_of(drops) == "success");
  CHECK(server.seen().at(0).header("bad-name").empty());
}

TEST_CASE("no answer is a failure, penalized, that says why: no server, no name, no URL") {
  std::uint16_t closed = 0;
  {
    const RawListener gone;
    closed = gone.port();
  }
  const std::map<std::string, std::string> whys{
      {"http://127.0.0.1:" + std::to_string(closed) + "/", "connect"},
      {"http://no-such-host.invalid/", "resolve"},
      {"ftp://127.0.0.1/", "begins with neither http:// nor https://"},
      {"${missing}", "begins with neither"},
      {"http://", ""}};
  for (const auto& [url, why] : whys) {
    CAPTURE(url);
    ProcessorRunner runner("InvokeHTTP", {{"Remote URL", url}});
    runner.enqueue("x");
    CHECK(way_of(runner) == "failure");
    CHECK(runner.taken("failure").at(0).is_penalized);
    CHECK_MESSAGE(runner.has_bulletin(why), runner.bulletins().at(0).text);
  }
}

// Answers whatever is asked with these bytes; then waits or closes.
std::string way_with(const std::string& bytes, bool closes, PropertyValues more = {},
                     std::string* told = nullptr) {
  RawListener listener;
  more.insert({"Remote URL", "http://127.0.0.1:" + std::to_string(listener.port()) + "/"});
  more.insert({"Read Timeout", "200 ms"});
  ProcessorRunner runner("InvokeHTTP", more);
  runner.enqueue("x");
  runner.run();
  RawPeer peer = listener.accept();
  REQUIRE(peer.is_open());
  peer.expect(10);
  peer.send(bytes);
  if (closes) peer.close();
  std::string way = way_of(runner);
  if (told != nullptr) {
    for (const Bulletin& bulletin : runner.bulletins()) *told += bulletin.text;
  }
  return way;
}

TEST_CASE("a server that hangs, hangs up or talks nonsense is a failure") {
  std::string told;
  CHECK(way_with("", false, {}, &told) == "failure");
  CHECK(has(told, "nothing moved for 200 ms"));
  CHECK(way_with("", true) == "failure");
  CHECK(way_with("SSH-2.0-OpenSSH_9.2\r\n", true) == "failure");
  CHECK(way_with("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true) == "failure");
  CHECK(way_with("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false) == "failure");
  CHECK(way_with("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", true) == "failure");
  CHECK(way_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true) == "failure");
  CHECK(way_with("HTTP/1.1 200 OK\r\n" + std::string(500'000, 'h'), true) == "failure");
}

TEST_CASE("while one request hangs others are answered, and a stop does not wait for it") {
  Server server;
  RawListener hangs;
  ProcessorRunner runner("InvokeHTTP", {{"Remote URL", "${url}"}, {"Read Timeout", "1 hour"}});
  const std::string hanging = "http://127.0.0.1:" + std::to_string(hangs.port()) + "/";
  runner.enqueue("hangs", {{"url", hanging}});
  for (int i = 0; i < 20; ++i) runner.enqueue("x", {{"url", server.url()}});
  CHECK(runner.run_until([&] { return runner.count("success") == 20; }));
  CHECK(runner.queued() == 1);
  runner.stop();
  CHECK(runner.waiting().at(0).content == "hangs");
  check_balanced(runner.loss());
}

TEST_CASE("by a shared client the same is done, and a stop drops only what is its own") {
  Server server;
  RawListener hangs;
  const RunnerOptions options{
      .services = {{"web", {"StandardWebClientServiceProvider", {{"Read Timeout", "1 hour"}}}}}};
  ProcessorRunner runner(
      "InvokeHTTP", {{"Remote URL", "${url}"}, {"Web Client Service Provider", "web"}}, options);
  const std::string hanging = "http://127.0.0.1:" + std::to_string(hangs.port()) + "/";
  runner.enqueue("hangs", {{"url", hanging}});
  for (int i = 0; i < 20; ++i) runner.enqueue("x", {{"url", server.url()}});
  CHECK(runner.run_until([&] { return runner.count("success") == 20; }));
  CHECK(runner.queued() == 1);
  runner.stop();
  CHECK(runner.waiting().at(0).content == "hangs");
  runner.start();  // the service, too, once more
  runner.enqueue("x", {{"url", server.url()}});
  CHECK(runner.run_until([&] { return runner.count("success") == 21; }));
  check_balanced(runner.loss());

  const auto client = HttpClient::open().value();
  const int one = 0;
  const int other = 0;
  std::promise<Result<HttpResponse>> answered;
  bool is_called = false;
  HttpRequest request;
  request.read_timeout = 1h;
  request.url = hanging;
  client->send(
      request, [&](Result<HttpResponse>) { is_called = true; }, &one);
  RawPeer peer = hangs.accept();
  CHECK(peer.is_open());
  client->cancel(&one);
  request.url = server.url();
  client->send(
      request, [&](Result<HttpResponse> answer) { answered.set_value(std::move(answer)); }, &other);
  CHECK(answered.get_future().get().ok());
  CHECK_FALSE(is_called);
}

TEST_CASE("a shared client's redirects and timeouts are those of the service") {
  Server server;
  const auto invoke = [](const std::string& url, PropertyValues service) {
    const RunnerOptions options{
        .services = {{"web", {"StandardWebClientServiceProvider", std::move(service)}}}};
    ProcessorRunner runner("InvokeHTTP",
                           {{"Remote URL", url}, {"Web Client Service Provider", "web"}}, options);
    runner.enqueue("x");
    return way_of(runner);
  };
  CHECK(invoke(server.url("/moved"), {}) == "success");
  CHECK(invoke(server.url("/moved"), {{"Redirect Handling Strategy", "IGNORED"}}) == "no retry");
  RawListener hangs;
  CHECK(invoke("http://127.0.0.1:" + std::to_string(hangs.port()) + "/",
               {{"Read Timeout", "1 ms"}}) == "failure");
}

TEST_CASE("a shared client asks the proxy of its service, with its user") {
  RawListener proxy;
  const RunnerOptions options{.services = {{"web",
                                            {"StandardWebClientServiceProvider",
                                             {{"Proxy Host", "127.0.0.1"},
                                              {"Proxy Port", std::to_string(proxy.port())},
                                              {"Proxy Username", "ann"},
                                              {"Proxy Password", "secret"}}}}}};
  ProcessorRunner runner(
      "InvokeHTTP",
      {{"Remote URL", "http://far.invalid/x"}, {"Web Client Service Provider", "web"}}, options);
  runner.enqueue("x");
  runner.run();
  RawPeer peer = proxy.accept();
  REQUIRE(peer.is_open());
  const std::string asked =
      "GET http://far.invalid/x HTTP/1.1\r\nHost: far.invalid\r\n"
      "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n";
  CHECK(peer.expect(asked.size()) == asked);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(way_of(runner) == "success");
}

TEST_CASE("no more requests than allowed are under way") {
  RawListener hangs;
  ProcessorRunner runner("InvokeHTTP",
                         {{"Remote URL", "http://127.0.0.1:" + std::to_string(hangs.port()) + "/"},
                          {"Maximum Requests", "2"}});
  for (int i = 0; i < 5; ++i) runner.enqueue("x");
  runner.run();
  RawPeer first = hangs.accept();
  RawPeer second = hangs.accept();
  CHECK((first.is_open() && second.is_open()));
  CHECK(!hangs.accept(50ms).is_open());
}

TEST_CASE("a proxy is asked, with its user; the environment is not") {
  RawListener proxy;
  ProcessorRunner runner("InvokeHTTP", {{"Remote URL", "http://far.invalid/x"},
                                        {"Proxy Host", "127.0.0.1"},
                                        {"Proxy Port", std::to_string(proxy.port())},
                                        {"invokehttp-proxy-username", "ann"},
                                        {"invokehttp-proxy-password", "secret"}});
  runner.enqueue("x");
  runner.run();
  RawPeer peer = proxy.accept();
  REQUIRE(peer.is_open());
  const std::string first = "GET http://far.invalid/x HTTP/1.1\r\nHost: far.invalid\r\n";
  CHECK(peer.expect(first.size()) == first);
  const std::string second = "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n";
  CHECK(peer.expect(second.size()) == second);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(way_of(runner) == "success");
  Server server;
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ProcessorRunner direct("InvokeHTTP", {{"Remote URL", server.url()}});
  direct.enqueue("x");
  CHECK(way_of(direct) == "success");
  ::unsetenv("http_proxy");
}

TEST_CASE("a user and a password in the URL are used, and told to nobody") {
  Server server;
  const std::string url = "http://ann:secret@127.0.0.1:" + std::to_string(server.port()) + "/p";
  ProcessorRunner runner("InvokeHTTP", {{"Remote URL", url}});
  runner.enqueue("x");
  CHECK(way_of(runner) == "success");
  CHECK(server.seen().at(0).header("Authorization") == "Basic YW5uOnNlY3JldA==");
  const auto sent = runner.taken("success");
  CHECK(sent.at(0).attribute("invokehttp.request.url") == server.url("/p"));
  CHECK(!has(sent[0].attribute("invokehttp.response.url"), "secret"));
}

TEST_CASE("TLS: the server is checked, and gets the client's certificate where it asks for one") {
  test::TempFolder folder;
  const test::Certificates made = test::make_certificates(folder.path());
  Server server(ServerTlsOptions{.certificate_file = made.server,
                                 .key_file = made.server_key,
                                 .key_pass_phrase = "",
                                 .ca_file = made.ca,
                                 .verifies_peer = true});
  PropertyValues properties{{"Remote URL", server.url("/", "https://")},
                            {"Security CA", made.ca},
                            {"Security Cert", made.client},
                            {"Security Private Key", made.client_key_locked},
                            {"Security Pass Phrase", made.pass_phrase}};
  const auto way_by = [](const PropertyValues& values) {
    ProcessorRunner runner("InvokeHTTP", values);
    runner.enqueue("x");
    return way_of(runner);
  };
  CHECK(way_by(properties) == "success");
  CHECK(server.seen().at(0).request.client_dn == "/CN=truck");
  PropertyValues bad = properties;
  bad["Security CA"] = made.stranger_ca;
  CHECK(way_by(bad) == "failure");
  bad["Disable Peer Verification"] = "true";
  CHECK(way_by(bad) == "success");
  bad = properties;
  bad["Security Pass Phrase"] = "wrong";
  CHECK(way_by(bad) == "failure");
  bad = properties;
  bad.erase("Security Cert");
  bad.erase("Security Private Key");
  CHECK(way_by(bad) == "failure");
}

TEST_CASE("without a connection in front it asks at each moment of its schedule") {
  Server server;
  Schedule each_second;
  each_second.kind = Schedule::Kind::kEvery;
  ProcessorRunner runner("InvokeHTTP",
                         {{"Remote URL", server.url()}, {"Put Response Body in Attribute", "a"}},
                         {.schedule = each_second, .has_input = false});
  runner.advance(1s);
  CHECK(runner.run_until([&] { return runner.count("response") == 1; }));
  runner.advance(1s);
  CHECK(runner.run_until([&] { return runner.count("response") == 2; }));
  CHECK(runner.taken("response").at(0).content == "done");
  // As NiFi's: what was asked for of its own accord is received, not fetched for a FlowFile.
  CHECK(runner.events(ProvenanceKind::kReceive).size() == 2);
  CHECK(runner.events(ProvenanceKind::kFetch).empty());
  server.answers({.status = 500, .body = "broken"});
  runner.advance(1s);
  CHECK(runner.run_until([&] { return runner.has_bulletin("answered 500"); }));
}

TEST_CASE("a regular expression that is none is refused by name") {
  const ProcessorRunner runner(
      "InvokeHTTP", {{"Remote URL", "http://127.0.0.1:1/"}, {"Attributes to Send", "(("}},
      {.must_start = false});
  CHECK(has(runner.start_error(), "property `Attributes to Send`"));
}

}  // namespace
}  // namespace runnel
