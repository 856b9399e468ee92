// Metrics as the REST contract has them.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "hub/metrics/history.h"

namespace runnel::hub {
namespace {

// A number of the query, or its default; nothing when it is none.
std::optional<std::int64_t> number(const Request& request, std::string_view name,
                                   std::int64_t otherwise) {
  const auto text = request.query_value(name);
  if (!text || text->empty()) return otherwise;
  const auto value = parse_int(*text);
  if (!value.ok() || *value < 0 || *value > (std::int64_t{1} << 52)) return std::nullopt;
  return *value;
}

}  // namespace

Response metrics_response(History& history, const std::string& subject, const Request& request,
                          std::int64_t now_ms, bool has_agents_online) {
  const auto to = number(request, "to_ms", now_ms);
  const auto from = number(request, "from_ms", to.value_or(now_ms) - 3'600'000);
  if (!from || !to || *from >= *to)
    return problem(400, "invalid", "`from_ms` has to be before `to_ms`");
  const auto step = number(request, "step_ms", std::max<std::int64_t>(1, (*to - *from) / 300));
  if (!step || *step < 1) return problem(400, "invalid", "`step_ms` has to be a number above 0");

  const std::size_t known = has_agents_online ? kSeriesCount : kSeriesCount - 1;
  std::vector<std::size_t> wanted;
  const std::string names = request.query_value("series").value_or("");
  for (const std::string_view name : split(names, ',')) {
    if (name.empty()) continue;
    const auto found = std::find(kSeriesNames.begin(), kSeriesNames.end(), name);
    if (found == kSeriesNames.end()) {
      return problem(400, "invalid", "there is no series `" + std::string(name) + "`");
    }
    const auto index = static_cast<std::size_t>(found - kSeriesNames.begin());
    if (index < known) wanted.push_back(index);
  }
  if (names.empty()) {
    for (std::size_t i = 0; i < known; ++i) wanted.push_back(i);
  }
  const auto table = history.find(subject, {.from_ms = *from, .to_ms = *to, .step_ms = *step});
  if (!table.ok()) return problem(table.error());
  Json series = Json::object();
  for (const std::size_t index : wanted) {
    Json column = Json::array();
    for (const Sample& sample : table->samples) {
      const double value = static_cast<double>(sample.values[index]);
      column.push_back(std::isnan(value) ? Json(nullptr) : Json(std::round(value * 1000) / 1000));
    }
    series[std::string(kSeriesNames[index])] = std::move(column);
  }
  return json_response({{"as_of_ms", now_ms},
                        {"from_ms", *from},
                        {"to_ms", *to},
                        {"step_ms", table->step_ms},
                        {"times_ms", table->times_ms},
                        {"series", std::move(series)}});
}

}  // namespace runnel::hub
