// What the uplink's tests share: a folder, an agent and a hub that say what happened to them.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/uplink/uplink.h"

namespace runnel {

// A directory of the test's own, removed with what is in it.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/runnel_uplink_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TestAgent final : public AgentControl {
 public:
  AgentFigures figures() override {
    AgentFigures out;
    out.flow.run_status = c2::RunStatus::kRunning;
    out.runnel.health = c2::Health::kOk;
    return out;
  }
  std::string manifest_json() override { return R"({"identifier":"test","bundles":[]})"; }
  std::string manifest_hash() override { return "cafe"; }
  Result<std::vector<std::string>> apply_flow(const DeliveredFlow& flow) override {
    done.push_back("apply " + flow.id + " " + flow.version + " " + flow.text);
    if (flow.text == "broken") return invalid("77:1:1: this is broken\n77:2:1: and that too");
    return not_started;
  }
  Result<> start_flow() override { return note("start flow"); }
  Result<> stop_flow() override { return note("stop flow"); }
  Result<> start_processor(std::string_view which) override {
    return note("start " + std::string(which));
  }
  Result<> stop_processor(std::string_view which) override {
    if (which == "ghost") return not_found("no processor `ghost`");
    return note("stop " + std::string(which));
  }
  Result<std::string> run_processor_once(std::string_view which) override {
    TRY(note("run " + std::string(which) + " once"));
    if (which == "runs") return invalid("`runs` runs; stop it first, then it can be run once");
    return std::string("1 FlowFile in, 1 out");
  }
  Result<std::uint64_t> clear_connection(std::string_view which) override {
    done.push_back("clear " + std::string(which));
    return std::uint64_t{7};
  }
  Result<std::uint64_t> clear_state(std::string_view which) override {
    TRY(note("clear state of " + std::string(which)));
    if (which == "runs") return invalid("`runs` runs; stop it first");
    return std::uint64_t{3};
  }
  Result<Remembered> remembered(const std::vector<std::string>& which) override {
    if (which == std::vector<std::string>{"ghost"}) return not_found("`ghost` remembers nothing");
    Remembered out{.components = {{.id = "tail", .values = {{"position", "7"}, {"\"k\"", "ü"}}}},
                   .left_out = which.empty() ? 0U : 3U};
    return out;
  }
  void restart() override { done.push_back("restart"); }

  std::vector<std::string> done;
  std::vector<std::string> not_started;  // of flows that it applies

 private:
  Result<> note(std::string what) {
    done.push_back(std::move(what));
    return {};
  }
};

// What the fake hub was sent and what it answers; outlives the transport.
struct FakeHub {
  struct Got {
    std::string url;
    std::string body;
    std::string authorization;
  };
  std::vector<Got> got;
  std::deque<std::string> answers;           // to heartbeats; empty: nothing to do
  std::map<std::string, std::string> flows;  // by URL
  int status = 200;                          // of heartbeats
  int ack_status = 200;                      // of acknowledgements
  bool is_away = false;
  std::optional<std::chrono::seconds> retry_after;

  std::vector<Got> at(const std::string& path) const {
    std::vector<Got> out;
    for (const Got& one : got)
      if (one.url.ends_with(path)) out.push_back(one);
    return out;
  }
  std::vector<c2::Acknowledgement> acknowledged() const {
    std::vector<c2::Acknowledgement> out;
    for (const Got& one : at("/acknowledge"))
      out.push_back(std::move(*c2::acknowledgement_from_json(one.body)));
    return out;
  }
  c2::Heartbeat last_heartbeat() const {
    return std::move(*c2::heartbeat_from_json(at("/heartbeat").back().body));
  }
  void ask(const std::string& operation) {
    answers.push_back(R"({"requestedOperations":[)" + operation + "]}");
  }
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeHub& hub) : hub_(hub) {}
  Result<HubAnswer> send(const HubRequest& request) override {
    if (hub_.is_away) return unavailable("no route");
    std::string token;
    for (const auto& [name, value] : request.headers)
      if (name == "Authorization") token = value;
    hub_.got.push_back({request.url, request.body, token});
    HubAnswer answer{.status = 200, .body = "{}", .retry_after = hub_.retry_after};
    if (!request.is_post) {
      const auto flow = hub_.flows.find(request.url);
      answer.status = flow == hub_.flows.end() ? 404 : 200;
      answer.body = flow == hub_.flows.end() ? "" : flow->second;
    } else if (request.url.ends_with("/acknowledge")) {
      answer.status = hub_.ack_status;
    } else {
      answer.status = hub_.status;
      if (hub_.status == 200 && !hub_.answers.empty()) {
        answer.body = hub_.answers.front();
        hub_.answers.pop_front();
      }
    }
    return answer;
  }
  void interrupt() override {}

 private:
  FakeHub& hub_;
};

}  // namespace runnel
