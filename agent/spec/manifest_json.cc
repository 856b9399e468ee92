// Writing the manifest as JSON (reading it: manifest_reading.cc); a door to nlohmann-json.
//
// Members that C2 does not know stand in one member `runnel` of a processor and of a property, so
// that readers who know C2 alone pass over them:
//   property:  {"kind", "expressions", "min", "max", "example"}
//   component: {"trigger", "example", "optional_relationships": […]}
// What only we know (an expression scope that other servers' enums lack) stands there too.

#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/spec/manifest.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTypePrefix = "runnel.processors.";
constexpr std::string_view kServicePrefix = "runnel.services.";

// ---- writing

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string_view validator_of(const PropertySpec& spec) {
  switch (spec.kind) {
    case PropertyKind::kBoolean:
      return "BOOLEAN_VALIDATOR";
    case PropertyKind::kInteger:
      return spec.min.value_or(-1) >= 0 ? "NON_NEGATIVE_INTEGER_VALIDATOR" : "INTEGER_VALIDATOR";
    case PropertyKind::kPeriod:
      return "TIME_PERIOD_VALIDATOR";
    case PropertyKind::kSize:
      return "DATA_SIZE_VALIDATOR";
    case PropertyKind::kText:
      return spec.is_required ? "NON_BLANK_VALIDATOR" : "VALID";
    case PropertyKind::kDecimal:
    case PropertyKind::kChoice:
    case PropertyKind::kService:
      return "VALID";
  }
  return "VALID";
}

std::string_view scope_of(ExpressionScope scope) {
  // ENVIRONMENT is no word of NiFi 1.x: its servers refuse a heartbeat that holds it.
  return scope == ExpressionScope::kFlowFile ? "FLOWFILE_ATTRIBUTES" : "NONE";
}

Json number(double value) {
  if (std::floor(value) == value && std::fabs(value) < 9e15) return Json(std::llround(value));
  return Json(value);
}

Json descriptor(const PropertySpec& spec) {
  Json out;
  out["name"] = spec.name;
  out["description"] = spec.doc;
  out["validator"] = validator_of(spec);
  out["required"] = spec.is_required;
  out["sensitive"] = spec.is_sensitive;
  out["expressionLanguageScope"] = scope_of(spec.expressions);
  if (spec.default_value) out["defaultValue"] = *spec.default_value;
  if (!spec.choices.empty()) {
    Json values = Json::array();
    for (const Choice& choice : spec.choices) {
      Json value{{"value", choice.value}, {"displayName", choice.value}};
      if (!choice.doc.empty()) value["description"] = choice.doc;
      values.push_back(std::move(value));
    }
    out["allowableValues"] = std::move(values);
  }
  if (!spec.service.empty()) {
    out["typeProvidedByValue"] = Json{{"type", std::string(kServicePrefix) + spec.service}};
  }
  Json ours{{"kind", name_of(spec.kind)}, {"expressions", name_of(spec.expressions)}};
  if (spec.min) ours["min"] = number(*spec.min);
  if (spec.max) ours["max"] = number(*spec.max);
  if (!spec.example.empty()) ours["example"] = spec.example;
  if (!spec.replaced_by.empty()) ours["replaced_by"] = spec.replaced_by;
  out["runnel"] = std::move(ours);
  return out;
}

Json named(std::string_view name, std::string_view doc) {
  return Json{{"name", name}, {"description", doc}};
}

Json attributes(const std::vector<AttributeSpec>& all) {
  Json out = Json::array();
  for (const AttributeSpec& one : all) out.push_back(named(one.name, one.doc));
  return out;
}

// Properties, and those that a flow may add: in `out` as the protocol has them, in `ours` as well.
void describe_properties(const ComponentSpec& spec, Json& out, Json& ours) {
  Json descriptors = Json::object();
  for (const PropertySpec& one : spec.properties) descriptors[one.name] = descriptor(one);
  out["propertyDescriptors"] = std::move(descriptors);
  if (!spec.dynamic_properties) return;
  const DynamicPropertySpec& dynamic = *spec.dynamic_properties;
  out["dynamicProperties"] =
      Json::array({Json{{"name", dynamic.name},
                        {"value", ""},
                        {"description", dynamic.doc},
                        {"expressionLanguageScope", scope_of(dynamic.expressions)}}});
  if (dynamic.makes_relationship) out["dynamicRelationship"] = named(dynamic.name, dynamic.doc);
  ours["dynamic_expressions"] = name_of(dynamic.expressions);
}

Json service(const ComponentSpec& spec) {
  Json out;
  out["type"] = std::string(kServicePrefix) + spec.type;
  out["typeDescription"] = spec.doc;
  Json provided = Json::array();
  for (const std::string& one : spec.provides) {
    provided.push_back(Json{{"type", std::string(kServicePrefix) + one}});
  }
  out["providedApiImplementations"] = std::move(provided);
  out["supportsDynamicProperties"] = spec.dynamic_properties.has_value();
  Json ours = Json::object();
  describe_properties(spec, out, ours);
  if (!spec.example.empty()) ours["example"] = spec.example;
  out["runnel"] = std::move(ours);
  return out;
}

Json processor(const ComponentSpec& spec) {
  Json out;
  out["type"] = std::string(kTypePrefix) + spec.type;
  out["typeDescription"] = spec.doc;
  out["inputRequirement"] =
      "INPUT_" + std::string(spec.input == InputRule::kForbidden ? "FORBIDDEN"
                             : spec.input == InputRule::kAllowed ? "ALLOWED"
                                                                 : "REQUIRED");
  out["isSingleThreaded"] = spec.is_single_threaded;
  out["triggerSerially"] = spec.is_single_threaded;
  out["supportsDynamicProperties"] = spec.dynamic_properties.has_value();
  out["supportsDynamicRelationships"] =
      spec.dynamic_properties && spec.dynamic_properties->makes_relationship;
  Json ours = Json::object();
  describe_properties(spec, out, ours);
  Json relationships = Json::array();
  Json optional = Json::array();
  for (const RelationshipSpec& one : spec.relationships) {
    relationships.push_back(named(one.name, one.doc));
    if (one.is_optional) optional.push_back(one.name);
  }
  out["supportedRelationships"] = std::move(relationships);
  out["supportedSchedulingStrategies"] = {"TIMER_DRIVEN", "EVENT_DRIVEN", "CRON_DRIVEN"};
  const bool is_timer = spec.trigger == DefaultTrigger::kTimer;
  out["defaultSchedulingStrategy"] = is_timer ? "TIMER_DRIVEN" : "EVENT_DRIVEN";
  if (!spec.reads.empty()) out["readsAttributes"] = attributes(spec.reads);
  if (!spec.writes.empty()) out["writesAttributes"] = attributes(spec.writes);
  ours["trigger"] = is_timer ? "timer" : "event";
  if (!optional.empty()) ours["optional_relationships"] = std::move(optional);
  if (!spec.example.empty()) ours["example"] = spec.example;
  out["runnel"] = std::move(ours);
  return out;
}

Json bundles_json(const std::vector<Bundle>& bundles) {
  Json out = Json::array();
  for (const Bundle& bundle : bundles) {
    Json processors = Json::array();
    for (const ComponentSpec& spec : bundle.processors) processors.push_back(processor(spec));
    Json services = Json::array();
    for (const ComponentSpec& spec : bundle.controller_services) services.push_back(service(spec));
    out.push_back(Json{{"group", bundle.group},
                       {"artifact", bundle.artifact},
                       {"version", bundle.version},
                       {"componentManifest", Json{{"processors", std::move(processors)},
                                                  {"controllerServices", std::move(services)}}}});
  }
  return out;
}

Json operations_json(const std::vector<SupportedOperation>& operations) {
  Json out = Json::array();
  for (const SupportedOperation& operation : operations) {
    Json operands = Json::object();
    for (const auto& operand : operation.operands) {
      Json members = operand.properties_json.empty()
                         ? Json::object()
                         : Json::parse(operand.properties_json, nullptr, false);
      operands[operand.name] = members.is_object() ? std::move(members) : Json::object();
    }
    out.push_back(Json{{"type", operation.type}, {"properties", std::move(operands)}});
  }
  return out;
}

Json build_json(const BuildInfo& build) {
  Json out{{"version", build.version}, {"revision", build.revision}};
  if (build.timestamp_s != 0) out["timestamp"] = build.timestamp_s;
  out["targetArch"] = build.target_arch;
  out["compiler"] = build.compiler;
  out["compilerFlags"] = build.compiler_flags;
  return out;
}

Json scheduling_json(const SchedulingDefaults& scheduling) {
  return Json{{"defaultSchedulingStrategy", scheduling.strategy},
              {"defaultSchedulingPeriodMillis", scheduling.period_ms},
              {"penalizationPeriodMillis", scheduling.penalty_ms},
              {"yieldDurationMillis", scheduling.yield_ms},
              {"defaultRunDurationNanos", scheduling.run_duration_ns},
              {"defaultMaxConcurrentTasks", scheduling.tasks_max}};
}

void add_processor_facts(Json& out, const ComponentSpec& spec) {
  const auto attribute_list = [](const std::vector<AttributeSpec>& all) {
    Json list = Json::array();
    for (const AttributeSpec& one : all) list.push_back(Json{{"name", one.name}, {"doc", one.doc}});
    return list;
  };
  Json relationships = Json::array();
  for (const RelationshipSpec& one : spec.relationships) {
    relationships.push_back(
        Json{{"name", one.name}, {"doc", one.doc}, {"is_optional", one.is_optional}});
  }
  out["relationships"] = std::move(relationships);
  out["writes"] = attribute_list(spec.writes);
  out["reads"] = attribute_list(spec.reads);
  out["input"] = name_of(spec.input);
  out["trigger"] = spec.trigger == DefaultTrigger::kTimer ? "timer" : "event";
  out["is_single_threaded"] = spec.is_single_threaded;
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  return dumped(Json{{"identifier", manifest.identifier},
                     {"agentType", manifest.agent_type},
                     {"version", manifest.build.version},
                     {"buildInfo", build_json(manifest.build)},
                     {"bundles", bundles_json(manifest.bundles)},
                     {"schedulingDefaults", scheduling_json(manifest.scheduling)},
                     {"supportedOperations", operations_json(manifest.operations)}});
}

std::string bundles_hash(const Manifest& manifest) {
  return sha256_hex(dumped(bundles_json(manifest.bundles)));
}

std::string to_json(const ComponentSpec& spec) {
  Json properties = Json::array();
  for (const PropertySpec& one : spec.properties) {
    Json property{{"name", one.name},
                  {"doc", one.doc},
                  {"kind", name_of(one.kind)},
                  {"is_required", one.is_required},
                  {"is_sensitive", one.is_sensitive},
                  {"expressions", name_of(one.expressions)}};
    if (one.default_value) property["default"] = *one.default_value;
    if (one.min) property["min"] = number(*one.min);
    if (one.max) property["max"] = number(*one.max);
    for (const Choice& choice : one.choices) {
      property["choices"].push_back(Json{{"value", choice.value}, {"doc", choice.doc}});
    }
    if (!one.example.empty()) property["example"] = one.example;
    if (!one.service.empty()) property["service"] = one.service;
    if (!one.replaced_by.empty()) property["replaced_by"] = one.replaced_by;
    properties.push_back(std::move(property));
  }
  Json out{{"type", spec.type}};
  if (spec.is_service()) out["component"] = name_of(spec.kind);
  out["doc"] = spec.doc;
  if (spec.is_service()) out["provides"] = spec.provides;
  out["properties"] = std::move(properties);
  if (spec.dynamic_properties) {
    out["dynamic_properties"] =
        Json{{"name", spec.dynamic_properties->name},
             {"doc", spec.dynamic_properties->doc},
             {"expressions", name_of(spec.dynamic_properties->expressions)},
             {"makes_relationship", spec.dynamic_properties->makes_relationship}};
  }
  if (!spec.is_service()) add_processor_facts(out, spec);
  if (!spec.example.empty()) out["example"] = spec.example;
  return dumped(out);
}

}  // namespace runnel
