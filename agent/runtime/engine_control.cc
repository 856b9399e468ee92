// The operator's hand: starting and stopping parts of the flow that runs.

#include <functional>
#include <set>

#include "agent/runtime/engine_core.h"

namespace runnel {
namespace {

std::vector<std::shared_ptr<Node>> started_of(const std::vector<std::shared_ptr<Node>>& nodes) {
  std::vector<std::shared_ptr<Node>> started;
  for (const std::shared_ptr<Node>& node : nodes) {
    if (node->is_started()) started.push_back(node);
  }
  return started;
}

}  // namespace

Result<> EngineCore::start_processor(std::string_view processor) {
  Lock lock(control_);
  TRY_ASSIGN(node, find_node(processor));
  const Result<> started = node->start(true);
  if (!started.ok() && started.code() != Code::kUnavailable) return started;
  return {};
}

Result<> EngineCore::stop_started(const std::vector<std::shared_ptr<Node>>& nodes) {
  const std::vector<std::shared_ptr<Node>> started = started_of(nodes);
  TRY(pause_all(started));
  stop_all(started, kFlushTime);
  return {};
}

Result<> EngineCore::stop_processor(std::string_view processor) {
  Lock lock(control_);
  TRY_ASSIGN(node, find_node(processor));
  return stop_started({node});
}

Result<> EngineCore::start_flow() {
  Lock lock(control_);
  const auto now = running();
  if (!now) return not_found("no flow to start");
  {
    Lock view(view_);
    is_stopped_ = false;
  }
  return start_all(now->nodes, true);
}

Result<> EngineCore::stop_flow() {
  Lock lock(control_);
  const auto now = running();
  if (!now) return not_found("no flow to stop");
  TRY(stop_started(now->nodes));
  Lock view(view_);
  is_stopped_ = true;
  return {};
}

// ---- by whatever name

Result<EngineCore::Named> EngineCore::find_named(std::string_view which) const {
  const auto now = running();
  if (!now) return not_found("no flow is running");
  Named named;
  const auto service = find_service(which);
  if (service.ok()) named.service = *service;
  for (const ProcessGroup* group : all_groups(*now->flow)) {
    if (group->path.empty()) continue;
    if (group->id != which && group->path != which && group->name != which) continue;
    if (named.is_group) return not_found("several groups are named `" + std::string(which) + "`");
    named.is_group = true;
    named.nodes = nodes_in(*now, *group);
  }
  const auto node = find_node(which);
  if (node.ok()) named.nodes.push_back(*node);
  const int count = (named.service ? 1 : 0) + (named.is_group ? 1 : 0) + (node.ok() ? 1 : 0);
  if (count == 1) return named;
  if (count == 0) {
    // What find_node says of several processors of one name helps more.
    return node.error().text().starts_with("several")
               ? node.error()
               : not_found("no processor, process group or service `" + std::string(which) +
                           "` in this flow");
  }
  return not_found("several are named `" + std::string(which) + "`; give the id");
}

std::vector<std::shared_ptr<Node>> EngineCore::nodes_in(const Running& running,
                                                        const ProcessGroup& group) {
  std::set<std::string_view> ids;
  const std::function<void(const ProcessGroup&)> add = [&](const ProcessGroup& one) {
    ids.insert(one.id);
    for (const ProcessGroup& inner : one.groups) add(inner);
  };
  add(group);
  std::vector<std::shared_ptr<Node>> nodes;
  for (const std::shared_ptr<Node>& node : running.nodes) {
    if (ids.contains(node->plan().model.group_id)) nodes.push_back(node);
  }
  return nodes;
}

Result<> EngineCore::start_component(std::string_view which) {
  Lock lock(control_);
  TRY_ASSIGN(named, find_named(which));
  if (named.service) return named.service->enable();
  if (named.is_group) return start_all(named.nodes, true);
  const Result<> started = named.nodes.front()->start(true);
  if (!started.ok() && started.code() != Code::kUnavailable) return started;
  return {};
}

Result<> EngineCore::stop_component(std::string_view which) {
  Lock lock(control_);
  TRY_ASSIGN(named, find_named(which));
  if (named.service) return named.service->disable();
  return stop_started(named.nodes);
}

}  // namespace runnel
