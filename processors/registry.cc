// The list of all processors. Adding one is one file in its folder and two lines here.

#include "processors/registry.h"

#include <algorithm>
#include <array>

namespace runnel {

std::span<const ProcessorType> processor_types() {
  static const std::vector<ProcessorType> types = [] {
    std::vector<ProcessorType> all{};
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
