// serve: puts the hub together, listens, and lets time pass until it is told to stop.

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>
#include <tuple>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/service_manager.h"
#include "hub/auth/auth_routes.h"
#include "hub/c2/c2_routes.h"
#include "hub/commands.h"
#include "hub/data_folder.h"
#include "hub/fleet/rest.h"
#include "hub/http/openapi.h"
#include "hub/http/pages.h"
#include "hub/http/server.h"

namespace runnel::hub {
namespace {

constexpr int kOperatorThreads = 48;
constexpr int kAgentThreads = 96;
constexpr auto kFlushEvery = std::chrono::milliseconds(500);
constexpr auto kAccountsFlushedEvery = std::chrono::seconds(30);
constexpr std::int64_t kSweepEveryMs = 1'000;

struct Address {
  std::string host;
  std::uint16_t port = 0;
  bool is_loopback = false;
};

Result<Address> read_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return invalid("`" + text + "` is no ADDRESS:PORT");
  Address address{.host = text.substr(0, colon)};
  const auto port = parse_int(text.substr(colon + 1));
  if (!port.ok() || *port < 0 || *port > 65535)
    return invalid("`" + text + "` has no port from 0 to 65535");
  address.port = static_cast<std::uint16_t>(*port);
  if (address.host == "localhost") address.host = "127.0.0.1";
  in_addr number{};
  if (inet_pton(AF_INET, address.host.c_str(), &number) != 1) {
    return invalid(
        "`" + address.host +
        "` is no IPv4 address; listeners take 127.0.0.1, 0.0.0.0 or an address of this machine");
  }
  address.is_loopback = (ntohl(number.s_addr) >> 24) == 127;
  return address;
}

// The parts of a hub, in the order in which they need each other.
struct Hub {
  std::unique_ptr<Store> store;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Classes> classes;
  std::unique_ptr<Manifests> manifests;
  std::unique_ptr<Events> events;
  std::unique_ptr<History> history;
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<Summaries> summaries;
  std::unique_ptr<Ticker> ticker;
  std::unique_ptr<RestParts> rest;
  std::unique_ptr<C2Parts> c2;
  std::string openapi;
  Router operators;
  Router agents;
};

Result<std::unique_ptr<Hub>> open_hub(const std::string& data,
                                      std::chrono::milliseconds heartbeat) {
  const Clock& clock = system_clock();
  auto hub = std::make_unique<Hub>();
  TRY_ASSIGN(store, Store::open(data));
  hub->store = std::move(store);
  TRY_ASSIGN(catalog, Catalog::open(*hub->store, clock));
  hub->catalog = std::move(catalog);
  TRY_ASSIGN(classes, Classes::open(*hub->store, *hub->catalog, clock));
  hub->classes = std::move(classes);
  TRY_ASSIGN(manifests, Manifests::open(*hub->store, clock));
  hub->manifests = std::move(manifests);
  TRY_ASSIGN(events, Events::open(*hub->store, clock));
  hub->events = std::move(events);
  TRY_ASSIGN(history, History::open(*hub->store, clock));
  hub->history = std::move(history);
  TRY_ASSIGN(fleet, Fleet::open({*hub->store, *hub->catalog, *hub->classes, *hub->manifests,
                                 *hub->events, clock, heartbeat.count()}));
  hub->fleet = std::move(fleet);
  hub->accounts = std::make_unique<Accounts>(*hub->store, clock);
  hub->summaries = std::make_unique<Summaries>(*hub->fleet, *hub->classes, *hub->catalog, clock);
  hub->ticker = std::make_unique<Ticker>(*hub->fleet, *hub->catalog, *hub->history, clock);
  return hub;
}

void say(Hub& hub, std::string_view kind, std::string_view severity, const std::string& actor,
         const std::string& message) {
  FleetEvent event;
  event.kind = kind;
  event.severity = severity;
  if (!actor.empty()) event.actor = actor;
  event.message = message;
  hub.events->add(std::move(event));
}

void add_operator_routes(Hub& hub, bool is_tls) {
  Router& router = hub.operators;
  router.add(auth_routes(*hub.accounts, is_tls,
                         [&hub](auto kind, auto severity, const auto& actor, const auto& message) {
                           say(hub, kind, severity, actor, message);
                         }));
  hub.rest = std::make_unique<RestParts>(
      RestParts{*hub.store, *hub.catalog, *hub.classes, *hub.manifests, *hub.events, *hub.fleet,
                *hub.summaries, *hub.history, *hub.ticker, system_clock()});
  for (auto* routes : {&overview_routes, &agent_routes, &class_routes, &flow_routes,
                       &deployment_routes, &event_routes}) {
    router.add(routes(*hub.rest));
  }
  router.add({.method = "GET",
              .pattern = "/api/v1/openapi.json",
              .access = Access::kOpen,
              .doc = "This document.",
              .handler = [&hub](const Request&) { return Response{.body = hub.openapi}; }});
  router.add({.method = "GET",
              .pattern = "/healthz",
              .access = Access::kOpen,
              .doc = "Whether the hub answers.",
              .handler = [](const Request&) { return Response{.body = "{\"status\":\"ok\"}\n"}; }});
  router.add({.method = "GET",
              .pattern = "/metrics",
              .access = Access::kOpen,
              .doc = "For Prometheus.",
              .handler = [&hub](const Request&) {
                MetricCollection collection;
                collect_metrics(*hub.ticker, *hub.store, *hub.fleet, collection);
                return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                .body = collection.text()};
              }});
  router.guard_with(auth_guard(*hub.accounts, is_tls));
  router.fall_back_to(&page);
  hub.openapi = openapi_document(router.routes());
}

Result<std::unique_ptr<HttpServer>> listen(
    const Router& router, const std::string& name, const Address& address, int threads,
    const std::string& certificate, std::vector<std::pair<std::string, std::string>> headers) {
  HttpServerOptions options;
  options.name = name;
  options.address = address.host;
  options.port = address.port;
  options.certificate = certificate;
  options.threads = threads;
  options.headers = std::move(headers);
  options.body_max = [&router](std::string_view method, std::string_view path) {
    return router.body_max(method, path);
  };
  options.handler = [&router](Request& request) { return router.handle(request); };
  return HttpServer::start(std::move(options));
}

void note(const char* what, const Result<>& done) {
  if (!done.ok()) log_error("store", what, {{"reason", done.error().text()}});
}

void flush(Hub& hub) {
  note("classes could not be written", hub.classes->flush());
  note("manifests could not be written", hub.manifests->flush());
  note("agents could not be written", hub.fleet->flush());
  note("events could not be written", hub.events->flush());
  note("metrics could not be written", hub.history->flush());
}

// Wakes the threads that sleep when the hub ends.
class Stopping {
 public:
  void begin() EXCLUDES(mutex_) {
    Lock lock(mutex_);
    is_begun_ = true;
    changed_.notify_all();
  }
  // Waits so long, or until it begins; whether it has begun.
  bool within(std::chrono::milliseconds time) EXCLUDES(mutex_) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    Lock lock(mutex_);
    while (!is_begun_ && std::chrono::steady_clock::now() < deadline)
      changed_.wait_until(mutex_, deadline);
    return is_begun_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool is_begun_ GUARDED_BY(mutex_) = false;
};

// What comes with heartbeats goes to disk in batches.
void run_flusher(Hub& hub, Stopping& stopping) {
  pthread_setname_np(pthread_self(), "flusher");
  SteadyTime accounts_flushed = system_clock().steady();
  do {
    flush(hub);
    if (system_clock().steady() - accounts_flushed > kAccountsFlushedEvery) {
      accounts_flushed = system_clock().steady();
      note("sessions could not be written", hub.accounts->flush());
    }
  } while (!stopping.within(kFlushEvery));
}

// Who has fallen silent; and, every ten seconds, the metrics.
void run_clockwork(Hub& hub, Stopping& stopping) {
  pthread_setname_np(pthread_self(), "clockwork");
  std::int64_t ticked = system_clock().wall_ms() / History::kStepMs;
  do {
    hub.fleet->sweep();
    const std::int64_t now = system_clock().wall_ms() / History::kStepMs;
    if (now != ticked) {
      ticked = now;
      hub.ticker->tick(now * History::kStepMs);
    }
  } while (!stopping.within(std::chrono::milliseconds(kSweepEveryMs)));
}

Result<> run(const Settings& settings) {
  const DataFolder folder{settings.data};
  TRY_ASSIGN(operators_at, read_address(settings.operators));
  TRY_ASSIGN(agents_at, read_address(settings.agents));
  if (settings.is_plain_http && !(operators_at.is_loopback && agents_at.is_loopback)) {
    return invalid(
        "--plain-http is for loopback only: passwords and data would cross the network readably");
  }
  if (!std::filesystem::exists(folder.server())) {
    return invalid("`" + folder.path + "` holds no hub; make one by `runnel-hub init --data " +
                   folder.path + "`");
  }
  TRY(lock_for_good(folder));
  TRY_ASSIGN(token, read_secret(folder.agents_token()));
  const bool is_tls = !settings.is_plain_http;
  const std::string certificate = is_tls ? folder.server() : "";
  TRY_ASSIGN(hub, open_hub(folder.path, settings.heartbeat));
  add_operator_routes(*hub, is_tls);
  hub->c2 =
      std::make_unique<C2Parts>(C2Parts{*hub->fleet, *hub->catalog, *hub->classes, *hub->ticker});
  hub->agents.add(c2_routes(*hub->c2));
  hub->agents.guard_with(c2_guard(is_tls ? token : ""));

  // Before any thread: all of them inherit it, and only this one takes signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  TRY_ASSIGN(operators, listen(hub->operators, "operators", operators_at, kOperatorThreads,
                               certificate, security_headers()));
  TRY_ASSIGN(agents, listen(hub->agents, "agents", agents_at, kAgentThreads, certificate, {}));
  Stopping stopping;
  std::thread flusher([&] { run_flusher(*hub, stopping); });
  std::thread clockwork([&] { run_clockwork(*hub, stopping); });
  say(*hub, "hub_started", "info", "",
      std::string("the hub has started, version ") + RUNNEL_VERSION);
  std::printf("listening operators %s\nlistening agents %s\n", operators->url().c_str(),
              agents->url().c_str());
  std::fflush(stdout);
  tell_service_manager("READY=1");

  int taken = 0;
  sigwait(&signals, &taken);
  tell_service_manager("STOPPING=1");
  say(*hub, "hub_stopped", "info", "", "the hub was stopped");
  // Both at once: each waits for what it is answering.
  std::thread closing([&] { operators.reset(); });
  agents.reset();
  closing.join();
  stopping.begin();
  flusher.join();
  clockwork.join();
  flush(*hub);
  note("metrics could not be written", hub->history->flush(true));
  note("sessions could not be written", hub->accounts->flush());
  return Ok{};
}

}  // namespace

int serve(const Settings& settings) {
  set_log_level(settings.log_level);
  set_log_json(settings.log_json);
  const Result<> done = run(settings);
  if (done.ok()) return 0;
  std::fprintf(stderr, "runnel-hub: %s\n", done.error().text().c_str());
  return done.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

namespace {

// From the route table alone; nothing of it is called.
Result<std::string> openapi_text() {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("runnel-openapi-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  auto hub = open_hub(folder, std::chrono::seconds(5));
  if (hub.ok()) add_operator_routes(**hub, true);
  std::filesystem::remove_all(folder);
  if (!hub.ok()) return hub.error();
  return (*hub)->openapi;
}

int failed(const Error& error) {
  std::fprintf(stderr, "runnel-hub: %s\n", error.text().c_str());
  return kExitFailed;
}

}  // namespace

int print_openapi() {
  const auto text = openapi_text();
  if (!text.ok()) return failed(text.error());
  std::fputs(text->c_str(), stdout);
  return 0;
}

int generate(const std::string& root) {
  const auto openapi = openapi_text();
  if (!openapi.ok()) return failed(openapi.error());
  for (const auto& [folder, name, text] : {std::tuple("hub/http", "openapi.json", *openapi),
                                           std::tuple("conf", "hub.yaml", settings_page())}) {
    const std::filesystem::path at = std::filesystem::path(root) / folder;
    std::error_code error;
    std::filesystem::create_directories(at, error);
    std::ofstream out(at / name, std::ios::binary | std::ios::trunc);
    if (!(out << text).flush())
      return failed(unavailable("`" + (at / name).string() + "` cannot be written"));
  }
  return 0;
}

}  // namespace runnel::hub
