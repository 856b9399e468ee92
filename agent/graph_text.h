// A flow's graph as text that draws itself: Mermaid (in Markdown, on GitHub) and DOT (Graphviz).

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/admin/status_json.h"

namespace runnel {

enum class GraphFormat { kMermaid, kDot };

// `graph` is what agent/flow/graph.h says. `status` is that of the agent that runs it (queues and
// states are shown), or null. Groups are subgraphs; every text of the flow is escaped.
std::string graph_text(const StatusJson& graph, const StatusJson& status, GraphFormat format);

}  // namespace runnel
