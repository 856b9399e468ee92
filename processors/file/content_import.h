// Files into content and content into files, in pieces of 64 KiB.

#pragma once

#include "agent/sdk/session.h"
#include "processors/file/directory.h"

namespace runnel {

// The FlowFile's content becomes what the file holds.
Result<> import_content(Session& session, FlowFile flowfile, const OpenFile& from);
// Appends the FlowFile's content to the file.
Result<> export_content(Session& session, FlowFile flowfile, const OpenFile& to);

}  // namespace runnel
