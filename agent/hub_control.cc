// The engine as the hub sees it; what hub_control.h promises.

#include "agent/hub_control.h"

#include <algorithm>
#include <set>

#include "agent/admin/health.h"
#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/base/words.h"
#include "agent/c2/supported_operations.h"
#include "agent/flow_file.h"
#include "agent/spec/manifest.h"
#include "processors/registry.h"

namespace runnel {
namespace {

constexpr std::int64_t kRecentMs = 5 * 60 * 1000;
constexpr std::size_t kBulletinsMax = 50;
constexpr std::size_t kSecretMin = 4;  // bytes: shorter ones stand in too much else

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX));
}

Manifest manifest() { return make_manifest(component_specs(), c2::supported_operations()); }

std::string run_state_word(RunState state) {
  switch (state) {
    case RunState::kStopped:
      return "stopped";
    case RunState::kStarting:
      return "starting";
    case RunState::kFailed:
      return "invalid";
    case RunState::kRunning:
    case RunState::kBackingOff:
      break;
  }
  return "running";
}

c2::Health health_word(HealthWord word) {
  switch (word) {
    case HealthWord::kOk:
      return c2::Health::kOk;
    case HealthWord::kDegraded:
      return c2::Health::kDegraded;
    case HealthWord::kBackPressure:
      return c2::Health::kBackPressure;
    case HealthWord::kStopped:
      return c2::Health::kStopped;
    case HealthWord::kUnknown:
      break;
  }
  return c2::Health::kUnknown;
}

// Whether a connection carries only what went wrong: then its processor is still the last of its
// path.
bool is_detour(const ConnectionStatus& one) {
  if (one.from_id == one.to_id) return true;
  return !one.relationships.empty() &&
         std::all_of(one.relationships.begin(), one.relationships.end(), [](const auto& name) {
           return name == "failure" || name == "retry" || name == "no retry";
         });
}

// What enters by the processors without input and leaves by those without output.
c2::Traffic traffic_of(const Status& status) {
  std::set<std::string_view> fed;
  std::set<std::string_view> feeding;
  for (const ConnectionStatus& one : status.connections) {
    if (one.is_parked) continue;
    if (one.from_id != one.to_id) fed.insert(one.to_id);
    if (!is_detour(one)) feeding.insert(one.from_id);
  }
  c2::Traffic out;
  for (const ProcessorStatus& one : status.processors) {
    if (!fed.contains(one.id)) {
      out.in_records += number(one.out_count);
      out.in_bytes += number(one.out_bytes);
    } else if (!feeding.contains(one.id)) {
      out.out_records += number(one.in_count);
      out.out_bytes += number(one.in_bytes);
    }
  }
  return out;
}

c2::ProcessorStatus processor_of(const ProcessorStatus& one) {
  return {.id = one.id,
          .group_id = one.group_id,
          .bytes_read = number(one.read_bytes),
          .bytes_written = number(one.written_bytes),
          .flow_files_in = number(one.in_count),
          .flow_files_out = number(one.out_count),
          .bytes_in = number(one.in_bytes),
          .bytes_out = number(one.out_bytes),
          .invocations = number(one.invocations),
          .processing_nanos = number(one.processing_ns),
          .active_thread_count = one.active_tasks,
          .terminated_thread_count = 0,
          .run_status = run_state_word(one.state) == "running" ? c2::RunStatus::kRunning
                                                               : c2::RunStatus::kStopped};
}

c2::ProcessorDetail detail_of(const ProcessorStatus& one, std::int64_t now_ms) {
  const bool is_troubled = one.state != RunState::kRunning && one.state != RunState::kStopped;
  const bool matters = is_troubled || now_ms - one.last_error_ms < kRecentMs;
  return {.id = one.id,
          .name = one.name,
          .type = one.type,
          .run_state = run_state_word(one.state),
          .errors_total = number(one.failures),
          .error = matters ? one.last_error : std::string()};
}

c2::ServiceDetail detail_of(const ServiceStatus& one) {
  return {.id = one.id,
          .name = one.path,
          .type = one.type,
          .state = std::string(name_of(one.state)),
          .users = number(one.users.size()),
          .error = one.last_error};
}

c2::ProcessorBulletin bulletin_of(const Bulletin& one, const std::string& flow_name) {
  std::string level(name_of(one.level));
  std::transform(level.begin(), level.end(), level.begin(), [](char c) {
    return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  });
  return {.id = number(one.id),
          .timestamp_ms = one.at_ms,
          .level = level,
          .category = "Log Message",
          .message = one.text,
          .group_id = one.group_id,
          .group_name = flow_name,
          .group_path = flow_name,
          .source_id = one.component_id,
          .source_name = one.component};
}

std::string text_or_base64(const std::string& bytes) {
  return is_utf8(bytes) ? bytes : "base64:" + to_base64(bytes);
}

// A long value is cut; one that holds a value of a sensitive parameter is not shown.
std::string shown_value(const StateEntry& entry, const std::vector<std::string>& secrets) {
  const bool is_secret =
      std::any_of(secrets.begin(), secrets.end(), [&entry](const std::string& secret) {
        return secret.size() >= kSecretMin && entry.value.find(secret) != std::string::npos;
      });
  if (is_secret) return "***";
  if (entry.value.size() == entry.size) return text_or_base64(entry.value);
  std::string begin = entry.value;
  for (int cut = 0; cut < 3 && !is_utf8(begin) && !begin.empty(); ++cut) begin.pop_back();
  return text_or_base64(is_utf8(begin) ? begin : entry.value) + " … (" + size_text(entry.size) +
         ")";
}

}  // namespace

HubControl::HubControl(Engine& engine, ParameterValues parameters, ProviderAllowance providers,
                       std::function<void(const std::string&)> on_running,
                       std::function<void()> on_restart)
    : engine_(engine),
      parameters_(std::move(parameters)),
      providers_(std::move(providers)),
      on_running_(std::move(on_running)),
      on_restart_(std::move(on_restart)),
      manifest_hash_(runnel::manifest_hash(manifest())) {}

std::string HubControl::manifest_json() { return to_json(manifest()); }

Result<std::vector<std::string>> HubControl::apply_flow(const DeliveredFlow& flow) {
  FlowReading reading = read_flow(
      flow.text,
      {.file = "the hub's flow",
       .parameters = parameters_,
       .provide = [this](const ParameterProvider& one) { return providers_.provide(one); },
       .may_give_others = true},
      component_specs());
  try_to_make(reading);
  if (!reading.ok()) return invalid(text_of(reading.complaints));
  for (const Complaint& one : reading.complaints) log_warn("agent", text_of(one), {});
  reading.flow->id = flow.id;
  reading.flow->version = flow.version;
  const std::string name = reading.flow->name;
  TRY(engine_.flow() == nullptr ? engine_.start(std::move(reading.flow))
                                : engine_.update(std::move(reading.flow)));
  on_running_(name);
  std::vector<std::string> not_started;
  for (const ProcessorStatus& one : engine_.status().processors) {
    if (one.state == RunState::kStarting || one.state == RunState::kFailed)
      not_started.push_back("`" + one.path + "`: " + one.last_error);
  }
  return not_started;
}

Result<std::string> HubControl::run_processor_once(std::string_view which) {
  TRY_ASSIGN(all, engine_.run_once(which));
  std::string text;
  for (const RanOnce& one : all) {
    if (!one.error.empty()) return invalid("`" + one.path + "` has run once: " + one.error);
    text += (text.empty() ? "" : "; ") + one.path +
            " has run once: " + counted(one.in_count, "FlowFile") + " in, " +
            std::to_string(one.out_count) + " out";
  }
  return text;
}

Result<Remembered> HubControl::remembered(const std::vector<std::string>& components) {
  std::vector<std::string> which = components;
  if (which.empty()) {
    for (const ComponentState& one : engine_.states()) which.push_back(one.id);
  }
  const auto flow = engine_.flow();
  const std::vector<std::string> secrets = flow ? flow->secrets : std::vector<std::string>{};
  Remembered out;
  std::size_t bytes = 0;
  for (const std::string& one : which) {
    const auto view = engine_.state_of(one, c2::Limits::kMemoryKeys);
    if (!view.ok() && components.empty()) continue;  // it has been cleared meanwhile
    TRY(view);
    c2::ComponentMemory memory{.id = view->component.id};
    for (const StateEntry& entry : view->entries) {
      if (bytes + entry.key.size() + entry.value.size() > Remembered::kBytesMax) break;
      bytes += entry.key.size() + entry.value.size();
      memory.values.emplace_back(text_or_base64(entry.key), shown_value(entry, secrets));
    }
    out.left_out += view->component.key_count - memory.values.size();
    if (!memory.values.empty()) out.components.push_back(std::move(memory));
  }
  return out;
}

AgentFigures HubControl::figures() {
  AgentFigures out = figures_of(engine_.status(), engine_.bulletins());
  if (const auto flow = engine_.flow()) out.runnel.flow_sha256 = flow->source_sha256;
  return out;
}

AgentFigures figures_of(const Status& status, const std::vector<Bulletin>& bulletins) {
  AgentFigures out;
  out.flow.run_status =
      status.state == FlowState::kRunning ? c2::RunStatus::kRunning : c2::RunStatus::kStopped;
  for (const ConnectionStatus& one : status.connections) {
    out.flow.queues.push_back({.id = one.id,
                               .name = one.name,
                               .size = number(one.count),
                               .size_max = number(one.count_max),
                               .data_size = number(one.bytes),
                               .data_size_max = number(one.bytes_max)});
    out.runnel.queues.push_back({.id = one.id,
                                 .age_ms_max = one.oldest_age_ms,
                                 .is_full = one.is_full,
                                 .is_parked = one.is_parked});
  }
  for (const ProcessorStatus& one : status.processors) {
    out.flow.processors.push_back(processor_of(one));
    out.runnel.processors.push_back(detail_of(one, status.at_ms));
    out.components.push_back(
        {.name = one.path, .uuid = one.id, .is_running = run_state_word(one.state) == "running"});
  }
  for (const ServiceStatus& one : status.services) {
    out.runnel.services.push_back(detail_of(one));
    // By its name, as C2 has it; of two of one name the processor counts.
    out.components.push_back(
        {.name = one.path, .uuid = one.id, .is_running = one.state == ServiceState::kRunning});
  }
  const std::size_t first = bulletins.size() - std::min(bulletins.size(), kBulletinsMax);
  for (std::size_t i = first; i < bulletins.size(); ++i)
    if (status.at_ms - bulletins[i].at_ms < kRecentMs)
      out.flow.bulletins.push_back(bulletin_of(bulletins[i], status.flow_name));

  const HealthVerdict health = health_of(status);
  out.runnel.flow_name = status.flow_name;
  out.runnel.flow_version = status.flow_version;
  out.runnel.flow_started_ms = status.started_ms;
  out.runnel.health = health_word(health.word);
  out.runnel.health_reason = health.reason;
  out.runnel.ledger = {.in = number(status.loss.in),
                       .out = number(status.loss.out),
                       .queued = number(status.loss.queued),
                       .dropped_expired = number(status.loss.expired),
                       .dropped_evicted = number(status.loss.evicted),
                       .dropped_auto_terminated = number(status.loss.terminated),
                       .dropped_removed = number(status.loss.removed),
                       .dropped_quarantined = number(status.loss.quarantined)};
  out.runnel.traffic = traffic_of(status);
  out.runnel.disk_used_bytes = number(status.ledger.database_bytes + status.ledger.content_bytes);
  return out;
}

}  // namespace runnel
