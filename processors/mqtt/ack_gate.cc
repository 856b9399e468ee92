// AckGate: a relay between Paho and the broker that takes the messages out, and lets an
// acknowledgement out only when it is told to.

#include "processors/mqtt/ack_gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "processors/mqtt/receipts.h"

namespace runnel::mqtt {
namespace {

using namespace std::chrono_literals;
using SteadyPoint = std::chrono::steady_clock::time_point;

constexpr std::size_t kToPahoMax = 64 * 1024;
constexpr std::size_t kToBrokerMax = 256 * 1024;
constexpr std::size_t kChunk = 64 * 1024;
constexpr std::size_t kConnectMax = 512 * 1024;
constexpr std::size_t kAckMax = 64 * 1024;
constexpr std::size_t kHeldMax = 131'072;
constexpr std::size_t kTopicShown = 1'024;
constexpr int kPahoBufferBytes =
    128 * 1024;  // of the loopback socket: bounds what a pause lets through
constexpr auto kFlushTime = 1s;

SteadyPoint now() { return std::chrono::steady_clock::now(); }

Result<Socket> listen_on_loopback(std::uint16_t& port) {
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (!listener || ::bind(listener.fd(), any, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
      ::getsockname(listener.fd(), any, &size) != 0) {
    return unavailable(std::string("listening on loopback: ") + std::strerror(errno));
  }
  port = ntohs(address.sin_port);
  return listener;
}

}  // namespace

Result<std::unique_ptr<AckGate>> AckGate::open(AckGateOptions options) {
  std::uint16_t port = 0;
  TRY_ASSIGN(listener, listen_on_loopback(port));
  Socket bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return unavailable(std::string("eventfd: ") + std::strerror(errno));
  return std::unique_ptr<AckGate>(
      new AckGate(std::move(options), std::move(listener), std::move(bell), port));
}

AckGate::AckGate(AckGateOptions options, Socket listener, Socket bell, std::uint16_t port)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      bell_(std::move(bell)),
      port_(port),
      nonce_(to_hex(random_bytes(16))) {}

void AckGate::release_through(std::uint64_t number) {
  released_.store(number);
  // While it gathers it comes by itself.
  if (held_count_.load() > 0 && !is_gathering_.load()) ::eventfd_write(bell_.fd(), 1);
}

void AckGate::complete(const std::vector<std::uint16_t>& ids) {
  {
    const Lock lock(mutex_);
    complete_.insert(complete_.end(), ids.begin(), ids.end());
  }
  ::eventfd_write(bell_.fd(), 1);
}

void AckGate::pause(bool is_paused) {
  if (is_paused_.exchange(is_paused) != is_paused) ::eventfd_write(bell_.fd(), 1);
}

void AckGate::stop() {
  is_stopped_ = true;
  ::eventfd_write(bell_.fd(), 1);
}

void AckGate::cut() {
  is_cut_ = true;
  stop();
}

Error AckGate::run() {
  const auto relayed = [this]() -> Result<> {
    TRY(accept_paho(now() + options_.connect_timeout));
    TRY(read_connect(now() + options_.connect_timeout));
    TRY(connect_broker(now() + options_.connect_timeout).within(options_.broker.text()));
    return relay();
  }();
  listener_.close();
  paho_.close();
  broker_.reset();
  held_count_ = 0;
  return relayed.ok() ? unavailable("stopped") : relayed.error();
}

Result<> AckGate::wait_for(Socket& socket, SteadyPoint deadline) {
  std::array<pollfd, 2> pollers{{{socket.fd(), POLLIN, 0}, {bell_.fd(), POLLIN, 0}}};
  while (true) {
    if (is_stopped_) return unavailable("stopped");
    if (poll_until(pollers, deadline) == 0) return unavailable("Paho did not connect in time");
    if (pollers[0].revents != 0) return {};
    eventfd_t rings = 0;
    ::eventfd_read(bell_.fd(), &rings);
  }
}

Result<> AckGate::accept_paho(SteadyPoint deadline) {
  TRY(wait_for(listener_, deadline));
  paho_ = Socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!paho_) return unavailable(std::string("accept: ") + std::strerror(errno));
  listener_.close();
  paho_.send_at_once();
  ::setsockopt(paho_.fd(), SOL_SOCKET, SO_SNDBUF, &kPahoBufferBytes, sizeof kPahoBufferBytes);
  return {};
}

// Nothing is sent anywhere before the nonce has proved right.
Result<> AckGate::read_connect(SteadyPoint deadline) {
  while (true) {
    TRY_ASSIGN(header, read_fixed_header(paho_in_));
    if (header && header->type() != PacketType::kConnect) {
      return invalid("the first packet on the gate is no CONNECT");
    }
    if (header && header->whole() > kConnectMax) return invalid("CONNECT is too long");
    if (header && paho_in_.size() >= header->whole()) {
      TRY_ASSIGN(changed, replace_credentials(std::string_view(paho_in_).substr(0, header->whole()),
                                              nonce_, options_.credentials));
      broker_out_ = std::move(changed);
      const std::string rest = paho_in_.substr(header->whole());
      paho_in_.clear();
      return take_from_paho(rest);
    }
    TRY(wait_for(paho_, deadline));
    char buffer[4096];
    TRY_ASSIGN(count, paho_.read(buffer));
    if (count && *count == 0) return unavailable("Paho closed the connection");
    if (count) paho_in_.append(buffer, *count);
  }
}

Result<> AckGate::connect_broker(SteadyPoint deadline) {
  TRY_ASSIGN(addresses, resolve(options_.broker.host, options_.broker.port, deadline, bell_.fd()));
  std::optional<Error> last;
  for (const SocketAddress& address : addresses) {
    const Result<> opened = open_wire(address, deadline);
    if (opened.ok()) return {};
    broker_.reset();
    last = opened.error();
    if (is_stopped_) break;
  }
  return last ? *last : unavailable("the name has no address");
}

Result<> AckGate::open_wire(const SocketAddress& address, SteadyPoint deadline) {
  TRY_ASSIGN(wire, open_tcp_wire(address));
  if (options_.broker.is_tls) {
    TRY_ASSIGN(tls, open_tls_wire(std::move(wire), options_.broker.host, options_.tls));
    wire = std::move(tls);
  }
  if (options_.broker.is_web_socket) {
    wire = open_web_socket_wire(std::move(wire), options_.broker.host, options_.broker.path);
  }
  broker_ = std::move(wire);
  while (true) {
    TRY_ASSIGN(is_open, broker_->open_step());
    if (is_open) return {};
    const short events = broker_->events();
    std::array<pollfd, 2> pollers{{{broker_->fd(), events, 0}, {bell_.fd(), POLLIN, 0}}};
    if (poll_until(pollers, deadline) == 0)
      return unavailable(address.text + ": no answer in time");
    if (is_stopped_) return unavailable("stopped");
    if (pollers[1].revents != 0) {
      eventfd_t rings = 0;
      ::eventfd_read(bell_.fd(), &rings);
    }
  }
}

// One turn: what may leave leaves, then wait, then take what has come.
Result<> AckGate::relay() {
  while (!is_stopped_) {
    if (!is_gathering_) release();
    TRY(to_broker());
    TRY(to_paho());
    if (ended_ && ((broker_out_.empty() && paho_out_.empty()) || now() >= flush_until_)) {
      return *ended_;
    }
    wait();
    if (is_cut_) break;
    if (is_paho_readable_) TRY(from_paho());
    if (is_broker_readable_) TRY(from_broker());
  }
  return unavailable("stopped");
}

void AckGate::wait() {
  if (is_gathering_ && !gathering_.is_on(now())) {
    is_gathering_ = is_paho_readable_ = is_broker_readable_ = false;
    return;  // once more: what was released meanwhile has rung no bell
  }
  const bool is_gathering = is_gathering_;
  const std::size_t wanted = is_gathering ? 0 : broker_bytes_wanted();
  short paho_events = 0;
  if (!ended_ && broker_out_.size() < kToBrokerMax) paho_events |= POLLIN;
  if (!paho_out_.empty()) paho_events |= POLLOUT;
  short broker_events = broker_->events();
  if (wanted > 0) broker_events = static_cast<short>(broker_events | POLLIN);
  if (!broker_out_.empty()) broker_events = static_cast<short>(broker_events | POLLOUT);
  std::array<pollfd, 3> pollers{
      {{bell_.fd(), POLLIN, 0}, {paho_.fd(), paho_events, 0}, {broker_->fd(), broker_events, 0}}};
  const bool has_more = wanted > 0 && broker_->has_more();
  SteadyPoint until = is_gathering ? std::min(gathering_.until(), flush_until_) : flush_until_;
  if (has_more) until = now();
  poll_until(pollers, until);
  if (pollers[0].revents != 0) {
    eventfd_t rings = 0;
    ::eventfd_read(bell_.fd(), &rings);
  }
  constexpr short kBroken = POLLHUP | POLLERR;
  is_paho_readable_ = !ended_ && (pollers[1].revents & (POLLIN | kBroken)) != 0;
  is_broker_readable_ = !ended_ && (has_more || (pollers[2].revents & kBroken) != 0 ||
                                    (wanted > 0 && pollers[2].revents != 0));
  // A side that is broken while we only flush to it would make poll return at once, for ever.
  if (ended_ && ((pollers[1].revents | pollers[2].revents) & kBroken) != 0) flush_until_ = now();
}

// ---- from Paho to the broker

Result<> AckGate::from_paho() {
  char buffer[16 * 1024];
  const auto count = paho_.read(buffer);
  if (!count.ok() || (*count && **count == 0)) {
    ended_ = unavailable("Paho closed the connection");
    flush_until_ = now() + kFlushTime;
    paho_out_.clear();
    return {};
  }
  if (!*count) return {};
  return take_from_paho({buffer, **count});
}

Result<> AckGate::take_from_paho(std::string_view bytes) {
  std::string joined;
  if (!paho_in_.empty()) {
    joined = std::exchange(paho_in_, std::string{});
    joined += bytes;
    bytes = joined;
  }
  while (!bytes.empty()) {
    if (paho_passing_ > 0) {
      const std::size_t count = std::min<std::size_t>(paho_passing_, bytes.size());
      broker_out_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      paho_passing_ -= count;
      continue;
    }
    TRY_ASSIGN(header, read_fixed_header(bytes));
    if (!header) {
      paho_in_ = bytes;
      return {};
    }
    if (header->type() == PacketType::kPingreq && is_paused_) is_ping_due_ = true;
    // The broker reads nothing behind it, and would send again what is safe already.
    if (header->type() == PacketType::kDisconnect) release();
    paho_passing_ = header->whole();
  }
  return {};
}

// They leave in the order of their PUBLISHes (MQTT-4.6.0-2, MQTT-4.6.0-3).
Result<> AckGate::hold(Held held) {
  if (held.number == 0 && held_.empty()) {
    leave(held);
    return {};
  }
  if (held_.size() >= kHeldMax) return corrupt("more acknowledgements than packet identifiers");
  held_.push_back(held);
  held_count_.store(held_.size());
  return {};
}

void AckGate::leave(const Held& held) {
  if (held.type == PacketType::kPubrec && options_.receipts != nullptr) {
    options_.receipts->acknowledged(held.id);
  }
  broker_out_ += ack_packet(held.type, held.id);
}

void AckGate::release() {
  if (is_cut_) return;
  const std::uint64_t released = released_.load();
  while (!held_.empty() && held_.front().number <= released) {
    leave(held_.front());
    held_.pop_front();
  }
  held_count_.store(held_.size());
  const Lock lock(mutex_);
  for (const std::uint16_t id : std::exchange(complete_, {})) {
    broker_out_ += ack_packet(PacketType::kPubcomp, id);
  }
}

Result<> AckGate::to_broker() {
  while (!broker_out_.empty() && !is_cut_) {
    const auto count = broker_->write(broker_out_);
    if (!count.ok()) {
      // It may have said why before it went: let `from_broker` find out.
      broker_out_.clear();
      if (!ended_) return from_broker();
      return {};
    }
    if (*count == 0) break;
    broker_out_.erase(0, *count);
  }
  return {};
}

// ---- from the broker to Paho

// While paused: only to the end of what Paho gets, and only when a ping has to be answered behind
// it.
std::size_t AckGate::broker_bytes_wanted() const {
  if (ended_ || paho_out_.size() >= kToPahoMax) return 0;
  if (!is_paused_) return kChunk;
  if (!is_ping_due_) return 0;
  return std::min<std::size_t>(broker_passing_, kChunk);
}

Result<> AckGate::from_broker() {
  char buffer[kChunk];
  const std::size_t wanted = std::max<std::size_t>(1, broker_bytes_wanted());
  const auto count = broker_->read({buffer, wanted});
  if (!count.ok() || (*count && **count == 0)) {
    ended_ = (count.ok() ? unavailable("the broker closed the connection") : count.error())
                 .within(options_.broker.text());
    flush_until_ = now() + kFlushTime;
    broker_out_.clear();
    return {};
  }
  if (!*count) return {};
  const Result<> taken = take_from_broker({buffer, **count}).within(options_.broker.text());
  const std::size_t delivered = std::exchange(delivered_, 0);
  if (delivered == 0) return taken;
  const bool is_flood = **count == kChunk;  // which needs no gathering
  if (!is_flood) gathering_.came(delivered, now());
  is_gathering_ = !is_flood;
  if (options_.on_delivered) options_.on_delivered();
  return taken;
}

// The begin of a packet, until so many bytes of it are there.
void AckGate::keep(std::string_view bytes, std::size_t needed) {
  broker_in_needed_ = needed;
  broker_in_.reserve(needed);
  broker_in_ = bytes;
}

Result<> AckGate::take_from_broker(std::string_view bytes) {
  std::string joined;
  if (!broker_in_.empty()) {
    broker_in_ += bytes;
    if (broker_in_.size() < broker_in_needed_) return {};
    joined = std::exchange(broker_in_, std::string{});
    bytes = joined;
  }
  while (!bytes.empty()) {
    if (broker_passing_ > 0 || broker_swallowing_ > 0) {
      std::uint64_t& left = broker_passing_ > 0 ? broker_passing_ : broker_swallowing_;
      const std::size_t count = std::min<std::size_t>(left, bytes.size());
      if (broker_passing_ > 0) paho_out_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      left -= count;
      continue;
    }
    const auto header = read_fixed_header(bytes);
    if (!header.ok()) return header.error().within("the broker does not speak MQTT");
    if (!*header) {
      keep(bytes, 0);
      return {};
    }
    TRY_ASSIGN(is_taken, take_packet(bytes, **header));
    if (!is_taken) return {};
  }
  return {};
}

// The packet at the begin of `bytes`, or that part of it which decides where it goes. False: not
// enough of it is there.
Result<bool> AckGate::take_packet(std::string_view& bytes, const FixedHeader& header) {
  const std::size_t whole = header.whole();
  if (!has_connack_) {
    if (header.type() != PacketType::kConnack || whole > kAckMax) {
      return corrupt("the broker does not speak MQTT: its first packet is no CONNACK");
    }
    if (bytes.size() < whole) {
      keep(bytes, whole);
      return false;
    }
    TRY_ASSIGN(connack, read_connack(bytes.substr(0, whole)));
    has_connack_ = true;
    if (options_.on_connack) TRY(options_.on_connack(connack));
  }
  const bool is_publish = header.type() == PacketType::kPublish;
  if (whole > options_.packet_bytes_max) {
    if (!is_publish) {
      return corrupt("the broker sent a packet of " + std::to_string(whole) +
                     " bytes that is no message");
    }
    TRY_ASSIGN(head, read_publish_head(header, bytes.substr(header.size)));
    if (!head) {
      keep(bytes, 0);
      return false;
    }
    refuse(header, *head);
    broker_swallowing_ = whole;
    return true;
  }
  const bool is_ours = is_publish || header.type() == PacketType::kPubrel;
  if (!is_ours || !options_.on_message) {
    broker_passing_ = whole;
    return true;
  }
  if (!is_publish && (header.remaining < 2 || whole > kAckMax)) {
    return corrupt("a malformed PUBREL");
  }
  if (bytes.size() < whole) {
    keep(bytes, whole);
    return false;
  }
  const std::string_view body = bytes.substr(header.size, header.remaining);
  TRY(is_publish ? take_message(header, body) : take_pubrel(packet_id(body)));
  bytes.remove_prefix(whole);
  return true;
}

Result<> AckGate::take_message(const FixedHeader& header, std::string_view body) {
  TRY_ASSIGN(message, read_publish(header, body, options_.is_v5));
  if (message.qos == 2 && options_.receipts != nullptr) {
    if (const std::optional<std::uint64_t> number = options_.receipts->find(message.id)) {
      return hold({*number, message.id, PacketType::kPubrec});
    }
  }
  TRY_ASSIGN(number, options_.on_message(message));
  ++delivered_;
  if (message.qos == 0) return {};
  return hold({number, message.id, message.qos == 1 ? PacketType::kPuback : PacketType::kPubrec});
}

Result<> AckGate::take_pubrel(std::uint16_t id) {
  bool is_kept = false;
  if (options_.receipts != nullptr) {
    TRY_ASSIGN(is_ours, options_.receipts->released(id));
    is_kept = is_ours;
  }
  if (!is_kept) {
    broker_out_ += ack_packet(PacketType::kPubcomp, id);
  } else if (options_.on_released) {
    options_.on_released();
  }
  return {};
}

// The broker must not send it again for ever: it is acknowledged, and told to the operator.
void AckGate::refuse(const FixedHeader& header, const PublishHead& head) {
  if (header.qos() == 1) {
    held_.push_back({0, head.id, PacketType::kPuback});
    held_count_.store(held_.size());
  } else if (header.qos() == 2) {
    broker_out_ += ack_packet(PacketType::kPubrec, head.id);
  }
  if (options_.on_oversize) {
    options_.on_oversize({to_utf8(head.topic.substr(0, kTopicShown)), header.remaining});
  }
}

Result<> AckGate::to_paho() {
  if (is_ping_due_ && broker_passing_ == 0) {
    is_ping_due_ = false;
    paho_out_.append(std::string_view("\xD0\x00", 2));
  }
  while (!paho_out_.empty()) {
    const auto count = paho_.write(paho_out_);
    if (!count.ok()) {
      paho_out_.clear();
      return {};  // `from_paho` will see the end
    }
    if (*count == 0) break;
    paho_out_.erase(0, *count);
  }
  return {};
}

}  // namespace runnel::mqtt
