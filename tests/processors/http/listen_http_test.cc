// ListenHTTP over real sockets: what makes a FlowFile, what is answered, and what strangers may do.

#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "agent/base/bytes.h"
#include "processors/http/http_client.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"
#include "tests/support/raw_peer.h"
#include "tests/support/text_reader.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using test::RawPeer;

struct Listening {
  ProcessorRunner runner;

  explicit Listening(PropertyValues properties = {}, RunnerOptions options = {})
      : runner("ListenHTTP", with(std::move(properties)), with(std::move(options))) {
    runner.run();
  }
  static PropertyValues with(PropertyValues properties) {
    properties.insert({{"Listening Port", "0"}, {"Listening Address", "127.0.0.1"}});
    return properties;
  }
  static RunnerOptions with(RunnerOptions options) {
    options.clock = &system_clock();  // the ledger writes when its linger is over
    return options;
  }
  std::uint16_t port() {
    constexpr std::string_view kBegin = "listening on port ";
    std::uint16_t port = 0;
    for (const Bulletin& bulletin : runner.bulletins()) {
      if (!bulletin.text.starts_with(kBegin)) continue;
      port = static_cast<std::uint16_t>(*parse_int(bulletin.text.substr(kBegin.size())));
    }
    REQUIRE(port != 0);
    return port;
  }
  // What `work` returns, which runs on a thread of its own while the processor runs here.
  template <typename Work>
  auto meanwhile(Work work) {
    auto future = std::async(std::launch::async, std::move(work));
    REQUIRE(runner.run_until([&] { return future.wait_for(0s) == std::future_status::ready; }));
    return future.get();
  }
  // The whole answer to these bytes, until the server closes.
  std::string ask(std::string bytes) {
    return meanwhile([bytes = std::move(bytes), at = port()] {
      RawPeer peer = RawPeer::connect(at);
      peer.send(bytes);
      return peer.expect(1 << 20);
    });
  }
  std::string post(std::string_view path, std::string_view body, std::string_view headers = {}) {
    return ask("POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
               std::string(headers) + "Content-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + std::string(body));
  }
};

bool has_status(std::string_view answer, int status) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST_CASE("a posted body becomes a FlowFile, and 200 is answered when it is on disk") {
  Listening listening(
      {{"Base Path", "/telemetry/"}, {"HTTP Headers to receive as Attributes (Regex)", "X-.*"}});
  const std::string answer =
      listening.post("/telemetry/a%20b?unit=km", "speed=3",
                     "X-Truck: 17\r\nfilename: f.txt\r\nContent-Type: text/csv\r\nOther: no\r\n");
  CHECK(has_status(answer, 200));
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "speed=3");
  CHECK(taken[0].attribute("http.method") == "POST");
  CHECK(taken[0].attribute("http.path") == "/telemetry/a b");
  CHECK(taken[0].attribute("http.query") == "unit=km");
  CHECK(taken[0].attribute("http.remote.addr") == "127.0.0.1");
  CHECK(taken[0].attribute("mime.type") == "text/csv");
  CHECK(taken[0].attribute("filename") == "f.txt");
  CHECK(taken[0].attribute("X-Truck") == "17");
  CHECK(!taken[0].has("Other"));
  CHECK(!taken[0].has("http.subject.dn"));
  CHECK(listening.runner.events(ProvenanceKind::kReceive).size() == 1);
}

TEST_CASE("what was answered with 200 is there after the agent was opened again") {
  Listening listening;
  CHECK(has_status(listening.post("/contentListener", "kept"), 200));
  listening.runner.restart();
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "kept");
}

TEST_CASE("GET makes an empty FlowFile, HEAD none, and other methods are answered with 405") {
  Listening listening;
  const std::string rest = " /contentListener HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  CHECK(has_status(listening.ask("GET" + rest), 200));
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content.empty());
  CHECK(taken[0].attribute("http.method") == "GET");
  CHECK(has_status(listening.ask("HEAD" + rest), 200));
  for (const char* method : {"PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string answer = listening.ask(method + rest);
    CHECK_MESSAGE(has_status(answer, 405), method, ": ", answer);
    CHECK(has(answer, "Allow: POST, GET, HEAD\r\n"));
  }
  CHECK(listening.runner.count("success") == 0);
}

TEST_CASE("another path is answered with 404, one that only begins alike, too") {
  Listening listening;
  CHECK(has_status(listening.post("/", "x"), 404));
  CHECK(has_status(listening.post("/contentListenerX", "x"), 404));
  CHECK(has_status(listening.post("/contentListener/../other", "x"), 404));
  CHECK(has_status(listening.post("/contentListener/below", "x"), 200));
  CHECK(listening.runner.count("success") == 1);
}

TEST_CASE("a full queue is answered with 503 and Retry-After, and nothing is taken") {
  Listening listening({}, {.output_limit = {.count = 1, .bytes = 0}});
  CHECK(has_status(listening.post("/contentListener", "first"), 200));
  const std::string answer = listening.post("/contentListener", "second");
  CHECK(has_status(answer, 503));
  CHECK(has(answer, "Retry-After: 1\r\n"));
  CHECK(listening.runner.taken("success").size() == 1);
  CHECK(has_status(listening.post("/contentListener", "third"), 200));
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "third");
}

TEST_CASE("a body above the bound is answered with 413, told or in chunks") {
  Listening listening(PropertyValues{{"Maximum Body Size", "10 B"}});
  CHECK(has_status(listening.post("/contentListener", "0123456789"), 200));
  CHECK(has_status(listening.post("/contentListener", "0123456789+"), 413));
  CHECK(has_status(
      listening.ask(
          "POST /contentListener HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n"),
      413));
  CHECK(listening.runner.taken("success").size() == 1);
}

TEST_CASE("chunks are put together, and what are none makes no FlowFile") {
  Listening listening;
  const std::string head =
      "POST /contentListener HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
      "chunked\r\n\r\n";
  CHECK(has_status(listening.ask(head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200));
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "abcde");
  CHECK(!has_status(listening.ask(head + "zz\r\nabc\r\n0\r\n\r\n"), 200));
  CHECK(!has_status(listening.ask(head + "3\r\nabcdefg\r\n0\r\n\r\n"), 200));
  // civetweb knows no chunk extensions.
  CHECK(has_status(listening.ask(head + "2;note=1\r\nde\r\n0\r\n\r\n"), 400));
  CHECK(!has_status(listening.ask(head + "-5\r\nabc\r\n0\r\n\r\n"), 200));
  CHECK(listening.runner.count("success") == 0);
}

TEST_CASE("a body that ends early, or a client that falls silent, makes no FlowFile") {
  Listening listening({{"Request Timeout", "200 ms"}, {"Threads", "2"}});
  const std::uint16_t port = listening.port();
  RawPeer gone = RawPeer::connect(port);
  gone.send("POST /contentListener HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  gone.close();
  RawPeer silent_in_body = RawPeer::connect(port);
  silent_in_body.send("POST /contentListener HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
  RawPeer silent_in_head = RawPeer::connect(port);
  silent_in_head.send("POST /contentLis");
  // Both threads were held by them, and are free again.
  CHECK(has_status(listening.post("/contentListener", "whole"), 200));
  const std::string answer = silent_in_body.expect(12);
  CHECK_MESSAGE((answer == "HTTP/1.1 400" || answer == "HTTP/1.1 408"), answer);
  CHECK(silent_in_head.is_closed_by_peer());
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "whole");
}

TEST_CASE("more connections than threads are all served, one after the other") {
  Listening listening(PropertyValues{{"Threads", "2"}});
  constexpr int kClients = 40;
  const auto count = listening.meanwhile([port = listening.port()] {
    std::vector<RawPeer> peers;
    for (int i = 0; i < kClients; ++i) {
      peers.push_back(RawPeer::connect(port));
      peers.back().send("POST /contentListener HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    }
    int good = 0;
    for (RawPeer& peer : peers) good += peer.expect(12) == "HTTP/1.1 200" ? 1 : 0;
    return good;
  });
  CHECK(count == kClients);
  CHECK(listening.runner.count("success") == kClients);
}

TEST_CASE("a connection is kept for the next request") {
  Listening listening;
  const std::string answers = listening.meanwhile([port = listening.port()] {
    RawPeer peer = RawPeer::connect(port);
    const std::string request =
        "POST /contentListener HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
    peer.send(request);
    std::string all = peer.expect(15);
    peer.send(
        "POST /contentListener HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: 1\r\n\r\ny");
    return all + peer.expect(1 << 20);
  });
  CHECK(answers.find("HTTP/1.1 200") != answers.rfind("HTTP/1.1 200"));
  CHECK(listening.runner.count("success") == 2);
}

TEST_CASE("a large body goes to disk as it comes") {
  Listening listening;
  const std::string body(8 << 20, 'b');
  CHECK(has_status(listening.post("/contentListener", body, "Expect: 100-continue\r\n").substr(25),
                   200));
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == body);
}

TEST_CASE(
    "a FlowFile that comes in becomes the body of answers, over a restart, until an empty one") {
  Listening listening;
  listening.runner.enqueue(
      "{\"ok\":true}",
      {{"http.type", "response_body"}, {"filename", "status"}, {"mime.type", "application/json"}});
  listening.runner.run();
  const std::string get =
      "GET /contentListener/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const std::string answer = listening.ask(get);
  CHECK(has(answer, "Content-Type: application/json\r\n"));
  CHECK(answer.ends_with("\r\n\r\n{\"ok\":true}"));
  const std::string head = listening.ask("HEAD" + get.substr(3));
  CHECK(has(head, "Content-Length: 11\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
  listening.runner.restart();
  listening.runner.run();
  CHECK(listening.ask(get).ends_with("{\"ok\":true}"));
  listening.runner.enqueue("", {{"http.type", "response_body"}, {"filename", "status"}});
  listening.runner.run();
  CHECK(listening.ask(get).ends_with("\r\n\r\n"));
  CHECK(listening.runner.state().empty());
  listening.runner.enqueue("no body of an answer");
  listening.runner.run();
  CHECK(listening.runner.has_bulletin("is dropped: it has not `http.type`"));
  check_balanced(listening.runner.loss());
}

TEST_CASE("a port that is taken is told, and tried again") {
  test::RawListener taken;
  ProcessorRunner runner(
      "ListenHTTP",
      {{"Listening Port", std::to_string(taken.port())}, {"Listening Address", "127.0.0.1"}},
      {.must_start = false});
  runner.run();
  CHECK(has(runner.start_error() + runner.status().last_error, "is the port taken"));
}

// ---- TLS

struct TlsFiles {
  test::TempFolder folder;
  test::Certificates certificates = test::make_certificates(folder.path());
};

Result<HttpResponse> send(Listening& listening, const HttpRequest& request) {
  return listening.meanwhile([&request] {
    request.body->rewind();
    const auto client = HttpClient::open().value();
    auto promise = std::make_shared<std::promise<Result<HttpResponse>>>();
    auto future = promise->get_future();
    client->send(
        request,
        [promise](Result<HttpResponse> response) { promise->set_value(std::move(response)); },
        nullptr);
    return future.get();
  });
}

HttpRequest request_to(Listening& listening, const test::Certificates& certificates) {
  HttpRequest request;
  request.method = "POST";
  request.url = "https://127.0.0.1:" + std::to_string(listening.port()) + "/contentListener";
  request.body = std::make_shared<test::TextReader>("over TLS");
  request.body_size = 8;
  request.ca_file = certificates.ca;
  return request;
}

TEST_CASE("HTTPS with an encrypted key: who trusts its authority gets through, others do not") {
  TlsFiles files;
  const test::Certificates& made = files.certificates;
  // The client's pair is as good for a server; its key is locked.
  Listening listening({{"SSL Certificate", made.client},
                       {"SSL Private Key", made.client_key_locked},
                       {"SSL Pass Phrase", made.pass_phrase}});
  HttpRequest request = request_to(listening, made);
  const Result<HttpResponse> response = send(listening, request);
  REQUIRE_MESSAGE(response.ok(), response.error().text());
  CHECK(response->status == 200);
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "over TLS");
  CHECK(!taken[0].has("http.subject.dn"));
  request.ca_file = made.stranger_ca;
  CHECK(!send(listening, request).ok());
  // Plain HTTP on the same port is no request.
  CHECK(!has_status(listening.post("/contentListener", "plain"), 200));
  CHECK(listening.runner.count("success") == 0);
}

TEST_CASE("with SSL Verify Peer only clients with a certificate of the authority get through") {
  TlsFiles files;
  const test::Certificates& made = files.certificates;
  const std::string both = files.folder.path() + "/both.pem";
  test::run_to_end({"sh", "-c", "cat \"$0\" \"$1\" > \"$2\"", made.server, made.server_key, both});
  Listening listening({{"SSL Certificate", both},
                       {"SSL Certificate Authority", made.ca},
                       {"SSL Verify Peer", "yes"},
                       {"Authorized DN Pattern", "/CN=tr.*"}});
  HttpRequest request = request_to(listening, made);
  CHECK(!send(listening, request).ok());
  CHECK(listening.runner.count("success") == 0);
  request.certificate_file = made.client;
  request.key_file = made.client_key;
  const Result<HttpResponse> response = send(listening, request);
  REQUIRE_MESSAGE(response.ok(), response.error().text());
  CHECK(response->status == 200);
  const auto taken = listening.runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].attribute("http.subject.dn") == "/CN=truck");
  // A good certificate of somebody else.
  request.certificate_file = made.server;
  request.key_file = made.server_key;
  const Result<HttpResponse> refused = send(listening, request);
  REQUIRE_MESSAGE(refused.ok(), refused.error().text());
  CHECK(refused->status == 403);
  CHECK(listening.runner.has_bulletin("the subject `/CN=localhost` is not authorized"));
  CHECK(listening.runner.count("success") == 0);
}

TEST_CASE("SSL Minimum Version TLS1.3 refuses TLS 1.2") {
  TlsFiles files;
  const test::Certificates& made = files.certificates;
  for (const std::string least : {"TLS1.2", "TLS1.3"}) {
    Listening listening({{"SSL Certificate", made.server},
                         {"SSL Private Key", made.server_key},
                         {"SSL Minimum Version", least}});
    const bool shook_hands = listening.meanwhile([&, port = listening.port()] {
      const std::string at = "127.0.0.1:" + std::to_string(port);
      try {
        test::run_to_end({"openssl", "s_client", "-connect", at, "-tls1_2"}, "Q\n");
        return true;
      } catch (const std::exception&) {
        return false;
      }
    });
    CHECK_MESSAGE(shook_hands == (least == "TLS1.2"), least);
  }
}

std::string error_of(PropertyValues properties) {
  const ProcessorRunner runner("ListenHTTP", Listening::with(std::move(properties)),
                               {.must_start = false});
  return runner.start_error() + runner.status().last_error;
}

TEST_CASE("TLS files that cannot be used are refused with the property, the file and the reason") {
  TlsFiles files;
  const test::Certificates& made = files.certificates;
  CHECK(has(error_of({{"SSL Certificate", "/no/such.pem"}}),
            "property `SSL Certificate`: `/no/such.pem`: "));
  CHECK(has(error_of({{"SSL Certificate", made.server}}), "the private key"));
  CHECK(has(error_of({{"SSL Certificate", made.server}, {"SSL Private Key", made.client_key}}),
            "property `SSL Private Key`"));
  CHECK(has(error_of({{"SSL Certificate", made.client},
                      {"SSL Private Key", made.client_key_locked},
                      {"SSL Pass Phrase", "wrong"}}),
            "property `SSL Private Key`"));
  CHECK(has(error_of({{"SSL Certificate", made.server},
                      {"SSL Private Key", made.server_key},
                      {"SSL Verify Peer", "yes"}}),
            "needs `SSL Certificate Authority`"));
  CHECK(has(error_of({{"SSL Verify Peer", "yes"}}), "needs `SSL Certificate`"));
  CHECK(has(error_of({{"Authorized DN Pattern", "/CN=x"}}), "needs `SSL Verify Peer: yes`"));
}

}  // namespace
}  // namespace runnel
