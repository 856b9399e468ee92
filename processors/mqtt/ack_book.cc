// AckBook: which acknowledgement belongs to which arrival.

#include "processors/mqtt/ack_book.h"

namespace runnel::mqtt {

void AckBook::arrived(std::uint16_t id, std::uint64_t number) {
  const Lock lock(mutex_);
  arrived_.emplace_back(id, number);
}

std::uint64_t AckBook::number_of(std::uint16_t id) {
  const Lock lock(mutex_);
  while (!arrived_.empty()) {
    const auto [first, number] = arrived_.front();
    arrived_.pop_front();
    if (first == id) return number;
  }
  return 0;
}

void AckBook::begin() {
  const Lock lock(mutex_);
  arrived_.clear();
}

}  // namespace runnel::mqtt
