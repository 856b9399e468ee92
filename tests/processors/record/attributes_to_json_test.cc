// AttributesToJSON writes attributes as one object.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

BenchFlowFile written(PropertyValues values) {
  auto on = ProcessorBench::open("AttributesToJSON", std::move(values));
  REQUIRE_MESSAGE(on.ok(), (on.ok() ? "" : on.error().text()));
  (*on)->put("content", {{"vehicle", "truck-1"}, {"speed", "3"}, {"filename", "f"}, {"empty", ""}});
  REQUIRE((*on)->run().ok());
  const auto out = (*on)->take("success");
  REQUIRE(out.size() == 1);
  return out[0];
}

TEST_CASE("the attributes of the list are written, missing ones as empty") {
  const BenchFlowFile out =
      written({{"Attributes List", "vehicle, none"}, {"Include Core Attributes", "false"}});
  CHECK(out.at("JSONAttributes") == R"({"none":"","vehicle":"truck-1"})");
  CHECK(out.content == "content");
}

TEST_CASE("missing ones are null where the flow says so") {
  CHECK(written({{"Attributes List", "none,empty"},
                 {"Null Value", "true"},
                 {"Include Core Attributes", "false"}})
            .at("JSONAttributes") == R"({"empty":null,"none":null})");
}

TEST_CASE("those whose whole name matches are written, into the content") {
  const BenchFlowFile out =
      written({{"Attributes Regular Expression", "v.*"}, {"Destination", "flowfile-content"}});
  CHECK(out.content == R"({"vehicle":"truck-1"})");
  CHECK(out.at("mime.type") == "application/json");
}

TEST_CASE("core attributes are written with the others") {
  CHECK(written({{"Attributes List", "vehicle"}}).at("JSONAttributes") ==
        R"({"filename":"f","vehicle":"truck-1"})");
}

TEST_CASE("without core attributes the others are written") {
  CHECK(written({{"Include Core Attributes", "false"}}).at("JSONAttributes") ==
        R"({"empty":"","speed":"3","vehicle":"truck-1"})");
}

}  // namespace
}  // namespace runnel
