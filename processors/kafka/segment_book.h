// SegmentBook: FlowFiles that are on their way as several messages, and what has become of those.

#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "agent/base/mutex.h"
#include "processors/kafka/client.h"

namespace runnel::kafka {

// Any thread.
class SegmentBook {
 public:
  // One whose last message has been reported.
  struct Whole {
    std::uint64_t slot;
    // Refused, if one message was; else undelivered, if one was.
    Fate fate;
  };

  // Begins one whose Handed has this slot, and counts a part for who reads it. Returns its number.
  std::uint64_t open(std::uint64_t slot);
  // Counts another message of it; false, and none: one has failed, so that all is sent again, or
  // nothing.
  bool add(std::uint64_t number);
  // A part has ended like this. The whole, when that was the last one.
  std::optional<Whole> note(std::uint64_t number, Fate fate);

 private:
  struct Parts {
    std::uint64_t slot;
    std::uint64_t left = 1;
    Fate fate = Fate::kDelivered;
  };

  Mutex mutex_;
  std::map<std::uint64_t, Parts> open_ GUARDED_BY(mutex_);
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
};

}  // namespace runnel::kafka
