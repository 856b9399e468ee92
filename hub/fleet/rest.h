// The REST routes over the fleet: agents, classes, flows, deployments, events, overview.

#pragma once

#include <vector>

#include "hub/catalog/release_check.h"
#include "hub/fleet/fleet.h"
#include "hub/fleet/summary.h"
#include "hub/fleet/ticker.h"
#include "hub/http/router.h"
#include "hub/metrics/history.h"

namespace runnel::hub {

// What the handlers work on. All of it outlives the router.
struct RestParts {
  Store& store;
  Catalog& catalog;
  Classes& classes;
  Manifests& manifests;
  Events& events;
  Fleet& fleet;
  Summaries& summaries;
  History& history;
  const Ticker& ticker;
  const Clock& clock;
};

std::vector<Route> agent_routes(RestParts& parts);
std::vector<Route> class_routes(RestParts& parts);
std::vector<Route> flow_routes(RestParts& parts);
std::vector<Route> deployment_routes(RestParts& parts);
std::vector<Route> event_routes(RestParts& parts);
std::vector<Route> overview_routes(RestParts& parts);

// ---- what several of them need

struct Page {
  std::size_t offset = 0;
  std::size_t limit = 100;
};
// kInvalid for a bad offset or limit.
Result<Page> page_of(const Request& request);
// The values of a filter, separated by commas; empty: not given.
std::vector<std::string> values_of(const Request& request, std::string_view name);
Json list_json(Json items, std::size_t total, std::size_t offset, std::int64_t now_ms);
Json event_json(const FleetEvent& event);
Json deployment_json(const ClassState& state, const FleetSummary& summary, std::int64_t now_ms);
ReleaseCheck check_for_class(RestParts& parts, const std::string& text,
                             const std::string& agent_class);

}  // namespace runnel::hub
