// What is said of a flow before it is released.

#include "hub/catalog/release_check.h"

#include <doctest/doctest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace runnel::hub {
namespace {

ComponentSpec spec_of(std::string type, InputRule input,
                      std::vector<RelationshipSpec> relationships) {
  ComponentSpec spec;
  spec.type = std::move(type);
  spec.input = input;
  spec.relationships = std::move(relationships);
  return spec;
}

ManifestUse use_of(std::string agent_type) {
  AgentManifest manifest;
  manifest.hash = "h";
  manifest.agent_type = std::move(agent_type);
  manifest.specs = std::make_shared<const std::vector<ComponentSpec>>(std::vector<ComponentSpec>{
      spec_of("Source", InputRule::kForbidden, {{"success", "All."}}),
      spec_of("Split", InputRule::kRequired, {{"left", "Some."}, {"right", "The rest."}}),
      spec_of("Sink", InputRule::kRequired, {})});
  return {.manifest = std::make_shared<const AgentManifest>(std::move(manifest)), .agents = 3};
}

std::string flow_of(const std::string& middle) {
  return "flow: f\nprocessors:\n  a: {type: Source}\n  b: {type: Split, terminate: [right]}\n"
         "  c: {type: Sink}\nconnections:\n  - {from: a, to: b}\n  - {from: " +
         middle + ", to: c}\n";
}

TEST_CASE("a connection may leave out the only relationship of its processor") {
  const ReleaseCheck check = check_release(flow_of("b.left"), {use_of("runnel")});
  CHECK(check.is_valid());
  REQUIRE(check.manifests.size() == 1);
  CHECK(check.manifests[0].complaints.empty());
}

TEST_CASE("where a processor has several relationships, leaving them out is a complaint") {
  const ReleaseCheck check = check_release(flow_of("b"), {use_of("runnel")});
  CHECK_FALSE(check.is_valid());
  REQUIRE(check.manifests.size() == 1);
  REQUIRE_FALSE(check.manifests[0].complaints.empty());
  CHECK(check.manifests[0].complaints[0].text.find("b.left") != std::string::npos);
}

TEST_CASE("agents that read another format cannot be given this one") {
  const ReleaseCheck check = check_release(flow_of("b.left"), {use_of("minifi-cpp")});
  CHECK_FALSE(check.is_valid());
}

}  // namespace
}  // namespace runnel::hub
