// Fuzzes the flow reader and the checks: any text is read within the bounds, or refused.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/flow/check.h"
#include "agent/flow/graph.h"
#include "agent/flow/yaml_reader.h"
#include "tests/agent/flow/fixtures.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runnel;
  static const std::vector<ComponentSpec> specs = fixture_specs();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const FlowReading reading = read_flow(text, {"fuzz.yaml", {{"given", "value"}}}, specs);
  // A refused flow says why; an accepted one can be drawn.
  if (reading.ok()) {
    if (graph_json(*reading.flow, specs).empty()) __builtin_trap();
  } else if (text_of(reading.complaints).empty()) {
    __builtin_trap();
  }
  return 0;
}
