// Vault: the one place where the bytes of FlowFiles pass on their way to the disk and back. It
// seals them if the agent is told to, and opens what was sealed by whichever setting wrote it.
//
//   sealed   one byte: 4; the CRC-32C, little endian, of what follows; what Sealer makes of the
//   bytes
//
// No other body begins with 4 (batch_codec.h; zstd's frames begin with 28), so plain rows and
// sealed ones stand side by side. The sum is over what is on disk: damage is told from a wrong key.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/sealer.h"

namespace runnel {

struct Vault {
  std::shared_ptr<const Sealer> sealer = nullptr;  // nullptr: there are no keys
  bool seals = false;                              // what is written from now on; needs a sealer

  // `place`: place_of.
  std::string to_disk(std::string bytes, std::string_view place) const {
    return seals ? sealed(bytes, place) : std::move(bytes);
  }
  // What was given to `to_disk`; `room` holds it if it was sealed. kCorrupt: damaged. kInvalid: it
  // is whole, but not for the keys that there are.
  Result<std::string_view> from_disk(std::string_view stored, std::string_view place,
                                     std::string& room) const;

 private:
  std::string sealed(std::string_view bytes, std::string_view place) const;
};

bool is_sealed_body(std::string_view stored);
// Of sealed ones.
bool has_right_sum(std::string_view stored);
// What a record is bound to.
std::string place_of(std::string_view kind, std::uint64_t number, std::uint64_t second = 0);

}  // namespace runnel
