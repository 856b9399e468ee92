// runnelctl: flows and deployments.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/base/words.h"
#include "hub/cli/ctl.h"
#include "hub/cli/print.h"
#include "hub/cli/table.h"

namespace runnel::hub {
namespace {

constexpr auto kAskAgain = std::chrono::milliseconds(500);

std::int64_t count_at(const Json& counts, const char* key) {
  return counts.value(key, std::int64_t{0});
}

std::string sync_text(const Json& deployment) {
  const Json& sync = deployment["agents_by_sync"];
  std::string text = std::to_string(count_at(sync, "in_sync")) + " of " +
                     std::to_string(deployment.value("agents_total", std::int64_t{0})) + " in sync";
  for (const char* state : {"applying", "pending", "failed"}) {
    if (const std::int64_t count = count_at(sync, state); count > 0)
      text += ", " + std::to_string(count) + " " + state;
  }
  return text;
}

// ", stopped by ann": whoever stopped it, as long as it is to stand still.
std::string run_text(const Json& run) {
  if (!run.is_object() || text_at(run, "state") != "stopped") return {};
  return ", stopped by " + text_at(run, "author");
}

// Until every agent runs it (0), or one failed (1), or the time is up (1).
int wait_for(const Ctl& ctl, const DeployOptions& options) {
  const bool is_terminal = isatty(STDERR_FILENO) == 1;
  const auto deadline = system_clock().steady() + std::chrono::seconds(options.timeout_s);
  std::string shown;
  while (true) {
    const auto deployment = ctl.client.get("deployments/" + segment(options.agent_class));
    if (!deployment.ok() && deployment.code() != Code::kUnavailable)
      return failed(deployment.error());
    if (deployment.ok()) {
      const Json& json = *deployment;
      const std::string text = sync_text(json);
      if (text != shown) {
        std::fprintf(stderr, is_terminal ? "\r\033[K%s" : "%s\n", text.c_str());
        shown = text;
      }
      const std::int64_t total = json.value("agents_total", std::int64_t{0});
      const Json& sync = json["agents_by_sync"];
      const std::int64_t failures = count_at(sync, "failed");
      if (count_at(sync, "in_sync") + failures == total) {
        if (is_terminal) std::fputs("\n", stderr);
        for (const Json& each : json["failures"]) {
          std::fprintf(stderr, "%s failed: %s\n",
                       counted(count_at(each, "agents"), "agent").c_str(),
                       text_at(each, "reason").c_str());
        }
        if (ctl.is_json) print_json(json);
        return failures == 0 ? 0 : 1;
      }
    }
    if (system_clock().steady() >= deadline) {
      std::fprintf(stderr,
                   "%srunnelctl: not all agents run it after %lld s; the hub goes on by itself\n",
                   is_terminal ? "\n" : "", static_cast<long long>(options.timeout_s));
      return 1;
    }
    std::this_thread::sleep_for(kAskAgain);
  }
}

Result<std::int64_t> latest_version(const Ctl& ctl, const std::string& name) {
  TRY_ASSIGN(flow, ctl.client.get("flows/" + segment(name)));
  return flow.value("version_latest", std::int64_t{0});
}

Result<Json> deploy(const Ctl& ctl, const DeployOptions& options, std::string* ref) {
  TRY_ASSIGN(wanted, read_flow_ref(options.ref));
  if (wanted.version == 0) {
    TRY_ASSIGN(latest, latest_version(ctl, wanted.name));
    wanted.version = latest;
  }
  *ref = wanted.name + "@" + std::to_string(wanted.version);
  const Json body{
      {"class", options.agent_class}, {"flow", wanted.name}, {"version", wanted.version}};
  return ctl.client.ask("POST", "deployments", &body, *ref);
}

}  // namespace

Result<FlowRefText> read_flow_ref(const std::string& text) {
  const std::size_t at = text.find('@');
  FlowRefText ref{text.substr(0, at), 0};
  if (ref.name.empty()) return invalid("`" + text + "` is no NAME or NAME@VERSION");
  if (at == std::string::npos) return ref;
  const auto version = parse_int(text.substr(at + 1));
  if (!version.ok() || *version < 1)
    return invalid("`" + text + "` has no version number after the @");
  ref.version = *version;
  return ref;
}

int ctl_flows(const Ctl& ctl) {
  const auto flows = ctl.client.get("flows");
  if (!flows.ok()) return failed(flows.error());
  if (ctl.is_json) return print_json(*flows);
  std::vector<std::vector<std::string>> rows{
      {"FLOW", "LATEST", "DEPLOYED TO", "CHANGED", "BY", "MESSAGE"}};
  const std::int64_t now = flows->value("as_of_ms", std::int64_t{0});
  for (const Json& flow : (*flows)["items"]) {
    std::string classes;
    for (const Json& each : flow["classes"]) {
      classes +=
          (classes.empty() ? "" : ", ") + text_at(each, "name") + "@" + number_at(each, "version");
    }
    rows.push_back({text_at(flow, "name"), number_at(flow, "version_latest"),
                    classes.empty() ? "-" : classes, ago_text(now - flow.value("changed_ms", now)),
                    text_at(flow, "author"), text_at(flow, "message")});
  }
  std::fputs(table_text(rows).c_str(), stdout);
  return 0;
}

int ctl_push(const Ctl& ctl, const std::string& file, const std::string& message) {
  // What the shell has opened is read, too; a named pipe would be waited for.
  const auto type = std::filesystem::status(file).type();
  const bool is_pipe = type == std::filesystem::file_type::fifo && !file.starts_with("/dev/");
  if (type == std::filesystem::file_type::directory || is_pipe) {
    return failed(invalid("`" + file + "` is " + (is_pipe ? "a pipe" : "a folder") +
                          "; a flow is pushed from a file"));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return failed(not_found("`" + file + "` cannot be read"));
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!is_utf8(text)) return failed(invalid("`" + file + "` is not UTF-8"));
  const Json body{{"text", text}, {"message", message}};
  const auto pushed = ctl.client.ask("POST", "flows", &body, file);
  if (!pushed.ok()) return failed(pushed.error());
  if (ctl.is_json) return print_json(*pushed);
  const std::string ref =
      text_at(*pushed, "name") + "@" + std::to_string(pushed->value("version", std::int64_t{0}));
  std::printf(pushed->value("is_new", false) ? "pushed %s\n" : "%s has this text already\n",
              ref.c_str());
  return 0;
}

int ctl_show(const Ctl& ctl, const std::string& text) {
  const auto ref = read_flow_ref(text);
  if (!ref.ok()) return failed(ref.error());
  const std::string version = ref->version == 0 ? "latest" : std::to_string(ref->version);
  const auto found = ctl.client.get("flows/" + segment(ref->name) + "/versions/" + version);
  if (!found.ok()) return failed(found.error());
  if (ctl.is_json) return print_json(*found);
  std::fputs(text_at(*found, "text").c_str(), stdout);
  return 0;
}

int ctl_diff(const Ctl& ctl, const std::string& name, std::int64_t from, std::int64_t to) {
  const auto diff = ctl.client.get("flows/" + segment(name) + "/diff?from=" + std::to_string(from) +
                                   "&to=" + std::to_string(to));
  if (!diff.ok()) return failed(diff.error());
  if (ctl.is_json) return print_json(*diff);
  std::printf("--- %s@%lld\n+++ %s@%lld\n", name.c_str(), static_cast<long long>(from),
              name.c_str(), static_cast<long long>(to));
  for (const Json& line : (*diff)["lines"]) {
    const std::string kind = text_at(line, "kind");
    std::printf("%s%s\n",
                kind == "added"     ? "+"
                : kind == "removed" ? "-"
                                    : " ",
                text_at(line, "text").c_str());
  }
  return 0;
}

int ctl_deploy(const Ctl& ctl, const DeployOptions& options) {
  std::string ref;
  const auto deployed = deploy(ctl, options, &ref);
  if (!deployed.ok()) return failed(deployed.error());
  if (!options.waits && ctl.is_json) return print_json(*deployed);
  if (!ctl.is_json) {
    std::printf("deployed %s to class %s (%s)\n", ref.c_str(), options.agent_class.c_str(),
                counted(count_at(*deployed, "agents_total"), "agent").c_str());
    std::fflush(stdout);
  }
  return options.waits ? wait_for(ctl, options) : 0;
}

int ctl_status(const Ctl& ctl, const std::string& name) {
  const auto status = ctl.client.get("flows/" + segment(name) + "/status");
  if (!status.ok()) return failed(status.error());
  if (ctl.is_json) return print_json(*status);
  if ((*status)["items"].empty()) std::printf("%s is not deployed\n", name.c_str());
  for (const Json& each : (*status)["items"]) {
    std::printf("class %s: version %lld: %s%s\n", text_at(each, "class").c_str(),
                static_cast<long long>(each.value("version", std::int64_t{0})),
                sync_text(each).c_str(), run_text(each["run_wanted"]).c_str());
    for (const Json& failure : each["failures"]) {
      std::printf("  %s failed: %s\n", counted(count_at(failure, "agents"), "agent").c_str(),
                  text_at(failure, "reason").c_str());
    }
  }
  return 0;
}

}  // namespace runnel::hub
