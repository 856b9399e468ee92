// graph: a flow as a drawing, from its file or as it runs.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/admin/control_client.h"
#include "agent/commands.h"
#include "agent/flow/graph.h"
#include "agent/flow_development.h"
#include "agent/flow_file.h"
#include "agent/graph_text.h"
#include "agent/hub_control.h"
#include "agent/output.h"

namespace runnel {
namespace {

int draw(const StatusJson& graph, const StatusJson& status, const std::string& format) {
  return print(
      graph_text(graph, status, format == "dot" ? GraphFormat::kDot : GraphFormat::kMermaid));
}

int draw_running(const GraphRequest& request) {
  auto client = ControlClient::connect(request.state_dir);
  if (!client.ok()) return failed(client.error());
  const auto graph = client->ask({{"command", "graph"}});
  if (!graph.ok()) return failed(graph.error());
  if (graph->is_null()) return failed(not_found("the agent runs no flow"));
  const auto status = client->ask({{"command", "status"}});
  if (!status.ok()) return failed(status.error());
  return draw(*graph, *status, request.format);
}

}  // namespace

int graph_command(const GraphRequest& request) {
  if (request.file.empty() == request.state_dir.empty()) {
    std::fprintf(stderr, "runnel-agent: graph draws FLOW, or with --state DIR what runs there\n");
    return kExitUsage;
  }
  if (!request.state_dir.empty()) return draw_running(request);
  const FlowReading reading = read_given_flow(request.file, request.parameters, FlowSource::kAny,
                                              ProvidersAre::kPerhapsElsewhere);
  if (!reading.ok()) {
    std::fputs(text_of(reading.complaints).c_str(), stderr);
    return kExitConfiguration;
  }
  return draw(StatusJson::parse(graph_json(*reading.flow, component_specs())), nullptr,
              request.format);
}

}  // namespace runnel
