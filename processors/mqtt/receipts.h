// Receipts: what lies between PUBREC and PUBREL, on disk: the QoS 2 messages that we have taken
// over but not delivered.
//
// Paho reads and writes it (keys `r-ID`, `r5-ID`: the PUBLISH packet with identifier ID). What Paho
// removes when it delivers the message is kept here until the FlowFile is safe and the PUBCOMP has
// left; until then a crash must find it. Of anything else that Paho wants to persist
// (subscriptions, publications) nothing is kept: queues of ours do that. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/sdk/context.h"

namespace runnel::mqtt {

class Receipts {
 public:
  explicit Receipts(DurableMap& map) : map_(map) {}

  // What Paho asks for.
  Result<> put(const std::string& key, std::string_view packet);
  Result<std::optional<std::string>> find(const std::string& key);
  Result<> remove(const std::string& key);
  Result<> clear();
  Result<std::vector<std::string>> keys();

  // Paho has handed this message over; it is kept until `forget`, but not delivered again by this
  // process.
  void delivered(std::uint16_t id);
  // The PUBCOMP of this identifier has left: its message is safe, forget it. kUnavailable: it
  // stays, and will be delivered once more after a restart.
  Result<> forget(std::uint16_t id);

 private:
  DurableMap& map_;
  Mutex mutex_;
  std::set<std::uint16_t> delivered_ GUARDED_BY(mutex_);  // and not yet safe
};

}  // namespace runnel::mqtt
