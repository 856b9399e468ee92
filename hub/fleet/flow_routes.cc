// The REST routes of flows and their versions.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "hub/catalog/diff.h"
#include "hub/fleet/agent_json.h"
#include "hub/fleet/rest.h"

namespace runnel::hub {
namespace {

constexpr std::size_t kTextMax = 64 * 1024 * 1024;

std::int64_t agents_of(const FleetSummary& summary, const FlowVersion& version) {
  const auto flow = summary.flows.find(version.flow);
  if (flow == summary.flows.end()) return 0;
  const auto found = flow->second.find(version.version);
  return found == flow->second.end() ? 0 : found->second;
}

Json version_row(const FlowVersion& version, const FleetSummary& summary) {
  return {{"version", version.version},
          {"author", version.author},
          {"message", version.message},
          {"created_ms", version.created_ms},
          {"sha256", version.sha256},
          {"size_bytes", version.size_bytes},
          {"agents", agents_of(summary, version)}};
}

Json flow_row(RestParts& parts, const std::string& name, const FleetSummary& summary) {
  const VersionPtr latest = parts.catalog.latest(name);
  Json classes = Json::array();
  Counts counts;
  for (const ClassPtr& each : parts.classes.all()) {
    if (each->desired == nullptr || each->desired->flow != name) continue;
    classes.push_back({{"name", each->name}, {"version", each->desired->version}});
    const auto found = summary.classes.find(each->name);
    if (found == summary.classes.end()) continue;
    for (std::size_t i = 0; i < counts.by_sync.size(); ++i)
      counts.by_sync[i] += found->second.counts.by_sync[i];
  }
  Json by_version = Json::array();
  if (const auto found = summary.flows.find(name); found != summary.flows.end()) {
    for (const auto& [version, agents] : found->second) {
      by_version.push_back(
          {{"version", version == 0 ? Json(nullptr) : Json(version)}, {"agents", agents}});
    }
  }
  return {{"name", name},
          {"version_latest", latest->version},
          {"versions_total", latest->version},
          {"author", latest->author},
          {"message", latest->message},
          {"changed_ms", latest->created_ms},
          {"classes", std::move(classes)},
          {"agents_by_sync", json_of(counts, "sync")},
          {"agents_by_version", std::move(by_version)}};
}

Response no_flow(const std::string& name) {
  return problem(404, "not-found", "there is no flow `" + name + "`");
}

// `{v}`: a number or `latest`; nullptr: there is none.
VersionPtr version_of(RestParts& parts, const std::string& flow, const std::string& version) {
  if (version == "latest") return parts.catalog.latest(flow);
  const auto number = parse_int(version);
  return number.ok() ? parts.catalog.find(flow, *number) : nullptr;
}

Response no_version(const Request& request) {
  if (request.params[1] == "latest")
    return problem(404, "not-found", "there is no flow `" + request.params[0] + "`");
  return problem(
      404, "not-found",
      "there is no version " + request.params[1] + " of the flow `" + request.params[0] + "`");
}

Response list_flows(RestParts& parts, const Request&) {
  const SummaryPtr summary = parts.summaries.now();
  Json items = Json::array();
  for (const std::string& name : parts.catalog.flows())
    items.push_back(flow_row(parts, name, *summary));
  const std::size_t total = items.size();
  return json_response(list_json(std::move(items), total, 0, parts.clock.wall_ms()));
}

Response show_flow(RestParts& parts, const Request& request) {
  const std::string& name = request.params[0];
  if (parts.catalog.latest(name) == nullptr) return no_flow(name);
  const SummaryPtr summary = parts.summaries.now();
  Json json = flow_row(parts, name, *summary);
  json["as_of_ms"] = parts.clock.wall_ms();
  auto versions = parts.catalog.versions(name);
  Json rows = Json::array();
  for (auto each = versions.rbegin(); each != versions.rend(); ++each)
    rows.push_back(version_row(**each, *summary));
  json["versions"] = std::move(rows);
  return json_response(json);
}

Response push(RestParts& parts, const Request& request) {
  const Json body = Json::parse(request.body);
  const std::string& user = request.identity.user;
  const auto pushed =
      parts.catalog.push(body["text"].get<std::string>(), body["message"].get<std::string>(), user);
  if (!pushed.ok()) return problem(pushed.error());
  if (pushed->version == nullptr) {
    FleetEvent event;
    event.kind = "flow_refused";
    event.severity = "warning";
    event.actor = user;
    event.message =
        "a flow that " + user + " pushed was refused: " + text_of(pushed->complaints.front());
    parts.events.add(std::move(event));
    return problem(422, "invalid", "the flow is not acceptable", pushed->complaints);
  }
  const FlowVersion& version = *pushed->version;
  if (pushed->is_new) {
    parts.fleet.touch();
    FleetEvent event;
    event.kind = "flow_pushed";
    event.severity = "info";
    event.actor = user;
    event.flow = version.flow;
    event.version = version.version;
    event.message = user + " pushed " + ref_text(version) +
                    (version.message.empty() ? "" : ": " + version.message);
    parts.events.add(std::move(event));
  }
  Json json = version_row(version, *parts.summaries.now());
  json["name"] = version.flow;
  json["is_new"] = pushed->is_new;
  return json_response(json, pushed->is_new ? 201 : 200);
}

Json check_json(const ReleaseCheck& check) {
  const bool is_read = check.flow != nullptr;
  return {
      {"is_valid", check.is_valid()},
      {"complaints", json_of(check.complaints)},
      {"manifests", json_of(check.manifests)},
      {"name", is_read && !check.flow->name.empty() ? Json(check.flow->name) : Json(nullptr)},
      {"graph", is_read && !has_error(check.complaints) ? graph_json(*check.flow) : Json(nullptr)}};
}

Response check_text(RestParts& parts, const Request& request) {
  const Json body = Json::parse(request.body);
  const auto found = body.find("class");
  const std::string of_class =
      found != body.end() && found->is_string() ? found->get<std::string>() : "";
  return json_response(
      check_json(check_for_class(parts, body["text"].get<std::string>(), of_class)));
}

Response show_version(RestParts& parts, const Request& request) {
  const VersionPtr version = version_of(parts, request.params[0], request.params[1]);
  if (version == nullptr) return no_version(request);
  const auto text = parts.catalog.text(version);
  if (!text.ok()) return problem(text.error());
  Json json = version_row(*version, *parts.summaries.now());
  json["name"] = version->flow;
  json["text"] = (*text)->text;
  json["graph"] = graph_json(*(*text)->flow);
  return json_response(json);
}

Response show_text(RestParts& parts, const Request& request) {
  const VersionPtr version = version_of(parts, request.params[0], request.params[1]);
  if (version == nullptr) return no_version(request);
  const std::string etag = "\"" + version->sha256 + "\"";
  if (request.header("If-None-Match") == etag) return empty_response(304);
  const auto text = parts.catalog.text(version);
  if (!text.ok()) return problem(text.error());
  return {.content_type = "text/plain; charset=utf-8",
          .body = (*text)->text,
          .headers = {{"ETag", etag}}};
}

Response check_version(RestParts& parts, const Request& request) {
  const VersionPtr version = version_of(parts, request.params[0], request.params[1]);
  if (version == nullptr) return no_version(request);
  const auto text = parts.catalog.text(version);
  if (!text.ok()) return problem(text.error());
  return json_response(
      check_json(check_for_class(parts, (*text)->text, request.query_value("class").value_or(""))));
}

Response show_diff(RestParts& parts, const Request& request) {
  const std::string& name = request.params[0];
  const VersionPtr from = version_of(parts, name, request.query_value("from").value_or(""));
  const VersionPtr to = version_of(parts, name, request.query_value("to").value_or(""));
  if (from == nullptr || to == nullptr) {
    return problem(404, "not-found",
                   "`from` and `to` have to be versions of the flow `" + name + "`");
  }
  const auto from_text = parts.catalog.text(from);
  const auto to_text = parts.catalog.text(to);
  if (!from_text.ok()) return problem(from_text.error());
  if (!to_text.ok()) return problem(to_text.error());
  Json lines = Json::array();
  std::int64_t added = 0;
  std::int64_t removed = 0;
  for (const DiffLine& line : diff_lines((*from_text)->text, (*to_text)->text)) {
    const bool is_added = line.kind == DiffLine::Kind::kAdded;
    const bool is_removed = line.kind == DiffLine::Kind::kRemoved;
    added += is_added ? 1 : 0;
    removed += is_removed ? 1 : 0;
    lines.push_back({{"kind", is_added     ? "added"
                              : is_removed ? "removed"
                                           : "same"},
                     {"from_line", line.from_line == 0 ? Json(nullptr) : Json(line.from_line)},
                     {"to_line", line.to_line == 0 ? Json(nullptr) : Json(line.to_line)},
                     {"text", line.text}});
  }
  return json_response({{"name", name},
                        {"from", from->version},
                        {"to", to->version},
                        {"added_lines", added},
                        {"removed_lines", removed},
                        {"lines", std::move(lines)}});
}

Response show_status(RestParts& parts, const Request& request) {
  const std::string& name = request.params[0];
  if (parts.catalog.latest(name) == nullptr) return no_flow(name);
  const SummaryPtr summary = parts.summaries.now();
  Json items = Json::array();
  for (const ClassPtr& each : parts.classes.all()) {
    if (each->desired == nullptr || each->desired->flow != name) continue;
    items.push_back(deployment_json(*each, *summary, parts.clock.wall_ms()));
  }
  const std::size_t total = items.size();
  return json_response(list_json(std::move(items), total, 0, parts.clock.wall_ms()));
}

Response show_metrics(RestParts& parts, const Request& request) {
  if (parts.catalog.latest(request.params[0]) == nullptr) return no_flow(request.params[0]);
  return metrics_response(parts.history, "flow:" + request.params[0], request,
                          parts.clock.wall_ms(), true);
}

}  // namespace

std::vector<Route> flow_routes(RestParts& parts) {
  const auto bind = [&parts](Response (*handler)(RestParts&, const Request&)) {
    return [&parts, handler](const Request& request) { return handler(parts, request); };
  };
  return {
      {.method = "GET",
       .pattern = "/api/v1/flows",
       .doc = "All flows, by name.",
       .handler = bind(&list_flows),
       .answer = "List<FlowRow>"},
      {.method = "POST",
       .pattern = "/api/v1/flows",
       .access = Access::kOperator,
       .doc = "Pushes a version; its flow is named by the text. 200 when the latest version has "
              "this text already.",
       .handler = bind(&push),
       .body = "NewVersion",
       .answer = "PushedVersion",
       .status = 201,
       .body_max = kTextMax},
      {.method = "POST",
       .pattern = "/api/v1/flows/check",
       .doc = "Checks a text, pushes nothing.",
       .handler = bind(&check_text),
       .body = "CheckRequest",
       .answer = "CheckResult",
       .body_max = kTextMax},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}",
       .doc = "A flow with its versions, newest first.",
       .handler = bind(&show_flow),
       .answer = "FlowDetail"},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/versions/{v}",
       .doc = "A version with its text and graph.",
       .handler = bind(&show_version),
       .answer = "FlowVersion"},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/versions/{v}/text",
       .doc = "A version's exact text.",
       .handler = bind(&show_text)},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/versions/{v}/check",
       .doc = "Checks a version against the manifests of a class.",
       .handler = bind(&check_version),
       .query = "class",
       .answer = "CheckResult"},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/diff",
       .doc = "The difference of two versions.",
       .handler = bind(&show_diff),
       .query = "from to",
       .answer = "FlowDiff"},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/metrics",
       .doc = "Sums over the agents that report this flow.",
       .handler = bind(&show_metrics),
       .query = "from_ms to_ms step_ms series",
       .answer = "Metrics"},
      {.method = "GET",
       .pattern = "/api/v1/flows/{name}/status",
       .doc = "The classes that this flow is deployed to.",
       .handler = bind(&show_status),
       .answer = "List<Deployment>"},
  };
}

}  // namespace runnel::hub
