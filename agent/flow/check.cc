// Checking a flow against descriptions.

#include "agent/flow/check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "agent/flow/check_components.h"
#include "agent/flow/complaints.h"
#include "agent/flow/yaml_reader.h"

namespace runnel {
namespace {

SpecsByType by_type(std::span<const ComponentSpec> specs) {
  SpecsByType out;
  for (const ComponentSpec& spec : specs) out.emplace(spec.type, &spec);
  return out;
}

class FlowCheck {
 public:
  FlowCheck(const Flow& flow, std::span<const ComponentSpec> specs)
      : flow_(flow), specs_(by_type(specs)), complaints_(flow.file, FlowReadLimits::kComplaints) {
    connections_ = all_connections(flow);
    for (const Connection* one : connections_) {
      out_[one->from.id].push_back(one);
      in_[one->to.id].push_back(one);
    }
    circles_ = find_circles();
  }

  std::vector<Complaint> run() {
    if (all_processors(flow_).empty()) complaints_.add(flow_.root.at, "the flow has no processors");
    for (const ProcessorNode* one : all_processors(flow_)) check_processor(*one);
    check_services(flow_, specs_, complaints_);
    for (const Port* one : all_ports(flow_)) {
      check_passage(one->id,
                    std::string(one->kind == PortKind::kInput ? "input port " : "output port ") +
                        backquoted(one->name),
                    one->at);
    }
    for (const Funnel* one : all_funnels(flow_)) {
      check_passage(one->id, "funnel " + backquoted(one->name), one->at);
    }
    return complaints_.take();
  }

 private:
  void check_processor(const ProcessorNode& processor) {
    if (processor.type.empty()) return;  // the reader has complained
    const auto found = specs_.find(processor.type);
    if (found == specs_.end() || found->second->is_service()) {
      complaints_.add(processor.type_at,
                      "unknown processor type " + backquoted(processor.type) +
                          (complaints_.is_full()
                               ? std::string()
                               : unknown_type_cure(processor, ComponentKind::kProcessor, specs_)));
      return;
    }
    const ComponentSpec& spec = *found->second;
    check_properties(processor, spec, complaints_);
    check_relationships(processor, spec);
    check_input(processor, spec);
    if (processor.concurrent_tasks > 1 && spec.is_single_threaded) {
      complaints_.add(processor.at,
                      backquoted(processor.type) + " runs one task at a time; `concurrent_tasks` " +
                          std::to_string(processor.concurrent_tasks) + " has no effect",
                      Severity::kWarning);
    }
  }

  // ---- relationships

  void check_relationships(const ProcessorNode& processor, const ComponentSpec& spec) {
    const auto relationships = relationships_of(spec, processor.properties);
    std::vector<std::string> names;
    for (const RelationshipSpec& one : relationships) names.push_back(one.name);
    const std::set<std::string_view> known(names.begin(), names.end());
    const auto check_known = [&](const std::string& name, Position at) {
      if (known.contains(name)) return;
      if (complaints_.is_full()) return complaints_.add(at, {});
      std::string cure = did_you_mean(name, names);
      if (cure.empty()) cure = names.empty() ? "; it has none" : "; it has " + listed(names);
      complaints_.add(at, backquoted(processor.name) + " (" + processor.type +
                              ") has no relationship " + backquoted(name) + cure);
    };
    Ends ends;
    for (const NamedPlace& one : processor.terminate) {
      check_known(one.name, one.at);
      ends.terminated.insert(one.name);
    }
    for (const Retry& one : processor.retry) {
      check_known(one.relationship, one.at);
      ends.retried.emplace(one.relationship, !one.attempts.has_value());
      if (spec.input == InputRule::kForbidden) {
        complaints_.add(one.at, backquoted(processor.name) + " (" + processor.type +
                                    ") takes no FlowFiles: there is nothing to retry");
      }
    }
    for (const Connection* connection : connections_from(processor.id)) {
      for (const NamedPlace& one : connection->relationships) {
        check_known(one.name, one.at);
        ends.connected.insert(one.name);
      }
      if (!connection->relationships.empty()) continue;
      ends.is_unclear = true;
      complaints_.add(
          connection->from.at,
          names.empty() ? backquoted(processor.name) + " (" + processor.type +
                              ") has no relationships: nothing comes out of it"
                        : "name the relationship: " + backquoted(processor.name + "." + names[0]) +
                              "; " + backquoted(processor.name) + " has " + listed(names));
    }
    for (const RelationshipSpec& one : relationships) check_end(processor, one, ends);
  }

  // Where the relationships of one processor lead.
  struct Ends {
    std::set<std::string_view> connected;
    std::set<std::string_view> terminated;
    std::map<std::string_view, bool> retried;  // whether for ever
    bool is_unclear = false;                   // some connection names no relationship
  };

  void check_end(const ProcessorNode& processor, const RelationshipSpec& relationship,
                 const Ends& ends) {
    const bool is_connected = ends.connected.contains(relationship.name);
    const bool is_terminated = ends.terminated.contains(relationship.name);
    if (is_connected && is_terminated) {
      complaints_.add(processor.at, "relationship " + backquoted(relationship.name) + " of " +
                                        backquoted(processor.name) +
                                        " is connected and terminated; keep one");
    }
    if (is_connected || is_terminated || relationship.is_optional || ends.is_unclear) return;
    const auto retry = ends.retried.find(relationship.name);
    const bool is_retried = retry != ends.retried.end();
    if (is_retried && retry->second) return;
    complaints_.add(processor.at, "relationship " + backquoted(relationship.name) + " of " +
                                      backquoted(processor.name) + " leads nowhere" +
                                      (is_retried ? " after its last attempt" : "") +
                                      "; connect it, add it to `terminate`, or retry it `forever`");
  }

  // ---- input, ports, funnels

  const std::vector<const Connection*>& connections_from(std::string_view id) const {
    static const std::vector<const Connection*> none;
    const auto found = out_.find(id);
    return found == out_.end() ? none : found->second;
  }
  const std::vector<const Connection*>& connections_to(std::string_view id) const {
    static const std::vector<const Connection*> none;
    const auto found = in_.find(id);
    return found == in_.end() ? none : found->second;
  }

  void check_input(const ProcessorNode& processor, const ComponentSpec& spec) {
    const auto& incoming = connections_to(processor.id);
    if (spec.input == InputRule::kRequired && incoming.empty()) {
      complaints_.add(processor.at, "nothing leads to " + backquoted(processor.name) + ", but " +
                                        processor.type + " needs FlowFiles; connect to it");
    }
    if (spec.input != InputRule::kForbidden) return;
    for (const Connection* one : incoming) {
      complaints_.add(one->to.at, backquoted(processor.name) + " (" + processor.type +
                                      ") is a source: it takes no FlowFiles");
    }
  }

  // A port or a funnel: what enters it must be able to leave.
  void check_passage(const std::string& id, const std::string& what, Position at) {
    if (connections_from(id).empty()) {
      complaints_.add(at, what + " leads nowhere; connect from it");
    } else if (circles_.contains(id)) {
      complaints_.add(at, what +
                              " leads back to itself without a processor between: FlowFiles "
                              "would run in a circle");
    }
    if (connections_to(id).empty()) {
      complaints_.add(at, "nothing leads to " + what, Severity::kWarning);
    }
  }

  // The ports and funnels through which a way leads back to itself without a processor: what is
  // left of them when those that none of them leads to are taken away, one after the other.
  std::set<std::string_view> find_circles() const {
    std::map<std::string_view, std::size_t> incoming;
    const auto is_passage = [](const Endpoint& end) {
      return end.kind != EndpointKind::kProcessor && !end.id.empty();
    };
    for (const Connection* one : connections_) {
      if (!is_passage(one->from) || !is_passage(one->to)) continue;
      ++incoming[one->to.id];
      incoming.emplace(one->from.id, 0);
    }
    std::vector<std::string_view> free;
    for (const auto& [id, count] : incoming) {
      if (count == 0) free.push_back(id);
    }
    while (!free.empty()) {
      const std::string_view id = free.back();
      free.pop_back();
      incoming.erase(id);
      for (const Connection* one : connections_from(id)) {
        const auto found = incoming.find(one->to.id);
        if (found != incoming.end() && --found->second == 0) free.push_back(found->first);
      }
    }
    std::set<std::string_view> out;
    for (const auto& [id, count] : incoming) out.insert(id);
    return out;
  }

  const Flow& flow_;
  const SpecsByType specs_;
  std::vector<const Connection*> connections_;
  std::map<std::string, std::vector<const Connection*>, std::less<>> out_;
  std::map<std::string, std::vector<const Connection*>, std::less<>> in_;
  std::set<std::string_view> circles_;
  Complaints complaints_;
};

void name_relationships_in(ProcessGroup& group, const SpecsByType& specs) {
  std::map<std::string_view, const ProcessorNode*> processors;
  for (const ProcessorNode& one : group.processors) processors.emplace(one.id, &one);
  for (Connection& connection : group.connections) {
    if (!connection.relationships.empty()) continue;
    const auto processor = processors.find(connection.from.id);
    if (processor == processors.end()) continue;
    const auto spec = specs.find(processor->second->type);
    if (spec == specs.end()) continue;
    auto all = relationships_of(*spec->second, processor->second->properties);
    std::erase_if(all, [](const RelationshipSpec& one) { return one.is_optional; });
    if (all.size() == 1) connection.relationships.push_back({all[0].name, connection.from.at});
  }
  for (ProcessGroup& inner : group.groups) name_relationships_in(inner, specs);
}

}  // namespace

std::vector<Complaint> check_flow(const Flow& flow, std::span<const ComponentSpec> specs) {
  return FlowCheck(flow, specs).run();
}

void name_relationships(Flow& flow, std::span<const ComponentSpec> specs) {
  name_relationships_in(flow.root, by_type(specs));
}

std::vector<RelationshipSpec> relationships_of(const ComponentSpec& spec,
                                               const PropertyValues& properties) {
  std::vector<RelationshipSpec> all = spec.relationships;
  if (!spec.dynamic_properties || !spec.dynamic_properties->makes_relationship) return all;
  for (const auto& [name, value] : properties) {
    if (spec.property(name) || spec.relationship(name)) continue;
    all.push_back({name, "Made by the property of this name."});
  }
  return all;
}

}  // namespace runnel
