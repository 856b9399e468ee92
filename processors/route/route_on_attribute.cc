// RouteOnAttribute: sends each FlowFile where its attributes say.
//
// Each property is a relationship's name and the condition under which a FlowFile goes there. A
// FlowFile whose condition cannot be evaluated goes to `failure`.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class RoutingStrategy { kToPropertyName, kIfAllMatch, kIfAnyMatches };

template <>
struct EnumNames<RoutingStrategy> {
  static constexpr std::array<std::pair<RoutingStrategy, std::string_view>, 3> names{
      {{RoutingStrategy::kToPropertyName, "Route to Property name"},
       {RoutingStrategy::kIfAllMatch, "Route to 'match' if all match"},
       {RoutingStrategy::kIfAnyMatches, "Route to 'match' if any matches"}}};
};

namespace {

struct RouteOnAttributeConfig {
  RoutingStrategy routing_strategy = RoutingStrategy::kToPropertyName;
  DynamicProperties routes;
};

class RouteOnAttribute final : public Processor {
 public:
  using Config = RouteOnAttributeConfig;
  static Result<std::unique_ptr<RouteOnAttribute>> make(Config config);

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  struct Route {
    std::string name;
    Expression condition;
    Relationship to;
  };

  Result<> judge(FlowFile flowfile, std::vector<Relationship>& to) const;

  Context* context_ = nullptr;
  RoutingStrategy strategy_ = RoutingStrategy::kToPropertyName;
  std::vector<Route> routes_;
  std::vector<Relationship> hits_;  // reused
  Relationship matched_;
  Relationship unmatched_;
  Relationship failure_;
};

}  // namespace

ProcessorType route_on_attribute() {
  return Describe<RouteOnAttribute>(
             "RouteOnAttribute",
             "Sends each FlowFile to the relationships whose conditions its attributes fulfil.")
      .property("Routing Strategy", &RouteOnAttributeConfig::routing_strategy,
                {.doc = "Whether each property is a relationship of its own, or all of them are "
                        "one condition."})
      .dynamic_properties(
          &RouteOnAttributeConfig::routes,
          {.name = "relationship",
           .doc = "The condition under which a FlowFile goes to the relationship of this name.",
           .expressions = ExpressionScope::kFlowFile,
           .makes_relationship = true})
      .optional_relationship(
          "matched",
          "With the strategies other than `Route to Property name`, which need it: the condition "
          "is fulfilled.")
      .relationship("unmatched", "No condition is fulfilled.")
      .optional_relationship("failure",
                             "A condition cannot be evaluated for this FlowFile. Left out of a "
                             "flow: such a FlowFile is unmatched.")
      .concurrent()
      .example(R"(only-moving:
  type: RouteOnAttribute
  properties: {moving: "${speed:gt(0)}"}
  terminate: [unmatched]
)");
}

Result<std::unique_ptr<RouteOnAttribute>> RouteOnAttribute::make(Config config) {
  auto made = std::make_unique<RouteOnAttribute>();
  made->strategy_ = config.routing_strategy;
  for (auto& [name, text] : config.routes) {
    TRY_ASSIGN(condition, Expression::compile(text).within("property `" + name + "`"));
    made->routes_.push_back({std::move(name), std::move(condition), {}});
  }
  return made;
}

Result<> RouteOnAttribute::start(Context& context) {
  context_ = &context;
  if (strategy_ == RoutingStrategy::kToPropertyName) {
    for (Route& route : routes_) route.to = context.relationship(route.name);
  }
  matched_ = context.relationship("matched");
  if (strategy_ != RoutingStrategy::kToPropertyName && !matched_) {
    return invalid(
        "with this routing strategy the relationship `matched` must be connected or "
        "terminated");
  }
  unmatched_ = context.relationship("unmatched");
  failure_ = context.relationship("failure");
  return {};
}

Result<> RouteOnAttribute::judge(FlowFile flowfile, std::vector<Relationship>& to) const {
  const FlowFileScope scope(flowfile, context_->clock());
  std::size_t fulfilled = 0;
  for (const Route& route : routes_) {
    const Result<bool> is_fulfilled = route.condition.evaluate_bool(scope);
    if (!is_fulfilled.ok()) return is_fulfilled.error().within("`" + route.name + "`");
    if (!*is_fulfilled) continue;
    ++fulfilled;
    if (strategy_ == RoutingStrategy::kToPropertyName) to.push_back(route.to);
  }
  if (strategy_ == RoutingStrategy::kToPropertyName) return {};
  const bool is_match = strategy_ == RoutingStrategy::kIfAllMatch
                            ? fulfilled == routes_.size() && !routes_.empty()
                            : fulfilled > 0;
  if (is_match) to.push_back(matched_);
  return {};
}

Result<> RouteOnAttribute::on_trigger(Session& session) {
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  hits_.clear();
  const Result<> judged = judge(flowfile, hits_);
  if (!judged.ok()) {
    context_->bulletin(BulletinLevel::kError,
                       "FlowFile " + flowfile.uuid() + ": " + judged.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_ ? failure_ : unmatched_);
    return {};
  }
  if (hits_.empty()) {
    session.transfer(flowfile, unmatched_);
    return {};
  }
  // Copies share the content; the original takes the last way.
  for (std::size_t i = 0; i + 1 < hits_.size(); ++i)
    session.transfer(session.clone(flowfile), hits_[i]);
  session.transfer(flowfile, hits_.back());
  return {};
}

}  // namespace runnel
