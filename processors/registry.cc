// The list of all processors. Adding one is one file in its folder and two lines here.

#include "processors/registry.h"

#include <algorithm>
#include <array>

namespace runnel {

ProcessorType consume_kafka();
ProcessorType publish_kafka();
ProcessorType route_on_attribute();
ProcessorType update_attribute();

std::span<const ProcessorType> processor_types() {
  static const std::vector<ProcessorType> types = [] {
    std::vector<ProcessorType> all{
        consume_kafka(),
        publish_kafka(),
        route_on_attribute(),
        update_attribute(),
    };
    std::sort(all.begin(), all.end(), [](const ProcessorType& a, const ProcessorType& b) {
      return a.spec.type < b.spec.type;
    });
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

}  // namespace runnel
