// The route table: what can be asked of a listener, as data. Handlers, the OpenAPI document and the
// guard that asks who is there all work from it.

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/http/message.h"

namespace runnel::hub {

enum class Access {
  kOpen,    // anybody
  kViewer,  // any session or token
  kOperator,
  kAdministrator,
};

struct Route {
  std::string_view method;   // "GET" answers HEAD too
  std::string_view pattern;  // "/api/v1/agents/{id}"
  Access access = Access::kViewer;
  std::string_view doc;
  std::function<Response(const Request&)> handler;
  std::string_view query = {};       // names of the query, separated by blanks
  std::string_view body = {};        // schema of the body, by its name in schemas.cc; empty: none
  std::string_view answer = {};      // schema of the answer; empty: none or not JSON
  int status = 200;                  // of success
  std::size_t body_max = 64 * 1024;  // bytes, inflated
};

class Router {
 public:
  // Judges a request before its handler: an answer ends it.
  using Guard = std::function<std::optional<Response>(const Route&, Request&)>;
  // What is no route (the pages of the UI).
  using Fallback = std::function<Response(const Request&)>;

  void add(Route route) { routes_.push_back(std::move(route)); }
  void add(std::vector<Route> routes);
  void guard_with(Guard guard) { guard_ = std::move(guard); }
  void fall_back_to(Fallback fallback) { fallback_ = std::move(fallback); }

  // The answer of the route: 404 and 405 when there is none. Checks the body against its schema.
  // Any thread, once the table stands.
  Response handle(Request& request) const;
  // How large a body may be that is sent there; 0 where none is taken.
  std::size_t body_max(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  const Route* find(std::string_view method, std::string_view path,
                    std::vector<std::string>* params, bool* path_is_known) const;

  std::vector<Route> routes_;
  Guard guard_;
  Fallback fallback_;
};

}  // namespace runnel::hub
