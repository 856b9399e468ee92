// What a shell may offer for a command line that is being typed, from the same data as --help.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel {

// What can be typed next; `text` may be one of those that stand for more.
struct Candidate {
  std::string text;
  std::string doc = {};
};
inline constexpr std::string_view kAnyFile = ":files";
inline constexpr std::string_view kAnyFolder = ":dirs";

// One command of the command line, as far as completion needs it.
struct CommandWords {
  struct Option {
    std::vector<std::string> names;  // "--state"
    std::string doc;
    bool takes_value = false;
    std::string value;  // what stands for it in --help: "DIR"
  };
  std::string name;
  std::string doc;
  std::vector<Option> options;
  std::vector<std::string> arguments;  // what stands for each in --help: "FLOW"
  std::vector<CommandWords> commands;
};

// The values of `value` ("TYPE", "CONNECTION") in a line with these words; `option` is its name,
// empty for an argument.
using ValuesOf = std::function<std::vector<Candidate>(
    const std::string& value, const std::string& option, const std::vector<std::string>& words)>;

// `words` are those after the program's name; the last one is being typed, and may be empty. Only
// what begins with it.
std::vector<Candidate> candidates(const CommandWords& root, const std::vector<std::string>& words,
                                  const ValuesOf& values);

// The commands of a program whose command line is of CLI11 (App: CLI::App), which only its door
// includes. What is in no group is hidden.
template <typename App>
CommandWords words_of(const App& app) {
  CommandWords out;
  out.name = app.get_name();
  out.doc = app.get_description();
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    if (option->get_positional()) {
      out.arguments.push_back(option->get_name(true));
      continue;
    }
    CommandWords::Option one;
    for (const std::string& name : option->get_lnames()) one.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) one.names.push_back("-" + name);
    one.doc = option->get_description();
    one.takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0;
    one.value = option->get_type_name();
    out.options.push_back(std::move(one));
  }
  for (const App* one :
       app.get_subcommands([](const App* each) { return !each->get_group().empty(); })) {
    if (!one->get_name().empty()) out.commands.push_back(words_of(*one));
  }
  return out;
}

// The script that a shell loads, for `program`; empty: the shell ("bash", "zsh", "fish") is
// unknown. It asks by `program complete WORD…`.
std::string completion_script(std::string_view shell, std::string_view program);
// What the script reads then: a line for each.
std::string completion_lines(std::vector<Candidate> all);

}  // namespace runnel
