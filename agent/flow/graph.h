// The flow as a graph for canvases: nodes and edges, as JSON.
//
//   {"flow": "…", "id": "…", "doc": "…",
//    "nodes": [{"id", "kind": "processor|input port|output port|funnel|group", "name", "path",
//               "group": id of the group it stands in, "type", "doc", "schedule", "is_stopped",
//               "properties": {name: value as written; of sensitive ones nothing},
//               "terminate": […], "retry": […], "flowfile_concurrency" and "outbound_policy" of a
//               group that lets FlowFiles in singly or in batches}],
//    "edges": [{"id", "name", "group", "from": id, "to": id, "relationships": […], "count_max",
//               "bytes_max", "when_full", "expire_ms", "order", "order_attribute"}],
//    "labels": [{"group", "text"}]}
//
// The root group is no node: what stands in it has its id as `group`, given as "root".

#pragma once

#include <span>
#include <string>

#include "agent/flow/model.h"
#include "agent/spec/component.h"

namespace runnel {

// `specs` says which properties are sensitive; properties of types that are not among them are left
// out. The same text for the same flow.
std::string graph_json(const Flow& flow, std::span<const ComponentSpec> specs);

}  // namespace runnel
