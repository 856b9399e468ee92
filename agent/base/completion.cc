// Completing command lines: one program knows all, the shells' scripts only ask it.

#include "agent/base/completion.h"

#include <algorithm>

namespace runnel {
namespace {

// What stands in the scripts for the program, and for a function that is named after it.
constexpr std::string_view kProgram = "@PROGRAM@";
constexpr std::string_view kFunction = "@FUNCTION@";

constexpr std::string_view kBash = R"sh(# Completion of @PROGRAM@ for bash:
#   source <(@PROGRAM@ completion bash)
# What a word says: without its quotes, and without running what stands in them.
@FUNCTION@_plain() {
  local text=$1 quote= c
  REPLY=
  while [[ -n $text ]]; do
    c=${text:0:1} text=${text:1}
    if [[ $c == "$quote" ]]; then
      quote=
    elif [[ -z $quote && $c == [\"\'] ]]; then
      quote=$c
    elif [[ $c == \\ && $quote != \' && ( -z $quote || $text == [\\\"\$\`]* ) ]]; then
      REPLY+=${text:0:1} text=${text:1}
    else
      REPLY+=$c
    fi
  done
}
@FUNCTION@() {
  local line word REPLY cur=${COMP_WORDS[COMP_CWORD]}
  local -a words
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    @FUNCTION@_plain "$word"
    words+=("$REPLY")
  done
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$REPLY") ;;
      :dirs)
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$REPLY") ;;
      *)
        line=${line%%$'\t'*}
        [[ $cur == [\"\']* ]] || printf -v line %q "$line"
        COMPREPLY+=("$line") ;;
    esac
  done < <("${COMP_WORDS[0]}" complete "${words[@]}" 2>/dev/null)
}
complete -F @FUNCTION@ @PROGRAM@
)sh";

constexpr std::string_view kZsh = R"sh(#compdef @PROGRAM@
# Completion of @PROGRAM@ for zsh:
#   source <(@PROGRAM@ completion zsh)
@FUNCTION@() {
  local line name
  local -a found
  for line in "${(@f)$("${words[1]}" complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) _files ;;
      :dirs) _files -/ ;;
      *)
        name=${line%%$'\t'*}
        found+=("${name//:/\\:}:${line#*$'\t'}") ;;
    esac
  done
  (( $#found )) && _describe -V @PROGRAM@ found
}
(( $+functions[compdef] )) && compdef @FUNCTION@ @PROGRAM@
)sh";

constexpr std::string_view kFish = R"sh(# Completion of @PROGRAM@ for fish:
#   @PROGRAM@ completion fish | source
function _@FUNCTION@_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  # Without its quotes; of one that is open, the first.
  set -l plain (string unescape -- "$current"; or string trim -l -c "'\"" -- "$current")
  for line in ($words[1] complete $words[2..-1] "$plain" 2>/dev/null)
    switch $line
      case ':files' ':dirs'
        __fish_complete_path "$plain"
      case '*'
        echo $line
    end
  end
end
complete -c @PROGRAM@ -f -a '(_@FUNCTION@_complete)'
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

std::string completion_script(std::string_view shell, std::string_view program) {
  std::string function = "_" + std::string(program);
  std::replace(function.begin(), function.end(), '-', '_');
  std::string out(shell == "bash"   ? kBash
                  : shell == "zsh"  ? kZsh
                  : shell == "fish" ? kFish
                                    : std::string_view());
  for (const auto& [mark, text] :
       {std::pair<std::string_view, std::string_view>(kFunction, function),
        std::pair(kProgram, program)}) {
    for (std::size_t at = out.find(mark); at != std::string::npos; at = out.find(mark, at))
      out.replace(at, mark.size(), text);
  }
  return out;
}

std::string completion_lines(std::vector<Candidate> all) {
  std::string text;
  for (Candidate& one : all) {
    std::replace(one.doc.begin(), one.doc.end(), '\n', ' ');
    text += one.text + (one.doc.empty() ? "" : "\t" + one.doc) + '\n';
  }
  return text;
}

}  // namespace runnel
