// Fuzzes the reader of manifests: what is accepted can be written, and reads the same again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/spec/manifest.h"
#include "agent/spec/render.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runnel;
  const auto read = manifest_from_json({reinterpret_cast<const char*>(data), size});
  if (!read) return 0;
  const std::string json = to_json(*read);
  const auto again = manifest_from_json(json);
  if (!again || to_json(*again) != json) __builtin_trap();
  for (const ComponentSpec& spec : read->specs()) {
    if (describe_text(spec).empty() || reference_page(spec).empty()) __builtin_trap();
  }
  return 0;
}
