// The command line: the door to CLI11. What is said here becomes a call of a command.

#include "agent/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

#include "agent/base/bytes.h"
#include "agent/base/words.h"
#include "agent/flow_development.h"
#include "agent/hub_control.h"
#include "agent/output.h"
#include "agent/spec/render.h"

namespace runnel {
namespace {

// The most that a running agent gives in one answer.
constexpr std::int64_t kLimitMax = 1000;
constexpr std::int64_t kContentMax = 1 << 20;

// `NAME=VALUE`, as often as the option is given.
Result<ParameterValues> parameters_of(const std::vector<std::string>& given,
                                      const std::string& option = "--param") {
  ParameterValues out;
  for (const std::string& one : given) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(option + ": `" + one + "` is not NAME=VALUE");
    out[one.substr(0, equals)] = one.substr(equals + 1);
  }
  return out;
}

// What the options of all commands are read into; lives while the program runs.
struct Words {
  SettingValues run;
  std::string config;
  std::vector<std::string> parameters;
  std::string file;
  std::string type;
  std::string target;
  std::string target_too;
  std::string within = "1 sec";
  DoctorRequest doctor;
  KeyRequest key;
  std::string root = ".";
  std::int64_t limit = 100;
  TapRequest tap;
  GraphRequest graph;
  TopRequest top;
  std::string interval = "1 sec";
  std::string shell;
  bool is_of_tests = false;
  bool is_once = false;
  std::int64_t content_max = 4096;
  Inspection where;
  ProvenanceRequest provenance;
  TestRequest test;
  OnceRequest once;
  std::vector<std::string> attributes;
  std::function<int()> command;
};

// A name that a script left empty must not stand for "all".
const CLI::Validator kNamed(
    [](const std::string& name) {
      return name.empty() ? std::string("the name is empty") : std::string();
    },
    "");

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
  run->add_option("--param", words.parameters, "NAME=VALUE of a parameter of the flow; repeatable.")
      ->take_all()
      ->allow_extra_args(false);
  run->callback(
      [&words, argv] { words.command = [&words, argv] { return run_command(words, argv); }; });
}

void add_flow_commands(CLI::App& app, Words& words) {
  CLI::App* check =
      app.add_subcommand("check", "Say all that is wrong with a flow; exit 78 if anything is.");
  check->add_option("FLOW", words.file, "File of the flow.")->required();
  check
      ->add_option("--param", words.parameters,
                   "NAME=VALUE of a parameter of the flow; repeatable.")
      ->take_all()
      ->allow_extra_args(false);
  check->add_flag("--json", words.where.as_json, "As JSON.");
  check->callback([&words] {
    words.command = [&words] {
      auto parameters = parameters_of(words.parameters);
      if (!parameters.ok()) return usage_error(parameters.error().text());
      return check_command(words.file, *parameters, words.where.as_json);
    };
  });
  CLI::App* describe = app.add_subcommand(
      "describe", "Say what a processor does and takes; without TYPE, list all.");
  describe->add_option("TYPE", words.type, "A processor's type, e.g. ConsumeMQTT.");
  describe->add_flag("--json", words.where.as_json, "As JSON.");
  describe->callback([&words] {
    words.command = [&words] { return describe_command(words.type, words.where.as_json); };
  });
  CLI::App* schema =
      app.add_subcommand("schema", "Print the flow format as JSON Schema, for editors.");
  schema->add_flag("--tests", words.is_of_tests, "That of flow tests (*.test.yaml).");
  schema->callback(
      [&words] { words.command = [&words] { return schema_command(words.is_of_tests); }; });
  CLI::App* generate =
      app.add_subcommand("generate", "Write the generated pages of the source tree.");
  generate->group("");  // hidden: for ./dev generate
  generate->add_option("ROOT", words.root, "The source tree.");
  generate->callback(
      [&words] { words.command = [&words] { return generate_command(words.root); }; });
}

void add_parameters(CLI::App& command, Words& words) {
  command
      .add_option("--param", words.parameters, "NAME=VALUE of a parameter of the flow; repeatable.")
      ->take_all()
      ->allow_extra_args(false);
}

int once_words(Words& words) {
  auto parameters = parameters_of(words.parameters);
  if (!parameters.ok()) return usage_error(parameters.error().text());
  auto attributes = parameters_of(words.attributes, "--attribute");
  if (!attributes.ok()) return usage_error(attributes.error().text());
  words.once.parameters = std::move(*parameters);
  words.once.attributes = std::move(*attributes);
  return once_command(words.once);
}

int graph_words(Words& words) {
  auto parameters = parameters_of(words.parameters);
  if (!parameters.ok()) return usage_error(parameters.error().text());
  words.graph.parameters = std::move(*parameters);
  return graph_command(words.graph);
}

void add_graph(CLI::App& app, Words& words) {
  GraphRequest& graph = words.graph;
  CLI::App* command =
      app.add_subcommand("graph", "Draw a flow, or what runs: as Mermaid or Graphviz' DOT.");
  command->add_option("FLOW", graph.file, "File of the flow.");
  command
      ->add_option("--state", graph.state_dir,
                   "State directory of an agent: draws what it runs, with its queues.")
      ->type_name("DIR");
  command->add_option("--format", graph.format, "mermaid or dot. Default: mermaid.")
      ->check(CLI::IsMember({"mermaid", "dot"}))
      ->type_name("FORMAT");
  add_parameters(*command, words);
  command->callback([&words] { words.command = [&words] { return graph_words(words); }; });
}

void add_once(CLI::App& app, Words& words) {
  OnceRequest& once = words.once;
  CLI::App* command = app.add_subcommand(
      "once", "Run a flow as a filter, from standard input to standard output, until all is done.");
  command->add_option("FLOW", once.file, "File of the flow.")->required();
  command
      ->add_option("--input", once.input,
                   "Processor in whose place the input comes in; default: the only source.")
      ->type_name("NAME");
  command
      ->add_option("--output", once.outputs,
                   "Processor in whose place is written, or NAME.RELATIONSHIP; repeatable. "
                   "Default: the only sink.")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  add_parameters(*command, words);
  command
      ->add_option("--attribute", words.attributes,
                   "NAME=VALUE of each FlowFile that comes in; repeatable.")
      ->take_all()
      ->allow_extra_args(false);
  command->add_flag("--lines", once.is_lines, "A FlowFile for each line; else one for all.");
  command
      ->add_option("--separator", once.separator,
                   "Written behind each FlowFile, with escapes such as \\n and \\0; default: "
                   "a line break with --lines, else nothing.")
      ->type_name("TEXT");
  command
      ->add_option("--patience", once.patience,
                   "After the end of the input: how long nothing may move. Default: 1 min.")
      ->type_name("PERIOD");
  command
      ->add_option("--state", once.state_dir,
                   "Where processors keep their state from one time to the next, and what was "
                   "left waits; default: nowhere.")
      ->type_name("DIR");
  command
      ->add_option("--key", once.key,
                   "Where the master key of an encrypted state directory is, as `encryption_key`.")
      ->type_name("SOURCE");
  command->callback([&words] { words.command = [&words] { return once_words(words); }; });
}

// For whoever writes flows.
void add_development(CLI::App& app, Words& words) {
  CLI::App* test =
      app.add_subcommand("test", "Run flow tests; exit 1 if one fails, 78 if a file is wrong.");
  test->add_option("FILE", words.test.files, "Test files: NAME.test.yaml.")->required();
  test->add_flag("--json", words.test.as_json, "As JSON.");
  test->add_option("--junit", words.test.junit, "Write the results to this file, as JUnit does.")
      ->type_name("FILE");
  test->callback([&words] { words.command = [&words] { return test_command(words.test); }; });
}

// A command that asks a running agent.
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

void add_limit(CLI::App& command, Words& words) {
  command.add_option("--limit", words.limit, "At most so many; up to 1000.")
      ->check(CLI::Range(std::int64_t{1}, kLimitMax));
}

// What a command is about.
void add_named(CLI::App& command, Words& words, const char* what, const char* doc) {
  command.add_option(what, words.target, doc)->required()->check(kNamed);
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

void add_queue_commands(CLI::App& app, Words& words) {
  CLI::App* queue = app.add_subcommand("queue", "Look into a connection's queue, or empty it.");
  queue->require_subcommand(1);
  CLI::App* list = add_inspection(
      *queue, words, "list", "The FlowFiles queued, in the order of taking.",
      [&words] { return queue_list_command(words.where, words.target, words.limit); });
  add_named(*list, words, "CONNECTION", "Name, path or id.");
  add_limit(*list, words);
  CLI::App* peek =
      add_inspection(*queue, words, "peek", "One FlowFile with its content.", [&words] {
        return queue_peek_command(words.where, words.target, words.provenance.flowfile,
                                  words.content_max);
      });
  add_named(*peek, words, "CONNECTION", "Name, path or id.");
  peek->add_option("FLOWFILE", words.provenance.flowfile,
                   "Its uuid or number; default: the first.");
  peek->add_option("--bytes", words.content_max, "Bytes of content shown; up to 1048576.")
      ->check(CLI::Range(std::int64_t{0}, kContentMax));
  CLI::App* purge =
      add_inspection(*queue, words, "purge", "Remove what is queued; counted in the loss ledger.",
                     [&words] { return queue_purge_command(words.where, words.target); });
  add_named(*purge, words, "CONNECTION", "Name, path or id.");
  CLI::App* parked =
      queue->add_subcommand("parked", "What connections hold that the flow has no longer.");
  parked->require_subcommand(1);
  add_inspection(*parked, words, "list", "Which there are.",
                 [&words] { return parked_list_command(words.where); });
  CLI::App* attach = add_inspection(
      *parked, words, "attach", "Put what is parked into a connection of the flow.",
      [&words] { return parked_attach_command(words.where, words.target, words.target_too); });
  add_named(*attach, words, "PARKED", "Its id.");
  attach->add_option("CONNECTION", words.target_too, "Name, path or id.")
      ->required()
      ->check(kNamed);
  CLI::App* parked_export = add_inspection(
      *parked, words, "export", "Write it to a file that `doctor import` and NiFi can read.",
      [&words] { return parked_export_command(words.where, words.target, words.doctor); });
  add_named(*parked_export, words, "PARKED", "Its id.");
  parked_export->add_option("FILE", words.doctor.file, "The file to write; what is parked stays.")
      ->required();
  add_key_option(*parked_export, words.doctor);
  add_plain_flag(*parked_export, words.doctor);
  CLI::App* parked_purge =
      add_inspection(*parked, words, "purge", "Remove it; counted in the loss ledger.",
                     [&words] { return queue_purge_command(words.where, words.target); });
  add_named(*parked_purge, words, "PARKED", "Its id.");
}

void add_state_commands(CLI::App& app, Words& words) {
  CLI::App* state = app.add_subcommand(
      "state", "What components remember (positions, caches): look at it, or clear it.");
  state->require_subcommand(1);
  add_inspection(*state, words, "list", "Who remembers how much, of earlier flows too.",
                 [&words] { return state_list_command(words.where); });
  CLI::App* show = add_inspection(*state, words, "show", "Keys and values of one.", [&words] {
    return state_show_command(words.where, words.target, words.limit);
  });
  add_named(*show, words, "COMPONENT", "Name, path or id.");
  add_limit(*show, words);
  CLI::App* clear =
      add_inspection(*state, words, "clear", "Have a component that is stopped forget it all.",
                     [&words] { return state_clear_command(words.where, words.target); });
  add_named(*clear, words, "COMPONENT", "Name, path or id.");
}

void add_doctor(CLI::App& app, Words& words) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Look at the state directory of an agent that does not run, or mend it.");
  doctor->require_subcommand(1);
  const auto add = [&words, doctor](const std::string& what, const std::string& doc) {
    CLI::App* added = doctor->add_subcommand(what, doc);
    added->add_option("--state", words.doctor.state_dir, "The agent's state directory.")
        ->required()
        ->type_name("DIR");
    added->add_flag("--json", words.doctor.as_json, "As JSON.");
    add_key_option(*added, words.doctor);
    added->callback([&words, what] {
      words.doctor.what = what;
      words.command = [&words] { return doctor_command(words.doctor); };
    });
    return added;
  };
  add("check", "Read all that is queued; exit 1 if anything is damaged.");
  add("repair", "Put a damaged database aside and carry over what can be read.");
  CLI::App* give =
      add("export", "Write all queued FlowFiles to a file that `import` and NiFi can read.");
  give->add_option("FILE", words.doctor.file, "The file to write.")->required();
  add_plain_flag(*give, words.doctor);
  CLI::App* take =
      add("import", "Queue the FlowFiles of an export, in the connections in which they were.");
  take->add_option("FILE", words.doctor.file, "The file to read.")->required();
  take->add_option("--export-key", words.doctor.export_key,
                   "Where the master key of the device is that the export is from, if this one "
                   "has another.")
      ->type_name("SOURCE");
  take->add_flag("--again", words.doctor.is_again, "Even if this export was imported before.");
}

void add_key(CLI::App& app, Words& words) {
  KeyRequest& request = words.key;
  CLI::App* key = app.add_subcommand("key", "The keys by which a state directory is encrypted.");
  key->require_subcommand(1);
  const auto add = [&](const std::string& what, const std::string& doc) {
    CLI::App* added = key->add_subcommand(what, doc);
    added->callback([&words, what] {
      words.key.what = what;
      words.command = [&words] { return key_command(words.key); };
    });
    return added;
  };
  add("make", "Write a new key to a file that only its owner may read.")
      ->add_option("FILE", request.file, "The file to make.")
      ->required();
  const auto add_state = [&](CLI::App* added) {
    added->add_option("--state", request.state_dir, "The agent's state directory.")
        ->required()
        ->type_name("DIR");
    added
        ->add_option("--key", request.source,
                     "Where the master key is, as the setting `encryption_key` has it.")
        ->type_name("SOURCE");
    added->add_flag("--json", request.as_json, "As JSON.");
    return added;
  };
  add_state(add("status", "Which keys open the state directory."));
  add_state(add("rotate", "Take new keys from the agent's next start on; it may run meanwhile."))
      ->add_option("--new-key", request.new_source,
                   "Where the master key is from then on. None: the same, or if the state "
                   "directory keeps its own, a new one.")
      ->type_name("SOURCE");
}

void add_tap(CLI::App& app, Words& words) {
  TapRequest& request = words.tap;
  CLI::App* tap =
      add_inspection(app, words, "tap", "Show the next FlowFiles that enter a connection.",
                     [&words] { return tap_command(words.where, words.tap); });
  tap->add_option("CONNECTION", request.connection, "Name, path or id.")->required()->check(kNamed);
  tap->add_option("--limit,--count", request.limit, "End after so many.")
      ->check(CLI::PositiveNumber);
  tap->add_option("--seconds", request.seconds, "End after so long.")->check(CLI::PositiveNumber);
  tap->add_option("--sample", request.sample, "One of so many that enter: 1/100.")
      ->type_name("SHARE");
  tap->add_option("--rate", request.rate, "At most so many a second.")->check(CLI::PositiveNumber);
  tap->add_option("--mask", request.masks,
                  "Attribute, or JSON path ($.driver.name), that is shown as ***; repeatable.")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
}

int top_words(Words& words) {
  const auto interval = parse_period(words.interval);
  if (!interval.ok()) return usage_error("--interval: " + interval.error().text());
  words.top.interval = std::chrono::duration_cast<std::chrono::milliseconds>(*interval);
  if (words.top.interval < std::chrono::milliseconds(100))
    return usage_error("--interval: at least 100 ms");
  return top_command(words.top);
}

void add_top(CLI::App& app, Words& words) {
  CLI::App* top = app.add_subcommand(
      "top", "A running agent on the whole screen: rates, queues, losses; `q` ends it.");
  top->add_option("--state", words.top.state_dir, "The agent's state directory.")
      ->required()
      ->type_name("DIR");
  top->add_option("--interval", words.interval, "How often it is looked at. Default: 1 sec.")
      ->type_name("PERIOD");
  top->callback([&words] { words.command = [&words] { return top_words(words); }; });
}

void add_times(CLI::App& command, Words& words) {
  command.add_option("--from", words.provenance.from,
                     "Since: an age (`1 hour`) or a time (2026-01-01T00:00:00Z).");
  command.add_option("--to", words.provenance.to, "Until, likewise.");
}

void add_provenance_commands(CLI::App& app, Words& words) {
  CLI::App* provenance =
      add_inspection(app, words, "provenance", "What happened to FlowFiles, newest first.", {});
  provenance->callback([&words, provenance] {
    if (!provenance->get_subcommands().empty()) return;  // they have said what is to be done
    words.command = [&words] {
      words.provenance.limit = words.limit;
      return provenance_command(words.where, words.provenance);
    };
  });
  provenance->add_option("--flowfile", words.provenance.flowfile,
                         "Of this FlowFile: uuid or number.");
  provenance->add_flag("--lineage", words.provenance.with_lineage,
                       "Of its ancestors and descendants too.");
  provenance->add_option("--component", words.provenance.component,
                         "Of this processor: name, path or id.");
  provenance->add_option("--kind", words.provenance.kind, "Of this kind, e.g. SEND.");
  provenance->add_option("--relationship", words.provenance.relationship,
                         "That went to this relationship.");
  provenance
      ->add_option("--attribute", words.provenance.attributes,
                   "NAME=VALUE that the FlowFiles have had; repeatable. Of recorded attributes "
                   "(the setting `provenance_attributes`).")
      ->take_all()
      ->allow_extra_args(false);
  add_times(*provenance, words);
  add_limit(*provenance, words);
  // Options of theirs that they do not know are the command's: --state, --json.
  CLI::App* lineage = provenance->add_subcommand(
      "lineage", "What a FlowFile was made of and what was made of it, as a tree.");
  lineage->fallthrough();
  add_named(*lineage, words, "FLOWFILE", "Its uuid or number.");
  lineage->callback([&words] {
    words.command = [&words] { return lineage_command(words.where, words.target); };
  });
  CLI::App* replay = provenance->add_subcommand(
      "replay", "Queue FlowFiles that have ended once more, where they stood last.");
  replay->fallthrough();
  replay->add_option("FLOWFILE", words.provenance.flowfile,
                     "Its uuid or number; none: all that ended between --from and --to.");
  replay->add_flag("--dry-run", words.provenance.is_dry_run, "Only say what would be done.");
  replay->callback([&words] {
    words.command = [&words] { return replay_command(words.where, words.provenance); };
  });
}

void add_inspections(CLI::App& app, Words& words) {
  add_inspection(app, words, "status", "How the flow does: processors, connections, loss ledger.",
                 [&words] { return status_command(words.where); });
  add_inspection(app, words, "bulletins", "What the components had to say, oldest first.",
                 [&words] { return bulletins_command(words.where); });
  add_provenance_commands(app, words);
  add_tap(app, words);
  CLI::App* start = add_inspection(
      app, words, "start",
      "Start a processor that stands still, a process group or all; enable a service.",
      [&words] { return start_command(words.where, words.target, words.is_once); });
  start->add_option("COMPONENT", words.target, "Name, path or id; none: all.")->check(kNamed);
  start->add_flag("--once", words.is_once,
                  "Trigger what stands still a single time, then stop it again; exit 1 if that "
                  "fails.");
  CLI::App* stop = add_inspection(
      app, words, "stop",
      "Stop a processor, a process group or all; disable a service. The agent stays.",
      [&words] { return stop_command(words.where, words.target); });
  stop->add_option("COMPONENT", words.target, "Name, path or id; none: all.")->check(kNamed);
  CLI::App* flush = add_inspection(
      app, words, "flush", "Have everything that is queued on disk, and say how long it took.",
      [&words] { return flush_command(words.where, words.within); });
  flush->add_option("--within", words.within, "Give up after so long, e.g. `200ms`.");
  add_queue_commands(app, words);
  add_state_commands(app, words);
  add_top(app, words);
}

// ---- completion

int complete_words(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + 2, argv + argc);
  std::vector<Candidate> all = candidates(words_of(app), words, completed_values);
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
  add_development(app, words);
  add_once(app, words);
  add_graph(app, words);
  add_inspections(app, words);
  add_doctor(app, words);
  add_key(app, words);
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
