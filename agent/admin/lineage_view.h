// The lineage of a FlowFile as a tree of text: what it was made of, what was made of it.
//
// At most 80 columns wide and 200 lines long. Of one FlowFile 20 relatives are drawn, of one line
// of descent 16 generations; for the others a line says how many they are.

#pragma once

#include <string>

#include "agent/admin/status_json.h"

namespace runnel {

// `lineage` is what `lineage_json` makes.
std::string lineage_text(const StatusJson& lineage);

}  // namespace runnel
