// The format of flow tests (*.test.yaml) as JSON Schema (draft 7), for editors, beside that of
// flows (agent/flow/schema.h). What only flow and test together show (a processor that is not
// there, a path that is none) `runnel-agent test` says.

#pragma once

#include <string>

namespace runnel {

// Laid out. Begins with a `$comment` that says where it was generated from.
std::string flow_test_schema();

}  // namespace runnel
