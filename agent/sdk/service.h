// Service: a controller service, what several components of a flow share: keys and certificates,
// a format, a cache. It is described by data as processors are (DescribeService, describe.h).
//
// What users see of it is an interface of its own, next to the service that provides it:
//
//   class RecordReaderFactory {
//    public:
//     static constexpr std::string_view kService = "RecordReaderFactory";
//     …
//   };
//   class JsonTreeReader final : public Service, public RecordReaderFactory { … };
//
// A user has a property of type ServiceRef<RecordReaderFactory>, which names a service of its flow,
// and asks for it in `start` (ServiceUser::service).

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace runnel {

enum class BulletinLevel { kDebug, kInfo, kWarning, kError };

class DurableMap;
class Service;

// The value of a property of kind kService: the name of a service that provides T. Empty: none.
template <typename T>
struct ServiceRef {
  std::string name;

  explicit operator bool() const { return !name.empty(); }
};

// Who may ask for services: the context of a processor and that of a service.
class ServiceUser {
 public:
  virtual ~ServiceUser() = default;

  // The service that this property of ours names; nullptr when it names none. It is running from
  // before our `start` until after our `stop`, and any thread may call it. kInvalid: it provides
  // something else.
  template <typename T>
  Result<T*> service(const ServiceRef<T>& ref) {
    if (!ref) return static_cast<T*>(nullptr);
    TRY_ASSIGN(found, find_service(ref.name));
    if (T* wanted = as<T>(found)) return wanted;
    return invalid("service `" + ref.name + "` provides no " + std::string(T::kService));
  }

 protected:
  // By the name in a property; kNotFound.
  virtual Result<Service*> find_service(std::string_view name) {
    return not_found("there is no service `" + std::string(name) + "`");
  }

 private:
  template <typename T>
  static T* as(Service* service);
};

// What a running service may ask of the runtime.
class ServiceContext : public ServiceUser {
 public:
  // Its name in the flow, its path of groups (`group/name`), and its id, stable over edits.
  virtual const std::string& name() const = 0;
  virtual const std::string& path() const = 0;
  virtual const std::string& id() const = 0;
  virtual const std::string& agent_id() const = 0;
  // Tells the operator. Bounded and rate-limited by the runtime. Any thread.
  virtual void bulletin(BulletinLevel level, std::string_view text) = 0;
  // Small values that are on disk when the call returns, kept over restarts. Any thread.
  virtual DurableMap& durable() = 0;
  // What sessions have committed of its state (Session::set_shared_state). Any thread.
  virtual void each_state(
      const std::function<void(std::string_view key, std::string_view value)>& visit) = 0;
  virtual Clock& clock() = 0;
};

// One object serves all users, on their threads, at the same time: what changes after `start` needs
// a lock of its own.
class Service {
 public:
  virtual ~Service() = default;

  // Before the first user starts. `context` lives until after `stop`. Must not block for long. On
  // an error the runtime calls `stop`, and no user starts: kUnavailable is tried again with
  // back-off, any other error ends the start of the flow with its text.
  virtual Result<> start(ServiceContext& context) {
    static_cast<void>(context);
    return {};
  }

  // After the last user has stopped. It may be started again. Harmless without `start`.
  virtual void stop() {}
};

template <typename T>
T* ServiceUser::as(Service* service) {
  return dynamic_cast<T*>(service);
}

}  // namespace runnel
