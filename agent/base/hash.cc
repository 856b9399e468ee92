// The door to OpenSSL's digests, MAC and cipher: what hash.h and cipher.h promise.

#include "agent/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <atomic>
#include <limits>
#include <memory>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"
#include "agent/base/cipher.h"

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

// ---- the cipher

namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// What a thread has used last is ready for use: making the tables of a key costs as much as a
// kilobyte.
struct Ready {
  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context{EVP_CIPHER_CTX_new()};
  std::uint64_t number = 0;
};

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(char* text) { return reinterpret_cast<unsigned char*>(text); }

int size_of(std::string_view text) {
  RUNNEL_ASSERT(text.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(text.size());
}

EVP_CIPHER_CTX* prepare(Ready& ready, std::uint64_t number, const std::string& key,
                        std::string_view nonce, bool seals) {
  RUNNEL_ASSERT(ready.context != nullptr && nonce.size() == kCipherNonceBytes);
  const bool is_ready = ready.number == number;
  const int done =
      EVP_CipherInit_ex(ready.context.get(), is_ready ? nullptr : EVP_aes_256_gcm(), nullptr,
                        is_ready ? nullptr : bytes_of(key), bytes_of(nonce), seals ? 1 : 0);
  RUNNEL_ASSERT(done == 1);
  ready.number = number;
  return ready.context.get();
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), key.data(), size_of(key), bytes_of(text), text.size(), out.data(), &size);
  RUNNEL_ASSERT(made != nullptr);
  return {out.begin(), out.begin() + size};
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

Cipher::Cipher(std::string_view key) : key_(key), number_(next_number()) {
  RUNNEL_ASSERT(key.size() == kCipherKeyBytes);
}

Cipher::~Cipher() { wipe(key_); }

void Cipher::seal(std::string_view nonce, std::string_view bound, std::string_view plain,
                  char* into) const {
  thread_local Ready ready;
  EVP_CIPHER_CTX* const context = prepare(ready, number_, key_, nonce, true);
  int written = 0;
  int rest = 0;
  const bool is_sealed =
      EVP_EncryptUpdate(context, nullptr, &written, bytes_of(bound), size_of(bound)) == 1 &&
      EVP_EncryptUpdate(context, bytes_of(into), &written, bytes_of(plain), size_of(plain)) == 1 &&
      EVP_EncryptFinal_ex(context, bytes_of(into) + written, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, static_cast<int>(kCipherTagBytes),
                          into + plain.size()) == 1;
  RUNNEL_ASSERT(is_sealed);
}

bool Cipher::open(std::string_view nonce, std::string_view bound, std::string_view sealed,
                  char* into) const {
  thread_local Ready ready;
  if (sealed.size() < kCipherTagBytes) return false;
  const std::string_view hidden = sealed.substr(0, sealed.size() - kCipherTagBytes);
  std::string tag(sealed.substr(hidden.size()));
  EVP_CIPHER_CTX* const context = prepare(ready, number_, key_, nonce, false);
  int written = 0;
  int rest = 0;
  return EVP_DecryptUpdate(context, nullptr, &written, bytes_of(bound), size_of(bound)) == 1 &&
         EVP_DecryptUpdate(context, bytes_of(into), &written, bytes_of(hidden), size_of(hidden)) ==
             1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, static_cast<int>(kCipherTagBytes),
                             tag.data()) == 1 &&
         EVP_DecryptFinal_ex(context, bytes_of(into) + written, &rest) == 1;
}

}  // namespace runnel
