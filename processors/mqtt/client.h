// Client: a line to an MQTT broker that keeps itself: connects in the background, subscribes,
// reconnects with back-off.
//
// One thread of its own (`mqtt NAME`), which runs the ack gate of the present connection. Each
// connection has a Paho client of its own, so that nothing of a broken connection lives on in the
// library. Messages come on the client's own thread; what else is called from Paho's threads, which
// all clients of the process share. No hook may block.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/sdk/context.h"
#include "processors/mqtt/ack_gate.h"
#include "processors/mqtt/broker_address.h"
#include "processors/mqtt/packet.h"
#include "processors/mqtt/wire.h"

namespace runnel::mqtt {

class Receipts;

enum class Version { k3Auto, k310, k311, k500 };

struct Will {
  std::string topic;
  std::string message;
  int qos = 0;
  bool is_retained = false;
  std::string content_type;  // MQTT 5
};

struct ClientOptions {
  std::string name;  // of the processor
  BrokerAddress broker;
  TlsOptions tls;
  Credentials credentials;
  std::string client_id;
  Version version = Version::k3Auto;
  bool is_clean = true;  // Clean Session, Clean Start
  std::chrono::seconds session_expiry{0};
  std::uint16_t receive_maximum = 65'535;
  std::uint16_t topic_alias_maximum = 0;
  std::chrono::seconds keep_alive{60};
  std::chrono::milliseconds connect_timeout{10'000};
  std::optional<Will> will;
  std::size_t packet_bytes_max = 268'435'455;
  std::vector<std::string> topics;  // to subscribe to
  int qos = 0;                      // of the subscriptions
  int inflight_max = 65'535;        // publications
  Receipts* receipts = nullptr;     // for subscriptions of QoS 2
  std::chrono::milliseconds backoff_first{500};
  std::chrono::milliseconds backoff_cap{60'000};

  // "1:a/b,c/#": what a session of these options is subscribed to.
  std::string joined_topics() const;
};

struct Publication {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool is_retained = false;
  std::optional<std::uint32_t> expiry_s;  // this and the following: MQTT 5
  std::string content_type;
  std::string response_topic;
  std::string correlation_data;
  std::vector<std::pair<std::string, std::string>> user_properties;
};

enum class Outcome {
  kAccepted,  // the broker has it
  kRefused,   // the broker will not have it: not authorized, too large, invalid topic
};

struct ClientHooks {
  // These as in AckGateOptions; a message's topic is always there. Without `on_message` messages
  // that come are dropped.
  std::function<std::uint64_t(const Message&)> on_message;
  std::function<void()> on_delivered;
  std::function<void()> on_released;
  std::function<void(const Oversize&)> on_oversize;
  // A connection begins; before any of its messages. On the client's thread.
  std::function<void()> on_begin;
  // Connected and subscribed.
  std::function<void(const Connack&)> on_up;
  // The connection has ended: no hook is called for it any more. Not called before on_begin.
  std::function<void()> on_down;
  std::function<void(std::uint64_t cookie, Outcome, std::string_view reason)> on_published;
  std::function<void(BulletinLevel, std::string_view)> tell;
  // What the session on the broker is known to be subscribed to (`joined_topics`); on the client's
  // thread.
  std::function<std::string()> known_topics;
  std::function<void(const std::string&)> remember_topics;
};

class Client {
 public:
  // Returns at once; connecting goes on behind. kUnavailable when no thread can be had.
  static Result<std::unique_ptr<Client>> open(ClientOptions options, ClientHooks hooks);
  virtual ~Client() = default;

  // Any thread. kUnavailable: no connection, nothing was sent. kInvalid: it can never be sent.
  virtual Result<> publish(const Publication& publication, std::uint64_t cookie) = 0;
  virtual bool is_up() const = 0;
  virtual void release_through(std::uint64_t number) = 0;
  virtual void complete(const std::vector<std::uint16_t>& ids) = 0;
  virtual void pause(bool is_paused) = 0;
  // What is held back is not acknowledged any more: the broker sends it again to who comes next.
  // Disconnects, then ends all threads of this client. No hook is called after it.
  virtual void stop() = 0;
  // Breaks the present connection: nothing more reaches the broker.
  virtual void cut() = 0;
};

}  // namespace runnel::mqtt
