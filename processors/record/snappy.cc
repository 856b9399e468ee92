// The door to libsnappy.

#include "processors/record/snappy.h"

#include <snappy-c.h>

#include "agent/base/assert.h"

namespace runnel {

void snappy_to(std::string& out, std::string_view bytes) {
  const std::size_t before = out.size();
  std::size_t size = snappy_max_compressed_length(bytes.size());
  out.resize(before + size);
  const snappy_status made =
      snappy_compress(bytes.data(), bytes.size(), out.data() + before, &size);
  RUNNEL_ASSERT(made == SNAPPY_OK);
  out.resize(before + size);
}

Result<std::string> unsnappy(std::string_view bytes, std::size_t size_max) {
  std::size_t size = 0;
  if (snappy_uncompressed_length(bytes.data(), bytes.size(), &size) != SNAPPY_OK)
    return invalid("the compressed bytes are no Snappy");
  if (size > size_max) {
    return invalid("the compressed bytes come to " + std::to_string(size) + " bytes; " +
                   std::to_string(size_max) + " are the most");
  }
  // Before there is room for what they only claim.
  if (snappy_validate_compressed_buffer(bytes.data(), bytes.size()) != SNAPPY_OK)
    return invalid("the compressed bytes are no Snappy");
  std::string out(size, '\0');
  if (snappy_uncompress(bytes.data(), bytes.size(), out.data(), &size) != SNAPPY_OK)
    return invalid("the compressed bytes are no Snappy");
  return out;
}

}  // namespace runnel
