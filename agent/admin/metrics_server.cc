// Two routes over HTTP/1.1; what metrics_server.h promises.

#include "agent/admin/metrics_server.h"

#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/admin/health.h"
#include "agent/admin/status_json.h"
#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kHeadMax = 8 * 1024;

const MetricFamily kHealthy{"runnel_agent_healthy", MetricKind::kGauge,
                            "1 while the flow's health is `ok`, else 0"};
const MetricFamily kMemory{"runnel_agent_memory_bytes", MetricKind::kGauge,
                           "Resident memory of the agent's process"};
const MetricFamily kBuild{"runnel_agent_info", MetricKind::kGauge,
                          "1; the labels say which agent this is and which flow it runs"};

double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  double size = 0;
  double resident = 0;
  in >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

struct Page {
  std::string status = "200 OK";
  std::string type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string headers = {};
};

Page metrics_page(const Engine& engine) {
  const Status status = engine.status();
  MetricCollection collection;
  collection.add(kBuild,
                 {{"version", RUNNEL_VERSION},
                  {"agent", status.agent_id},
                  {"flow", status.flow_name},
                  {"flow_version", status.flow_version}},
                 1);
  collection.add(kHealthy, {}, health_of(status).word == HealthWord::kOk ? 1 : 0);
  collection.add(kMemory, {}, resident_bytes());
  engine.collect(collection);
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = collection.text()};
}

Page health_page(const Engine& engine) {
  const Status status = engine.status();
  const HealthVerdict health = health_of(status);
  return {.status = status.ledger.is_healthy ? "200 OK" : "503 Service Unavailable",
          .type = "application/json",
          .body = line_of({{"health", name_of(health.word)},
                           {"reason", health.reason},
                           {"flow", status.flow_name}})};
}

Page page_of(std::string_view method, std::string_view path, const Engine& engine) {
  const bool is_known = path == "/metrics" || path == "/healthz";
  if (!is_known) return {.status = "404 Not Found", .body = "there are /metrics and /healthz\n"};
  if (method != "GET" && method != "HEAD")
    return {.status = "405 Method Not Allowed",
            .body = "GET only\n",
            .headers = "Allow: GET, HEAD\r\n"};
  return path == "/metrics" ? metrics_page(engine) : health_page(engine);
}

class HttpConversation final : public Conversation {
 public:
  explicit HttpConversation(const Engine& engine) : engine_(engine) {}

  // One request a connection: scrapers come every few seconds, and threads wait for nobody.
  bool on_input(std::string& in, std::string& out) override {
    const std::size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos) return true;
    const std::string_view line = std::string_view(in).substr(0, in.find("\r\n"));
    const auto words = split(line, ' ');
    const bool is_request = words.size() == 3 && words[2].starts_with("HTTP/1.");
    const std::string_view path = is_request ? words[1].substr(0, words[1].find('?')) : "";
    const Page page = is_request ? page_of(words[0], path, engine_)
                                 : Page{.status = "400 Bad Request", .body = "not HTTP/1.1\n"};
    out += "HTTP/1.1 " + page.status + "\r\nContent-Type: " + page.type +
           "\r\nContent-Length: " + std::to_string(page.body.size()) +
           "\r\nCache-Control: no-store\r\nConnection: close\r\n" + page.headers + "\r\n";
    if (!is_request || words[0] != "HEAD") out += page.body;
    in.clear();
    return false;
  }

 private:
  const Engine& engine_;
};

}  // namespace

Result<MetricsServer> serve_metrics(std::string_view address, const Engine& engine) {
  TRY_ASSIGN(listener, listen_tcp(address));
  TRY_ASSIGN(server, PollServer::open(std::move(listener.socket),
                                      {.thread_name = "metrics",
                                       .input_max = kHeadMax,
                                       .silence_max = std::chrono::seconds(10)},
                                      [&engine](PollServer&) {
                                        return std::make_unique<HttpConversation>(engine);
                                      }));
  return MetricsServer{std::move(listener.address), std::move(server)};
}

}  // namespace runnel
