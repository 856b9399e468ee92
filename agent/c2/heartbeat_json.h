// The parts of a heartbeat that acknowledgements carry too.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/c2/lenient.h"
#include "agent/c2/messages.h"

namespace runnel::c2 {

using OrderedJson = nlohmann::ordered_json;

// Adds deviceInfo, agentInfo, flowInfo, resourceInfo and runnel; not the manifest.
void write_heartbeat(OrderedJson& into, const Heartbeat& heartbeat);
// Compact; ill-formed UTF-8 replaced; the manifest, as it is, put into its agentInfo.
std::string text_with_manifest(const OrderedJson& message, const std::string& manifest_json);

// `text` is what `json` was parsed from.
Heartbeat read_heartbeat(const Json& json, std::string_view text);

// The `runnel` member.
OrderedJson runnel_json(const RunnelInfo& info);
RunnelInfo read_runnel(const Json& json);

// Leaves out what was not said.
void put_text(OrderedJson& into, const char* name, const std::string& text);
template <typename T>
void put(OrderedJson& into, const char* name, const std::optional<T>& value);

}  // namespace runnel::c2
