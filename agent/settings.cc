// The table of settings and what is made of it; settings.h says what for.

#include "agent/settings.h"

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/base/name.h"
#include "agent/base/text_file.h"
#include "agent/runtime/key_source.h"

namespace runnel {
namespace {

std::vector<SettingRow> table() {
  return {
      {.name = "state",
       .doc =
           "Directory of everything that the agent keeps: its queues, content, provenance and the "
           "flow that last worked. Made if it is not there; one agent at a time.",
       .is_required = true,
       .example = "/var/lib/runnel-agent"},
      {.name = "flow",
       .doc =
           "File of the flow to run. With a hub it is the flow to begin with, until the hub gives "
           "one; the last flow of the hub that worked goes before it.",
       .example = "/etc/runnel/flow.yaml"},
      {.name = "hub",
       .doc = "Address of the hub's listener for agents. None: the agent runs without a hub. Plain "
              "HTTP is for loopback only.",
       .example = "https://hub.example:8444"},
      {.name = "hub_ca",
       .doc =
           "File with the certificate of the CA that signed the hub's, in PEM. None: the machine's "
           "own CAs.",
       .example = "/etc/runnel/hub-ca.pem"},
      {.name = "hub_token",
       .doc = "Token of the agent's class, which admits it to the hub. Others on this machine can "
              "read command lines; `hub_token_file` keeps it to itself.",
       .is_sensitive = true,
       .example = "rnl_…"},
      {.name = "hub_token_file",
       .doc = "File that holds the token, instead of `hub_token`.",
       .example = "/etc/runnel/hub-token"},
      {.name = "agent_class",
       .doc = "Class of this agent: the hub deploys flows to classes. 1 to 64 of A-Z a-z 0-9 . _ -",
       .default_value = "default",
       .example = "trucks"},
      {.name = "agent_id",
       .doc = "Name under which the hub knows this agent; 1 to 128 visible ASCII characters. None: "
              "the id in the state directory.",
       .example = "truck-1"},
      {.name = "heartbeat",
       .doc = "How often the hub hears from this agent, until the hub itself says otherwise.",
       .kind = PropertyKind::kPeriod,
       .default_value = "10 sec",
       .min = 1e8,
       .max = 86'400e9},
      {.name = "hub_parameter_providers",
       .doc = "Which parameter providers flows of the hub may use, separated by commas: "
              "`environment:PATTERN`, `file:PATH`, `directory:PATH`, `credentials`; `*` stands for "
              "any text. None: no provider.",
       .example = "credentials, environment:VEHICLE_*"},
      {.name = "metrics",
       .doc =
           "Where `/metrics` (Prometheus) and `/healthz` are served. Port 0 picks one and prints "
           "it. None: nowhere.",
       .example = "127.0.0.1:9464"},
      {.name = "workers",
       .doc = "Threads that run processors. 0: as many as there are cores.",
       .kind = PropertyKind::kInteger,
       .default_value = "0",
       .min = 0,
       .max = 1024},
      {.name = "provenance_size",
       .doc = "Disk for provenance, at most; the oldest of it goes. `0 B`: none is kept.",
       .kind = PropertyKind::kSize,
       .default_value = "64 MB",
       .min = 0,
       .max = 1e12},
      {.name = "provenance_age",
       .doc = "How long provenance is kept, at most.",
       .kind = PropertyKind::kPeriod,
       .default_value = "7 days",
       .min = 60e9,
       .max = 3650.0 * 86'400e9},
      {.name = "provenance_attributes",
       .doc = "Attributes by whose values `provenance --attribute` finds FlowFiles, separated by "
              "commas. One whose value is different in each FlowFile costs about 20 bytes of disk "
              "for each.",
       .default_value = "filename",
       .example = "filename, mqtt.topic"},
      {.name = "replay_archive",
       .doc = "Disk for FlowFiles that have ended, so that `provenance replay` can queue them once "
              "more; the oldest go. All that ends is written there, which wears flash. `0 B`: none "
              "are kept.",
       .kind = PropertyKind::kSize,
       .default_value = "0 B",
       .min = 0,
       .max = 1e13},
      {.name = "replay_archive_age",
       .doc = "How long they are kept there, at most.",
       .kind = PropertyKind::kPeriod,
       .default_value = "7 days",
       .min = 60e9,
       .max = 3650.0 * 86'400e9},
      {.name = "memory_budget",
       .doc =
           "Memory for queued FlowFiles, at most; what comes beyond it lies on the disk only, and "
           "is read again when its turn comes. While queues fill, the agent takes up to 35 MB "
           "besides.",
       .kind = PropertyKind::kSize,
       .default_value = "64 MB",
       .min = 8 << 20,
       .max = 1e12},
      {.name = "ledger_linger",
       .doc =
           "How long what a source has taken in may be on its way before it is written to the "
           "disk. Its sender has no acknowledgement until it is written or delivered, and what "
           "is delivered sooner is never written. Behind a slow uplink, more than its round trip "
           "spares the flash. An MQTT broker that sends no more without an acknowledgement is "
           "not kept waiting; an HTTP client is.",
       .kind = PropertyKind::kPeriod,
       .default_value = "5 ms",
       .min = 1e6,
       .max = 1e9},
      {.name = "disk_quota",
       .doc =
           "What queues and contents may hold on disk, with provenance. At it sources wait, unless "
           "all that they feed drops when it is full. None: 1 GB, or 80 % of what is free at the "
           "start if that is less.",
       .kind = PropertyKind::kSize,
       .min = 128 << 20,
       .example = "4 GB"},
      {.name = "encryption_key",
       .doc =
           "Where the master key of the state directory is: `file:PATH`, `credential:NAME` (of "
           "systemd), `sealed:PATH` (for `systemd-creds decrypt`) or `tpm2:OBJECT` (for "
           "`tpm2_unseal`). None: `keys/master` in the state directory, made at the first start; "
           "it does not protect who copies the whole directory. Flows of the hub are always "
           "encrypted.",
       .example = "credential:runnel-key"},
      {.name = "encrypt_content",
       .doc = "Whether queued FlowFiles, provenance and the replay archive are encrypted on disk, "
              "too. What is there already stays as it was written until it is gone.",
       .kind = PropertyKind::kBoolean,
       .default_value = "false"},
      log_level_row(),
      log_json_row(),
  };
}

Result<std::string> token_of(const PropertyValues& values) {
  const auto direct = values.find("hub_token");
  const auto file = values.find("hub_token_file");
  if (direct != values.end() && file != values.end())
    return invalid("`hub_token` and `hub_token_file` are both given; one is enough");
  if (direct != values.end()) return direct->second;
  if (file == values.end()) return std::string();
  constexpr std::size_t kBytesMax = 64 * 1024;
  TRY_ASSIGN(
      text,
      read_text_file(file->second, kBytesMax).within("`hub_token_file`: `" + file->second + "`"));
  const std::string token(trimmed(text.substr(0, text.find('\n'))));
  if (token.empty())
    return invalid("`hub_token_file`: the first line of `" + file->second + "` is empty");
  return token;
}

// Separated by commas; each once.
std::vector<std::string> names_of(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string name(trimmed(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

std::span<const PropertySpec> setting_specs() {
  static const std::vector<PropertySpec> specs = setting_specs_of(table());
  return specs;
}

SettingsReading read_settings_file(const std::string& file) {
  return read_settings_file(file, setting_specs(), "the agent's settings", true);
}

Result<Settings> make_settings(const SettingValues& file, const SettingValues& command_line) {
  PropertyValues values = command_line.values;
  values.insert(file.values.begin(), file.values.end());
  // A token on the command line goes before a file of the configuration, and the other way round.
  if (command_line.values.contains("hub_token")) values.erase("hub_token_file");
  if (command_line.values.contains("hub_token_file")) values.erase("hub_token");
  std::string complaints = complaints_of(values, setting_specs());
  const auto text = [&values](std::string_view key) {
    return value_of(values, setting_specs(), key);
  };
  auto token = token_of(values);
  if (!token.ok()) complaints += token.error().text() + "\n";
  if (text("state").empty())
    complaints += "--state: a directory is needed, e.g. `--state ./state`\n";
  if (text("flow").empty() && text("hub").empty())
    complaints += "nothing to do: give a flow (--flow FILE) or a hub (--hub URL)\n";
  // A hub files the agent under another name than it was given, or refuses it.
  if (!is_good_name(text("agent_class"))) {
    complaints += "--agent-class: `" + text("agent_class") + "` cannot name a class; a name is " +
                  std::string(kGoodName) + "\n";
  }
  if (const std::string source = text("encryption_key"); !source.empty()) {
    if (const Result<> named = check_key_source(source); !named.ok())
      complaints += "--encryption-key: " + named.error().text() + "\n";
  }
  if (!complaints.empty()) {
    complaints.pop_back();
    return invalid(complaints);
  }
  Settings out;
  out.state = text("state");
  out.flow = text("flow");
  out.hub = text("hub");
  out.hub_ca = text("hub_ca");
  out.hub_token = std::move(token).value();
  out.agent_class = text("agent_class");
  out.agent_id = text("agent_id");
  TRY_ASSIGN(heartbeat, parse_period(text("heartbeat")));
  out.heartbeat = std::chrono::duration_cast<std::chrono::milliseconds>(heartbeat);
  TRY_ASSIGN(providers, ProviderAllowance::parse(text("hub_parameter_providers"))
                            .within("`hub_parameter_providers`"));
  out.hub_providers = std::move(providers);
  out.metrics = text("metrics");
  TRY_ASSIGN(workers, parse_int(text("workers")));
  out.workers = static_cast<unsigned>(workers);
  TRY_ASSIGN(provenance_size, parse_size(text("provenance_size")));
  out.provenance_bytes = provenance_size;
  TRY_ASSIGN(provenance_age, parse_period(text("provenance_age")));
  out.provenance_age = std::chrono::duration_cast<std::chrono::milliseconds>(provenance_age);
  out.provenance_attributes = names_of(text("provenance_attributes"));
  TRY_ASSIGN(archive_size, parse_size(text("replay_archive")));
  out.replay_archive_bytes = archive_size;
  TRY_ASSIGN(archive_age, parse_period(text("replay_archive_age")));
  out.replay_archive_age = std::chrono::duration_cast<std::chrono::milliseconds>(archive_age);
  TRY_ASSIGN(memory_budget, parse_size(text("memory_budget")));
  out.memory_budget = memory_budget;
  TRY_ASSIGN(linger, parse_period(text("ledger_linger")));
  out.ledger_linger = std::chrono::duration_cast<std::chrono::milliseconds>(linger);
  if (const std::string quota = text("disk_quota"); !quota.empty()) {
    TRY_ASSIGN(bytes, parse_size(quota));
    out.disk_quota = bytes;
  }
  out.encryption_key = text("encryption_key");
  out.encrypt_content = equal_ignoring_case(text("encrypt_content"), "true");
  out.log_level = log_level_of(text("log_level"));
  out.log_json = equal_ignoring_case(text("log_json"), "true");
  out.parameters = command_line.parameters;
  out.parameters.insert(file.parameters.begin(), file.parameters.end());
  return out;
}

std::string settings_page() {
  return settings_page(setting_specs(),
                       "# Generated from agent/settings.cc; edit that. Then run ./dev generate.\n"
                       "#\n"
                       "# Settings of `runnel-agent run --config agent.yaml`. Each key is also an "
                       "option of the\n"
                       "# command line, which goes before this file: `hub_ca` is `--hub-ca`.\n") +
         "\n# Values of the flow's parameters, before those that the flow itself gives. Those that "
         "a "
         "flow of\n# the hub does not have are passed over, with a line of the log.\n"
         "# parameters:\n#   broker: tcp://127.0.0.1:1883\n";
}

}  // namespace runnel
