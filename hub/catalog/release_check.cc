// Checks before a release.

#include "hub/catalog/release_check.h"

#include <nlohmann/json.hpp>

#include "agent/flow/check.h"
#include "agent/flow/yaml_reader.h"

namespace runnel::hub {
namespace {

std::string_view kind_of(PortKind kind) {
  return kind == PortKind::kInput ? "input_port" : "output_port";
}

Json node(const std::string& id, const std::string& name, std::string_view kind,
          const std::string& type, const Json& group) {
  return {{"id", id}, {"name", name}, {"kind", kind}, {"type", type}, {"group", group}};
}

void add_group(const ProcessGroup& group, const Json& path, Json& nodes, Json& edges) {
  for (const ProcessorNode& each : group.processors) {
    nodes.push_back(node(each.id, each.name, "processor", each.type, path));
  }
  for (const Funnel& each : group.funnels)
    nodes.push_back(node(each.id, each.name, "funnel", "", path));
  for (const auto* ports : {&group.input_ports, &group.output_ports}) {
    for (const Port& each : *ports)
      nodes.push_back(node(each.id, each.name, kind_of(each.kind), "", path));
  }
  for (const Connection& each : group.connections) {
    Json relationships = Json::array();
    for (const NamedPlace& relationship : each.relationships)
      relationships.push_back(relationship.name);
    edges.push_back({{"id", each.id},
                     {"name", each.name},
                     {"from", each.from.id},
                     {"to", each.to.id},
                     {"relationships", std::move(relationships)},
                     {"limit_count", each.back_pressure.count},
                     {"limit_bytes", each.back_pressure.bytes}});
  }
  for (const ProcessGroup& inner : group.groups) {
    Json deeper = path;
    deeper.push_back(inner.name);
    add_group(inner, deeper, nodes, edges);
  }
}

}  // namespace

bool ReleaseCheck::is_valid() const {
  if (flow == nullptr || has_error(complaints)) return false;
  for (const ManifestVerdict& verdict : manifests) {
    if (has_error(verdict.complaints)) return false;
  }
  return true;
}

ReleaseCheck check_release(const std::string& text, const std::vector<ManifestUse>& uses) {
  FlowReading reading = read_yaml(text, {.file = "flow.yaml", .parameters = {}});
  ReleaseCheck check{
      .flow = reading.flow, .complaints = std::move(reading.complaints), .manifests = {}};
  for (const ManifestUse& use : uses) {
    ManifestVerdict verdict{.use = use, .complaints = {}};
    if (!use.manifest->is_runnel()) {
      verdict.complaints.push_back(
          {.file = "flow.yaml",
           .at = {},
           .text = "agents of type `" + use.manifest->agent_type +
                   "` do not read this format; give such agents a class of their own"});
    } else if (!has_error(check.complaints)) {
      Flow named = *check.flow;
      name_relationships(named, *use.manifest->specs);
      verdict.complaints = check_flow(named, *use.manifest->specs);
    }
    check.manifests.push_back(std::move(verdict));
  }
  return check;
}

Json graph_json(const Flow& flow) {
  Json nodes = Json::array();
  Json edges = Json::array();
  add_group(flow.root, Json::array(), nodes, edges);
  return {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

Json json_of(const std::vector<ManifestVerdict>& verdicts) {
  Json list = Json::array();
  for (const ManifestVerdict& verdict : verdicts) {
    const AgentManifest& manifest = *verdict.use.manifest;
    list.push_back({{"manifest_hash", manifest.hash},
                    {"agent_type", manifest.agent_type},
                    {"agent_version",
                     manifest.agent_version.empty() ? Json(nullptr) : Json(manifest.agent_version)},
                    {"agents_total", verdict.use.agents},
                    {"complaints", json_of(verdict.complaints)}});
  }
  return list;
}

}  // namespace runnel::hub
