// The manifest's JSON, both ways; a door to nlohmann-json.
//
// Members that C2 does not know stand in one member `runnel` of a processor and of a property, so
// that readers who know C2 alone pass over them:
//   property:  {"kind", "expressions", "min", "max", "example"}
//   processor: {"trigger", "example", "optional_relationships": […]}
// What only we know (an expression scope that other servers' enums lack) stands there too.

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/spec/manifest.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 64;
constexpr std::size_t kMembersMax = 500;  // of one object
constexpr std::size_t kComponentsMax = 10'000;
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
  Json descriptors = Json::object();
  for (const PropertySpec& one : spec.properties) descriptors[one.name] = descriptor(one);
  out["propertyDescriptors"] = std::move(descriptors);
  Json ours = Json::object();
  if (spec.dynamic_properties) {
    const DynamicPropertySpec& dynamic = *spec.dynamic_properties;
    out["dynamicProperties"] =
        Json::array({Json{{"name", dynamic.name},
                          {"value", ""},
                          {"description", dynamic.doc},
                          {"expressionLanguageScope", scope_of(dynamic.expressions)}}});
    ours["dynamic_expressions"] = name_of(dynamic.expressions);
  }
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
  Json descriptors = Json::object();
  for (const PropertySpec& one : spec.properties) descriptors[one.name] = descriptor(one);
  out["propertyDescriptors"] = std::move(descriptors);
  Json ours = Json::object();
  if (spec.dynamic_properties) {
    const DynamicPropertySpec& dynamic = *spec.dynamic_properties;
    out["dynamicProperties"] =
        Json::array({Json{{"name", dynamic.name},
                          {"value", ""},
                          {"description", dynamic.doc},
                          {"expressionLanguageScope", scope_of(dynamic.expressions)}}});
    if (dynamic.makes_relationship) out["dynamicRelationship"] = named(dynamic.name, dynamic.doc);
    ours["dynamic_expressions"] = name_of(dynamic.expressions);
  }
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

// ---- reading: what is missing or of another type is as if it were not there

const Json& at(const Json& object, std::string_view name) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

std::string text_at(const Json& object, std::string_view name) {
  const Json& value = at(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool bool_at(const Json& object, std::string_view name) {
  const Json& value = at(object, name);
  if (value.is_string()) return equal_ignoring_case(value.get<std::string>(), "true");
  return value.is_boolean() && value.get<bool>();
}

// Java writes some numbers as texts.
std::optional<double> number_at(const Json& object, std::string_view name) {
  const Json& value = at(object, name);
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto parsed = parse_double(value.get<std::string>());
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::int64_t integer_at(const Json& object, std::string_view name, std::int64_t otherwise) {
  const auto value = number_at(object, name);
  if (!value || !(std::fabs(*value) < 9e18)) return otherwise;
  return static_cast<std::int64_t>(*value);
}

// A list; a single thing counts as a list of one: MiNiFi C++ collapses them.
std::vector<const Json*> list_at(const Json& object, std::string_view name) {
  const Json& value = at(object, name);
  std::vector<const Json*> out;
  if (value.is_array()) {
    for (const Json& one : value) out.push_back(&one);
  } else if (!value.is_null()) {
    out.push_back(&value);
  }
  return out;
}

std::string last_segment(std::string_view type) {
  const std::size_t dot = type.find_last_of(".:$");
  return std::string(dot == std::string_view::npos ? type : type.substr(dot + 1));
}

ExpressionScope scope_from(std::string_view text) {
  if (text == "FLOWFILE_ATTRIBUTES" || text == "flowfile") return ExpressionScope::kFlowFile;
  if (text == "ENVIRONMENT" || text == "VARIABLE_REGISTRY" || text == "environment") {
    return ExpressionScope::kEnvironment;
  }
  return ExpressionScope::kNone;
}

std::optional<PropertyKind> kind_from(std::string_view text) {
  for (const PropertyKind kind :
       {PropertyKind::kText, PropertyKind::kInteger, PropertyKind::kDecimal, PropertyKind::kBoolean,
        PropertyKind::kPeriod, PropertyKind::kSize, PropertyKind::kChoice,
        PropertyKind::kService}) {
    if (name_of(kind) == text) return kind;
  }
  return std::nullopt;
}

void read_validator(PropertySpec& spec, std::string_view validator) {
  if (validator == "BOOLEAN_VALIDATOR") spec.kind = PropertyKind::kBoolean;
  if (validator == "INTEGER_VALIDATOR" || validator == "LONG_VALIDATOR") {
    spec.kind = PropertyKind::kInteger;
  }
  if (validator == "NON_NEGATIVE_INTEGER_VALIDATOR") {
    spec.kind = PropertyKind::kInteger;
    spec.min = 0;
  }
  if (validator == "PORT_VALIDATOR") {
    spec.kind = PropertyKind::kInteger;
    spec.min = 1;
    spec.max = 65535;
  }
  if (validator == "TIME_PERIOD_VALIDATOR") spec.kind = PropertyKind::kPeriod;
  if (validator == "DATA_SIZE_VALIDATOR") spec.kind = PropertyKind::kSize;
}

PropertySpec read_property(std::string_view key, const Json& json) {
  PropertySpec spec;
  spec.name = key;
  spec.doc = text_at(json, "description");
  spec.is_required = bool_at(json, "required");
  spec.is_sensitive = bool_at(json, "sensitive");
  spec.expressions = scope_from(text_at(json, "expressionLanguageScope"));
  if (at(json, "defaultValue").is_string()) spec.default_value = text_at(json, "defaultValue");
  read_validator(spec, text_at(json, "validator"));
  for (const Json* value : list_at(json, "allowableValues")) {
    spec.choices.push_back({text_at(*value, "value"), text_at(*value, "description")});
  }
  if (!spec.choices.empty()) spec.kind = PropertyKind::kChoice;
  // Where several types are allowed, the first; a flow's check is lenient then.
  for (const Json* one : list_at(json, "typeProvidedByValue")) {
    if (spec.service.empty()) spec.service = last_segment(text_at(*one, "type"));
    spec.kind = PropertyKind::kService;
  }
  const Json& ours = at(json, "runnel");
  if (!ours.is_object()) return spec;
  spec.kind = kind_from(text_at(ours, "kind")).value_or(spec.kind);
  spec.expressions = scope_from(text_at(ours, "expressions"));
  spec.min = number_at(ours, "min");
  spec.max = number_at(ours, "max");
  spec.example = text_at(ours, "example");
  return spec;
}

std::vector<AttributeSpec> read_attributes(const Json& json, std::string_view name) {
  std::vector<AttributeSpec> out;
  for (const Json* one : list_at(json, name)) {
    out.push_back({text_at(*one, "name"), text_at(*one, "description")});
  }
  return out;
}

void read_dynamic(ComponentSpec& spec, const Json& json, const Json& ours) {
  const bool makes_relationship = bool_at(json, "supportsDynamicRelationships");
  if (!bool_at(json, "supportsDynamicProperties") && !makes_relationship) return;
  DynamicPropertySpec dynamic;
  // Who does not say it may mean any; a wrong "no" would refuse good flows.
  dynamic.expressions = ExpressionScope::kFlowFile;
  for (const Json* one : list_at(json, "dynamicProperties")) {
    dynamic.name = text_at(*one, "name");
    dynamic.doc = text_at(*one, "description");
    const std::string scope = text_at(*one, "expressionLanguageScope");
    if (!scope.empty()) dynamic.expressions = scope_from(scope);
    break;
  }
  if (ours.is_object()) dynamic.expressions = scope_from(text_at(ours, "dynamic_expressions"));
  dynamic.makes_relationship = makes_relationship;
  spec.dynamic_properties = std::move(dynamic);
}

ComponentSpec read_processor(const Json& json) {
  ComponentSpec spec;
  spec.type = last_segment(text_at(json, "type"));
  spec.doc = text_at(json, "typeDescription");
  const std::string input = text_at(json, "inputRequirement");
  spec.input = input == "INPUT_REQUIRED"    ? InputRule::kRequired
               : input == "INPUT_FORBIDDEN" ? InputRule::kForbidden
                                            : InputRule::kAllowed;
  spec.is_single_threaded = bool_at(json, "isSingleThreaded") || bool_at(json, "triggerSerially");
  spec.trigger = text_at(json, "defaultSchedulingStrategy") == "EVENT_DRIVEN"
                     ? DefaultTrigger::kEvent
                     : DefaultTrigger::kTimer;
  const Json& descriptors = at(json, "propertyDescriptors");
  if (descriptors.is_object()) {
    for (const auto& [key, value] : descriptors.items()) {
      spec.properties.push_back(read_property(key, value));
    }
  }
  const Json& ours = at(json, "runnel");
  read_dynamic(spec, json, ours);
  const Json& optional = at(ours, "optional_relationships");
  for (const Json* one : list_at(json, "supportedRelationships")) {
    RelationshipSpec relationship{text_at(*one, "name"), text_at(*one, "description")};
    if (optional.is_array()) {
      for (const Json& name : optional) {
        relationship.is_optional = relationship.is_optional || name == relationship.name;
      }
    }
    spec.relationships.push_back(std::move(relationship));
  }
  spec.reads = read_attributes(json, "readsAttributes");
  spec.writes = read_attributes(json, "writesAttributes");
  spec.example = text_at(ours, "example");
  return spec;
}

ComponentSpec read_service(const Json& json) {
  ComponentSpec spec;
  spec.kind = ComponentKind::kService;
  spec.type = last_segment(text_at(json, "type"));
  spec.doc = text_at(json, "typeDescription");
  const Json& descriptors = at(json, "propertyDescriptors");
  if (descriptors.is_object()) {
    for (const auto& [key, value] : descriptors.items()) {
      spec.properties.push_back(read_property(key, value));
    }
  }
  const Json& ours = at(json, "runnel");
  read_dynamic(spec, json, ours);
  for (const Json* one : list_at(json, "providedApiImplementations")) {
    spec.provides.push_back(last_segment(text_at(*one, "type")));
  }
  spec.example = text_at(ours, "example");
  return spec;
}

Bundle read_bundle(const Json& json) {
  Bundle bundle;
  bundle.group = text_at(json, "group");
  bundle.artifact = text_at(json, "artifact");
  bundle.version = text_at(json, "version");
  const Json& components = at(json, "componentManifest");
  for (const Json* one : list_at(components, "processors")) {
    bundle.processors.push_back(read_processor(*one));
  }
  for (const Json* one : list_at(components, "controllerServices")) {
    bundle.controller_services.push_back(read_service(*one));
  }
  return bundle;
}

BuildInfo read_build(const Json& json) {
  BuildInfo build;
  build.version = text_at(json, "version");
  build.revision = text_at(json, "revision");
  build.timestamp_s = integer_at(json, "timestamp", 0);
  // Java counts milliseconds here, C++ seconds.
  if (build.timestamp_s > 100'000'000'000) build.timestamp_s /= 1000;
  build.target_arch = text_at(json, "targetArch");
  build.compiler = text_at(json, "compiler");
  build.compiler_flags = text_at(json, "compilerFlags");
  if (build.compiler_flags.empty()) build.compiler_flags = text_at(json, "flags");
  return build;
}

SchedulingDefaults read_scheduling(const Json& json) {
  SchedulingDefaults out;
  if (at(json, "defaultSchedulingStrategy").is_string()) {
    out.strategy = text_at(json, "defaultSchedulingStrategy");
  }
  out.period_ms = integer_at(json, "defaultSchedulingPeriodMillis", out.period_ms);
  out.penalty_ms = integer_at(json, "penalizationPeriodMillis", out.penalty_ms);
  out.yield_ms = integer_at(json, "yieldDurationMillis", out.yield_ms);
  out.run_duration_ns = integer_at(json, "defaultRunDurationNanos", out.run_duration_ns);
  out.tasks_max = integer_at(json, "defaultMaxConcurrentTasks", out.tasks_max);
  return out;
}

std::string to_upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

SupportedOperation read_operation(const Json& json) {
  SupportedOperation operation;
  operation.type = to_upper(text_at(json, "type"));
  const Json& operands = at(json, "properties");
  if (operands.is_object()) {
    for (const auto& [name, members] : operands.items()) {
      const bool is_plain = !members.is_object() || members.empty();
      operation.operands.push_back({to_upper(name), is_plain ? std::string() : dumped(members)});
    }
  }
  return operation;
}

// Why the parser was stopped.
struct TooMuch : std::length_error {
  using std::length_error::length_error;
};

// Objects keep their order, which makes a new member cost a walk over the others: hence the bound.
Result<Json> parse(std::string_view text) {
  if (text.size() > kManifestTextMax) return invalid("the manifest is larger than 16 MiB");
  std::vector<std::size_t> members(kDepthMax + 2);
  const Json::parser_callback_t bounded = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kDepthMax) {
      throw TooMuch("the manifest is nested deeper than " + std::to_string(kDepthMax));
    }
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) members[level + 1] = 0;
    if (event == Json::parse_event_t::key && ++members[level] > kMembersMax) {
      throw TooMuch("the manifest has an object of more than " + std::to_string(kMembersMax) +
                    " members");
    }
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const TooMuch& error) {
    return invalid(error.what());
  } catch (const Json::exception& error) {
    return invalid(std::string("the manifest is no JSON: ") + error.what());
  }
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

Result<Manifest> manifest_from_json(std::string_view json) {
  TRY_ASSIGN(root, parse(json));
  if (!root.is_object()) return invalid("the manifest is no JSON object");
  Manifest manifest;
  manifest.identifier = text_at(root, "identifier");
  manifest.agent_type = text_at(root, "agentType");
  manifest.build = read_build(at(root, "buildInfo"));
  if (manifest.build.version.empty()) manifest.build.version = text_at(root, "version");
  std::size_t components = 0;
  for (const Json* bundle : list_at(root, "bundles")) {
    manifest.bundles.push_back(read_bundle(*bundle));
    components += manifest.bundles.back().processors.size() +
                  manifest.bundles.back().controller_services.size();
    if (components > kComponentsMax) {
      return invalid("the manifest names more than " + std::to_string(kComponentsMax) +
                     " components");
    }
  }
  manifest.scheduling = read_scheduling(at(root, "schedulingDefaults"));
  for (const Json* operation : list_at(root, "supportedOperations")) {
    manifest.operations.push_back(read_operation(*operation));
  }
  return manifest;
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
