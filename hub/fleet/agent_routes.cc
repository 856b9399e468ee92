// The REST routes of agents and classes.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <variant>

#include "agent/base/bytes.h"
#include "hub/fleet/agent_json.h"
#include "hub/fleet/rest.h"

namespace runnel::hub {
namespace {

bool is_among(const std::vector<std::string>& wanted, std::string_view value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

struct AgentFilter {
  std::string text;
  std::vector<std::string> classes, connectivity, sync, health, flows, versions;

  bool fits(const AgentView& view) const {
    const Agent& agent = view.agent;
    if (!is_among(classes, agent.agent_class)) return false;
    if (!text.empty()) {
      const c2::NetworkInfo& network = agent.last.device.network;
      const auto has = [&](const std::string& in) {
        return to_lower(in).find(text) != std::string::npos;
      };
      if (!has(agent.id) && !has(network.hostname) && !has(network.ip_address)) return false;
    }
    if (!connectivity.empty() || !sync.empty() || !health.empty()) {
      const Judgement judgement = judge(agent, view.wanted, view.now);
      if (!is_among(connectivity, name_of(judgement.connectivity)) ||
          !is_among(sync, name_of(judgement.sync)) ||
          !is_among(health, name_of(judgement.health))) {
        return false;
      }
    }
    if (flows.empty() && versions.empty()) return true;
    const auto flow = reported_flow(agent, view.catalog);
    if (!flow || !is_among(flows, flow->name)) return false;
    return versions.empty() ||
           (flow->version && is_among(versions, std::to_string(*flow->version)));
  }
};

// A sort key: a text or a number; nothing sorts last.
using SortKey = std::variant<std::monostate, double, std::string>;

SortKey number_key(const std::optional<double>& value) {
  return value ? SortKey(*value) : SortKey();
}
SortKey number_key(const std::optional<std::int64_t>& value) {
  return value ? SortKey(static_cast<double>(*value)) : SortKey();
}

constexpr std::string_view kSorts[] = {"id",
                                       "class",
                                       "connectivity",
                                       "sync",
                                       "health",
                                       "flow",
                                       "last_seen_ms",
                                       "registered_ms",
                                       "in_records_per_s",
                                       "out_records_per_s",
                                       "in_bytes_per_s",
                                       "out_bytes_per_s",
                                       "queued_count",
                                       "queued_bytes",
                                       "queued_age_ms_max",
                                       "cpu_percent",
                                       "memory_bytes",
                                       "disk_used_bytes"};

SortKey sort_key(const AgentView& view, std::string_view sort) {
  const Agent& agent = view.agent;
  if (sort == "id") return agent.id;
  if (sort == "class") return agent.agent_class;
  if (sort == "last_seen_ms")
    return agent.seen_ms == 0 ? SortKey() : SortKey(static_cast<double>(agent.seen_ms));
  if (sort == "registered_ms") return static_cast<double>(agent.registered_ms);
  if (sort == "cpu_percent") {
    const auto& cpu = agent.last.agent.status.cpu_utilization;
    return cpu && *cpu >= 0 ? SortKey(*cpu) : SortKey();
  }
  if (sort == "memory_bytes") return number_key(agent.last.agent.status.memory_usage);
  if (sort == "disk_used_bytes") {
    return agent.last.runnel ? number_key(agent.last.runnel->disk_used_bytes) : SortKey();
  }
  if (sort == "flow") {
    const auto flow = reported_flow(agent, view.catalog);
    if (!flow) return {};
    // Versions as numbers: 10 after 9.
    std::string version = std::to_string(flow->version.value_or(0));
    return flow->name + "@" + std::string(20 - std::min<std::size_t>(20, version.size()), '0') +
           version;
  }
  if (sort == "connectivity" || sort == "sync" || sort == "health") {
    const Judgement judgement = judge(agent, view.wanted, view.now);
    if (sort == "connectivity") return static_cast<double>(judgement.connectivity);
    return static_cast<double>(sort == "sync" ? static_cast<int>(judgement.sync)
                                              : static_cast<int>(judgement.health));
  }
  if (sort.starts_with("queued_")) {
    if (!has_queues(agent)) return {};
    if (sort == "queued_count") return static_cast<double>(queued_count(agent));
    if (sort == "queued_bytes") return static_cast<double>(queued_bytes(agent));
    return number_key(queued_age_ms(agent));
  }
  const bool is_live = agent.is_heard && connectivity_of(agent, view.now) != Connectivity::kOffline;
  if (!is_live) return {};
  if (sort == "in_records_per_s") return number_key(agent.rates.in_records_per_s);
  if (sort == "in_bytes_per_s") return number_key(agent.rates.in_bytes_per_s);
  if (sort == "out_records_per_s") return number_key(agent.rates.out_records_per_s);
  return number_key(agent.rates.out_bytes_per_s);
}

// What classes want, looked up once for a whole list.
class Wanted {
 public:
  explicit Wanted(const Classes& classes) {
    for (const ClassPtr& each : classes.all()) classes_[each->name] = each;
  }
  const ClassState* of(const Agent& agent) const {
    const auto found = classes_.find(agent.agent_class);
    return found == classes_.end() ? nullptr : found->second.get();
  }

 private:
  std::map<std::string, ClassPtr> classes_;
};

Response list_agents(RestParts& parts, const Request& request) {
  const auto page = page_of(request);
  if (!page.ok()) return problem(400, "invalid", page.error().text());
  const AgentFilter filter{to_lower(request.query_value("q").value_or("")),
                           values_of(request, "class"),
                           values_of(request, "connectivity"),
                           values_of(request, "sync"),
                           values_of(request, "health"),
                           values_of(request, "flow"),
                           values_of(request, "version")};
  std::string sort = request.query_value("sort").value_or("id");
  if (sort.empty()) sort = "id";
  const bool is_descending = sort.starts_with('-');
  if (is_descending) sort.erase(0, 1);
  if (std::find(std::begin(kSorts), std::end(kSorts), sort) == std::end(kSorts)) {
    return problem(400, "invalid", "`sort` has no key `" + sort + "`");
  }
  const Wanted wanted(parts.classes);
  const SteadyTime now = parts.clock.steady();
  struct Found {
    SortKey key;
    std::string id;
  };
  std::vector<Found> found;
  parts.fleet.look_at_all([&](const Agent& agent) {
    const AgentView view{agent, wanted.of(agent), parts.catalog, now};
    if (filter.fits(view)) found.push_back({sort_key(view, sort), agent.id});
  });
  const auto comes_before = [&](const Found& a, const Found& b) {
    const bool a_is_null = a.key.index() == 0;
    const bool b_is_null = b.key.index() == 0;
    if (a_is_null != b_is_null) return b_is_null;
    if (a.key != b.key) return is_descending ? b.key < a.key : a.key < b.key;
    return a.id < b.id;
  };
  const std::size_t first = std::min(page->offset, found.size());
  const std::size_t last = std::min(first + page->limit, found.size());
  using Offset = std::vector<Found>::difference_type;
  std::partial_sort(found.begin(), found.begin() + static_cast<Offset>(last), found.end(),
                    comes_before);
  Json items = Json::array();
  for (std::size_t i = first; i < last; ++i) {
    parts.fleet.look_at(found[i].id, [&](const Agent& agent) {
      items.push_back(agent_row({agent, wanted.of(agent), parts.catalog, now}));
    });
  }
  return json_response(
      list_json(std::move(items), found.size(), page->offset, parts.clock.wall_ms()));
}

Response no_agent(const std::string& id) {
  return problem(404, "not-found", "there is no agent `" + id + "`");
}

Response show_agent(RestParts& parts, const Request& request) {
  const std::string& id = request.params[0];
  parts.fleet.watch(id);
  std::string flow_id;
  if (!parts.fleet.look_at(id, [&](const Agent& agent) { flow_id = agent.reported_flow_id(); }))
    return no_agent(id);
  // The text may have to be read from disk: not inside the agent's lock.
  TextPtr text;
  if (const VersionPtr version = parts.catalog.find_id(flow_id))
    text = parts.catalog.text(version).value_or(nullptr);
  const Wanted wanted(parts.classes);
  Json json;
  parts.fleet.look_at(id, [&](const Agent& agent) {
    json = agent_detail({agent, wanted.of(agent), parts.catalog, parts.clock.steady()},
                        text == nullptr ? nullptr : text->flow.get(), parts.clock.wall_ms());
  });
  return json_response(json);
}

OperationWish wish_of(const Request& request) {
  const Json body = Json::parse(request.body);
  OperationWish wish{body["operation"].get<std::string>(), body["operand"].get<std::string>(), ""};
  if (body.contains("target") && body["target"].is_string())
    wish.target = body["target"].get<std::string>();
  return wish;
}

Response accepted(RestParts& parts, const std::vector<Operation>& made, const Request& request,
                  const OperationWish& wish, const std::string& whom, bool is_class) {
  // By name, when it was asked for by id.
  const std::string target =
      made.empty() ? wish.target : made.front().target_name.value_or(wish.target);
  Json operations = Json::array();
  for (const Operation& each : made) {
    if (operations.size() < 100) operations.push_back(json_of(each));
  }
  FleetEvent event;
  event.kind = "operation_created";
  event.severity = "info";
  event.actor = request.identity.user;
  (is_class ? event.agent_class : event.agent) = whom;
  event.message = request.identity.user + " asked for " + wish.verb + " " + wish.operand +
                  (target.empty() ? "" : " " + target) + " on " + (is_class ? "class " : "") + whom;
  parts.events.add(std::move(event));
  return json_response({{"created_count", made.size()}, {"operations", std::move(operations)}},
                       202);
}

// What could not be asked: not supported is a conflict, not a failure of the hub.
Response refused(const Error& error) {
  const bool is_unsupported = error.text().find("does not support") != std::string::npos;
  return is_unsupported ? problem(409, "unsupported", error.text()) : problem(error);
}

Response operate(RestParts& parts, const Request& request) {
  const OperationWish wish = wish_of(request);
  auto made = parts.fleet.ask(request.params[0], wish, request.identity.user);
  if (!made.ok()) return refused(made.error());
  return accepted(parts, {*made}, request, wish, request.params[0], false);
}

Response operate_class(RestParts& parts, const Request& request) {
  const OperationWish wish = wish_of(request);
  auto made = parts.fleet.ask_class(request.params[0], wish, request.identity.user);
  if (!made.ok()) return refused(made.error());
  return accepted(parts, *made, request, wish, request.params[0], true);
}

Response list_operations(RestParts& parts, const Request& request) {
  const auto page = page_of(request);
  if (!page.ok()) return problem(400, "invalid", page.error().text());
  std::vector<Operation> kept;
  const std::string& id = request.params[0];
  if (!parts.fleet.look_at(id, [&](const Agent& agent) { kept = agent.operations; }))
    return no_agent(id);
  std::int64_t total = 0;
  auto operations = load_operations(parts.store, id, page->offset, page->limit, &total);
  if (!operations.ok()) return problem(operations.error());
  // What is on disk may be a moment behind what is in memory; the newest may not be there at all.
  if (page->offset == 0) {
    for (const Operation& newer : kept) {
      const auto same = std::find_if(operations->begin(), operations->end(),
                                     [&](const Operation& each) { return each.id == newer.id; });
      if (same != operations->end()) {
        *same = newer;
      } else if (operations->empty() || newer.created_ms >= operations->front().created_ms) {
        operations->insert(operations->begin(), newer);
        ++total;
      }
    }
    if (operations->size() > page->limit) operations->resize(page->limit);
  }
  Json items = Json::array();
  for (const Operation& each : *operations) items.push_back(json_of(each));
  return json_response(list_json(std::move(items), static_cast<std::size_t>(total), page->offset,
                                 parts.clock.wall_ms()));
}

Json class_json(const ClassState& state, const FleetSummary& summary) {
  static const ClassCounts nothing;
  const auto found = summary.classes.find(state.name);
  const Counts& counts = found == summary.classes.end() ? nothing.counts : found->second.counts;
  return {{"name", state.name},
          {"created_ms", state.created_ms},
          {"flow_desired", desired_json(&state)},
          {"run_wanted", json_of(state.run, false)},
          {"agents_total", counts.total},
          {"agents_by_connectivity", json_of(counts, "connectivity")},
          {"agents_by_sync", json_of(counts, "sync")},
          {"agents_by_health", json_of(counts, "health")}};
}

}  // namespace

std::vector<Route> agent_routes(RestParts& parts) {
  const auto bind = [&parts](Response (*handler)(RestParts&, const Request&)) {
    return [&parts, handler](const Request& request) { return handler(parts, request); };
  };
  return {
      {.method = "GET",
       .pattern = "/api/v1/agents",
       .doc = "Agents: filtered, sorted, a page of them.",
       .handler = bind(&list_agents),
       .query = "q class connectivity sync health flow version sort offset limit",
       .answer = "List<AgentRow>"},
      {.method = "GET",
       .pattern = "/api/v1/agents/{id}",
       .doc = "One agent with all that is known of it.",
       .handler = bind(&show_agent),
       .answer = "AgentDetail"},
      {.method = "GET",
       .pattern = "/api/v1/agents/{id}/metrics",
       .doc = "An agent's metrics over time.",
       .handler =
           [&parts](const Request& request) {
             if (!parts.fleet.look_at(request.params[0], [](const Agent&) {}))
               return no_agent(request.params[0]);
             return metrics_response(parts.history, "agent:" + request.params[0], request,
                                     parts.clock.wall_ms(), false);
           },
       .query = "from_ms to_ms step_ms series",
       .answer = "Metrics"},
      {.method = "GET",
       .pattern = "/api/v1/agents/{id}/operations",
       .doc = "What an agent was asked, newest first.",
       .handler = bind(&list_operations),
       .query = "offset limit",
       .answer = "List<Operation>"},
      {.method = "POST",
       .pattern = "/api/v1/agents/{id}/operations",
       .access = Access::kOperator,
       .doc = "Asks an agent for something.",
       .handler = bind(&operate),
       .body = "NewOperation",
       .answer = "AcceptedOperations",
       .status = 202},
  };
}

std::vector<Route> class_routes(RestParts& parts) {
  return {
      {.method = "GET",
       .pattern = "/api/v1/classes",
       .doc = "All classes, by name.",
       .handler =
           [&parts](const Request&) {
             const SummaryPtr summary = parts.summaries.now();
             Json items = Json::array();
             for (const ClassPtr& each : parts.classes.all())
               items.push_back(class_json(*each, *summary));
             const std::size_t total = items.size();
             return json_response(list_json(std::move(items), total, 0, parts.clock.wall_ms()));
           },
       .answer = "List<AgentClass>"},
      {.method = "GET",
       .pattern = "/api/v1/classes/{name}",
       .doc = "One class.",
       .handler =
           [&parts](const Request& request) {
             const ClassPtr found = parts.classes.find(request.params[0]);
             if (found == nullptr)
               return problem(404, "not-found", "there is no class `" + request.params[0] + "`");
             return json_response(class_json(*found, *parts.summaries.now()));
           },
       .answer = "AgentClass"},
      {.method = "POST",
       .pattern = "/api/v1/classes/{name}/operations",
       .access = Access::kOperator,
       .doc = "Asks each agent of a class for something.",
       .handler = [&parts](const Request& request) { return operate_class(parts, request); },
       .body = "NewOperation",
       .answer = "AcceptedOperations",
       .status = 202},
  };
}

}  // namespace runnel::hub
