// The lists of all processors and services. Adding one is one file in its folder and two lines
// here.

#include "processors/registry.h"

#include <algorithm>
#include <array>

namespace runnel {

ProcessorType consume_kafka();
ProcessorType consume_mqtt();
ProcessorType publish_kafka();
ProcessorType publish_mqtt();
ProcessorType route_on_attribute();
ProcessorType attributes_to_json();
ProcessorType control_rate();
ProcessorType convert_record();
ProcessorType detect_duplicate();
ProcessorType evaluate_json_path();
ProcessorType execute_process();
ProcessorType fetch_distributed_map_cache();
ProcessorType fetch_file();
ProcessorType generate_flow_file();
ProcessorType get_file();
ProcessorType invoke_http();
ProcessorType list_file();
ProcessorType listen_http();
ProcessorType log_attribute();
ProcessorType lookup_attribute();
ProcessorType lookup_record();
ProcessorType merge_content();
ProcessorType put_distributed_map_cache();
ProcessorType put_file();
ProcessorType replace_text();
ProcessorType split_record();
ProcessorType split_text();
ProcessorType tail_file();
ProcessorType update_attribute();

ServiceType avro_reader();
ServiceType avro_record_set_writer();
ServiceType csv_reader();
ServiceType csv_record_set_writer();
ServiceType json_record_set_writer();
ServiceType json_tree_reader();
ServiceType kafka_connection_service();
ServiceType local_map_cache();
ServiceType simple_csv_file_lookup_service();
ServiceType sqlite_lookup_service();
ServiceType ssl_context_service();
ServiceType web_client_service();
ServiceType mqtt_connection_service();

std::span<const ProcessorType> processor_types() {
  static const std::vector<ProcessorType> types = [] {
    std::vector<ProcessorType> all{
        consume_kafka(),
        publish_kafka(),
        route_on_attribute(),
        attributes_to_json(),
        control_rate(),
        evaluate_json_path(),
        execute_process(),
        fetch_file(),
        get_file(),
        invoke_http(),
        list_file(),
        listen_http(),
        merge_content(),
        put_file(),
        replace_text(),
        split_text(),
        tail_file(),
        update_attribute(),
        generate_flow_file(),
        log_attribute(),
        consume_mqtt(),
        publish_mqtt(),
        convert_record(),
        split_record(),
        lookup_attribute(),
        lookup_record(),
        detect_duplicate(),
        fetch_distributed_map_cache(),
        put_distributed_map_cache(),
    };
    std::sort(all.begin(), all.end(), [](const ProcessorType& a, const ProcessorType& b) {
      return a.spec.type < b.spec.type;
    });
    return all;
  }();
  return types;
}

std::span<const ServiceType> service_types() {
  static const std::vector<ServiceType> types = [] {
    std::vector<ServiceType> all{
        csv_reader(),
        csv_record_set_writer(),
        json_record_set_writer(),
        json_tree_reader(),
        ssl_context_service(),
        simple_csv_file_lookup_service(),
        local_map_cache(),
        sqlite_lookup_service(),
        kafka_connection_service(),
        web_client_service(),
        avro_reader(),
        avro_record_set_writer(),
        mqtt_connection_service(),
    };
    std::sort(all.begin(), all.end(),
              [](const ServiceType& a, const ServiceType& b) { return a.spec.type < b.spec.type; });
    return all;
  }();
  return types;
}

const ProcessorType* find_processor_type(std::string_view type) {
  for (const ProcessorType& one : processor_types()) {
    if (one.spec.type == type) return &one;
  }
  return nullptr;
}

const ServiceType* find_service_type(std::string_view type) {
  for (const ServiceType& one : service_types()) {
    if (one.spec.type == type) return &one;
  }
  return nullptr;
}

std::span<const ComponentSpec> component_specs() {
  static const std::vector<ComponentSpec> specs = [] {
    std::vector<ComponentSpec> out;
    for (const ProcessorType& type : processor_types()) out.push_back(type.spec);
    for (const ServiceType& type : service_types()) out.push_back(type.spec);
    return out;
  }();
  return specs;
}

}  // namespace runnel
