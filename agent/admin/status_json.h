// What can be seen of a running flow, as JSON: the answers of the control socket and of `--json`.
//
// The keys are the members of agent/runtime/status.h. Times are milliseconds since 1970.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/runtime/status.h"

namespace runnel {

using StatusJson = nlohmann::ordered_json;

StatusJson status_json(const Status& status);
StatusJson bulletin_json(const Bulletin& bulletin);
StatusJson event_json(const ProvenanceEvent& event);
StatusJson answer_json(const ProvenanceAnswer& answer);
StatusJson lineage_json(const ProvenanceLineage& lineage);
StatusJson ran_json(const std::vector<RanOnce>& all);
StatusJson replay_json(const ReplayAnswer& answer);
StatusJson flowfile_json(const QueuedFlowFile& flowfile);
// Content as `text` where it is UTF-8, else as `base64`.
StatusJson flowfile_json(const PeekedFlowFile& flowfile);
StatusJson state_json(const ComponentState& one);
// Keys and values as `key` and `value` where they are UTF-8, else as `key_base64` and
// `value_base64`.
StatusJson state_json(const StateView& view);

// Compact; ill-formed UTF-8 (attributes may hold any bytes) replaced.
std::string line_of(const StatusJson& json);

}  // namespace runnel
