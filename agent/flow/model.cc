// The flow's helpers: walking, finding, ids from names, complaints as text.

#include "agent/flow/model.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "agent/base/ids.h"

namespace runnel {
namespace {

// The name space of all flows; picked once, never changed: queues hang on it.
constexpr Uuid kFlowSpace{{0x5f, 0x1c, 0x86, 0x4a, 0x0b, 0x2e, 0x4c, 0x2d, 0x9a, 0x53, 0x77, 0x1e,
                           0x62, 0xd8, 0x40, 0xb9}};

void collect_groups(const ProcessGroup& group, std::vector<const ProcessGroup*>& into) {
  into.push_back(&group);
  for (const ProcessGroup& inner : group.groups) collect_groups(inner, into);
}

template <typename T, typename... Members>
std::vector<const T*> collect(const Flow& flow, Members... members) {
  std::vector<const T*> all;
  for (const ProcessGroup* group : all_groups(flow)) {
    const auto add = [&](const std::vector<T>& some) {
      for (const T& one : some) all.push_back(&one);
    };
    (add(group->*members), ...);
  }
  return all;
}

template <typename T, typename Matches>
const T* only(const std::vector<const T*>& all, const Matches& matches) {
  const T* found = nullptr;
  for (const T* one : all) {
    if (!matches(*one)) continue;
    if (found) return nullptr;
    found = one;
  }
  return found;
}

template <typename T>
const T* find_component(const std::vector<const T*>& all, std::string_view which) {
  for (const T* one : all) {
    if (one->id == which || one->path == which) return one;
  }
  return only(all, [&](const T& one) { return one.name == which; });
}

}  // namespace

std::string text_of(const Complaint& complaint) {
  std::string out = complaint.file;
  if (complaint.at.line > 0) {
    out += ':' + std::to_string(complaint.at.line) + ':' + std::to_string(complaint.at.column);
  }
  out += ": ";
  if (complaint.severity == Severity::kWarning) out += "warning: ";
  return out + complaint.text;
}

std::string text_of(const std::vector<Complaint>& complaints) {
  std::string out;
  for (const Complaint& complaint : complaints) out += text_of(complaint) + '\n';
  return out;
}

void sort_complaints(std::vector<Complaint>& complaints) {
  std::stable_sort(complaints.begin(), complaints.end(),
                   [](const Complaint& a, const Complaint& b) {
                     return std::tie(a.file, a.at) < std::tie(b.file, b.at);
                   });
}

bool has_error(const std::vector<Complaint>& complaints) {
  return std::any_of(complaints.begin(), complaints.end(),
                     [](const Complaint& one) { return one.severity == Severity::kError; });
}

Position PropertySource::place_of(std::size_t offset) const {
  const auto next =
      std::upper_bound(spans.begin(), spans.end(), offset,
                       [](std::size_t wanted, const Span& span) { return wanted < span.offset; });
  if (next == spans.begin()) return value_at;
  const Span& last = *std::prev(next);
  Position at = last.at;
  if (!last.is_parameter) at.column += static_cast<std::uint32_t>(offset - last.offset);
  return at;
}

bool ProcessorNode::terminates(std::string_view relationship) const {
  return std::any_of(terminate.begin(), terminate.end(),
                     [&](const NamedPlace& one) { return one.name == relationship; });
}

const Retry* ProcessorNode::retry_of(std::string_view relationship) const {
  for (const Retry& one : retry) {
    if (one.relationship == relationship) return &one;
  }
  return nullptr;
}

std::vector<const ProcessGroup*> all_groups(const Flow& flow) {
  std::vector<const ProcessGroup*> all;
  collect_groups(flow.root, all);
  return all;
}

std::vector<const ProcessorNode*> all_processors(const Flow& flow) {
  return collect<ProcessorNode>(flow, &ProcessGroup::processors);
}

std::vector<const ServiceNode*> all_services(const Flow& flow) {
  return collect<ServiceNode>(flow, &ProcessGroup::services);
}

std::vector<const Connection*> all_connections(const Flow& flow) {
  return collect<Connection>(flow, &ProcessGroup::connections);
}

std::vector<const Port*> all_ports(const Flow& flow) {
  return collect<Port>(flow, &ProcessGroup::input_ports, &ProcessGroup::output_ports);
}

std::vector<const Funnel*> all_funnels(const Flow& flow) {
  return collect<Funnel>(flow, &ProcessGroup::funnels);
}

const ProcessorNode* find_processor(const Flow& flow, std::string_view which) {
  return find_component(all_processors(flow), which);
}

const ServiceNode* find_service(const Flow& flow, std::string_view which) {
  return find_component(all_services(flow), which);
}

const ProcessGroup* find_group(const Flow& flow, std::string_view which) {
  return which.empty() ? nullptr : find_component(all_groups(flow), which);
}

ServiceScopes::ServiceScopes(const Flow& flow) {
  for (const ProcessGroup* group : all_groups(flow)) groups_.emplace(group->id, group);
}

const ProcessGroup* ServiceScopes::group(std::string_view id) const {
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : found->second;
}

const ProcessGroup* ServiceScopes::around(const ProcessGroup& group) const {
  return group.path.empty() ? nullptr : this->group(group.parent_id);
}

const ServiceNode* ServiceScopes::find(std::string_view group_id, std::string_view which) const {
  for (const ProcessGroup* at = group(group_id); at != nullptr; at = around(*at)) {
    for (const ServiceNode& one : at->services) {
      if (one.name == which || one.id == which) return &one;
    }
  }
  return nullptr;
}

std::vector<std::string> ServiceScopes::names(std::string_view group_id) const {
  std::vector<std::string> out;
  for (const ProcessGroup* at = group(group_id); at != nullptr; at = around(*at)) {
    for (const ServiceNode& one : at->services) out.push_back(one.name);
  }
  return out;
}

const Connection* find_connection(const Flow& flow, std::string_view which) {
  std::map<std::string_view, std::string_view> group_paths;
  for (const ProcessGroup* group : all_groups(flow)) group_paths[group->id] = group->path;
  const auto all = all_connections(flow);
  for (const Connection* one : all) {
    if (one->id == which) return one;
    const std::string_view group = group_paths[one->group_id];
    const bool is_path = group.empty()
                             ? one->name == which
                             : which.size() == group.size() + 1 + one->name.size() &&
                                   which.starts_with(group) && which[group.size()] == '/' &&
                                   which.ends_with(one->name);
    if (is_path) return one;
  }
  return only(all, [&](const Connection& one) { return one.name == which; });
}

std::string flow_id(std::string_view flow_name) { return named_uuid(kFlowSpace, flow_name).text(); }

std::string element_id(std::string_view flow_name, std::string_view path) {
  return named_uuid(named_uuid(kFlowSpace, flow_name), path).text();
}

std::string connection_id(std::string_view flow_name, std::string_view group_path,
                          std::string_view name) {
  std::string path("connection:");
  path += group_path;
  path += '/';
  path += name;
  return named_uuid(named_uuid(kFlowSpace, flow_name), path).text();
}

std::string_view name_of(ParameterProvider::Kind kind) {
  switch (kind) {
    case ParameterProvider::Kind::kEnvironment:
      return "environment";
    case ParameterProvider::Kind::kFile:
      return "file";
    case ParameterProvider::Kind::kDirectory:
      return "directory";
    case ParameterProvider::Kind::kCredentials:
      return "credentials";
  }
  return "environment";
}

std::string_view name_of(Schedule::Kind kind) {
  switch (kind) {
    case Schedule::Kind::kDefault:
      return "default";
    case Schedule::Kind::kEvent:
      return "event";
    case Schedule::Kind::kEvery:
      return "every";
    case Schedule::Kind::kCron:
      return "cron";
  }
  return "default";
}

std::string_view name_of(Retry::Manner manner) {
  return manner == Retry::Manner::kYield ? "yield" : "penalize";
}

std::string_view name_of(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kProcessor:
      return "processor";
    case EndpointKind::kInputPort:
      return "input port";
    case EndpointKind::kOutputPort:
      return "output port";
    case EndpointKind::kFunnel:
      return "funnel";
  }
  return "processor";
}

std::string_view name_of(WhenFull when) {
  switch (when) {
    case WhenFull::kBlock:
      return "block";
    case WhenFull::kDropOldest:
      return "drop-oldest";
    case WhenFull::kDropNewest:
      return "drop-newest";
    case WhenFull::kDropLowest:
      return "drop-lowest";
  }
  return "block";
}

std::string_view name_of(QueueOrder order) {
  switch (order) {
    case QueueOrder::kFirstIn:
      return "first-in";
    case QueueOrder::kNewestFirst:
      return "newest-first";
    case QueueOrder::kOldestFirst:
      return "oldest-first";
    case QueueOrder::kAttribute:
      return "attribute";
    case QueueOrder::kLiveFirst:
      return "live-first";
  }
  return "first-in";
}

std::string_view name_of(FlowFileConcurrency concurrency) {
  switch (concurrency) {
    case FlowFileConcurrency::kUnbounded:
      return "unbounded";
    case FlowFileConcurrency::kSingle:
      return "single";
    case FlowFileConcurrency::kBatch:
      return "batch";
  }
  return "unbounded";
}

std::string_view name_of(OutboundPolicy policy) {
  return policy == OutboundPolicy::kBatch ? "batch" : "stream";
}

}  // namespace runnel
