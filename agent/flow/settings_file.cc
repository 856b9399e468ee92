// Reading settings files, and writing the pages that explain them.

#include "agent/flow/settings_file.h"

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"
#include "agent/base/text_file.h"
#include "agent/flow/complaints.h"
#include "agent/flow/yaml_fields.h"

namespace runnel {
namespace {

constexpr std::size_t kComplaintsMax = 100;
constexpr YamlLimits kLimits{.text_max = 1 << 20, .depth_max = 8, .nodes_max = 10'000};

const PropertySpec* find_spec(std::span<const PropertySpec> specs, std::string_view key) {
  for (const PropertySpec& one : specs)
    if (one.name == key) return &one;
  return nullptr;
}

// Comments and blank lines alone: the page as it ships.
bool says_nothing(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    const std::string_view words = trimmed(line);
    if (!words.empty() && words.front() != '#') return false;
  }
  return true;
}

std::string folded(std::string_view text, std::string_view prefix) {
  std::string out;
  std::string line(prefix);
  for (const std::string_view word : split(text, ' ')) {
    if (line.size() + 1 + word.size() > 100 && line.size() > prefix.size()) {
      out += line + "\n";
      line = prefix;
    }
    line += ' ';
    line += word;
  }
  return out + line + "\n";
}

void read_parameters(const YamlNode& node, ParameterValues& into, Complaints& complaints) {
  for (const YamlNode::Entry& one : node.entries) {
    const auto value = scalar_text(*one.value, "`" + one.key + "`", complaints);
    if (value) into[one.key] = *value;
  }
  if (!node.is(YamlNode::Kind::kMap)) complaints.add(node.at, "`parameters` is a map: name: value");
}

}  // namespace

SettingRow log_level_row() {
  return {.name = "log_level",
          .doc = "Lines of the log below this level are left out.",
          .kind = PropertyKind::kChoice,
          .default_value = "info",
          .choices = {{"debug", "everything"},
                      {"info", "what changes"},
                      {"warn", "what needs a look"},
                      {"error", "what needs a hand"}}};
}

SettingRow log_json_row() {
  return {.name = "log_json",
          .doc = "The log as one JSON object a line.",
          .kind = PropertyKind::kBoolean,
          .default_value = "false"};
}

LogLevel log_level_of(std::string_view value) {
  static constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLogLevels{
      {{"debug", LogLevel::kDebug},
       {"info", LogLevel::kInfo},
       {"warn", LogLevel::kWarn},
       {"error", LogLevel::kError}}};
  for (const auto& [name, level] : kLogLevels)
    if (name == value) return level;
  return LogLevel::kInfo;
}

std::vector<PropertySpec> setting_specs_of(std::vector<SettingRow> rows) {
  std::vector<PropertySpec> specs;
  for (SettingRow& row : rows) {
    PropertySpec& spec = specs.emplace_back();
    spec.name = std::move(row.name);
    spec.doc = std::move(row.doc);
    spec.kind = row.kind;
    spec.is_required = row.is_required;
    spec.is_sensitive = row.is_sensitive;
    spec.default_value = std::move(row.default_value);
    spec.min = row.min;
    spec.max = row.max;
    spec.choices = std::move(row.choices);
    spec.example = std::move(row.example);
  }
  return specs;
}

std::string flag_of(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

SettingsReading read_settings_file(const std::string& file, std::span<const PropertySpec> specs,
                                   std::string_view whose, bool has_parameters) {
  SettingsReading out;
  Complaints complaints(file, kComplaintsMax);
  const Result<std::string> text = read_text_file(file, kLimits.text_max);
  if (!text.ok()) {
    complaints.add({}, text.error().text());
    out.complaints = complaints.take();
    return out;
  }
  if (says_nothing(*text)) return out;
  const YamlDocument document(*text, kLimits, complaints);
  if (document.root() != nullptr && !document.root()->is(YamlNode::Kind::kNull)) {
    Fields fields(*document.root(), std::string(whose), complaints, "write `key: value` lines");
    for (const PropertySpec& spec : specs) {
      const YamlNode* node = fields.find(spec.name);
      if (node == nullptr) continue;
      const auto value = scalar_text(*node, "`" + spec.name + "`", complaints);
      if (!value) continue;
      if (const auto checked = check_value(spec, *value); !checked.ok())
        complaints.add(node->at, "`" + spec.name + "`: " + checked.error().text());
      out.values.values[spec.name] = *value;
    }
    if (const YamlNode* parameters = has_parameters ? fields.find("parameters") : nullptr)
      read_parameters(*parameters, out.values.parameters, complaints);
    fields.refuse_others();
  }
  out.complaints = complaints.take();
  return out;
}

std::string complaints_of(const PropertyValues& values, std::span<const PropertySpec> specs) {
  std::string complaints;
  for (const auto& [key, value] : values) {
    const PropertySpec* spec = find_spec(specs, key);
    const Result<> checked =
        spec == nullptr ? Result<>(invalid("is unknown")) : check_value(*spec, value);
    if (!checked.ok()) complaints += flag_of(key) + ": " + checked.error().text() + "\n";
  }
  return complaints;
}

std::string value_of(const PropertyValues& values, std::span<const PropertySpec> specs,
                     std::string_view key) {
  const auto found = values.find(key);
  if (found != values.end()) return found->second;
  return find_spec(specs, key)->default_value.value_or(std::string());
}

std::string settings_page(std::span<const PropertySpec> specs, std::string_view head) {
  std::string out(head);
  for (const PropertySpec& spec : specs) {
    out += "\n" + folded(spec.doc, "#");
    if (!spec.choices.empty()) {
      out += "# One of";
      for (const Choice& one : spec.choices) out += " " + one.value;
      out += ".\n";
    }
    if (spec.is_required) out += "# Required.\n";
    out += spec.default_value ? "# " + spec.name + ": " + *spec.default_value + "\n"
                              : "# " + spec.name + ": " + spec.example + "\n";
  }
  return out;
}

}  // namespace runnel
