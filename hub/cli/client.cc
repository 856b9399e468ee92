// The door to libcurl.

#include "hub/cli/client.h"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/curl_loader.h"

namespace runnel::hub {
namespace {

constexpr std::size_t kAnswerMax = 256 * 1024 * 1024;
constexpr long kConnectSeconds = 10;
constexpr long kSeconds = 120;

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto* answer = static_cast<Answer*>(user);
  if (answer->body.size() + size * count > kAnswerMax) return 0;
  answer->body.append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto* answer = static_cast<Answer*>(user);
  const std::string_view line(data, size * count);
  constexpr std::string_view kCookie = "set-cookie:";
  if (line.size() > kCookie.size() &&
      equal_ignoring_case(line.substr(0, kCookie.size()), kCookie)) {
    const std::string_view value = line.substr(kCookie.size());
    answer->cookie = trimmed(value.substr(0, value.find(';')));
  }
  return size * count;
}

Error transport_error(CURLcode code, const HubAccess& access) {
  std::string text = "the hub at " + access.hub + " does not answer: " + curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    text += "; give its CA by --ca or RUNNEL_CA: the file `ca.pem` of the hub's data folder";
  } else if (code == CURLE_UNSUPPORTED_PROTOCOL) {
    text += "; its address begins with https://, or http:// on loopback";
  } else if (code == CURLE_COULDNT_CONNECT) {
    text += "; is it running, and is --hub or RUNNEL_HUB right?";
  }
  return unavailable(std::move(text));
}

}  // namespace

std::string segment(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += is_plain ? std::string(1, c) : "%" + to_hex(std::string_view(&c, 1));
  }
  return encoded;
}

Result<Answer> Client::send(std::string_view method, const std::string& path,
                            const std::string& body,
                            const std::vector<std::string>& headers) const {
  TRY(load_curl());
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   curl_easy_cleanup);
  if (!handle) return unavailable("libcurl does not start");
  CURL* curl = handle.get();
  Answer answer;
  curl_slist* list = nullptr;
  const auto add = [&](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
  add("Accept: application/json");
  add("Expect:");
  if (!body.empty()) add("Content-Type: application/json");
  if (!access_.token.empty()) add("Authorization: Bearer " + access_.token);
  for (const std::string& line : headers) add(line);
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> lines(list,
                                                                          curl_slist_free_all);
  const std::string url = access_.hub + "/api/v1/" + path;
  const std::string verb(method);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, kSeconds);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
  if (!access_.ca.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, access_.ca.c_str());
  if (!body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return transport_error(code, access_);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

Result<std::string> written_json(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::type_error&) {
    return invalid("what was given is not UTF-8; the hub takes no other text");
  }
}

Result<Json> Client::get(const std::string& path) const { return ask("GET", path); }

Result<Json> Client::ask(std::string_view method, const std::string& path, const Json* body,
                         std::string_view file) const {
  std::string text_sent;
  if (body != nullptr) {
    TRY_ASSIGN(written, written_json(*body));
    text_sent = std::move(written);
  }
  TRY_ASSIGN(answer, send(method, path, text_sent));
  Json json = answer.body.empty() ? Json::object() : Json::parse(answer.body, nullptr, false);
  if (answer.is_good() && !json.is_discarded()) return json;
  if (!json.is_object()) {
    return unavailable("the hub answered " + std::to_string(answer.status) + " without a reason");
  }
  const auto text_of = [](const Json& in, const char* key) {
    const auto found = in.find(key);
    return found != in.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  std::string text = text_of(json, "detail");
  if (answer.status == 401)
    text += "; log in by `runnelctl login`, or give --token or RUNNEL_TOKEN";
  if (const auto complaints = json.find("complaints");
      complaints != json.end() && complaints->is_array()) {
    for (const Json& each : *complaints) {
      if (!each.is_object()) continue;
      text += "\n" + std::string(file.empty() ? "flow.yaml" : file) + ":" +
              std::to_string(each.value("line", 0)) + ":" +
              std::to_string(each.value("column", 0)) + ": " + text_of(each, "message");
    }
  }
  return answer.status == 404   ? not_found(text)
         : answer.status >= 500 ? unavailable(text)
                                : invalid(text);
}

}  // namespace runnel::hub
