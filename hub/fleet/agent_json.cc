// Agents as JSON.

#include "hub/fleet/agent_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/bytes.h"
#include "hub/catalog/release_check.h"

namespace runnel::hub {
namespace {

constexpr std::int64_t kErrorShownMs = 5 * 60'000;

Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(std::round(*value * 1000) / 1000) : Json(nullptr);
}

// C2 says 0…1, of all cores; negative: not known.
Json percent(const std::optional<double>& part) {
  return part && *part >= 0 ? number(*part * 100) : Json(nullptr);
}

std::string severity_of(const std::string& level) {
  if (equal_ignoring_case(level, "ERROR")) return "error";
  return equal_ignoring_case(level, "WARN") || equal_ignoring_case(level, "WARNING") ? "warning"
                                                                                     : "info";
}

std::string run_state_of(const std::string& said, c2::RunStatus status) {
  for (const std::string_view known : {"running", "stopped", "starting", "stopping", "invalid"}) {
    if (equal_ignoring_case(said, known)) return std::string(known);
  }
  if (status == c2::RunStatus::kRunning) return "running";
  return status == c2::RunStatus::kStopped ? "stopped" : "unknown";
}

Json device_json(const Agent& agent) {
  const c2::SystemInfo& system = agent.last.device.system;
  const c2::NetworkInfo& network = agent.last.device.network;
  const auto& runnel = agent.last.runnel;
  const auto uptime = runnel ? runnel->host_uptime_ms : std::nullopt;
  const auto& agent_uptime = agent.last.agent.status.uptime_ms;
  return {{"hostname", text_or_null(network.hostname)},
          {"ip", text_or_null(network.ip_address)},
          {"os", text_or_null(system.operating_system)},
          {"arch", text_or_null(system.machine_arch)},
          {"cpu_count", or_null(system.v_cores)},
          {"cpu_percent", percent(system.cpu_utilization)},
          {"memory_total_bytes", or_null(system.physical_mem)},
          {"memory_used_bytes", or_null(system.memory_usage)},
          {"disk_total_bytes", runnel ? or_null(runnel->disk_total_bytes) : Json(nullptr)},
          {"disk_free_bytes", runnel ? or_null(runnel->disk_free_bytes) : Json(nullptr)},
          {"uptime_ms", or_null(uptime)},
          {"agent_started_ms", agent_uptime ? Json(agent.seen_ms - *agent_uptime) : Json(nullptr)}};
}

// What was told, by the ids of what it is about.
template <typename Detail>
std::unordered_map<std::string_view, const Detail*> by_id(const std::vector<Detail>& details) {
  std::unordered_map<std::string_view, const Detail*> found;
  for (const Detail& each : details) found[each.id] = &each;
  return found;
}

template <typename Detail>
const Detail* find(const std::unordered_map<std::string_view, const Detail*>& all,
                   const std::string& id) {
  const auto found = all.find(id);
  return found == all.end() ? nullptr : found->second;
}

// The newest error of a component, while it is young.
Json error_of(const Agent& agent, const std::string& id) {
  for (auto bulletin = agent.bulletins.rbegin(); bulletin != agent.bulletins.rend(); ++bulletin) {
    if (bulletin->source_id == id && severity_of(bulletin->level) == "error" &&
        agent.seen_ms - bulletin->timestamp_ms < kErrorShownMs) {
      return bulletin->message;
    }
  }
  return nullptr;
}

Json processors_json(const Agent& agent, const Flow* flow) {
  Json list = Json::array();
  std::unordered_map<std::string_view, const c2::ProcessorDetail*> details;
  if (agent.last.runnel) details = by_id(agent.last.runnel->processors);
  for (const c2::ProcessorStatus& status : agent.last.flow.processors) {
    const c2::ProcessorDetail* const detail = find(details, status.id);
    const ProcessorNode* node =
        flow == nullptr || detail != nullptr ? nullptr : find_processor(*flow, status.id);
    const auto rates = agent.processor_rates.find(status.id);
    const Rates none;
    const Rates& rate = rates == agent.processor_rates.end() ? none : rates->second;
    const std::string name = detail != nullptr ? detail->name
                             : node != nullptr ? node->name
                                               : status.id;
    const std::string type = detail != nullptr ? detail->type : node != nullptr ? node->type : "";
    Json error = detail != nullptr && !detail->error.empty() ? Json(detail->error)
                                                             : error_of(agent, status.id);
    list.push_back(
        {{"id", status.id},
         {"name", name},
         {"type", type},
         {"run_state", run_state_of(detail != nullptr ? detail->run_state : "", status.run_status)},
         {"in_records_per_s", number(rate.in_records_per_s)},
         {"in_bytes_per_s", number(rate.in_bytes_per_s)},
         {"out_records_per_s", number(rate.out_records_per_s)},
         {"out_bytes_per_s", number(rate.out_bytes_per_s)},
         {"tasks_active",
          status.active_thread_count < 0 ? Json(nullptr) : Json(status.active_thread_count)},
         {"errors_total", detail == nullptr ? Json(nullptr) : Json(detail->errors_total)},
         {"error", std::move(error)}});
  }
  return list;
}

Json queues_json(const Agent& agent) {
  Json list = Json::array();
  std::unordered_map<std::string_view, const c2::QueueDetail*> details;
  if (agent.last.runnel) details = by_id(agent.last.runnel->queues);
  for (const c2::Queue& queue : agent.last.flow.queues) {
    const c2::QueueDetail* const detail = find(details, queue.id);
    const std::int64_t count = queue.size.value_or(0);
    const std::int64_t bytes = queue.data_size.value_or(0);
    const std::int64_t count_max = queue.size_max.value_or(0);
    const std::int64_t bytes_max = queue.data_size_max.value_or(0);
    const bool seems_full =
        (count_max > 0 && count >= count_max) || (bytes_max > 0 && bytes >= bytes_max);
    list.push_back({{"id", queue.id},
                    {"name", queue.name.empty() ? queue.id : queue.name},
                    {"queued_count", count},
                    {"queued_bytes", bytes},
                    {"limit_count", count_max},
                    {"limit_bytes", bytes_max},
                    {"age_ms_max", detail == nullptr ? Json(nullptr) : Json(detail->age_ms_max)},
                    {"is_full", detail == nullptr ? seems_full : detail->is_full}});
  }
  return list;
}

Json ledger_json(const Agent& agent) {
  if (!agent.last.runnel || !agent.is_heard) return nullptr;
  const c2::LossLedger& ledger = agent.last.runnel->ledger;
  return {{"in", ledger.in},
          {"out", ledger.out},
          {"queued", ledger.queued},
          {"dropped_expired", ledger.dropped_expired},
          {"dropped_evicted", ledger.dropped_evicted},
          {"dropped_auto_terminated", ledger.dropped_auto_terminated},
          {"dropped_removed", ledger.dropped_removed},
          {"dropped_quarantined", ledger.dropped_quarantined},
          {"is_balanced", ledger.is_balanced()}};
}

Json bulletins_json(const Agent& agent) {
  Json list = Json::array();
  for (auto each = agent.bulletins.rbegin(); each != agent.bulletins.rend(); ++each) {
    list.push_back({{"id", each->id},
                    {"time_ms", each->timestamp_ms},
                    {"severity", severity_of(each->level)},
                    {"component_id", text_or_null(each->source_id)},
                    {"component_name", text_or_null(each->source_name)},
                    {"message", each->message}});
  }
  return list;
}

Json supported_json(const Agent& agent) {
  Json list = Json::array();
  constexpr std::pair<std::string_view, std::string_view> kAll[] = {
      {"start", "flow"},     {"stop", "flow"},         {"start", "processor"},
      {"stop", "processor"}, {kRunOnce, "processor"},  {"clear", "connection"},
      {"restart", "agent"},  {"describe", "manifest"}, {"describe", "corecomponentstate"}};
  for (const auto& [verb, operand] : kAll) {
    if (is_supported(agent, verb, operand))
      list.push_back(std::string(verb) + "/" + std::string(operand));
  }
  return list;
}

}  // namespace

Json or_null(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::optional<std::string>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string agent_name(const Agent& agent) { return agent.id; }

Json json_of(const std::optional<FlowRef>& flow) {
  if (!flow) return nullptr;
  return {{"name", flow->name}, {"version", or_null(flow->version)}};
}

Json json_of(const WantedRun& run, bool is_of_agent) {
  if (run.state == WantedRun::State::kUnset) return nullptr;
  return {{"state", name_of(run.state)},
          {"author", run.author},
          {"asked_ms", run.asked_ms},
          {"is_of_agent", is_of_agent}};
}

Json desired_json(const ClassState* wanted) {
  if (wanted == nullptr || wanted->desired == nullptr) return nullptr;
  return {{"name", wanted->desired->flow}, {"version", wanted->desired->version}};
}

Json agent_row(const AgentView& view) {
  const Agent& agent = view.agent;
  const Judgement judgement = judge(agent, view.wanted, view.now);
  const bool is_live = agent.is_heard && judgement.connectivity != Connectivity::kOffline;
  const Rates none;
  const Rates& rates = is_live ? agent.rates : none;
  const c2::AgentStatus& status = agent.last.agent.status;
  const bool knows_queues = has_queues(agent);
  const auto& runnel = agent.last.runnel;
  return {{"id", agent.id},
          {"name", agent_name(agent)},
          {"class", agent.agent_class},
          {"hostname", text_or_null(agent.last.device.network.hostname)},
          {"connectivity", name_of(judgement.connectivity)},
          {"connectivity_reason", text_or_null(judgement.connectivity_reason)},
          {"sync", name_of(judgement.sync)},
          {"sync_reason", text_or_null(judgement.sync_reason)},
          {"health", name_of(judgement.health)},
          {"health_reason", text_or_null(judgement.health_reason)},
          {"flow_desired", desired_json(view.wanted)},
          {"flow_reported", json_of(reported_flow(agent, view.catalog))},
          {"registered_ms", agent.registered_ms},
          {"last_seen_ms", agent.seen_ms == 0 ? Json(nullptr) : Json(agent.seen_ms)},
          {"agent_type", agent_type(agent)},
          {"agent_version", text_or_null(agent_version(agent))},
          {"in_records_per_s", number(rates.in_records_per_s)},
          {"in_bytes_per_s", number(rates.in_bytes_per_s)},
          {"out_records_per_s", number(rates.out_records_per_s)},
          {"out_bytes_per_s", number(rates.out_bytes_per_s)},
          {"queued_count", knows_queues ? Json(queued_count(agent)) : Json(nullptr)},
          {"queued_bytes", knows_queues ? Json(queued_bytes(agent)) : Json(nullptr)},
          {"queued_age_ms_max", knows_queues ? or_null(queued_age_ms(agent)) : Json(nullptr)},
          {"cpu_percent", percent(status.cpu_utilization)},
          {"memory_bytes", or_null(status.memory_usage)},
          {"disk_used_bytes", runnel ? or_null(runnel->disk_used_bytes) : Json(nullptr)}};
}

Json agent_detail(const AgentView& view, const Flow* flow, std::int64_t now_ms) {
  const Agent& agent = view.agent;
  const auto& runnel = agent.last.runnel;
  Json json = agent_row(view);
  json["as_of_ms"] = now_ms;
  json["device"] = device_json(agent);
  json["manifest_hash"] = text_or_null(agent.manifest_hash);
  json["heartbeat_interval_ms"] = agent.interval_ms == 0 ? Json(nullptr) : Json(agent.interval_ms);
  json["flow_run_state"] = run_state_of("", agent.last.flow.run_status);
  const WantedRun& run = wanted_run(agent, view.wanted);
  json["run_wanted"] = json_of(run, &run == &agent.run);
  json["flow_sha256"] = runnel ? text_or_null(runnel->flow_sha256) : Json(nullptr);
  json["flow_started_ms"] =
      runnel && runnel->flow_started_ms > 0 ? Json(runnel->flow_started_ms) : Json(nullptr);
  json["graph"] = flow == nullptr ? Json(nullptr) : graph_json(*flow);
  json["processors"] = processors_json(agent, flow);
  json["queues"] = queues_json(agent);
  json["ledger"] = ledger_json(agent);
  json["bulletins"] = bulletins_json(agent);
  Json operations = Json::array();
  for (auto each = agent.operations.rbegin();
       each != agent.operations.rend() && operations.size() < 20; ++each) {
    operations.push_back(json_of(*each));
  }
  json["operations"] = std::move(operations);
  json["operations_supported"] = supported_json(agent);
  return json;
}

Json json_of(const Operation& operation) {
  // An update's target is shown as name@version; its id means nothing to people.
  const auto& target = operation.verb == "update" ? operation.target_name : operation.target;
  return {{"id", operation.id},
          {"agent", operation.agent},
          {"operation", operation.verb},
          {"operand", operation.operand},
          {"target", or_null(target)},
          {"target_name", or_null(operation.target_name)},
          {"state", name_of(operation.state)},
          {"detail", or_null(operation.detail)},
          {"author", operation.author},
          {"created_ms", operation.created_ms},
          {"delivered_ms", or_null(operation.delivered_ms)},
          {"finished_ms", or_null(operation.finished_ms)},
          {"expires_ms", operation.expires_ms}};
}

Json json_of(const Counts& counts, const char* axis) {
  Json json = Json::object();
  const std::string_view which = axis;
  if (which == "connectivity") {
    for (std::size_t i = 0; i < counts.by_connectivity.size(); ++i) {
      json[std::string(name_of(static_cast<Connectivity>(i)))] = counts.by_connectivity[i];
    }
  } else if (which == "sync") {
    for (std::size_t i = 0; i < counts.by_sync.size(); ++i) {
      json[std::string(name_of(static_cast<Sync>(i)))] = counts.by_sync[i];
    }
  } else {
    for (std::size_t i = 0; i < counts.by_health.size(); ++i) {
      json[std::string(name_of(static_cast<Health>(i)))] = counts.by_health[i];
    }
  }
  return json;
}

}  // namespace runnel::hub
