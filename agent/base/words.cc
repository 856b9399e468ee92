// Sentences about sizes, as words.h says.

#include "agent/base/words.h"

#include <fmt/core.h>

#include "agent/base/bytes.h"

namespace runnel {

std::string unknown_command(std::string_view word, const std::vector<std::string>& known) {
  const std::string_view near = nearest(word, known);
  return fmt::format(
      "there is no command `{}`; {}", word,
      near.empty() ? std::string("--help lists them") : fmt::format("did you mean `{}`?", near));
}

std::string too_long_text(std::uint64_t bytes, std::uint64_t bytes_max) {
  // A tenth above the limit is the least that sizes of any unit show.
  const bool is_near = bytes - bytes_max < bytes_max / 10;
  return is_near ? fmt::format("{} bytes long; the most is {}", bytes, bytes_max)
                 : size_text(bytes) + " long; the most is " + size_text(bytes_max);
}

}  // namespace runnel
