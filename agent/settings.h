// Settings: what `runnel-agent run` can be told, as data. One table gives the keys of agent.yaml,
// the options of the command line (`hub_ca` is `--hub-ca`), their checks, and conf/agent.yaml.

#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/flow/model.h"
#include "agent/spec/component.h"

namespace runnel {

using ParameterValues = std::map<std::string, std::string, std::less<>>;

struct Settings {
  std::string state;
  std::string flow;
  std::string hub;
  std::string hub_ca;
  std::string hub_token;
  std::string agent_class;
  std::string agent_id;
  std::chrono::milliseconds heartbeat{};
  std::string metrics;
  unsigned workers = 0;
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  ParameterValues parameters;
};

// In the order in which people read them.
std::span<const PropertySpec> setting_specs();
std::string flag_of(std::string_view key);  // "--hub-ca"

// What a file or a command line says: keys with their values as written, and parameters of the
// flow.
struct SettingValues {
  PropertyValues values;
  ParameterValues parameters;
};

// agent.yaml: a map of keys, and `parameters`, a map of its own. Every complaint at once.
struct SettingsReading {
  SettingValues values;
  std::vector<Complaint> complaints;
};
SettingsReading read_settings_file(const std::string& file);

// Those of the command line go before those of the file. kInvalid: a line for each complaint.
Result<Settings> make_settings(const SettingValues& file, const SettingValues& command_line);

// conf/agent.yaml: every key with its doc and default.
std::string settings_page();

}  // namespace runnel
