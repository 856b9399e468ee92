// Provenance of a running engine: opening it, and asking it.

#include <algorithm>

#include "agent/runtime/engine_core.h"

namespace runnel {
namespace {

constexpr const char* kNone = "no provenance is kept; see the bulletins and `provenance_size`";

}  // namespace

Result<> EngineCore::open_provenance() {
  if (options_.provenance.bytes_max == 0) return {};
  ProvenanceLog::Options options = options_.provenance;
  options.opened_ms = clock_.wall_ms();
  TRY_ASSIGN(
      log, ProvenanceLog::open(std::move(options), ledger_->provenance_shelf(), ledger_->mutex()));
  provenance_ = std::move(log);
  ledger_->set_provenance(provenance_.get());
  return {};
}

// One of an earlier flow is known by its id alone.
std::string EngineCore::path_of(const std::string& component_id) const {
  const auto now = running();
  if (!now) return component_id;
  if (const std::shared_ptr<Node>* node = now->find(component_id))
    return (*node)->plan().model.path;
  const PlannedQueue* const queue = planned_queue(*now, component_id);
  return queue ? queue->connection->name : component_id;
}

void EngineCore::name_component(ProvenanceEvent& event, const Running* now) const {
  event.component = path_of(event.component_id);
  const std::shared_ptr<Node>* const node =
      now == nullptr ? nullptr : now->find(event.component_id);
  if (node != nullptr) event.type = (*node)->plan().model.type;
}

// Those whose id, path or name it is; none: all are meant.
std::vector<std::string> EngineCore::components_of(std::string_view which) const {
  std::vector<std::string> ids;
  if (which.empty()) return ids;
  if (const auto now = running()) {
    for (const std::shared_ptr<Node>& node : now->nodes) {
      const ProcessorNode& model = node->plan().model;
      if (model.id == which || model.path == which || model.name == which) ids.push_back(model.id);
    }
  }
  if (ids.empty()) ids.emplace_back(which);
  return ids;
}

Result<ProvenanceAnswer> EngineCore::provenance(const ProvenanceQuery& asked) const {
  if (!provenance_) return unavailable(kNone);
  ProvenanceQuery query = asked;
  // A FlowFile whose file name was never set has its uuid for one.
  std::erase_if(query.attributes, [&](const auto& attribute) {
    if (attribute.first != "uuid" && attribute.first != "filename") return false;
    const Result<std::uint64_t> flowfile = flowfile_of(attribute.second);
    if (flowfile.ok() && !query.flowfile) query.flowfile = *flowfile;
    return flowfile.ok() && query.flowfile == *flowfile;
  });
  TRY_ASSIGN(answer, provenance_->query(query, components_of(query.component)));
  const auto now = running();
  for (ProvenanceEvent& event : answer.events) name_component(event, now.get());
  // Nothing was found because nothing was recorded: that is another answer.
  const std::vector<std::string>& recorded = provenance_->marked_attributes();
  for (const auto& [name, value] : query.attributes) {
    if (!answer.events.empty()) break;
    if (std::find(recorded.begin(), recorded.end(), name) == recorded.end()) {
      return invalid("values of the attribute `" + name +
                     "` are not recorded; name it in `provenance_attributes`");
    }
  }
  return answer;
}

Result<ProvenanceLineage> EngineCore::lineage(std::uint64_t flowfile) const {
  if (!provenance_) return unavailable(kNone);
  TRY_ASSIGN(lineage, provenance_->lineage(flowfile));
  if (lineage.last_events.empty() && lineage.descent.empty()) {
    return not_found("provenance knows nothing of FlowFile " + std::to_string(flowfile) +
                     "; it may be too old");
  }
  lineage.agent_id = ledger_->instance_id();
  for (auto* const bonds : {&lineage.ancestry, &lineage.descent}) {
    for (ProvenanceLineage::Bond& bond : *bonds) bond.component = path_of(bond.component_id);
  }
  const auto now = running();
  for (auto& [id, event] : lineage.last_events) name_component(event, now.get());
  return lineage;
}

Result<std::uint64_t> EngineCore::flowfile_of(std::string_view uuid) const {
  const std::optional<std::uint64_t> id = flowfile_id(ledger_->instance_id(), uuid);
  if (!id) return not_found("`" + std::string(uuid) + "` is no FlowFile of this agent");
  return *id;
}

}  // namespace runnel
