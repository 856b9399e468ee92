// The flow's graph as JSON; a door to nlohmann-json.

#include "agent/flow/graph.h"

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

std::string schedule_text(const Schedule& schedule) {
  switch (schedule.kind) {
    case Schedule::Kind::kDefault:
      return {};
    case Schedule::Kind::kEvent:
      return "event";
    case Schedule::Kind::kEvery:
      return "every " + period_text(schedule.period);
    case Schedule::Kind::kCron:
      return "cron " + schedule.cron + (schedule.zone.empty() ? "" : " " + schedule.zone);
  }
  return {};
}

class GraphWriter {
 public:
  GraphWriter(const Flow& flow, std::span<const ComponentSpec> specs) : flow_(flow) {
    for (const ComponentSpec& spec : specs) specs_.emplace(spec.type, &spec);
  }

  std::string write() {
    for (const ProcessGroup* group : all_groups(flow_)) add_group(*group);
    Json out{{"flow", flow_.name}, {"id", flow_.id}, {"doc", flow_.doc}};
    out["nodes"] = std::move(nodes_);
    out["edges"] = std::move(edges_);
    out["labels"] = std::move(labels_);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  std::string group_name(const std::string& id) const { return id == flow_.root.id ? "root" : id; }

  template <typename T>
  Json node(const T& element, std::string_view kind, const std::string& group) const {
    return Json{{"id", element.id},
                {"kind", kind},
                {"name", element.name},
                {"path", element.path},
                {"group", group_name(group)}};
  }

  void add_group(const ProcessGroup& group) {
    if (&group != &flow_.root) {
      Json out = node(group, "group", group.parent_id);
      out["doc"] = group.doc;
      if (group.flowfile_concurrency != FlowFileConcurrency::kUnbounded) {
        out["flowfile_concurrency"] = name_of(group.flowfile_concurrency);
        out["outbound_policy"] = name_of(group.outbound_policy);
      }
      nodes_.push_back(std::move(out));
    }
    for (const ProcessorNode& one : group.processors) nodes_.push_back(processor(one));
    for (const Port& one : group.input_ports) {
      nodes_.push_back(node(one, name_of(EndpointKind::kInputPort), group.id));
    }
    for (const Port& one : group.output_ports) {
      nodes_.push_back(node(one, name_of(EndpointKind::kOutputPort), group.id));
    }
    for (const Funnel& one : group.funnels) {
      nodes_.push_back(node(one, name_of(EndpointKind::kFunnel), group.id));
    }
    for (const Connection& one : group.connections) edges_.push_back(edge(one));
    for (const Label& one : group.labels) {
      labels_.push_back(Json{{"group", group_name(group.id)}, {"text", one.text}});
    }
  }

  Json processor(const ProcessorNode& processor) const {
    Json out = node(processor, name_of(EndpointKind::kProcessor), processor.group_id);
    out["type"] = processor.type;
    out["doc"] = processor.doc;
    out["schedule"] = schedule_text(processor.schedule);
    out["is_stopped"] = processor.is_stopped;
    Json properties = Json::object();
    const auto spec = specs_.find(processor.type);
    if (spec != specs_.end()) {
      for (const auto& [name, source] : processor.property_sources) {
        const PropertySpec* property = spec->second->property(name);
        if (property && property->is_sensitive) continue;
        properties[name] = source.written;
      }
    }
    out["properties"] = std::move(properties);
    Json terminated = Json::array();
    for (const NamedPlace& one : processor.terminate) terminated.push_back(one.name);
    out["terminate"] = std::move(terminated);
    Json retried = Json::array();
    for (const Retry& one : processor.retry) retried.push_back(one.relationship);
    out["retry"] = std::move(retried);
    return out;
  }

  Json edge(const Connection& connection) const {
    Json relationships = Json::array();
    for (const NamedPlace& one : connection.relationships) relationships.push_back(one.name);
    Json out{{"id", connection.id},
             {"name", connection.name},
             {"group", group_name(connection.group_id)},
             {"from", connection.from.id},
             {"to", connection.to.id}};
    out["relationships"] = std::move(relationships);
    out["count_max"] = connection.back_pressure.count;
    out["bytes_max"] = connection.back_pressure.bytes;
    out["when_full"] = name_of(connection.when_full);
    if (connection.expire) {
      out["expire_ms"] =
          std::chrono::duration_cast<std::chrono::milliseconds>(*connection.expire).count();
    }
    out["order"] = name_of(connection.order);
    if (!connection.order_attribute.empty()) out["order_attribute"] = connection.order_attribute;
    return out;
  }

  const Flow& flow_;
  std::map<std::string_view, const ComponentSpec*> specs_;
  Json nodes_ = Json::array();
  Json edges_ = Json::array();
  Json labels_ = Json::array();
};

}  // namespace

std::string graph_json(const Flow& flow, std::span<const ComponentSpec> specs) {
  return GraphWriter(flow, specs).write();
}

}  // namespace runnel
