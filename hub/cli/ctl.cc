// runnelctl: login, agents, operations, events.

#include "hub/cli/ctl.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/words.h"
#include "hub/cli/print.h"
#include "hub/cli/settings.h"
#include "hub/cli/table.h"

namespace runnel::hub {
namespace {

constexpr std::int64_t kPage = 1'000;

// From the file's first line, else from the terminal without echo, else from standard input.
Result<std::string> read_password(const std::string& file) {
  std::string password;
  if (!file.empty()) {
    std::ifstream stream(file);
    if (!stream) return not_found("`" + file + "` cannot be read");
    std::getline(stream, password);
    return std::string(trimmed(password));
  }
  termios before{};
  const bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
  if (is_terminal) {
    std::fputs("password: ", stderr);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::getline(std::cin, password);
  if (is_terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::fputs("\n", stderr);
  }
  return std::string(trimmed(password));
}

Result<HubAccess> log_in(HubAccess access, const std::string& user,
                         const std::string& password_file) {
  TRY_ASSIGN(password, read_password(password_file));
  access.token.clear();
  if (!access.ca.empty()) access.ca = std::filesystem::absolute(access.ca).string();
  const Client client(access);
  if (!is_utf8(password)) return invalid("the password is not UTF-8");
  TRY_ASSIGN(body, written_json(Json{{"user", user}, {"password", password}}));
  TRY_ASSIGN(answer, client.send("POST", "login", body));
  const Json session = Json::parse(answer.body, nullptr, false);
  if (!answer.is_good() || !session.is_object()) {
    return invalid(session.is_object() ? text_at(session, "detail") : "the hub refused the login");
  }
  // The session is exchanged for a token, which does not end with the terminal.
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  const std::vector<std::string> headers{"Cookie: " + answer.cookie,
                                         "X-Runnel-CSRF: " + text_at(session, "csrf_token")};
  const std::string name = ("runnelctl on " + std::string(host)).substr(0, 64);
  TRY_ASSIGN(made, client.send("POST", "tokens", Json{{"name", name}}.dump(), headers));
  const Json token = Json::parse(made.body, nullptr, false);
  if (!made.is_good() || !token.is_object()) return unavailable("the hub made no token");
  access.token = text_at(token, "token");
  TRY_ASSIGN(ended, client.send("POST", "logout", "", headers));
  static_cast<void>(ended);
  return access;
}

}  // namespace

int ctl_login(const HubAccess& access, const std::string& user, const std::string& password_file) {
  const auto done = log_in(access, user, password_file);
  if (!done.ok()) return failed(done.error());
  const std::string file = settings_file();
  if (const auto saved = save_access(file, *done); !saved.ok()) return failed(saved.error());
  std::printf("logged in to %s as %s; the token is in %s\n", done->hub.c_str(), user.c_str(),
              file.c_str());
  return 0;
}

int ctl_agents(const Ctl& ctl, const std::vector<std::string>& filters) {
  std::string query;
  for (const std::string& filter : filters) {
    const std::size_t equals = filter.find('=');
    query += "&" + filter.substr(0, equals) + "=" + segment(filter.substr(equals + 1));
  }
  Json all = Json::array();
  Json first;
  std::int64_t total = 1;
  for (std::int64_t offset = 0; offset < total; offset += kPage) {
    auto page = ctl.client.get("agents?limit=" + std::to_string(kPage) +
                               "&offset=" + std::to_string(offset) + query);
    if (!page.ok()) return failed(page.error());
    total = page->value("total", std::int64_t{0});
    for (Json& item : (*page)["items"]) all.push_back(std::move(item));
    if (offset == 0) first = *page;
  }
  if (ctl.is_json) {
    first["items"] = std::move(all);
    return print_json(first);
  }
  std::vector<std::vector<std::string>> rows{{"AGENT", "CLASS", "CONNECTIVITY", "SYNC", "HEALTH",
                                              "FLOW", "IN/S", "OUT/S", "QUEUED", "SEEN"}};
  const std::int64_t now = first.value("as_of_ms", std::int64_t{0});
  for (const Json& agent : all) {
    rows.push_back({text_at(agent, "id"), text_at(agent, "class"), text_at(agent, "connectivity"),
                    text_at(agent, "sync"), text_at(agent, "health"),
                    ref_at(agent, "flow_reported"), number_at(agent, "in_records_per_s"),
                    number_at(agent, "out_records_per_s"), number_at(agent, "queued_count"),
                    agent["last_seen_ms"].is_null()
                        ? "never"
                        : ago_text(now - agent.value("last_seen_ms", now))});
  }
  std::fputs(table_text(rows).c_str(), stdout);
  return 0;
}

namespace {

// "running", "stopped (stopped by ann, with its class)".
std::string run_text(const Json& agent) {
  std::string text = text_at(agent, "flow_run_state");
  const auto run = agent.find("run_wanted");
  if (run == agent.end() || !run->is_object()) return text;
  const bool is_stopped = text_at(*run, "state") == "stopped";
  text += std::string(is_stopped ? " (stopped by " : " (started by ") + text_at(*run, "author");
  return text + (run->value("is_of_agent", false) ? ")" : ", with its class)");
}

}  // namespace

int ctl_agent(const Ctl& ctl, const std::string& id) {
  const auto agent = ctl.client.get("agents/" + segment(id));
  if (!agent.ok()) return failed(agent.error());
  if (ctl.is_json) return print_json(*agent);
  const Json& json = *agent;
  const auto with_reason = [&](const char* key, const char* reason) {
    const std::string why = text_at(json, reason);
    return text_at(json, key) + (why.empty() ? "" : ": " + why);
  };
  std::fputs(
      table_text({{"agent", text_at(json, "id")},
                  {"class", text_at(json, "class")},
                  {"host", text_at(json, "hostname") + " " + text_at(json["device"], "ip")},
                  {"program", text_at(json, "agent_type") + " " + text_at(json, "agent_version")},
                  {"connectivity", with_reason("connectivity", "connectivity_reason")},
                  {"sync", with_reason("sync", "sync_reason")},
                  {"health", with_reason("health", "health_reason")},
                  {"flow", ref_at(json, "flow_reported") +
                               " (wanted: " + ref_at(json, "flow_desired") + ")"},
                  {"run state", run_text(json)}})
          .c_str(),
      stdout);
  if (!json["processors"].empty()) {
    std::vector<std::vector<std::string>> rows{
        {"PROCESSOR", "TYPE", "STATE", "IN/S", "OUT/S", "ERROR"}};
    for (const Json& each : json["processors"]) {
      rows.push_back({text_at(each, "name"), text_at(each, "type"), text_at(each, "run_state"),
                      number_at(each, "in_records_per_s"), number_at(each, "out_records_per_s"),
                      text_at(each, "error")});
    }
    std::fputs(("\n" + table_text(rows)).c_str(), stdout);
  }
  if (!json["queues"].empty()) {
    std::vector<std::vector<std::string>> rows{{"CONNECTION", "QUEUED", "OF", "BYTES", "FULL"}};
    for (const Json& each : json["queues"]) {
      rows.push_back({text_at(each, "name"), number_at(each, "queued_count"),
                      number_at(each, "limit_count"),
                      size_text(each.value("queued_bytes", std::uint64_t{0})),
                      each.value("is_full", false) ? "yes" : ""});
    }
    std::fputs(("\n" + table_text(rows)).c_str(), stdout);
  }
  for (const Json& each : json["bulletins"]) {
    std::printf("\n%s %s %s: %s", iso_time(each.value("time_ms", std::int64_t{0})).c_str(),
                text_at(each, "severity").c_str(), text_at(each, "component_name").c_str(),
                text_at(each, "message").c_str());
  }
  if (!json["bulletins"].empty()) std::puts("");
  return 0;
}

int ctl_events(const Ctl& ctl, std::int64_t limit) {
  const auto events =
      ctl.client.get("events?limit=" + std::to_string(std::clamp<std::int64_t>(limit, 1, 1000)));
  if (!events.ok()) return failed(events.error());
  if (ctl.is_json) return print_json(*events);
  std::vector<std::vector<std::string>> rows;
  const Json& items = (*events)["items"];
  for (auto each = items.rbegin(); each != items.rend(); ++each) {
    rows.push_back({iso_time(each->value("time_ms", std::int64_t{0})), text_at(*each, "severity"),
                    text_at(*each, "kind"), text_at(*each, "message")});
  }
  std::fputs(table_text(rows).c_str(), stdout);
  return 0;
}

int ctl_run(const Ctl& ctl, const RunOptions& options) {
  Json body{{"operation", options.is_once ? "run_once" : options.verb},
            {"operand", options.processor.empty() ? "flow" : "processor"}};
  if (!options.processor.empty()) body["target"] = options.processor;
  const std::string path = options.agent.empty()
                               ? "classes/" + segment(options.agent_class) + "/operations"
                               : "agents/" + segment(options.agent) + "/operations";
  const auto answer = ctl.client.ask("POST", path, &body);
  if (!answer.ok()) return failed(answer.error());
  if (ctl.is_json) return print_json(*answer);
  const auto count = answer->value("created_count", std::int64_t{0});
  std::printf("asked %s\n", counted(count, "agent").c_str());
  if (!options.agent_class.empty() && options.processor.empty()) {
    std::printf("agents that come to class %s later are %s, too\n", options.agent_class.c_str(),
                options.verb == "stop" ? "stopped" : "started");
  }
  return 0;
}

}  // namespace runnel::hub
