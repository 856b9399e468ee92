// LogAttribute: one line for each FlowFile, with what was asked for.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/base/log.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

std::vector<std::string> lines;

struct Caught {
  Caught() {
    lines.clear();
    set_log_sink([](std::string_view line) {
      if (line.find("FlowFile ") != line.npos) lines.emplace_back(line);
    });
  }
  ~Caught() { set_log_sink(nullptr); }
};

bool has(const std::string& line, std::string_view text) { return line.find(text) != line.npos; }

TEST_CASE("LogAttribute writes the attributes of each FlowFile and sends it on unchanged") {
  Caught caught;
  ProcessorRunner runner("LogAttribute", {{"Log Prefix", "seen:"}});
  runner.enqueue("one", {{"speed", "30"}, {"name", "with \"quotes\"\nand lines"}});
  runner.enqueue("two");
  runner.run();
  REQUIRE(lines.size() == 2);
  CHECK(has(lines[0], " info subject: seen: FlowFile "));
  CHECK(has(lines[0], " size=3 "));
  CHECK(has(lines[0], " speed=\"30\""));
  CHECK(has(lines[0], "name=\"with \\\"quotes\\\"\\nand lines\""));
  CHECK(!has(lines[0], "payload"));
  const auto sent = runner.taken("success");
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].content == "one");
  CHECK(sent[0].attribute("speed") == "30");
}

TEST_CASE("LogAttribute can choose attributes, level and payload") {
  Caught caught;
  ProcessorRunner runner("LogAttribute", {{"Log Level", "critical"},
                                          {"Attributes to Log", "a, b"},
                                          {"Attributes to Ignore", "b"},
                                          {"Log Payload", "true"},
                                          {"Hexencode Payload", "true"},
                                          {"Maximum Payload Line Length", "4"},
                                          {"FlowFiles To Log", "0"}});
  runner.enqueue("abc", {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  runner.enqueue("", {{"a", "4"}});
  runner.run();
  REQUIRE(lines.size() == 2);
  CHECK(has(lines[0], " error subject:"));
  CHECK(has(lines[0], " a=\"1\""));
  CHECK(!has(lines[0], " b="));
  CHECK(!has(lines[0], " c="));
  CHECK(has(lines[0], "payload=\"6162\\n63\""));
  CHECK(has(lines[1], "payload=\"\""));
}

}  // namespace
}  // namespace runnel
