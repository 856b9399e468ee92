// Completing command lines: one program knows all, the shells' scripts only ask it.

#include "agent/completion.h"

#include <algorithm>

namespace runnel {
namespace {

constexpr std::string_view kBash = R"sh(# Completion of runnel-agent for bash:
#   source <(runnel-agent completion bash)
_runnel_agent() {
  local line cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
      :dirs)
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") ;;
      *)
        printf -v line %q "${line%%$'\t'*}"
        COMPREPLY+=("$line") ;;
    esac
  done < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _runnel_agent runnel-agent
)sh";

constexpr std::string_view kZsh = R"sh(#compdef runnel-agent
# Completion of runnel-agent for zsh:
#   source <(runnel-agent completion zsh)
_runnel_agent() {
  local line name
  local -a found
  for line in "${(@f)$("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) _files ;;
      :dirs) _files -/ ;;
      *)
        name=${line%%$'\t'*}
        found+=("${name//:/\\:}:${line#*$'\t'}") ;;
    esac
  done
  (( $#found )) && _describe -V runnel-agent found
}
(( $+functions[compdef] )) && compdef _runnel_agent runnel-agent
)sh";

constexpr std::string_view kFish = R"sh(# Completion of runnel-agent for fish:
#   runnel-agent completion fish | source
function __runnel_agent_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] complete $words[2..-1] "$current" 2>/dev/null)
    switch $line
      case ':files' ':dirs'
        __fish_complete_path "$current"
      case '*'
        echo $line
    end
  end
end
complete -c runnel-agent -f -a '(__runnel_agent_complete)'
)sh";

const CommandWords::Option* find_option(const CommandWords& command, std::string_view word) {
  for (const CommandWords::Option& one : command.options) {
    if (std::find(one.names.begin(), one.names.end(), word) != one.names.end()) return &one;
  }
  return nullptr;
}

// Where a line has got to.
struct Reached {
  const CommandWords* command;
  const CommandWords::Option* waiting = nullptr;  // for its value
  std::size_t arguments = 0;
};

Reached walk(const CommandWords& root, const std::vector<std::string>& words) {
  Reached at{&root};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (at.waiting != nullptr) {
      at.waiting = nullptr;
      continue;
    }
    if (word.starts_with("-")) {
      const CommandWords::Option* option = find_option(*at.command, word);
      if (option != nullptr && option->takes_value) at.waiting = option;
      continue;
    }
    const auto& commands = at.command->commands;
    const auto next = std::find_if(commands.begin(), commands.end(),
                                   [&word](const CommandWords& one) { return one.name == word; });
    if (next == commands.end()) {
      ++at.arguments;
    } else {
      at = Reached{&*next};
    }
  }
  return at;
}

}  // namespace

std::vector<Candidate> candidates(const CommandWords& root, const std::vector<std::string>& words,
                                  const ValuesOf& values) {
  const std::string current = words.empty() ? std::string() : words.back();
  const Reached at = walk(root, words);
  std::vector<Candidate> all;
  if (at.waiting != nullptr) {
    all = values(at.waiting->value, at.waiting->names.front(), words);
  } else if (current.starts_with("-")) {
    for (const CommandWords::Option& one : at.command->options) {
      for (const std::string& name : one.names) all.push_back({name, one.doc});
    }
  } else {
    for (const CommandWords& one : at.command->commands) all.push_back({one.name, one.doc});
    const auto& arguments = at.command->arguments;
    // The last one may be repeated.
    if (!arguments.empty())
      all = values(arguments[std::min(at.arguments, arguments.size() - 1)], {}, words);
  }
  std::erase_if(all, [&current](const Candidate& one) {
    return !one.text.starts_with(current) && one.text != kAnyFile && one.text != kAnyFolder;
  });
  return all;
}

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  if (shell == "fish") return std::string(kFish);
  return {};
}

}  // namespace runnel
