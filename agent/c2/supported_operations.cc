// The operations that agent/uplink/operations.cc carries out.

#include "agent/c2/supported_operations.h"

namespace runnel::c2 {

std::vector<SupportedOperation> supported_operations() {
  return {{.type = "DESCRIBE", .operands = {{.name = "MANIFEST"}, {.name = "CORECOMPONENTSTATE"}}},
          {.type = "UPDATE", .operands = {{.name = "CONFIGURATION"}}},
          {.type = "START",
           .operands = {{.name = "FLOW"},
                        {.name = "PROCESSOR", .properties_json = R"({"runOnce":true})"}}},
          {.type = "STOP", .operands = {{.name = "FLOW"}, {.name = "PROCESSOR"}}},
          {.type = "CLEAR", .operands = {{.name = "CONNECTION"}, {.name = "CORECOMPONENTSTATE"}}},
          {.type = "RESTART", .operands = {}}};
}

}  // namespace runnel::c2
