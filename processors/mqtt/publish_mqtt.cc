// PublishMQTT: publishes each FlowFile as one MQTT message.
//
// Several are in flight at once, in order; a FlowFile leaves its queue when the broker has
// acknowledged its message (QoS 1: PUBACK, QoS 2: PUBCOMP, QoS 0: sent). When the line breaks,
// those without an acknowledgement are given back and published again on the next line, so that at
// QoS 1 and 2 a message may come twice after a broken line, but never not at all.
//
// Threads: `on_published` runs on Paho's, `on_down` on the client's.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/mqtt/line_properties.h"
#include "processors/mqtt/mqtt_connection.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct PublishMqttConfig : mqtt::LineConfig {
  ServiceRef<mqtt::MqttConnection> connection;
  Text topic;
  bool retain = false;
  std::optional<std::chrono::seconds> message_expiry;
  std::optional<Text> content_type;
  std::optional<Text> response_topic;
  std::optional<Text> correlation_data;
  std::optional<std::string> user_properties;
  std::uint16_t inflight_count_max = 100;
};

class PublishMqtt final : public Processor {
 public:
  using Config = PublishMqttConfig;
  static Result<std::unique_ptr<PublishMqtt>> make(Config config);
  PublishMqtt(Config config, std::optional<Regex> user_properties)
      : config_(std::move(config)), user_properties_(std::move(user_properties)) {}
  ~PublishMqtt() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  struct Inflight {
    Handed flowfile;
    std::size_t bytes;
  };

  Result<> open_line(Context& context);
  mqtt::ClientHooks hooks();
  void on_up(const mqtt::Connack& connack);
  bool is_up() const { return shared_ != nullptr ? shared_->is_up() : client_->is_up(); }
  Result<> publish(const mqtt::Publication& publication, std::uint64_t cookie) {
    return shared_ != nullptr ? shared_->publish(shared_user_, publication, cookie)
                              : client_->publish(publication, cookie);
  }
  bool has_room();
  // kInvalid: it can never be published.
  Result<mqtt::Publication> publication_of(Session& session, FlowFile& flowfile) const;
  Result<> check_size(const mqtt::Publication& publication);
  void on_published(std::uint64_t cookie, mqtt::Outcome outcome, std::string_view reason);
  void on_down();
  Inflight take(std::uint64_t cookie);

  const Config config_;
  const std::optional<Regex> user_properties_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship failure_;
  std::string broker_;
  mqtt::Version version_ = mqtt::Version::k3Auto;
  std::unique_ptr<mqtt::Client> client_;  // its own line; nullptr where it shares one:
  mqtt::MqttConnection* shared_ = nullptr;
  std::uint64_t shared_user_ = 0;

  Mutex mutex_;
  std::uint64_t last_cookie_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Inflight> inflight_ GUARDED_BY(mutex_);  // by cookie: in order
  std::size_t inflight_bytes_ GUARDED_BY(mutex_) = 0;
  std::size_t broker_packet_max_ GUARDED_BY(mutex_) = 0;  // MQTT 5: what it said; 0: nothing
  bool was_full_ GUARDED_BY(mutex_) = false;
};

constexpr std::size_t kInflightBytesMax = 16 << 20;  // one message may be larger, alone
constexpr std::size_t kTopicMax = 65'535;

}  // namespace

ProcessorType publish_mqtt() {
  auto describe = Describe<PublishMqtt>("PublishMQTT",
                                        "Publishes each FlowFile as one MQTT message. A FlowFile "
                                        "leaves its queue when the broker has acknowledged it.");
  using C = PublishMqttConfig;
  mqtt::describe_line(describe, mqtt::MqttConnection::kProperty)
      .property(mqtt::MqttConnection::kProperty, &C::connection,
                {.doc = mqtt::MqttConnection::kDoc})
      .property("Topic", &C::topic,
                {.doc = "Where to publish.", .required = true, .example = "vehicle/${id}/commands"})
      .property("Retain", &C::retain,
                {.doc = "Whether the broker keeps the message for later subscribers."})
      .property("Message Expiry Interval", &C::message_expiry,
                {.doc = "MQTT 5: how long the broker may keep it undelivered.",
                 .min = 1s,
                 .max = std::chrono::seconds(0xFFFFFFFF)})
      .property("Content Type", &C::content_type, {.doc = "MQTT 5: the message's content type."})
      .property("Response Topic", &C::response_topic,
                {.doc = "MQTT 5: where an answer is expected."})
      .property(
          "Correlation Data", &C::correlation_data,
          {.doc = "MQTT 5: what an answer must repeat, in hexadecimal, as ConsumeMQTT writes it.",
           .example = "${mqtt.correlation.data}"})
      .property("Attributes to Send as User Properties", &C::user_properties,
                {.doc = "MQTT 5: attributes whose whole name matches this regular expression."})
      .property("Max Inflight Messages", &C::inflight_count_max,
                {.doc = "Messages sent and not yet acknowledged, at most.", .min = 1})
      .relationship("success", "What the broker has acknowledged.")
      .relationship("failure", "What the broker refuses, and what cannot be published at all.")
      .writes("mqtt.error", "Why it went to `failure`.")
      .example(R"(to-vehicle:
  type: PublishMQTT
  properties: {Broker URI: "tcp://127.0.0.1:1883", Topic: "vehicle/${id}/commands", Quality of Service: 1}
)");
  return describe;
}

namespace {

Result<std::unique_ptr<PublishMqtt>> PublishMqtt::make(Config config) {
  if (!config.connection) TRY(config.check());
  std::optional<Regex> pattern;
  if (config.user_properties) {
    TRY_ASSIGN(compiled, Regex::compile(*config.user_properties)
                             .within("property `Attributes to Send as User Properties`"));
    pattern = std::move(compiled);
  }
  return std::make_unique<PublishMqtt>(std::move(config), std::move(pattern));
}

Result<> PublishMqtt::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  failure_ = context.relationship("failure");
  TRY(open_line(context));
  context.wake();  // it may have come up before the line was known here
  return {};
}

Result<> PublishMqtt::open_line(Context& context) {
  TRY_ASSIGN(shared, context.service(config_.connection));
  if (shared != nullptr) {
    broker_ = shared->broker();
    version_ = shared->version();
    shared_user_ = shared->attach(
        {.on_up = [this](const mqtt::Connack& connack) { on_up(connack); },
         .on_down = [this] { on_down(); },
         .on_published = [this](
                             std::uint64_t cookie, mqtt::Outcome outcome,
                             std::string_view reason) { on_published(cookie, outcome, reason); }});
    shared_ = shared;
    return {};
  }
  TRY_ASSIGN(options, config_.client_options(context));
  broker_ = options.broker.text();
  version_ = options.version;
  options.inflight_max = config_.inflight_count_max;
  TRY_ASSIGN(client, mqtt::Client::open(std::move(options), hooks()));
  client_ = std::move(client);
  return {};
}

void PublishMqtt::on_up(const mqtt::Connack& connack) {
  {
    const Lock lock(mutex_);
    broker_packet_max_ = connack.packet_bytes_max;
  }
  context_->wake();
}

mqtt::ClientHooks PublishMqtt::hooks() {
  mqtt::ClientHooks hooks;
  hooks.on_up = [this](const mqtt::Connack& connack) { on_up(connack); };
  hooks.on_down = [this] { on_down(); };
  hooks.on_published = [this](std::uint64_t cookie, mqtt::Outcome outcome,
                              std::string_view reason) { on_published(cookie, outcome, reason); };
  hooks.on_oversize = [](const mqtt::Oversize&) {};
  hooks.tell = [this](BulletinLevel level, std::string_view text) {
    context_->bulletin(level, text);
  };
  return hooks;
}

void PublishMqtt::stop() {
  if (client_) client_->stop();
  client_.reset();
  if (shared_ != nullptr) shared_->detach(shared_user_);
  shared_ = nullptr;
  on_down();
}

bool PublishMqtt::has_room() {
  const Lock lock(mutex_);
  was_full_ =
      inflight_.size() >= config_.inflight_count_max || inflight_bytes_ >= kInflightBytesMax;
  return !was_full_;
}

Result<> PublishMqtt::on_trigger(Session& session) {
  if (!is_up() || !has_room()) return {};  // whoever changes that wakes us
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  Result<mqtt::Publication> publication = publication_of(session, flowfile);
  if (publication.ok()) {
    const Result<> fits = check_size(*publication);
    if (!fits.ok()) publication = fits.error();
  }
  if (!publication.ok()) {
    if (publication.code() != Code::kInvalid) return publication.error();
    context_->bulletin(BulletinLevel::kError, publication.error().text());
    flowfile.set("mqtt.error", publication.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  session.event(flowfile, ProvenanceKind::kSend, broker_ + "/" + publication->topic);
  const std::size_t bytes = publication->payload.size() + publication->topic.size();
  std::uint64_t cookie = 0;
  {
    const Lock lock(mutex_);
    cookie = ++last_cookie_;
    inflight_bytes_ += bytes;
    inflight_.emplace(cookie, Inflight{session.hand_over(flowfile), bytes});
  }
  const Result<> sent = publish(*publication, cookie);
  if (sent.ok()) return {};
  // Nobody will report it. It may have been given back already, by `on_down`.
  Inflight unsent = take(cookie);
  if (!unsent.flowfile) return {};
  if (sent.code() == Code::kUnavailable) {
    std::move(unsent.flowfile).give_back();
    return {};
  }
  context_->bulletin(BulletinLevel::kError, sent.error().text());
  std::move(unsent.flowfile).transfer(failure_, {{"mqtt.error", sent.error().text()}});
  return {};
}

Result<mqtt::Publication> PublishMqtt::publication_of(Session& session, FlowFile& flowfile) const {
  mqtt::Publication out;
  TRY_ASSIGN(topic, config_.topic.of(flowfile).within("property `Topic`"));
  if (topic.empty()) return invalid("property `Topic`: the topic is empty");
  if (topic.size() > kTopicMax) return invalid("property `Topic`: the topic is too long");
  if (topic.find_first_of(std::string_view("+#\0", 3)) != std::string::npos || !is_utf8(topic)) {
    return invalid("property `Topic`: `" + to_utf8(topic) + "` cannot be published to");
  }
  out.topic = std::move(topic);
  if (flowfile.size() > config_.message_bytes_max.bytes) {
    return invalid("a FlowFile of " + size_text(flowfile.size()) +
                   " is above `Maximum Message Size`, " +
                   size_text(config_.message_bytes_max.bytes));
  }
  out.qos = mqtt::number_of(config_.qos);
  out.is_retained = config_.retain;
  if (version_ == mqtt::Version::k500) {
    if (config_.message_expiry) {
      out.expiry_s = static_cast<std::uint32_t>(config_.message_expiry->count());
    }
    const auto text = [&flowfile](const std::optional<Text>& property,
                                  const char* name) -> Result<std::string> {
      if (!property) return std::string{};
      return property->of(flowfile).within(std::string("property `") + name + "`");
    };
    TRY_ASSIGN(content_type, text(config_.content_type, "Content Type"));
    TRY_ASSIGN(response_topic, text(config_.response_topic, "Response Topic"));
    TRY_ASSIGN(correlation, text(config_.correlation_data, "Correlation Data"));
    TRY_ASSIGN(correlation_data, from_hex(correlation).within("property `Correlation Data`"));
    out.content_type = to_utf8(content_type);
    out.response_topic = to_utf8(response_topic);
    out.correlation_data = std::move(correlation_data);
    if (user_properties_) {
      flowfile.each_attribute([this, &out](std::string_view name, std::string_view value) {
        if (!user_properties_->matches(name)) return;
        out.user_properties.emplace_back(to_utf8(name), to_utf8(value));
      });
    }
  }
  TRY_ASSIGN(content, session.content(flowfile, config_.message_bytes_max.bytes));
  out.payload = content;
  return out;
}

// A broker that announces its bound would close the line on us, again and again.
Result<> PublishMqtt::check_size(const mqtt::Publication& publication) {
  std::size_t size = 5 + 2 + publication.topic.size() + 2 + publication.payload.size();
  for (const auto& [name, value] : publication.user_properties) {
    size += 5 + name.size() + value.size();
  }
  size += publication.content_type.size() + publication.response_topic.size() +
          publication.correlation_data.size() + 20;
  const Lock lock(mutex_);
  if (broker_packet_max_ == 0 || size <= broker_packet_max_) return {};
  return invalid("a message of " + size_text(publication.payload.size()) + " on topic `" +
                 publication.topic + "` is more than " + broker_ +
                 " takes: " + size_text(broker_packet_max_));
}

PublishMqtt::Inflight PublishMqtt::take(std::uint64_t cookie) {
  const Lock lock(mutex_);
  const auto found = inflight_.find(cookie);
  if (found == inflight_.end()) return {};
  Inflight taken = std::move(found->second);
  inflight_.erase(found);
  inflight_bytes_ -= taken.bytes;
  return taken;
}

void PublishMqtt::on_published(std::uint64_t cookie, mqtt::Outcome outcome,
                               std::string_view reason) {
  Inflight done = take(cookie);
  if (!done.flowfile) return;
  if (outcome == mqtt::Outcome::kAccepted) {
    std::move(done.flowfile).transfer(success_);
  } else {
    const std::string text = broker_ + " refuses a message: " + std::string(reason);
    context_->bulletin(BulletinLevel::kError, text);
    std::move(done.flowfile).transfer(failure_, {{"mqtt.error", text}});
  }
  bool was_full = false;
  {
    const Lock lock(mutex_);
    was_full = std::exchange(was_full_, false);
  }
  if (was_full) context_->wake();
}

// What is not acknowledged goes back to its place in the queue.
void PublishMqtt::on_down() {
  std::map<std::uint64_t, Inflight> lost;
  {
    const Lock lock(mutex_);
    lost.swap(inflight_);
    inflight_bytes_ = 0;
  }
  for (auto& [cookie, one] : lost) std::move(one.flowfile).give_back();
}

}  // namespace
}  // namespace runnel
