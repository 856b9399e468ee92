// CRC-32C against the values of RFC 3720, and both ways of computing it against each other.

#include "agent/base/crc32c.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace runnel {
namespace {

TEST_CASE("the sums are those of RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string counting;
  for (char c = 0; c < 32; ++c) counting += c;
  CHECK(crc32c(counting) == 0x46DD794E);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c("") == 0);
}

TEST_CASE("by tables and by instruction, at once and in parts, the sum is the same") {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes(size, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::size_t part = size == 0 ? 0 : random() % size;
    const std::uint32_t whole = crc32c(bytes);
    CHECK(crc32c_by_tables(bytes) == whole);
    CHECK(crc32c(bytes.substr(part), crc32c(bytes.substr(0, part))) == whole);
  }
}

}  // namespace
}  // namespace runnel
