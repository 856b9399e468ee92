// run: the agent's life from the first line to the last.
//
// The main thread reads signals and the hub's wish to begin anew, feeds systemd's watchdog if there
// is one, and gives memory back after a burst; else it sleeps. On SIGTERM and SIGINT the sources
// stop first, what is in flight is committed, and the exit code is 0. A second signal ends the
// program at once.

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "agent/admin/control_server.h"
#include "agent/admin/metrics_server.h"
#include "agent/base/log.h"
#include "agent/base/service_manager.h"
#include "agent/commands.h"
#include "agent/flow_file.h"
#include "agent/hub_control.h"
#include "agent/idle_memory.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/ledger_reader.h"
#include "agent/uplink/uplink.h"
#include "agent/waiting_engine.h"
#include "processors/registry.h"

namespace runnel {
namespace {

// The whole stop takes no more than 5 s: this much for the flow, the rest for the line to the hub.
constexpr std::chrono::milliseconds kStopDeadline{4'000};

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

int failed(const Error& error) {
  log_error("agent", error.text());
  return error.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// The power of the vehicle is about to go: what is queued has to be on disk before it does.
constexpr std::chrono::milliseconds kPowerDeadline{1'000};

void flush_for_power(Engine& engine) {
  const auto began = std::chrono::steady_clock::now();
  const Result<> flushed = engine.flush(kPowerDeadline);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  if (flushed.ok()) {
    log_info("agent", "SIGPWR: everything is on disk", {{"took_us", took.count()}});
  } else {
    log_error("agent", "SIGPWR: not everything is on disk",
              {{"took_us", took.count()}, {"reason", flushed.error().text()}});
  }
}

// What wakes the main thread. Made before any other thread, which then leaves the signals to it.
class Wakes {
 public:
  Wakes() {
    const sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    sigset_t power;
    sigemptyset(&power);
    sigaddset(&power, SIGPWR);
    pthread_sigmask(SIG_BLOCK, &power, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = Socket(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    power_ = Socket(signalfd(-1, &power, SFD_CLOEXEC | SFD_NONBLOCK));
    restart_ = Socket(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    quiet_ = Socket(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  void ask_for_restart() const { eventfd_write(restart_.fd(), 1); }
  // What needed memory for a moment is over.
  void tell_quiet() const { eventfd_write(quiet_.fd(), 1); }

  // Returns when the program is to end; true: to begin anew. After `at_most`: nothing is to be
  // done.
  std::optional<bool> wait(Engine& engine,
                           std::optional<std::chrono::milliseconds> at_most = {}) const {
    const auto watchdog = watchdog_period();
    int patience_ms = static_cast<int>(std::chrono::milliseconds(IdleMemory::kEvery).count());
    if (watchdog) patience_ms = std::min(patience_ms, static_cast<int>(watchdog->count() / 2'000));
    if (at_most) patience_ms = std::min(patience_ms, static_cast<int>(at_most->count()));
    const auto began = std::chrono::steady_clock::now();
    auto looked_at = began;
    IdleMemory memory;
    pollfd polled[] = {{signals_.fd(), POLLIN, 0},
                       {restart_.fd(), POLLIN, 0},
                       {power_.fd(), POLLIN, 0},
                       {quiet_.fd(), POLLIN, 0}};
    while (true) {
      if (watchdog) tell_service_manager("WATCHDOG=1");
      const int ready = poll(polled, std::size(polled), patience_ms);
      const bool is_quiet = ready > 0 && (polled[3].revents & POLLIN) != 0;
      eventfd_t ignored_count = 0;
      if (is_quiet) eventfd_read(quiet_.fd(), &ignored_count);
      const auto now = std::chrono::steady_clock::now();
      if (now - looked_at >= (is_quiet ? IdleMemory::kAtMostEvery : IdleMemory::kEvery)) {
        looked_at = now;
        memory.look();
      }
      // Also where it was woken for less: a hub that is heard often must not keep it from this.
      if (at_most && now - began >= *at_most) return std::nullopt;
      if (ready <= 0) continue;
      if ((polled[0].revents & POLLIN) != 0) return false;
      if ((polled[1].revents & POLLIN) != 0) return true;
      if ((polled[2].revents & POLLIN) != 0) {
        signalfd_siginfo ignored{};
        while (read(power_.fd(), &ignored, sizeof ignored) > 0) continue;
        flush_for_power(engine);
      }
    }
  }

  // From now on a signal ends the program at once.
  void give_up_signals() const {
    signalfd_siginfo ignored{};
    while (read(signals_.fd(), &ignored, sizeof ignored) > 0) continue;
    const sigset_t signals = stop_signals();
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }

 private:
  Socket signals_;
  Socket power_;
  Socket restart_;
  Socket quiet_;
};

struct Boot {
  std::optional<DeliveredFlow> running = {};   // a flow of the hub
  std::optional<c2::FlowUpdate> failure = {};  // of the one that last worked
};

// The flow of the hub that last worked, or the one before; none when neither runs here.
Boot boot_kept_flow(const Settings& settings, HubControl& control,
                    const std::shared_ptr<const Sealer>& sealer) {
  Boot boot;
  const FlowKeeper keeper(settings.state, sealer);
  if (const auto sealed = keeper.seal_kept(); !sealed.ok())
    log_error("agent", "a kept flow lies in plain", {{"reason", sealed.error().text()}});
  for (DeliveredFlow& flow : keeper.kept()) {
    const auto applied = control.apply_flow(flow);
    if (applied.ok()) {
      boot.running = std::move(flow);
      break;
    }
    const std::string& reason = applied.error().text();
    log_error("agent", "the hub's flow that last worked does not run any more",
              {{"flow", flow.id}, {"reason", reason}});
    if (!boot.failure)
      boot.failure =
          c2::FlowUpdate{.state = c2::UpdateState::kFailed, .flow_id = flow.id, .reason = reason};
  }
  return boot;
}

// The flow of --flow. An error's text has the complaints.
Result<> boot_own_flow(const Settings& settings, Engine& engine) {
  const FlowReading reading =
      read_given_flow(settings.flow, settings.parameters, FlowSource::kFile, ProvidersAre::kHere);
  if (!reading.complaints.empty()) std::fputs(text_of(reading.complaints).c_str(), stderr);
  if (!reading.ok()) return invalid("the flow `" + settings.flow + "` is not run");
  TRY(engine.start(reading.flow));
  say("running " + reading.flow->name);
  return {};
}

enum class Line { kWhole, kOnlyShows };

Result<std::unique_ptr<Uplink>> open_uplink(const Settings& settings, HubControl& control,
                                            Boot boot, Line line,
                                            std::shared_ptr<const Sealer> sealer,
                                            const Wakes& wakes) {
  TRY_ASSIGN(transport, curl_transport({.ca_file = settings.hub_ca}));
  return Uplink::open({.hub_url = settings.hub,
                       .token = settings.hub_token,
                       .agent_class = settings.agent_class,
                       .agent_id = settings.agent_id,
                       .state_dir = settings.state,
                       .sealer = std::move(sealer),
                       .heartbeat = settings.heartbeat,
                       .only_shows = line == Line::kOnlyShows,
                       .boot_failure = std::move(boot.failure),
                       .on_quiet = [&wakes] { wakes.tell_quiet(); }},
                      control, std::move(transport), std::move(boot.running));
}

// Who the agent is, where nobody said; and what flows may ask of that.
Settings completed(Settings settings, const Engine& engine) {
  if (settings.agent_id.empty()) settings.agent_id = engine.status().agent_id;
  settings.parameters.emplace("agent.id", settings.agent_id);
  settings.parameters.emplace("agent.class", settings.agent_class);
  return settings;
}

// True: begin anew.
Result<bool> live(const Settings& settings, const Wakes& wakes, Engine& engine,
                  const std::shared_ptr<const Sealer>& sealer) {
  HubControl control(
      engine, settings.parameters, settings.hub_providers,
      [](const std::string& flow) { say("running " + flow); },
      [&wakes] { wakes.ask_for_restart(); });
  TRY_ASSIGN(admin, serve_control(settings.state, engine));
  MetricsServer metrics;
  if (!settings.metrics.empty()) {
    TRY_ASSIGN(served, serve_metrics(settings.metrics, engine));
    metrics = std::move(served);
    say("metrics http://" + metrics.address + "/metrics");
  }
  Boot boot;
  if (!settings.hub.empty()) boot = boot_kept_flow(settings, control, sealer);
  if (!boot.running && !settings.flow.empty()) {
    const auto booted = boot_own_flow(settings, engine);
    // With a hub, a better flow can come.
    if (!booted.ok() && settings.hub.empty()) return booted.error();
    if (!booted.ok()) log_error("agent", booted.error().text());
  }
  std::unique_ptr<Uplink> uplink;
  if (!settings.hub.empty()) {
    TRY_ASSIGN(opened,
               open_uplink(settings, control, std::move(boot), Line::kWhole, sealer, wakes));
    uplink = std::move(opened);
    uplink->start();
  }
  tell_service_manager("READY=1");
  const bool is_restart = wakes.wait(engine).value_or(false);
  tell_service_manager(is_restart ? "RELOADING=1" : "STOPPING=1");
  wakes.give_up_signals();
  engine.hurry();
  log_info("agent", is_restart ? "beginning anew" : "stopping");
  return is_restart;
}

// What is shown of an agent that waits for its state directory: to who asks it, to Prometheus, and
// to its hub, if it was told who it is, or that can be read in the directory.
class Waiting {
 public:
  Waiting(const Settings& settings, const Wakes& wakes, const Error& why)
      : settings_(settings), wakes_(wakes), engine_(why) {}

  WaitingEngine& engine() { return engine_; }
  // What could not be served yet is tried again.
  Result<> serve() {
    // On a disk that is read-only there is no socket.
    if (admin_ == nullptr) {
      auto admin = serve_control(settings_.state, engine_);
      if (admin.ok()) {
        admin_ = std::move(*admin);
      } else {
        log_warn("agent", admin.error().text());
      }
    }
    if (metrics_.address.empty() && !settings_.metrics.empty()) {
      TRY_ASSIGN(served, serve_metrics(settings_.metrics, engine_));
      metrics_ = std::move(served);
      say("metrics http://" + metrics_.address + "/metrics");
    }
    if (uplink_ || settings_.hub.empty()) return {};
    Settings known = settings_;
    if (known.agent_id.empty())
      known.agent_id = LedgerReader::agent_id(settings_.state).value_or("");
    if (known.agent_id.empty()) return {};
    TRY_ASSIGN(opened, open_uplink(known, control_, {}, Line::kOnlyShows, nullptr, wakes_));
    uplink_ = std::move(opened);
    uplink_->start();
    return {};
  }

 private:
  const Settings& settings_;
  const Wakes& wakes_;
  WaitingEngine engine_;
  HubControl control_{engine_, settings_.parameters, settings_.hub_providers,
                      [](const std::string&) {}, [] {}};
  std::unique_ptr<PollServer> admin_;
  MetricsServer metrics_;
  std::unique_ptr<Uplink> uplink_;
};
// The sealer of the state directory. kInvalid: its key is another, or gone.
Result<std::shared_ptr<const Sealer>> open_keys(const Settings& settings) {
  const KeyringOptions options{.state_dir = settings.state, .source = settings.encryption_key};
  if (!has_keyring(options) && FlowKeeper(settings.state).holds_sealed()) {
    return invalid("`" + settings.state +
                   "` holds an encrypted flow, but `keys/ring` is gone; put it back from where the "
                   "directory was copied. Nothing was changed");
  }
  return open_keyring(options);
}

Result<std::unique_ptr<Engine>> open_parts(EngineOptions options, const Settings& settings,
                                           std::shared_ptr<const Sealer>& sealer) {
  TRY_ASSIGN(opened, open_keys(settings));
  sealer = std::move(opened);
  options.ledger.vault = {.sealer = sealer, .seals = settings.encrypt_content};
  TRY_ASSIGN(engine, Engine::open(std::move(options)));
  // The directory is ours, and no flow runs yet.
  const KeyringOptions keys{.state_dir = settings.state, .source = settings.encryption_key};
  const Result<std::size_t> forgotten = forget_unused_keys(keys, *sealer);
  if (!forgotten.ok()) {
    log_warn("keys", "old data keys are kept; whether they are needed is not known",
             {{"reason", forgotten.error().text()}});
  } else if (*forgotten > 0) {
    log_info("keys", "old data keys that nothing needs are forgotten",
             {{"count", std::to_string(*forgotten)}});
  }
  return engine;
}

// The engine, as soon as the state directory can be used: until then the agent shows that it waits,
// and why. nullptr: told to stop meanwhile.
Result<std::unique_ptr<Engine>> open_engine(const Settings& settings, const Wakes& wakes,
                                            std::shared_ptr<const Sealer>& sealer) {
  constexpr std::chrono::milliseconds kLookAgain{5'000};
  std::unique_ptr<Waiting> waiting;
  while (true) {
    const Result<> made = make_state_directory(settings.state);
    if (!made.ok() && made.code() == Code::kInvalid) return made.error();
    // Another agent on the directory is no disk that comes back.
    if (made.ok()) {
      if (auto lock = DirectoryLock::take(settings.state); !lock.ok()) return lock.error();
    }
    EngineOptions options;
    options.state_dir = settings.state;
    options.types = processor_types();
    options.services = service_types();
    options.workers = settings.workers;
    options.provenance.bytes_max = settings.provenance_bytes;
    options.provenance.age_max_ms = settings.provenance_age.count();
    options.provenance.attributes = settings.provenance_attributes;
    options.archive.bytes_max = settings.replay_archive_bytes;
    options.archive.age_max_ms = settings.replay_archive_age.count();
    options.ledger.memory_budget = settings.memory_budget;
    options.ledger.linger = settings.ledger_linger;
    options.ledger.disk_quota = settings.disk_quota;
    auto engine = open_parts(std::move(options), settings, sealer);
    if (engine.ok() || (engine.code() != Code::kUnavailable && engine.code() != Code::kFull))
      return engine;
    log_error("agent", "the state directory cannot be used; no flow runs until it can",
              {{"reason", engine.error().text()}});
    if (!waiting) waiting = std::make_unique<Waiting>(settings, wakes, engine.error());
    waiting->engine().waits_for(engine.error());
    TRY(waiting->serve());
    tell_service_manager("READY=1\nSTATUS=waiting for the state directory");
    if (wakes.wait(waiting->engine(), kLookAgain)) return std::unique_ptr<Engine>();
  }
}

}  // namespace

int run_agent(const Settings& settings, char** argv) {
  set_log_level(settings.log_level);
  set_log_json(settings.log_json);
  const Wakes wakes;
  std::shared_ptr<const Sealer> sealer;
  auto engine = open_engine(settings, wakes, sealer);
  if (!engine.ok()) return failed(engine.error());
  if (*engine == nullptr) return kExitGood;
  const auto lived = live(completed(settings, **engine), wakes, **engine, sealer);
  remove_control(settings.state);
  const auto stopped = (*engine)->stop(kStopDeadline);
  if (!stopped.ok())
    log_warn("agent", "stopped before everything was done; it is queued again at the next start",
             {{"reason", stopped.error().text()}});
  // A call that does not come back is no reason to stay: everything committed is written.
  if (stopped.ok()) engine->reset();
  if (!lived.ok()) return failed(lived.error());
  if (!*lived && !stopped.ok()) std::_Exit(kExitGood);
  if (!*lived) return kExitGood;
  execv("/proc/self/exe", argv);
  log_error("agent", "cannot begin anew");
  return kExitFailed;
}

}  // namespace runnel
