// The flow as data: walking, finding, and complaints as text.

#include "agent/flow/model.h"

#include <doctest/doctest.h>

#include "agent/flow/complaints.h"
#include "agent/flow/yaml_reader.h"
#include "tests/agent/flow/fixtures.h"

namespace runnel {
namespace {

TEST_CASE("complaints are rendered with their place, errors and warnings apart") {
  CHECK(text_of(Complaint{"f.yaml", {3, 7}, "wrong"}) == "f.yaml:3:7: wrong");
  CHECK(text_of(Complaint{"f.yaml", {}, "wrong"}) == "f.yaml: wrong");
  CHECK(text_of(Complaint{"f.yaml", {1, 1}, "odd", Severity::kWarning}) ==
        "f.yaml:1:1: warning: odd");
  CHECK_FALSE(has_error({{"f", {}, "odd", Severity::kWarning}}));
  CHECK(has_error({{"f", {}, "odd", Severity::kWarning}, {"f", {}, "wrong"}}));
}

TEST_CASE("a long name is cut between two characters") {
  CHECK(backquoted(std::string(81, 'x')) == '`' + std::string(80, 'x') + "…`");
  std::string wide;
  for (int i = 0; i < 30; ++i) wide += "車";
  CHECK(backquoted(wide) == '`' + wide.substr(0, 78) + "…`");
}

TEST_CASE("complaints are sorted by place and keep their order at one place") {
  std::vector<Complaint> all{
      {"f", {2, 1}, "c"}, {"f", {1, 9}, "b"}, {"f", {2, 1}, "d"}, {"f", {}, "a"}};
  sort_complaints(all);
  CHECK(text_of(all) == "f: a\nf:1:9: b\nf:2:1: c\nf:2:1: d\n");
}

TEST_CASE("a name that is not unique finds nothing, a path does") {
  const FlowReading reading = read_yaml(
      "flow: f\nprocessors: {a: {type: T}}\ngroups: {g: {processors: {a: {type: T}, b: {type: "
      "T}}}}\n",
      {"f.yaml", {}});
  const Flow& flow = *reading.flow;
  REQUIRE(all_processors(flow).size() == 3);
  CHECK(find_processor(flow, "a") == all_processors(flow)[0]);  // its path, too
  CHECK(find_processor(flow, "g/a") == all_processors(flow)[1]);
  CHECK(find_processor(flow, "b") == all_processors(flow)[2]);
  CHECK(find_processor(flow, all_processors(flow)[1]->id) == all_processors(flow)[1]);
  CHECK(find_processor(flow, "nobody") == nullptr);
}

TEST_CASE("a large flow is read in a time that grows with its size only") {
  std::string text = "flow: large\nprocessors:\n";
  std::string connections = "connections:\n";
  constexpr int kCount = 5000;
  for (int i = 0; i < kCount; ++i) {
    const std::string name = "p" + std::to_string(i);
    text += "  " + name + ": {type: UpdateAttribute, properties: {a: \"${x:append('y')}\"}}\n";
    connections += "  - {from: " + name + ", to: p" + std::to_string((i + 1) % kCount) + "}\n";
  }
  const auto specs = fixture_specs();
  const FlowReading reading = read_flow(text + connections, {"f.yaml", {}}, specs);
  CHECK(text_of(reading.complaints) == "");
  CHECK(all_connections(*reading.flow).size() == kCount);
}

}  // namespace
}  // namespace runnel
