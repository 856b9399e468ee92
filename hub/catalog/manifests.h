// Manifests: what agents can run, as they said. Kept once for each hash. It owns the table
// manifests.

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/spec/component.h"
#include "hub/store/store.h"

namespace runnel::hub {

struct AgentManifest {
  std::string hash;          // the agent's own token
  std::string bundles_hash;  // equal for agents that can run the same
  std::string agent_type;    // runnel, minifi-cpp, minifi-java, …
  std::string agent_version;
  std::set<std::string, std::less<>> operations;  // "start/flow", in small letters
  // Shared by all manifests of the same bundles.
  std::shared_ptr<const std::vector<ComponentSpec>> specs;

  bool supports(std::string_view operation, std::string_view operand) const;
  bool is_runnel() const { return agent_type == "runnel"; }
};
using ManifestPtr = std::shared_ptr<const AgentManifest>;

// One kind of agent that a flow is checked against.
struct ManifestUse {
  ManifestPtr manifest;
  std::int64_t agents = 0;  // that have it
};

class Manifests {
 public:
  static constexpr std::size_t kMax = 20'000;     // hashes
  static constexpr std::size_t kBodiesMax = 200;  // different bundles

  static Result<std::unique_ptr<Manifests>> open(Store& store, const Clock& clock);

  ManifestPtr find(std::string_view hash) const;  // nullptr: unknown
  // Reads and keeps it: in memory at once, on disk with the next flush. `hash` may be empty: then
  // it is the text's own. kInvalid for what is no manifest, kFull beyond the bounds.
  Result<ManifestPtr> add(const std::string& hash, const std::string& json);
  std::vector<ManifestPtr> all() const;
  Result<> flush();

 private:
  struct Unsaved {
    std::string hash;
    std::string bundles_hash;
    std::string json;
  };
  Manifests(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  Result<ManifestPtr> keep(const std::string& hash, const std::string& json) REQUIRES(mutex_);

  Store& store_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, ManifestPtr, std::less<>> manifests_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const std::vector<ComponentSpec>>> bodies_
      GUARDED_BY(mutex_);
  std::vector<Unsaved> unsaved_ GUARDED_BY(mutex_);
};

}  // namespace runnel::hub
