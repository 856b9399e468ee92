// The command line: the door to CLI11. What is said here becomes a call of a command.

#include "agent/commands.h"

#include <algorithm>
#include <cstdio>

#include "agent/base/completion.h"
#include "agent/base/words.h"
#include "agent/command_words.h"
#include "agent/hub_control.h"
#include "agent/output.h"
#include "agent/spec/render.h"

namespace runnel {

Result<ParameterValues> parameters_of(const std::vector<std::string>& given,
                                      const std::string& option) {
  ParameterValues out;
  for (const std::string& one : given) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(option + ": `" + one + "` is not NAME=VALUE");
    out[one.substr(0, equals)] = one.substr(equals + 1);
  }
  return out;
}

const CLI::Validator& named() {
  static const CLI::Validator validator(
      [](const std::string& name) {
        return name.empty() ? std::string("the name is empty") : std::string();
      },
      "");
  return validator;
}

CLI::App* add_inspection(CLI::App& app, Words& words, const std::string& name,
                         const std::string& doc, std::function<int()> command) {
  CLI::App* added = app.add_subcommand(name, doc);
  added->add_option("--state", words.where.state_dir, "The agent's state directory.")
      ->required()
      ->type_name("DIR");
  added->add_flag("--json", words.where.as_json, "As JSON.");
  added->callback([&words, command = std::move(command)] { words.command = command; });
  return added;
}

void add_parameters(CLI::App& command, Words& words) {
  command
      .add_option("--param", words.parameters, "NAME=VALUE of a parameter of the flow; repeatable.")
      ->take_all()
      ->allow_extra_args(false);
}

void add_key_option(CLI::App& to, DoctorRequest& request) {
  to.add_option("--key", request.key,
                "Where the master key is, as the setting `encryption_key` has it.")
      ->type_name("SOURCE");
}

void add_plain_flag(CLI::App& to, DoctorRequest& request) {
  to.add_flag("--plain", request.is_plain,
              "In plain, though FlowFiles are encrypted here; NiFi reads no other.");
}

namespace {

int run_command(const Words& words, char** argv) {
  auto parameters = parameters_of(words.parameters);
  if (!parameters.ok()) return usage_error(parameters.error().text());
  SettingValues command_line = words.run;
  command_line.parameters = std::move(*parameters);
  SettingsReading file;
  if (!words.config.empty()) file = read_settings_file(words.config);
  if (has_error(file.complaints)) {
    std::fputs(text_of(file.complaints).c_str(), stderr);
    return kExitConfiguration;
  }
  const auto settings = make_settings(file.values, command_line);
  if (!settings.ok()) {
    std::fprintf(stderr, "%s\n", settings.error().text().c_str());
    return words.config.empty() ? kExitUsage : kExitConfiguration;
  }
  return run_agent(*settings, argv);
}

void add_run(CLI::App& app, Words& words, char** argv) {
  CLI::App* run = app.add_subcommand("run", "Run a flow until told to stop.");
  run->add_option("--config", words.config,
                  "File of settings (conf/agent.yaml); options go before it.");
  for (const PropertySpec& spec : setting_specs()) {
    std::string doc = spec.doc;
    if (spec.default_value) doc += " Default: " + *spec.default_value + ".";
    if (spec.kind == PropertyKind::kBoolean) {
      run->add_flag_callback(
          flag_of(spec.name), [&words, &spec] { words.run.values[spec.name] = "true"; }, doc);
    } else {
      run->add_option_function<std::string>(
             flag_of(spec.name),
             [&words, &spec](const std::string& value) { words.run.values[spec.name] = value; },
             doc)
          ->type_name(spec.example.empty() ? "VALUE" : "TEXT");
    }
  }
  add_parameters(*run, words);
  run->callback(
      [&words, argv] { words.command = [&words, argv] { return run_command(words, argv); }; });
}

// ---- completion

std::vector<Candidate> values_of(const std::string& value, const std::string& option,
                                 const std::vector<std::string>& words) {
  std::vector<Candidate> out;
  if (value == "TYPE") {
    for (const ComponentSpec& spec : component_specs())
      out.push_back({spec.type, std::string(first_sentence(spec.doc))});
  } else if (value == "SHELL") {
    out = {{"bash"}, {"zsh"}, {"fish"}};
  } else if (value == "FORMAT") {
    out = {{"mermaid"}, {"dot"}};
  } else if (value == "CONNECTION" || value == "COMPONENT") {
    const auto state = std::find(words.begin(), words.end(), "--state");
    if (state != words.end() && state + 1 != words.end())
      for (std::string& name : names_at(*(state + 1), value == "CONNECTION"))
        out.push_back({std::move(name)});
  } else if (value == "DIR" || option == "--state") {
    out = {{std::string(kAnyFolder)}};
  } else if (value == "FLOW" || value == "FILE" || option == "--config" || option == "--flow" ||
             option.ends_with("-file") || option.ends_with("-ca")) {
    out = {{std::string(kAnyFile)}};
  }
  for (const PropertySpec& spec : setting_specs()) {
    if (flag_of(spec.name) != option) continue;
    for (const Choice& one : spec.choices) out.push_back({one.value, one.doc});
  }
  return out;
}

int complete_words(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + 2, argv + argc);
  std::vector<Candidate> all = candidates(words_of(app), words, values_of);
  for (Candidate& one : all) one.doc = first_sentence(one.doc);
  return print(completion_lines(std::move(all)));
}

void add_completion(CLI::App& app, Words& words) {
  CLI::App* completion =
      app.add_subcommand("completion", "Print a script by which a shell completes these commands.");
  completion->add_option("SHELL", words.shell, "bash, zsh or fish.")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&words] {
    words.command = [&words] { return print(completion_script(words.shell, "runnel-agent")); };
  });
}

}  // namespace

int run_command_line(int argc, char** argv) {
  Words words;
  CLI::App app("Runnel's agent: runs flows at the edge, and loses nothing.", "runnel-agent");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("runnel-agent " RUNNEL_VERSION));
  app.get_formatter()->column_width(34);
  add_run(app, words, argv);
  add_flow_commands(app, words);
  add_inspections(app, words);
  add_state_commands(app, words);
  add_completion(app, words);
  // Asked by the shells' scripts; what is being typed is no command line yet.
  if (argc > 1 && std::string_view(argv[1]) == "complete") return complete_words(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 says of a command that it does not know only that there is none.
    const auto is_shown = [](const CLI::App* one) { return !one->get_group().empty(); };
    std::vector<std::string> known;
    for (const CLI::App* one : app.get_subcommands(is_shown)) known.push_back(one->get_name());
    if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
      std::fprintf(stderr, "runnel-agent: %s\n", unknown_command(argv[1], known).c_str());
      return kExitUsage;
    }
    return app.exit(error) == 0 ? kExitGood : kExitUsage;
  }
  return words.command();
}

}  // namespace runnel
