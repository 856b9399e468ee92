// AckGate: a relay between Paho and the broker that lets an acknowledgement out only when it is
// told to.
//
// Paho connects over loopback, the gate connects to the broker (TCP, TLS, WebSocket). From Paho's
// side it reads fixed headers only: acknowledgements wait in order for `release_through`, all else
// passes at once. Bytes from the broker pass untouched, except that a PUBLISH larger than the
// bound is swallowed and acknowledged here, so that no message can fill the memory. While `pause`
// is on, nothing is read from the broker; TCP holds it back, and Paho's pings are answered here, so
// that nothing reconnects. A gate is one connection: when it breaks, the held acknowledgements are
// forgotten, and the broker sends again.
//
// The four packets of QoS 2 are the gate's own business (Receipts): Paho sees such a message as one
// of QoS 1, its PUBACK leaves as PUBREC; PUBREL is taken here, and PUBCOMP leaves at `complete`.
// (Paho by itself takes over a message of MQTT 5 at its PUBREC and does not deliver it again after
// a crash; of MQTT 3 it writes each to disk alone.)
//
// Only the Paho client that was given `nonce` as its user name gets through: first connection only,
// and the nonce is replaced by the real credentials, which therefore never cross loopback.
//
// Acknowledgements are gathered: after some have come, Paho's side is left alone for half a
// millisecond, so that neither this thread nor those behind it are woken for each one.
//
// Bounds: 64 KiB towards Paho, 256 KiB towards the broker, 131,072 held acknowledgements.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "processors/mqtt/broker_address.h"
#include "processors/mqtt/packet.h"
#include "processors/mqtt/socket.h"
#include "processors/mqtt/wire.h"

namespace runnel::mqtt {

class Receipts;

struct Oversize {
  std::string topic;  // its first 1,024 bytes
  std::uint64_t size = 0;
};

struct AckGateOptions {
  BrokerAddress broker;
  TlsOptions tls;
  Credentials credentials;
  std::chrono::milliseconds connect_timeout{10'000};
  std::size_t packet_bytes_max = 268'435'455;
  // The number under which this message's acknowledgement is released; 0: it may go at once. Asked
  // once for each, in the order in which Paho sends them, on the gate's thread. Empty: nothing is
  // held.
  std::function<std::uint64_t(std::uint16_t id)> number_of;
  // For messages of QoS 2, which else are Paho's.
  Receipts* receipts = nullptr;
  // A message of QoS 2 has been released: Receipts::forget has something to do. On the gate's
  // thread.
  std::function<void()> on_released;
  // Some were held: what they acknowledge has been delivered. Once for many; on the gate's thread.
  std::function<void()> on_held;
  // On the gate's thread, before Paho sees it. An error ends the connection.
  std::function<Result<>(const Connack&)> on_connack;
  std::function<void(const Oversize&)> on_oversize;
};

class AckGate {
 public:
  // Listens on loopback; kUnavailable when the machine has no port or descriptor left.
  static Result<std::unique_ptr<AckGate>> open(AckGateOptions options);

  std::uint16_t port() const { return port_; }
  const std::string& nonce() const { return nonce_; }

  // Relays on the caller's thread until a side ends, something fails, or `stop`. The text says
  // which. Once.
  Error run();

  // Any thread:
  // Every acknowledgement up to this number may leave.
  void release_through(std::uint64_t number);
  // Sends PUBCOMP for these.
  void complete(const std::vector<std::uint16_t>& ids);
  void pause(bool is_paused);
  void stop();
  // From now on nothing more reaches the broker; `run` returns.
  void cut();
  std::size_t held() const { return held_count_.load(std::memory_order_relaxed); }

 private:
  struct Held {
    std::string packet;
    std::uint64_t number;
    std::uint16_t received_id;  // of a PUBREC; 0: none
  };

  AckGate(AckGateOptions options, Socket listener, Socket bell, std::uint16_t port);

  Result<> accept_paho(std::chrono::steady_clock::time_point deadline);
  Result<> read_connect(std::chrono::steady_clock::time_point deadline);
  Result<> connect_broker(std::chrono::steady_clock::time_point deadline);
  Result<> open_wire(const SocketAddress& address, std::chrono::steady_clock::time_point deadline);
  Result<> wait_for(Socket& socket, std::chrono::steady_clock::time_point deadline);
  Result<> relay();
  void wait();
  Result<> from_paho();
  Result<> take_from_paho(std::string_view bytes);
  Result<> take_puback(std::string_view packet, const FixedHeader& header);
  Result<> hold(Held held);
  void leave(const Held& held);
  void release();
  Result<> to_broker();
  Result<> from_broker();
  Result<> take_from_broker(std::string_view bytes);
  Result<bool> take_exactly_once(std::string_view& bytes, const FixedHeader& header);
  Result<bool> take_pubrel(std::string_view& bytes, const FixedHeader& header);
  void refuse(const FixedHeader& header, const PublishHead& head);
  Result<> to_paho();
  bool is_in_broker_packet() const;
  std::size_t broker_bytes_wanted() const;

  const AckGateOptions options_;
  Socket listener_;
  Socket bell_;  // an eventfd: rung by other threads
  const std::uint16_t port_;
  const std::string nonce_;

  std::atomic<std::uint64_t> released_{0};
  std::atomic<bool> is_paused_{false};
  std::atomic<bool> is_stopped_{false};
  std::atomic<bool> is_cut_{false};
  std::atomic<std::size_t> held_count_{0};
  std::atomic<bool> is_gathering_{false};  // some may be held soon

  Mutex mutex_;
  std::vector<std::uint16_t> complete_ GUARDED_BY(mutex_);

  // The gate's thread only.
  Socket paho_;
  std::unique_ptr<Wire> broker_;
  std::string paho_in_;             // the begin of a packet from Paho
  std::uint64_t paho_passing_ = 0;  // bytes of the present packet still to be passed on
  std::string broker_out_;          // to the broker
  std::deque<Held> held_;
  std::set<std::uint16_t> exactly_once_;  // messages of QoS 2 that Paho has and not acknowledged
  std::string paho_out_;                  // to Paho
  std::string broker_in_;                 // the begin of a packet from the broker
  std::uint64_t broker_passing_ = 0;      // bytes of the present packet still to be passed on
  std::uint64_t broker_swallowing_ = 0;   // the same, to be dropped
  bool has_connack_ = false;
  bool is_ping_due_ = false;  // Paho has asked while the gate was paused
  bool has_held_ = false;     // since `on_held` was last called
  std::chrono::steady_clock::time_point gather_until_{};
  bool is_paho_readable_ = false;
  bool is_broker_readable_ = false;
  std::optional<Error> ended_;  // a side has ended; what is left for the other still goes out
  std::chrono::steady_clock::time_point flush_until_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace runnel::mqtt
