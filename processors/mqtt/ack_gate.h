// AckGate: a relay between Paho and the broker that takes the messages out, and lets an
// acknowledgement out only when it is told to.
//
// Paho connects over loopback, the gate connects to the broker (TCP, TLS, WebSocket). What Paho
// sends passes: it connects, subscribes, publishes and pings. Messages that the broker sends are
// taken here, where somebody wants them: each is delivered (`on_message`), and its acknowledgement
// waits in order for `release_through`. (Paho acknowledges when its callback has returned, which is
// too early or, with an fsync in the callback, slow; and it takes a message byte by byte, through a
// hundred locks, for twice what the rest of the way to Kafka costs.) All else passes to Paho. A
// PUBLISH larger than the bound is swallowed and acknowledged, so that no message can fill the
// memory. While `pause` is on, nothing is read from the broker; TCP holds it back, and Paho's pings
// are answered here, so that nothing reconnects. A gate is one connection: when it breaks, the held
// acknowledgements are forgotten, and the broker sends again.
//
// Of QoS 2 `Receipts` knows which messages are ours already; PUBCOMP leaves at `complete`. Without
// receipts such a message (of a session that once subscribed otherwise) is as one of QoS 1: taken
// once at least.
//
// Only the Paho client that was given `nonce` as its user name gets through: first connection only,
// and the nonce is replaced by the real credentials, which therefore never cross loopback.
//
// Messages and acknowledgements are gathered (gathering.h), so that neither this thread nor those
// behind it are woken for each one.
//
// Bounds: 64 KiB towards Paho, 256 KiB towards the broker, 131,072 held acknowledgements, one
// message that is not whole yet.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "processors/mqtt/broker_address.h"
#include "processors/mqtt/gathering.h"
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
  bool is_v5 = false;  // messages have properties
  // A message has come; the number under which its acknowledgement is released (0: it may go at
  // once). In their order, on the gate's thread. An error ends the connection. Empty: messages are
  // Paho's.
  std::function<Result<std::uint64_t>(const Message&)> on_message;
  // Some were delivered; once for many, on the gate's thread.
  std::function<void()> on_delivered;
  // For messages of QoS 2.
  Receipts* receipts = nullptr;
  // A message of QoS 2 has been released: Receipts::forget has something to do. On the gate's
  // thread.
  std::function<void()> on_released;
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
    std::uint64_t number;
    std::uint16_t id;
    PacketType type;  // kPuback, kPubrec
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
  Result<> hold(Held held);
  void leave(const Held& held);
  void release();
  Result<> to_broker();
  Result<> from_broker();
  Result<> take_from_broker(std::string_view bytes);
  Result<bool> take_packet(std::string_view& bytes, const FixedHeader& header);
  Result<> take_message(const FixedHeader& header, std::string_view body);
  Result<> take_pubrel(std::uint16_t id);
  void keep(std::string_view bytes, std::size_t needed);
  void refuse(const FixedHeader& header, const PublishHead& head);
  Result<> to_paho();
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
  std::atomic<bool> is_gathering_{
      false};  // the broker is left alone, until the time of `gathering_`

  Mutex mutex_;
  std::vector<std::uint16_t> complete_ GUARDED_BY(mutex_);

  // The gate's thread only.
  Socket paho_;
  std::unique_ptr<Wire> broker_;
  std::string paho_in_;             // the begin of a packet from Paho
  std::uint64_t paho_passing_ = 0;  // bytes of the present packet still to be passed on
  std::string broker_out_;          // to the broker
  std::deque<Held> held_;
  std::string paho_out_;                 // to Paho
  std::string broker_in_;                // the begin of a packet from the broker
  std::size_t broker_in_needed_ = 0;     // so many bytes are the whole of it; 0: not known
  std::uint64_t broker_passing_ = 0;     // bytes of the present packet still to be passed on
  std::uint64_t broker_swallowing_ = 0;  // the same, to be dropped
  bool has_connack_ = false;
  bool is_ping_due_ = false;   // Paho has asked while the gate was paused
  std::size_t delivered_ = 0;  // since `on_delivered` was last called
  Gathering gathering_;
  bool is_paho_readable_ = false;
  bool is_broker_readable_ = false;
  std::optional<Error> ended_;  // a side has ended; what is left for the other still goes out
  std::chrono::steady_clock::time_point flush_until_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace runnel::mqtt
