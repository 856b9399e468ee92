// Descriptor: an open file of the kernel's, closed at the end; and reading one to its end.

#pragma once

#include <unistd.h>

#include <cstddef>
#include <string>

#include "agent/base/result.h"

namespace runnel {

class Descriptor {
 public:
  // Takes it over; negative: there is none.
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

// kUnavailable: what the kernel says, without more words. kFull: there are more than `bytes_max`.
Result<std::string> read_to_end(const Descriptor& from, std::size_t bytes_max);

}  // namespace runnel
