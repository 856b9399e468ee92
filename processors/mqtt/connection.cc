// Connection: the door to Paho.
//
// Facts of the packaged Paho (C 1.3.12, C++ 1.2.0): callbacks of all clients of the process run one
// after the other on one thread; MQTT 5 needs a client that was created for it. Messages do not
// come by it: ack_gate.h.

#include "processors/mqtt/connection.h"

#include <mqtt/async_client.h>

#include <algorithm>
#include <atomic>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "processors/mqtt/receipts.h"

namespace runnel::mqtt {
namespace {

using namespace std::chrono_literals;
namespace paho = ::mqtt;

constexpr auto kPahoEndTime = 3s;     // in which Paho must notice that its connection is gone
constexpr auto kDisconnectTime = 2s;  // for a clean DISCONNECT
constexpr int kFirstError = 0x80;     // of MQTT 5's reason codes

std::string_view refusal_v3(int code) {
  switch (code) {
    case 1:
      return "it does not speak this version of MQTT; set `MQTT Version`";
    case 2:
      return "it does not accept the client id; set `Client ID`";
    case 3:
      return "its service is not available";
    case 4:
      return "bad user name or password; check `Username` and `Password`";
    case 5:
      return "not authorized; check `Username`, `Password` and the broker's access rules";
    default:
      return "of no known reason";
  }
}

std::string reason_v5(int code) {
  const char* text = ::MQTTReasonCode_toString(static_cast<MQTTReasonCodes>(code));
  return (text != nullptr ? std::string(text) : "reason") + " (" + std::to_string(code) + ")";
}

class PahoConnection final : public Connection,
                             public paho::callback,
                             public paho::iaction_listener {
 public:
  PahoConnection(const ClientOptions& options, const ClientHooks& hooks, int version,
                 std::string known_topics);

  Result<> open();
  Error run() override;
  Result<> publish(const Publication& publication, std::uint64_t cookie) override;
  bool disconnect() override;
  bool wait_until_over(std::chrono::steady_clock::duration time) override;
  bool is_up() const override { return is_up_; }
  bool was_up() const override { return was_up_; }
  bool has_subscribed_all() const override { return has_subscribed_all_; }
  bool is_version_refused() const override {
    const Lock lock(mutex_);
    return connack_.code == 1 && version_ < MQTTVERSION_5;
  }
  AckGate& gate() override { return *gate_; }

 private:
  struct Subscribing final : paho::iaction_listener {
    PahoConnection* connection = nullptr;
    std::size_t index = 0;
    void on_success(const paho::token& token) override { connection->on_subscribed(index, token); }
    void on_failure(const paho::token& token) override { connection->on_refused(index, token); }
  };
  struct Publishing final : paho::iaction_listener {
    PahoConnection* connection = nullptr;
    void on_success(const paho::token& token) override { connection->on_published(token, true); }
    void on_failure(const paho::token& token) override { connection->on_published(token, false); }
  };
  struct Disconnecting final : paho::iaction_listener {
    PahoConnection* connection = nullptr;
    void on_success(const paho::token&) override { connection->over(); }
    void on_failure(const paho::token&) override { connection->over(); }
  };

  // While it lives and is true, `client_` stays.
  class Use {
   public:
    explicit Use(PahoConnection& connection) : connection_(connection) {
      const Lock lock(connection_.mutex_);
      is_granted_ = !connection_.is_closing_;
      if (is_granted_) ++connection_.users_;
    }
    ~Use() {
      if (!is_granted_) return;
      {
        const Lock lock(connection_.mutex_);
        --connection_.users_;
      }
      connection_.changed_.notify_all();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    explicit operator bool() const { return is_granted_; }

   private:
    PahoConnection& connection_;
    bool is_granted_ = false;
  };

  void connected(const std::string&) override {}
  void connection_lost(const std::string&) override { over(); }
  void message_arrived(paho::const_message_ptr) override {}  // nobody has asked for it
  void delivery_complete(paho::delivery_token_ptr) override {}
  void on_success(const paho::token& token) override;  // of connect
  void on_failure(const paho::token& token) override;

  AckGateOptions gate_options();
  paho::connect_options connect_options() const;
  void subscribe();
  void on_subscribed(std::size_t index, const paho::token& token);
  void on_refused(std::size_t index, const paho::token& token);
  void settle_subscription(bool is_granted);
  void on_published(const paho::token& token, bool is_good);
  void up();
  void over();
  Result<std::uint64_t> on_message(const Message& message);
  std::string with_reason(const Error& ended);

  const ClientOptions& options_;
  const ClientHooks& hooks_;
  const int version_;
  const std::string known_topics_;
  std::unique_ptr<AckGate> gate_;
  std::unique_ptr<paho::async_client> client_;
  std::vector<Subscribing> subscribing_;
  Publishing publishing_;
  Disconnecting disconnecting_;
  std::vector<std::string> aliases_;  // the gate's thread only
  bool has_connected_ = false;        // Paho's receive thread only
  std::size_t settled_ = 0;           // the same: subscriptions answered
  std::size_t granted_ = 0;
  std::atomic<bool> is_up_{false};
  std::atomic<bool> was_up_{false};
  std::atomic<bool> has_subscribed_all_{false};

  mutable Mutex mutex_;
  CondVar changed_;
  bool is_closing_ GUARDED_BY(mutex_) = false;
  int users_ GUARDED_BY(mutex_) = 0;
  bool is_over_ GUARDED_BY(mutex_) = false;
  Connack connack_ GUARDED_BY(mutex_);
  std::string ended_by_ GUARDED_BY(mutex_);  // what we or the broker said of the end
};

PahoConnection::PahoConnection(const ClientOptions& options, const ClientHooks& hooks, int version,
                               std::string known_topics)
    : options_(options),
      hooks_(hooks),
      version_(version),
      known_topics_(std::move(known_topics)),
      subscribing_(options.topics.size()) {
  for (std::size_t i = 0; i < subscribing_.size(); ++i) {
    subscribing_[i].connection = this;
    subscribing_[i].index = i;
  }
  publishing_.connection = this;
  disconnecting_.connection = this;
}

AckGateOptions PahoConnection::gate_options() {
  AckGateOptions gate;
  gate.broker = options_.broker;
  gate.tls = options_.tls;
  gate.credentials = options_.credentials;
  gate.connect_timeout = options_.connect_timeout;
  gate.packet_bytes_max = options_.packet_bytes_max;
  gate.is_v5 = version_ >= MQTTVERSION_5;
  if (hooks_.on_message) {
    gate.on_message = [this](const Message& message) { return on_message(message); };
  }
  gate.on_delivered = hooks_.on_delivered;
  gate.receipts = options_.receipts;
  gate.on_released = hooks_.on_released;
  gate.on_oversize = hooks_.on_oversize;
  gate.on_connack = [this](const Connack& connack) -> Result<> {
    {
      const Lock lock(mutex_);
      connack_ = connack;
    }
    if (options_.receipts == nullptr || connack.code != 0) return {};
    return options_.receipts->connected(connack.is_session_present)
        .within("beginning a session of QoS 2");
  };
  return gate;
}

paho::connect_options PahoConnection::connect_options() const {
  paho::connect_options connect;
  connect.set_mqtt_version(version_);
  connect.set_keep_alive_interval(options_.keep_alive);
  // The gate has its own limit for each of its steps; Paho's only has to be longer.
  connect.set_connect_timeout(
      std::chrono::ceil<std::chrono::seconds>(options_.connect_timeout * 3) + 1s);
  connect.set_max_inflight(options_.inflight_max);
  connect.set_user_name(gate_->nonce());
  paho::properties properties;
  if (version_ >= MQTTVERSION_5) {
    connect.set_clean_start(options_.is_clean);
    const auto expiry = std::min<std::int64_t>(options_.session_expiry.count(), 0xFFFFFFFF);
    properties.add({paho::property::SESSION_EXPIRY_INTERVAL,
                    static_cast<std::int32_t>(static_cast<std::uint32_t>(expiry))});
    if (!options_.topics.empty()) {
      properties.add({paho::property::RECEIVE_MAXIMUM, options_.receive_maximum});
      properties.add({paho::property::TOPIC_ALIAS_MAXIMUM, options_.topic_alias_maximum});
    }
    connect.set_properties(properties);
  } else {
    connect.set_clean_session(options_.is_clean);
  }
  if (options_.will) {
    const Will& will = *options_.will;
    paho::properties will_properties;
    if (version_ >= MQTTVERSION_5 && !will.content_type.empty()) {
      will_properties.add({paho::property::CONTENT_TYPE, will.content_type});
    }
    connect.set_will(paho::will_options(will.topic, will.message.data(), will.message.size(),
                                        will.qos, will.is_retained, will_properties));
  }
  return connect;
}

// Paho's library takes itself apart, threads and all, when its last client goes, and that takes 100
// ms; this one stays. It also writes a line of each packet into a log that nobody reads, unless it
// is told to keep errors only.
void keep_paho_alive() {
  // Volatile, as nobody reads it: left out, the client would be taken for lost.
  static const paho::async_client* const volatile anchor = [] {
    auto* const client = new paho::async_client("tcp://127.0.0.1:1", "runnel-anchor");
    ::MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    return client;
  }();
  static_cast<void>(anchor);
}

Result<> PahoConnection::open() {
  TRY_ASSIGN(gate, AckGate::open(gate_options()));
  gate_ = std::move(gate);
  const std::string uri = "tcp://127.0.0.1:" + std::to_string(gate_->port());
  // Above our own bound of publications in flight, so that Paho never says that it is full.
  const paho::create_options create(version_, options_.inflight_max + 1000);
  try {
    keep_paho_alive();
    if (options_.receipts != nullptr) options_.receipts->begin();
    client_ = std::make_unique<paho::async_client>(uri, options_.client_id, create, nullptr);
    client_->set_callback(*this);
    client_->set_disconnected_handler([this](const paho::properties&, paho::ReasonCode code) {
      {
        const Lock lock(mutex_);
        ended_by_ = "the broker ends the connection: " + reason_v5(code);
      }
      over();  // Paho does not always call `connection_lost` after this
      gate_->stop();
    });
    client_->connect(connect_options(), nullptr, *this);
  } catch (const std::exception& error) {
    return unavailable(std::string("Paho: ") + error.what());
  }
  return {};
}

Error PahoConnection::run() {
  const Error ended = gate_->run();
  is_up_ = false;
  // Paho sees its end of the line closed, and calls back for the last time.
  if (!wait_until_over(kPahoEndTime) && disconnect()) wait_until_over(kDisconnectTime);
  over();  // what Paho calls back while it is destroyed is of no interest
  {
    const Lock lock(mutex_);
    is_closing_ = true;
    while (users_ > 0) changed_.wait(mutex_);
  }
  try {
    client_.reset();
  } catch (const std::exception& error) {
    return unavailable(std::string("Paho: ") + error.what());
  }
  return Error(ended.code(), with_reason(ended));
}

// What the broker said of its own accord is worth more than that the line broke.
std::string PahoConnection::with_reason(const Error& ended) {
  const Lock lock(mutex_);
  const std::string broker = options_.broker.text();
  if (connack_.code != 0) {
    const std::string why = version_ >= MQTTVERSION_5 ? reason_v5(connack_.code)
                                                      : std::string(refusal_v3(connack_.code));
    return broker + ": the broker refuses the connection: " + why +
           (connack_.reason.empty() ? "" : ": " + to_utf8(connack_.reason));
  }
  if (!ended_by_.empty()) return broker + ": " + ended_by_;
  return ended.text();
}

bool PahoConnection::disconnect() {
  const Use use(*this);
  if (!use) return false;
  try {
    client_->disconnect(100, nullptr, disconnecting_);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void PahoConnection::over() {
  is_up_ = false;
  {
    const Lock lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  // The gate ends by itself: Paho has closed its side, and what it wrote before still goes out.
}

bool PahoConnection::wait_until_over(std::chrono::steady_clock::duration time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  const Lock lock(mutex_);
  while (!is_over_) {
    if (!changed_.wait_until(mutex_, deadline)) return is_over_;
  }
  return true;
}

// ---- subscribing

void PahoConnection::on_success(const paho::token&) {
  if (std::exchange(has_connected_, true)) return;  // Paho tells it twice
  bool is_session_present = false;
  {
    const Lock lock(mutex_);
    is_session_present = connack_.is_session_present;
  }
  const std::string wanted = options_.joined_topics();
  if (options_.topics.empty() || (is_session_present && known_topics_ == wanted)) {
    has_subscribed_all_ = true;
    return up();
  }
  try {
    if (is_session_present && !known_topics_.empty()) {
      for (const std::string_view old : split(std::string_view(known_topics_).substr(2), ',')) {
        const bool is_kept =
            std::find(options_.topics.begin(), options_.topics.end(), old) != options_.topics.end();
        if (!is_kept) client_->unsubscribe(std::string(old));
      }
    }
    for (std::size_t i = 0; i < options_.topics.size(); ++i) {
      client_->subscribe(options_.topics[i], options_.qos, nullptr, subscribing_[i]);
    }
  } catch (const std::exception& error) {
    hooks_.tell(BulletinLevel::kError, std::string("subscribing: ") + error.what());
    disconnect();
  }
}

void PahoConnection::on_failure(const paho::token&) { over(); }

void PahoConnection::on_subscribed(std::size_t index, const paho::token& token) {
  int granted = options_.qos;
  try {
    const auto codes = token.get_subscribe_response().get_reason_codes();
    if (!codes.empty()) granted = codes.front();
  } catch (const std::exception&) {
    // Paho has kept no answer: it was accepted.
  }
  if (granted >= kFirstError) return on_refused(index, token);
  if (granted < options_.qos) {
    hooks_.tell(BulletinLevel::kWarning, options_.broker.text() + ": the broker grants QoS " +
                                             std::to_string(granted) + " only for topic `" +
                                             options_.topics[index] + "`");
  }
  settle_subscription(true);
}

void PahoConnection::on_refused(std::size_t index, const paho::token& token) {
  {
    const Lock lock(mutex_);
    if (is_over_) return;
  }
  const int code = token.get_reason_code();
  const std::string why =
      version_ >= MQTTVERSION_5 && code >= kFirstError ? reason_v5(code) : "not authorized?";
  hooks_.tell(BulletinLevel::kError, options_.broker.text() +
                                         ": the broker refuses the subscription to `" +
                                         options_.topics[index] + "`: " + why);
  settle_subscription(false);
}

void PahoConnection::settle_subscription(bool is_granted) {
  ++settled_;
  if (is_granted) ++granted_;
  if (settled_ < options_.topics.size()) return;
  if (granted_ == 0) {
    {
      const Lock lock(mutex_);
      ended_by_ = "every subscription was refused";
    }
    disconnect();
    return;
  }
  has_subscribed_all_ = granted_ == settled_;
  up();
}

void PahoConnection::up() {
  Connack connack;
  {
    const Lock lock(mutex_);
    connack = connack_;
  }
  is_up_ = true;
  was_up_ = true;
  if (hooks_.on_up) hooks_.on_up(connack);
}

// ---- receiving

Result<std::uint64_t> PahoConnection::on_message(const Message& message) {
  if (!message.topic_alias) return hooks_.on_message(message);
  const std::uint16_t alias = *message.topic_alias;
  if (alias == 0 || alias > options_.topic_alias_maximum) {
    return corrupt("the broker uses topic alias " + std::to_string(alias) + " beyond our maximum");
  }
  if (aliases_.size() < alias) aliases_.resize(alias);
  std::string& known = aliases_[alias - 1U];
  if (!message.topic.empty()) known = message.topic;
  if (known.empty()) return corrupt("the broker uses a topic alias that it never explained");
  Message named = message;
  named.topic = known;
  return hooks_.on_message(named);
}

// ---- publishing

Result<> PahoConnection::publish(const Publication& publication, std::uint64_t cookie) {
  const Use use(*this);
  if (!is_up_ || !use) return unavailable("not connected");
  paho::properties properties;
  if (version_ >= MQTTVERSION_5) {
    using Code = paho::property;
    if (publication.expiry_s) {
      properties.add(
          {Code::MESSAGE_EXPIRY_INTERVAL, static_cast<std::int32_t>(*publication.expiry_s)});
    }
    const auto add = [&properties](Code::code code, const std::string& text) {
      if (!text.empty()) properties.add({code, text});
    };
    add(Code::CONTENT_TYPE, publication.content_type);
    add(Code::RESPONSE_TOPIC, publication.response_topic);
    add(Code::CORRELATION_DATA, publication.correlation_data);
    for (const auto& [name, value] : publication.user_properties) {
      properties.add({Code::USER_PROPERTY, name, value});
    }
  }
  try {
    auto message = paho::message::create(publication.topic, publication.payload.data(),
                                         publication.payload.size(), publication.qos,
                                         publication.is_retained, properties);
    client_->publish(message, reinterpret_cast<void*>(cookie), publishing_);
  } catch (const paho::exception& error) {
    if (error.get_return_code() == MQTTASYNC_DISCONNECTED ||
        error.get_return_code() == MQTTASYNC_MAX_BUFFERED_MESSAGES) {
      return unavailable(error.what());
    }
    return invalid(error.what());
  } catch (const std::exception& error) {
    return invalid(error.what());
  }
  return {};
}

void PahoConnection::on_published(const paho::token& token, bool is_good) {
  const auto cookie = reinterpret_cast<std::uint64_t>(token.get_user_context());
  const int code = token.get_reason_code();
  if (is_good) {
    hooks_.on_published(cookie, Outcome::kAccepted, {});
  } else if (version_ >= MQTTVERSION_5 && code >= kFirstError) {
    hooks_.on_published(cookie, Outcome::kRefused, reason_v5(code));
  }
  // Else the connection has broken; `on_down` says so for all of them.
}

}  // namespace

Result<std::shared_ptr<Connection>> Connection::open(const ClientOptions& options,
                                                     const ClientHooks& hooks, Version version,
                                                     std::string known_topics) {
  int number = MQTTVERSION_3_1_1;
  if (version == Version::k500) number = MQTTVERSION_5;
  if (version == Version::k310) number = MQTTVERSION_3_1;
  auto connection =
      std::make_shared<PahoConnection>(options, hooks, number, std::move(known_topics));
  TRY(connection->open());
  return std::shared_ptr<Connection>(std::move(connection));
}

}  // namespace runnel::mqtt
