// FlowKeeper: the flow of the hub that last worked, on disk, so that the agent boots and runs it
// without a hub and without a network.
//
// Flows name brokers, tokens and passwords: with a sealer both are encrypted, always. What an
// earlier version has left in plain is read, and encrypted by `seal_kept`.
//
//   hub-flow            "RNLS1\n", then what Sealer makes of:
//   {"id":"…","version":"…","url":"…","sha256":"…","size":N}\n, then the text hub-flow.previous the
//   one before, for the day on which the first cannot be read
//
// A file is written beside, synced, and renamed into place; its digest is checked when it is read.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/sealer.h"
#include "agent/uplink/control.h"

namespace runnel {

class FlowKeeper {
 public:
  explicit FlowKeeper(std::string state_dir, std::shared_ptr<const Sealer> sealer = nullptr)
      : path_(std::move(state_dir) + "/hub-flow"), sealer_(std::move(sealer)) {}

  // On disk when it returns. Keeping what is kept already writes nothing.
  Result<> keep(const DeliveredFlow& flow);
  // The one that last worked, then the one before; those that can be read.
  std::vector<DeliveredFlow> kept() const;
  // Encrypts what lies there in plain.
  Result<> seal_kept() const;
  // Whether something lies there that only its key opens.
  bool holds_sealed() const;

 private:
  std::string to_disk(const std::string& text) const;
  Result<std::string> read(const std::string& path) const;

  std::string path_;
  std::shared_ptr<const Sealer> sealer_;
};

}  // namespace runnel
