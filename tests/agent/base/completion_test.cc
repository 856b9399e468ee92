// What is offered for a command line that is being typed.

#include "agent/base/completion.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

CommandWords program() {
  CommandWords list{
      .name = "list", .doc = "Lists.", .options = {}, .arguments = {"CONNECTION"}, .commands = {}};
  list.options = {{{"--state"}, "Where.", true, "DIR"}, {{"--json", "-j"}, "As JSON.", false, ""}};
  CommandWords queue{
      .name = "queue", .doc = "Queues.", .options = {}, .arguments = {}, .commands = {list}};
  CommandWords test{
      .name = "test", .doc = "Tests.", .options = {}, .arguments = {"FILE"}, .commands = {}};
  return {.name = "p",
          .doc = "",
          .options = {{{"--help"}, "Help.", false, ""}},
          .arguments = {},
          .commands = {queue, test}};
}

std::string offered(const std::vector<std::string>& words) {
  const auto values = [](const std::string& value, const std::string& option,
                         const std::vector<std::string>&) {
    return std::vector<Candidate>{
        {value + "1"}, {value + "2"}, {option + "!"}, {std::string(kAnyFile)}};
  };
  std::string out;
  for (const Candidate& one : candidates(program(), words, values)) out += one.text + " ";
  return out;
}

TEST_CASE("commands, options, their values and arguments are offered where each may stand") {
  CHECK(offered({""}) == "queue test ");
  CHECK(offered({}) == "queue test ");
  CHECK(offered({"q"}) == "queue ");
  CHECK(offered({"-"}) == "--help ");
  CHECK(offered({"queue", ""}) == "list ");
  CHECK(offered({"queue", "list", "--"}) == "--state --json ");
  CHECK(offered({"queue", "list", "-j", "--s"}) == "--state ");
  CHECK(offered({"queue", "list", "--state", "D"}) == "DIR1 DIR2 :files ");
  CHECK(offered({"queue", "list", "--state", "x", "C"}) == "CONNECTION1 CONNECTION2 :files ");
  CHECK(offered({"test", "a", "b", "F"}) == "FILE1 FILE2 :files ");
  CHECK(offered({"queue", "list", "--state", "--"}) == "--state! :files ");
  CHECK(offered({"ghost", "x"}) == "");
}

TEST_CASE("each shell has its script for each program, and no other has one") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell, "runnel-hub");
    CHECK(script.find("_runnel_hub") != std::string::npos);
    CHECK(script.find("runnel-hub") != std::string::npos);
    CHECK(script.find("PROGRAM") == std::string::npos);
    CHECK(script.find("FUNCTION") == std::string::npos);
  }
  CHECK(completion_script("tcsh", "runnel-hub").empty());
}

TEST_CASE("a script gets a line for each candidate, with what it means behind a tab") {
  CHECK(completion_lines({{"a", "One\nof two."}, {"b"}}) == "a\tOne of two.\nb\n");
}

}  // namespace
}  // namespace runnel
