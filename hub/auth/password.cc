// The door to Argon2. Cost: OWASP's first choice for Argon2id (19 MiB, two passes, one lane).

#include "hub/auth/password.h"

#include <argon2.h>
#include <malloc.h>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/base/mutex.h"

namespace runnel::hub {
namespace {

constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kMemoryKib = 19 * 1024;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSalt = 16;
constexpr std::size_t kHash = 32;

Mutex& one_at_a_time() {
  static Mutex mutex;
  return mutex;
}

// Once it has seen a block of 19 MiB freed, glibc takes the next one from the arena of the thread
// that asks, and keeps it there: for 48 threads that makes hundreds of MiB. A threshold that is set
// does not move: such blocks are mapped, and given back when they are freed.
void keep_no_blocks() {
  constexpr int kMapped = 1 << 20;
  static const int is_set = ::mallopt(M_MMAP_THRESHOLD, kMapped);
  static_cast<void>(is_set);
}

}  // namespace

Result<std::string> password_hash(std::string_view password) {
  if (password.size() < kPasswordMin) {
    return invalid("a password needs at least " + std::to_string(kPasswordMin) + " characters");
  }
  if (password.size() > kPasswordMax) return invalid("the password is too long");
  // It comes to the login as JSON: nobody could ever log in with any other.
  if (!is_utf8(password)) return invalid("a password must be UTF-8");
  const std::string salt = random_bytes(kSalt);
  std::string encoded(argon2_encodedlen(kPasses, kMemoryKib, kLanes, kSalt, kHash, Argon2_id),
                      '\0');
  keep_no_blocks();
  Lock lock(one_at_a_time());
  const int code =
      argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(), password.size(),
                            salt.data(), salt.size(), kHash, encoded.data(), encoded.size());
  if (code != ARGON2_OK) return unavailable(std::string("hashing: ") + argon2_error_message(code));
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool password_matches(std::string_view password, const std::string& hash) {
  if (password.size() > kPasswordMax) return false;
  keep_no_blocks();
  Lock lock(one_at_a_time());
  return argon2id_verify(hash.c_str(), password.data(), password.size()) == ARGON2_OK;
}

std::string random_password() {
  constexpr std::string_view kAlphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  std::string password;
  while (password.size() < 20) {
    for (const char byte : random_bytes(32)) {
      // Of 256 values the last ones that would favour some characters are passed over.
      const auto value = static_cast<unsigned char>(byte);
      if (value >= 256 - 256 % kAlphabet.size() || password.size() == 20) continue;
      password += kAlphabet[value % kAlphabet.size()];
    }
  }
  return password;
}

}  // namespace runnel::hub
