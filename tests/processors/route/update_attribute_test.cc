// UpdateAttribute sets and removes attributes.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

TEST_CASE("attributes are set, all computed from what the FlowFile had before") {
  ProcessorRunner on(
      "UpdateAttribute",
      {{"site", "depot-7"}, {"a", "${b}"}, {"b", "${a}"}, {"at", "${now():toNumber()}"}});
  on.enqueue("content", {{"a", "1"}, {"b", "2"}, {"kept", "x"}});
  on.run();
  const auto out = on.taken("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == "content");
  CHECK(out[0].attribute("site") == "depot-7");
  CHECK(out[0].attribute("a") == "2");
  CHECK(out[0].attribute("b") == "1");
  CHECK(out[0].attribute("kept") == "x");
  CHECK(out[0].attribute("at") == "1767225600000");
}

TEST_CASE("attributes whose whole name matches are removed, before others are set") {
  ProcessorRunner on("UpdateAttribute",
                     {{"Delete Attributes Expression", "mqtt\\..*"}, {"mqtt.x", "new"}});
  on.enqueue("", {{"mqtt.topic", "t"}, {"mqtt.x", "old"}, {"not.mqtt.y", "kept"}});
  on.run();
  const auto out = on.taken("success");
  REQUIRE(out.size() == 1);
  CHECK_FALSE(out[0].has("mqtt.topic"));
  CHECK(out[0].attribute("mqtt.x") == "new");
  CHECK(out[0].attribute("not.mqtt.y") == "kept");
}

TEST_CASE("an expression without a value leads to failure, penalized, with nothing changed") {
  const PropertyValues values{{"x", "${at:toDate('yyyy'):toNumber()}"}, {"y", "set"}};
  ProcessorRunner on("UpdateAttribute", values);
  on.enqueue("", {{"at", "never"}});
  on.run();
  const auto out = on.taken("failure");
  REQUIRE(out.size() == 1);
  CHECK(out[0].is_penalized);
  CHECK_FALSE(out[0].has("y"));
  CHECK(on.has_bulletin("attribute `x`"));
}

TEST_CASE("where failure is left out, such a FlowFile stays queued") {
  ProcessorRunner on("UpdateAttribute", {{"x", "${at:toDate('yyyy'):toNumber()}"}},
                     {.leave_out = {"failure"}});
  on.enqueue("", {{"at", "never"}});
  on.run();
  CHECK(on.queued() == 1);
  CHECK(on.taken("success").empty());
}

TEST_CASE("a bad regular expression is refused by name") {
  const ProcessorRunner on("UpdateAttribute", {{"Delete Attributes Expression", "("}},
                           {.must_start = false});
  CHECK(on.start_error().find("Delete Attributes Expression") != std::string::npos);
}

}  // namespace
}  // namespace runnel
