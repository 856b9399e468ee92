// Checks a flow against descriptions of components: those of this agent's registry, or those of a
// manifest that another agent sent. The same complaints everywhere: `runnel-agent check`, an
// update, the hub before a release.

#pragma once

#include <span>
#include <vector>

#include "agent/flow/model.h"
#include "agent/spec/component.h"

namespace runnel {

// All that is wrong, by place: types and properties that are unknown, values outside their bounds,
// expressions that do not compile, relationships that are unknown or lead nowhere, input where none
// is taken and none where it is needed.
std::vector<Complaint> check_flow(const Flow& flow, std::span<const ComponentSpec> specs);

// A connection that names no relationship of its processor means its only one: puts that in.
// Where there are several, check_flow complains. `read_flow` has done it.
void name_relationships(Flow& flow, std::span<const ComponentSpec> specs);

// The names of the relationships that a processor of this spec has with these properties: the
// described ones, then those that its dynamic properties add.
std::vector<RelationshipSpec> relationships_of(const ComponentSpec& spec,
                                               const PropertyValues& properties);

}  // namespace runnel
