// AckBook: which acknowledgement belongs to which arrival.

#include "processors/mqtt/ack_book.h"

namespace runnel::mqtt {

void AckBook::arrived(int qos, std::uint16_t id, std::uint64_t number) {
  const Lock lock(mutex_);
  if (qos == 1) {
    qos1_.emplace_back(id, number);
  } else {
    qos2_[id] = number;
  }
}

std::uint64_t AckBook::number_of(PacketType type, std::uint16_t id) {
  const Lock lock(mutex_);
  if (type == PacketType::kPubcomp) {
    const auto found = qos2_.find(id);
    return found == qos2_.end() ? 0 : found->second;
  }
  while (!qos1_.empty()) {
    const auto [first, number] = qos1_.front();
    qos1_.pop_front();
    if (first == id) return number;
  }
  return 0;
}

void AckBook::begin() {
  const Lock lock(mutex_);
  qos1_.clear();
}

void AckBook::safe_through(std::uint64_t number) {
  const Lock lock(mutex_);
  for (auto one = qos2_.begin(); one != qos2_.end();) {
    one = one->second <= number ? qos2_.erase(one) : std::next(one);
  }
}

}  // namespace runnel::mqtt
