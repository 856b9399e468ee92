// Reading manifests, ours and those of other makers; a door to nlohmann-json. What is written is in
// manifest_json.cc.

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "agent/base/bytes.h"
#include "agent/spec/manifest.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 64;
constexpr std::size_t kMembersMax = 500;  // of one object
constexpr std::size_t kComponentsMax = 10'000;

// What is missing or of another type is as if it were not there

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
  spec.replaced_by = text_at(ours, "replaced_by");
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

void read_properties(ComponentSpec& spec, const Json& json) {
  const Json& descriptors = at(json, "propertyDescriptors");
  if (!descriptors.is_object()) return;
  for (const auto& [key, value] : descriptors.items()) {
    spec.properties.push_back(read_property(key, value));
  }
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
  const Json& ours = at(json, "runnel");
  read_properties(spec, json);
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
  const Json& ours = at(json, "runnel");
  read_properties(spec, json);
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
      operation.operands.push_back(
          {to_upper(name), is_plain
                               ? std::string()
                               : members.dump(-1, ' ', false, Json::error_handler_t::replace)});
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

}  // namespace

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

}  // namespace runnel
