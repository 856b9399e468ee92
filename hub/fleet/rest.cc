// What several REST routes need.

#include "hub/fleet/rest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "hub/fleet/agent_json.h"

namespace runnel::hub {
namespace {

constexpr std::int64_t kLimitMax = 1'000;
constexpr std::size_t kFailuresShown = 20;

}  // namespace

Result<Page> page_of(const Request& request) {
  Page page;
  if (const auto text = request.query_value("offset"); text && !text->empty()) {
    const auto offset = parse_int(*text);
    if (!offset.ok() || *offset < 0) return invalid("`offset` has to be a number from 0");
    page.offset = static_cast<std::size_t>(*offset);
  }
  if (const auto text = request.query_value("limit"); text && !text->empty()) {
    const auto limit = parse_int(*text);
    if (!limit.ok() || *limit < 1 || *limit > kLimitMax) {
      return invalid("`limit` has to be a number from 1 to 1000");
    }
    page.limit = static_cast<std::size_t>(*limit);
  }
  return page;
}

std::vector<std::string> values_of(const Request& request, std::string_view name) {
  std::vector<std::string> values;
  const std::string text = request.query_value(name).value_or("");
  for (const std::string_view value : split(text, ',')) {
    if (!value.empty()) values.emplace_back(value);
  }
  return values;
}

Json list_json(Json items, std::size_t total, std::size_t offset, std::int64_t now_ms) {
  return {{"as_of_ms", now_ms}, {"total", total}, {"offset", offset}, {"items", std::move(items)}};
}

Json event_json(const FleetEvent& event) {
  return {{"id", event.id},
          {"time_ms", event.time_ms},
          {"kind", event.kind},
          {"severity", event.severity},
          {"actor", or_null(event.actor)},
          {"agent", or_null(event.agent)},
          {"class", or_null(event.agent_class)},
          {"flow", or_null(event.flow)},
          {"version", or_null(event.version)},
          {"message", event.message}};
}

Json deployment_json(const ClassState& state, const FleetSummary& summary, std::int64_t now_ms) {
  static const ClassCounts nothing;
  const auto found = summary.classes.find(state.name);
  const ClassCounts& counts = found == summary.classes.end() ? nothing : found->second;
  std::vector<std::pair<std::string, const FailureGroup*>> groups;
  for (const auto& [reason, group] : counts.failures) groups.emplace_back(reason, &group);
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return a.second->agents > b.second->agents;
  });
  Json failures = Json::array();
  for (const auto& [reason, group] : groups) {
    if (failures.size() == kFailuresShown) break;
    failures.push_back(
        {{"reason", reason}, {"agents", group->agents}, {"agents_sample", group->sample}});
  }
  return {{"as_of_ms", now_ms},
          {"class", state.name},
          {"flow", state.desired->flow},
          {"version", state.desired->version},
          {"author", state.author},
          {"deployed_ms", state.deployed_ms},
          {"run_wanted", json_of(state.run, false)},
          {"agents_total", counts.counts.total},
          {"agents_by_sync", json_of(counts.counts, "sync")},
          {"failures", std::move(failures)}};
}

ReleaseCheck check_for_class(RestParts& parts, const std::string& text,
                             const std::string& agent_class) {
  return check_release(text, parts.fleet.manifests_of(agent_class));
}

}  // namespace runnel::hub
