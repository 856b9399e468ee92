// UpdateAttribute sets and removes attributes.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

TEST_CASE("attributes are set, all computed from what the FlowFile had before") {
  auto on = ProcessorBench::open(
      "UpdateAttribute",
      {{"site", "depot-7"}, {"a", "${b}"}, {"b", "${a}"}, {"at", "${now():toNumber()}"}});
  REQUIRE(on.ok());
  (*on)->put("content", {{"a", "1"}, {"b", "2"}, {"kept", "x"}});
  REQUIRE((*on)->run().ok());
  const auto out = (*on)->take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == "content");
  CHECK(out[0].at("site") == "depot-7");
  CHECK(out[0].at("a") == "2");
  CHECK(out[0].at("b") == "1");
  CHECK(out[0].at("kept") == "x");
  CHECK(out[0].at("at") == "1767225600000");
}

TEST_CASE("attributes whose whole name matches are removed, before others are set") {
  auto on = ProcessorBench::open(
      "UpdateAttribute", {{"Delete Attributes Expression", "mqtt\\..*"}, {"mqtt.x", "new"}});
  REQUIRE(on.ok());
  (*on)->put("", {{"mqtt.topic", "t"}, {"mqtt.x", "old"}, {"not.mqtt.y", "kept"}});
  REQUIRE((*on)->run().ok());
  const auto out = (*on)->take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].at("mqtt.topic") == "(none)");
  CHECK(out[0].at("mqtt.x") == "new");
  CHECK(out[0].at("not.mqtt.y") == "kept");
}

TEST_CASE("an expression without a value leads to failure, penalized, with nothing changed") {
  const PropertyValues values{{"x", "${at:toDate('yyyy'):toNumber()}"}, {"y", "set"}};
  auto on = ProcessorBench::open("UpdateAttribute", values);
  REQUIRE(on.ok());
  (*on)->put("", {{"at", "never"}});
  REQUIRE((*on)->run().ok());
  const auto out = (*on)->take("failure");
  REQUIRE(out.size() == 1);
  CHECK(out[0].is_penalized);
  CHECK(out[0].at("y") == "(none)");
  REQUIRE((*on)->bulletins().size() == 1);
  CHECK((*on)->bulletins()[0].find("attribute `x`") != std::string::npos);
}

TEST_CASE("where failure is left out, such a FlowFile stays queued") {
  auto on = ProcessorBench::open("UpdateAttribute", {{"x", "${at:toDate('yyyy'):toNumber()}"}},
                                 {"failure"});
  REQUIRE(on.ok());
  (*on)->put("", {{"at", "never"}});
  CHECK_FALSE((*on)->run().ok());
  CHECK((*on)->queued() == 1);
  CHECK((*on)->take("success").empty());
}

TEST_CASE("a bad regular expression is refused by name") {
  const auto on = ProcessorBench::open("UpdateAttribute", {{"Delete Attributes Expression", "("}});
  REQUIRE_FALSE(on.ok());
  CHECK(on.error().text().find("Delete Attributes Expression") != std::string::npos);
}

}  // namespace
}  // namespace runnel
