// Classes: what each class of agents is to run. It owns the tables classes and deployments.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "hub/catalog/catalog.h"

namespace runnel::hub {

// Whether a flow is to run, as operators asked for it last; of a class, or of one agent.
struct WantedRun {
  enum class State { kUnset, kRunning, kStopped };  // kUnset: nobody asked
  State state = State::kUnset;
  std::int64_t asked_ms = 0;
  std::string author = {};
};
std::string_view name_of(WantedRun::State state);  // "unset", "running", "stopped"
WantedRun::State run_state_of(std::string_view name);

// The desired state of a class. Immutable: a deployment makes a new one.
struct ClassState {
  std::string name;
  std::int64_t created_ms = 0;
  VersionPtr desired;  // nullptr: nothing is deployed
  std::string author;
  std::int64_t deployed_ms = 0;
  WantedRun run;
};
using ClassPtr = std::shared_ptr<const ClassState>;

class Classes {
 public:
  static constexpr std::size_t kMax = 10'000;

  static Result<std::unique_ptr<Classes>> open(Store& store, const Catalog& catalog,
                                               const Clock& clock);

  ClassPtr find(std::string_view name) const;  // nullptr: none
  std::vector<ClassPtr> all() const;           // by name
  // The class, made when it is not there yet; in memory at once, on disk with the next flush.
  // nullptr when there are too many.
  ClassPtr find_or_make(const std::string& name);
  // Durable when it returns.
  Result<ClassPtr> deploy(const std::string& name, const VersionPtr& version,
                          const std::string& author);
  // `also` is written in the same transaction.
  Result<> run(const std::string& name, const WantedRun& run,
               const std::function<Result<>(Database&)>& also);
  Result<> flush();

 private:
  Classes(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  static Result<> save(Database& database, const ClassState& state);

  Store& store_;
  const Clock& clock_;
  Mutex change_mutex_;
  mutable Mutex mutex_;
  std::map<std::string, ClassPtr, std::less<>> classes_ GUARDED_BY(mutex_);
  std::vector<std::string> unsaved_ GUARDED_BY(mutex_);
};

}  // namespace runnel::hub
