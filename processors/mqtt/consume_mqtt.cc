// ConsumeMQTT: makes a FlowFile of each message of one or more MQTT topics.
//
// A message of QoS 1 or 2 is acknowledged when its FlowFile is safe: fsynced here, or already
// acknowledged by where it was going. While the queues are full nothing is acknowledged and nothing
// more is read: the broker keeps the rest, for QoS 0 as long as TCP holds it back. The session is
// persistent unless the flow says otherwise, so that the broker keeps what comes while this agent
// is away.
//
// Threads: `on_message` runs on the client's, `on_safe` on the ledger's.

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/mqtt/line_properties.h"
#include "processors/mqtt/receipts.h"
#include "processors/mqtt/window_guess.h"
#include "processors/registry.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct ConsumeMqttConfig : mqtt::LineConfig {
  std::string topic;
  bool clean_session = false;
  bool clean_start = false;
  std::chrono::seconds session_expiry = 24h * 7;
  std::uint32_t queue_count_max = 1'000;
  std::optional<std::string> content_type_attribute;
  std::uint16_t topic_alias_maximum = 0;
  std::uint16_t receive_maximum = 65'535;
  std::string user_property_prefix = "mqtt.user.";
};

class ConsumeMqtt final : public Processor {
 public:
  using Config = ConsumeMqttConfig;
  static Result<std::unique_ptr<ConsumeMqtt>> make(Config config);
  ConsumeMqtt(Config config, std::vector<std::string> topics)
      : config_(std::move(config)),
        topics_(std::move(topics)),
        guess_(config_.version == mqtt::Version::k500 ? config_.receive_maximum : 0U) {}
  ~ConsumeMqtt() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  mqtt::ClientHooks hooks();
  std::uint64_t on_message(const mqtt::Message& message);
  void on_oversize(const mqtt::Oversize& oversize);
  void on_safe(Ticket ticket);
  void begin();
  // Opens the line once what QoS 2 has kept is known; the receipts are read in a session.
  Result<bool> open_line(Session& session);
  Result<> connect();
  void forget_released(Session& session);
  Arrival arrival_of(const mqtt::Message& message) const;
  // Delivers what the intake did not take before; false: some is left.
  bool pour() REQUIRES(mutex_);

  const Config config_;
  const std::vector<std::string> topics_;
  Context* context_ = nullptr;
  Relationship success_;
  std::string broker_;  // as attribute
  std::unique_ptr<Intake> intake_;
  std::optional<mqtt::ClientOptions> options_;  // until it connects
  std::shared_ptr<mqtt::Receipts> receipts_;    // QoS 2
  bool is_loading_ = false;                     // on_trigger's: the receipts have been read
  std::atomic<bool> is_loaded_{false};          // and what was read is on disk
  std::unique_ptr<mqtt::Client> client_;
  std::atomic<bool> must_urge_{false};  // the broker waits for acknowledgements
  std::atomic<bool> has_overflow_{false};
  bool has_taken_ = false;  // on_trigger's: something that may not be committed yet

  Mutex mutex_;
  Ticket last_ticket_ GUARDED_BY(mutex_) = 0;
  Ticket safe_ticket_ GUARDED_BY(mutex_) = 0;
  // Arrived when the intake was full. Bounded: the gate is paused while there are any, so that only
  // what was under way comes (its buffers, and the broker's window).
  std::deque<Arrival> overflow_ GUARDED_BY(mutex_);
  std::deque<Ticket> unacknowledged_ GUARDED_BY(mutex_);  // of this connection, QoS 1 and 2
  mqtt::WindowGuess guess_ GUARDED_BY(mutex_);
};

constexpr std::size_t kIntakeBytes = 16 << 20;
constexpr std::string_view kTopicsKey = "mqtt.topics";

}  // namespace

ProcessorType consume_mqtt() {
  auto describe = Describe<ConsumeMqtt>(
      "ConsumeMQTT",
      "Makes a FlowFile of each message of one or more MQTT topics. Messages of QoS 1 and 2 are "
      "acknowledged when "
      "their FlowFiles are safe, so that none is lost when this agent loses power.");
  using C = ConsumeMqttConfig;
  mqtt::describe_line(describe)
      .property(
          "Topic", &C::topic,
          {.doc =
               "What to subscribe to, with the wildcards `+` and `#`, several separated by commas. "
               "`$share/group/topic` shares the messages with the other members of the group.",
           .required = true,
           .example = "vehicle/+/telemetry"})
      .property("Clean Session", &C::clean_session,
                {.doc = "MQTT 3: forget the session of before, and this one at its end. Messages "
                        "that come while "
                        "this agent is away are then lost."})
      .property("Clean Start", &C::clean_start, {.doc = "MQTT 5: forget the session of before."})
      .property("Session Expiry Interval", &C::session_expiry,
                {.doc = "MQTT 5: how long the broker keeps the session while this agent is away.",
                 .min = 0s,
                 .max = std::chrono::seconds(0xFFFFFFFF)})
      .property("Queue Max Message", &C::queue_count_max,
                {.doc = "Messages received and not yet safe, at most. Beyond it none is "
                        "acknowledged and the broker "
                        "keeps the rest.",
                 .min = 1,
                 .max = 1'000'000})
      .property("Attribute From Content Type", &C::content_type_attribute,
                {.doc = "MQTT 5: the attribute into which a message's content type goes."})
      .property("Topic Alias Maximum", &C::topic_alias_maximum,
                {.doc = "MQTT 5: how many topic aliases the broker may use."})
      .property("Receive Maximum", &C::receive_maximum,
                {.doc = "MQTT 5: how many messages of QoS 1 and 2 the broker may send before it "
                        "has to wait for "
                        "acknowledgements.",
                 .min = 1})
      .property(
          "User Property Prefix", &C::user_property_prefix,
          {.doc = "MQTT 5: what stands before a user property's name to make it an attribute."})
      .relationship("success", "Every message.")
      .writes("mqtt.broker", "The broker's URI.")
      .writes("mqtt.topic", "The message's topic.")
      .writes("mqtt.topic.segment.n", "The n-th part of the topic, counted from 0.")
      .writes("mqtt.qos", "The quality of service with which it came.")
      .writes("mqtt.isDuplicate", "Whether the broker says that it may have come before.")
      .writes("mqtt.isRetained", "Whether the broker had kept it for new subscribers.")
      .writes("mqtt.response.topic", "MQTT 5: where an answer is expected.")
      .writes("mqtt.correlation.data", "MQTT 5: what an answer must repeat, in hexadecimal.")
      .input(InputRule::kForbidden)
      .example(R"(bus:
  type: ConsumeMQTT
  properties: {Broker URI: "tcp://127.0.0.1:1883", Topic: "vehicle/+/telemetry", Quality of Service: 1}
)");
  return describe;
}

namespace {

Result<std::unique_ptr<ConsumeMqtt>> ConsumeMqtt::make(Config config) {
  TRY(config.check());
  std::vector<std::string> topics;
  for (const std::string_view part : split(config.topic, ',')) {
    const std::string_view topic = trimmed(part);
    if (topic.empty()) continue;
    const std::size_t hash = topic.find('#');
    const bool is_hash_good = hash == std::string_view::npos ||
                              (hash + 1 == topic.size() && (hash == 0 || topic[hash - 1] == '/'));
    if (!is_hash_good) {
      return invalid("property `Topic`: `" + std::string(topic) +
                     "`: `#` stands alone behind the last `/`");
    }
    topics.emplace_back(topic);
  }
  if (topics.empty()) return invalid("property `Topic` names no topic");
  return std::make_unique<ConsumeMqtt>(std::move(config), std::move(topics));
}

Result<> ConsumeMqtt::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  TRY_ASSIGN(options, config_.client_options(context));
  broker_ = options.broker.text();
  const bool is_v5 = config_.version == mqtt::Version::k500;
  options.is_clean = is_v5 ? config_.clean_start : config_.clean_session;
  options.session_expiry = config_.session_expiry;
  options.receive_maximum = config_.receive_maximum;
  options.topic_alias_maximum = config_.topic_alias_maximum;
  options.topics = topics_;
  {
    const Lock lock(mutex_);
    last_ticket_ = 0;
    safe_ticket_ = 0;
  }
  intake_ = context.open_intake({.count_max = config_.queue_count_max,
                                 .bytes_max = kIntakeBytes,
                                 .wakes = false,
                                 .on_safe = [this](Ticket ticket) { on_safe(ticket); }});
  options_ = std::move(options);
  if (config_.qos != mqtt::Qos::k2) return connect();
  receipts_ = std::make_shared<mqtt::Receipts>(context.durable(),
                                               options_->broker.text() + " " + options_->client_id);
  options_->receipts = receipts_.get();
  is_loading_ = is_loaded_ = false;
  context.wake();
  return {};
}

Result<> ConsumeMqtt::connect() {
  TRY_ASSIGN(client, mqtt::Client::open(*options_, hooks()));
  options_.reset();
  // Its threads are running: what came meanwhile could not tell it.
  const Lock lock(mutex_);
  client_ = std::move(client);
  client_->release_through(safe_ticket_);
  if (!overflow_.empty()) client_->pause(true);
  return {};
}

mqtt::ClientHooks ConsumeMqtt::hooks() {
  mqtt::ClientHooks hooks;
  hooks.on_message = [this](const mqtt::Message& message) { return on_message(message); };
  // Messages are taken by the many.
  hooks.on_delivered = [this] { context_->wake(); };
  hooks.on_released = [this] { context_->wake(); };
  hooks.on_down = [this] { context_->wake(); };
  hooks.on_oversize = [this](const mqtt::Oversize& oversize) { on_oversize(oversize); };
  hooks.on_begin = [this] { begin(); };
  hooks.tell = [this](BulletinLevel level, std::string_view text) {
    context_->bulletin(level, text);
  };
  hooks.known_topics = [this]() -> std::string {
    return context_->durable().find(kTopicsKey).value_or(std::nullopt).value_or("");
  };
  hooks.remember_topics = [this](const std::string& topics) {
    const Result<> stored = context_->durable().put(kTopicsKey, topics);
    if (!stored.ok()) {
      context_->bulletin(BulletinLevel::kWarning,
                         "remembering the subscriptions: " + stored.error().text());
    }
  };
  return hooks;
}

void ConsumeMqtt::stop() {
  // Without the lock: the client's threads end first, and they may be waiting for it.
  mqtt::Client* client = nullptr;
  {
    const Lock lock(mutex_);
    client = client_.get();
  }
  if (client != nullptr) client->stop();
  intake_.reset();
  const Lock lock(mutex_);
  client_.reset();
  options_.reset();
  receipts_.reset();
  overflow_.clear();
  has_overflow_ = false;
  unacknowledged_.clear();
}

Result<bool> ConsumeMqtt::open_line(Session& session) {
  if (!options_) return true;
  if (!std::exchange(is_loading_, true)) {
    const Result<> loaded = receipts_->load(session, [this] {
      is_loaded_ = true;
      context_->wake();
    });
    if (!loaded.ok()) {
      is_loading_ = false;
      return loaded.error().within("reading what QoS 2 has kept");
    }
  }
  if (!is_loaded_) return false;
  TRY(connect());
  return true;
}

void ConsumeMqtt::forget_released(Session& session) {
  const auto completed = [this](const std::vector<std::uint16_t>& ids) {
    const Lock lock(mutex_);
    if (client_ && !ids.empty()) client_->complete(ids);
  };
  if (receipts_->forget(session, completed)) must_urge_ = has_taken_ = true;
}

Result<> ConsumeMqtt::on_trigger(Session& session) {
  TRY_ASSIGN(is_open, open_line(session));
  if (!is_open) return {};
  if (receipts_) forget_released(session);
  const FlowFile flowfile = intake_->next(session);
  if (flowfile) session.transfer(flowfile, success_);
  has_taken_ = has_taken_ || flowfile;
  if (has_overflow_) {
    const Lock lock(mutex_);
    const std::size_t before = overflow_.size();
    if (pour() && client_) client_->pause(false);
    if (overflow_.size() < before) context_->wake();
  }
  if (flowfile || !must_urge_) return {};
  // What this session took can only be urged when it is committed: in the next one.
  if (std::exchange(has_taken_, false)) {
    context_->wake();
  } else {
    must_urge_ = false;
    context_->urge();
  }
  return {};
}

bool ConsumeMqtt::pour() {
  while (!overflow_.empty()) {
    const Result<Ticket> ticket = intake_->deliver(std::move(overflow_.front()));
    if (!ticket.ok()) return false;
    last_ticket_ = *ticket;
    overflow_.pop_front();
  }
  has_overflow_ = false;
  return true;
}

void ConsumeMqtt::begin() {
  const Lock lock(mutex_);
  unacknowledged_.clear();
  guess_.begin();
}

// The ticket of its arrival.
std::uint64_t ConsumeMqtt::on_message(const mqtt::Message& message) {
  Arrival arrival = arrival_of(message);
  const Lock lock(mutex_);
  // Tickets count up by one, so that it is known also of what has to wait for the intake.
  const Ticket ticket = last_ticket_ + overflow_.size() + 1;
  if (message.qos > 0) {
    if (message.qos == 2 && receipts_) arrival.state = receipts_->delivered(message.id, ticket);
    unacknowledged_.push_back(ticket);
    if (guess_.arrived(context_->clock().steady())) must_urge_ = true;
  }
  if (overflow_.empty()) {
    const Result<Ticket> given = intake_->deliver(std::move(arrival));
    if (given.ok()) {
      last_ticket_ = *given;
      return ticket;
    }
    must_urge_ = has_overflow_ = true;
    if (client_) client_->pause(true);
  }
  // NOLINTNEXTLINE(bugprone-use-after-move): an intake that refuses leaves it as it was
  overflow_.push_back(std::move(arrival));
  return ticket;
}

void ConsumeMqtt::on_oversize(const mqtt::Oversize& oversize) {
  context_->bulletin(BulletinLevel::kError, "a message on topic `" + oversize.topic + "` of " +
                                                broker_ + " has about " + size_text(oversize.size) +
                                                " and is refused; `Maximum Message Size` is " +
                                                size_text(config_.message_bytes_max.bytes));
}

void ConsumeMqtt::on_safe(Ticket ticket) {
  if (receipts_) receipts_->safe_through(ticket);
  const Lock lock(mutex_);
  safe_ticket_ = ticket;
  std::size_t count = 0;
  while (!unacknowledged_.empty() && unacknowledged_.front() <= ticket) {
    unacknowledged_.pop_front();
    ++count;
  }
  if (count != 0) guess_.released(count, context_->clock().steady());
  if (client_) client_->release_through(ticket);
  if (!overflow_.empty()) context_->wake();  // there is room in the intake now
}

Arrival ConsumeMqtt::arrival_of(const mqtt::Message& message) const {
  Arrival arrival;
  arrival.content = message.payload;
  arrival.uri = broker_ + "/" + std::string(message.topic);
  auto& attributes = arrival.attributes;
  attributes.reserve(12);
  attributes.emplace_back("mqtt.broker", broker_);
  attributes.emplace_back("mqtt.topic", message.topic);
  std::size_t n = 0;
  for (const std::string_view segment : split(message.topic, '/')) {
    attributes.emplace_back("mqtt.topic.segment." + std::to_string(n++), segment);
  }
  attributes.emplace_back("mqtt.qos", std::to_string(message.qos));
  attributes.emplace_back("mqtt.isDuplicate", message.is_duplicate ? "true" : "false");
  attributes.emplace_back("mqtt.isRetained", message.is_retained ? "true" : "false");
  if (message.content_type && config_.content_type_attribute) {
    attributes.emplace_back(*config_.content_type_attribute, *message.content_type);
  }
  if (message.response_topic) {
    attributes.emplace_back("mqtt.response.topic", *message.response_topic);
  }
  if (message.correlation_data) {
    attributes.emplace_back("mqtt.correlation.data", to_hex(*message.correlation_data));
  }
  for (const auto& [name, value] : message.user_properties) {
    attributes.emplace_back(config_.user_property_prefix + std::string(name), value);
  }
  return arrival;
}

}  // namespace
}  // namespace runnel
