// Fleet: so many simulated agents send heartbeats to one hub over kept connections, as fast as it
// answers.
//
//   runnel-bench-fleet [--agents N] [--connections N] [--seconds N] [--json]
//
// It starts the hub that lies beside it, on loopback and without TLS, in a folder of its own, and
// ends it. Beside it, the raw limit: requests of the same listener that carry and ask for nothing.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/c2/messages.h"
#include "agent/c2/supported_operations.h"
#include "agent/spec/manifest.h"

namespace {

using namespace runnel;
using Steady = std::chrono::steady_clock;

struct Settings {
  int agents = 5000;
  int connections = 32;
  int seconds = 10;
  bool is_json = false;
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "runnel-bench-fleet: %s\n", why.c_str());
  std::exit(1);
}

// ---- the hub under test

struct Hub {
  pid_t pid = 0;
  std::uint16_t port = 0;
  std::string folder;
};

pid_t spawn(const std::vector<std::string>& words, int output) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (output >= 0) dup2(output, STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

Hub start_hub() {
  const std::string program =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "runnel-hub").string();
  Hub hub;
  std::string pattern = (std::filesystem::temp_directory_path() / "runnel-fleet-XXXXXX").string();
  hub.folder = mkdtemp(pattern.data());
  const std::string data = hub.folder + "/hub";
  int pipes[2];
  if (pipe(pipes) != 0) die("no pipe");
  int status = 0;
  waitpid(spawn({program, "init", "--data", data}, pipes[1]), &status, 0);
  if (status != 0) die("runnel-hub init failed");
  hub.pid = spawn({program, "serve", "--data", data, "--operators", "127.0.0.1:0", "--agents",
                   "127.0.0.1:0", "--plain-http"},
                  pipes[1]);
  close(pipes[1]);
  std::string text;
  char buffer[512];
  constexpr std::string_view kLine = "listening agents http://127.0.0.1:";
  while (text.find(kLine) == std::string::npos || !text.ends_with('\n')) {
    const ssize_t got = read(pipes[0], buffer, sizeof buffer);
    if (got <= 0) die("runnel-hub serve ended");
    text.append(buffer, static_cast<std::size_t>(got));
  }
  hub.port = static_cast<std::uint16_t>(std::atoi(text.c_str() + text.find(kLine) + kLine.size()));
  return hub;
}

double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto words = split(std::string_view(text).substr(text.rfind(')') + 2), ' ');
  const auto user = parse_int(words[11]).value_or(0);
  const auto kernel = parse_int(words[12]).value_or(0);
  return static_cast<double>(user + kernel) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::int64_t resident_kib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (file >> word) {
    if (word == "VmRSS:" && file >> word) return parse_int(word).value_or(0);
  }
  return 0;
}

// ---- agents

std::string heartbeat_of(int number, std::int64_t sequence, const std::string& hash,
                         const std::string& manifest) {
  c2::Heartbeat out;
  out.agent.identifier = "truck-" + std::to_string(number);
  out.agent.agent_class = "class-" + std::to_string(number % 10);
  out.agent.manifest_hash = hash;
  out.agent.manifest_json = manifest;
  out.agent.status.uptime_ms = sequence * 10'000;
  out.agent.status.memory_usage = 15'000'000;
  out.agent.status.cpu_utilization = 0.01;
  out.device.network = {.device_id = "eth0", .hostname = "truck", .ip_address = "10.0.0.7"};
  out.flow.run_status = c2::RunStatus::kRunning;
  out.runnel.emplace();
  out.runnel->boot = "b" + std::to_string(number);
  out.runnel->sequence = sequence;
  out.runnel->interval_ms = 10'000;
  out.runnel->flow_name = "vehicle-telemetry";
  out.runnel->health = c2::Health::kOk;
  out.runnel->ledger.in = out.runnel->ledger.out = sequence * 100;
  out.runnel->traffic = {sequence * 100, sequence * 25'600, sequence * 100, sequence * 25'600};
  for (int i = 0; i < 4; ++i) {
    const std::string id = "00000000-0000-0000-0000-00000000000" + std::to_string(i);
    out.flow.queues.push_back({.id = id,
                               .name = "line " + std::to_string(i),
                               .size = 12,
                               .size_max = 10'000,
                               .data_size = 3'000,
                               .data_size_max = 100'000'000});
    c2::ProcessorStatus status;
    status.id = id;
    status.flow_files_in = status.flow_files_out = sequence * 100;
    status.run_status = c2::RunStatus::kRunning;
    out.flow.processors.push_back(status);
    out.runnel->queues.push_back({.id = id, .age_ms_max = 5});
    out.runnel->processors.push_back(
        {.id = id, .name = "step", .type = "RouteOnAttribute", .run_state = "running"});
  }
  return c2::to_json(out);
}

class Connection {
 public:
  explicit Connection(std::uint16_t port) : port_(port) { open(); }
  ~Connection() { close(handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The status of the answer.
  int get(const char* path) {
    return ask(std::string("GET ") + path + " HTTP/1.1\r\nHost: hub\r\n\r\n");
  }

  int post(const char* path, const std::string& body) {
    const std::string request =
        std::string("POST ") + path +
        " HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    return ask(request);
  }
  static inline std::atomic<int> reopened{0};

 private:
  int ask(const std::string& request) {
    for (int tries = 0; tries < 3; ++tries) {
      const int status = exchange(request);
      if (status != 0) return status;
      close(handle_);
      open();
      ++reopened;
    }
    die("the hub does not answer");
  }

  void open() {
    handle_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    setsockopt(handle_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      die("cannot connect");
  }

  int exchange(const std::string& request) {
    std::size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t wrote =
          ::send(handle_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) return 0;
      sent += static_cast<std::size_t>(wrote);
    }
    std::string answer;
    char buffer[16 * 1024];
    std::size_t wanted = 0;
    while (wanted == 0 || answer.size() < wanted) {
      const ssize_t got = recv(handle_, buffer, sizeof buffer, 0);
      if (got <= 0) return 0;
      answer.append(buffer, static_cast<std::size_t>(got));
      const std::size_t head = answer.find("\r\n\r\n");
      if (wanted != 0 || head == std::string::npos) continue;
      const std::size_t length = answer.find("Content-Length: ");
      if (length == std::string::npos || length > head) return 0;
      wanted = head + 4 + static_cast<std::size_t>(std::atoll(answer.c_str() + length + 16));
    }
    return std::atoi(answer.c_str() + 9);
  }

  std::uint16_t port_;
  int handle_ = -1;
};

struct Measured {
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  std::int64_t failed = 0;
};

Measured run(const Settings& settings, std::uint16_t port, const char* path, bool is_raw,
             const std::string& hash) {
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> times(static_cast<std::size_t>(settings.connections));
  std::atomic<std::int64_t> failed{0};
  const auto began = Steady::now();
  const auto ends = began + std::chrono::seconds(settings.seconds);
  for (int c = 0; c < settings.connections; ++c) {
    threads.emplace_back([&, c] {
      Connection connection(port);
      std::vector<float>& mine = times[static_cast<std::size_t>(c)];
      for (std::int64_t sequence = 2; Steady::now() < ends; ++sequence) {
        for (int agent = c; agent < settings.agents && Steady::now() < ends;
             agent += settings.connections) {
          const std::string body = heartbeat_of(agent, sequence, hash, "");
          const auto sent = Steady::now();
          const int status = is_raw ? connection.get(path) : connection.post(path, body);
          if (status != 200) ++failed;
          mine.push_back(std::chrono::duration<float, std::milli>(Steady::now() - sent).count());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
  std::vector<float> all;
  for (const auto& mine : times) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  if (all.empty()) die("nothing was answered");
  const auto at = [&](double part) {
    return static_cast<double>(
        all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))]);
  };
  return {static_cast<double>(all.size()) / seconds, at(0.5), at(0.99), failed.load()};
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::max(1, std::atoi(argv[++i])) : 1; };
    if (word == "--json") {
      settings.is_json = true;
    } else if (word == "--agents") {
      settings.agents = number();
    } else if (word == "--connections") {
      settings.connections = number();
    } else if (word == "--seconds") {
      settings.seconds = number();
    } else {
      std::fprintf(
          stderr,
          "usage: runnel-bench-fleet [--agents N] [--connections N] [--seconds N] [--json]\n");
      return 2;
    }
  }
  settings.connections = std::min(settings.connections, settings.agents);
  const Hub hub = start_hub();
  const Manifest manifest = make_manifest({}, c2::supported_operations());
  const std::string hash = manifest_hash(manifest);
  {
    // Everybody registers once; the first one brings the manifest that all of them have.
    Connection connection(hub.port);
    for (int agent = 0; agent < settings.agents; ++agent) {
      connection.post("/efm/api/c2-protocol/heartbeat",
                      heartbeat_of(agent, 1, hash, agent == 0 ? to_json(manifest) : ""));
    }
  }
  const Measured raw = run(settings, hub.port, "/c2/config/contentTypes", true, hash);
  const double cpu = cpu_seconds(hub.pid);
  const Measured measured = run(settings, hub.port, "/efm/api/c2-protocol/heartbeat", false, hash);
  const double used = (cpu_seconds(hub.pid) - cpu) / settings.seconds;
  const std::int64_t resident = resident_kib(hub.pid);
  kill(hub.pid, SIGTERM);
  int status = 0;
  waitpid(hub.pid, &status, 0);
  std::filesystem::remove_all(hub.folder);
  const double us = used / measured.per_s * 1e6;
  if (!settings.is_json) {
    std::printf(
        "%d agents over %d connections, %zu bytes a heartbeat, %lld failed, %d connections opened "
        "again\n",
        settings.agents, settings.connections, heartbeat_of(0, 2, hash, "").size(),
        static_cast<long long>(measured.failed), Connection::reopened.load());
    std::printf(
        "%.0f heartbeats/s (raw HTTP %.0f), p50 %.2f ms, p99 %.2f ms; hub: %.2f cores, %.0f us CPU "
        "each, %.0f MiB\n",
        measured.per_s, raw.per_s, measured.p50_ms, measured.p99_ms, used, us,
        static_cast<double>(resident) / 1024);
  }
  std::printf(
      "{\"value\": %.0f, \"unit\": \"heartbeats/s\", \"raw\": %.0f, \"ratio\": %.3f, \"agents\": "
      "%d, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
      "\"failed\": %lld, \"hub_rss_mib\": %.1f, \"hub_cores\": %.2f, \"hub_cpu_us\": %.0f}\n",
      measured.per_s, raw.per_s, measured.per_s / raw.per_s, settings.agents, measured.p50_ms,
      measured.p99_ms, static_cast<long long>(measured.failed),
      static_cast<double>(resident) / 1024, used, us);
  return measured.failed == 0 && status == 0 ? 0 : 1;
}
