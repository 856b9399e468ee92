// The door to OpenSSL's digests.

#include "agent/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "agent/base/bytes.h"

namespace runnel {

Result<std::string> digest(std::string_view algorithm, std::string_view bytes) {
  const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> method(
      EVP_MD_fetch(nullptr, std::string(algorithm).c_str(), nullptr), EVP_MD_free);
  if (!method) return invalid("unknown digest `" + std::string(algorithm) + "`");
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, method.get(), nullptr) != 1) {
    return invalid("digest `" + std::string(algorithm) + "` failed");
  }
  return std::string(out.begin(), out.begin() + length);
}

std::string sha256_hex(std::string_view bytes) { return to_hex(*digest("SHA256", bytes)); }

std::string sha512_hex(std::string_view bytes) { return to_hex(*digest("SHA512", bytes)); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace runnel
