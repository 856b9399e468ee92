// Settings: what `runnel-hub serve` can be told; the table (agent/flow/settings_file.h) gives the
// keys of hub.yaml, the options of the command line, their checks, and conf/hub.yaml.

#pragma once

#include <chrono>
#include <span>
#include <string>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/flow/settings_file.h"

namespace runnel::hub {

struct Settings {
  std::string data;
  std::string operators;
  std::string agents;
  bool is_plain_http = false;
  std::chrono::milliseconds heartbeat{};
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
};

// In the order in which people read them.
std::span<const PropertySpec> setting_specs();

// Those of the command line go before those of the file. kInvalid: a line for each complaint.
Result<Settings> make_settings(const PropertyValues& file, const PropertyValues& command_line);

// conf/hub.yaml: every key with its doc and default.
std::string settings_page();

}  // namespace runnel::hub
