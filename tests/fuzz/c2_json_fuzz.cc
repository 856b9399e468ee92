// Any bytes as a heartbeat, an acknowledgement and a hub's answer; what was read is written and
// read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/c2/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runnel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto heartbeat = c2::heartbeat_from_json(text); heartbeat.ok()) {
    const std::string again = c2::to_json(*heartbeat);
    if (!c2::heartbeat_from_json(again).ok()) std::abort();
  }
  if (const auto response = c2::response_from_json(text); response.ok()) {
    if (!c2::response_from_json(c2::to_json(*response)).ok()) std::abort();
  }
  if (const auto acknowledgement = c2::acknowledgement_from_json(text); acknowledgement.ok()) {
    if (!c2::acknowledgement_from_json(c2::to_json(*acknowledgement)).ok()) std::abort();
  }
  return 0;
}
