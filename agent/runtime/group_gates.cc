// From a flow's groups to gates, and from queues to what gates count.

#include "agent/runtime/group_gates.h"

#include <functional>
#include <set>

#include "agent/runtime/topology.h"
#include "agent/sdk/processor.h"

namespace runnel {
namespace {

// A port of a group with a gate: hands on what the gate grants, in one call for each session.
class GatedPort final : public Processor {
 public:
  GatedPort(std::shared_ptr<GroupGate> gate, PortKind kind, std::size_t port)
      : gate_(std::move(gate)), kind_(kind), port_(port) {}

  Result<> start(Context& context) override {
    onward_ = context.relationship("onward");
    gate_->join(kind_, port_, context);
    is_started_ = true;
    return {};
  }

  Result<> on_trigger(Session& session) override {
    GroupGate::Outcome outcome{.grant = gate_->ask(kind_, port_)};
    if (outcome.grant.count == 0) return {};
    std::uint64_t passed = 0;
    for (; passed < outcome.grant.count; ++passed) {
      FlowFile flowfile = session.get();
      if (!flowfile) break;
      mark(flowfile, outcome.grant);
      session.transfer(flowfile, onward_);
    }
    outcome.is_dry = passed < outcome.grant.count;
    if (passed > 0) {
      remember(session, outcome.grant);
    } else {
      outcome.grant.stores = outcome.grant.forgets = false;
    }
    session.when_ended([gate = gate_, kind = kind_, port = port_, outcome](bool is_committed) {
      GroupGate::Outcome ended = outcome;
      ended.is_committed = is_committed;
      gate->ended(kind, port, ended);
    });
    return {};
  }

  void stop() override {
    if (is_started_) gate_->leave(kind_, port_);
    is_started_ = false;
  }

 private:
  static void mark(FlowFile flowfile, const GroupGate::Grant& grant) {
    if (!grant.counts) return;
    for (const auto& [port, count] : *grant.counts)
      flowfile.set(std::string(GroupGate::kReleaseAttribute) + port, count);
  }

  void remember(Session& session, const GroupGate::Grant& grant) const {
    if (grant.stores) {
      session.set_shared_state(gate_->group_id(), GroupGate::kReleaseState,
                               counts_text(*grant.counts));
    } else if (grant.forgets) {
      session.remove_shared_state(gate_->group_id(), GroupGate::kReleaseState);
    }
  }

  const std::shared_ptr<GroupGate> gate_;
  const PortKind kind_;
  const std::size_t port_;
  Relationship onward_;
  bool is_started_ = false;
};

std::shared_ptr<const ProcessorType> gated_port_type(std::shared_ptr<GroupGate> gate, PortKind kind,
                                                     std::size_t port) {
  auto type = std::make_shared<ProcessorType>();
  type->spec.type = "gated port";
  type->spec.relationships.push_back({"onward", "Everything."});
  type->make = [gate = std::move(gate), kind,
                port](const PropertyValues&) -> Result<std::unique_ptr<Processor>> {
    return std::unique_ptr<Processor>(std::make_unique<GatedPort>(gate, kind, port));
  };
  return type;
}

// What can be reached from an element, over processors, ports and funnels.
std::set<std::string_view> reached_from(const Flow& flow, std::string_view id) {
  std::multimap<std::string_view, std::string_view> ways;
  for (const Connection* one : all_connections(flow)) ways.emplace(one->from.id, one->to.id);
  std::set<std::string_view> reached;
  std::vector<std::string_view> open{id};
  while (!open.empty()) {
    const auto [from, to] = ways.equal_range(open.back());
    open.pop_back();
    for (auto way = from; way != to; ++way) {
      if (reached.insert(way->second).second) open.push_back(way->second);
    }
  }
  return reached;
}

}  // namespace

// ---- the flow's groups

std::shared_ptr<GroupGates> GroupGates::plan(const Flow& flow, Ledger& ledger,
                                             const GroupGates* known) {
  std::shared_ptr<GroupGates> gates(new GroupGates(ledger));
  std::map<std::string_view, std::vector<GroupGate*>> around;
  for (const ProcessGroup* group : all_groups(flow)) {  // each after the one around it
    gates->add(*group, known);
    std::vector<GroupGate*> here = around[group->parent_id];
    if (const auto own = gates->gates_.find(group->id); own != gates->gates_.end())
      here.push_back(own->second.get());
    around[group->id] = here;
    if (!here.empty()) gates->around_[group->id] = std::move(here);
  }
  gates->find_ways(flow);
  return gates;
}

void GroupGates::add(const ProcessGroup& group, const GroupGates* known) {
  const bool has_gate = group.flowfile_concurrency != FlowFileConcurrency::kUnbounded;
  if (!has_gate) return ungated_.push_back(group.id);
  std::shared_ptr<GroupGate> gate;
  if (known) {
    const auto before = known->gates_.find(group.id);
    if (before != known->gates_.end() && before->second->is_of(group)) gate = before->second;
  }
  if (!gate) gate = std::make_shared<GroupGate>(ledger_, group);
  for (std::size_t i = 0; i < group.input_ports.size(); ++i)
    add_port(gate, group.input_ports[i], i, known);
  for (std::size_t i = 0; i < group.output_ports.size(); ++i)
    add_port(gate, group.output_ports[i], i, known);
  gates_.emplace(group.id, std::move(gate));
}

void GroupGates::add_port(const std::shared_ptr<GroupGate>& gate, const Port& port,
                          std::size_t number, const GroupGates* known) {
  PortOf made{gate, port.kind, number, nullptr};
  if (known) {
    const auto before = known->ports_.find(port.id);
    if (before != known->ports_.end() && before->second.gate == gate)
      made.type = before->second.type;
  }
  const bool asks = port.kind == PortKind::kInput || gate->is_batch_output();
  if (asks && !made.type) made.type = gated_port_type(gate, port.kind, number);
  ports_.emplace(port.id, std::move(made));
}

void GroupGates::find_ways(const Flow& flow) {
  for (const Connection* one : all_connections(flow)) {
    const auto to = ports_.find(one->to.id);
    if (to == ports_.end() || to->second.kind != PortKind::kInput) continue;
    const std::set<std::string_view> reached = reached_from(flow, one->to.id);
    if (reached.contains(one->from.id)) closing_.insert(one->id);
    const auto from = ports_.find(one->from.id);
    if (from == ports_.end() || from->second.kind != PortKind::kOutput) continue;
    const std::shared_ptr<GroupGate>& first = from->second.gate;
    const std::shared_ptr<GroupGate>& second = to->second.gate;
    if (first == second || !first->is_batch_output() || !second->takes_batches()) continue;
    bool leads_back = false;
    for (const auto& [id, port] : ports_) {
      leads_back = leads_back || (port.gate == first && reached.contains(id));
    }
    if (!leads_back) beyond_.emplace(one->id, second.get());
  }
}

std::shared_ptr<const ProcessorType> GroupGates::port_type(std::string_view port_id) const {
  const auto found = ports_.find(port_id);
  return found == ports_.end() ? nullptr : found->second.type;
}

bool GroupGates::takes_one(std::string_view port_id) const {
  const auto found = ports_.find(port_id);
  return found != ports_.end() && found->second.kind == PortKind::kInput &&
         !found->second.gate->takes_batches();
}

bool GroupGates::is_open_ended(const Connection& connection) const {
  if (gates_.empty()) return false;
  if (beyond_.contains(connection.id)) return true;
  const auto from = ports_.find(connection.from.id);
  if (from != ports_.end() && from->second.kind == PortKind::kInput &&
      from->second.gate->takes_batches()) {
    return true;
  }
  const auto to = ports_.find(connection.to.id);
  return to != ports_.end() && to->second.kind == PortKind::kOutput &&
         to->second.gate->is_batch_output();
}

// ---- counting

void GroupGates::add_roles(const Connection& connection, Counted& counted, Queue& queue) {
  const auto add = [&](GroupGate& gate, GroupGate::Place place, std::size_t port) {
    counted.roles.push_back({&gate, place, port});
    gate.held();
    gate.add_place(place, port, queue);
  };
  const auto to = ports_.find(connection.to.id);
  const bool is_to_output = to != ports_.end() && to->second.kind == PortKind::kOutput;
  if (const auto around = around_.find(connection.group_id); around != around_.end()) {
    for (GroupGate* gate : around->second) {
      const bool is_at_output = is_to_output && to->second.gate.get() == gate;
      add(*gate, is_at_output ? GroupGate::Place::kAtOutput : GroupGate::Place::kInside,
          is_at_output ? to->second.number : 0);
    }
  }
  if (to != ports_.end() && !is_to_output)
    add(*to->second.gate, GroupGate::Place::kFeeding, to->second.number);
  if (const auto beyond = beyond_.find(connection.id); beyond != beyond_.end()) {
    GroupGate& first = *ports_.at(connection.from.id).gate;
    add(first, GroupGate::Place::kBeyond, 0);
    first.held();
    first.add_beyond(*beyond->second);
  }
}

void GroupGates::connect(std::span<const PlannedQueue> queues) {
  Lock lock(ledger_.mutex());
  for (const auto& [id, gate] : gates_) {
    gate->held();
    gate->forget_places();
  }
  counted_.clear();
  std::vector<Ledger::Watched> watched;
  for (const PlannedQueue& one : queues) {
    Counted counted;
    counted.queue = one.queue;
    counted.seen = one.queue->count();
    add_roles(*one.connection, counted, *one.queue);
    if (counted.roles.empty()) continue;
    counted_.push_back(std::move(counted));
    watched.emplace_back(one.queue, &counted_.back());
  }
  // Not of groups whose rule has changed since: nobody would end that intake or release.
  for (const std::string& id : ungated_) {
    for (const std::string_view name : {GroupGate::kReleaseState, GroupGate::kIntakeState}) {
      if (ledger_.state(id, std::string(name)))
        ledger_.change_state(id, std::string(name), std::nullopt, ledger_.birth_epoch(), false);
    }
  }
  for (const auto& [id, gate] : gates_) {
    gate->held();
    gate->settle();
  }
  if (watched.empty()) return ledger_.watch({}, nullptr);
  ledger_.watch(watched, [self = shared_from_this()] { self->on_touched(); });
  on_touched();
}

void GroupGates::disconnect() {
  Lock lock(ledger_.mutex());
  ledger_.watch({}, nullptr);
}

void GroupGates::on_touched() NO_THREAD_SAFETY_ANALYSIS {  // called under the ledger's mutex
  std::vector<QueueWatch*>& touched = ledger_.touched();
  for (QueueWatch* one : touched) {
    auto& counted = static_cast<Counted&>(*one);
    counted.is_touched = false;
    const std::uint64_t now = counted.queue->count();
    if (now == counted.seen) continue;
    for (const Counted::Role& role : counted.roles)
      role.gate->follow(role.place, role.port, counted.seen, now);
    counted.seen = now;
  }
  touched.clear();
  for (const auto& [id, gate] : gates_) gate->close();
  for (const auto& [id, gate] : gates_) gate->wake();
}

std::map<std::string, GroupGate::Figures> GroupGates::figures() const {
  std::map<std::string, GroupGate::Figures> out;
  Lock lock(ledger_.mutex());
  for (const auto& [id, gate] : gates_) {
    gate->held();
    out.emplace(id, gate->figures());
  }
  return out;
}

}  // namespace runnel
