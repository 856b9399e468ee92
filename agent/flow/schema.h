// The flow format as JSON Schema (draft 7), for editors: completion, documentation under the
// pointer, and most complaints while one types. What one place of a text cannot show (a
// relationship that leads nowhere, a connection to nobody) only `runnel-agent check` says.

#pragma once

#include <span>
#include <string>

#include "agent/spec/component.h"

namespace runnel {

// Laid out; the same text for the same specs. Begins with a `$comment` that says where it was
// generated from.
std::string flow_schema(std::span<const ComponentSpec> specs);

// How a period (`10 sec`) and a size (`1 MB`) are written, as regular expressions of JSON Schema.
std::string period_pattern();
std::string size_pattern();

}  // namespace runnel
