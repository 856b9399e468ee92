// FlowServices: the controller services of one flow as it runs: those that can stay, and new ones.

#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/flow/model.h"
#include "agent/runtime/shared_service.h"

namespace runnel {

class FlowServices {
 public:
  using List = std::vector<std::shared_ptr<SharedService>>;

  // Takes over of `known` what is described alike, with all that it uses. kInvalid: a type is
  // unknown, a service refuses its properties, or they need each other in a circle. `flow` outlives
  // this.
  static Result<FlowServices> plan(const Flow& flow, std::span<const ServiceType> types,
                                   Ledger& ledger, BulletinBoard& bulletins, const List& known);

  // What the properties of kind kService name. kNotFound: nothing that the component can see.
  Result<ServiceUses> uses_of(const ComponentNode& component, const ComponentSpec& spec) const;
  const List& all() const { return all_; }  // in the order of the flow

 private:
  explicit FlowServices(const Flow& flow) : scopes_(flow) {}
  class Planner;

  ServiceScopes scopes_;
  std::map<const ServiceNode*, std::shared_ptr<SharedService>> made_;
  List all_;
};

}  // namespace runnel
