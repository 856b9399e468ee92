// What components remember: shown, cleared, and kept for a while when a flow has them no longer.

#include <map>

#include "agent/base/log.h"
#include "agent/base/words.h"
#include "agent/runtime/engine_core.h"

namespace runnel {

// Paths by ids.
std::map<std::string, std::string, std::less<>> EngineCore::components_in(const Running& running) {
  std::map<std::string, std::string, std::less<>> paths;
  for (const std::shared_ptr<Node>& node : running.nodes)
    paths.emplace(node->plan().model.id, node->plan().model.path);
  for (const std::shared_ptr<SharedService>& one : running.services)
    paths.emplace(one->id(), one->path());
  for (const ProcessGroup* group : all_groups(*running.flow)) paths.emplace(group->id, group->path);
  return paths;
}

void EngineCore::keep_states(const Running& next) {
  const auto paths = components_in(next);
  const std::vector<std::string> forgotten =
      ledger_->keep_state([&paths](const std::string& id) { return paths.contains(id); });
  if (forgotten.empty()) return;
  log_info(
      "engine", "what components of earlier flows remembered is forgotten",
      {{"components", static_cast<std::int64_t>(forgotten.size())}, {"first", forgotten.front()}});
}

std::vector<ComponentState> EngineCore::states() const {
  const auto now = running();
  const auto paths = now ? components_in(*now) : std::map<std::string, std::string, std::less<>>();
  std::vector<ComponentState> all;
  for (const StateExtent& one : ledger_->state_extents()) {
    const auto known = paths.find(one.component);
    all.push_back(
        {one.component, known == paths.end() ? std::string() : known->second, one.keys, one.bytes});
  }
  return all;
}

// The id of whatever has that name; or, of a component that the flow has no longer, `which` itself.
Result<std::string> EngineCore::find_remembering(std::string_view which) const {
  const auto named = find_named(which);
  if (named.ok() && named->service) return named->service->id();
  if (named.ok() && !named->is_group) return named->nodes.front()->plan().model.id;
  for (const ComponentState& one : states()) {
    if (one.id == which || (!one.path.empty() && one.path == which)) return one.id;
  }
  if (named.ok())
    return not_found("the process group `" + std::string(which) + "` remembers nothing");
  return named.error();
}

Result<StateView> EngineCore::state_of(std::string_view component, std::size_t limit) const {
  TRY_ASSIGN(id, find_remembering(component));
  StateView view;
  view.component.id = id;
  if (const auto now = running()) {
    const auto paths = components_in(*now);
    if (const auto known = paths.find(id); known != paths.end())
      view.component.path = known->second;
  }
  Lock lock(ledger_->mutex());
  ledger_->each_state(id, [&view, limit](std::string_view key, std::string_view value) {
    ++view.component.key_count;
    view.component.bytes += key.size() + value.size();
    if (view.entries.size() >= limit) return;
    view.entries.push_back(
        {std::string(key), std::string(value.substr(0, StateView::kValueMax)), value.size()});
  });
  if (view.component.key_count == 0)
    return not_found("`" + std::string(component) + "` remembers nothing");
  return view;
}

Result<std::uint64_t> EngineCore::clear_state(std::string_view component) {
  Lock lock(control_);
  TRY_ASSIGN(id, find_remembering(component));
  const auto now = running();
  const std::shared_ptr<Node>* node = now ? now->find(id) : nullptr;
  if (node != nullptr && (*node)->is_started())
    return invalid("`" + std::string(component) + "` runs; stop it first");
  if (now && node == nullptr) {
    const auto service = find_service(id);
    ServiceStatus status;
    if (service.ok()) (*service)->fill(status);
    if (!status.users.empty())
      return invalid("service `" + status.path + "` is used by `" + status.users.front() +
                     "`; stop its users first");
    if (!service.ok() && components_in(*now).contains(id))
      return invalid("what a process group remembers is of the batch that it lets in or out now");
  }
  const std::uint64_t count = ledger_->clear_state(id);
  // What it knows by heart is of before.
  if (node != nullptr && count != 0) TRY((*node)->renew());
  TRY(ledger_->flush(kFlushTime));
  if (count != 0)
    bulletins_.post({}, BulletinLevel::kInfo,
                    "the state of `" + std::string(component) + "` was cleared (" +
                        counted(count, "key") + ")");
  return count;
}

}  // namespace runnel
