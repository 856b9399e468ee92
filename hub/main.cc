// runnel-hub: arguments -> command -> exit code.

#include <CLI/CLI.hpp>

#include "agent/base/completion.h"
#include "agent/base/words.h"
#include "hub/commands.h"

namespace runnel::hub {
namespace {

void add_setting(CLI::App& command, const PropertySpec& spec, PropertyValues& into) {
  std::string doc = spec.doc;
  if (spec.default_value) doc += " Default: " + *spec.default_value + ".";
  if (spec.kind == PropertyKind::kBoolean) {
    command.add_flag_callback(
        flag_of(spec.name), [&into, &spec] { into[spec.name] = "true"; }, doc);
    return;
  }
  auto* option = command.add_option_function<std::string>(
      flag_of(spec.name), [&into, &spec](const std::string& value) { into[spec.name] = value; },
      doc);
  if (spec.name == "data") option->envname("RUNNEL_HUB_DATA");
}

int serve_command_line(const std::string& config, const PropertyValues& command_line) {
  SettingsReading file;
  if (!config.empty())
    file = read_settings_file(config, setting_specs(), "the hub's settings", false);
  if (has_error(file.complaints)) {
    std::fputs(text_of(file.complaints).c_str(), stderr);
    return kExitConfiguration;
  }
  const auto settings = make_settings(file.values.values, command_line);
  if (settings.ok()) return serve(*settings);
  std::fprintf(stderr, "%s\n", settings.error().text().c_str());
  return config.empty() ? kExitUsage : kExitConfiguration;
}

std::vector<Candidate> values_of(const std::string& value, const std::string& option,
                                 const std::vector<std::string>&) {
  if (value == "shell") return {{"bash"}, {"zsh"}, {"fish"}};
  if (option == "--role") return {{"administrator"}, {"operator"}, {"viewer"}};
  if (option == "--data" || value == "root") return {{std::string(kAnyFolder)}};
  if (option == "--config" || option.ends_with("-file")) return {{std::string(kAnyFile)}};
  std::vector<Candidate> out;
  for (const PropertySpec& spec : setting_specs()) {
    if (flag_of(spec.name) != option) continue;
    for (const Choice& one : spec.choices) out.push_back({one.value, one.doc});
  }
  return out;
}

}  // namespace
}  // namespace runnel::hub

int main(int argc, char** argv) {
  using namespace runnel;
  using namespace runnel::hub;
  CLI::App app(
      "The Runnel hub: keeps the catalog of flows, brings them to agents, shows what those are "
      "doing.",
      "runnel-hub");
  app.set_version_flag("--version", RUNNEL_VERSION);
  app.require_subcommand(1);
  const auto data_of = [](CLI::App* command, std::string& into) {
    command->add_option("--data", into, "The hub's data folder")
        ->required()
        ->envname("RUNNEL_HUB_DATA");
  };

  InitOptions init_options;
  CLI::App* init_command =
      app.add_subcommand("init", "Makes a hub: keys, certificates, the administrator `admin`");
  data_of(init_command, init_options.data);
  init_command->add_option(
      "--password-file", init_options.password_file,
      "Its first line is the administrator's password; without it one is made and printed once");
  init_command->add_option("--host", init_options.hosts,
                           "A further name or IPv4 address by which the hub is reached");

  PropertyValues serve_options;
  std::string config;
  CLI::App* serve_command = app.add_subcommand("serve", "Runs the hub until SIGTERM");
  serve_command->add_option("--config", config,
                            "File of settings (conf/hub.yaml); options go before it");
  for (const PropertySpec& spec : setting_specs()) add_setting(*serve_command, spec, serve_options);

  std::string data;
  std::string name;
  std::string user = "admin";
  std::string role = "operator";
  std::string password_file;
  bool is_json = false;
  CLI::App* token_command =
      app.add_subcommand("token", "Tokens of the API, and the one that agents show");
  token_command->require_subcommand(1);
  CLI::App* token_create_command =
      token_command->add_subcommand("create", "Makes an API token and prints it, this once");
  data_of(token_create_command, data);
  token_create_command->add_option("name", name, "What it is for")->required();
  token_create_command->add_option("--user", user, "Whose it is")->capture_default_str();
  CLI::App* token_agents_command =
      token_command->add_subcommand("agents", "Prints the token that agents show");
  data_of(token_agents_command, data);

  CLI::App* user_command = app.add_subcommand("user", "Who may log in");
  user_command->require_subcommand(1);
  CLI::App* user_add_command = user_command->add_subcommand("add", "Adds a user");
  CLI::App* user_password_command =
      user_command->add_subcommand("password", "Gives a user a new password and ends the sessions");
  CLI::App* user_remove_command =
      user_command->add_subcommand("remove", "Removes a user with sessions and tokens");
  CLI::App* user_list_command = user_command->add_subcommand("list", "Lists the users");
  for (CLI::App* command : {user_add_command, user_password_command, user_remove_command}) {
    data_of(command, data);
    command->add_option("name", name, "The user")->required();
  }
  for (CLI::App* command : {user_add_command, user_password_command}) {
    command->add_option("--password-file", password_file,
                        "Its first line is the password; without it one is made and printed");
  }
  user_add_command->add_option("--role", role, "administrator, operator or viewer")
      ->capture_default_str();
  data_of(user_list_command, data);
  user_list_command->add_flag("--json", is_json, "As JSON");

  CLI::App* openapi_command =
      app.add_subcommand("openapi", "Prints the OpenAPI document of the REST API");

  std::string root;
  CLI::App* generate_command =
      app.add_subcommand("generate", "Writes the generated files of a source tree");
  generate_command->group("")->add_option("root", root, "The tree")->required();

  std::string shell;
  CLI::App* completion_command =
      app.add_subcommand("completion", "Prints a script by which a shell completes these commands");
  completion_command->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));

  // Asked by the shells' scripts; what is being typed is no command line yet.
  if (argc > 1 && std::string_view(argv[1]) == "complete") {
    const std::vector<std::string> words(argv + 2, argv + argc);
    std::fputs(completion_lines(candidates(words_of(app), words, values_of)).c_str(), stdout);
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
      std::fprintf(stderr, "runnel-hub: %s\n", unknown_command(argv[1], known).c_str());
      return kExitUsage;
    }
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (*init_command) return init(init_options);
  if (*serve_command) return serve_command_line(config, serve_options);
  if (*token_create_command) return token_create(data, name, user);
  if (*token_agents_command) return token_agents(data);
  if (*user_add_command) return user_add(data, name, role, password_file);
  if (*user_password_command) return user_password(data, name, password_file);
  if (*user_remove_command) return user_remove(data, name);
  if (*user_list_command) return user_list(data, is_json);
  if (*openapi_command) return print_openapi();
  if (*generate_command) return generate(root);
  if (*completion_command) {
    std::fputs(completion_script(shell, "runnel-hub").c_str(), stdout);
    return 0;
  }
  return kExitUsage;
}
