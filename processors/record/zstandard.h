// Zstandard's frames (RFC 8878) for processors. zstandard.cc is the door to libzstd.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// Appends what `bytes` come to, as one frame.
void zstandard_to(std::string& out, std::string_view bytes);

// Unpacks frames bit by bit. What a frame looks back on, and so what this holds, is 16 MiB at most.
class ZstandardStream {
 public:
  ZstandardStream();
  ~ZstandardStream();
  ZstandardStream(const ZstandardStream&) = delete;
  ZstandardStream& operator=(const ZstandardStream&) = delete;

  struct Step {
    std::size_t taken = 0;    // of `from`
    std::size_t made = 0;     // into `into`
    bool is_between = false;  // a frame has ended, and no other begun
  };
  // kInvalid: it is no such frame, or it looks back further.
  Result<Step> unpack(std::string_view from, std::span<char> into);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace runnel
