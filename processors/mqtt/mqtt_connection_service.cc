// MQTTConnectionService: one connection to an MQTT broker, over which all PublishMQTT that name it
// publish.
//
// Each keeps its own window and its own order. A message's cookie says whose it is: the user's
// number in the upper bits. The hooks of a user are called under a lock, so that none is under way
// when it has detached; they take locks of the user and of the ledger, whose holders never come
// here.

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/mqtt/line_properties.h"
#include "processors/mqtt/mqtt_connection.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct MqttConnectionConfig : mqtt::LineConfig {};

constexpr int kUserShift = 40;

class MqttConnectionService final : public Service, public mqtt::MqttConnection {
 public:
  using Config = MqttConnectionConfig;
  explicit MqttConnectionService(Config config) : config_(std::move(config)) {}
  ~MqttConnectionService() override { stop(); }
  static Result<std::unique_ptr<MqttConnectionService>> make(Config config) {
    TRY(config.check());
    return std::make_unique<MqttConnectionService>(std::move(config));
  }

  Result<> start(ServiceContext& context) override EXCLUDES(mutex_);
  void stop() override EXCLUDES(mutex_);

  std::uint64_t attach(Hooks hooks) override EXCLUDES(mutex_);
  void detach(std::uint64_t user) override EXCLUDES(mutex_);
  Result<> publish(std::uint64_t user, const mqtt::Publication& publication,
                   std::uint64_t cookie) override {
    RUNNEL_ASSERT(cookie <= kCookieMax);
    return client_->publish(publication, user << kUserShift | cookie);
  }
  bool is_up() const override { return client_->is_up(); }
  mqtt::Version version() const override { return config_.version; }
  const std::string& broker() const override { return broker_; }

 private:
  mqtt::ClientHooks hooks(ServiceContext& context);
  void on_up(const mqtt::Connack& connack) EXCLUDES(mutex_);
  void on_down() EXCLUDES(mutex_);

  const Config config_;
  std::string broker_;  // constant while it runs
  Mutex mutex_;         // held while hooks of users are called
  std::map<std::uint64_t, Hooks> users_ GUARDED_BY(mutex_);
  std::uint64_t last_user_ GUARDED_BY(mutex_) = 0;
  std::optional<mqtt::Connack> up_ GUARDED_BY(mutex_);  // of the line while it is up
  std::unique_ptr<mqtt::Client> client_;
};

}  // namespace

ServiceType mqtt_connection_service() {
  auto describe = DescribeService<MqttConnectionService>(
      "MQTTConnectionService",
      "One connection to an MQTT broker, shared by all PublishMQTT that name this service. Each "
      "says itself what it publishes and how.");
  mqtt::describe_connection(describe, {}).provides<mqtt::MqttConnection>();
  return describe;
}

namespace {

Result<> MqttConnectionService::start(ServiceContext& context) {
  TRY_ASSIGN(options, config_.client_options(context));
  broker_ = options.broker.text();
  TRY_ASSIGN(client, mqtt::Client::open(std::move(options), hooks(context)));
  client_ = std::move(client);
  return {};
}

mqtt::ClientHooks MqttConnectionService::hooks(ServiceContext& context) {
  mqtt::ClientHooks hooks;
  hooks.on_oversize = [](const mqtt::Oversize&) {};
  hooks.on_up = [this](const mqtt::Connack& connack) { on_up(connack); };
  hooks.on_down = [this] { on_down(); };
  hooks.on_published = [this](std::uint64_t cookie, mqtt::Outcome outcome,
                              std::string_view reason) {
    const Lock lock(mutex_);
    const auto user = users_.find(cookie >> kUserShift);
    if (user != users_.end()) user->second.on_published(cookie & kCookieMax, outcome, reason);
  };
  hooks.tell = [&context](BulletinLevel level, std::string_view text) {
    context.bulletin(level, text);
  };
  return hooks;
}

void MqttConnectionService::stop() {
  if (client_) client_->stop();
  client_.reset();
  const Lock lock(mutex_);
  up_.reset();
}

void MqttConnectionService::on_up(const mqtt::Connack& connack) {
  const Lock lock(mutex_);
  up_ = connack;
  for (const auto& [number, user] : users_) user.on_up(connack);
}

void MqttConnectionService::on_down() {
  const Lock lock(mutex_);
  up_.reset();
  for (const auto& [number, user] : users_) user.on_down();
}

std::uint64_t MqttConnectionService::attach(Hooks hooks) {
  const Lock lock(mutex_);
  if (up_) hooks.on_up(*up_);
  users_.emplace(++last_user_, std::move(hooks));
  return last_user_;
}

void MqttConnectionService::detach(std::uint64_t user) {
  const Lock lock(mutex_);
  users_.erase(user);
}

}  // namespace
}  // namespace runnel
