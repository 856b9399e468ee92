// Asking a running agent over its socket: what the commands that do so share.

#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/admin/control_client.h"
#include "agent/commands.h"
#include "agent/output.h"

namespace runnel {

using Json = StatusJson;

// Asks, and prints the result as JSON or by `show`.
int ask(const Inspection& where, const Json& request,
        const std::function<std::string(const Json&)>& show);

std::string count_text(const Json& json, const char* name);
std::string text_member(const Json& json, const char* name);
std::string size_member(const Json& json, const char* name);
// The FlowFile of a request, by uuid or number; empty: none.
void put_flowfile(Json& request, const std::string& flowfile);
std::uint64_t positive(std::int64_t number);

}  // namespace runnel
