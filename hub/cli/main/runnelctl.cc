// runnelctl: arguments -> command -> exit code: 0 good, 1 failed, 2 usage, 78 configuration.

#include <CLI/CLI.hpp>

#include "agent/base/completion.h"
#include "agent/base/words.h"
#include "hub/cli/ctl.h"
#include "hub/cli/print.h"
#include "hub/cli/settings.h"

namespace {

struct Arguments {
  runnel::hub::HubAccess access;
  bool is_json = false;
  std::string user = "admin", password_file, id, file, message, ref, name, shell;
  std::vector<std::string> filters;
  std::int64_t from = 0, to = 0, limit = 50;
  runnel::hub::DeployOptions deploy;
  runnel::hub::RunOptions run;
};

CLI::App* add(CLI::App& to, const std::string& name, const std::string& doc) {
  CLI::App* command = to.add_subcommand(name, doc);
  command->fallthrough();
  return command;
}

const std::vector<std::string> kFilterKeys{"q",      "class", "connectivity", "sync",
                                           "health", "flow",  "version",      "sort"};

std::vector<runnel::Candidate> values_of(const std::string& value, const std::string& option,
                                         const std::vector<std::string>&) {
  if (value == "shell") return {{"bash"}, {"zsh"}, {"fish"}};
  if (value == "file" || option == "--ca" || option == "--password-file")
    return {{std::string(runnel::kAnyFile)}};
  std::vector<runnel::Candidate> out;
  if (value != "filter") return out;
  for (const std::string& key : kFilterKeys) out.push_back({key + "="});
  return out;
}

// What is wrong with a filter of `agents`; empty: nothing. The hub passes over keys that it does
// not know, and would show more than was asked for.
std::string filter_complaint(const std::string& filter) {
  const std::size_t equals = filter.find('=');
  if (equals == std::string::npos) return "`" + filter + "` is no KEY=VALUE";
  const std::string key = filter.substr(0, equals);
  if (std::find(kFilterKeys.begin(), kFilterKeys.end(), key) != kFilterKeys.end()) return {};
  return "`" + key +
         "` is no key; there are q, class, connectivity, sync, health, flow, version, sort";
}

}  // namespace

int main(int argc, char** argv) {
  using namespace runnel::hub;
  Arguments given;
  CLI::App app("Talks to a Runnel hub.", "runnelctl");
  app.set_version_flag("--version", RUNNEL_VERSION);
  app.require_subcommand(1);
  app.add_option("--hub", given.access.hub,
                 "Where the hub is (RUNNEL_HUB, the last login, https://127.0.0.1:8443)");
  app.add_option("--ca", given.access.ca,
                 "The CA that it is trusted by: ca.pem of its data folder (RUNNEL_CA)");
  app.add_option("--token", given.access.token, "An API token (RUNNEL_TOKEN)");
  app.add_flag("--json", given.is_json, "The hub's own answer, as JSON");

  CLI::App* login = add(app, "login", "Logs in and remembers the hub and a token");
  login->add_option("--user,user", given.user, "Who")->capture_default_str();
  login->add_option("--password-file", given.password_file,
                    "Its first line is the password; without it you are asked");
  CLI::App* agents = add(app, "agents", "Lists agents");
  agents
      ->add_option("filter", given.filters,
                   "KEY=VALUE: q, class, connectivity, sync, health, flow, version, sort")
      ->check(filter_complaint);
  CLI::App* agent = add(app, "agent", "Shows one agent");
  agent->add_option("id", given.id, "The agent")->required();
  CLI::App* flows = add(app, "flows", "Lists flows; push, show and diff their versions");
  flows->require_subcommand(0, 1);
  CLI::App* push = add(*flows, "push", "Pushes a file as a new version");
  push->add_option("file", given.file, "The flow")->required();
  push->add_option("-m,--message", given.message, "What has changed");
  CLI::App* show = add(*flows, "show", "Prints a version's text");
  show->add_option("flow", given.ref, "NAME or NAME@VERSION")->required();
  CLI::App* diff = add(*flows, "diff", "Shows what changed between two versions");
  diff->add_option("name", given.name, "The flow")->required();
  diff->add_option("from", given.from, "A version")->required();
  diff->add_option("to", given.to, "Another")->required();
  CLI::App* deploy = add(app, "deploy", "Deploys a version to a class of agents");
  deploy->add_option("flow", given.deploy.ref, "NAME or NAME@VERSION; without a version the latest")
      ->required();
  deploy->add_option("--class", given.deploy.agent_class, "The class")->required();
  deploy->add_flag("--wait", given.deploy.waits,
                   "Until all agents of the class run it; exit 1 when one failed");
  deploy->add_option("--timeout", given.deploy.timeout_s, "How long to wait, in seconds")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  CLI::App* status = add(app, "status", "Where a flow is deployed, and how far it has come");
  status->add_option("flow", given.name, "The flow")->required();
  CLI::App* events = add(app, "events", "What happened lately");
  events->add_option("--limit", given.limit, "How many, up to 1000")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}))
      ->capture_default_str();
  for (const char* verb : {"start", "stop"}) {
    CLI::App* run = add(app, verb,
                        std::string(verb) == "start" ? "Starts a flow or a processor"
                                                     : "Stops a flow or a processor");
    auto* one = run->add_option("agent", given.run.agent, "The agent");
    auto* of_class = run->add_option("--class", given.run.agent_class, "All agents of this class")
                         ->excludes(one);
    // A name that a script left empty must not stand for the whole flow.
    run->add_option("--processor", given.run.processor, "Only this processor: name or id")
        ->check([](const std::string& name) {
          return name.empty() ? std::string("the name is empty") : std::string();
        });
    if (run->get_name() == "start") {
      run->add_flag("--once", given.run.is_once,
                    "Trigger the processor (or process group), which stands still, a single time")
          ->needs("--processor");
    }
    run->callback([run, &given, one, of_class] {
      given.run.verb = run->get_name();
      if (one->count() + of_class->count() == 0) throw CLI::RequiredError("an agent, or --class");
    });
  }
  CLI::App* completion =
      add(app, "completion", "Prints a script by which a shell completes these commands");
  completion->add_option("shell", given.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  // Asked by the shells' scripts; what is being typed is no command line yet.
  if (argc > 1 && std::string_view(argv[1]) == "complete") {
    const std::vector<std::string> words(argv + 2, argv + argc);
    const auto all = runnel::candidates(runnel::words_of(app), words, values_of);
    std::fputs(runnel::completion_lines(all).c_str(), stdout);
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 says of a command that it does not know only that there is none.
    const auto is_shown = [](const CLI::App* one) { return !one->get_group().empty(); };
    std::vector<std::string> known;
    for (const CLI::App* one : app.get_subcommands(is_shown)) known.push_back(one->get_name());
    if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
      std::fprintf(stderr, "runnelctl: %s\n", runnel::unknown_command(argv[1], known).c_str());
      return 2;
    }
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (*completion) {
    std::fputs(runnel::completion_script(given.shell, "runnelctl").c_str(), stdout);
    return 0;
  }
  const auto saved = load_access(settings_file());
  if (!saved.ok() && !*login) {
    failed(saved.error());
    return 78;
  }
  const HubAccess access =
      resolve_access(given.access, environment_access(), saved.ok() ? *saved : HubAccess());
  if (*login) return ctl_login(access, given.user, given.password_file);
  const Ctl ctl{Client(access), given.is_json};
  if (*agents) return ctl_agents(ctl, given.filters);
  if (*agent) return ctl_agent(ctl, given.id);
  if (*push) return ctl_push(ctl, given.file, given.message);
  if (*show) return ctl_show(ctl, given.ref);
  if (*diff) return ctl_diff(ctl, given.name, given.from, given.to);
  if (*flows) return ctl_flows(ctl);
  if (*deploy) return ctl_deploy(ctl, given.deploy);
  if (*status) return ctl_status(ctl, given.name);
  if (*events) return ctl_events(ctl, given.limit);
  return ctl_run(ctl, given.run);
}
