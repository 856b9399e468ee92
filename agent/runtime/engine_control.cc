// The operator's hand: starting and stopping parts of the flow that runs.

#include <algorithm>
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

// ---- what an operator has said, which an update keeps

bool EngineCore::runs_by_itself(const Node& node) const {
  Lock lock(view_);
  return !is_stopped_ && !node.plan().model.is_stopped;
}

bool EngineCore::shall_run(const Node& node) const {
  const auto hand = by_hand_.find(node.plan().model.id);
  return hand == by_hand_.end() ? runs_by_itself(node) : hand->second;
}

void EngineCore::note_hand(const Node& node, bool is_started) {
  if (is_started && runs_by_itself(node)) {
    by_hand_.erase(node.plan().model.id);
  } else {
    by_hand_[node.plan().model.id] = is_started;
  }
}

void EngineCore::set_services_by_hand(const Running& next, const Running* old) {
  for (const std::shared_ptr<SharedService>& one : next.services) {
    const auto hand = by_hand_.find(one->id());
    if (hand == by_hand_.end()) continue;
    const bool stays = old != nullptr && std::find(old->services.begin(), old->services.end(),
                                                   one) != old->services.end();
    if (!stays) one->set_disabled(!hand->second);
  }
}

// What the flow has no longer is forgotten; so is a start of what the flow starts by itself now:
// where a later flow stops it, that is said after the operator's word.
void EngineCore::keep_hands(const Running& next) {
  std::map<std::string, bool, std::less<>> kept;
  for (const std::shared_ptr<Node>& node : next.nodes) {
    const auto hand = by_hand_.find(node->plan().model.id);
    if (hand != by_hand_.end() && !(hand->second && runs_by_itself(*node))) kept.insert(*hand);
  }
  for (const std::shared_ptr<SharedService>& one : next.services) {
    const auto hand = by_hand_.find(one->id());
    if (hand != by_hand_.end() && !(hand->second && !one->model().is_disabled)) kept.insert(*hand);
  }
  by_hand_ = std::move(kept);
}

void EngineCore::forget_hands() {
  by_hand_.clear();
  Lock lock(view_);
  is_stopped_ = false;
}

// ---- processors and the flow

Result<> EngineCore::start_by_hand(Node& node) {
  const Result<> started = node.start(true);
  if (!started.ok() && started.code() != Code::kUnavailable) return started;
  note_hand(node, true);
  return {};
}

Result<> EngineCore::start_processor(std::string_view processor) {
  Lock lock(control_);
  TRY_ASSIGN(node, find_node(processor));
  return start_by_hand(*node);
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
  TRY(stop_started({node}));
  note_hand(*node, false);
  return {};
}

// All but what the flow itself lets stand still.
Result<> EngineCore::start_standing(const std::vector<std::shared_ptr<Node>>& nodes) {
  std::vector<std::shared_ptr<Node>> standing;
  for (const std::shared_ptr<Node>& node : nodes) {
    if (!node->plan().model.is_stopped) {
      note_hand(*node, true);
      standing.push_back(node);
    } else if (!shall_run(*node)) {
      by_hand_.erase(node->plan().model.id);
    }
  }
  return start_all(standing, true);
}

Result<> EngineCore::start_flow() {
  Lock lock(control_);
  const auto now = running();
  if (!now) return not_found("no flow to start");
  {
    Lock view(view_);
    is_stopped_ = false;
  }
  return start_standing(now->nodes);
}

Result<> EngineCore::stop_flow() {
  Lock lock(control_);
  const auto now = running();
  if (!now) return not_found("no flow to stop");
  TRY(stop_started(now->nodes));
  for (const std::shared_ptr<Node>& node : now->nodes) {
    if (shall_run(*node)) by_hand_.erase(node->plan().model.id);
  }
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
  if (named.service) {
    if (named.service->model().is_disabled) {
      by_hand_[named.service->id()] = true;
    } else {
      by_hand_.erase(named.service->id());
    }
    return named.service->enable();
  }
  if (named.is_group) return start_standing(named.nodes);
  return start_by_hand(*named.nodes.front());
}

Result<> EngineCore::stop_component(std::string_view which) {
  Lock lock(control_);
  TRY_ASSIGN(named, find_named(which));
  if (named.service) {
    TRY(named.service->disable());
    by_hand_[named.service->id()] = false;
    return {};
  }
  TRY(stop_started(named.nodes));
  for (const std::shared_ptr<Node>& node : named.nodes) note_hand(*node, false);
  return {};
}

}  // namespace runnel
