// Real HTTP on loopback: what curl_transport sends, takes and refuses.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/agent/uplink/uplink_fixture.h"

namespace runnel {
namespace {

// Takes one connection after the other and answers each with the next text; keeps what it was sent.
class LoopbackServer {
 public:
  explicit LoopbackServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(listen(listener_, 5) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LoopbackServer() {
    finish();
    close(listener_);
  }
  // Ends the server; what it was sent.
  const std::vector<std::string>& finish() {
    shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    return got_;
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::promise<void> is_asked;

 private:
  void serve() {
    for (const std::string& answer : answers_) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      std::string text;
      char buffer[4096];
      std::size_t wanted = std::string::npos;
      while (text.size() < wanted) {
        const ssize_t count = read(connection, buffer, sizeof buffer);
        if (count <= 0) break;
        text.append(buffer, static_cast<std::size_t>(count));
        const std::size_t head = text.find("\r\n\r\n");
        if (head == std::string::npos) continue;
        const std::size_t length = text.find("Content-Length: ");
        wanted = head + 4 + (length < head ? std::stoul(text.substr(length + 16)) : 0);
      }
      got_.push_back(text);
      if (answer.empty()) {  // never answers
        is_asked.set_value();
        while (read(connection, buffer, sizeof buffer) > 0) continue;
      }
      static_cast<void>(!write(connection, answer.data(), answer.size()));
      close(connection);
    }
  }

  std::vector<std::string> answers_;
  std::vector<std::string> got_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

std::unique_ptr<Transport> transport() { return std::move(*curl_transport({})); }

std::string answer(const std::string& head, const std::string& body) {
  return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

TEST_CASE("a heartbeat is posted as JSON, without Accept, with the token") {
  LoopbackServer server({answer("200 OK", "{}"), answer("503 Busy\r\nRetry-After: 45", "later")});
  auto hub = transport();
  const HubRequest request{.url = server.url("/efm/api/c2-protocol/heartbeat"),
                           .is_post = true,
                           .body = R"({"a":1})",
                           .headers = {{"Authorization", "Bearer secret"}}};
  auto first = hub->send(request);
  REQUIRE(first.ok());
  CHECK(first->status == 200);
  CHECK(first->body == "{}");
  auto second = hub->send(request);
  REQUIRE(second.ok());
  CHECK(second->status == 503);
  CHECK(second->retry_after == std::chrono::seconds(45));
  const auto& got = server.finish();
  REQUIRE(got.size() == 2);
  CHECK(got[0].starts_with("POST /efm/api/c2-protocol/heartbeat HTTP/1.1\r\n"));
  CHECK(got[0].find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(got[0].find("Authorization: Bearer secret\r\n") != std::string::npos);
  CHECK(got[0].find("Accept:") == std::string::npos);
  CHECK(got[0].ends_with("\r\n\r\n{\"a\":1}"));
}

TEST_CASE("redirects are answers, not ways") {
  LoopbackServer server({answer("302 Found\r\nLocation: http://127.0.0.1:1/", "")});
  auto got = transport()->send({.url = server.url("/x")});
  REQUIRE(got.ok());
  CHECK(got->status == 302);
}

TEST_CASE("an answer that is too long is cut off with an error") {
  LoopbackServer server({answer("200 OK", std::string(10'000, 'x'))});
  auto got = transport()->send({.url = server.url("/x"), .answer_max = 1'000});
  CHECK(got.code() == Code::kInvalid);
}

TEST_CASE("a hub that is not there is unavailable; what is no HTTP address is invalid") {
  std::string url;
  {
    LoopbackServer server({});
    url = server.url("/x");
  }
  CHECK(transport()->send({.url = url}).code() == Code::kUnavailable);
  CHECK(transport()->send({.url = "file:///etc/hostname"}).code() == Code::kInvalid);
  CHECK(curl_transport({.ca_file = "/nowhere/ca.pem"}).code() == Code::kInvalid);
}

TEST_CASE("an exchange under way ends when it is interrupted") {
  LoopbackServer server({""});
  auto hub = transport();
  auto asked = server.is_asked.get_future();
  std::thread interrupter([&] {
    asked.wait();
    hub->interrupt();
  });
  CHECK(hub->send({.url = server.url("/slow")}).code() == Code::kUnavailable);
  interrupter.join();
  CHECK(hub->send({.url = server.url("/x")}).code() == Code::kUnavailable);
  hub.reset();
}

TEST_CASE("the uplink's own thread speaks to a hub over loopback and ends when told") {
  TestFolder folder;
  TestAgent agent;
  LoopbackServer server(
      {answer(
           "200 OK",
           R"({"requestedOperations":[{"identifier":"a","operation":"STOP","operand":"flow"}]})"),
       answer("200 OK", "{}"), ""});
  auto asked = server.is_asked.get_future();
  auto uplink = std::move(*Uplink::open({.hub_url = server.url(""),
                                         .agent_id = "truck-1",
                                         .state_dir = folder.path(),
                                         .heartbeat = std::chrono::milliseconds(100)},
                                        agent, transport(), std::nullopt));
  uplink->start();
  asked.wait();  // the third exchange, the next heartbeat, is under way
  uplink->stop();
  uplink.reset();
  CHECK(agent.done == std::vector<std::string>{"stop flow"});
  const auto& got = server.finish();
  REQUIRE(got.size() == 3);
  CHECK(got[1].find("/efm/api/c2-protocol/acknowledge") != std::string::npos);
  CHECK(got[2].find("/efm/api/c2-protocol/heartbeat") != std::string::npos);
}

}  // namespace
}  // namespace runnel
