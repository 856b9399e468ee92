// ReplaceText changes content as text.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

std::string changed(const std::string& content, PropertyValues values,
                    const std::map<std::string, std::string>& attributes = {}) {
  ProcessorRunner on("ReplaceText", std::move(values));
  on.enqueue(content, attributes);
  on.run();
  const auto out = on.taken("success");
  if (out.empty()) return on.taken("failure").size() == 1 ? "(failure)" : "(nothing)";
  return out[0].content;
}

TEST_CASE("a regular expression is replaced, with its groups") {
  CHECK(changed("speed=3 speed=4",
                {{"Search Value", "speed=(\\d)"}, {"Replacement Value", "<$1>"}}) == "<3> <4>");
  CHECK(changed("a\nb", {{"Search Value", "^."}, {"Replacement Value", "x"}}) == "x\nx");
}

TEST_CASE("literal text is taken as it stands") {
  CHECK(changed("a.b.c", {{"Replacement Strategy", "Literal Replace"},
                          {"Search Value", "."},
                          {"Replacement Value", "$1"}}) == "a$1b$1c");
}

TEST_CASE("lines get something before them or behind them") {
  CHECK(changed("a\nb", {{"Replacement Strategy", "Prepend"}, {"Replacement Value", "> "}}) ==
        "> a\n> b");
  CHECK(changed("a\nb", {{"Replacement Strategy", "Append"}, {"Replacement Value", ";"}}) ==
        "a;\nb;");
  CHECK(changed("a\nb", {{"Replacement Strategy", "Prepend"},
                         {"Evaluation Mode", "Entire text"},
                         {"Replacement Value", "> "}}) == "> a\nb");
  CHECK(changed("a\nb\nc", {{"Replacement Strategy", "Append"},
                            {"Line-by-Line Evaluation Mode", "Last-Line"},
                            {"Replacement Value", ";"}}) == "a\nb\nc;");
}

TEST_CASE("the whole content is replaced by an expression of the FlowFile") {
  CHECK(changed("whatever",
                {{"Replacement Strategy", "Always Replace"},
                 {"Evaluation Mode", "Entire text"},
                 {"Replacement Value", R"({"vehicle":"${vehicle}"})"}},
                {{"vehicle", "truck-1"}}) == R"({"vehicle":"truck-1"})");
}

TEST_CASE("attributes are put in for variables in the content") {
  CHECK(changed(
            "${vehicle} at ${unknown}",
            {{"Replacement Strategy", "Substitute Variables"}, {"Evaluation Mode", "Entire text"}},
            {{"vehicle", "truck-1"}}) == "truck-1 at ${unknown}");
}

TEST_CASE("content above the bound is a failure") {
  CHECK(changed(std::string(2000, 'x'),
                {{"Maximum Buffer Size", "1 KB"}, {"Replacement Value", "y"}}) == "(failure)");
}

}  // namespace
}  // namespace runnel
