// The heartbeat's `runnel` member: what a Runnel agent says beyond C2. PROTOCOL.md has its table.

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/c2/heartbeat_json.h"

namespace runnel::c2 {
namespace {

constexpr std::array<std::pair<Health, std::string_view>, 5> kHealths{
    {{Health::kUnknown, "unknown"},
     {Health::kOk, "ok"},
     {Health::kDegraded, "degraded"},
     {Health::kBackPressure, "back_pressure"},
     {Health::kStopped, "stopped"}}};

constexpr std::array<std::pair<UpdateState, std::string_view>, 4> kUpdateStates{
    {{UpdateState::kNone, "none"},
     {UpdateState::kApplying, "applying"},
     {UpdateState::kApplied, "applied"},
     {UpdateState::kFailed, "failed"}}};

template <typename E, std::size_t N>
E enum_of(const std::array<std::pair<E, std::string_view>, N>& names, std::string_view text) {
  for (const auto& [value, name] : names)
    if (name == text) return value;
  return names[0].first;
}

// The members of numbers, each said once for both directions.
constexpr std::array<std::pair<const char*, std::int64_t LossLedger::*>, 8> kLedger{
    {{"in", &LossLedger::in},
     {"out", &LossLedger::out},
     {"queued", &LossLedger::queued},
     {"dropped_expired", &LossLedger::dropped_expired},
     {"dropped_evicted", &LossLedger::dropped_evicted},
     {"dropped_auto_terminated", &LossLedger::dropped_auto_terminated},
     {"dropped_removed", &LossLedger::dropped_removed},
     {"dropped_quarantined", &LossLedger::dropped_quarantined}}};

constexpr std::array<std::pair<const char*, std::int64_t Traffic::*>, 4> kTraffic{
    {{"in_records", &Traffic::in_records},
     {"in_bytes", &Traffic::in_bytes},
     {"out_records", &Traffic::out_records},
     {"out_bytes", &Traffic::out_bytes}}};

constexpr std::array<std::pair<const char*, std::optional<std::int64_t> RunnelInfo::*>, 4> kHost{
    {{"disk_used_bytes", &RunnelInfo::disk_used_bytes},
     {"disk_total_bytes", &RunnelInfo::disk_total_bytes},
     {"disk_free_bytes", &RunnelInfo::disk_free_bytes},
     {"host_uptime_ms", &RunnelInfo::host_uptime_ms}}};

template <typename T, std::size_t N>
OrderedJson numbers_json(const std::array<std::pair<const char*, std::int64_t T::*>, N>& members,
                         const T& from) {
  OrderedJson out = OrderedJson::object();
  for (const auto& [name, where] : members) out[name] = from.*where;
  return out;
}

template <typename T, std::size_t N>
T read_numbers(const std::array<std::pair<const char*, std::int64_t T::*>, N>& members,
               const Json* json) {
  T out;
  if (json == nullptr) return out;
  for (const auto& [name, where] : members) out.*where = integer_member(*json, name).value_or(0);
  return out;
}

OrderedJson queue_json(const QueueDetail& one) {
  OrderedJson out = {{"id", one.id}, {"age_ms_max", one.age_ms_max}};
  if (one.is_full) out["is_full"] = true;
  if (one.is_parked) out["is_parked"] = true;
  return out;
}

OrderedJson processor_json(const ProcessorDetail& one) {
  OrderedJson out = {{"id", one.id}, {"name", one.name}, {"type", one.type}};
  put_text(out, "run_state", one.run_state);
  if (one.errors_total != 0) out["errors_total"] = one.errors_total;
  put_text(out, "error", one.error);
  return out;
}

OrderedJson service_json(const ServiceDetail& one) {
  OrderedJson out = {{"id", one.id}, {"name", one.name}, {"type", one.type}};
  put_text(out, "state", one.state);
  out["users"] = one.users;
  put_text(out, "error", one.error);
  return out;
}

std::vector<ServiceDetail> read_services(const Json* services) {
  std::vector<ServiceDetail> out;
  if (services == nullptr) return out;
  for (const Json& one : *services) {
    if (out.size() == Limits::kList) break;
    out.push_back({.id = text_member(one, "id"),
                   .name = text_member(one, "name"),
                   .type = text_member(one, "type"),
                   .state = text_member(one, "state"),
                   .users = integer_member(one, "users").value_or(0),
                   .error = text_member(one, "error")});
  }
  return out;
}

}  // namespace

std::string_view name_of(Health health) {
  return kHealths[static_cast<std::size_t>(health)].second;
}
std::string_view name_of(UpdateState state) {
  return kUpdateStates[static_cast<std::size_t>(state)].second;
}

OrderedJson runnel_json(const RunnelInfo& info) {
  OrderedJson out = OrderedJson::object();
  out["boot"] = info.boot;
  out["sequence"] = info.sequence;
  out["interval_ms"] = info.interval_ms;
  if (!info.flow_name.empty()) {
    OrderedJson flow = {{"name", info.flow_name}};
    put_text(flow, "version", info.flow_version);
    put_text(flow, "sha256", info.flow_sha256);
    flow["started_ms"] = info.flow_started_ms;
    out["flow"] = std::move(flow);
  }
  out["health"] = {{"state", name_of(info.health)}};
  put_text(out["health"], "reason", info.health_reason);
  if (info.update.state != UpdateState::kNone) {
    out["update"] = {{"state", name_of(info.update.state)}, {"flow_id", info.update.flow_id}};
    put_text(out["update"], "reason", info.update.reason);
  }
  out["ledger"] = numbers_json(kLedger, info.ledger);
  out["traffic"] = numbers_json(kTraffic, info.traffic);
  OrderedJson queues = OrderedJson::array();
  for (const QueueDetail& one : info.queues) queues.push_back(queue_json(one));
  out["queues"] = std::move(queues);
  OrderedJson processors = OrderedJson::array();
  for (const ProcessorDetail& one : info.processors) processors.push_back(processor_json(one));
  out["processors"] = std::move(processors);
  if (!info.services.empty()) {
    OrderedJson services = OrderedJson::array();
    for (const ServiceDetail& one : info.services) services.push_back(service_json(one));
    out["services"] = std::move(services);
  }
  for (const auto& [name, where] : kHost) put(out, name, info.*where);
  return out;
}

RunnelInfo read_runnel(const Json& json) {
  RunnelInfo out;
  out.boot = text_member(json, "boot");
  out.sequence = integer_member(json, "sequence").value_or(0);
  out.interval_ms = integer_member(json, "interval_ms").value_or(0);
  if (const Json* flow = object_member(json, "flow")) {
    out.flow_name = text_member(*flow, "name");
    out.flow_version = text_member(*flow, "version");
    out.flow_sha256 = text_member(*flow, "sha256");
    out.flow_started_ms = integer_member(*flow, "started_ms").value_or(0);
  }
  if (const Json* health = object_member(json, "health")) {
    out.health = enum_of(kHealths, text_member(*health, "state"));
    out.health_reason = text_member(*health, "reason");
  }
  if (const Json* update = object_member(json, "update")) {
    out.update.state = enum_of(kUpdateStates, text_member(*update, "state"));
    out.update.flow_id = text_member(*update, "flow_id");
    out.update.reason = text_member(*update, "reason");
  }
  out.ledger = read_numbers(kLedger, object_member(json, "ledger"));
  out.traffic = read_numbers(kTraffic, object_member(json, "traffic"));
  if (const Json* queues = list_member(json, "queues")) {
    for (const Json& one : *queues) {
      if (out.queues.size() == Limits::kList) break;
      out.queues.push_back({.id = text_member(one, "id"),
                            .age_ms_max = integer_member(one, "age_ms_max").value_or(0),
                            .is_full = boolean_member(one, "is_full").value_or(false),
                            .is_parked = boolean_member(one, "is_parked").value_or(false)});
    }
  }
  if (const Json* processors = list_member(json, "processors")) {
    for (const Json& one : *processors) {
      if (out.processors.size() == Limits::kList) break;
      out.processors.push_back({.id = text_member(one, "id"),
                                .name = text_member(one, "name"),
                                .type = text_member(one, "type"),
                                .run_state = text_member(one, "run_state"),
                                .errors_total = integer_member(one, "errors_total").value_or(0),
                                .error = text_member(one, "error")});
    }
  }
  out.services = read_services(list_member(json, "services"));
  for (const auto& [name, where] : kHost) out.*where = integer_member(json, name);
  return out;
}

}  // namespace runnel::c2
