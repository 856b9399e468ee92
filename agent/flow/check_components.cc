// Checking processors and services against their descriptions, and services against each other.

#include "agent/flow/check_components.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "agent/flow/el/expression.h"

namespace runnel {
namespace {

const PropertySource* source_of(const ComponentNode& component, std::string_view name) {
  const auto found = component.property_sources.find(name);
  return found == component.property_sources.end() ? nullptr : &found->second;
}

void check_expression(const ComponentNode& component, const std::string& name,
                      const std::string& value, ExpressionScope scope, const PropertySpec* property,
                      Complaints& complaints) {
  const std::size_t first = value.find("${");
  const PropertySource* source = source_of(component, name);
  const auto place = [&](std::size_t offset) {
    return source ? source->place_of(offset) : component.at;
  };
  if (scope == ExpressionScope::kNone) {
    if (first != std::string::npos && value.find('}', first) != std::string::npos) {
      complaints.add(place(first),
                     "property " + backquoted(name) + " takes no expressions; `${` is plain text",
                     Severity::kWarning);
    }
    return;
  }
  ElError error;
  const auto compiled = Expression::compile(value, error);
  if (!compiled) {
    complaints.add(place(error.offset), "property " + backquoted(name) + ": " + error.text);
    return;
  }
  if (scope == ExpressionScope::kEnvironment && !compiled->attributes().empty()) {
    complaints.add(place(first), "property " + backquoted(name) +
                                     " is evaluated once at start, without a FlowFile: it "
                                     "cannot read the attribute " +
                                     backquoted(compiled->attributes().front()));
    return;
  }
  if (property == nullptr || first == std::string::npos || !compiled->is_constant()) return;
  PropertySpec plain = *property;
  plain.expressions = ExpressionScope::kNone;
  plain.is_sensitive = plain.is_sensitive || (source && source->is_sensitive);
  if (const auto checked = check_value(plain, compiled->constant()); !checked) {
    complaints.add(place(0), "property " + backquoted(name) + ": " + checked.error().text());
  }
}

// What is evaluated for each FlowFile ends in its attributes, its content or its provenance; what
// makes a relationship only looks at them.
void warn_of_secret(const ComponentNode& component, const std::string& name,
                    Complaints& complaints) {
  const PropertySource* source = source_of(component, name);
  if (source == nullptr || !source->is_sensitive) return;
  complaints.add(source->value_at,
                 "property " + backquoted(name) +
                     " puts a sensitive parameter into FlowFiles: LogAttribute, `tap` and "
                     "provenance will show its value",
                 Severity::kWarning);
}

class ServiceCheck {
 public:
  ServiceCheck(const Flow& flow, const SpecsByType& specs, Complaints& complaints)
      : flow_(flow), specs_(specs), scopes_(flow), complaints_(complaints) {}

  void run() {
    for (const ServiceNode* one : all_services(flow_)) check_service(*one);
    for (const ProcessorNode* one : all_processors(flow_)) {
      const ComponentSpec* spec = spec_of(*one, ComponentKind::kProcessor);
      if (spec) check_references(*one, *spec, !one->is_stopped);
    }
    for (const ServiceNode* one : all_services(flow_)) {
      check_circle(*one);
      if (used_.contains(one)) continue;
      complaints_.add(one->at, "service " + backquoted(one->name) + " is used by nobody",
                      Severity::kWarning);
    }
  }

 private:
  const ComponentSpec* spec_of(const ComponentNode& component, ComponentKind kind) const {
    const auto found = specs_.find(component.type);
    return found == specs_.end() || found->second->kind != kind ? nullptr : found->second;
  }

  void check_service(const ServiceNode& service) {
    if (service.type.empty()) return;  // the reader has complained
    const ComponentSpec* spec = spec_of(service, ComponentKind::kService);
    if (spec == nullptr) {
      complaints_.add(service.type_at,
                      "unknown service type " + backquoted(service.type) +
                          unknown_type_cure(service, ComponentKind::kService, specs_));
      return;
    }
    check_properties(service, *spec, complaints_);
    check_references(service, *spec, !service.is_disabled);
  }

  void check_references(const ComponentNode& component, const ComponentSpec& spec, bool is_on) {
    for (const PropertySpec& property : spec.properties) {
      if (property.kind != PropertyKind::kService) continue;
      const auto value = component.properties.find(property.name);
      if (value == component.properties.end() || value->second.empty()) continue;
      const PropertySource* source = source_of(component, property.name);
      const Position at = source ? source->value_at : component.at;
      const ServiceNode* service = scopes_.find(component.group_id, value->second);
      if (service == nullptr) {
        complain_unknown(component, property, value->second, at);
        continue;
      }
      used_.insert(service);
      if (specs_.contains(component.type)) edges_[&component].push_back({service, at});
      check_fit(*service, property, at, is_on);
    }
  }

  void complain_unknown(const ComponentNode& component, const PropertySpec& property,
                        const std::string& name, Position at) {
    const std::vector<std::string> names = scopes_.names(component.group_id);
    std::string cure = did_you_mean(name, names);
    if (cure.empty()) {
      cure = names.empty() ? "; there are no `services` in its group or around it"
                           : "; there are " + listed(names);
    }
    complaints_.add(at, "property " + backquoted(property.name) + ": there is no service " +
                            backquoted(name) + cure);
  }

  void check_fit(const ServiceNode& service, const PropertySpec& property, Position at,
                 bool is_on) {
    const ComponentSpec* spec = spec_of(service, ComponentKind::kService);
    // Who says nothing of what it provides (a manifest of another maker) may provide anything.
    if (spec && !spec->provides.empty() && !property.service.empty() &&
        !spec->does_provide(property.service)) {
      complaints_.add(at, "property " + backquoted(property.name) + ": service " +
                              backquoted(service.name) + " (" + service.type + ") provides " +
                              listed(spec->provides) + ", not " + backquoted(property.service) +
                              providers_of(property.service));
    }
    if (service.is_disabled && is_on) {
      complaints_.add(at, "property " + backquoted(property.name) + ": service " +
                              backquoted(service.name) +
                              " is disabled; enable it, or stop who uses it");
    }
  }

  std::string providers_of(const std::string& wanted) const {
    std::vector<std::string> types;
    for (const auto& [type, spec] : specs_) {
      if (spec->does_provide(wanted)) types.emplace_back(type);
    }
    return types.empty() ? std::string() : ", as " + listed(types) + " would";
  }

  // Complains at the reference that closes a circle from this service back to itself.
  void check_circle(const ServiceNode& service) {
    std::set<const ComponentNode*> seen;
    std::vector<const ComponentNode*> way{&service};
    while (!way.empty()) {
      const ComponentNode* one = way.back();
      way.pop_back();
      if (!seen.insert(one).second) continue;
      const auto edges = edges_.find(one);
      if (edges == edges_.end()) continue;
      for (const auto& [to, at] : edges->second) {
        if (to != &service) {
          way.push_back(to);
          continue;
        }
        complaints_.add(at, "service " + backquoted(service.name) +
                                " needs itself, over what it names: a circle");
        return;
      }
    }
  }

  const Flow& flow_;
  const SpecsByType& specs_;
  const ServiceScopes scopes_;
  Complaints& complaints_;
  std::set<const ServiceNode*> used_;
  std::map<const ComponentNode*, std::vector<std::pair<const ServiceNode*, Position>>> edges_;
};

}  // namespace

void check_properties(const ComponentNode& component, const ComponentSpec& spec,
                      Complaints& complaints) {
  // A value that a sensitive parameter put in must not show in a complaint.
  const bool has_secret =
      std::any_of(component.property_sources.begin(), component.property_sources.end(),
                  [](const auto& one) { return one.second.is_sensitive; });
  ComponentSpec masked;
  if (has_secret) {
    masked = spec;
    for (PropertySpec& one : masked.properties) {
      const PropertySource* source = source_of(component, one.name);
      one.is_sensitive = one.is_sensitive || (source && source->is_sensitive);
    }
  }
  for (PropertyComplaint& one : check_values(has_secret ? masked : spec, component.properties)) {
    const PropertySource* source = source_of(component, one.property);
    const bool has_value = component.properties.contains(one.property);
    if (source && !has_value) continue;  // the reader has complained of the value
    Position at = component.at;
    if (source) at = spec.property(one.property) ? source->value_at : source->name_at;
    complaints.add(at, std::move(one.text));
  }
  for (const auto& [name, value] : component.properties) {
    const PropertySpec* property = spec.property(name);
    if (property == nullptr && !spec.dynamic_properties) continue;
    const ExpressionScope scope =
        property ? property->expressions : spec.dynamic_properties->expressions;
    check_expression(component, name, value, scope, property, complaints);
    const bool is_condition = property == nullptr && spec.dynamic_properties->makes_relationship;
    const bool is_secret = property != nullptr && property->is_sensitive;
    if (scope == ExpressionScope::kFlowFile && !is_condition && !is_secret)
      warn_of_secret(component, name, complaints);
  }
}

void check_services(const Flow& flow, const SpecsByType& specs, Complaints& complaints) {
  ServiceCheck(flow, specs, complaints).run();
}

std::string unknown_type_cure(const ComponentNode& component, ComponentKind wanted,
                              const SpecsByType& specs) {
  if (specs.contains(component.type)) {
    return wanted == ComponentKind::kProcessor
               ? "; it is a controller service: it stands in `services`"
               : "; it is a processor: it stands in `processors`";
  }
  std::vector<std::string> types;
  for (const auto& [type, spec] : specs) {
    if (spec->kind == wanted) types.emplace_back(type);
  }
  return did_you_mean(component.type, types);
}

}  // namespace runnel
