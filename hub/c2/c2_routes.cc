// C2 over HTTP. An error's body never holds operations, and heartbeats are never answered by 204 or
// a redirect: MiNiFi Java reads every body, MiNiFi C++ follows nothing.

#include "hub/c2/c2_routes.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/log.h"

namespace runnel::hub {
namespace {

constexpr std::size_t kBodyMax = c2::Limits::kMessage;

// By what address the agent reached us; its own words, as it may stand behind a proxy.
std::string host_url(const Request& request) {
  const std::string_view host = request.header("Host");
  const bool is_good =
      !host.empty() && host.size() < 300 &&
      host.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_") ==
          std::string_view::npos;
  return (request.is_tls ? "https://" : "http://") +
         (is_good ? std::string(host) : std::string("localhost"));
}

Response heartbeat(C2Parts& parts, const Request& request) {
  const SteadyTime began = system_clock().steady();
  auto read = c2::heartbeat_from_json(request.body);
  if (!read.ok()) return problem(400, "invalid", read.error().text());
  const auto answer = parts.fleet.heartbeat(std::move(read).value(), host_url(request));
  if (!answer.ok())
    return problem(answer.code() == Code::kInvalid ? 400 : 503, "invalid", answer.error().text());
  Response response{.body = c2::to_json(*answer)};
  parts.ticker.note_heartbeat(
      std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - began)
          .count());
  return response;
}

Response acknowledge(C2Parts& parts, const Request& request) {
  auto read = c2::acknowledgement_from_json(request.body);
  if (!read.ok()) {
    // C++ agents acknowledge operations without an identifier by a body that names none.
    log_debug("c2", "an acknowledgement was left out", {{"reason", read.error().text()}});
    return read.code() == Code::kInvalid && request.body.find('{') == std::string::npos
               ? problem(400, "invalid", read.error().text())
               : Response{.body = "{}"};
  }
  auto described = read->described;
  parts.fleet.acknowledge(std::move(read).value());
  if (described && !described->agent.identifier.empty()) {
    // A heartbeat too; what it would be answered goes with the next one.
    const auto ignored = parts.fleet.heartbeat(std::move(*described), host_url(request));
    if (!ignored.ok())
      log_debug("c2", "a described agent was left out", {{"reason", ignored.error().text()}});
  }
  return {.body = "{}"};
}

Response content_of(C2Parts& parts, const VersionPtr& version, const Request& request) {
  const auto text = parts.catalog.text(version);
  if (!text.ok()) return problem(text.error());
  if (const auto agent = request.query_value("aid")) parts.fleet.fetched(*agent, version->id);
  return {.content_type = "text/yml; charset=utf-8",
          .body = (*text)->text,
          .headers = {{"ETag", "\"" + version->sha256 + "\""},
                      {"X-Content-Version", std::to_string(version->version)},
                      {"X-Content-SHA-256", version->sha256}}};
}

Response content(C2Parts& parts, const Request& request) {
  const VersionPtr version = parts.catalog.find_id(request.params[0]);
  if (version == nullptr) return problem(404, "not-found", "there is no flow of this id");
  return content_of(parts, version, request);
}

// GET /c2/config?class=CLASS: what that class is to run.
Response config(C2Parts& parts, const Request& request) {
  const ClassPtr wanted = parts.classes.find(request.query_value("class").value_or(""));
  if (wanted == nullptr || wanted->desired == nullptr) {
    return problem(404, "not-found", "nothing is deployed to this class");
  }
  VersionPtr version = wanted->desired;
  if (const auto number = request.query_value("version"); number && !number->empty()) {
    const auto parsed = parse_int(*number);
    if (!parsed.ok()) return problem(400, "invalid", "`version` has to be a number");
    version = parts.catalog.find(version->flow, *parsed);
    if (version == nullptr) return problem(404, "not-found", "there is no such version");
  }
  return content_of(parts, version, request);
}

}  // namespace

std::vector<Route> c2_routes(C2Parts& parts) {
  const auto bind = [&parts](Response (*handler)(C2Parts&, const Request&)) {
    return [&parts, handler](const Request& request) { return handler(parts, request); };
  };
  std::vector<Route> routes;
  for (const std::string_view path : {"/efm/api/c2-protocol/heartbeat", "/c2/config/heartbeat"}) {
    routes.push_back({.method = "POST",
                      .pattern = path,
                      .doc = "An agent's heartbeat; the answer holds operations.",
                      .handler = bind(&heartbeat),
                      .body_max = kBodyMax});
  }
  for (const std::string_view path :
       {"/efm/api/c2-protocol/acknowledge", "/c2/config/acknowledge"}) {
    routes.push_back({.method = "POST",
                      .pattern = path,
                      .doc = "What became of an operation.",
                      .handler = bind(&acknowledge),
                      .body_max = kBodyMax});
  }
  routes.push_back({.method = "GET",
                    .pattern = "/efm/api/flows/{id}/content",
                    .doc = "The text of a flow.",
                    .handler = bind(&content),
                    .query = "aid"});
  routes.push_back({.method = "GET",
                    .pattern = "/c2/config",
                    .doc = "The text that a class is to run.",
                    .handler = bind(&config),
                    .query = "class version"});
  routes.push_back({.method = "GET",
                    .pattern = "/c2/config/contentTypes",
                    .doc = "What texts there are.",
                    .handler = [](const Request&) { return Response{.body = R"(["text/yml"])"}; }});
  return routes;
}

Router::Guard c2_guard(std::string token) {
  return [token = std::move(token)](const Route&, Request& request) -> std::optional<Response> {
    if (token.empty() || equal_in_constant_time(request.bearer(), token)) return std::nullopt;
    return problem(
        401, "unauthenticated",
        "agents show the class token: --hub-token-file FILE; `runnel-hub token agents` prints it");
  };
}

}  // namespace runnel::hub
