// What the commands that ask a running agent share.

#include "agent/ask.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"

namespace runnel {

int ask(const Inspection& where, const Json& request,
        const std::function<std::string(const Json&)>& show) {
  auto client = ControlClient::connect(where.state_dir);
  if (!client.ok()) return failed(client.error());
  const auto result = client->ask(request);
  if (!result.ok()) return failed(result.error());
  return print(where.as_json ? laid_out(*result) : show(*result));
}

std::string count_text(const Json& json, const char* name) {
  return std::to_string(json[name].get<std::uint64_t>());
}

std::string text_member(const Json& json, const char* name) {
  return json[name].get<std::string>();
}

std::string size_member(const Json& json, const char* name) {
  return size_text(json[name].get<std::uint64_t>());
}

void put_flowfile(Json& request, const std::string& flowfile) {
  if (flowfile.empty()) return;
  const auto number = parse_int(flowfile);
  if (number.ok() && *number >= 0) {
    request["flowfile"] = static_cast<std::uint64_t>(*number);
  } else {
    request["uuid"] = flowfile;
  }
}

std::uint64_t positive(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, number));
}

}  // namespace runnel
