// Starting and stopping services as their users come and go.

#include "agent/runtime/shared_service.h"

#include <algorithm>
#include <exception>
#include <set>

namespace runnel {

bool are_alike(const ServiceUses& a, const ServiceUses& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ServiceUse& x, const ServiceUse& y) {
                      return x.name == y.name && x.service == y.service;
                    });
}

// ---- HeldServices

Result<> HeldServices::acquire(std::string_view user) {
  user_ = user;
  for (const ServiceUse& use : uses_) {
    const Result<Service*> acquired = use.service->acquire(user);
    if (!acquired.ok()) {
      release();
      return acquired.error();
    }
    ++held_;
  }
  return {};
}

// The last that was acquired goes first.
void HeldServices::release() {
  while (held_ > 0) uses_[--held_].service->release(user_);
}

Result<Service*> HeldServices::find(std::string_view name) const {
  for (std::size_t i = 0; i < held_; ++i) {
    if (uses_[i].name == name) return uses_[i].service->acquired();
  }
  return not_found("there is no service `" + std::string(name) + "`");
}

// ---- SharedService

SharedService::SharedService(Ledger& ledger, BulletinBoard& bulletins, const ServiceNode& model,
                             ServiceUses uses)
    : ledger_(ledger),
      bulletins_(bulletins),
      model_(model),
      uses_(std::move(uses)),
      source_{model.id, model.path, model.type, model.group_id},
      durable_(ledger.durable(model.id)),
      held_(uses_),
      is_disabled_(model.is_disabled) {}

SharedService::~SharedService() = default;

Result<std::shared_ptr<SharedService>> SharedService::make(Ledger& ledger, BulletinBoard& bulletins,
                                                           const ServiceNode& model,
                                                           const ServiceType& type,
                                                           ServiceUses uses) {
  TRY_ASSIGN(made, type.make(model.properties).within("service `" + model.path + "`"));
  std::shared_ptr<SharedService> shared(
      new SharedService(ledger, bulletins, model, std::move(uses)));
  shared->service_ = std::move(made);
  return shared;
}

bool SharedService::is_alike(const ServiceNode& model, const ServiceUses& uses) const {
  return model_.id == model.id && model_.type == model.type &&
         model_.properties == model.properties && model_.bulletin_level == model.bulletin_level &&
         model_.is_disabled == model.is_disabled && are_alike(uses_, uses);
}

Result<> SharedService::start() {
  TRY(held_.acquire(model_.path));
  Result<> started;
  try {
    started = service_->start(*this);
  } catch (const std::exception& thrown) {
    started = invalid(std::string("the service threw: ") + thrown.what());
  }
  if (started.ok()) return {};
  service_->stop();
  held_.release();
  return started;
}

Result<Service*> SharedService::acquire(std::string_view user) {
  Lock lock(mutex_);
  if (is_disabled_) return invalid("service `" + model_.path + "` is disabled");
  if (users_.empty()) {
    Result<> started = start();
    is_failed_ = !started.ok();
    if (is_failed_) {
      last_error_ = bulletins_.masked(started.error().text()).substr(0, BulletinBoard::kTextMax);
      last_error_ms_ = ledger_.clock().wall_ms();
      return std::move(started).within("service `" + model_.path + "`").error();
    }
    last_error_.clear();
  }
  users_.emplace_back(user);
  return service_.get();
}

bool SharedService::acquire_running(std::string_view user) {
  Lock lock(mutex_);
  if (users_.empty()) return false;
  users_.emplace_back(user);
  return true;
}

void SharedService::release(std::string_view user) {
  Lock lock(mutex_);
  const auto found = std::find(users_.begin(), users_.end(), user);
  RUNNEL_ASSERT(found != users_.end());
  users_.erase(found);
  if (!users_.empty()) return;
  service_->stop();
  held_.release();
}

Result<> SharedService::enable() {
  Lock lock(mutex_);
  is_disabled_ = false;
  is_failed_ = false;
  return {};
}

Result<> SharedService::disable() {
  Lock lock(mutex_);
  const std::set<std::string> who(users_.begin(), users_.end());
  if (!who.empty()) {
    std::string names;
    for (const std::string& one : who) names += (names.empty() ? "`" : ", `") + one + "`";
    return invalid("service `" + model_.path + "` is used by " + names + "; stop them first");
  }
  is_disabled_ = true;
  is_failed_ = false;
  return {};
}

void SharedService::set_disabled(bool is_disabled) {
  Lock lock(mutex_);
  is_disabled_ = is_disabled;
}

void SharedService::bulletin(BulletinLevel level, std::string_view text) {
  if (!is_told(level, model_.bulletin_level)) return;
  bulletins_.post(source_, level, text);
}

void SharedService::each_state(
    const std::function<void(std::string_view, std::string_view)>& visit) {
  std::vector<std::pair<std::string, std::string>> all;
  {
    Lock lock(ledger_.mutex());
    ledger_.each_state(model_.id, [&all](std::string_view name, std::string_view value) {
      all.emplace_back(name, value);
    });
  }
  for (const auto& [name, value] : all) visit(name, value);
}

void SharedService::fill(ServiceStatus& status) const {
  status.id = model_.id;
  status.name = model_.name;
  status.path = model_.path;
  status.group_id = model_.group_id;
  status.type = model_.type;
  Lock lock(mutex_);
  const std::set<std::string> who(users_.begin(), users_.end());
  status.users.assign(who.begin(), who.end());
  status.last_error = last_error_;
  status.last_error_ms = last_error_ms_;
  if (!users_.empty()) {
    status.state = ServiceState::kRunning;
  } else if (is_disabled_) {
    status.state = ServiceState::kDisabled;
  } else {
    status.state = is_failed_ ? ServiceState::kFailed : ServiceState::kEnabled;
  }
}

}  // namespace runnel
