// From a checked flow to queues and nodes' plans.

#include "agent/runtime/topology.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace runnel {
namespace {

constexpr std::size_t kOutletsMax = 0xFFFF;  // a Relationship has no more numbers

// Hands on what comes in: a funnel, a port.
class PassThrough final : public Processor {
 public:
  Result<> start(Context& context) override {
    onward_ = context.relationship("onward");
    return {};
  }
  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (flowfile) session.transfer(flowfile, onward_);
    return {};
  }

 private:
  Relationship onward_;
};

const ProcessorType& pass_through_type() {
  static const ProcessorType type = [] {
    ProcessorType made;
    made.spec.type = "pass-through";
    made.spec.relationships.push_back({"onward", "Everything."});
    made.make = [](const PropertyValues&) -> Result<std::unique_ptr<Processor>> {
      return std::unique_ptr<Processor>(std::make_unique<PassThrough>());
    };
    return made;
  }();
  return type;
}

QueueRule rule_of(QueueOrder order) {
  switch (order) {
    case QueueOrder::kFirstIn:
      return QueueRule::kFirstIn;
    case QueueOrder::kNewestFirst:
      return QueueRule::kNewestFirst;
    case QueueOrder::kOldestFirst:
      return QueueRule::kOldestFirst;
    case QueueOrder::kAttribute:
      return QueueRule::kAttribute;
    case QueueOrder::kLiveFirst:
      return QueueRule::kLiveFirst;
  }
  return QueueRule::kFirstIn;
}

FullRule rule_of(WhenFull when) {
  switch (when) {
    case WhenFull::kBlock:
      return FullRule::kBlock;
    case WhenFull::kDropOldest:
      return FullRule::kDropOldest;
    case WhenFull::kDropNewest:
      return FullRule::kDropNewest;
    case WhenFull::kDropLowest:
      return FullRule::kDropLowest;
  }
  return FullRule::kBlock;
}

std::optional<RetryRule> retry_of(const ProcessorNode& model, std::string_view relationship) {
  const Retry* retry = model.retry_of(relationship);
  if (!retry) return std::nullopt;
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return RetryRule{.attempts = retry->attempts,
                   .backoff_first = duration_cast<milliseconds>(retry->backoff_first),
                   .backoff_max = duration_cast<milliseconds>(retry->backoff_max),
                   .is_yield = retry->manner == Retry::Manner::kYield};
}

// The relationships that this processor has in this flow: those of its type, and those that its
// dynamic properties make.
std::vector<std::string> relationships_of(const ProcessorNode& model, const ComponentSpec& spec) {
  std::vector<std::string> names;
  for (const RelationshipSpec& one : spec.relationships) names.push_back(one.name);
  if (!spec.dynamic_properties || !spec.dynamic_properties->makes_relationship) return names;
  for (const auto& [name, value] : model.properties) {
    if (spec.property(name) == nullptr) names.push_back(name);
  }
  return names;
}

class Planner {
 public:
  Planner(const Flow& flow, std::span<const ProcessorType> types, const FlowServices& services,
          const GroupGates& gates, Ledger& ledger,
          const std::map<std::string, Queue*, std::less<>>& known)
      : flow_(flow),
        types_(types),
        services_(services),
        gates_(gates),
        ledger_(ledger),
        known_(known) {}

  Result<Topology> plan() {
    TRY(attach_queues());
    for (const ProcessorNode* model : all_processors(flow_)) TRY(add_processor(*model));
    for (const Port* port : all_ports(flow_)) {
      const bool is_input = port->kind == PortKind::kInput;
      add_pass_through(port->id, port->name, port->path, port->group_id,
                       is_input ? "input port" : "output port");
    }
    for (const Funnel* funnel : all_funnels(flow_)) {
      add_pass_through(funnel->id, funnel->name, funnel->path, funnel->group_id, "funnel");
    }
    find_cycles();
    return std::move(topology_);
  }

  // After an error: what was attached for this flow is parked, as it was before, or empty.
  void give_up() {
    for (const PlannedQueue& one : topology_.queues) {
      if (!known_.contains(one.queue->id())) ledger_.park(*one.queue, flow_.name);
    }
  }

 private:
  Result<> attach_queues() {
    for (const Connection* connection : all_connections(flow_)) {
      Queue* queue = nullptr;
      if (const auto found = known_.find(connection->id); found != known_.end()) {
        queue = found->second;
      } else {
        TRY_ASSIGN(attached, ledger_.attach(queue_spec_of(*connection))
                                 .within("connection `" + connection->name + "`"));
        queue = attached;
      }
      topology_.queues.push_back({connection, queue});
      from_[connection->from.id].push_back(topology_.queues.back());
      to_[connection->to.id].push_back(queue);
    }
    return {};
  }

  std::vector<Queue*> inputs_of(std::string_view id) const {
    const auto found = to_.find(id);
    return found == to_.end() ? std::vector<Queue*>() : found->second;
  }

  std::span<const PlannedQueue> outputs_of(std::string_view id) const {
    const auto found = from_.find(id);
    if (found == from_.end()) return {};
    return found->second;
  }

  // Each once, in the order in which the relationships have them.
  std::vector<Queue*> blocking_of(std::span<const PlannedQueue> outputs,
                                  const std::vector<Outlet>& outlets) const {
    std::unordered_set<const Queue*> blocks;
    for (const PlannedQueue& one : outputs) {
      if (one.connection->when_full == WhenFull::kBlock && !gates_.is_open_ended(*one.connection))
        blocks.insert(one.queue);
    }
    std::vector<Queue*> blocking;
    for (const Outlet& outlet : outlets) {
      for (Queue* const queue : outlet.queues) {
        if (blocks.erase(queue) != 0) blocking.push_back(queue);
      }
    }
    return blocking;
  }

  Result<> add_processor(const ProcessorNode& model) {
    const auto type = std::find_if(types_.begin(), types_.end(), [&](const ProcessorType& one) {
      return one.spec.type == model.type;
    });
    if (type == types_.end()) {
      return invalid("processor `" + model.path + "`: unknown type `" + model.type + "`");
    }
    NodePlan plan;
    plan.model = model;
    plan.type = &*type;
    TRY_ASSIGN(uses, services_.uses_of(model, type->spec));
    plan.services = std::move(uses);
    plan.inputs = inputs_of(model.id);
    const std::span<const PlannedQueue> outputs = outputs_of(model.id);
    std::unordered_map<std::string_view, std::vector<Queue*>> ways;  // by relationship
    for (const PlannedQueue& one : outputs) {
      for (const NamedPlace& relationship : one.connection->relationships)
        ways[relationship.name].push_back(one.queue);
    }
    for (const std::string& name : relationships_of(model, type->spec)) {
      Outlet outlet{.name = name, .queues = ways[name], .retry = retry_of(model, name)};
      const RelationshipSpec* spec = type->spec.relationship(name);
      const bool is_left_out =
          spec && spec->is_optional && outlet.queues.empty() && !model.terminates(name);
      if (!is_left_out) plan.outlets.push_back(std::move(outlet));
    }
    if (plan.outlets.size() > kOutletsMax) {
      return invalid("processor `" + model.path + "` has more than " + std::to_string(kOutletsMax) +
                     " relationships");
    }
    plan.blocking = blocking_of(outputs, plan.outlets);
    topology_.plans.push_back(std::move(plan));
    return {};
  }

  void add_pass_through(const std::string& id, const std::string& name, const std::string& path,
                        const std::string& group_id, const std::string& kind) {
    NodePlan plan;
    plan.model.id = id;
    plan.model.name = name;
    plan.model.path = path;
    plan.model.group_id = group_id;
    plan.model.type = kind;
    plan.gated_type = gates_.port_type(id);
    plan.type = plan.gated_type ? plan.gated_type.get() : &pass_through_type();
    if (gates_.takes_one(id)) plan.take_max = 1;
    plan.inputs = inputs_of(id);
    Outlet outlet{.name = "onward", .queues = {}, .retry = std::nullopt};
    for (const PlannedQueue& one : outputs_of(id)) outlet.queues.push_back(one.queue);
    // What leads nowhere keeps what it gets.
    plan.model.is_stopped = outlet.queues.empty();
    plan.outlets.push_back(std::move(outlet));
    plan.blocking = blocking_of(outputs_of(id), plan.outlets);
    topology_.plans.push_back(std::move(plan));
  }

  // A walk from the sources: a connection to a node that the walk is still inside of closes a
  // cycle.
  void find_cycles() {
    for (NodePlan& plan : topology_.plans) plans_[plan.model.id] = &plan;
    for (const PlannedQueue& one : topology_.queues) {
      if (gates_.closes_cycle(*one.connection))
        close_cycle(one.connection->from.id, one.connection->to.id, one.queue);
    }
    for (const NodePlan& plan : topology_.plans) {
      if (plan.inputs.empty()) walk(plan.model.id);
    }
    for (const NodePlan& plan : topology_.plans) walk(plan.model.id);
  }

  void walk(std::string_view start) {
    struct Step {
      std::string_view id;
      std::span<const PlannedQueue> left;  // of its outputs
    };
    if (done_.contains(start)) return;
    std::vector<Step> way{{start, outputs_of(start)}};
    inside_.insert(start);
    while (!way.empty()) {
      Step& step = way.back();
      if (step.left.empty()) {
        inside_.erase(step.id);
        done_.insert(step.id);
        way.pop_back();
        continue;
      }
      const PlannedQueue& out = step.left.front();
      step.left = step.left.subspan(1);
      if (gates_.closes_cycle(*out.connection)) continue;
      const std::string_view to = out.connection->to.id;
      if (inside_.contains(to)) {
        close_cycle(step.id, to, out.queue);
      } else if (!done_.contains(to)) {
        inside_.insert(to);
        way.push_back({to, outputs_of(to)});
      }
    }
  }

  void close_cycle(std::string_view from, std::string_view to, Queue* queue) {
    if (const auto plan = plans_.find(from); plan != plans_.end())
      std::erase(plan->second->blocking, queue);
    if (const auto plan = plans_.find(to); plan != plans_.end())
      plan->second->cycle_inputs.push_back(queue);
  }

  const Flow& flow_;
  const std::span<const ProcessorType> types_;
  const FlowServices& services_;
  const GroupGates& gates_;
  Ledger& ledger_;
  const std::map<std::string, Queue*, std::less<>>& known_;
  Topology topology_;
  // By the ids of the flow.
  std::unordered_map<std::string_view, std::vector<PlannedQueue>> from_;
  std::unordered_map<std::string_view, std::vector<Queue*>> to_;
  std::unordered_map<std::string_view, NodePlan*> plans_;
  std::unordered_set<std::string_view> inside_;
  std::unordered_set<std::string_view> done_;
};

}  // namespace

QueueSpec queue_spec_of(const Connection& connection) {
  QueueSpec spec;
  spec.id = connection.id;
  spec.name = connection.name;
  spec.count_max = connection.back_pressure.count;
  spec.bytes_max = connection.back_pressure.bytes;
  spec.when_full = rule_of(connection.when_full);
  if (connection.expire) {
    spec.expire = std::chrono::duration_cast<std::chrono::milliseconds>(*connection.expire);
  }
  spec.order = rule_of(connection.order);
  spec.order_attribute = connection.order_attribute;
  return spec;
}

Result<Topology> plan_flow(const Flow& flow, std::span<const ProcessorType> types,
                           const FlowServices& services, const GroupGates& gates, Ledger& ledger,
                           const std::map<std::string, Queue*, std::less<>>& known) {
  Planner planner(flow, types, services, gates, ledger, known);
  Result<Topology> planned = planner.plan();
  if (!planned.ok()) planner.give_up();
  return planned;
}

}  // namespace runnel
