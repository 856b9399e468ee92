// The flow as plain data: what a reader makes of a text, what the checks judge, what the engine
// runs and what the canvases draw. It knows no format and no processor.
//
// Ids are UUIDs of version 5, made from the flow's name and the names of groups and element, so
// that queues and state survive every edit that keeps the names. Each element keeps its place in
// the text for complaints. The format is described in flows/README.md.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/spec/component.h"

namespace runnel {

// A place in a text; both count from 1, columns in bytes. Line 0: nowhere.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  auto operator<=>(const Position&) const = default;
};

// A name with its place.
struct NamedPlace {
  std::string name;
  Position at;
};

enum class Severity { kError, kWarning };

struct Complaint {
  std::string file;
  Position at;
  std::string text;
  Severity severity = Severity::kError;
};

// `file:line:column: text`; a warning's text begins with `warning: `. Without a place: `file:
// text`.
std::string text_of(const Complaint& complaint);
// One line each, by place.
std::string text_of(const std::vector<Complaint>& complaints);
// By file and place; those of one place stay as they came.
void sort_complaints(std::vector<Complaint>& complaints);
// Whether there is more than warnings.
bool has_error(const std::vector<Complaint>& complaints);

struct Parameter {
  std::string name;
  std::optional<std::string> value;  // none: must be given from outside
  std::string doc;
  bool is_sensitive = false;
  Position at;
};

// Where a context gets parameters from that the flow does not say: agent/flow/providers.h.
struct ParameterProvider {
  enum class Kind { kEnvironment, kFile, kDirectory, kCredentials };
  Kind kind = Kind::kEnvironment;
  std::string path = {};     // of a file or a directory
  std::string include = {};  // names that match this (`*`, `?`, `[…]`); empty: all
  bool is_sensitive = true;  // of all its parameters
  Position at = {};
};

// Parameters under a name, for the groups that name it. Its own value comes first, then that of its
// provider, then those of the contexts that it inherits, in their order.
struct ParameterContext {
  std::string name;
  std::string doc;
  std::vector<NamedPlace> inherits;
  std::vector<Parameter> parameters;
  std::optional<ParameterProvider> provider;
  Position at;
};

// A property as it stands in the text. Its value with parameters put in is in
// ProcessorNode::properties.
struct PropertySource {
  std::string written;        // parameters not put in
  bool is_sensitive = false;  // a sensitive parameter was put in
  Position name_at;
  Position value_at;
  // Where the bytes of the value stand: from `offset` on, columns count up from `at`.
  struct Span {
    std::size_t offset = 0;
    Position at;
    bool is_parameter = false;  // bytes that a parameter put in; all of them stand at `at`
  };
  std::vector<Span> spans;

  Position place_of(std::size_t offset) const;
};

struct Schedule {
  enum class Kind {
    kDefault,  // as the type's ComponentSpec::trigger says
    kEvent,    // when there is something to do
    kEvery,    // each `period`
    kCron,     // when `cron` says, in `zone`
  };
  Kind kind = Kind::kDefault;
  std::chrono::nanoseconds period = std::chrono::seconds(1);
  std::string cron;  // agent/flow/cron.h
  std::string zone;  // IANA name; empty: the machine's own
  Position at;

  bool operator==(const Schedule& other) const {
    return kind == other.kind && period == other.period && cron == other.cron && zone == other.zone;
  }
};

// NiFi's retry of a relationship: what is sent there goes back to its queue instead, `attempts`
// times; then it goes where the relationship leads.
struct Retry {
  enum class Manner {
    kPenalize,  // the FlowFile waits; others overtake it
    kYield,     // the processor waits, and with it all that stands behind: order is kept
  };
  std::string relationship;
  std::optional<std::uint32_t> attempts = 10;                        // none: for ever
  std::chrono::nanoseconds backoff_first = std::chrono::seconds(1);  // doubles each time up to
  std::chrono::nanoseconds backoff_max = std::chrono::minutes(10);
  Manner manner = Manner::kPenalize;
  Position at;
};

// What processors and controller services have in common.
struct ComponentNode {
  std::string name;
  std::string path;  // names of the groups and its own: `group/sub/name`
  std::string id;
  std::string group_id;
  std::string type;
  std::string doc;
  PropertyValues properties;  // parameters put in
  std::map<std::string, PropertySource, std::less<>> property_sources;
  LogLevel bulletin_level = LogLevel::kWarn;
  Position at;  // of its name
  Position type_at;
};

struct ProcessorNode : ComponentNode {
  Schedule schedule;
  std::uint32_t concurrent_tasks = 1;
  std::chrono::nanoseconds run_duration{0};
  std::chrono::nanoseconds penalty_period = std::chrono::seconds(30);
  std::chrono::nanoseconds yield_period = std::chrono::seconds(1);
  std::vector<NamedPlace> terminate;  // auto-terminated relationships
  std::vector<Retry> retry;           // at most one for a relationship
  bool is_stopped = false;            // stands still until an operator starts it

  bool terminates(std::string_view relationship) const;
  const Retry* retry_of(std::string_view relationship) const;  // nullptr: not retried
};

// A controller service: what components of its group, and of the groups in it, share. They name it
// in a property of kind kService.
struct ServiceNode : ComponentNode {
  bool is_disabled = false;  // nobody can use it until an operator enables it
};

enum class PortKind { kInput, kOutput };

struct Port {
  std::string name;
  std::string path;
  std::string id;
  std::string group_id;
  std::string doc;
  PortKind kind = PortKind::kInput;
  Position at;
};

struct Funnel {
  std::string name;
  std::string path;
  std::string id;
  std::string group_id;
  Position at;
};

enum class EndpointKind { kProcessor, kInputPort, kOutputPort, kFunnel };

// One end of a connection. Within a connection of group G: a processor, funnel or port of G itself,
// or a port of a group that stands in G (an output port as `from`, an input port as `to`).
struct Endpoint {
  EndpointKind kind = EndpointKind::kProcessor;
  std::string id;
  std::string path;
  Position at;
};

enum class WhenFull { kBlock, kDropOldest, kDropNewest, kDropLowest };

enum class QueueOrder {
  kFirstIn,
  kNewestFirst,  // by the age of the FlowFile's lineage
  kOldestFirst,
  kAttribute,  // by the attribute `order_attribute`: numbers first, small before large, then text
  kLiveFirst,  // what comes now overtakes the backlog; the backlog drains in the gaps
};

struct BackPressure {
  std::uint64_t count = 10'000;             // FlowFiles; 0: no limit
  std::uint64_t bytes = 100 * 1024 * 1024;  // 0: no limit

  auto operator<=>(const BackPressure&) const = default;
};

struct Connection {
  std::string name;
  std::string id;
  std::string group_id;
  std::string doc;
  Endpoint from;
  std::vector<NamedPlace> relationships;  // of the processor it comes from; else empty
  Endpoint to;
  BackPressure back_pressure;
  WhenFull when_full = WhenFull::kBlock;
  std::optional<std::chrono::nanoseconds> expire;  // none: never
  QueueOrder order = QueueOrder::kFirstIn;
  std::string order_attribute;
  Position at;
};

struct Label {
  std::string text;
  Position at;
};

// NiFi's FlowFile Concurrency: what a group's input ports let in.
enum class FlowFileConcurrency {
  kUnbounded,
  kSingle,  // one FlowFile, when nothing is in the group
  kBatch,   // all that waits when nothing is in the group
};
// NiFi's Outbound Policy: when a group's output ports let FlowFiles out. Means nothing where the
// concurrency is unbounded.
enum class OutboundPolicy {
  kStream,  // as they come
  kBatch,   // together, when nothing else is left in the group
};

struct ProcessGroup {
  std::string name;  // the flow's name at the root
  std::string path;  // empty at the root
  std::string id;
  std::string parent_id;  // empty at the root
  std::string doc;
  std::string parameter_context;      // empty: none
  std::vector<Parameter> parameters;  // these hide those of the context, and those further out
  std::vector<ServiceNode> services;  // these hide those of the same name further out
  std::vector<ProcessorNode> processors;
  std::vector<ProcessGroup> groups;
  std::vector<Port> input_ports;
  std::vector<Port> output_ports;
  std::vector<Funnel> funnels;
  std::vector<Connection> connections;
  std::vector<Label> labels;
  FlowFileConcurrency flowfile_concurrency = FlowFileConcurrency::kUnbounded;
  OutboundPolicy outbound_policy = OutboundPolicy::kStream;
  Position at;
};

struct Flow {
  std::string name;
  std::string id;       // from its name; a hub that gave the flow puts its own id here
  std::string version;  // the hub's; empty when it came from a file
  std::string doc;
  std::string file;           // where it was read from, for complaints
  std::string source_sha256;  // of the text as read
  std::vector<ParameterContext> parameter_contexts;
  std::vector<std::string> secrets;  // values of sensitive parameters: shown nowhere
  ProcessGroup root;                 // root.parameters are the flow's
};

// All of a flow, in the order of the text: a group's own before those of the groups in it. The
// pointers live as long as the flow stands unchanged.
std::vector<const ProcessGroup*> all_groups(const Flow& flow);  // the root first
std::vector<const ProcessorNode*> all_processors(const Flow& flow);
std::vector<const ServiceNode*> all_services(const Flow& flow);
std::vector<const Connection*> all_connections(const Flow& flow);
std::vector<const Port*> all_ports(const Flow& flow);
std::vector<const Funnel*> all_funnels(const Flow& flow);

// By id, by path, or, where it is unique, by name; nullptr when there is none.
const ProcessorNode* find_processor(const Flow& flow, std::string_view which);
const Connection* find_connection(const Flow& flow, std::string_view which);
const ServiceNode* find_service(const Flow& flow, std::string_view which);
// None by an empty name: the root is the flow.
const ProcessGroup* find_group(const Flow& flow, std::string_view which);
// Which services the components of a group may name: its own, then those of the groups around it.
// Lives no longer than the flow.
class ServiceScopes {
 public:
  explicit ServiceScopes(const Flow& flow);
  // By name or id; nullptr: none that can be seen from there.
  const ServiceNode* find(std::string_view group_id, std::string_view which) const;
  std::vector<std::string> names(std::string_view group_id) const;

 private:
  const ProcessGroup* group(std::string_view id) const;
  const ProcessGroup* around(const ProcessGroup& group) const;  // nullptr: none

  std::map<std::string_view, const ProcessGroup*> groups_;  // by id
};

// The ids that names lead to.
std::string flow_id(std::string_view flow_name);
std::string element_id(std::string_view flow_name, std::string_view path);
std::string connection_id(std::string_view flow_name, std::string_view group_path,
                          std::string_view name);

std::string_view name_of(ParameterProvider::Kind kind);  // "environment", "file", …
std::string_view name_of(Schedule::Kind kind);           // "default", "event", "every", "cron"
std::string_view name_of(Retry::Manner manner);          // "penalize", "yield"
std::string_view name_of(EndpointKind kind);             // "processor", "input port", …
std::string_view name_of(WhenFull when);                 // "block", "drop-oldest", …
std::string_view name_of(QueueOrder order);  // "first-in", …, "attribute", "live-first"
std::string_view name_of(FlowFileConcurrency concurrency);  // "unbounded", "single", "batch"
std::string_view name_of(OutboundPolicy policy);            // "stream", "batch"

}  // namespace runnel
