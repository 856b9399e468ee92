// Finds the route of a request.

#include "hub/http/router.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "hub/http/schema.h"

namespace runnel::hub {
namespace {

bool match(std::string_view pattern, std::string_view path, std::vector<std::string>* params) {
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      auto value = percent_decoded(given[i]);
      if (!value.ok() || value->empty()) return false;
      if (params != nullptr) params->push_back(std::move(value).value());
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Router::add(std::vector<Route> routes) {
  for (Route& route : routes) add(std::move(route));
}

const Route* Router::find(std::string_view method, std::string_view path,
                          std::vector<std::string>* params, bool* path_is_known) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Route& route : routes_) {
    std::vector<std::string> found;
    if (!match(route.pattern, path, &found)) continue;
    if (path_is_known != nullptr) *path_is_known = true;
    if (route.method != wanted) continue;
    if (params != nullptr) *params = std::move(found);
    return &route;
  }
  return nullptr;
}

std::size_t Router::body_max(std::string_view method, std::string_view path) const {
  const Route* route = find(method, path, nullptr, nullptr);
  return route == nullptr ? 0 : route->body_max;
}

Response Router::handle(Request& request) const {
  bool path_is_known = false;
  const Route* route = find(request.method, request.path, &request.params, &path_is_known);
  if (route == nullptr) {
    if (path_is_known) return problem(405, "invalid", request.method + " is not for this address");
    if (fallback_) return fallback_(request);
    return problem(404, "not-found", "there is nothing at " + to_utf8(request.path));
  }
  if (guard_) {
    if (auto refused = guard_(*route, request)) return std::move(*refused);
  }
  if (!route->body.empty()) {
    Json body;
    if (auto refused = read_object(request, body)) return std::move(*refused);
    if (const std::string complaint = schema_complaint(route->body, body); !complaint.empty()) {
      return problem(422, "invalid", complaint);
    }
  }
  return route->handler(request);
}

}  // namespace runnel::hub
