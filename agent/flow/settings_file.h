// Settings files: what a program can be told, as data. One table gives the keys of its YAML file,
// the options of its command line (`hub_ca` is `--hub-ca`), their checks, and the page below conf/.

#pragma once

#include <map>
#include <optional>
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

// One row of such a table; what it does not say is as here.
struct SettingRow {
  std::string name;
  std::string doc;
  PropertyKind kind = PropertyKind::kText;
  bool is_required = false;
  bool is_sensitive = false;
  std::optional<std::string> default_value = {};
  std::optional<double> min = {};
  std::optional<double> max = {};
  std::vector<Choice> choices = {};
  std::string example = {};
};
// `log_level` and `log_json`, which every program has.
SettingRow log_level_row();
SettingRow log_json_row();
// Of a value that `log_level` takes.
LogLevel log_level_of(std::string_view value);

std::vector<PropertySpec> setting_specs_of(std::vector<SettingRow> rows);

std::string flag_of(std::string_view key);  // "--hub-ca"

// What a file or a command line says: keys with their values as written, and parameters of the
// flow.
struct SettingValues {
  PropertyValues values;
  ParameterValues parameters;
};

struct SettingsReading {
  SettingValues values;
  std::vector<Complaint> complaints;
};
// A map of keys; and `parameters`, a map of its own, where the program has them. Every complaint at
// once. `whose`: "the agent's settings".
SettingsReading read_settings_file(const std::string& file, std::span<const PropertySpec> specs,
                                   std::string_view whose, bool has_parameters);
// A line for each value that its key does not take; empty: all are good.
std::string complaints_of(const PropertyValues& values, std::span<const PropertySpec> specs);
// The value, or the default of its key.
std::string value_of(const PropertyValues& values, std::span<const PropertySpec> specs,
                     std::string_view key);

// The page: `head`, then every key with its doc and default, as a comment.
std::string settings_page(std::span<const PropertySpec> specs, std::string_view head);

}  // namespace runnel
