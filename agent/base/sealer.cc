// Sealing and opening; sealer.h says how the bytes lie.

#include "agent/base/sealer.h"

#include "agent/base/bytes.h"
#include "agent/base/ids.h"

namespace runnel {
namespace {

constexpr std::size_t kIdBytes = 8;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kCiphersMax = 64;  // kept ready

std::string key_of(std::string_view data_key, std::string_view salt) {
  return hmac_sha256(data_key, "runnel salt" + std::string(salt));
}

std::string nonce_of(std::string_view number) {
  std::string nonce(kCipherNonceBytes - kNumberBytes, '\0');
  return nonce += number;
}

}  // namespace

std::string data_key_id(std::string_view key) {
  return hmac_sha256(key, "runnel data key").substr(0, kIdBytes);
}

std::shared_ptr<const Sealer> Sealer::make(const std::vector<std::string>& data_keys) {
  RUNNEL_ASSERT(!data_keys.empty());
  std::shared_ptr<Sealer> sealer(new Sealer());
  for (const std::string& key : data_keys) sealer->keys_.emplace(data_key_id(key), key);
  const std::string salt = random_bytes(kSaltBytes);
  std::string own = key_of(data_keys.back(), salt);
  sealer->own_ = std::make_shared<Cipher>(own);
  wipe(own);
  sealer->head_ = data_key_id(data_keys.back()) + salt;
  Lock lock(sealer->mutex_);
  sealer->ciphers_.emplace(sealer->head_, sealer->own_);
  return sealer;
}

Sealer::~Sealer() {
  for (auto& [id, key] : keys_) wipe(key);
}

void Sealer::seal_into(char* into, std::string_view plain, std::string_view place) const {
  const std::uint64_t number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
  head_.copy(into, head_.size());
  char* const at = into + head_.size();
  for (std::size_t i = 0; i < kNumberBytes; ++i) at[i] = static_cast<char>(number >> (8 * i));
  own_->seal(nonce_of({at, kNumberBytes}), place, plain, into + kHeadBytes);
}

std::string Sealer::seal(std::string_view plain, std::string_view place) const {
  std::string out(plain.size() + kExtraBytes, '\0');
  seal_into(out.data(), plain, place);
  return out;
}

Result<std::shared_ptr<const Cipher>> Sealer::cipher_of(std::string_view id,
                                                        std::string_view salt) const {
  const auto key = keys_.find(id);
  if (key == keys_.end()) {
    return invalid("encrypted under data key " + to_hex(id) +
                   ", which is not among the keys of this state directory");
  }
  const std::string name = std::string(id) + std::string(salt);
  Lock lock(mutex_);
  if (const auto known = ciphers_.find(name); known != ciphers_.end()) return known->second;
  if (ciphers_.size() >= kCiphersMax) ciphers_.clear();
  std::string made = key_of(key->second, salt);
  auto cipher = std::make_shared<const Cipher>(made);
  wipe(made);
  ciphers_.emplace(name, cipher);
  return cipher;
}

Result<> Sealer::open_into(char* into, std::string_view sealed, std::string_view place) const {
  if (sealed.size() < kExtraBytes) return corrupt("these are no encrypted bytes");
  TRY_ASSIGN(cipher, cipher_of(sealed.substr(0, kIdBytes), sealed.substr(kIdBytes, kSaltBytes)));
  const std::string nonce = nonce_of(sealed.substr(kIdBytes + kSaltBytes, kNumberBytes));
  if (!cipher->open(nonce, place, sealed.substr(kHeadBytes), into))
    return corrupt("encrypted bytes were changed, or moved from their place");
  return {};
}

Result<std::string> Sealer::open(std::string_view sealed, std::string_view place) const {
  if (sealed.size() < kExtraBytes) return corrupt("these are no encrypted bytes");
  std::string out(sealed.size() - kExtraBytes, '\0');
  TRY(open_into(out.data(), sealed, place));
  return out;
}

}  // namespace runnel
