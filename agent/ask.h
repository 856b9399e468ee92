// Asking a running agent over its socket: what the commands that do so share.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/admin/control_client.h"
#include "agent/commands.h"
#include "agent/output.h"

namespace runnel {

using Json = StatusJson;

std::string laid_out(const Json& json);

// Asks, and prints the result as JSON or by `show`.
template <typename Show>
int ask(const Inspection& where, const Json& request, const Show& show) {
  auto client = ControlClient::connect(where.state_dir);
  if (!client.ok()) return failed(client.error());
  const auto result = client->ask(request);
  if (!result.ok()) return failed(result.error());
  return print(where.as_json ? laid_out(*result) : show(*result));
}

std::string count_text(const Json& json, const char* name);
std::string text_member(const Json& json, const char* name);
// The FlowFile of a request, by uuid or number; empty: none.
void put_flowfile(Json& request, const std::string& flowfile);
std::uint64_t positive(std::int64_t number);

}  // namespace runnel
