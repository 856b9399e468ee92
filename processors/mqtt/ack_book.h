// AckBook: which acknowledgement belongs to which arrival, over all connections of a client.
//
// Paho calls back for a QoS 1 message before it sends the PUBACK, in order, so that the book knows
// the number when the gate asks for it. A QoS 2 message is delivered at its PUBREL; if the line
// breaks before its PUBCOMP has left, the broker sends the PUBREL again, Paho answers it without
// delivering anew, and that PUBCOMP must wait for the same number: so those outlive their
// connection. Any thread.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "agent/base/mutex.h"
#include "processors/mqtt/packet.h"

namespace runnel::mqtt {

class AckBook {
 public:
  // A message of QoS 1 or 2, delivered as `number`. Numbers ascend.
  void arrived(int qos, std::uint16_t id, std::uint64_t number);
  // For AckGateOptions::number_of.
  std::uint64_t number_of(PacketType type, std::uint16_t id);
  // A new connection: what QoS 1 messages the old one had, the broker sends again.
  void begin();
  void safe_through(std::uint64_t number);

 private:
  Mutex mutex_;
  std::deque<std::pair<std::uint16_t, std::uint64_t>> qos1_ GUARDED_BY(mutex_);
  std::map<std::uint16_t, std::uint64_t> qos2_ GUARDED_BY(mutex_);
};

}  // namespace runnel::mqtt
