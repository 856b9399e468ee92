// The settings of `run`: file, command line, checks and the generated page.

#include "agent/settings.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/support/source_dir.h"

namespace runnel {
namespace {

SettingsReading read(const std::string& text) {
  char name[] = "/tmp/runnel_settings_XXXXXX";
  const int fd = mkstemp(name);
  REQUIRE(fd >= 0);
  close(fd);
  std::ofstream(name) << text;
  SettingsReading reading = read_settings_file(name);
  std::filesystem::remove(name);
  return reading;
}

TEST_CASE("a file gives settings and parameters; the command line goes before it") {
  const auto file =
      read("state: /s\nflow: f.yaml\nheartbeat: 5 sec\nlog_json: true\nparameters: {a: 1, b: x}\n");
  CHECK(file.complaints.empty());
  const auto settings =
      make_settings(file.values, {.values = {{"state", "/t"}}, .parameters = {{"a", "2"}}});
  REQUIRE(settings.ok());
  CHECK(settings->state == "/t");
  CHECK(settings->flow == "f.yaml");
  CHECK(settings->heartbeat == std::chrono::seconds(5));
  CHECK(settings->log_json);
  CHECK(settings->parameters == ParameterValues{{"a", "2"}, {"b", "x"}});
  CHECK(settings->agent_class == "default");
}

TEST_CASE("everything that is wrong with a file is said at once, with its place") {
  const auto file =
      read("stat: /s\nheartbeat: soon\nlog_level: loud\nworkers: -1\nparameters: 5\n");
  CHECK(file.complaints.size() == 5);
  const std::string text = text_of(file.complaints);
  CHECK(text.find(":1:1: ") != std::string::npos);
  CHECK(text.find("state") != std::string::npos);
  CHECK(!read("[1, 2]").complaints.empty());
  CHECK(!read_settings_file("/nowhere/agent.yaml").complaints.empty());
  CHECK(read("").complaints.empty());
}

TEST_CASE("what is missing or wrong on the command line is said with the option's name") {
  const auto nothing = make_settings({}, {});
  REQUIRE(!nothing.ok());
  CHECK(nothing.error().text().find("--state") != std::string::npos);
  CHECK(nothing.error().text().find("--hub URL") != std::string::npos);
  const auto bad = make_settings(
      {}, {.values = {{"state", "s"}, {"flow", "f"}, {"workers", "many"}}, .parameters = {}});
  REQUIRE(!bad.ok());
  CHECK(bad.error().text().find("--workers") != std::string::npos);
}

TEST_CASE("a class that the hub would file under another name is refused") {
  const auto with_class = [](const std::string& name) {
    return make_settings(
        {}, {.values = {{"state", "/s"}, {"hub", "h"}, {"agent_class", name}}, .parameters = {}});
  };
  for (const char* good : {"trucks", "EU-west_2.v1"}) CHECK(with_class(good).ok());
  const std::vector<std::string> all_bad{"", "my trucks", "lkw/süd", "..", std::string(65, 'x')};
  for (const std::string& bad : all_bad) {
    const auto refused = with_class(bad);
    REQUIRE(!refused.ok());
    CHECK(refused.error().text() ==
          "--agent-class: `" + bad +
              "` cannot name a class; a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  }
}

TEST_CASE("the bounds of provenance and of the replay archive are settings") {
  const auto defaults =
      make_settings({}, {.values = {{"state", "/t"}, {"flow", "f"}}, .parameters = {}});
  REQUIRE(defaults.ok());
  CHECK(defaults->provenance_bytes == 64 << 20);
  CHECK(defaults->provenance_age == std::chrono::hours(7 * 24));
  CHECK(defaults->provenance_attributes == std::vector<std::string>{"filename"});
  CHECK(defaults->replay_archive_bytes == 0);
  CHECK(defaults->memory_budget == 64 << 20);
  CHECK(defaults->ledger_linger == std::chrono::milliseconds(5));
  const auto file = read(
      "memory_budget: 16 MB\nledger_linger: 200 ms\nstate: /s\nflow: f\nprovenance_size: 0 "
      "B\nprovenance_attributes: 'mqtt.topic, site ,,site'\n"
      "replay_archive: 1 GB\nreplay_archive_age: 2 hours\n");
  CHECK(file.complaints.empty());
  const auto settings = make_settings(file.values, {});
  REQUIRE(settings.ok());
  CHECK(settings->provenance_bytes == 0);
  CHECK(settings->provenance_attributes == std::vector<std::string>{"mqtt.topic", "site"});
  CHECK(settings->replay_archive_bytes == 1 << 30);
  CHECK(settings->replay_archive_age == std::chrono::hours(2));
  CHECK(settings->memory_budget == 16 << 20);
  CHECK(settings->ledger_linger == std::chrono::milliseconds(200));
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"replay_archive", "much"},
                                                        {"memory_budget", "1 MB"},
                                                        {"ledger_linger", "0 ms"},
                                                        {"ledger_linger", "2 sec"}}) {
    CAPTURE(key);
    CHECK(!make_settings(
               {}, {.values = {{"state", "/t"}, {"flow", "f"}, {key, value}}, .parameters = {}})
               .ok());
  }
}

TEST_CASE("a token comes from a file or directly, not both") {
  char name[] = "/tmp/runnel_token_XXXXXX";
  close(mkstemp(name));
  std::ofstream(name) << "secret\n";
  const PropertyValues base{{"state", "s"}, {"hub", "https://h"}};
  PropertyValues from_file = base;
  from_file["hub_token_file"] = name;
  CHECK(make_settings({.values = from_file, .parameters = {}}, {})->hub_token == "secret");
  PropertyValues both = from_file;
  both["hub_token"] = "other";
  CHECK(make_settings({.values = both, .parameters = {}}, {}).code() == Code::kInvalid);
  CHECK(make_settings({.values = from_file, .parameters = {}},
                      {.values = {{"hub_token", "mine"}}, .parameters = {}})
            ->hub_token == "mine");
  std::filesystem::remove(name);
  CHECK(make_settings({.values = from_file, .parameters = {}}, {}).code() == Code::kInvalid);
}

TEST_CASE("conf/agent.yaml is the page that the table gives; ./dev generate writes it anew") {
  std::ifstream in(test::source_dir() + "/conf/agent.yaml");
  std::stringstream text;
  text << in.rdbuf();
  CHECK(text.str() == settings_page());
  // It is read without a complaint, also with every key switched on.
  CHECK(read(settings_page()).complaints.empty());
  std::string on;
  std::istringstream lines(settings_page());
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(": ");
    const bool is_key =
        line.starts_with("# ") && colon != std::string::npos &&
        line.substr(2, colon - 2).find_first_not_of("abcdefghijklmnopqrstuvwxyz_") ==
            std::string::npos;
    if (is_key && line.find("hub_token_file") == std::string::npos) on += line.substr(2) + "\n";
  }
  const auto all = read(on);
  CHECK_MESSAGE(all.complaints.empty(), text_of(all.complaints));
  CHECK(all.values.values.size() == setting_specs().size() - 1);
}

}  // namespace
}  // namespace runnel
