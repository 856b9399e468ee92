// What check.h checks of processors and controller services alike, and of the services by
// themselves.

#pragma once

#include <map>
#include <string_view>

#include "agent/flow/complaints.h"
#include "agent/flow/model.h"
#include "agent/spec/component.h"

namespace runnel {

using SpecsByType = std::map<std::string_view, const ComponentSpec*>;

// Names, values and expressions of the component's properties.
void check_properties(const ComponentNode& component, const ComponentSpec& spec,
                      Complaints& complaints);

// The types of services and their properties; whom properties of kind kService name: unknown, of
// another kind, disabled, in a circle. A service that nobody names is worth a warning.
void check_services(const Flow& flow, const SpecsByType& specs, Complaints& complaints);

// "; did you mean `x`?" of the types of this kind, or that the type is of the other kind.
std::string unknown_type_cure(const ComponentNode& component, ComponentKind wanted,
                              const SpecsByType& specs);

}  // namespace runnel
