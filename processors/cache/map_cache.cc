// What the processors and the cache do alike with keys and stored values.

#include "processors/cache/map_cache.h"

#include "agent/base/bytes.h"

namespace runnel {

Result<std::string> cache_key(const Text& key, const FlowFile& flowfile) {
  TRY_ASSIGN(text, key.of(flowfile));
  if (trimmed(text).empty()) return invalid("`Cache Entry Identifier` is empty for a FlowFile");
  return text;
}

std::string behind_number(std::uint64_t number, std::string_view text) {
  std::string out;
  out.reserve(kNumberBytes + text.size());
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((number >> shift) & 0xFF);
  return out.append(text);
}

std::uint64_t number_before(std::string_view stored) {
  std::uint64_t number = 0;
  for (const char byte : stored.substr(0, kNumberBytes))
    number = (number << 8) | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace runnel
