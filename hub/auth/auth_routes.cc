// The routes of login, and the guard of all others.

#include "hub/auth/auth_routes.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"

namespace runnel::hub {
namespace {

std::string_view cookie_name(bool is_tls) { return is_tls ? "__Host-runnel" : "runnel"; }

std::string cookie(bool is_tls, std::string_view value, std::int64_t seconds) {
  return std::string(cookie_name(is_tls)) + "=" + std::string(value) +
         "; Max-Age=" + std::to_string(seconds) + "; Path=/; HttpOnly; SameSite=Strict" +
         (is_tls ? "; Secure" : "");
}

Json session_json(const Identity& identity) {
  return {{"user", identity.user},
          {"role", identity.role},
          {"csrf_token", identity.csrf_token},
          {"expires_ms", identity.expires_ms},
          {"hub_version", RUNNEL_VERSION}};
}

Json optional_json(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json token_json(const Token& token) {
  return {{"id", token.id},
          {"name", token.name},
          {"user", token.user},
          {"created_ms", token.created_ms},
          {"expires_ms", optional_json(token.expires_ms)},
          {"used_ms", optional_json(token.used_ms)}};
}

int rank_of(Access access) { return static_cast<int>(access); }

int rank_of(std::string_view role) {
  if (role == "administrator") return rank_of(Access::kAdministrator);
  if (role == "operator") return rank_of(Access::kOperator);
  if (role == "viewer") return rank_of(Access::kViewer);
  return 0;
}

struct AuthHandlers {
  Accounts& accounts;
  bool is_tls;
  AuthListener listener;

  Response log_in(const Request& request) const {
    const Json body = Json::parse(request.body);
    const auto user = body["user"].get<std::string>();
    auto session = accounts.log_in(user, body["password"].get<std::string>(), request.remote);
    if (!session.ok()) {
      const std::string who = is_good_name(user) ? user : std::string("somebody");
      if (session.code() == Code::kNotFound) {
        listener("login_failed", "warning", "",
                 "login of " + who + " from " + request.remote + " refused");
        return problem(401, "wrong-credentials", session.error().text());
      }
      if (session.code() == Code::kFull) {
        Response response = problem(429, "too-many", session.error().text());
        response.headers.emplace_back("Retry-After",
                                      std::to_string(Accounts::kFailureWindowMs / 1000));
        return response;
      }
      return problem(session.error());
    }
    listener("login", "info", user, user + " logged in from " + request.remote);
    Response response = json_response(session_json(session->identity));
    response.headers.emplace_back("Set-Cookie",
                                  cookie(is_tls, session->secret, Accounts::kSessionMs / 1000));
    return response;
  }

  Response log_out(const Request& request) const {
    const auto identity = accounts.identity_of_session(request.cookie(cookie_name(is_tls)));
    if (identity) {
      if (auto ended = accounts.log_out(identity->session); !ended.ok())
        return problem(ended.error());
      listener("logout", "info", identity->user, identity->user + " logged out");
    }
    Response response = empty_response();
    response.headers.emplace_back("Set-Cookie", cookie(is_tls, "", 0));
    return response;
  }

  Response tokens(const Request& request) const {
    const auto tokens = accounts.tokens(request.identity);
    if (!tokens.ok()) return problem(tokens.error());
    Json items = Json::array();
    for (const Token& token : *tokens) items.push_back(token_json(token));
    return json_response({{"as_of_ms", system_clock().wall_ms()},
                          {"total", items.size()},
                          {"offset", 0},
                          {"items", std::move(items)}});
  }

  Response create_token(const Request& request) const {
    const Json body = Json::parse(request.body);
    std::optional<std::int64_t> expires;
    if (body.contains("expires_ms") && body["expires_ms"].is_number())
      expires = body["expires_ms"].get<std::int64_t>();
    const auto created =
        accounts.create_token(request.identity.user, body["name"].get<std::string>(), expires);
    if (!created.ok()) return problem(created.error());
    listener("token_created", "info", request.identity.user,
             "token " + created->token.name + " created");
    Json json = token_json(created->token);
    json["token"] = created->secret;
    return json_response(json, 201);
  }

  Response remove_token(const Request& request) const {
    const auto removed = accounts.remove_token(request.identity, request.params[0]);
    if (!removed.ok()) return problem(removed.error());
    listener("token_removed", "info", request.identity.user, "token " + *removed + " removed");
    return empty_response();
  }
};

}  // namespace

std::vector<Route> auth_routes(Accounts& accounts, bool is_tls, AuthListener listener) {
  const AuthHandlers handlers{accounts, is_tls, std::move(listener)};
  const auto bind = [&](Response (AuthHandlers::*method)(const Request&) const) {
    return [handlers, method](const Request& request) { return (handlers.*method)(request); };
  };
  return {
      {.method = "POST",
       .pattern = "/api/v1/login",
       .access = Access::kOpen,
       .doc = "Begins a session; the cookie comes with the answer.",
       .handler = bind(&AuthHandlers::log_in),
       .body = "Login",
       .answer = "Session",
       .body_max = 4096},
      {.method = "POST",
       .pattern = "/api/v1/logout",
       .access = Access::kOpen,
       .doc = "Ends the session, if there is one.",
       .handler = bind(&AuthHandlers::log_out),
       .status = 204},
      {.method = "GET",
       .pattern = "/api/v1/me",
       .doc = "Who asks.",
       .handler =
           [](const Request& request) { return json_response(session_json(request.identity)); },
       .answer = "Session"},
      {.method = "GET",
       .pattern = "/api/v1/tokens",
       .doc = "API tokens, newest first.",
       .handler = bind(&AuthHandlers::tokens),
       .answer = "List<Token>"},
      {.method = "POST",
       .pattern = "/api/v1/tokens",
       .doc = "Makes an API token; the only time that it is shown.",
       .handler = bind(&AuthHandlers::create_token),
       .body = "NewToken",
       .answer = "CreatedToken",
       .status = 201},
      {.method = "DELETE",
       .pattern = "/api/v1/tokens/{id}",
       .doc = "Makes a token worthless.",
       .handler = bind(&AuthHandlers::remove_token),
       .status = 204},
  };
}

Router::Guard auth_guard(Accounts& accounts, bool is_tls) {
  return [&accounts, is_tls](const Route& route, Request& request) -> std::optional<Response> {
    if (route.access == Access::kOpen) return std::nullopt;
    if (const std::string_view bearer = request.bearer(); !bearer.empty()) {
      const auto identity = accounts.identity_of_token(bearer);
      if (!identity) return problem(401, "unauthenticated", "the token is unknown or has expired");
      request.identity = *identity;
    } else {
      const auto identity = accounts.identity_of_session(request.cookie(cookie_name(is_tls)));
      if (!identity) return problem(401, "unauthenticated", "no session, or it has ended");
      request.identity = *identity;
      const bool changes = request.method != "GET" && request.method != "HEAD";
      if (changes &&
          !equal_in_constant_time(request.header("X-Runnel-CSRF"), identity->csrf_token)) {
        return problem(403, "csrf", "the header X-Runnel-CSRF is missing or wrong");
      }
    }
    if (rank_of(request.identity.role) < rank_of(route.access)) {
      return problem(403, "forbidden", "your role `" + request.identity.role + "` may not do this");
    }
    return std::nullopt;
  };
}

}  // namespace runnel::hub
