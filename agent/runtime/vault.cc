// Sealing and opening of bodies.

#include "agent/runtime/vault.h"

#include <array>

#include "agent/base/crc32c.h"

namespace runnel {
namespace {

constexpr char kForm = 4;
constexpr std::size_t kPrefix = 5;

std::array<char, 4> sum_of(std::string_view sealed) {
  const std::uint32_t sum = crc32c(sealed);
  std::array<char, 4> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(sum >> (8 * i));
  return out;
}

}  // namespace

bool is_sealed_body(std::string_view stored) { return !stored.empty() && stored[0] == kForm; }

bool has_right_sum(std::string_view stored) {
  if (stored.size() < kPrefix) return false;
  const auto sum = sum_of(stored.substr(kPrefix));
  return stored.substr(1, sum.size()) == std::string_view(sum.data(), sum.size());
}

std::string place_of(std::string_view kind, std::uint64_t number, std::uint64_t second) {
  std::string place(kind);
  place += '\0';
  for (const std::uint64_t one : {number, second}) {
    for (int i = 0; i < 8; ++i) place += static_cast<char>(one >> (8 * i));
  }
  return place;
}

std::string Vault::sealed(std::string_view bytes, std::string_view place) const {
  RUNNEL_ASSERT(sealer != nullptr);
  std::string out(kPrefix + bytes.size() + Sealer::kExtraBytes, '\0');
  sealer->seal_into(out.data() + kPrefix, bytes, place);
  const auto sum = sum_of(std::string_view(out).substr(kPrefix));
  out[0] = kForm;
  out.replace(1, sum.size(), sum.data(), sum.size());
  return out;
}

Result<std::string_view> Vault::from_disk(std::string_view stored, std::string_view place,
                                          std::string& room) const {
  if (!is_sealed_body(stored)) return stored;
  if (!has_right_sum(stored)) return corrupt("encrypted bytes are damaged");
  if (sealer == nullptr) return invalid("these bytes are encrypted, and no key is given");
  TRY_ASSIGN(opened, sealer->open(stored.substr(kPrefix), place));
  room = std::move(opened);
  return std::string_view(room);
}

}  // namespace runnel
