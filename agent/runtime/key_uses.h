// Which data keys are still needed: those that something in a state directory names.
//
// Sealed bytes begin with the name of their key (agent/base/sealer.h). Rows of the ledger are asked
// by SQL, segments block by block; any other file is searched for the name itself, whatever it is,
// so that a file of a kind that is added later keeps its key, too. What is quarantined may be torn
// anywhere: while there is any, all keys are needed.

#pragma once

#include <set>
#include <string>

#include "agent/base/result.h"

namespace runnel {

// Of `asked`, names of keys in hexadecimal, those that are needed. Any error: nobody knows.
Result<std::set<std::string>> data_keys_in_use(const std::string& state_dir,
                                               const std::set<std::string>& asked);

}  // namespace runnel
