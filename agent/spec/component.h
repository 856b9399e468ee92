// What can be said of a component, as data: its properties, relationships, attributes and manners.
//
// One ComponentSpec feeds the parser, its error texts, `runnel-agent describe`, the reference page,
// the manifest in the heartbeat and the form in the hub. Names and defaults are NiFi's and
// MiNiFi's, spelled as users know them.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

enum class PropertyKind {
  kText,
  kInteger,
  kDecimal,
  kBoolean,  // true, false
  kPeriod,   // "5 sec"
  kSize,     // "1 MB"
  kChoice,   // one of `choices`
  kService,  // the name of a controller service that provides `service`
};

// Whether `${…}` in a value is an expression, and of what.
enum class ExpressionScope {
  kNone,
  kEnvironment,  // evaluated once at start: no FlowFile at hand
  kFlowFile,     // evaluated for each FlowFile
};

struct Choice {
  std::string value;
  std::string doc;
};

struct PropertySpec {
  std::string name;
  std::string doc;
  PropertyKind kind = PropertyKind::kText;
  bool is_required = false;
  bool is_sensitive = false;  // masked in every listing, encrypted at rest
  ExpressionScope expressions = ExpressionScope::kNone;
  std::optional<std::string> default_value;  // as a user would write it
  // Bounds of numbers; periods in nanoseconds, sizes in bytes.
  std::optional<double> min;
  std::optional<double> max;
  std::vector<Choice> choices;
  std::string example;
  std::string service = {};  // of kService: what the named service must provide
  // The property of kind kService whose service says this in its place: where a flow has that one,
  // this one is not required, and must not be there.
  std::string replaced_by = {};
};

// Properties whose names the user makes up.
struct DynamicPropertySpec {
  std::string name;  // what the name stands for, e.g. "Attribute name"
  std::string doc = {};
  ExpressionScope expressions = ExpressionScope::kNone;
  bool makes_relationship = false;  // each adds a relationship of its name (RouteOnAttribute)
};

struct RelationshipSpec {
  std::string name;
  std::string doc;
  // A flow may leave it neither connected nor terminated: the processor then sends nothing there.
  bool is_optional = false;
};

struct AttributeSpec {
  std::string name;
  std::string doc;
};

enum class InputRule { kForbidden, kAllowed, kRequired };

// When a processor is run if its flow says nothing.
enum class DefaultTrigger {
  kEvent,  // when a FlowFile is queued for it, or it was woken (Context::wake)
  kTimer,  // each period of its schedule (default 1 sec)
};

enum class ComponentKind {
  kProcessor,
  kService,  // a controller service: no relationships, no input, no schedule
};

struct ComponentSpec {
  ComponentKind kind = ComponentKind::kProcessor;
  std::string type;  // NiFi's short name: "ConsumeMQTT"
  std::string doc;   // the first sentence stands alone in lists
  std::vector<PropertySpec> properties;
  std::optional<DynamicPropertySpec> dynamic_properties;
  std::vector<RelationshipSpec> relationships;
  std::vector<AttributeSpec> writes;
  std::vector<AttributeSpec> reads;
  InputRule input = InputRule::kRequired;
  DefaultTrigger trigger = DefaultTrigger::kEvent;
  bool is_single_threaded = true;  // one task at a time, whatever the flow says
  std::string example;             // a snippet of a flow, shown in the reference
  // Of a service: what properties of kind kService may name it for ("RecordReaderFactory").
  std::vector<std::string> provides = {};

  bool is_service() const { return kind == ComponentKind::kService; }
  bool does_provide(std::string_view what) const;
  const PropertySpec* property(std::string_view name) const;
  const RelationshipSpec* relationship(std::string_view name) const;
};

// What a flow says of one component: property name -> value, as written, parameters already put in.
using PropertyValues = std::map<std::string, std::string, std::less<>>;

struct PropertyComplaint {
  std::string property;  // empty: of the component as a whole
  std::string text;
};

// Checks one value against its spec: kind, bounds, choices. Values with expressions pass here; they
// are checked where expressions are compiled. The text says what is allowed.
Result<> check_value(const PropertySpec& spec, std::string_view value);

// Checks all values: unknown names (with "did you mean"), missing required ones, each value. All
// complaints at once.
std::vector<PropertyComplaint> check_values(const ComponentSpec& spec,
                                            const PropertyValues& values);

std::string_view name_of(PropertyKind kind);
std::string_view name_of(ComponentKind kind);  // "processor", "service"
std::string_view name_of(ExpressionScope scope);
std::string_view name_of(InputRule rule);

}  // namespace runnel
