// Manifests keep what they say on the way through JSON, and those of others are understood.

#include "agent/spec/manifest.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

ComponentSpec route() {
  ComponentSpec spec;
  spec.type = "RouteOnAttribute";
  spec.doc = "Sends on.";
  PropertySpec strategy;
  strategy.name = "Routing Strategy";
  strategy.kind = PropertyKind::kChoice;
  strategy.choices = {{"a", "doc of a"}, {"b", ""}};
  strategy.default_value = "a";
  PropertySpec wait;
  wait.name = "A Wait";
  wait.kind = PropertyKind::kPeriod;
  wait.min = 1e6;
  wait.max = 2.5e9;
  wait.expressions = ExpressionScope::kEnvironment;
  wait.is_required = true;
  spec.properties = {strategy, wait};
  spec.dynamic_properties = DynamicPropertySpec{.name = "route",
                                                .doc = "A condition.",
                                                .expressions = ExpressionScope::kFlowFile,
                                                .makes_relationship = true};
  spec.relationships = {{"unmatched", "The rest."}, {"failure", "Bad.", true}};
  spec.writes = {{"x", "an attribute"}};
  spec.input = InputRule::kAllowed;
  spec.trigger = DefaultTrigger::kTimer;
  spec.is_single_threaded = false;
  return spec;
}

TEST_CASE("our own manifest comes back whole") {
  const std::vector<ComponentSpec> specs{route()};
  const Manifest manifest =
      make_manifest(specs, {{"UPDATE", {{"CONFIGURATION"}, {"PROPERTIES", R"({"a":[1]})"}}}});
  const std::string json = to_json(manifest);
  const auto back = manifest_from_json(json);
  REQUIRE(back.ok());
  CHECK(to_json(*back) == json);
  CHECK(manifest_hash(*back) == manifest_hash(manifest));
  CHECK(manifest_hash(manifest).size() == 128);
  CHECK(bundles_hash(*back) == bundles_hash(manifest));
  REQUIRE(back->specs().size() == 1);
  const ComponentSpec spec = back->specs().front();
  CHECK(to_json(spec) == to_json(route()));
  CHECK(spec.properties[0].name == "Routing Strategy");
  CHECK(spec.properties[1].max == 2.5e9);
  CHECK(spec.relationship("failure")->is_optional);
  CHECK(spec.dynamic_properties->makes_relationship);
  REQUIRE(back->operations.size() == 1);
  CHECK(back->operations[0].operands[1].properties_json == R"({"a":[1]})");
}

TEST_CASE("controller services and who names them come back whole") {
  ComponentSpec reader;
  reader.kind = ComponentKind::kService;
  reader.type = "JsonTreeReader";
  reader.doc = "Reads.";
  reader.provides = {"RecordReaderFactory"};
  ComponentSpec convert;
  convert.type = "ConvertRecord";
  PropertySpec property;
  property.name = "Record Reader";
  property.kind = PropertyKind::kService;
  property.service = "RecordReaderFactory";
  convert.properties = {property};
  const std::vector<ComponentSpec> specs{reader, convert};
  const std::string json = to_json(make_manifest(specs, {}));
  CHECK(json.find(R"("typeProvidedByValue":{"type":"runnel.services.RecordReaderFactory"})") !=
        std::string::npos);
  CHECK(json.find(R"("controllerServices":[{"type":"runnel.services.JsonTreeReader")") !=
        std::string::npos);
  const auto back = manifest_from_json(json);
  REQUIRE(back.ok());
  CHECK(to_json(*back) == json);
  REQUIRE(back->specs().size() == 2);
  CHECK(back->types() == std::vector<std::string>{"ConvertRecord"});
  CHECK(back->specs()[0].properties[0].service == "RecordReaderFactory");
  CHECK(back->specs()[1].is_service());
  CHECK(back->specs()[1].does_provide("RecordReaderFactory"));
  CHECK(to_json(back->specs()[1]) == to_json(reader));
}

TEST_CASE("other servers read our manifest: only words that they know stand where they look") {
  const std::vector<ComponentSpec> specs{route()};
  const std::string json = to_json(make_manifest(specs, {}));
  CHECK(json.find(R"("bundles":[{"group":"runnel","artifact":"runnel-processors")") !=
        std::string::npos);
  CHECK(json.find(R"("inputRequirement":"INPUT_ALLOWED")") != std::string::npos);
  CHECK(json.find(R"("validator":"TIME_PERIOD_VALIDATOR")") != std::string::npos);
  CHECK(json.find(R"("supportedRelationships":[{"name":"unmatched","description":"The rest."})") !=
        std::string::npos);
  CHECK(json.find("ENVIRONMENT\"") == std::string::npos);
}

TEST_CASE("a manifest of MiNiFi C++ becomes specs, its only bundle an object") {
  const auto manifest = manifest_from_json(R"({"identifier":"kQ3","agentType":"cpp",
    "buildInfo":{"version":"0.99.2","timestamp":1758000000,"flags":"-O2"},
    "bundles":{"group":"org.apache.nifi.minifi","artifact":"std","version":"0.99.2",
      "componentManifest":{"processors":[{
        "type":"org.apache.nifi.minifi.processors.LogAttribute","typeDescription":"Writes.",
        "inputRequirement":"INPUT_REQUIRED","isSingleThreaded":false,
        "supportsDynamicProperties":true,"supportsDynamicRelationships":false,
        "propertyDescriptors":{
          "Log Level":{"name":"Log Level","validator":"VALID","required":false,
            "expressionLanguageScope":"FLOWFILE_ATTRIBUTES","defaultValue":"info",
            "allowableValues":[{"value":"info","displayName":"info"}]},
          "Port":{"name":"Port","validator":"PORT_VALIDATOR","required":true}},
        "supportedRelationships":{"name":"success","description":"all"}}]}},
    "schedulingDefaults":{"defaultMaxConcurrentTasks":"1"},
    "supportedOperations":[{"type":"update","properties":{"configuration":{}}}]})");
  REQUIRE(manifest.ok());
  CHECK(manifest->build.compiler_flags == "-O2");
  CHECK(manifest->operations[0].type == "UPDATE");
  CHECK(manifest->operations[0].operands[0].name == "CONFIGURATION");
  REQUIRE(manifest->types() == std::vector<std::string>{"LogAttribute"});
  const ComponentSpec spec = manifest->specs()[0];
  CHECK(spec.properties[0].kind == PropertyKind::kChoice);
  CHECK(spec.properties[0].expressions == ExpressionScope::kFlowFile);
  CHECK(spec.properties[1].min == 1);
  CHECK(spec.properties[1].is_required);
  CHECK(spec.relationship("success") != nullptr);
  CHECK(spec.dynamic_properties);
  CHECK(spec.trigger == DefaultTrigger::kTimer);
}

TEST_CASE("hostile manifests are refused") {
  CHECK_FALSE(manifest_from_json("{").ok());
  CHECK_FALSE(manifest_from_json("[]").ok());
  CHECK_FALSE(manifest_from_json(std::string(1'000'000, '[')).ok());
  std::string wide = "{";
  for (int i = 0; i < 200'000; ++i) wide += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
  CHECK(manifest_from_json(wide + "}").error().text() ==
        "the manifest has an object of more than 500 members");
  CHECK_FALSE(manifest_from_json(std::string(kManifestTextMax + 1, ' ')).ok());
  CHECK(manifest_from_json(R"({"bundles":7,"supportedOperations":"x","buildInfo":[]})").ok());
}

}  // namespace
}  // namespace runnel
