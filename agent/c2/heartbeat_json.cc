// The heartbeat as JSON: C2's own members. What Runnel adds is in runnel_json.cc.

#include "agent/c2/heartbeat_json.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"

namespace runnel::c2 {
namespace {

// Stands for the manifest's own text while the rest is written.
constexpr const char* kManifestMark = "\u0001agentManifest\u0001";

OrderedJson device_json(const DeviceInfo& device) {
  OrderedJson system = OrderedJson::object();
  put_text(system, "machineArch", device.system.machine_arch);
  put_text(system, "operatingSystem", device.system.operating_system);
  put(system, "vCores", device.system.v_cores);
  put(system, "physicalMem", device.system.physical_mem);
  put(system, "memoryUsage", device.system.memory_usage);
  put(system, "cpuUtilization", device.system.cpu_utilization);
  put(system, "cpuLoadAverage", device.system.cpu_load_average);
  OrderedJson network = OrderedJson::object();
  put_text(network, "deviceId", device.network.device_id);
  put_text(network, "hostname", device.network.hostname);
  put_text(network, "ipAddress", device.network.ip_address);
  OrderedJson out = OrderedJson::object();
  put_text(out, "identifier", device.identifier);
  out["systemInfo"] = std::move(system);
  out["networkInfo"] = std::move(network);
  return out;
}

DeviceInfo read_device(const Json& json) {
  DeviceInfo out;
  out.identifier = text_member(json, "identifier");
  if (const Json* system = object_member(json, "systemInfo")) {
    out.system.machine_arch = text_member(*system, "machineArch");
    out.system.operating_system = text_member(*system, "operatingSystem");
    out.system.v_cores = integer_member(*system, "vCores");
    out.system.physical_mem = integer_member(*system, "physicalMem");
    out.system.memory_usage = integer_member(*system, "memoryUsage");
    out.system.cpu_utilization = decimal_member(*system, "cpuUtilization");
    out.system.cpu_load_average = decimal_member(*system, "cpuLoadAverage");
  }
  if (const Json* network = object_member(json, "networkInfo")) {
    out.network.device_id = text_member(*network, "deviceId");
    out.network.hostname = text_member(*network, "hostname");
    out.network.ip_address = text_member(*network, "ipAddress");
  }
  return out;
}

OrderedJson status_json(const AgentStatus& status) {
  OrderedJson out = OrderedJson::object();
  put(out, "uptime", status.uptime_ms);
  OrderedJson repositories = OrderedJson::object();
  for (const Repository& one : status.repositories) {
    OrderedJson repository = OrderedJson::object();
    put(repository, "running", one.is_running);
    put(repository, "full", one.is_full);
    put(repository, "size", one.size);
    put(repository, "sizeMax", one.size_max);
    put(repository, "dataSize", one.data_size);
    put(repository, "dataSizeMax", one.data_size_max);
    put(repository, "maxSize", one.max_size);
    put(repository, "entryCount", one.entry_count);
    repositories.push_back({one.name, std::move(repository)});
  }
  if (!repositories.empty()) out["repositories"] = std::move(repositories);
  OrderedJson components = OrderedJson::object();
  for (const ComponentState& one : status.components) {
    OrderedJson component = OrderedJson::object();
    put(component, "running", one.is_running);
    put_text(component, "uuid", one.uuid);
    components.push_back({one.name, std::move(component)});
  }
  if (!components.empty()) out["components"] = std::move(components);
  OrderedJson consumption = OrderedJson::object();
  put(consumption, "memoryUsage", status.memory_usage);
  put(consumption, "cpuUtilization", status.cpu_utilization);
  if (!consumption.empty()) out["resourceConsumption"] = std::move(consumption);
  return out;
}

AgentStatus read_status(const Json& json) {
  AgentStatus out;
  out.uptime_ms = integer_member(json, "uptime");
  if (const Json* repositories = object_member(json, "repositories")) {
    for (const auto& [name, one] : repositories->items()) {
      if (out.repositories.size() == Limits::kList) break;
      out.repositories.push_back({.name = name,
                                  .is_running = boolean_member(one, "running"),
                                  .is_full = boolean_member(one, "full"),
                                  .size = integer_member(one, "size"),
                                  .size_max = integer_member(one, "sizeMax"),
                                  .data_size = integer_member(one, "dataSize"),
                                  .data_size_max = integer_member(one, "dataSizeMax"),
                                  .max_size = integer_member(one, "maxSize"),
                                  .entry_count = integer_member(one, "entryCount")});
    }
  }
  if (const Json* components = object_member(json, "components")) {
    for (const auto& [name, one] : components->items()) {
      if (out.components.size() == Limits::kList) break;
      out.components.push_back({.name = name,
                                .uuid = text_member(one, "uuid"),
                                .is_running = boolean_member(one, "running")});
    }
  }
  if (const Json* consumption = object_member(json, "resourceConsumption")) {
    out.memory_usage = integer_member(*consumption, "memoryUsage");
    out.cpu_utilization = decimal_member(*consumption, "cpuUtilization");
  }
  return out;
}

OrderedJson agent_json(const AgentInfo& agent) {
  OrderedJson out = OrderedJson::object();
  out["identifier"] = agent.identifier;
  out["agentClass"] = agent.agent_class;
  put_text(out, "agentManifestHash", agent.manifest_hash);
  if (!agent.manifest_json.empty()) out["agentManifest"] = kManifestMark;
  out["status"] = status_json(agent.status);
  return out;
}

AgentInfo read_agent(const Json& json, std::string_view text) {
  AgentInfo out;
  out.identifier = text_member(json, "identifier");
  out.agent_class = text_member(json, "agentClass");
  out.manifest_hash = text_member(json, "agentManifestHash");
  if (object_member(json, "agentManifest") != nullptr) {
    const std::string_view raw = raw_member(text, "agentManifest");
    out.manifest_json = is_utf8(raw) ? std::string(raw) : to_utf8(raw);
  }
  if (const Json* status = object_member(json, "status")) out.status = read_status(*status);
  return out;
}

OrderedJson queue_json(const Queue& queue) {
  OrderedJson out = OrderedJson::object();
  put_text(out, "name", queue.name);
  if (!queue.name.empty()) out["uuid"] = queue.id;  // as C++, whose queues have names
  put(out, "size", queue.size);
  put(out, "sizeMax", queue.size_max);
  put(out, "dataSize", queue.data_size);
  put(out, "dataSizeMax", queue.data_size_max);
  return out;
}

OrderedJson processor_json(const ProcessorStatus& one) {
  OrderedJson out = OrderedJson::object();
  out["id"] = one.id;
  out["groupId"] = one.group_id;
  out["bytesRead"] = one.bytes_read;
  out["bytesWritten"] = one.bytes_written;
  out["flowFilesIn"] = one.flow_files_in;
  out["flowFilesOut"] = one.flow_files_out;
  out["bytesIn"] = one.bytes_in;
  out["bytesOut"] = one.bytes_out;
  out["invocations"] = one.invocations;
  out["processingNanos"] = one.processing_nanos;
  out["activeThreadCount"] = one.active_thread_count;
  out["terminatedThreadCount"] = one.terminated_thread_count;
  put_text(out, "runStatus", std::string(name_of(one.run_status)));
  return out;
}

OrderedJson bulletin_json(const ProcessorBulletin& one) {
  OrderedJson out = OrderedJson::object();
  out["id"] = one.id;
  out["timestamp"] = one.timestamp_ms;
  put_text(out, "nodeAddress", one.node_address);
  put_text(out, "level", one.level);
  put_text(out, "category", one.category);
  put_text(out, "message", one.message);
  put_text(out, "groupId", one.group_id);
  put_text(out, "groupName", one.group_name);
  put_text(out, "groupPath", one.group_path);
  put_text(out, "sourceId", one.source_id);
  put_text(out, "sourceName", one.source_name);
  put_text(out, "flowFileUuid", one.flow_file_uuid);
  return out;
}

OrderedJson flow_json(const FlowInfo& flow) {
  OrderedJson out = OrderedJson::object();
  put_text(out, "flowId", flow.flow_id);
  put_text(out, "runStatus", std::string(name_of(flow.run_status)));
  if (flow.flow_uri) {
    OrderedJson uri = OrderedJson::object();
    put_text(uri, "registryUrl", flow.flow_uri->registry_url);
    put_text(uri, "bucketId", flow.flow_uri->bucket_id);
    put_text(uri, "flowId", flow.flow_uri->flow_id);
    out["versionedFlowSnapshotURI"] = std::move(uri);
  }
  OrderedJson queues = OrderedJson::object();
  for (const Queue& one : flow.queues) queues.push_back({one.id, queue_json(one)});
  out["queues"] = std::move(queues);
  OrderedJson processors = OrderedJson::array();
  for (const ProcessorStatus& one : flow.processors) processors.push_back(processor_json(one));
  out["processorStatuses"] = std::move(processors);
  OrderedJson bulletins = OrderedJson::array();
  for (const ProcessorBulletin& one : flow.bulletins) bulletins.push_back(bulletin_json(one));
  out["processorBulletins"] = std::move(bulletins);
  return out;
}

RunStatus read_run_status(const Json& json) {
  const std::string text = text_member(json, "runStatus");
  if (equal_ignoring_case(text, "RUNNING")) return RunStatus::kRunning;
  if (equal_ignoring_case(text, "STOPPED")) return RunStatus::kStopped;
  return RunStatus::kUnknown;
}

ProcessorStatus read_processor(const Json& json) {
  const auto number = [&json](const char* name) { return integer_member(json, name).value_or(0); };
  return {.id = text_member(json, "id"),
          .group_id = text_member(json, "groupId"),
          .bytes_read = number("bytesRead"),
          .bytes_written = number("bytesWritten"),
          .flow_files_in = number("flowFilesIn"),
          .flow_files_out = number("flowFilesOut"),
          .bytes_in = number("bytesIn"),
          .bytes_out = number("bytesOut"),
          .invocations = number("invocations"),
          .processing_nanos = number("processingNanos"),
          .active_thread_count = number("activeThreadCount"),
          .terminated_thread_count = number("terminatedThreadCount"),
          .run_status = read_run_status(json)};
}

ProcessorBulletin read_bulletin(const Json& json) {
  return {.id = integer_member(json, "id").value_or(0),
          .timestamp_ms = integer_member(json, "timestamp").value_or(0),
          .level = text_member(json, "level"),
          .category = text_member(json, "category"),
          .message = text_member(json, "message"),
          .group_id = text_member(json, "groupId"),
          .group_name = text_member(json, "groupName"),
          .group_path = text_member(json, "groupPath"),
          .source_id = text_member(json, "sourceId"),
          .source_name = text_member(json, "sourceName"),
          .node_address = text_member(json, "nodeAddress"),
          .flow_file_uuid = text_member(json, "flowFileUuid")};
}

FlowInfo read_flow(const Json& json) {
  FlowInfo out;
  out.flow_id = text_member(json, "flowId");
  out.run_status = read_run_status(json);
  if (const Json* uri = object_member(json, "versionedFlowSnapshotURI")) {
    out.flow_uri = FlowUri{.registry_url = text_member(*uri, "registryUrl"),
                           .bucket_id = text_member(*uri, "bucketId"),
                           .flow_id = text_member(*uri, "flowId")};
  }
  if (const Json* queues = object_member(json, "queues")) {
    for (const auto& [id, one] : queues->items()) {
      if (out.queues.size() == Limits::kList) break;
      out.queues.push_back({.id = id,
                            .name = text_member(one, "name"),
                            .size = integer_member(one, "size"),
                            .size_max = integer_member(one, "sizeMax"),
                            .data_size = integer_member(one, "dataSize"),
                            .data_size_max = integer_member(one, "dataSizeMax")});
    }
  }
  if (const Json* processors = list_member(json, "processorStatuses")) {
    for (const Json& one : *processors) {
      if (out.processors.size() == Limits::kList) break;
      if (one.is_object()) out.processors.push_back(read_processor(one));
    }
  }
  if (const Json* bulletins = list_member(json, "processorBulletins")) {
    for (const Json& one : *bulletins) {
      if (out.bulletins.size() == Limits::kBulletins) break;
      if (one.is_object()) out.bulletins.push_back(read_bulletin(one));
    }
  }
  return out;
}

}  // namespace

void put_text(OrderedJson& into, const char* name, const std::string& text) {
  if (!text.empty()) into[name] = text;
}

template <typename T>
void put(OrderedJson& into, const char* name, const std::optional<T>& value) {
  if (value) into[name] = *value;
}
template void put(OrderedJson&, const char*, const std::optional<std::int64_t>&);
template void put(OrderedJson&, const char*, const std::optional<double>&);
template void put(OrderedJson&, const char*, const std::optional<bool>&);

void write_heartbeat(OrderedJson& into, const Heartbeat& heartbeat) {
  into["deviceInfo"] = device_json(heartbeat.device);
  into["agentInfo"] = agent_json(heartbeat.agent);
  into["flowInfo"] = flow_json(heartbeat.flow);
  OrderedJson resources = OrderedJson::object();
  put_text(resources, "hash", heartbeat.resource_hash);
  into["resourceInfo"] = std::move(resources);
  if (heartbeat.runnel) into["runnel"] = runnel_json(*heartbeat.runnel);
}

std::string text_with_manifest(const OrderedJson& message, const std::string& manifest_json) {
  std::string text = message.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  if (manifest_json.empty()) return text;
  const std::string mark = json_quoted(kManifestMark);
  const std::size_t at = text.find(mark);
  return at == std::string::npos ? text : text.replace(at, mark.size(), manifest_json);
}

Heartbeat read_heartbeat(const Json& json, std::string_view text) {
  Heartbeat out;
  out.created_ms = integer_member(json, "created");
  if (const Json* device = object_member(json, "deviceInfo")) out.device = read_device(*device);
  if (const Json* agent = object_member(json, "agentInfo"))
    out.agent = read_agent(*agent, raw_member(text, "agentInfo"));
  if (const Json* flow = object_member(json, "flowInfo")) out.flow = read_flow(*flow);
  if (const Json* resources = object_member(json, "resourceInfo"))
    out.resource_hash = text_member(*resources, "hash");
  if (out.resource_hash == "null") out.resource_hash.clear();  // C++, never synchronized
  if (const Json* ours = object_member(json, "runnel")) out.runnel = read_runnel(*ours);
  return out;
}

std::string to_json(const Heartbeat& heartbeat) {
  OrderedJson out = OrderedJson::object();
  out["operation"] = "heartbeat";
  put(out, "created", heartbeat.created_ms);
  write_heartbeat(out, heartbeat);
  return text_with_manifest(out, heartbeat.agent.manifest_json);
}

Result<Heartbeat> heartbeat_from_json(std::string_view json) {
  TRY_ASSIGN(parsed, parse_json(json));
  if (!parsed.is_object()) return invalid("a heartbeat that is not a JSON object");
  return read_heartbeat(parsed, json);
}

}  // namespace runnel::c2
