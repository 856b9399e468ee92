// The control socket and the HTTP routes over a fake engine: what operators and scrapers get.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "agent/admin/control_client.h"
#include "agent/admin/control_server.h"
#include "agent/admin/health.h"
#include "agent/admin/lineage_view.h"
#include "agent/admin/metrics_server.h"
#include "tests/agent/admin/fake_engine.h"

namespace runnel {
namespace {

class Folder {
 public:
  explicit Folder(const std::string& below = {}) {
    char name[] = "/tmp/runnel_admin_XXXXXX";
    root_ = mkdtemp(name);
    std::filesystem::create_directories(root_ + below);
    path_ = root_ + below;
  }
  ~Folder() { std::filesystem::remove_all(root_); }
  const std::string& path() const { return path_; }

 private:
  std::string root_;
  std::string path_;
};

struct Desk {
  Folder folder;
  FakeEngine engine;
  std::unique_ptr<PollServer> server;

  Desk() : server(std::move(*serve_control(folder.path(), engine))) {}
  Result<StatusJson> ask(const StatusJson& request) {
    auto client = ControlClient::connect(folder.path());
    REQUIRE(client.ok());
    return client->ask(request);
  }
};

TEST_CASE("status, bulletins, provenance and queues are answered as JSON") {
  Desk desk;
  const auto status = desk.ask({{"command", "status"}});
  REQUIRE(status.ok());
  CHECK((*status)["flow_name"] == "demo");
  CHECK((*status)["health"] == "ok");
  CHECK((*status)["processors"][0]["state"] == "running");
  CHECK((*status)["connections"][0]["count"] == 2);
  CHECK((*status)["loss"]["is_balanced"] == true);

  Bulletin bulletin;
  bulletin.id = 4;
  bulletin.text = "odd \xff";
  desk.engine.said = {bulletin};
  CHECK((*desk.ask({{"command", "bulletins"}}))[0]["id"] == 4);
  CHECK(desk.ask({{"command", "bulletins"}, {"since_id", 4}})->empty());

  const auto events =
      desk.ask({{"command", "provenance"}, {"uuid", "u7"}, {"kind", "SEND"}, {"limit", 99999}});
  REQUIRE(events.ok());
  CHECK((*events)["events"][0]["kind"] == "CREATE");
  CHECK(desk.engine.last_query.flowfile == 7);
  CHECK(desk.engine.last_query.kind == ProvenanceKind::kSend);
  CHECK(desk.engine.last_query.limit == ControlLimits::kList);
  CHECK(desk.ask({{"command", "provenance"}, {"kind", "FLY"}}).code() == Code::kInvalid);
  CHECK(desk.ask({{"command", "provenance"}, {"uuid", "u8"}}).code() == Code::kNotFound);

  const auto queued = desk.ask({{"command", "queue_list"}, {"connection", "make to log"}});
  CHECK((*queued)[0]["attributes"]["filename"] == "a.txt");
  const auto peeked = desk.ask({{"command", "queue_peek"}, {"connection", "make to log"}});
  CHECK((*peeked)["text"] == "hello");
  CHECK((*desk.ask({{"command", "queue_purge"}, {"connection", "make to log"}}))["removed_count"] ==
        2);
  CHECK(desk.ask({{"command", "queue_purge"}, {"connection", "x"}}).code() == Code::kNotFound);
}

TEST_CASE(
    "what components remember is listed, shown and cleared; bytes that are no text as base64") {
  Desk desk;
  const auto states = desk.ask({{"command", "state_list"}});
  REQUIRE(states.ok());
  CHECK((*states)[0]["path"] == "make");
  CHECK((*states)[0]["is_removed"] == false);
  CHECK((*states)[1]["id"] == "gone");
  CHECK((*states)[1]["is_removed"] == true);
  const auto shown = desk.ask({{"command", "state_show"}, {"component", "tail"}});
  REQUIRE(shown.ok());
  const auto& entries = (*shown)["entries"];
  CHECK(entries[0]["key"] == "begun");
  CHECK(entries[0]["value"] == "1");
  CHECK(entries[1].contains("key_base64"));
  CHECK(entries[1].contains("value_base64"));
  CHECK(entries[1]["is_cut"] == true);
  CHECK((*desk.ask({{"command", "state_show"}, {"component", "tail"}, {"limit", 1}}))["entries"]
            .size() == 1);
  CHECK(desk.ask({{"command", "state_show"}, {"component", "ghost"}}).code() == Code::kNotFound);
  CHECK((*desk.ask({{"command", "state_clear"}, {"component", "tail"}}))["removed_count"] == 2);
  CHECK(desk.ask({{"command", "state_clear"}, {"component", "make"}}).code() == Code::kInvalid);
}

TEST_CASE("content that is no text comes as base64; a character that was cut makes no difference") {
  PeekedFlowFile peeked;
  peeked.content = "\xff\x00";
  CHECK(flowfile_json(peeked).contains("base64"));
  peeked.content = "gr\xc3\xbc";
  CHECK(flowfile_json(peeked)["text"] == "gr\xc3\xbc");
  peeked.content = "gr\xc3";
  peeked.is_cut = true;
  CHECK(flowfile_json(peeked)["text"] == "gr");
}

TEST_CASE("processors are started and stopped, one or all; errors come back with their code") {
  Desk desk;
  CHECK(desk.ask({{"command", "stop"}, {"processor", "log"}}).ok());
  CHECK(desk.ask({{"command", "start"}}).ok());
  const auto once = desk.ask({{"command", "start"}, {"processor", "log"}, {"once", true}});
  REQUIRE(once.ok());
  CHECK((*once)["ran"][0]["path"] == "log");
  CHECK((*once)["ran"][0]["in_count"] == 1);
  const auto runs = desk.ask({{"command", "start"}, {"processor", "make"}, {"once", true}});
  CHECK(runs.error().text() == "`make` runs; stop it first, then it can be run once");
  const auto ghost = desk.ask({{"command", "stop"}, {"processor", "ghost"}});
  CHECK(ghost.code() == Code::kNotFound);
  CHECK(ghost.error().text() == "no processor `ghost`");
  CHECK(desk.engine.done == std::vector<std::string>{"stop log", "start flow"});
}

TEST_CASE("nonsense is refused with a text, and the connection goes on") {
  Desk desk;
  auto client = std::move(*ControlClient::connect(desk.folder.path()));
  CHECK(client.ask(StatusJson::array()).code() == Code::kInvalid);
  CHECK(client.ask({{"command", "dance"}}).error().text() == "unknown command `dance`");
  CHECK(client.ask({{"command", "bulletins"}, {"since_id", "x"}}).ok());
  CHECK(client.ask({{"command", "bulletins"}, {"since_id", -1}}).ok());
  CHECK(client.ask({{"command", std::string(70'000, 'x')}}).code() == Code::kUnavailable);
  CHECK(desk.ask({{"command", "status"}}).ok());
}

TEST_CASE("a FlowFile of very many attributes is shown in a time that is not squared") {
  Desk desk;
  desk.engine.attributes.clear();
  for (int i = 0; i < 100'000; ++i) desk.engine.attributes.emplace_back(std::to_string(i), "v");
  const auto began = std::chrono::steady_clock::now();
  const auto list = desk.ask({{"command", "queue_list"}, {"connection", "a -> b"}});
  REQUIRE(list.ok());
  const StatusJson& shown = list->at(0)["attributes"];
  CHECK(shown.size() == 100'000);
  CHECK(shown["99999"] == "v");
  // Looking each name up among those before it takes minutes.
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

std::chrono::nanoseconds processor_time() {
  timespec used{};
  REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

TEST_CASE("while there is no descriptor for who knocks, the server does not run in circles") {
  Desk desk;
  std::vector<Socket> held;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  auto client = ControlClient::connect(desk.folder.path());
  REQUIRE(client.ok());
  REQUIRE(client->ask({{"command", "status"}}).ok());
  auto second = Socket(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const rlimit none{static_cast<rlim_t>(second.fd() + 1), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  while (true) {
    Socket one(dup(second.fd()));
    if (!one) break;
    held.push_back(std::move(one));
  }
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (desk.folder.path() + "/control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  const auto used = processor_time();
  CHECK(connect(second.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  poll(nullptr, 0, 500);
  const auto spent = processor_time() - used;
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(spent < std::chrono::milliseconds(200));
  held.clear();
  // Who waited is heard then.
  const std::string line = "{\"command\":\"status\"}\n";
  CHECK(send(second.fd(), line.data(), line.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(line.size()));
  char answer[16] = {};
  CHECK(recv(second.fd(), answer, sizeof answer, 0) > 0);
}

TEST_CASE("a tap shows what flows through, then ends") {
  Desk desk;
  std::size_t items = 0;
  std::thread asker([&] {
    auto client = std::move(*ControlClient::connect(desk.folder.path()));
    const auto done = client.ask({{"command", "tap"}, {"connection", "c1"}, {"count", 3}},
                                 [&](const StatusJson& item) {
                                   if (item["text"] == "hello") ++items;
                                 });
    CHECK((*done)["left_out_count"] == 0);
  });
  std::size_t given = 0;
  while (given < 3) {
    given += desk.engine.flow_through();
    std::this_thread::yield();
  }
  asker.join();
  CHECK(items == 3);
  while (desk.engine.flow_through() != 0) std::this_thread::yield();
}

TEST_CASE("a tap ends with its connection") {
  Desk desk;
  {
    auto socket = std::move(*connect_control(desk.folder.path()));
    const std::string request = "{\"command\":\"tap\",\"connection\":\"c1\"}\n";
    REQUIRE(write(socket.fd(), request.data(), request.size()) ==
            static_cast<ssize_t>(request.size()));
    while (desk.engine.flow_through() == 0) std::this_thread::yield();
  }
  while (desk.engine.flow_through() != 0) std::this_thread::yield();
  CHECK(desk.ask({{"command", "status"}}).ok());
}

TEST_CASE("the socket is its owner's alone, in a directory of any depth, and replaces a dead one") {
  const Folder deep("/" + std::string(100, 'd') + "/" + std::string(100, 'e'));
  FakeEngine engine;
  CHECK(ControlClient::connect(deep.path()).code() == Code::kNotFound);
  auto first = serve_control(deep.path(), engine);
  REQUIRE(first.ok());
  struct stat found {};
  REQUIRE(stat((deep.path() + "/control.sock").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  first->reset();
  const auto nobody = ControlClient::connect(deep.path());
  CHECK(nobody.code() == Code::kNotFound);
  CHECK(nobody.error().text().find("runnel-agent run") != std::string::npos);
  auto second = serve_control(deep.path(), engine);
  REQUIRE(second.ok());
  CHECK(ControlClient::connect(deep.path()).ok());
  CHECK(ControlClient::connect(deep.path() + "/nowhere").code() == Code::kNotFound);
}

std::string http(const std::string& address, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  static_cast<void>(!send(fd, request.data(), request.size(), MSG_NOSIGNAL));
  std::string answer;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(fd, buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(count));
  close(fd);
  return answer;
}

TEST_CASE("Prometheus and health are served on loopback; all else is refused") {
  FakeEngine engine;
  auto served = std::move(*serve_metrics("127.0.0.1:0", engine));
  CHECK(served.address != "127.0.0.1:0");
  const std::string metrics = http(served.address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(metrics.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(metrics.find("runnel_test_total{name=\"x\"} 4\n") != std::string::npos);
  CHECK(metrics.find("runnel_agent_healthy 1\n") != std::string::npos);
  CHECK(http(served.address, "GET /healthz HTTP/1.0\r\n\r\n").find(R"("health":"ok")") !=
        std::string::npos);
  CHECK(http(served.address, "HEAD /healthz HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(http(served.address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
  CHECK(http(served.address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
  CHECK(http(served.address, "hello\r\n\r\n").starts_with("HTTP/1.1 400"));
  CHECK(http(served.address, "GET /" + std::string(20'000, 'x')).empty());
  CHECK(serve_metrics("127.0.0.1", engine).code() == Code::kInvalid);
  CHECK(serve_metrics("example.com:80", engine).code() == Code::kInvalid);
  CHECK(serve_metrics("127.0.0.1:99999", engine).code() == Code::kInvalid);
}

TEST_CASE("an unsound ledger makes health red, for probes too") {
  FakeEngine engine;
  engine.state.ledger.is_healthy = false;
  engine.state.ledger.trouble = "disk full";
  auto served = std::move(*serve_metrics("127.0.0.1:0", engine));
  const std::string health = http(served.address, "GET /healthz HTTP/1.1\r\n\r\n");
  CHECK(health.starts_with("HTTP/1.1 503"));
  CHECK(health.find("ledger: disk full") != std::string::npos);
}

TEST_CASE("health is the worst that holds") {
  FakeEngine engine;
  Status& status = engine.state;
  CHECK(health_of(status).word == HealthWord::kOk);
  status.connections[0].is_full = true;
  CHECK(health_of(status).word == HealthWord::kBackPressure);
  status.processors[1].state = RunState::kBackingOff;
  status.processors[1].last_error = "no broker";
  CHECK(health_of(status).reason == "log: no broker");
  status.state = FlowState::kStopped;
  CHECK(health_of(status).word == HealthWord::kStopped);
  status.state = FlowState::kNone;
  CHECK(health_of(status).word == HealthWord::kUnknown);
  status.loss.in = 99;
  CHECK(health_of(status).word == HealthWord::kDegraded);
}

TEST_CASE("what is asked of provenance reaches the engine, and what it answers is JSON") {
  Desk desk;
  REQUIRE(desk.ask({{"command", "provenance"},
                    {"relationship", "success"},
                    {"attributes", {{"filename", "a.txt"}, {"site", "north"}}}})
              .ok());
  CHECK(desk.engine.last_query.relationship == "success");
  REQUIRE(desk.engine.last_query.attributes.size() == 2);
  CHECK(desk.engine.last_query.attributes[0] ==
        std::pair<std::string, std::string>("filename", "a.txt"));
  CHECK(desk.ask({{"command", "provenance"}, {"attributes", {{"n", 5}}}}).code() == Code::kInvalid);

  CHECK(desk.ask({{"command", "replay"}, {"uuid", "u8"}}).code() == Code::kNotFound);
  desk.engine.replayed.replayed = {
      {.flowfile = 7, .replayed_as = 9, .connection = "line", .ended_ms = 5}};
  desk.engine.replayed.replayed_count = 1;
  desk.engine.replayed.refused = {{.first = 1, .last = 4, .reason = "gone"}};
  desk.engine.replayed.refused_count = 4;
  const auto replayed = desk.ask(
      {{"command", "replay"}, {"from_ms", 10}, {"component", "log"}, {"is_dry_run", true}});
  REQUIRE(replayed.ok());
  CHECK(desk.engine.last_replay.is_dry_run);
  CHECK(desk.engine.last_replay.from_ms == 10);
  CHECK(!desk.engine.last_replay.to_ms);
  CHECK(!desk.engine.last_replay.flowfile);
  CHECK(desk.engine.last_replay.component == "log");
  CHECK((*replayed)["replayed"][0]["replayed_as"] == 9);
  CHECK((*replayed)["refused"][0]["reason"] == "gone");
  CHECK((*replayed)["refused_count"] == 4);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("a lineage is drawn as a tree of 80 columns; whoever is met twice has one branch") {
  Desk desk;
  ProvenanceLineage& lineage = desk.engine.known_lineage;
  lineage.agent_id = "01234567-89ab-4def-8123-456789abcdef";
  lineage.flowfile = 5;
  const auto bond = [](ProvenanceKind kind, std::uint64_t parent, std::uint64_t child) {
    ProvenanceLineage::Bond one;
    one.kind = kind;
    one.component = "a-component-with-a-name-that-is-longer-than-anybody-would-like-to-see";
    one.parent = parent;
    one.child = child;
    one.event_id = child;
    return one;
  };
  lineage.ancestry = {bond(ProvenanceKind::kFork, 1, 5)};
  lineage.ancestry[0].component = "split";
  lineage.descent = {bond(ProvenanceKind::kClone, 5, 6), bond(ProvenanceKind::kClone, 5, 7),
                     bond(ProvenanceKind::kJoin, 6, 8), bond(ProvenanceKind::kJoin, 7, 8)};
  lineage.children_left_out[5] = 1200;
  ProvenanceEvent last;
  last.id = 99;
  last.kind = ProvenanceKind::kSend;
  last.component = "out";
  lineage.last_events[1] = last;
  const auto answer = desk.ask({{"command", "lineage"}, {"flowfile", 5}});
  REQUIRE(answer.ok());
  CHECK((*answer)["descent"].size() == 4);
  CHECK(desk.ask({{"command", "lineage"}}).code() == Code::kInvalid);
  const std::vector<std::string> lines = lines_of(lineage_text(*answer));
  REQUIRE(lines.size() == 11);
  CHECK(lines[9].starts_with("│  └─ 8  JOIN at"));
  CHECK(lines[10] == "└─ … 1200 more");
  CHECK(lines[0].starts_with("FlowFile 5  01234567-"));
  CHECK(lines[2] == "made of");
  CHECK(lines[3] == "└─ 1  FORK at split; last SEND at out");
  CHECK(lines[5] == "made into");
  CHECK(lines[6].starts_with("├─ 6  CLONE at a-component"));
  CHECK(lines[6].ends_with("…"));
  CHECK(lines[7].starts_with("│  └─ 8  JOIN at"));
  CHECK(lines[8].starts_with("├─ 7  CLONE"));
  for (const std::string& line : lines) {
    const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    CHECK(columns <= 80);
  }
}

TEST_CASE("a lineage of thousands is drawn in bounds, and says how many there are more") {
  Desk desk;
  ProvenanceLineage& lineage = desk.engine.known_lineage;
  lineage.flowfile = 1;
  lineage.agent_id = "01234567-89ab-4def-8123-456789abcdef";
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ProvenanceLineage::Bond one;
    one.kind = ProvenanceKind::kFork;
    one.component = "split";
    one.parent = 1 + i / 30;
    one.child = 2 + i;
    lineage.descent.push_back(one);
  }
  const auto answer = desk.ask({{"command", "lineage"}, {"flowfile", 1}});
  REQUIRE(answer.ok());
  const std::vector<std::string> lines = lines_of(lineage_text(*answer));
  CHECK(lines.size() < 260);
  CHECK(std::any_of(lines.begin(), lines.end(),
                    [](const std::string& line) { return line.ends_with("… 10 more"); }));
}

}  // namespace
}  // namespace runnel
