// GenerateFlowFile: sizes, batches, formats, attributes, its timer.

#include <doctest/doctest.h>

#include <algorithm>

#include "processors/registry.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

TEST_CASE("GenerateFlowFile makes one batch of unique FlowFiles in each period, to success") {
  ProcessorRunner runner("GenerateFlowFile", {{"File Size", "100 B"}, {"Batch Size", "3"}});
  runner.run();
  auto made = runner.taken("success");
  REQUIRE(made.size() == 3);
  CHECK(made[0].content.size() == 100);
  CHECK(made[0].content != made[1].content);
  CHECK(made[0].attribute("uuid") != made[1].attribute("uuid"));
  runner.advance(999ms);
  CHECK(runner.count("success") == 0);
  runner.advance(1ms);
  CHECK(runner.taken("success").size() == 3);
  CHECK(runner.events(ProvenanceKind::kCreate).size() == 2);
  check_balanced(runner.loss());
}

TEST_CASE("FlowFiles that need not be unique have the same content") {
  ProcessorRunner runner("GenerateFlowFile", {{"File Size", "1 KB"},
                                              {"Batch Size", "2"},
                                              {"Unique FlowFiles", "false"},
                                              {"Data Format", "Text"}});
  runner.run();
  const auto made = runner.taken("success");
  REQUIRE(made.size() == 2);
  CHECK(made[0].content == made[1].content);
  CHECK(made[0].content.size() == 1024);
  CHECK(std::all_of(made[0].content.begin(), made[0].content.end(),
                    [](char c) { return c == '\n' || c == '\t' || (c >= ' ' && c <= '~'); }));
}

TEST_CASE("Custom Text and further properties are evaluated for each FlowFile") {
  ProcessorRunner runner("GenerateFlowFile", {{"Custom Text", "{\"vehicle\": \"${vehicle}\"}"},
                                              {"Unique FlowFiles", "false"},
                                              {"Data Format", "Text"},
                                              {"vehicle", "${literal('truck'):append('-1')}"}});
  runner.run();
  const auto made = runner.taken("success");
  REQUIRE(made.size() == 1);
  CHECK(made[0].attribute("vehicle") == "truck-1");
  CHECK(made[0].content == "{\"vehicle\": \"truck-1\"}");
}

TEST_CASE("content that is larger than memory likes is written in pieces") {
  ProcessorRunner runner("GenerateFlowFile", {{"File Size", "3 MB"}});
  runner.run();
  const auto made = runner.taken("success");
  REQUIRE(made.size() == 1);
  CHECK(made[0].content.size() == 3 * 1024 * 1024);
}

TEST_CASE("empty FlowFiles can be made") {
  ProcessorRunner runner("GenerateFlowFile", {{"File Size", "0 B"}});
  runner.run();
  CHECK(runner.taken("success").at(0).content.empty());
}

TEST_CASE("Custom Text without its two conditions is refused with the cure") {
  const auto made = find_processor_type("GenerateFlowFile")->make({{"Custom Text", "x"}});
  REQUIRE(!made.ok());
  CHECK(made.error().text() ==
        "property `Custom Text` needs `Unique FlowFiles` `false` and `Data Format` `Text`");
}

}  // namespace
}  // namespace runnel
