// Changing a copy of a flow; what weave.h promises.

#include "agent/trial/weave.h"

#include <algorithm>

#include "agent/base/assert.h"
#include "agent/flow/check.h"

namespace runnel {
namespace {

ProcessorNode* find_in(ProcessGroup& group, std::string_view path) {
  for (ProcessorNode& node : group.processors) {
    if (node.path == path) return &node;
  }
  for (ProcessGroup& inner : group.groups) {
    if (ProcessorNode* found = find_in(inner, path)) return found;
  }
  return nullptr;
}

ProcessGroup* find_group(ProcessGroup& group, std::string_view id) {
  if (group.id == id) return &group;
  for (ProcessGroup& inner : group.groups) {
    if (ProcessGroup* found = find_group(inner, id)) return found;
  }
  return nullptr;
}

}  // namespace

ProcessorNode* Weave::find(std::string_view path) { return find_in(flow_.root, path); }

std::vector<std::string> Weave::paths() const {
  std::vector<std::string> out;
  for (const ProcessorNode* node : all_processors(flow_)) {
    if (!added_.contains(node->path)) out.push_back(node->path);
  }
  return out;
}

const ComponentSpec& Weave::spec_of(const ProcessorNode& node) const {
  const auto found = std::find_if(types_.begin(), types_.end(), [&node](const ProcessorType& one) {
    return one.spec.type == node.type;
  });
  RUNNEL_ASSERT(found != types_.end());
  return found->spec;
}

bool Weave::has_relationship(const ProcessorNode& node, std::string_view relationship) const {
  const auto all = relationships_of(spec_of(node), node.properties);
  return std::any_of(all.begin(), all.end(), [relationship](const RelationshipSpec& one) {
    return one.name == relationship;
  });
}

bool Weave::is_source(const ProcessorNode& node) const {
  const InputRule input = spec_of(node).input;
  if (input != InputRule::kAllowed) return input == InputRule::kForbidden;
  const auto connections = all_connections(flow_);
  return std::none_of(connections.begin(), connections.end(),
                      [&node](const Connection* one) { return one->to.id == node.id; });
}

bool Weave::is_sink(const ProcessorNode& node) const {
  const auto connections = all_connections(flow_);
  return std::none_of(connections.begin(), connections.end(),
                      [&node](const Connection* one) { return one->from.id == node.id; });
}

ProcessGroup& Weave::group_of(std::string_view id) {
  ProcessGroup* found = find_group(flow_.root, id);
  RUNNEL_ASSERT(found != nullptr);
  return *found;
}

std::string Weave::fresh_name(const std::string& name) {
  std::string fresh = name;
  const auto is_taken = [this](const std::string& type) {
    return std::any_of(types_.begin(), types_.end(),
                       [&type](const ProcessorType& one) { return one.spec.type == type; });
  };
  while (find(fresh) != nullptr || is_taken(fresh)) fresh += '\'';
  return fresh;
}

// It stands in the group, but under a name without one: no processor of the flow can have it.
ProcessorNode Weave::added(const std::string& name, const ProcessGroup& group, InputRule input,
                           std::vector<RelationshipSpec> relationships, Make make) {
  ProcessorNode node;
  node.name = node.path = fresh_name(name);
  node.id = element_id(flow_.name, "." + node.path);
  node.group_id = group.id;
  node.type = node.path;
  node.schedule.kind = Schedule::Kind::kEvent;
  ProcessorType type;
  type.spec.type = node.type;
  type.spec.relationships = std::move(relationships);
  type.spec.input = input;
  type.make = [make = std::move(make)](const PropertyValues&) {
    return Result<std::unique_ptr<Processor>>(make());
  };
  types_.push_back(std::move(type));
  added_.insert(node.path);
  return node;
}

void Weave::replace(std::string_view path, InputRule input, Make make) {
  ProcessorNode* node = find(path);
  RUNNEL_ASSERT(node != nullptr);
  const ComponentSpec& old = spec_of(*node);
  ProcessorType type;
  type.spec.type = fresh_name("in place of " + node->path);
  type.spec.doc = old.doc;
  type.spec.relationships = relationships_of(old, node->properties);
  type.spec.input = input;
  type.make = [make = std::move(make)](const PropertyValues&) {
    return Result<std::unique_ptr<Processor>>(make());
  };
  node->type = type.spec.type;
  node->properties.clear();
  node->property_sources.clear();
  node->schedule = {};
  node->schedule.kind = Schedule::Kind::kEvent;
  node->concurrent_tasks = 1;
  node->is_stopped = false;
  types_.push_back(std::move(type));
}

std::string Weave::watch(std::string_view path, std::string_view relationship, Make make) {
  const ProcessorNode* from = find(path);
  RUNNEL_ASSERT(from != nullptr);
  ProcessGroup& group = group_of(from->group_id);
  const std::string name = "." + std::string(path) + "." + std::string(relationship);
  ProcessorNode watcher = added(name, group, InputRule::kRequired, {}, std::move(make));
  Connection connection;
  connection.name = name;
  connection.id = connection_id(flow_.name, group.path, name);
  connection.group_id = group.id;
  connection.from = {EndpointKind::kProcessor, from->id, from->path, {}};
  connection.relationships = {{std::string(relationship), {}}};
  connection.to = {EndpointKind::kProcessor, watcher.id, watcher.path, {}};
  const std::string id = connection.id;
  group.connections.push_back(std::move(connection));
  group.processors.push_back(std::move(watcher));
  std::erase_if(find(path)->terminate,
                [relationship](const NamedPlace& one) { return one.name == relationship; });
  return id;
}

std::string Weave::feed(std::string_view path, Make make) {
  const ProcessorNode* to = find(path);
  RUNNEL_ASSERT(to != nullptr);
  ProcessGroup& group = group_of(to->group_id);
  const std::string name = "." + std::string(path);
  ProcessorNode feeder =
      added(name, group, InputRule::kForbidden, {{"success", "What is put in."}}, std::move(make));
  Connection connection;
  connection.name = name;
  connection.id = connection_id(flow_.name, group.path, name);
  connection.group_id = group.id;
  connection.from = {EndpointKind::kProcessor, feeder.id, feeder.path, {}};
  connection.relationships = {{"success", {}}};
  connection.to = {EndpointKind::kProcessor, to->id, to->path, {}};
  group.connections.push_back(std::move(connection));
  const std::string fed_by = feeder.path;
  group.processors.push_back(std::move(feeder));
  return fed_by;
}

void Weave::hold(std::string_view path) {
  ProcessorNode* node = find(path);
  RUNNEL_ASSERT(node != nullptr);
  node->is_stopped = true;
}

}  // namespace runnel
