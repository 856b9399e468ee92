// The native YAML reader: the flow, its groups, and what stands in them.

#include "agent/flow/yaml_reader.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/flow/check.h"
#include "agent/flow/yaml_elements.h"
#include "agent/flow/yaml_fields.h"
#include "agent/flow/yaml_parameters.h"

namespace runnel {
namespace {

class GroupReader {
 public:
  GroupReader(ProcessGroup& group, const ParameterScope& outer, std::size_t depth,
              ParameterContexts& contexts, Reading& reading)
      : group_(group), scope_(&outer), depth_(depth), contexts_(contexts), reading_(reading) {}

  // The keys that the flow and its groups share.
  void read(Fields& fields) {
    group_.doc = fields.text("doc").value_or("");
    if (const YamlNode* node = fields.find("parameters")) {
      group_.parameters = read_parameters(*node, reading_);
    }
    if (depth_ == 0) give_values();
    if (const YamlNode* node = fields.find("parameter_context")) {
      group_.parameter_context = fields.text("parameter_context").value_or("");
      if (node->is(YamlNode::Kind::kScalar)) {
        contexts_.add_to(scope_, group_.parameter_context, node->at);
      }
    }
    for (const Parameter& one : group_.parameters) scope_.add(one);
    for (const Parameter& one : group_.parameters) {
      if (one.value) continue;
      reading_.complaints.add(
          one.at, "parameter " + backquoted(one.name) + " has no value; give it by " +
                      (depth_ == 0 ? "`--param " + one.name + "=VALUE` or by " : "") + "`value`");
    }
    read_elements(fields);
    if (const YamlNode* node = fields.find("connections")) read_connections(*node);
    link_connections(group_, reading_);
    if (const YamlNode* node = fields.find("labels")) read_labels(*node);
    depth_ > 0 ? read_policies(fields) : refuse_policies(fields);
  }

 private:
  void give_values() {
    std::set<std::string_view> used;
    for (Parameter& one : group_.parameters) {
      const auto given = reading_.options.parameters.find(one.name);
      if (given == reading_.options.parameters.end()) continue;
      one.value = given->second;
      used.insert(one.name);
    }
    std::vector<std::string> names = contexts_.parameter_names();
    for (const Parameter& one : group_.parameters) names.push_back(one.name);
    for (const auto& [name, value] : reading_.options.parameters) {
      const bool is_contexts = contexts_.give(name, value);
      if (is_contexts || used.contains(name) || is_built_in_parameter(name)) continue;
      reading_.complaints.add(
          {},
          "a value was given for the parameter " + backquoted(name) +
              ", which the flow does not have" + did_you_mean(name, names),
          reading_.options.may_give_others ? Severity::kWarning : Severity::kError);
    }
  }

  void read_elements(Fields& fields) {
    if (const YamlNode* node = map_of(fields, "services", "`{name: {type: …}}`")) {
      for (const YamlNode::Entry& entry : node->entries) {
        claim(entry.key, entry.key_at);
        group_.services.push_back(read_service(entry, group_, scope_, reading_));
      }
    }
    if (const YamlNode* node = map_of(fields, "processors", "`{name: {type: …}}`")) {
      for (const YamlNode::Entry& entry : node->entries) {
        claim(entry.key, entry.key_at);
        group_.processors.push_back(read_processor(entry, group_, scope_, reading_));
      }
    }
    if (const YamlNode* node = fields.find("input_ports")) {
      read_ports(*node, PortKind::kInput, group_.input_ports);
    }
    if (const YamlNode* node = fields.find("output_ports")) {
      read_ports(*node, PortKind::kOutput, group_.output_ports);
    }
    for (const NamedPlace& one : fields.words("funnels")) {
      claim(one.name, one.at);
      const std::string path = path_of(one.name);
      group_.funnels.push_back({one.name, path, id_of(path), group_.id, one.at});
    }
    if (const YamlNode* node = map_of(fields, "groups", "`{name: {processors: …}}`")) {
      for (const YamlNode::Entry& entry : node->entries) read_group(entry);
    }
  }

  const YamlNode* map_of(Fields& fields, std::string_view key, std::string_view cure) {
    const YamlNode* node = fields.find(key);
    if (node == nullptr) return nullptr;
    return Fields(*node, backquoted(key), reading_.complaints, cure).is_map() ? node : nullptr;
  }

  void read_group(const YamlNode::Entry& entry) {
    claim(entry.key, entry.key_at);
    if (depth_ >= FlowReadLimits::kGroupDepth) {
      reading_.complaints.add(entry.key_at, "groups are nested deeper than " +
                                                std::to_string(FlowReadLimits::kGroupDepth));
      return;
    }
    ProcessGroup inner;
    inner.name = entry.key;
    inner.at = entry.key_at;
    inner.path = path_of(entry.key);
    inner.id = id_of(inner.path);
    inner.parent_id = group_.id;
    Fields fields(*entry.value, "a process group", reading_.complaints);
    GroupReader(inner, scope_, depth_ + 1, contexts_, reading_).read(fields);
    fields.refuse_others();
    group_.groups.push_back(std::move(inner));
  }

  void refuse_policies(Fields& fields) {
    for (const char* key : {"flowfile_concurrency", "outbound_policy"}) {
      if (const YamlNode* node = fields.find(key)) {
        reading_.complaints.add(node->at, backquoted(key) +
                                              " is a group's: a flow has no ports by which "
                                              "FlowFiles enter and leave");
      }
    }
  }

  // How its ports let FlowFiles in and out. What has no effect is a warning.
  void read_policies(Fields& fields) {
    constexpr std::array<std::string_view, 3> kConcurrencies{"unbounded", "single", "batch"};
    constexpr std::array<std::string_view, 2> kPolicies{"stream", "batch"};
    const auto concurrency = fields.choice("flowfile_concurrency", kConcurrencies);
    const auto policy = fields.choice("outbound_policy", kPolicies);
    group_.flowfile_concurrency = static_cast<FlowFileConcurrency>(concurrency.value_or(0));
    group_.outbound_policy = static_cast<OutboundPolicy>(policy.value_or(0));
    const bool is_bounded = group_.flowfile_concurrency != FlowFileConcurrency::kUnbounded;
    const bool is_batch_output = group_.outbound_policy == OutboundPolicy::kBatch;
    if (is_batch_output && !is_bounded) {
      reading_.complaints.add(fields.find("outbound_policy")->at,
                              "`outbound_policy: batch` has no effect without "
                              "`flowfile_concurrency: single` or `batch`",
                              Severity::kWarning);
    }
    if (is_bounded && !is_batch_output && group_.input_ports.empty()) {
      reading_.complaints.add(fields.find("flowfile_concurrency")->at,
                              "`flowfile_concurrency` has no effect: the group has no input port",
                              Severity::kWarning);
    }
  }

  // A list of names, or of maps with `name` and `doc`.
  void read_ports(const YamlNode& node, PortKind kind, std::vector<Port>& into) {
    if (depth_ == 0) {
      reading_.complaints.add(node.at,
                              "a flow has no ports: nothing is around it; ports stand in "
                              "its groups");
      return;
    }
    if (!node.is(YamlNode::Kind::kList)) {
      reading_.complaints.add(node.at, "ports must be a list, not " +
                                           std::string(name_of(node.kind)) + "; write `[name, …]`");
      return;
    }
    for (const YamlNode* item : node.items) {
      Port port;
      port.kind = kind;
      port.at = item->at;
      port.group_id = group_.id;
      if (item->is(YamlNode::Kind::kScalar)) {
        port.name = item->text;
      } else {
        Fields fields(*item, "a port", reading_.complaints, "its name, or `{name: …, doc: …}`");
        if (fields.is_map()) fields.require("name");
        port.name = fields.text("name").value_or("");
        port.doc = fields.text("doc").value_or("");
        fields.refuse_others();
        if (port.name.empty()) continue;
      }
      claim(port.name, port.at);
      port.path = path_of(port.name);
      port.id = id_of(port.path);
      into.push_back(std::move(port));
    }
  }

  void read_connections(const YamlNode& node) {
    if (!node.is(YamlNode::Kind::kList)) {
      reading_.complaints.add(node.at, "`connections` must be a list, not " +
                                           std::string(name_of(node.kind)) +
                                           "; write `- {from: a.success, to: b}`");
      return;
    }
    for (const YamlNode* item : node.items) {
      group_.connections.push_back(read_connection(*item, group_, reading_));
    }
  }

  void read_labels(const YamlNode& node) {
    if (!node.is(YamlNode::Kind::kList)) {
      reading_.complaints.add(node.at, "`labels` must be a list of texts");
      return;
    }
    for (const YamlNode* item : node.items) {
      if (const auto text = scalar_text(*item, "a label", reading_.complaints)) {
        group_.labels.push_back({*text, item->at});
      }
    }
  }

  // Names are unique among all that stands in one group.
  void claim(const std::string& name, Position at) {
    check_name(name, at, reading_.complaints);
    const auto [found, is_new] = names_.emplace(name, at);
    if (is_new) return;
    reading_.complaints.add(at, "duplicate name " + backquoted(name) + "; it stands in line " +
                                    std::to_string(found->second.line) + " already");
  }

  std::string path_of(const std::string& name) const {
    return group_.path.empty() ? name : group_.path + '/' + name;
  }
  std::string id_of(const std::string& path) const { return element_id(reading_.flow_name, path); }

  ProcessGroup& group_;
  ParameterScope scope_;
  const std::size_t depth_;
  ParameterContexts& contexts_;
  Reading& reading_;
  std::map<std::string, Position> names_;
};

// What every agent knows of itself. Whoever only checks a flow has no agent at hand, and puts the
// name in.
std::array<Parameter, kBuiltInParameters.size()> built_in_parameters(const Reading& reading) {
  std::array<Parameter, kBuiltInParameters.size()> all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string name(kBuiltInParameters[i]);
    const auto given = reading.options.parameters.find(name);
    all[i].name = name;
    all[i].value = given == reading.options.parameters.end() ? name : given->second;
  }
  return all;
}

void read_root(const YamlNode& root, Flow& flow, Reading& reading) {
  Fields fields(root, "a flow", reading.complaints, "`flow: NAME`, `processors:`, `connections:`");
  if (!fields.is_map()) return;
  if (const YamlNode* name = fields.require("flow")) {
    flow.name = fields.text("flow").value_or("");
    if (name->is(YamlNode::Kind::kScalar)) check_name(flow.name, name->at, reading.complaints);
  }
  reading.flow_name = flow.name;
  flow.id = flow_id(flow.name);
  flow.root.name = flow.name;
  flow.root.id = element_id(flow.name, "");
  flow.root.at = root.at;
  ParameterContexts contexts(flow.parameter_contexts, reading);
  if (const YamlNode* node = fields.find("parameter_contexts")) contexts.read(*node);
  const auto built_in = built_in_parameters(reading);
  ParameterScope outermost;
  for (const Parameter& one : built_in) outermost.add(one);
  GroupReader(flow.root, outermost, 0, contexts, reading).read(fields);
  flow.doc = flow.root.doc;
  fields.refuse_others();
}

FlowReading read(std::string_view text, const FlowReadOptions& options, Complaints& complaints) {
  FlowReading reading;
  reading.flow = std::make_shared<Flow>();
  reading.flow->file = options.file;
  if (text.size() <= FlowReadLimits::kText) reading.flow->source_sha256 = sha256_hex(text);
  const YamlDocument document(
      text, {FlowReadLimits::kText, FlowReadLimits::kDepth, FlowReadLimits::kNodes}, complaints);
  if (document.root() == nullptr) return reading;
  Reading shared{document, options, complaints};
  read_root(*document.root(), *reading.flow, shared);
  reading.flow->secrets.assign(shared.secrets.begin(), shared.secrets.end());
  if (shared.value_bytes > FlowReadLimits::kValues) {
    complaints.add({}, "the properties are longer than " + size_text(FlowReadLimits::kValues) +
                           " with their parameters");
  }
  return reading;
}

}  // namespace

FlowReading read_yaml(std::string_view text, const FlowReadOptions& options) {
  Complaints complaints(options.file, FlowReadLimits::kComplaints);
  FlowReading reading = read(text, options, complaints);
  reading.complaints = complaints.take();
  return reading;
}

FlowReading read_flow(std::string_view text, const FlowReadOptions& options,
                      std::span<const ComponentSpec> specs) {
  Complaints complaints(options.file, FlowReadLimits::kComplaints);
  FlowReading reading = read(text, options, complaints);
  if (!reading.flow->name.empty()) {
    name_relationships(*reading.flow, specs);
    for (Complaint& one : check_flow(*reading.flow, specs)) {
      complaints.add(one.at, std::move(one.text), one.severity);
    }
  }
  reading.complaints = complaints.take();
  return reading;
}

FlowReading read_flow_file(const std::string& file, const FlowReadOptions& options,
                           std::span<const ComponentSpec> specs) {
  FlowReadOptions named = options;
  if (named.file.empty()) named.file = file;
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  if (stream) {
    stream.seekg(0, std::ios::end);
    const std::streamoff size = stream.tellg();
    stream.seekg(0);
    // A device or a pipe has no size; what is longer than the bound need not be read whole.
    constexpr std::size_t kMost = FlowReadLimits::kText + 1;
    const std::size_t at_most =
        size < 0 ? kMost : std::min<std::size_t>(static_cast<std::size_t>(size), kMost);
    stream.clear();
    text.resize(at_most);
    stream.read(text.data(), static_cast<std::streamsize>(at_most));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (!stream.bad()) return read_flow(text, named, specs);
  }
  FlowReading reading;
  reading.flow = std::make_shared<Flow>();
  reading.flow->file = named.file;
  reading.complaints.push_back({named.file, {}, "cannot be read: " + std::string(strerror(errno))});
  return reading;
}

}  // namespace runnel
