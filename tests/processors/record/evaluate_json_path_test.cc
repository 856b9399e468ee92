// EvaluateJsonPath takes values out of JSON.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

constexpr const char* kRecord =
    R"({"vehicle": {"id": "truck-1"}, "speed": 87.5, "tyres": [1, 2], "at": null})";

struct Outcome {
  std::string relationship;
  TakenFlowFile flowfile;
};

Outcome evaluated(const std::string& content, PropertyValues values) {
  ProcessorRunner on("EvaluateJsonPath", std::move(values));
  on.enqueue(content);
  on.run();
  for (const char* relationship : {"matched", "unmatched", "failure"}) {
    auto out = on.taken(relationship);
    if (out.size() == 1) return {relationship, out[0]};
  }
  return {"(nowhere)", {}};
}

TEST_CASE("values become attributes") {
  const Outcome out =
      evaluated(kRecord, {{"id", "$.vehicle.id"}, {"speed", "$.speed"}, {"none", "$.none"}});
  CHECK(out.relationship == "matched");
  CHECK(out.flowfile.content == kRecord);
  CHECK(out.flowfile.attribute("id") == "truck-1");
  CHECK(out.flowfile.attribute("speed") == "87.5");
  CHECK(out.flowfile.attribute("none") == "");
}

TEST_CASE("what is not found is left out where the flow says so") {
  const Outcome out = evaluated(
      kRecord, {{"id", "$.vehicle.id"}, {"none", "$.none"}, {"Path Not Found Behavior", "skip"}});
  CHECK(out.relationship == "matched");
  CHECK_FALSE(out.flowfile.has("none"));
}

TEST_CASE("null is written as the flow says") {
  CHECK(evaluated(kRecord, {{"at", "$.at"}}).flowfile.attribute("at") == "");
  CHECK(evaluated(kRecord, {{"at", "$.at"}, {"Null Value Representation", "the string 'null'"}})
            .flowfile.attribute("at") == "null");
}

TEST_CASE("the one value becomes the content") {
  const Outcome out = evaluated(kRecord, {{"x", "$.tyres"}, {"Destination", "flowfile-content"}});
  CHECK(out.relationship == "matched");
  CHECK(out.flowfile.content == "[1,2]");
}

TEST_CASE("of several members with one name the last one counts") {
  CHECK(evaluated(R"({"speed": 1, "speed": 2})", {{"speed", "$.speed"}})
            .flowfile.attribute("speed") == "2");
}

TEST_CASE("nothing found is unmatched") {
  CHECK(evaluated(kRecord, {{"none", "$.none"}}).relationship == "unmatched");
}

TEST_CASE("what is no JSON, and an array where a scalar is asked for, are failures") {
  CHECK(evaluated("no JSON", {{"x", "$.x"}}).relationship == "failure");
  CHECK(evaluated(kRecord, {{"x", "$.tyres"}, {"Return Type", "scalar"}}).relationship ==
        "failure");
}

TEST_CASE("a path that is none is refused by name") {
  const ProcessorRunner on("EvaluateJsonPath", {{"x", "$["}}, {.must_start = false});
  CHECK(on.start_error().find("`x`") != std::string::npos);
}

}  // namespace
}  // namespace runnel
