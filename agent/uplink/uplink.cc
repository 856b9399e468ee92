// The line to the hub: turns, heartbeats and acknowledgements. What the operations do is in
// operations.cc.

#include "agent/uplink/uplink.h"

#include <pthread.h>

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

using Millis = std::chrono::milliseconds;

// Give or take a tenth, so that a fleet that was switched on at once spreads out.
Millis jittered(Millis interval) {
  const std::int64_t fifth = std::max<std::int64_t>(1, interval.count() / 5);
  const auto random = static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(fifth));
  return Millis(interval.count() - interval.count() / 10 + random);
}

// Answers that a later try may turn into another.
bool is_passing(int status) {
  return status == 401 || status == 403 || status == 408 || status == 429 || status >= 500 ||
         status < 200;
}

std::string status_text(int status) {
  if (status == 401 || status == 403)
    return "the hub refuses this agent (HTTP " + std::to_string(status) +
           "); give the class's token with --hub-token";
  if (status == 404)
    return "the hub has no heartbeat there (HTTP 404); --hub must name its listener for agents";
  return "the hub answered HTTP " + std::to_string(status);
}

}  // namespace

Result<std::unique_ptr<Uplink>> Uplink::open(UplinkOptions options, AgentControl& agent,
                                             std::unique_ptr<Transport> transport,
                                             std::optional<DeliveredFlow> running) {
  if (options.agent_id.empty() || options.agent_id.size() > 128)
    return invalid("an agent's id has 1 to 128 characters");
  for (const char c : options.agent_id)
    if (c <= ' ' || c > '~')
      return invalid("the agent's id `" + options.agent_id + "` may hold visible ASCII only");
  if (options.token.find_first_of("\r\n") != std::string::npos)
    return invalid("the hub's token must be one line");
  TRY_ASSIGN(addresses, HubAddresses::of(options.hub_url));
  std::unique_ptr<Journal> journal;
  if (!options.only_shows) {
    TRY_ASSIGN(opened, Journal::open(options.state_dir + "/uplink.db"));
    journal = std::move(opened);
  }
  auto uplink = std::unique_ptr<Uplink>(new Uplink(std::move(options), agent, std::move(transport),
                                                   std::move(addresses), std::move(journal),
                                                   std::move(running)));
  if (uplink->journal_) TRY(uplink->recall_update());
  return uplink;
}

Result<> Uplink::recall_update() {
  TRY_ASSIGN(update, journal_->last_update());
  update_ = std::move(update);
  if (options_.boot_failure) {
    update_ = *options_.boot_failure;
  } else if (update_.state == c2::UpdateState::kApplying && running_ &&
             running_->id == update_.flow_id) {
    update_.state = c2::UpdateState::kApplied;  // the agent ended between keeping it and saying so
  } else {
    return {};
  }
  return journal_->set_last_update(update_);
}

Uplink::Uplink(UplinkOptions options, AgentControl& agent, std::unique_ptr<Transport> transport,
               HubAddresses addresses, std::unique_ptr<Journal> journal,
               std::optional<DeliveredFlow> running)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock()),
      agent_(agent),
      transport_(std::move(transport)),
      addresses_(std::move(addresses)),
      boot_(to_hex(random_bytes(8))),
      began_(clock_.steady()),
      journal_(std::move(journal)),
      keeper_(options_.state_dir, options_.sealer),
      running_(std::move(running)),
      backoff_(std::min<Millis>(std::chrono::seconds(1), options_.backoff_max),
               options_.backoff_max),
      interval_(std::clamp(options_.heartbeat, kHeartbeatMin, kHeartbeatMax)) {
  if (running_) running_->text.clear();
}

Uplink::~Uplink() { stop(); }

void Uplink::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "uplink");
}

void Uplink::stop() {
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  transport_->interrupt();
  if (thread_.joinable()) thread_.join();
}

void Uplink::run() {
  while (true) {
    const SteadyTime due = turn();
    if (must_restart_) {
      agent_.restart();
      return;
    }
    options_.on_quiet();
    const Lock lock(mutex_);
    while (!is_stopping_ && clock_.steady() < due) wake_.wait_until(mutex_, due);
    if (is_stopping_) return;
  }
}

SteadyTime Uplink::turn() {
  auto wait = beat();
  if (wait.ok()) {
    if (!was_heard_) log_info("uplink", "the hub answers", {{"hub", options_.hub_url}});
    was_heard_ = true;
    backoff_.reset();
    return clock_.steady() + *wait;
  }
  const Millis pause = std::max(backoff_.next(random_u64()), retry_after_);
  log_warn("uplink", "no line to the hub; the flow runs on",
           {{"reason", wait.error().text()}, {"again_in_ms", pause.count()}});
  was_heard_ = false;
  return clock_.steady() + pause;
}

Result<Millis> Uplink::beat() {
  retry_after_ = Millis(0);
  if (auto sent = journal_ ? send_acknowledgements() : Result<>(); !sent.ok()) {
    if (is_away_) return std::move(sent).error();
    log_warn("uplink", "acknowledgements wait", {{"reason", sent.error().text()}});
  }
  const c2::Heartbeat heartbeat = this->heartbeat(!manifest_was_taken_);
  TRY_ASSIGN(answer, post(addresses_.heartbeat(), c2::to_json(heartbeat)));
  if (answer.status < 200 || answer.status >= 300) return unavailable(status_text(answer.status));
  manifest_was_taken_ = true;
  TRY_ASSIGN(response, c2::response_from_json(answer.body));
  for (const std::string& complaint : response.complaints)
    log_warn("uplink", "the hub sent what cannot be carried out", {{"what", complaint}});
  if (response.heartbeat_ms)
    interval_ = std::clamp(Millis(*response.heartbeat_ms), kHeartbeatMin, kHeartbeatMax);

  if (!journal_) return jittered(interval_);
  bool did_something = false;
  for (const c2::Operation& operation : response.operations) {
    const auto was_new = carry_out(operation);
    if (!was_new.ok()) {
      log_error("uplink", "the hub asks in vain", {{"reason", was_new.error().text()}});
      break;  // it will ask again
    }
    did_something = did_something || *was_new;
    if (must_restart_) break;
  }
  if (!response.operations.empty()) {
    // What was done is done: a hub that goes away now gets its acknowledgements later.
    if (const auto sent = send_acknowledgements(); !sent.ok())
      log_warn("uplink", "acknowledgements wait", {{"reason", sent.error().text()}});
  }
  return did_something ? std::min(kAfterOperations, interval_) : jittered(interval_);
}

Result<> Uplink::send_acknowledgements() {
  TRY_ASSIGN(waiting, journal_->waiting(kAcknowledgementsPerTurn));
  for (const Journal::Waiting& one : waiting) {
    std::string body = one.acknowledgement;
    if (one.describes) {
      TRY_ASSIGN(acknowledgement, c2::acknowledgement_from_json(body));
      acknowledgement.described = heartbeat(/*with_manifest=*/true);
      body = c2::to_json(acknowledgement);
    }
    TRY_ASSIGN(answer, post(addresses_.acknowledge(), std::move(body)));
    if (is_passing(answer.status)) return unavailable(status_text(answer.status));
    if (answer.status >= 300)
      log_warn("uplink", "the hub refuses an acknowledgement; it is dropped",
               {{"status", answer.status}, {"acknowledgement", one.acknowledgement}});
    TRY(journal_->delivered(one.number));
  }
  return {};
}

Result<HubAnswer> Uplink::post(const std::string& url, std::string body) {
  HubRequest request{.url = url, .is_post = true, .body = std::move(body)};
  if (!options_.token.empty())
    request.headers.emplace_back("Authorization", "Bearer " + options_.token);
  auto sent = transport_->send(request);
  is_away_ = !sent.ok();
  TRY_ASSIGN(answer, std::move(sent));
  if (answer.retry_after && is_passing(answer.status)) retry_after_ = *answer.retry_after;
  return answer;
}

c2::Heartbeat Uplink::heartbeat(bool with_manifest) {
  AgentFigures figures = agent_.figures();
  c2::Heartbeat out;
  out.created_ms = clock_.wall_ms();
  out.device = host_.device();
  out.agent.identifier = options_.agent_id;
  out.agent.agent_class = options_.agent_class;
  out.agent.manifest_hash = agent_.manifest_hash();
  if (with_manifest) out.agent.manifest_json = agent_.manifest_json();
  out.agent.status.uptime_ms = std::chrono::duration_cast<Millis>(clock_.steady() - began_).count();
  out.agent.status.components = std::move(figures.components);
  out.agent.status.memory_usage = host_.process_memory_bytes();
  out.agent.status.cpu_utilization = host_.process_cpu();
  out.flow = std::move(figures.flow);
  if (running_) {
    out.flow.flow_id = running_->id;
    out.flow.flow_uri =
        c2::FlowUri{.registry_url = running_->url, .bucket_id = "default", .flow_id = running_->id};
  }
  out.runnel = std::move(figures.runnel);
  out.runnel->boot = boot_;
  out.runnel->sequence = ++sequence_;
  out.runnel->interval_ms = interval_.count();
  out.runnel->update = update_;
  out.runnel->host_uptime_ms = host_.uptime_ms();
  if (const auto disk = host_.disk(options_.state_dir)) {
    out.runnel->disk_total_bytes = disk->total_bytes;
    out.runnel->disk_free_bytes = disk->free_bytes;
    out.agent.status.repositories = {
        {.name = "flowFile",
         .data_size = out.runnel->disk_used_bytes,
         .data_size_max = disk->free_bytes + out.runnel->disk_used_bytes.value_or(0)}};
  }
  return out;
}

}  // namespace runnel
