// The elements of the native format, one function each; yaml_reader.cc puts them together.

#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/complaints.h"
#include "agent/flow/model.h"
#include "agent/flow/parameters.h"
#include "agent/flow/yaml.h"
#include "agent/flow/yaml_reader.h"

namespace runnel {

// What the reading of one text shares.
struct Reading {
  const YamlDocument& document;
  const FlowReadOptions& options;
  Complaints& complaints;
  std::string flow_name = {};
  std::size_t value_bytes = 0;         // of all properties so far
  std::set<std::string> secrets = {};  // values of sensitive parameters that were put in
};

// Whether a group or an element of one may have this name; if not, that is a complaint.
bool check_name(std::string_view name, Position at, Complaints& complaints);

// `group` has its name, path and id.
ProcessorNode read_processor(const YamlNode::Entry& entry, const ProcessGroup& group,
                             const ParameterScope& scope, Reading& reading);

ServiceNode read_service(const YamlNode::Entry& entry, const ProcessGroup& group,
                         const ParameterScope& scope, Reading& reading);

// The ends are not resolved yet: `from.path` and `to.path` hold what is written.
Connection read_connection(const YamlNode& node, const ProcessGroup& group, Reading& reading);

std::vector<Parameter> read_parameters(const YamlNode& node, Reading& reading);

// Finds what each connection's ends name, and gives the connections their names and ids. What
// cannot be found keeps an empty id; that is a complaint.
void link_connections(ProcessGroup& group, Reading& reading);

}  // namespace runnel
