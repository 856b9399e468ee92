// What the commands of runnelctl share: printing, and reading the hub's answers.

#pragma once

#include <string>

#include "agent/base/result.h"
#include "hub/cli/client.h"

namespace runnel::hub {

int failed(const Error& error);  // prints it; the exit code
int print_json(const Json& json);
// The value of a key as text; empty for null and what is not there.
std::string text_at(const Json& json, const char* key);
std::string number_at(const Json& json, const char* key);  // "-" for null
std::string ref_at(const Json& json, const char* key);     // "name@3", "-"

}  // namespace runnel::hub
