// EvaluateJsonPath takes values out of JSON.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

constexpr const char* kRecord =
    R"({"vehicle": {"id": "truck-1"}, "speed": 87.5, "tyres": [1, 2], "at": null})";

struct Outcome {
  std::string relationship;
  BenchFlowFile flowfile;
};

Outcome evaluated(const std::string& content, PropertyValues values) {
  auto on = ProcessorBench::open("EvaluateJsonPath", std::move(values));
  REQUIRE_MESSAGE(on.ok(), (on.ok() ? "" : on.error().text()));
  (*on)->put(content);
  REQUIRE((*on)->run().ok());
  for (const char* relationship : {"matched", "unmatched", "failure"}) {
    auto out = (*on)->take(relationship);
    if (out.size() == 1) return {relationship, out[0]};
  }
  return {"(nowhere)", {}};
}

TEST_CASE("values become attributes") {
  const Outcome out =
      evaluated(kRecord, {{"id", "$.vehicle.id"}, {"speed", "$.speed"}, {"none", "$.none"}});
  CHECK(out.relationship == "matched");
  CHECK(out.flowfile.content == kRecord);
  CHECK(out.flowfile.at("id") == "truck-1");
  CHECK(out.flowfile.at("speed") == "87.5");
  CHECK(out.flowfile.at("none") == "");
}

TEST_CASE("what is not found is left out where the flow says so") {
  const Outcome out = evaluated(
      kRecord, {{"id", "$.vehicle.id"}, {"none", "$.none"}, {"Path Not Found Behavior", "skip"}});
  CHECK(out.relationship == "matched");
  CHECK(out.flowfile.at("none") == "(none)");
}

TEST_CASE("null is written as the flow says") {
  CHECK(evaluated(kRecord, {{"at", "$.at"}}).flowfile.at("at") == "");
  CHECK(evaluated(kRecord, {{"at", "$.at"}, {"Null Value Representation", "the string 'null'"}})
            .flowfile.at("at") == "null");
}

TEST_CASE("the one value becomes the content") {
  const Outcome out = evaluated(kRecord, {{"x", "$.tyres"}, {"Destination", "flowfile-content"}});
  CHECK(out.relationship == "matched");
  CHECK(out.flowfile.content == "[1,2]");
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
  const auto on = ProcessorBench::open("EvaluateJsonPath", {{"x", "$["}});
  REQUIRE_FALSE(on.ok());
  CHECK(on.error().text().find("`x`") != std::string::npos);
}

}  // namespace
}  // namespace runnel
