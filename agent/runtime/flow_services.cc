// From the services that a flow says to those that run.

#include "agent/runtime/flow_services.h"

#include <algorithm>
#include <set>

namespace runnel {

// Each after those that it uses.
class FlowServices::Planner {
 public:
  Planner(FlowServices& services, std::span<const ServiceType> types, Ledger& ledger,
          BulletinBoard& bulletins, const List& known)
      : services_(services), types_(types), ledger_(ledger), bulletins_(bulletins), known_(known) {}

  Result<> add(const ServiceNode& model) {
    if (services_.made_.contains(&model)) return {};
    if (!inside_.insert(&model).second) {
      return invalid("service `" + model.path + "` needs itself, over what it names");
    }
    const auto type = std::find_if(types_.begin(), types_.end(), [&](const ServiceType& one) {
      return one.spec.type == model.type;
    });
    if (type == types_.end()) {
      return invalid("service `" + model.path + "`: unknown type `" + model.type + "`");
    }
    TRY(add_used(model, type->spec));
    TRY_ASSIGN(uses, services_.uses_of(model, type->spec));
    for (const std::shared_ptr<SharedService>& one : known_) {
      if (one->is_alike(model, uses)) services_.made_.emplace(&model, one);
    }
    if (!services_.made_.contains(&model)) {
      TRY_ASSIGN(made, SharedService::make(ledger_, bulletins_, model, *type, std::move(uses)));
      services_.made_.emplace(&model, std::move(made));
    }
    inside_.erase(&model);
    return {};
  }

 private:
  Result<> add_used(const ServiceNode& model, const ComponentSpec& spec) {
    for (const PropertySpec& property : spec.properties) {
      if (property.kind != PropertyKind::kService) continue;
      const auto value = model.properties.find(property.name);
      if (value == model.properties.end()) continue;
      const ServiceNode* used = services_.scopes_.find(model.group_id, value->second);
      if (used) TRY(add(*used));
    }
    return {};
  }

  FlowServices& services_;
  const std::span<const ServiceType> types_;
  Ledger& ledger_;
  BulletinBoard& bulletins_;
  const List& known_;
  std::set<const ServiceNode*> inside_;
};

Result<FlowServices> FlowServices::plan(const Flow& flow, std::span<const ServiceType> types,
                                        Ledger& ledger, BulletinBoard& bulletins,
                                        const List& known) {
  FlowServices services(flow);
  Planner planner(services, types, ledger, bulletins, known);
  for (const ServiceNode* model : all_services(flow)) {
    TRY(planner.add(*model));
    services.all_.push_back(services.made_[model]);
  }
  return services;
}

Result<ServiceUses> FlowServices::uses_of(const ComponentNode& component,
                                          const ComponentSpec& spec) const {
  ServiceUses uses;
  for (const PropertySpec& property : spec.properties) {
    if (property.kind != PropertyKind::kService) continue;
    const auto value = component.properties.find(property.name);
    if (value == component.properties.end() || value->second.empty()) continue;
    const ServiceNode* used = scopes_.find(component.group_id, value->second);
    if (used == nullptr) {
      return not_found("`" + component.path + "`: property `" + property.name +
                       "`: there is no service `" + value->second + "`");
    }
    const bool is_known = std::any_of(
        uses.begin(), uses.end(), [&](const ServiceUse& one) { return one.name == value->second; });
    if (!is_known) uses.push_back({value->second, made_.at(used)});
  }
  return uses;
}

}  // namespace runnel
