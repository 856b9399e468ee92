// AttributesToJSON writes attributes as one object.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

TakenFlowFile written(PropertyValues values) {
  ProcessorRunner on("AttributesToJSON", std::move(values));
  on.enqueue("content", {{"vehicle", "truck-1"}, {"speed", "3"}, {"filename", "f"}, {"empty", ""}});
  on.run();
  const auto out = on.taken("success");
  REQUIRE(out.size() == 1);
  return out[0];
}

TEST_CASE("the attributes of the list are written, missing ones as empty") {
  const TakenFlowFile out =
      written({{"Attributes List", "vehicle, none"}, {"Include Core Attributes", "false"}});
  CHECK(out.attribute("JSONAttributes") == R"({"none":"","vehicle":"truck-1"})");
  CHECK(out.content == "content");
}

TEST_CASE("missing ones are null where the flow says so") {
  CHECK(written({{"Attributes List", "none,empty"},
                 {"Null Value", "true"},
                 {"Include Core Attributes", "false"}})
            .attribute("JSONAttributes") == R"({"empty":null,"none":null})");
}

TEST_CASE("those whose whole name matches are written, into the content") {
  const TakenFlowFile out =
      written({{"Attributes Regular Expression", "v.*"}, {"Destination", "flowfile-content"}});
  CHECK(out.content == R"({"vehicle":"truck-1"})");
  CHECK(out.attribute("mime.type") == "application/json");
}

TEST_CASE("core attributes are written with all others, but not with those that are named") {
  const TakenFlowFile out = written({});
  CHECK(out.attribute("JSONAttributes") ==
        R"({"empty":"","filename":"f","path":"./","speed":"3","uuid":")" + out.attribute("uuid") +
            R"(","vehicle":"truck-1"})");
  CHECK(written({{"Attributes List", "vehicle"}}).attribute("JSONAttributes") ==
        R"({"vehicle":"truck-1"})");
  CHECK(written({{"Attributes List", "vehicle"},
                 {"Attributes Regular Expression", "file.*"},
                 {"Include Core Attributes", "false"}})
            .attribute("JSONAttributes") == R"({"filename":"f","vehicle":"truck-1"})");
}

TEST_CASE("without core attributes the others are written") {
  CHECK(written({{"Include Core Attributes", "false"}}).attribute("JSONAttributes") ==
        R"({"empty":"","speed":"3","vehicle":"truck-1"})");
}

}  // namespace
}  // namespace runnel
