// runnel-hub: arguments -> command -> exit code.

#include <CLI/CLI.hpp>

#include "hub/commands.h"

int main(int argc, char** argv) {
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

  ServeOptions serve_options;
  CLI::App* serve_command = app.add_subcommand("serve", "Runs the hub until SIGTERM");
  data_of(serve_command, serve_options.data);
  serve_command
      ->add_option("--operators", serve_options.operators,
                   "ADDRESS:PORT of pages and REST; port 0: any")
      ->capture_default_str();
  serve_command->add_option("--agents", serve_options.agents, "ADDRESS:PORT of C2; port 0: any")
      ->capture_default_str();
  serve_command->add_flag("--plain-http", serve_options.is_plain_http,
                          "No TLS, and agents need no token; on loopback only");

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

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (*init_command) return init(init_options);
  if (*serve_command) return serve(serve_options);
  if (*token_create_command) return token_create(data, name, user);
  if (*token_agents_command) return token_agents(data);
  if (*user_add_command) return user_add(data, name, role, password_file);
  if (*user_password_command) return user_password(data, name, password_file);
  if (*user_remove_command) return user_remove(data, name);
  if (*user_list_command) return user_list(data, is_json);
  if (*openapi_command) return print_openapi();
  return kExitUsage;
}
