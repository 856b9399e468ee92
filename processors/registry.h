// The registry: every type of processor and of controller service that this agent has, one line
// each in registry.cc.

#pragma once

#include <span>
#include <string_view>

#include "agent/sdk/describe.h"

namespace runnel {

// In the order of their names. Built once; lives as long as the program.
std::span<const ProcessorType> processor_types();
// nullptr when this agent has no such type.
const ProcessorType* find_processor_type(std::string_view type);

std::span<const ServiceType> service_types();
const ServiceType* find_service_type(std::string_view type);

// The descriptions of all processors, then those of all services.
std::span<const ComponentSpec> component_specs();

}  // namespace runnel
