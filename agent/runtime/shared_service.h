// SharedService: one controller service of the running flow, counted by who uses it.
//
// It starts before the first of its users does, and stops after the last one has; the services that
// it names itself are its own to use. Its users hold it by shared_ptr; what the flow has no longer
// goes with its last user.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/flow/model.h"
#include "agent/runtime/bulletins.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/status.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"

namespace runnel {

class SharedService;

// What one component uses: the name in its property, and whom it means.
struct ServiceUse {
  std::string name;
  std::shared_ptr<SharedService> service;
};
using ServiceUses = std::vector<ServiceUse>;
// Whether both mean the same objects by the same names.
bool are_alike(const ServiceUses& a, const ServiceUses& b);

// A component's hold on what it uses. One thread at a time.
class HeldServices {
 public:
  explicit HeldServices(const ServiceUses& uses) : uses_(uses) {}
  ~HeldServices() { release(); }
  HeldServices(const HeldServices&) = delete;
  HeldServices& operator=(const HeldServices&) = delete;

  // All, or none and the first reason.
  Result<> acquire(std::string_view user);
  void release();
  Result<Service*> find(std::string_view name) const;

 private:
  const ServiceUses& uses_;
  std::string user_;
  std::size_t held_ = 0;  // the first so many
};

class SharedService final : public ServiceContext {
 public:
  // kInvalid: the service refuses its properties; the text names it.
  static Result<std::shared_ptr<SharedService>> make(Ledger& ledger, BulletinBoard& bulletins,
                                                     const ServiceNode& model,
                                                     const ServiceType& type, ServiceUses uses);
  ~SharedService() override;

  const ServiceNode& model() const { return model_; }
  // Whether this one can go on where the flow now says `model`.
  bool is_alike(const ServiceNode& model, const ServiceUses& uses) const;

  // One more user, for whom it is started if it has to be. kInvalid: disabled, or its `start`
  // refuses; kUnavailable: it cannot start yet.
  Result<Service*> acquire(std::string_view user) EXCLUDES(mutex_);
  // True, and one more user, if it has users already.
  bool acquire_running(std::string_view user) EXCLUDES(mutex_);
  void release(std::string_view user) EXCLUDES(mutex_);
  // Of who has acquired it.
  Service* acquired() const { return service_.get(); }

  // The operator's hand. kInvalid: somebody uses it; the text says who.
  Result<> enable() EXCLUDES(mutex_);
  Result<> disable() EXCLUDES(mutex_);
  // Before anybody uses it: as an operator has left the one in whose place it comes.
  void set_disabled(bool is_disabled) EXCLUDES(mutex_);

  void fill(ServiceStatus& status) const EXCLUDES(mutex_);

  // ---- ServiceContext
  const std::string& name() const override { return model_.name; }
  const std::string& path() const override { return model_.path; }
  const std::string& id() const override { return model_.id; }
  const std::string& agent_id() const override { return ledger_.instance_id(); }
  void bulletin(BulletinLevel level, std::string_view text) override;
  DurableMap& durable() override { return *durable_; }
  void each_state(const std::function<void(std::string_view, std::string_view)>& visit) override;
  Clock& clock() override { return ledger_.clock(); }

 private:
  SharedService(Ledger& ledger, BulletinBoard& bulletins, const ServiceNode& model,
                ServiceUses uses);
  Result<Service*> find_service(std::string_view name) override { return held_.find(name); }
  Result<> start() REQUIRES(mutex_);

  Ledger& ledger_;
  BulletinBoard& bulletins_;
  const ServiceNode model_;
  const ServiceUses uses_;
  const BulletinBoard::Source source_;
  const std::unique_ptr<DurableMap> durable_;
  HeldServices held_;    // touched while it starts and stops
  mutable Mutex mutex_;  // held while it starts and stops; those of the services it uses are inside
  std::vector<std::string> users_ GUARDED_BY(mutex_);  // paths; one for each hold
  bool is_disabled_ GUARDED_BY(mutex_);
  bool is_failed_ GUARDED_BY(mutex_) = false;
  std::string last_error_ GUARDED_BY(mutex_);
  std::int64_t last_error_ms_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Service> service_;  // goes first
};

}  // namespace runnel
