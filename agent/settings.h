// Settings: what `runnel-agent run` can be told; the table (agent/flow/settings_file.h) gives the
// keys of agent.yaml, the options of the command line, their checks, and conf/agent.yaml.

#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/flow/providers.h"
#include "agent/flow/settings_file.h"

namespace runnel {

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
  std::uint64_t provenance_bytes = 0;
  std::chrono::milliseconds provenance_age{};
  std::vector<std::string> provenance_attributes;
  std::uint64_t replay_archive_bytes = 0;
  std::chrono::milliseconds replay_archive_age{};
  std::uint64_t memory_budget = 0;
  std::chrono::milliseconds ledger_linger{};
  std::uint64_t disk_quota = 0;  // 0: chosen at the start
  std::string encryption_key;    // where it is; empty: in the state directory
  bool encrypt_content = false;
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  ParameterValues parameters;
  ProviderAllowance hub_providers;  // that flows of the hub may use
};

// In the order in which people read them.
std::span<const PropertySpec> setting_specs();
// agent.yaml. Every complaint at once.
SettingsReading read_settings_file(const std::string& file);

// Those of the command line go before those of the file. kInvalid: a line for each complaint.
Result<Settings> make_settings(const SettingValues& file, const SettingValues& command_line);

// conf/agent.yaml: every key with its doc and default.
std::string settings_page();

}  // namespace runnel
