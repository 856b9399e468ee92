// Printing for runnelctl.

#include "hub/cli/print.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "hub/cli/table.h"

namespace runnel::hub {

int failed(const Error& error) {
  std::fprintf(stderr, "runnelctl: %s\n", error.text().c_str());
  return 1;
}

int print_json(const Json& json) {
  std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string number_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? number_text(found->get<double>()) : "-";
}

std::string ref_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_object()) return "-";
  const auto version = found->find("version");
  const bool is_known = version != found->end() && version->is_number_integer();
  return text_at(*found, "name") + "@" +
         (is_known ? std::to_string(version->get<std::int64_t>()) : std::string("?"));
}

}  // namespace runnel::hub
