// The REST routes of deployments, events and the overview.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/name.h"
#include "agent/base/words.h"
#include "hub/fleet/agent_json.h"
#include "hub/fleet/rest.h"

namespace runnel::hub {
namespace {

struct DeployWish {
  std::string agent_class;
  VersionPtr version;
  std::optional<std::int64_t> agents_expected;
};

// The request's body; a Response when its flow or class cannot be.
std::optional<Response> read_wish(RestParts& parts, const Request& request, DeployWish& wish) {
  const Json body = Json::parse(request.body);
  wish.agent_class = body["class"].get<std::string>();
  if (!is_good_name(wish.agent_class)) {
    return problem(422, "invalid", "a class's name is " + std::string(kGoodName));
  }
  const auto flow = body["flow"].get<std::string>();
  const auto number = body["version"].get<std::int64_t>();
  wish.version = parts.catalog.find(flow, number);
  if (wish.version == nullptr) {
    return problem(
        404, "not-found",
        "there is no version " + std::to_string(number) + " of the flow `" + to_utf8(flow) + "`");
  }
  const auto expected = body.find("agents_expected");
  if (expected != body.end() && expected->is_number_integer())
    wish.agents_expected = expected->get<std::int64_t>();
  return std::nullopt;
}

const Counts& counts_of(const FleetSummary& summary, const std::string& agent_class) {
  static const Counts nothing;
  const auto found = summary.classes.find(agent_class);
  return found == summary.classes.end() ? nothing : found->second.counts;
}

Response preview(RestParts& parts, const Request& request) {
  DeployWish wish;
  if (auto refused = read_wish(parts, request, wish)) return std::move(*refused);
  const auto text = parts.catalog.text(wish.version);
  if (!text.ok()) return problem(text.error());
  const ReleaseCheck check = check_for_class(parts, (*text)->text, wish.agent_class);
  std::int64_t total = 0;
  std::int64_t unchanged = 0;
  std::vector<std::string> sample;
  Counts counts;
  const SteadyTime now = parts.clock.steady();
  parts.fleet.look_at_all([&](const Agent& agent) {
    if (agent.agent_class != wish.agent_class) return;
    ++total;
    ++counts.by_connectivity[static_cast<std::size_t>(connectivity_of(agent, now))];
    if (agent.reported_flow_id() == wish.version->id) {
      ++unchanged;
    } else {
      sample.push_back(agent.id);
    }
  });
  std::sort(sample.begin(), sample.end());
  if (sample.size() > 10) sample.resize(10);
  return json_response({{"as_of_ms", parts.clock.wall_ms()},
                        {"class", wish.agent_class},
                        {"flow", wish.version->flow},
                        {"version", wish.version->version},
                        {"is_deployable", check.is_valid()},
                        {"flow_current", desired_json(parts.classes.find(wish.agent_class).get())},
                        {"agents_total", total},
                        {"agents_unchanged", unchanged},
                        {"agents_by_connectivity", json_of(counts, "connectivity")},
                        {"agents_sample", sample},
                        {"complaints", json_of(check.complaints)},
                        {"manifests", json_of(check.manifests)}});
}

Response deploy(RestParts& parts, const Request& request) {
  DeployWish wish;
  if (auto refused = read_wish(parts, request, wish)) return std::move(*refused);
  parts.fleet.touch();
  const std::int64_t total = counts_of(*parts.summaries.now(), wish.agent_class).total;
  if (wish.agents_expected && *wish.agents_expected != total) {
    return problem(409, "target-changed",
                   "class `" + wish.agent_class + "` has " + counted(total, "agent") +
                       " now, not " + std::to_string(*wish.agents_expected) +
                       "; look at the preview again");
  }
  const auto text = parts.catalog.text(wish.version);
  if (!text.ok()) return problem(text.error());
  const std::string& user = request.identity.user;
  FleetEvent event;
  event.actor = user;
  event.agent_class = wish.agent_class;
  event.flow = wish.version->flow;
  event.version = wish.version->version;
  const ReleaseCheck check = check_for_class(parts, (*text)->text, wish.agent_class);
  if (!check.is_valid()) {
    std::vector<Complaint> complaints = check.complaints;
    for (const ManifestVerdict& verdict : check.manifests) {
      for (const Complaint& complaint : verdict.complaints) {
        const bool is_said =
            std::any_of(complaints.begin(), complaints.end(), [&](const Complaint& each) {
              return each.at == complaint.at && each.text == complaint.text;
            });
        if (!is_said) complaints.push_back(complaint);
      }
    }
    std::erase_if(complaints,
                  [](const Complaint& each) { return each.severity == Severity::kWarning; });
    event.kind = "flow_refused";
    event.severity = "warning";
    event.message = ref_text(*wish.version) + " was not released to class " + wish.agent_class +
                    ": " + text_of(complaints.front());
    parts.events.add(std::move(event));
    return problem(422, "invalid",
                   "class `" + wish.agent_class + "` cannot run " + ref_text(*wish.version),
                   complaints);
  }
  const auto deployed = parts.classes.deploy(wish.agent_class, wish.version, user);
  if (!deployed.ok()) return problem(deployed.error());
  parts.fleet.touch();
  event.kind = "flow_deployed";
  event.severity = "info";
  event.message = user + " deployed " + ref_text(*wish.version) + " to class " + wish.agent_class +
                  " (" + counted(total, "agent") + ")";
  parts.events.add(std::move(event));
  return json_response(deployment_json(**deployed, *parts.summaries.now(), parts.clock.wall_ms()),
                       201);
}

Response list_deployments(RestParts& parts, const Request&) {
  const SummaryPtr summary = parts.summaries.now();
  Json items = Json::array();
  for (const ClassPtr& each : parts.classes.all()) {
    if (each->desired != nullptr)
      items.push_back(deployment_json(*each, *summary, parts.clock.wall_ms()));
  }
  const std::size_t total = items.size();
  return json_response(list_json(std::move(items), total, 0, parts.clock.wall_ms()));
}

Response show_deployment(RestParts& parts, const Request& request) {
  const ClassPtr found = parts.classes.find(request.params[0]);
  if (found == nullptr || found->desired == nullptr) {
    return problem(404, "not-found", "nothing is deployed to class `" + request.params[0] + "`");
  }
  return json_response(deployment_json(*found, *parts.summaries.now(), parts.clock.wall_ms()));
}

Response list_events(RestParts& parts, const Request& request) {
  const auto page = page_of(request);
  if (!page.ok()) return problem(400, "invalid", page.error().text());
  EventQuery query;
  query.kinds = values_of(request, "kind");
  query.severities = values_of(request, "severity");
  query.agents = values_of(request, "agent");
  query.classes = values_of(request, "class");
  query.flows = values_of(request, "flow");
  query.text = request.query_value("q").value_or("");
  for (const auto& [name, into] :
       {std::pair("since", &query.since), std::pair("before", &query.before)}) {
    const auto text = request.query_value(name);
    if (!text || text->empty()) continue;
    const auto number = parse_int(*text);
    if (!number.ok() || *number < 0)
      return problem(400, "invalid", "`" + std::string(name) + "` has to be an event's id");
    *into = *number;
  }
  query.limit = page->limit + 1;  // one more, to know whether there are more
  auto events = parts.events.find(query);
  if (!events.ok()) return problem(events.error());
  const bool has_more = events->size() > page->limit;
  if (has_more) events->resize(page->limit);
  Json items = Json::array();
  for (const FleetEvent& each : *events) items.push_back(event_json(each));
  return json_response({{"as_of_ms", parts.clock.wall_ms()},
                        {"items", std::move(items)},
                        {"next_before", has_more ? Json(events->back().id) : Json(nullptr)}});
}

Json adoption_json(const FleetSummary& summary) {
  struct Row {
    std::string flow;
    std::int64_t version;
    std::int64_t agents;
  };
  std::vector<Row> rows;
  for (const auto& [flow, versions] : summary.flows) {
    for (const auto& [version, agents] : versions) rows.push_back({flow, version, agents});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.agents > b.agents; });
  Json list = Json::array();
  for (const Row& row : rows) {
    if (list.size() == 20) break;
    list.push_back({{"flow", row.flow},
                    {"version", row.version == 0 ? Json(nullptr) : Json(row.version)},
                    {"agents", row.agents}});
  }
  return list;
}

Response overview(RestParts& parts, const Request&) {
  const SummaryPtr summary = parts.summaries.now();
  const std::int64_t now = parts.clock.wall_ms();
  Json deployments = Json::array();
  for (const ClassPtr& each : parts.classes.all()) {
    if (each->desired != nullptr && deployments.size() < 100)
      deployments.push_back(deployment_json(*each, *summary, now));
  }
  EventQuery query;
  query.limit = 20;
  query.kinds = {"agent_registered", "agent_online",      "agent_offline",      "agent_restarted",
                 "flow_pushed",      "flow_deployed",     "flow_applied",       "flow_failed",
                 "flow_refused",     "operation_created", "operation_finished", "bulletin",
                 "token_created",    "token_removed",     "hub_started",        "hub_stopped"};
  const auto recent = parts.events.find(query);
  Json events = Json::array();
  if (recent.ok()) {
    for (const FleetEvent& each : *recent) events.push_back(event_json(each));
  }
  const auto online_before = parts.ticker.online_an_hour_ago();
  const std::int64_t online =
      summary->counts.by_connectivity[static_cast<std::size_t>(Connectivity::kOnline)];
  return json_response(
      {{"as_of_ms", now},
       {"agents_total", summary->counts.total},
       {"agents_by_connectivity", json_of(summary->counts, "connectivity")},
       {"agents_by_sync", json_of(summary->counts, "sync")},
       {"agents_by_health", json_of(summary->counts, "health")},
       {"agents_online_change", online_before ? Json(online - *online_before) : Json(nullptr)},
       {"in_records_per_s", summary->in_records_per_s},
       {"in_bytes_per_s", summary->in_bytes_per_s},
       {"out_records_per_s", summary->out_records_per_s},
       {"out_bytes_per_s", summary->out_bytes_per_s},
       {"queued_count", summary->queued_count},
       {"queued_bytes", summary->queued_bytes},
       {"queued_age_ms_max", or_null(summary->queued_age_ms_max)},
       {"adoption", adoption_json(*summary)},
       {"deployments", std::move(deployments)},
       {"events", std::move(events)},
       {"hub", hub_health(parts.ticker, parts.store)}});
}

}  // namespace

std::vector<Route> deployment_routes(RestParts& parts) {
  const auto bind = [&parts](Response (*handler)(RestParts&, const Request&)) {
    return [&parts, handler](const Request& request) { return handler(parts, request); };
  };
  return {
      {.method = "POST",
       .pattern = "/api/v1/deployments/preview",
       .doc = "Who a deployment would hit, and whether it may be.",
       .handler = bind(&preview),
       .body = "DeployRequest",
       .answer = "DeployPreview"},
      {.method = "POST",
       .pattern = "/api/v1/deployments",
       .access = Access::kOperator,
       .doc = "Deploys a version to a class.",
       .handler = bind(&deploy),
       .body = "DeployRequest",
       .answer = "Deployment",
       .status = 201},
      {.method = "GET",
       .pattern = "/api/v1/deployments",
       .doc = "What is deployed, by class.",
       .handler = bind(&list_deployments),
       .answer = "List<Deployment>"},
      {.method = "GET",
       .pattern = "/api/v1/deployments/{class}",
       .doc = "What is deployed to a class.",
       .handler = bind(&show_deployment),
       .answer = "Deployment"},
  };
}

std::vector<Route> event_routes(RestParts& parts) {
  return {{.method = "GET",
           .pattern = "/api/v1/events",
           .doc = "What happened, newest first.",
           .handler = [&parts](const Request& request) { return list_events(parts, request); },
           .query = "kind severity agent class flow q since before limit",
           .answer = "EventList"}};
}

std::vector<Route> overview_routes(RestParts& parts) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/overview",
       .doc = "The fleet at a glance.",
       .handler = [&parts](const Request& request) { return overview(parts, request); },
       .answer = "Overview"},
      {.method = "GET",
       .pattern = "/api/v1/overview/metrics",
       .doc = "Sums over the fleet.",
       .handler =
           [&parts](const Request& request) {
             return metrics_response(parts.history, "fleet", request, parts.clock.wall_ms(), true);
           },
       .query = "from_ms to_ms step_ms series",
       .answer = "Metrics"},
  };
}

}  // namespace runnel::hub
