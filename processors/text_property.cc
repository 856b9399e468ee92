// What an expression sees of a FlowFile beyond its attributes.

#include "processors/text_property.h"

namespace runnel {

void FlowFileScope::each_attribute(const Visit& visit) const {
  if (!flowfile_) return;
  bool goes_on = true;
  flowfile_.each_attribute([&](std::string_view name, std::string_view value) {
    if (goes_on) goes_on = visit(name, value);
  });
}

std::optional<FlowFileFacts> FlowFileScope::facts() const {
  if (!flowfile_) return std::nullopt;
  return FlowFileFacts{.id = flowfile_.id(),
                       .size = flowfile_.size(),
                       .entry_ms = flowfile_.entry_ms(),
                       .lineage_start_ms = flowfile_.lineage_start_ms(),
                       .last_queue_ms = flowfile_.entry_ms()};
}

}  // namespace runnel
