// AES-256-GCM and HMAC-SHA256, by OpenSSL.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel {

inline constexpr std::size_t kCipherKeyBytes = 32;
inline constexpr std::size_t kCipherNonceBytes = 12;
inline constexpr std::size_t kCipherTagBytes = 16;

std::string hmac_sha256(std::string_view key, std::string_view text);
// Overwrites it, so that no secret stays in memory that is given back.
void wipe(std::string& secret);

// One key. Any thread. The same nonce must never be used for two texts.
class Cipher {
 public:
  // `key`: kCipherKeyBytes.
  explicit Cipher(std::string_view key);
  ~Cipher();
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  // Writes plain.size() + kCipherTagBytes to `into`. `bound` is not written; `open` must be given
  // the same.
  void seal(std::string_view nonce, std::string_view bound, std::string_view plain,
            char* into) const;
  // Writes sealed.size() - kCipherTagBytes to `into`; false: nobody with this key has sealed this.
  bool open(std::string_view nonce, std::string_view bound, std::string_view sealed,
            char* into) const;

 private:
  std::string key_;
  const std::uint64_t number_;  // unlike that of any other in this process
};

}  // namespace runnel
