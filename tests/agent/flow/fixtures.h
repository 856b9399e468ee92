// Descriptions of a few processors for the tests of the flow room, which knows no registry.

#pragma once

#include <string>
#include <vector>

#include "agent/spec/component.h"

namespace runnel {

inline PropertySpec fixture_property(std::string name, PropertyKind kind = PropertyKind::kText,
                                     ExpressionScope expressions = ExpressionScope::kNone,
                                     bool is_required = false) {
  PropertySpec spec;
  spec.name = std::move(name);
  spec.kind = kind;
  spec.expressions = expressions;
  spec.is_required = is_required;
  return spec;
}

inline ComponentSpec fixture_consume_mqtt() {
  ComponentSpec spec;
  spec.type = "ConsumeMQTT";
  spec.input = InputRule::kForbidden;
  PropertySpec qos = fixture_property("Quality of Service", PropertyKind::kInteger);
  qos.min = 0;
  qos.max = 2;
  PropertySpec password = fixture_property("Password");
  password.is_sensitive = true;
  spec.properties = {
      fixture_property("Broker URI", PropertyKind::kText, ExpressionScope::kNone, true),
      fixture_property("Topic", PropertyKind::kText, ExpressionScope::kNone, true),
      fixture_property("Client ID", PropertyKind::kText, ExpressionScope::kEnvironment), qos,
      password};
  spec.relationships = {{"Message", "All."}};
  return spec;
}

inline ComponentSpec fixture_route_on_attribute() {
  ComponentSpec spec;
  spec.type = "RouteOnAttribute";
  spec.is_single_threaded = false;
  spec.dynamic_properties = DynamicPropertySpec{.name = "relationship",
                                                .doc = "A condition.",
                                                .expressions = ExpressionScope::kFlowFile,
                                                .makes_relationship = true};
  spec.relationships = {{"unmatched", "The rest."}, {"failure", "Bad.", true}};
  return spec;
}

inline ComponentSpec fixture_update_attribute() {
  ComponentSpec spec;
  spec.type = "UpdateAttribute";
  spec.dynamic_properties =
      DynamicPropertySpec{.name = "attribute", .expressions = ExpressionScope::kFlowFile};
  spec.relationships = {{"success", "All."}};
  return spec;
}

inline ComponentSpec fixture_publish_kafka() {
  ComponentSpec spec;
  spec.type = "PublishKafka";
  PropertySpec timeout = fixture_property("Request Timeout", PropertyKind::kPeriod);
  timeout.min = 1e6;
  timeout.max = 9e11;
  PropertySpec codec = fixture_property("Compress Codec", PropertyKind::kChoice);
  codec.choices = {{"none", ""}, {"gzip", ""}, {"zstd", ""}};
  spec.properties = {
      fixture_property("Known Brokers", PropertyKind::kText, ExpressionScope::kEnvironment, true),
      fixture_property("Topic Name", PropertyKind::kText, ExpressionScope::kFlowFile, true),
      fixture_property("Kafka Key", PropertyKind::kText, ExpressionScope::kFlowFile),
      timeout,
      codec,
      fixture_property("Batch Size", PropertyKind::kInteger, ExpressionScope::kFlowFile)};
  spec.relationships = {{"success", "Acknowledged."}, {"failure", "Refused."}};
  return spec;
}

inline ComponentSpec fixture_log_attribute() {
  ComponentSpec spec;
  spec.type = "LogAttribute";
  spec.relationships = {{"success", "All."}};
  return spec;
}

inline PropertySpec fixture_service_property(std::string name, std::string service,
                                             bool is_required = false) {
  PropertySpec spec = fixture_property(std::move(name), PropertyKind::kService);
  spec.service = std::move(service);
  spec.is_required = is_required;
  return spec;
}

inline ComponentSpec fixture_convert_record() {
  ComponentSpec spec;
  spec.type = "ConvertRecord";
  spec.properties = {
      fixture_service_property("Record Reader", "RecordReaderFactory", true),
      fixture_service_property("Record Writer", "RecordSetWriterFactory", true),
  };
  spec.relationships = {{"success", "Converted."}, {"failure", "Not."}};
  return spec;
}

inline ComponentSpec fixture_service(std::string type, std::string provides) {
  ComponentSpec spec;
  spec.kind = ComponentKind::kService;
  spec.type = std::move(type);
  spec.provides = {std::move(provides)};
  return spec;
}

inline std::vector<ComponentSpec> fixture_specs() {
  ComponentSpec cache = fixture_service("CachedReader", "RecordReaderFactory");
  PropertySpec secret = fixture_property("Pass Phrase");
  secret.is_sensitive = true;
  cache.properties = {fixture_service_property("Reader", "RecordReaderFactory"), secret,
                      fixture_property("Entries", PropertyKind::kInteger)};
  return {fixture_consume_mqtt(),
          fixture_route_on_attribute(),
          fixture_update_attribute(),
          fixture_publish_kafka(),
          fixture_log_attribute(),
          fixture_convert_record(),
          fixture_service("JsonTreeReader", "RecordReaderFactory"),
          fixture_service("JsonRecordSetWriter", "RecordSetWriterFactory"),
          cache};
}

}  // namespace runnel
