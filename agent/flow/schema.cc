// Writing the schema: the keys are those of the reader (yaml_reader, yaml_elements), the processors
// those of their specs. A test holds the keys against the reader's own list.

#include "agent/flow/schema.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/units.h"
#include "agent/flow/model.h"
#include "agent/flow/yaml_reader.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

// The reader takes a number or true as the text that stands there.
const Json kText = {"string", "number", "boolean"};

// An object of one member: within braces alone it might pass for a list.
Json single(const char* key, Json value) {
  Json out = Json::object();
  out[key] = std::move(value);
  return out;
}

Json described(Json schema, const std::string& doc) {
  if (!doc.empty()) schema["description"] = doc;
  return schema;
}

Json text(const std::string& doc = {}) { return described(single("type", kText), doc); }

Json ref(const std::string& name) { return single("$ref", "#/definitions/" + name); }

Json described_ref(const std::string& name, const std::string& doc) {
  return {{"allOf", Json::array({ref(name)})}, {"description", doc}};
}

Json choice(const std::vector<std::string_view>& words, const std::string& doc) {
  Json all = Json::array();
  for (const std::string_view word : words) all.push_back(word);
  return described(single("enum", std::move(all)), doc);
}

Json whole_number(std::int64_t min, std::int64_t max, const std::string& doc) {
  return described({{"type", "integer"}, {"minimum", min}, {"maximum", max}}, doc);
}

Json flag(const std::string& doc) { return described(single("type", "boolean"), doc); }

Json list(Json items, const std::string& doc) {
  return described({{"type", "array"}, {"items", std::move(items)}}, doc);
}

Json words(const std::string& doc) {
  Json out = list(text(), doc);
  out["uniqueItems"] = true;
  return out;
}

Json object(Json properties, std::initializer_list<std::string_view> required = {}) {
  Json out = {{"type", "object"}, {"additionalProperties", false}};
  out["properties"] = std::move(properties);
  if (required.size() == 0) return out;
  Json names = Json::array();
  for (const std::string_view one : required) names.push_back(one);
  out["required"] = std::move(names);
  return out;
}

Json map_of(Json values, const std::string& doc) {
  return described({{"type", "object"}, {"additionalProperties", std::move(values)}}, doc);
}

Json named_map(Json values, const std::string& doc) {
  Json out = map_of(std::move(values), doc);
  out["propertyNames"] = ref("name");
  return out;
}

// A number and one of the units, in any case.
std::string with_unit(const std::vector<std::string_view>& units) {
  std::string out = "^\\s*[0-9.]+\\s*(";
  for (const std::string_view unit : units) {
    if (out.back() != '(') out += '|';
    for (const char c : unit) {
      out += '[';
      out += c;
      out += static_cast<char>(c - 'a' + 'A');
      out += ']';
    }
  }
  return out;
}

// ---- properties

std::string property_doc(const PropertySpec& spec) {
  std::string doc = spec.doc;
  for (const Choice& one : spec.choices) {
    if (!one.doc.empty()) doc += "\n- " + one.value + ": " + one.doc;
  }
  if (spec.default_value) doc += "\nDefault: " + json_quoted(*spec.default_value) + ".";
  if (!spec.example.empty()) doc += "\nFor example: " + spec.example;
  if (spec.expressions != ExpressionScope::kNone) doc += "\nTakes expressions: ${…}.";
  return doc;
}

Json plain_value(const PropertySpec& spec) {
  const auto pattern = [](const std::string& is) {
    return Json{{"type", "string"}, {"pattern", is}};
  };
  Json any = Json::array();
  switch (spec.kind) {
    case PropertyKind::kText:
    case PropertyKind::kService: {
      Json out = single("type", kText);
      if (spec.is_required) out["minLength"] = 1;
      return out;
    }
    case PropertyKind::kChoice: {
      Json values = Json::array();
      for (const Choice& one : spec.choices) {
        values.push_back(one.value);
        // YAML reads it so when it stands without quotes.
        const Json plain = Json::parse(one.value, nullptr, /*allow_exceptions=*/false);
        if (plain.is_boolean() || plain.is_number()) values.push_back(plain);
      }
      return single("enum", std::move(values));
    }
    case PropertyKind::kBoolean:
      return ref("boolean");
    case PropertyKind::kPeriod:
      return ref("period");
    case PropertyKind::kSize:
      return ref("size");
    case PropertyKind::kInteger:
    case PropertyKind::kDecimal:
      break;
  }
  const bool is_integer = spec.kind == PropertyKind::kInteger;
  Json number = single("type", is_integer ? "integer" : "number");
  if (spec.min) number["minimum"] = *spec.min;
  if (spec.max) number["maximum"] = *spec.max;
  any.push_back(std::move(number));
  any.push_back(
      pattern(is_integer ? "^\\s*[+-]?[0-9]+\\s*$" : "^\\s*-?[0-9.]+([eE][+-]?[0-9]+)?\\s*$"));
  return single("anyOf", std::move(any));
}

// A value, or a text in which a parameter or an expression stands.
Json property(const PropertySpec& spec) {
  Json value = plain_value(spec);
  Json out;
  if (spec.kind == PropertyKind::kText) {
    out = std::move(value);
  } else {
    Json any = Json::array();
    any.push_back(std::move(value));
    const std::string put_in = spec.expressions == ExpressionScope::kNone ? "#\\{" : "#\\{|\\$\\{";
    any.push_back({{"type", "string"}, {"pattern", put_in}});
    out["anyOf"] = std::move(any);
  }
  out["description"] = property_doc(spec);
  return out;
}

Json properties_of(const ComponentSpec& spec) {
  Json properties = Json::object();
  Json required = Json::array();
  Json rules = Json::array();
  for (const PropertySpec& one : spec.properties) {
    properties[one.name] = property(one);
    if (one.is_required && one.replaced_by.empty()) required.push_back(one.name);
    if (one.replaced_by.empty()) continue;
    // Itself or the service, not both.
    const Json own = single("required", Json::array({one.name}));
    const Json shared = single("required", Json::array({one.replaced_by}));
    if (one.is_required) {
      rules.push_back(single("oneOf", Json::array({own, shared})));
    } else {
      rules.push_back(single("not", single("required", Json::array({one.name, one.replaced_by}))));
    }
  }
  Json out = single("type", "object");
  out["properties"] = std::move(properties);
  out["additionalProperties"] =
      spec.dynamic_properties
          ? text(spec.dynamic_properties->name + ". " + spec.dynamic_properties->doc)
          : Json(false);
  if (!required.empty()) out["required"] = std::move(required);
  if (!rules.empty()) out["allOf"] = std::move(rules);
  return out;
}

// What a component of this type has to keep to, beside what all have.
Json rule_of(const ComponentSpec& spec) {
  Json keys;
  keys["properties"] = described_ref("properties of " + spec.type, std::string(spec.doc));
  const bool has_required = std::any_of(spec.properties.begin(), spec.properties.end(),
                                        [](const PropertySpec& one) { return one.is_required; });
  const bool is_fixed = !spec.dynamic_properties || !spec.dynamic_properties->makes_relationship;
  if (is_fixed) {
    Json names = Json::array();
    for (const RelationshipSpec& one : spec.relationships) names.push_back(one.name);
    if (!names.empty()) {
      keys["terminate"] = single("items", single("enum", names));
      keys["retry"] = single("propertyNames", single("enum", names));
    }
  }
  Json out;
  out["if"] = single("properties", single("type", single("const", spec.type)));
  out["if"]["required"] = Json::array({"type"});
  out["then"] = single("properties", std::move(keys));
  if (has_required) out["then"]["required"] = Json::array({"properties"});
  return out;
}

// What processors and services have alike, and in `rules` what each type asks for beside it.
Json component_keys(std::span<const ComponentSpec> specs, bool is_service, Json& rules) {
  Json types = Json::array();
  Json docs = Json::array();
  rules = Json::array();
  for (const ComponentSpec& spec : specs) {
    if (spec.is_service() != is_service) continue;
    types.push_back(spec.type);
    docs.push_back(spec.doc);
    rules.push_back(rule_of(spec));
  }
  Json type = {{"enum", std::move(types)},
               {"description", is_service ? "Which service." : "Which processor."}};
  type["enumDescriptions"] = std::move(docs);
  Json keys;
  keys["type"] = std::move(type);
  keys["doc"] = text("What it is here for.");
  keys["properties"] = {{"type", "object"}, {"description", "Properties of its type."}};
  keys["bulletin_level"] = choice({"debug", "info", "warning", "error", "none"},
                                  "The least grave bulletins that are kept. Default: warning.");
  return keys;
}

Json service(std::span<const ComponentSpec> specs) {
  Json rules;
  Json keys = component_keys(specs, /*is_service=*/true, rules);
  keys["disabled"] = flag("Nobody can use it until an operator enables it.");
  Json out = object(std::move(keys), {"type"});
  out["allOf"] = std::move(rules);
  return out;
}

Json processor(std::span<const ComponentSpec> specs) {
  Json rules;
  Json keys = component_keys(specs, /*is_service=*/false, rules);
  keys["schedule"] = ref("schedule");
  keys["concurrent_tasks"] = whole_number(1, 64, "Tasks at once. Default: 1.");
  keys["run_duration"] =
      described_ref("period", "How long a worker stays with it before it commits. Default: 0 sec.");
  keys["penalty_period"] =
      described_ref("period", "How long a penalized FlowFile waits. Default: 30 sec.");
  keys["yield_period"] = described_ref(
      "period", "How long it rests when it says that it cannot go on. Default: 1 sec.");
  keys["terminate"] = words("Relationships whose FlowFiles are dropped.");
  keys["retry"] = map_of(ref("retry"), "Relationships from which FlowFiles are taken back.");
  keys["stopped"] = flag("It stands still until an operator starts it.");
  Json out = object(std::move(keys), {"type"});
  out["allOf"] = std::move(rules);
  return out;
}

// ---- the rest of the format

Json schedule() {
  Json every;
  every["every"] = described_ref("period", "Each period; 0 sec: without a pause.");
  Json cron;
  cron["cron"] =
      text("Quartz: second, minute, hour, day of month, month, day of week, maybe a year.");
  cron["zone"] = text("An IANA name. Default: the machine's own.");
  Json any = Json::array();
  any.push_back(choice({"event"}, "When there is something to do."));
  any.push_back(object(std::move(every), {"every"}));
  any.push_back(object(std::move(cron), {"cron"}));
  return described(single("anyOf", std::move(any)), "When it runs. Default: as its type says.");
}

Json retry() {
  Json attempts = Json::array();
  attempts.push_back(choice({"forever"}, ""));
  attempts.push_back(whole_number(1, 1'000'000, ""));
  const std::string period = with_unit(period_units()) + ")\\s*";
  Json keys;
  keys["attempts"] = described(single("anyOf", std::move(attempts)), "Default: 10.");
  keys["backoff"] = {
      {"type", "string"},
      {"pattern", period + "(\\.\\." + period.substr(1) + ")?$"},
      {"description",
       "`first..longest`, doubled each time; or one period. Default: 1 sec..10 min."}};
  keys["manner"] = choice({"penalize", "yield"},
                          "penalize: the FlowFile waits, others overtake it; yield: the processor "
                          "waits, and the order is kept. Default: penalize.");
  return object(std::move(keys));
}

Json connection() {
  Json limits;
  limits["count"] = whole_number(0, INT64_MAX, "FlowFiles; 0: no limit. Default: 10000.");
  limits["size"] = described_ref("size", "0: no limit. Default: 100 MB.");
  Json by_attribute;
  by_attribute["attribute"] = text("Numbers first, small before large, then text.");
  by_attribute["attribute"]["minLength"] = 1;
  Json orders = Json::array();
  orders.push_back(choice({"first-in", "newest-first", "oldest-first", "live-first"}, ""));
  orders.push_back(object(std::move(by_attribute), {"attribute"}));
  Json keys;
  keys["from"] = text("`processor.relationship`, `group.port`, or an input port or funnel.");
  keys["to"] = text("A processor, `group.port`, or an output port or funnel.");
  keys["relationships"] = words("Of the processor, when there are several.");
  keys["name"] = {{"type", kText},
                  {"pattern", "^[^/]+$"},
                  {"description", "Its queue hangs on it. Default: `from -> to`."}};
  keys["doc"] = text("What it is for.");
  keys["back_pressure"] = described(object(std::move(limits)), "When it is full.");
  keys["when_full"] =
      choice({"block", "drop-oldest", "drop-newest", "drop-lowest"}, "Default: block.");
  keys["expire"] = described_ref("period", "Age after which a FlowFile is dropped.");
  keys["order"] = described(single("anyOf", std::move(orders)), "Default: first-in.");
  return object(std::move(keys), {"from", "to"});
}

Json parameter() {
  Json keys;
  keys["value"] = text("Its value; without one it must be given from outside.");
  keys["doc"] = text("What it is.");
  keys["sensitive"] = flag("Its value is never shown.");
  Json any = Json::array();
  any.push_back(text());
  any.push_back(object(std::move(keys)));
  return single("anyOf", std::move(any));
}

Json provider() {
  Json keys;
  keys["type"] = choice({"environment", "file", "directory", "credentials"},
                        "Environment variables; lines NAME=VALUE; a file each; the same, of "
                        "systemd's credentials.");
  keys["path"] = {{"type", kText},
                  {"pattern", "^/"},
                  {"description", "Of the file or directory; required there."}};
  keys["include"] = text("Which names: `*`, `?` and `[…]`; required for environment.");
  keys["sensitive"] = flag("Its values are never shown. Default: true.");
  return object(std::move(keys), {"type"});
}

Json parameter_context() {
  Json keys;
  keys["doc"] = text("What it is for.");
  keys["parameters"] = map_of(ref("parameter"), "Its own, which win.");
  keys["inherits"] = words("Contexts whose parameters it has, too; the first wins.");
  keys["provider"] = described_ref("provider", "Where more come from when the flow is read.");
  return object(std::move(keys));
}

Json ports(const std::string& doc) {
  Json keys;
  keys["name"] = ref("name");
  keys["doc"] = text("What it is for.");
  Json any = Json::array();
  any.push_back(ref("name"));
  any.push_back(object(std::move(keys), {"name"}));
  return list(single("anyOf", std::move(any)), doc);
}

// What a flow and a group have alike.
Json group_keys() {
  Json keys;
  keys["doc"] = text("What it is for.");
  keys["parameters"] = map_of(ref("parameter"), "Values for `#{name}` in properties.");
  keys["parameter_context"] = text("The context whose parameters it sees.");
  keys["services"] = named_map(ref("service"), "What several processors share.");
  keys["processors"] = named_map(ref("processor"), "What does the work.");
  keys["groups"] = named_map(ref("group"), "Process groups.");
  keys["funnels"] = list(ref("name"), "Names of funnels.");
  keys["connections"] =
      list(ref("connection"), "The durable queues between the processors' relationships.");
  keys["labels"] = list(text(), "Notes, shown on the canvas.");
  return keys;
}

}  // namespace

std::string period_pattern() { return with_unit(period_units()) + ")\\s*$"; }
std::string size_pattern() { return with_unit(size_units()) + ")?\\s*$"; }

std::string flow_schema(std::span<const ComponentSpec> specs) {
  Json definitions;
  definitions["name"] = {{"type", kText},
                         {"pattern", "^[^./\\s]([^./\\t\\r\\n]*[^./\\s])?$"},
                         {"maxLength", FlowReadLimits::kName}};
  definitions["period"] = {{"type", "string"}, {"pattern", period_pattern()}};
  Json sizes = Json::array();
  sizes.push_back({{"type", "number"}, {"minimum", 0}});
  sizes.push_back({{"type", "string"}, {"pattern", size_pattern()}});
  Json booleans = Json::array();
  booleans.push_back(single("type", "boolean"));
  booleans.push_back(
      {{"type", "string"}, {"pattern", "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"}});
  definitions["boolean"] = single("anyOf", std::move(booleans));
  definitions["size"] = single("anyOf", std::move(sizes));
  definitions["parameter"] = parameter();
  definitions["schedule"] = schedule();
  definitions["retry"] = retry();
  definitions["connection"] = connection();
  Json group = group_keys();
  group["input_ports"] = ports("By which FlowFiles enter.");
  group["output_ports"] = ports("By which FlowFiles leave.");
  group["flowfile_concurrency"] =
      choice({"unbounded", "single", "batch"},
             "What its input ports let in: all; one FlowFile, when nothing is in the group; all "
             "that waits then. Default: unbounded.");
  group["outbound_policy"] =
      choice({"stream", "batch"},
             "When its output ports let FlowFiles out: as they come; together, when nothing else "
             "is left in the group. Default: stream.");
  definitions["group"] = object(std::move(group));
  definitions["processor"] = processor(specs);
  definitions["service"] = service(specs);
  definitions["provider"] = provider();
  definitions["parameter context"] = parameter_context();
  for (const ComponentSpec& spec : specs)
    definitions["properties of " + spec.type] = properties_of(spec);

  Json flow = single("flow", described_ref("name", "The flow's name."));
  flow["parameter_contexts"] =
      named_map(ref("parameter context"), "Parameters that groups share by name.");
  const Json shared = group_keys();
  for (const auto& [key, value] : shared.items()) flow[key] = value;
  Json out = {{"$comment",
               "Generated from agent/flow/schema.cc and the processors; edit those. "
               "Then run ./dev generate."},
              {"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "A flow of Runnel"}};
  const Json root = object(std::move(flow), {"flow"});
  for (const auto& [key, value] : root.items()) out[key] = value;
  out["definitions"] = std::move(definitions);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace runnel
