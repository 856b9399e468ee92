// DEFLATE without a head (RFC 1951), as Avro's codec has it, and the CRC-32 of IEEE 802.3.
// deflate.cc is the door to zlib.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// Appends what `bytes` come to.
void deflate_to(std::string& out, std::string_view bytes);

std::uint32_t crc32_of(std::string_view bytes);

// Inflates a stream bit by bit.
class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Begins a new stream.
  void restart();
  struct Step {
    std::size_t taken = 0;  // of `from`
    std::size_t made = 0;   // into `into`
    bool is_end = false;    // of the stream
  };
  // kInvalid: it is no such stream.
  Result<Step> inflate(std::string_view from, std::span<char> into);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace runnel
