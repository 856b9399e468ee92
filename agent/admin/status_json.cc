// What can be seen of a running flow, as JSON; what status_json.h promises.

#include "agent/admin/status_json.h"

#include <nlohmann/json.hpp>

#include "agent/admin/health.h"
#include "agent/base/bytes.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

// What processors and services have alike.
template <typename Component>
StatusJson component_json(const Component& one, StatusJson more) {
  StatusJson out = {{"id", one.id},     {"name", one.name},
                    {"path", one.path}, {"group_id", one.group_id},
                    {"type", one.type}, {"state", name_of(one.state)}};
  out.update(more);
  out["last_error"] = one.last_error;
  out["last_error_ms"] = one.last_error_ms;
  return out;
}

StatusJson processor_json(const ProcessorStatus& one) {
  return component_json(one, {{"in_count", one.in_count},
                              {"in_bytes", one.in_bytes},
                              {"out_count", one.out_count},
                              {"out_bytes", one.out_bytes},
                              {"made_count", one.made_count},
                              {"dropped_count", one.dropped_count},
                              {"read_bytes", one.read_bytes},
                              {"written_bytes", one.written_bytes},
                              {"invocations", one.invocations},
                              {"sessions", one.sessions},
                              {"failures", one.failures},
                              {"processing_ns", one.processing_ns},
                              {"active_tasks", one.active_tasks},
                              {"tasks_max", one.tasks_max},
                              {"in_flight", one.in_flight},
                              {"yield_left_ms", one.yield_left_ms},
                              {"back_off_left_ms", one.back_off_left_ms},
                              {"last_triggered_ms", one.last_triggered_ms}});
}

StatusJson service_json(const ServiceStatus& one) {
  return component_json(one, {{"users", one.users}});
}

StatusJson connection_json(const ConnectionStatus& one) {
  return {{"id", one.id},
          {"name", one.name},
          {"group_id", one.group_id},
          {"from_id", one.from_id},
          {"from", one.from},
          {"to_id", one.to_id},
          {"to", one.to},
          {"relationships", one.relationships},
          {"is_parked", one.is_parked},
          {"count", one.count},
          {"bytes", one.bytes},
          {"count_max", one.count_max},
          {"bytes_max", one.bytes_max},
          {"is_full", one.is_full},
          {"oldest_age_ms", one.oldest_age_ms},
          {"in_count", one.in_count},
          {"in_bytes", one.in_bytes},
          {"out_count", one.out_count},
          {"out_bytes", one.out_bytes}};
}

StatusJson group_json(const GroupStatus& one) {
  return {{"id", one.id},
          {"name", one.name},
          {"path", one.path},
          {"flowfile_concurrency", one.flowfile_concurrency},
          {"outbound_policy", one.outbound_policy},
          {"inside_count", one.inside_count},
          {"at_output_count", one.at_output_count},
          {"is_taking_in", one.is_taking_in},
          {"is_letting_out", one.is_letting_out}};
}

StatusJson loss_json(const LossFigures& loss) {
  return {{"in", loss.in},
          {"out", loss.out},
          {"queued", loss.queued},
          {"dropped_expired", loss.expired},
          {"dropped_evicted", loss.evicted},
          {"dropped_auto_terminated", loss.terminated},
          {"dropped_removed", loss.removed},
          {"dropped_quarantined", loss.quarantined},
          {"is_balanced", loss.is_balanced()}};
}

StatusJson drop_json(const DropExtent& drop) {
  return {{"reason", drop.reason},   {"count", drop.count},       {"first_id", drop.first_id},
          {"last_id", drop.last_id}, {"first_ms", drop.first_ms}, {"last_ms", drop.last_ms}};
}

StatusJson ledger_json(const LedgerStatus& ledger) {
  return {{"is_healthy", ledger.is_healthy},
          {"trouble", ledger.trouble},
          {"written_bytes", ledger.written_bytes},
          {"written_bytes_per_day", ledger.written_bytes_per_day},
          {"accepted_bytes", ledger.accepted_bytes},
          {"writes", ledger.writes},
          {"unsafe_count", ledger.unsafe_count},
          {"database_bytes", ledger.database_bytes},
          {"content_bytes", ledger.content_bytes},
          {"disk_quota_bytes", ledger.disk_quota_bytes},
          {"memory_bytes", ledger.memory_bytes},
          {"memory_budget_bytes", ledger.memory_budget_bytes}};
}

template <typename Ranges>
StatusJson ranges_json(const Ranges& ranges) {
  StatusJson out = StatusJson::array();
  for (const auto& [first, last] : ranges) out.push_back(StatusJson::array({first, last}));
  return out;
}

}  // namespace

StatusJson status_json(const Status& status) {
  const HealthVerdict health = health_of(status);
  StatusJson out = {{"agent_id", status.agent_id},    {"flow_name", status.flow_name},
                    {"flow_id", status.flow_id},      {"flow_version", status.flow_version},
                    {"state", name_of(status.state)}, {"health", name_of(health.word)},
                    {"health_reason", health.reason}, {"at_ms", status.at_ms},
                    {"started_ms", status.started_ms}};
  out["loss"] = loss_json(status.loss);
  out["drops"] = StatusJson::array();
  for (const DropExtent& one : status.drops) out["drops"].push_back(drop_json(one));
  out["ledger"] = ledger_json(status.ledger);
  StatusJson processors = StatusJson::array();
  for (const ProcessorStatus& one : status.processors) processors.push_back(processor_json(one));
  out["processors"] = std::move(processors);
  StatusJson services = StatusJson::array();
  for (const ServiceStatus& one : status.services) services.push_back(service_json(one));
  out["services"] = std::move(services);
  StatusJson connections = StatusJson::array();
  for (const ConnectionStatus& one : status.connections)
    connections.push_back(connection_json(one));
  out["connections"] = std::move(connections);
  out["groups"] = StatusJson::array();
  for (const GroupStatus& one : status.groups) out["groups"].push_back(group_json(one));
  return out;
}

StatusJson bulletin_json(const Bulletin& one) {
  return {{"id", one.id},
          {"at_ms", one.at_ms},
          {"level", name_of(one.level)},
          {"component_id", one.component_id},
          {"component", one.component},
          {"type", one.type},
          {"group_id", one.group_id},
          {"text", one.text},
          {"left_out", one.left_out}};
}

StatusJson event_json(const ProvenanceEvent& one) {
  StatusJson out = {{"id", one.id},
                    {"at_ms", one.at_ms},
                    {"kind", name_of(one.kind)},
                    {"component_id", one.component_id},
                    {"component", one.component},
                    {"type", one.type}};
  out["flowfiles"] = ranges_json(one.flowfiles);
  out["count"] = one.count;
  out["parents"] = ranges_json(one.parents);
  out["relationship"] = one.relationship;
  out["uri"] = one.uri;
  out["details"] = one.details;
  out["alternate_id"] = one.alternate_id;
  return out;
}

StatusJson answer_json(const ProvenanceAnswer& answer) {
  StatusJson events = StatusJson::array();
  for (const ProvenanceEvent& one : answer.events) events.push_back(event_json(one));
  return {{"events", std::move(events)},
          {"is_cut", answer.is_cut},
          {"damaged_blocks", answer.damaged_blocks}};
}

namespace {

StatusJson bonds_json(const std::vector<ProvenanceLineage::Bond>& bonds) {
  StatusJson out = StatusJson::array();
  for (const ProvenanceLineage::Bond& one : bonds) {
    out.push_back({{"parent", one.parent},
                   {"child", one.child},
                   {"kind", name_of(one.kind)},
                   {"at_ms", one.at_ms},
                   {"component_id", one.component_id},
                   {"component", one.component},
                   {"event_id", one.event_id}});
  }
  return out;
}

StatusJson counts_json(const std::map<std::uint64_t, std::uint64_t>& counts) {
  StatusJson out = StatusJson::object();
  for (const auto& [id, count] : counts) out[std::to_string(id)] = count;
  return out;
}

}  // namespace

StatusJson lineage_json(const ProvenanceLineage& lineage) {
  StatusJson out = {{"flowfile", lineage.flowfile}};
  std::map<std::uint64_t, const ProvenanceEvent*> flowfiles{{lineage.flowfile, nullptr}};
  for (const auto& one : lineage.ancestry) flowfiles[one.parent] = nullptr;
  for (const auto& one : lineage.descent) flowfiles[one.child] = nullptr;
  for (const auto& [id, event] : lineage.last_events) flowfiles[id] = &event;
  StatusJson list = StatusJson::array();
  for (const auto& [id, event] : flowfiles) {
    list.push_back({{"id", id},
                    {"uuid", flowfile_uuid(lineage.agent_id, id)},
                    {"last_event", event ? event_json(*event) : StatusJson()}});
  }
  out["flowfiles"] = std::move(list);
  out["ancestry"] = bonds_json(lineage.ancestry);
  out["descent"] = bonds_json(lineage.descent);
  out["parents_left_out"] = counts_json(lineage.parents_left_out);
  out["children_left_out"] = counts_json(lineage.children_left_out);
  out["is_cut"] = lineage.is_cut;
  out["damaged_blocks"] = lineage.damaged_blocks;
  return out;
}

StatusJson ran_json(const std::vector<RanOnce>& all) {
  StatusJson ran = StatusJson::array();
  for (const RanOnce& one : all) {
    ran.push_back({{"id", one.id},
                   {"path", one.path},
                   {"in_count", one.in_count},
                   {"out_count", one.out_count},
                   {"made_count", one.made_count},
                   {"dropped_count", one.dropped_count},
                   {"unanswered_count", one.unanswered_count},
                   {"error", one.error}});
  }
  StatusJson out = StatusJson::object();
  out["ran"] = std::move(ran);
  return out;
}

StatusJson replay_json(const ReplayAnswer& answer) {
  StatusJson replayed = StatusJson::array();
  for (const ReplayAnswer::Replayed& one : answer.replayed) {
    replayed.push_back({{"flowfile", one.flowfile},
                        {"replayed_as", one.replayed_as},
                        {"connection", one.connection},
                        {"ended_ms", one.ended_ms}});
  }
  StatusJson refused = StatusJson::array();
  for (const ReplayAnswer::Refused& one : answer.refused)
    refused.push_back({{"first", one.first}, {"last", one.last}, {"reason", one.reason}});
  StatusJson out = {{"replayed_count", answer.replayed_count},
                    {"refused_count", answer.refused_count},
                    {"damaged_blocks", answer.damaged_blocks}};
  out["replayed"] = std::move(replayed);
  out["refused"] = std::move(refused);
  return out;
}

StatusJson flowfile_json(const QueuedFlowFile& one) {
  // Its names differ: to look for each among those before it takes seconds where there are 10,000.
  StatusJson::object_t attributes;
  for (const auto& [name, value] : one.attributes) attributes.emplace_back(name, value);
  StatusJson out = {{"id", one.id},
                    {"uuid", one.uuid},
                    {"size", one.size},
                    {"entry_ms", one.entry_ms},
                    {"lineage_start_ms", one.lineage_start_ms},
                    {"queued_ms", one.queued_ms},
                    {"is_penalized", one.is_penalized},
                    {"is_taken", one.is_taken}};
  out["attributes"] = std::move(attributes);
  return out;
}

namespace {

struct BytesNames {
  const char* text;
  const char* base64;  // of what is no text
};

void put_bytes(StatusJson& out, BytesNames names, std::string_view bytes, bool is_cut = false) {
  // What is cut may end inside a character: up to three bytes of it do not make it binary.
  std::size_t whole = bytes.size();
  for (std::size_t cut = 0; is_cut && cut < 4 && cut < bytes.size(); ++cut) {
    if (!is_utf8(bytes.substr(0, bytes.size() - cut))) continue;
    whole = bytes.size() - cut;
    break;
  }
  const std::string_view text = bytes.substr(0, whole);
  if (is_utf8(text)) {
    out[names.text] = text;
  } else {
    out[names.base64] = to_base64(bytes);
  }
}

}  // namespace

StatusJson flowfile_json(const PeekedFlowFile& one) {
  StatusJson out = flowfile_json(one.flowfile);
  put_bytes(out, {"text", "base64"}, one.content, one.is_cut);
  out["is_cut"] = one.is_cut;
  return out;
}

StatusJson state_json(const ComponentState& one) {
  return {{"id", one.id},
          {"path", one.path},
          {"is_removed", one.path.empty()},
          {"key_count", one.key_count},
          {"bytes", one.bytes}};
}

StatusJson state_json(const StateView& view) {
  StatusJson entries = StatusJson::array();
  for (const StateEntry& one : view.entries) {
    const bool is_cut = one.value.size() < one.size;
    StatusJson entry = StatusJson::object();
    put_bytes(entry, {"key", "key_base64"}, one.key);
    put_bytes(entry, {"value", "value_base64"}, one.value, is_cut);
    entry["size"] = one.size;
    entry["is_cut"] = is_cut;
    entries.push_back(std::move(entry));
  }
  StatusJson out = state_json(view.component);
  out["entries"] = std::move(entries);
  return out;
}

std::string line_of(const StatusJson& json) {
  return json.dump(-1, ' ', false, StatusJson::error_handler_t::replace) + "\n";
}

}  // namespace runnel
