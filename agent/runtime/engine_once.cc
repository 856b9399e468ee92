// Running parts of the flow once that stand still.

#include <algorithm>
#include <map>
#include <set>

#include "agent/runtime/engine_core.h"

namespace runnel {

// Each after those that feed it, as far as they are in no circle: so what one lets out, the next
// takes in.
std::vector<std::shared_ptr<Node>> EngineCore::downstream(
    const Running& running, const std::vector<std::shared_ptr<Node>>& nodes) {
  std::map<std::string_view, const std::shared_ptr<Node>*> by_id;
  for (const std::shared_ptr<Node>& node : nodes) by_id.emplace(node->plan().model.id, &node);
  std::multimap<std::string_view, std::string_view> ways;
  for (const PlannedQueue& one : running.queues)
    ways.emplace(one.connection->from.id, one.connection->to.id);
  std::vector<std::shared_ptr<Node>> order;
  std::set<std::string_view> seen;
  using Ways = decltype(ways)::const_iterator;
  struct Step {
    std::string_view id;
    Ways next;
    Ways end;
  };
  for (const std::shared_ptr<Node>& start : nodes) {
    std::vector<Step> way;
    const auto enter = [&](std::string_view id) {
      if (!by_id.contains(id) || !seen.insert(id).second) return;
      const auto [begin, end] = ways.equal_range(id);
      way.push_back({id, begin, end});
    };
    enter(start->plan().model.id);
    while (!way.empty()) {
      Step& step = way.back();
      if (step.next == step.end) {
        order.push_back(*by_id.at(step.id));
        way.pop_back();
      } else {
        const std::string_view to = (step.next++)->second;
        enter(to);
      }
    }
  }
  std::reverse(order.begin(), order.end());
  return order;
}

Result<std::vector<RanOnce>> EngineCore::run_once(std::string_view which) {
  Lock lock(control_);
  const auto now = running();
  if (!now) return not_found("no flow is running");
  Named named;
  if (which.empty()) {
    named.is_group = true;
    named.nodes = now->nodes;
  } else {
    TRY_ASSIGN(found, find_named(which));
    named = std::move(found);
  }
  if (named.service)
    return invalid("`" + std::string(which) + "` is a service: there is nothing to trigger");
  if (!named.is_group) TRY(named.nodes.front()->may_run_once());
  std::vector<std::shared_ptr<Node>> standing;
  for (const std::shared_ptr<Node>& node : named.nodes) {
    if (!node->is_started()) standing.push_back(node);
  }
  if (standing.empty()) {
    return invalid(which.empty() ? std::string("nothing stands still; stop it first")
                                 : "all of `" + std::string(which) + "` runs; stop it first");
  }
  std::vector<RanOnce> all;
  for (const std::shared_ptr<Node>& node : downstream(*now, standing)) {
    Result<RanOnce> ran = node->run_once();
    if (!ran.ok() && !named.is_group) return ran.error();
    if (ran.ok()) {
      all.push_back(std::move(ran).value());
    } else {
      all.push_back({.id = node->plan().model.id,
                     .path = node->plan().model.path,
                     .error = bulletins_.masked(ran.error().text())});
    }
  }
  std::erase_if(standing, [](const std::shared_ptr<Node>& node) { return !node->is_started(); });
  stop_all(standing, kFlushTime);
  return all;
}

}  // namespace runnel
