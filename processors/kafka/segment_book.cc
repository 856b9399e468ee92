// What SegmentBook promises.

#include "processors/kafka/segment_book.h"

namespace runnel::kafka {

std::uint64_t SegmentBook::open(std::uint64_t slot) {
  Lock lock(mutex_);
  open_.emplace(++last_, Parts{.slot = slot});
  return last_;
}

bool SegmentBook::add(std::uint64_t number) {
  Lock lock(mutex_);
  Parts& parts = open_.at(number);
  if (parts.fate != Fate::kDelivered) return false;
  ++parts.left;
  return true;
}

std::optional<SegmentBook::Whole> SegmentBook::note(std::uint64_t number, Fate fate) {
  Lock lock(mutex_);
  const auto found = open_.find(number);
  Parts& parts = found->second;
  if (parts.fate != Fate::kRefused && fate != Fate::kDelivered) parts.fate = fate;
  if (--parts.left > 0) return std::nullopt;
  const Whole whole{parts.slot, parts.fate};
  open_.erase(found);
  return whole;
}

}  // namespace runnel::kafka
