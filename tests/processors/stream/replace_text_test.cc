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
  const PropertyValues nothing{{"Replacement Strategy", "Literal Replace"},
                               {"Search Value", ""},
                               {"Replacement Value", "x"}};
  CHECK(ProcessorRunner("ReplaceText", nothing, {.must_start = false})
            .start_error()
            .find("`Literal Replace` needs a `Search Value`") != std::string::npos);
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

TEST_CASE("by lines, content of any size is changed; a line above the bound is a failure") {
  std::string text;
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    text += "line " + std::to_string(i) + (i % 3 == 0 ? "\r\n" : "\n");
    expected += "LINE " + std::to_string(i) + (i % 3 == 0 ? "\r\n" : "\n");
  }
  PropertyValues values{{"Maximum Buffer Size", "16 B"},
                        {"Replacement Strategy", "Literal Replace"},
                        {"Search Value", "line"},
                        {"Replacement Value", "LINE"}};
  CHECK(changed(text, values) == expected);
  CHECK(changed(text + "a line too long for it", values) == "(failure)");
  values["Line-by-Line Evaluation Mode"] = "Last-Line";
  CHECK(changed(text + "line", values) == text + "LINE");
  values["Line-by-Line Evaluation Mode"] = "Except-Last-Line";
  CHECK(changed(text + "line", values) == expected + "line");
  values["Line-by-Line Evaluation Mode"] = "First-Line";
  CHECK(changed(text, values) == "LINE" + text.substr(4));
}

TEST_CASE("what is only added needs no buffer, whatever the content's size") {
  const std::string text(100'000, 'x');
  PropertyValues values{{"Maximum Buffer Size", "1 KB"},
                        {"Evaluation Mode", "Entire text"},
                        {"Replacement Strategy", "Append"},
                        {"Replacement Value", "."}};
  CHECK(changed(text, values) == text + ".");
  values["Replacement Strategy"] = "Prepend";
  CHECK(changed(text, values) == "." + text);
  values["Replacement Strategy"] = "Always Replace";
  CHECK(changed(text, values) == ".");
}

TEST_CASE("a result above its bound is a failure, however it is made") {
  const std::string large(60'000, 'y');
  for (const char* strategy : {"Literal Replace", "Regex Replace"}) {
    CAPTURE(strategy);
    CHECK(changed(std::string(5000, 'x'), {{"Replacement Strategy", strategy},
                                           {"Search Value", "x"},
                                           {"Replacement Value", large}}) == "(failure)");
  }
  std::string variables;
  for (int i = 0; i < 5000; ++i) variables += "${a}";
  CHECK(changed(variables,
                {{"Replacement Strategy", "Substitute Variables"}, {"Replacement Value", ""}},
                {{"a", std::string(60'000, 'z')}}) == "(failure)");
}

TEST_CASE("content above the bound is a failure") {
  CHECK(changed(std::string(2000, 'x'), {{"Maximum Buffer Size", "1 KB"},
                                         {"Evaluation Mode", "Entire text"},
                                         {"Replacement Value", "y"}}) == "(failure)");
}

}  // namespace
}  // namespace runnel
