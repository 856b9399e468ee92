// Topology: what a flow becomes when it runs: queues, and a plan for each node.
//
// Ports and funnels are nodes that pass on what they get. An output that closes a cycle does not
// stop the node it comes from (Node::NodePlan).

#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/flow/model.h"
#include "agent/runtime/flow_services.h"
#include "agent/runtime/group_gates.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/node.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct PlannedQueue {
  const Connection* connection = nullptr;
  Queue* queue = nullptr;
};

struct Topology {
  std::vector<NodePlan> plans;       // in the order of the flow
  std::vector<PlannedQueue> queues;  // in the order of the flow
};

QueueSpec queue_spec_of(const Connection& connection);

// Attaches the queues of connections that the ledger does not run yet; existing ones are taken from
// `known` (by id). kInvalid: an unknown type; the flow has passed its other checks.
Result<Topology> plan_flow(const Flow& flow, std::span<const ProcessorType> types,
                           const FlowServices& services, const GroupGates& gates, Ledger& ledger,
                           const std::map<std::string, Queue*, std::less<>>& known);

}  // namespace runnel
