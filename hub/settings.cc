// The table of settings and what is made of it; settings.h says what for.

#include "hub/settings.h"

#include "agent/base/bytes.h"

namespace runnel::hub {
namespace {

std::vector<SettingRow> table() {
  return {
      {.name = "data",
       .doc = "Folder of everything that the hub keeps, made by `runnel-hub init`; one hub at a "
              "time. The variable RUNNEL_HUB_DATA says it, too.",
       .is_required = true,
       .example = "/var/lib/runnel-hub"},
      {.name = "operators",
       .doc = "ADDRESS:PORT of the pages and the REST API. 0.0.0.0 is every address of this "
              "machine; port 0 picks one and prints it.",
       .default_value = "127.0.0.1:8443",
       .example = "0.0.0.0:8443"},
      {.name = "agents",
       .doc = "ADDRESS:PORT where agents come to (C2).",
       .default_value = "127.0.0.1:8444",
       .example = "0.0.0.0:8444"},
      {.name = "plain_http",
       .doc = "No TLS, and agents need no token: on loopback only.",
       .kind = PropertyKind::kBoolean,
       .default_value = "false"},
      {.name = "heartbeat",
       .doc = "How often Runnel agents come while nothing is under way, and so how long what "
              "operators want may wait. Less often in a fleet of more than 2,500; every second "
              "while something is under way.",
       .kind = PropertyKind::kPeriod,
       .default_value = "5 sec",
       .min = 1e9,
       .max = 3600e9},
      log_level_row(),
      log_json_row(),
  };
}

}  // namespace

std::span<const PropertySpec> setting_specs() {
  static const std::vector<PropertySpec> specs = setting_specs_of(table());
  return specs;
}

Result<Settings> make_settings(const PropertyValues& file, const PropertyValues& command_line) {
  PropertyValues values = command_line;
  values.insert(file.begin(), file.end());
  std::string complaints = complaints_of(values, setting_specs());
  const auto text = [&values](std::string_view key) {
    return value_of(values, setting_specs(), key);
  };
  if (text("data").empty()) complaints += "--data: a folder is needed, e.g. `--data ./hub`\n";
  if (!complaints.empty()) {
    complaints.pop_back();
    return invalid(complaints);
  }
  Settings out;
  out.data = text("data");
  out.operators = text("operators");
  out.agents = text("agents");
  out.is_plain_http = equal_ignoring_case(text("plain_http"), "true");
  TRY_ASSIGN(heartbeat, parse_period(text("heartbeat")));
  out.heartbeat = std::chrono::duration_cast<std::chrono::milliseconds>(heartbeat);
  out.log_level = log_level_of(text("log_level"));
  out.log_json = equal_ignoring_case(text("log_json"), "true");
  return out;
}

std::string settings_page() {
  return runnel::settings_page(
      setting_specs(),
      "# Generated from hub/settings.cc; edit that. Then run ./dev generate.\n"
      "#\n"
      "# Settings of `runnel-hub serve --config hub.yaml`. Each key is also an option of the\n"
      "# command line, which goes before this file: `log_level` is `--log-level`.\n");
}

}  // namespace runnel::hub
