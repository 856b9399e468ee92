// The OpenAPI document.

#include "hub/http/openapi.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "hub/http/schema.h"

namespace runnel::hub {
namespace {

Json parameters_of(const Route& route) {
  Json parameters = Json::array();
  for (const std::string_view part : split(route.pattern, '/')) {
    if (!part.starts_with('{')) continue;
    parameters.push_back({{"name", part.substr(1, part.size() - 2)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}}}});
  }
  for (const std::string_view name : split(route.query, ' ')) {
    if (name.empty()) continue;
    parameters.push_back({{"name", name}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  }
  return parameters;
}

Json content(std::string_view type, Json schema) {
  return {{std::string(type), {{"schema", std::move(schema)}}}};
}

Json operation(const Route& route) {
  Json json{{"summary", route.doc}};
  if (Json parameters = parameters_of(route); !parameters.empty())
    json["parameters"] = std::move(parameters);
  if (!route.body.empty()) {
    json["requestBody"] = {{"required", true},
                           {"content", content("application/json", json_schema(route.body))}};
  }
  Json success{{"description", route.status == 204 ? "done" : "the answer"}};
  if (!route.answer.empty())
    success["content"] = content("application/json", json_schema(route.answer));
  json["responses"] = {
      {std::to_string(route.status), std::move(success)},
      {"default",
       {{"description", "a problem"},
        {"content", content("application/problem+json", json_schema("Problem"))}}}};
  if (route.access == Access::kOpen) json["security"] = Json::array();
  return json;
}

}  // namespace

std::string openapi_document(const std::vector<Route>& routes) {
  Json paths = Json::object();
  for (const Route& route : routes) {
    if (!route.pattern.starts_with("/api/")) continue;
    paths[std::string(route.pattern)][to_lower(route.method)] = operation(route);
  }
  Json shapes = Json::object();
  for (const Schema& schema : schemas())
    shapes[std::string(schema.name)] = json_schema_of_shape(schema);
  const Json document{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Runnel hub"},
        {"version", "1"},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"security", Json::array({{{"token", Json::array()}}, {{"session", Json::array()}}})},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(shapes)},
        {"securitySchemes",
         {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
          {"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "__Host-runnel"}}}}}}}};
  return document.dump(1) + "\n";
}

}  // namespace runnel::hub
