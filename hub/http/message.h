// A request and its answer, as handlers see them.

#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/flow/model.h"

namespace runnel::hub {

using Json = nlohmann::ordered_json;

// Who asks. Empty `user`: nobody has been recognized.
struct Identity {
  std::string user = {};
  std::string role = {};        // administrator, operator, viewer
  std::string csrf_token = {};  // empty for API tokens
  std::int64_t expires_ms = 0;
  std::string session = {};  // the key of the session; empty for API tokens
};

struct Request {
  std::string method;
  std::string path;   // as sent, without the query
  std::string query;  // as sent
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // inflated
  std::string remote;
  bool is_tls = false;
  std::vector<std::string> params;  // what the `{…}` of the route's pattern stood for, decoded
  Identity identity;

  std::string_view header(std::string_view name) const;  // empty: not sent
  std::optional<std::string> query_value(std::string_view name) const;
  std::string cookie(std::string_view name) const;  // empty: not sent
  // `Authorization: Bearer …`; empty: not sent.
  std::string_view bearer() const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool is_gzip = false;  // the body is compressed already
  bool closes = false;   // the connection ends with this answer
};

Response json_response(const Json& json, int status = 200);
Response empty_response(int status = 204);

// RFC 9457: type `urn:runnel:problem:<word>`.
Response problem(int status, std::string_view word, std::string_view detail);
Response problem(int status, std::string_view word, std::string_view detail,
                 const std::vector<Complaint>& complaints);
// kInvalid → 422, kNotFound → 404, kUnavailable and kFull → 503, kCorrupt → 500.
Response problem(const Error& error);

// `{line, column, message}`; warnings are left out.
Json json_of(const std::vector<Complaint>& complaints);

// A segment of a path or a value of a query with its %XX put back; kInvalid for a bad one.
Result<std::string> percent_decoded(std::string_view text, bool plus_is_blank = false);
std::string percent_encoded(std::string_view text);

// A JSON object out of a request's body. 415, 400 and 422 come back as the error's Response.
std::optional<Response> read_object(const Request& request, Json& into);

}  // namespace runnel::hub
