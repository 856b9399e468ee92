// AckBook: which acknowledgement belongs to which arrival.
//
// Paho calls back for a message before it sends the PUBACK, in order, so that the book knows the
// number when the gate asks for it. Any thread.

#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "agent/base/mutex.h"

namespace runnel::mqtt {

class AckBook {
 public:
  // A message of QoS 1 or 2, delivered as `number`. Numbers ascend.
  void arrived(std::uint16_t id, std::uint64_t number);
  // For AckGateOptions::number_of.
  std::uint64_t number_of(std::uint16_t id);
  // A new connection: what the old one had, the broker sends again.
  void begin();

 private:
  Mutex mutex_;
  std::deque<std::pair<std::uint16_t, std::uint64_t>> arrived_ GUARDED_BY(mutex_);
};

}  // namespace runnel::mqtt
