// What a shell may offer for a command line that is being typed, from the same data as --help.

#pragma once

#include <functional>
#include <string>
#include <string_view>
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

// The script that a shell loads; empty: the shell ("bash", "zsh", "fish") is unknown.
std::string completion_script(std::string_view shell);

}  // namespace runnel
