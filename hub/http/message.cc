// Requests and answers.

#include "hub/http/message.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"

namespace runnel::hub {

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  for (const std::string_view pair : split(query, '&')) {
    const std::size_t equals = pair.find('=');
    const auto key = percent_decoded(pair.substr(0, equals), true);
    if (!key.ok() || *key != name) continue;
    if (equals == std::string_view::npos) return std::string();
    auto value = percent_decoded(pair.substr(equals + 1), true);
    return value.ok() ? std::optional(std::move(value).value()) : std::nullopt;
  }
  return std::nullopt;
}

std::string Request::cookie(std::string_view name) const {
  for (std::string_view pair : split(header("Cookie"), ';')) {
    pair = trimmed(pair);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
  }
  return {};
}

std::string_view Request::bearer() const {
  const std::string_view value = header("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (value.size() <= kScheme.size() ||
      !equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  return trimmed(value.substr(kScheme.size()));
}

Response json_response(const Json& json, int status) {
  return {.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response empty_response(int status) { return {.status = status, .content_type = ""}; }

namespace {

std::string_view title_of(std::string_view word) {
  if (word == "unauthenticated") return "not logged in";
  if (word == "wrong-credentials") return "wrong credentials";
  if (word == "csrf") return "the CSRF header is missing or wrong";
  if (word == "forbidden") return "not allowed";
  if (word == "not-found") return "not found";
  if (word == "invalid") return "not acceptable";
  if (word == "target-changed") return "the target has changed";
  if (word == "unsupported") return "not supported";
  if (word == "too-many") return "too many requests";
  if (word == "unavailable") return "not available now";
  return word;
}

}  // namespace

Response problem(int status, std::string_view word, std::string_view detail) {
  return problem(status, word, detail, {});
}

Response problem(int status, std::string_view word, std::string_view detail,
                 const std::vector<Complaint>& complaints) {
  Json json{{"type", "urn:runnel:problem:" + std::string(word)},
            {"title", title_of(word)},
            {"status", status},
            {"detail", detail}};
  if (!complaints.empty()) json["complaints"] = json_of(complaints);
  Response response = json_response(json, status);
  response.content_type = "application/problem+json";
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

Response problem(const Error& error) {
  switch (error.code()) {
    case Code::kInvalid:
      return problem(422, "invalid", error.text());
    case Code::kNotFound:
      return problem(404, "not-found", error.text());
    case Code::kUnavailable:
    case Code::kFull:
      return problem(503, "unavailable", error.text());
    case Code::kCorrupt:
      break;
  }
  return problem(500, "internal", error.text());
}

Json json_of(const std::vector<Complaint>& complaints) {
  Json list = Json::array();
  for (const Complaint& complaint : complaints) {
    if (complaint.severity == Severity::kWarning) continue;
    list.push_back({{"line", complaint.at.line},
                    {"column", complaint.at.column},
                    {"message", complaint.text}});
  }
  return list;
}

Result<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return invalid("an incomplete %XX in the URL");
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte.ok()) return invalid("a bad %XX in the URL");
      decoded += *byte;
      i += 2;
    } else {
      decoded += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_plain) {
      encoded += c;
    } else {
      encoded += '%';
      for (const char digit : to_hex(std::string_view(&c, 1))) {
        encoded += digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
      }
    }
  }
  return encoded;
}

std::optional<Response> read_object(const Request& request, Json& into) {
  std::string_view type = request.header("Content-Type");
  type = trimmed(type.substr(0, type.find(';')));
  if (!equal_ignoring_case(type, "application/json")) {
    return problem(415, "invalid", "the body has to be application/json");
  }
  // A parse with a depth bound of our own: nesting of hostile bodies would end on the stack.
  int depth = 0;
  bool is_too_deep = false;
  into = Json::parse(
      request.body,
      [&](int now, Json::parse_event_t, Json&) {
        depth = now;
        is_too_deep = is_too_deep || depth > 32;
        return !is_too_deep;
      },
      false);
  if (is_too_deep || into.is_discarded()) {
    return problem(400, "invalid", "the body is not JSON");
  }
  if (!into.is_object()) return problem(422, "invalid", "the body has to be a JSON object");
  return std::nullopt;
}

}  // namespace runnel::hub
