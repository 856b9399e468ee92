// Commands that need no running agent: on flows, on state directories, and for the source tree.

#include "agent/command_words.h"
#include "agent/output.h"

namespace runnel {
namespace {

void add_checks(CLI::App& app, Words& words) {
  CLI::App* check =
      app.add_subcommand("check", "Say all that is wrong with a flow; exit 78 if anything is.");
  check->add_option("FLOW", words.file, "File of the flow.")->required();
  add_parameters(*check, words);
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
  add("import", "Queue the FlowFiles of an export, in the connections in which they were.")
      ->add_option("FILE", words.doctor.file, "The file to read.")
      ->required();
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

}  // namespace

void add_flow_commands(CLI::App& app, Words& words) {
  add_checks(app, words);
  add_development(app, words);
  add_once(app, words);
  add_graph(app, words);
}

void add_state_commands(CLI::App& app, Words& words) {
  add_doctor(app, words);
  add_key(app, words);
}

}  // namespace runnel
