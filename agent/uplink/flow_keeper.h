// FlowKeeper: the flow of the hub that last worked, on disk, so that the agent boots and runs it
// without a hub and without a network.
//
//   hub-flow            {"id":"…","version":"…","url":"…","sha256":"…","size":N}\n, then the text
//   hub-flow.previous   the one before, for the day on which the first cannot be read
//
// A file is written beside, synced, and renamed into place; its digest is checked when it is read.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/uplink/control.h"

namespace runnel {

class FlowKeeper {
 public:
  explicit FlowKeeper(std::string state_dir) : path_(std::move(state_dir) + "/hub-flow") {}

  // On disk when it returns. Keeping what is kept already writes nothing.
  Result<> keep(const DeliveredFlow& flow);
  // The one that last worked, then the one before; those that can be read.
  std::vector<DeliveredFlow> kept() const;

 private:
  std::string path_;
};

}  // namespace runnel
