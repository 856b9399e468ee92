// Sealer: what becomes of bytes before they are written where others may read them, and back.
//
// What is sealed, in order; numbers little endian:
//
//   data key   8   which one: the first bytes of HMAC-SHA256(key, "runnel data key")
//   salt      16   random, one for each Sealer
//   number     8   counted from 1 by the Sealer
//   hidden     n   AES-256-GCM under HMAC-SHA256(data key, "runnel salt" and the salt), the nonce
//                  being four zeros and the number
//   tag       16
//
// Each Sealer draws a salt, so each life of the program has a key of its own and counts from 1: no
// key meets a nonce twice, not after a crash, nor when the state directory is copied and two agents
// run on from it. (A virtual machine that is put back to a picture of its running memory would.)
// `place` says where the sealed bytes lie; elsewhere they do not open, so nobody can swap them.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/cipher.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"

namespace runnel {

// The name of a key, by which nobody finds the key itself: 8 bytes, shown as hexadecimal.
std::string data_key_id(std::string_view key);

class Sealer {
 public:
  static constexpr std::size_t kHeadBytes = 32;
  static constexpr std::size_t kExtraBytes = kHeadBytes + kCipherTagBytes;  // beyond what it hides

  // The last key seals, all of them open.
  static std::shared_ptr<const Sealer> make(const std::vector<std::string>& data_keys);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // The name of the key that seals.
  std::string_view data_key() const { return std::string_view(head_).substr(0, 8); }
  std::string seal(std::string_view plain, std::string_view place) const;
  // plain.size() + kExtraBytes.
  void seal_into(char* into, std::string_view plain, std::string_view place) const;
  // kInvalid: under a key that is not here; try again with the right one. kCorrupt: this was not
  // sealed here.
  Result<std::string> open(std::string_view sealed, std::string_view place) const;
  // sealed.size() - kExtraBytes.
  Result<> open_into(char* into, std::string_view sealed, std::string_view place) const;

 private:
  Sealer() = default;
  Result<std::shared_ptr<const Cipher>> cipher_of(std::string_view id, std::string_view salt) const;

  std::map<std::string, std::string, std::less<>> keys_;  // by id
  std::string head_;                                      // id and salt of what is sealed here
  std::shared_ptr<const Cipher> own_;
  mutable std::atomic<std::uint64_t> last_number_{0};
  mutable Mutex mutex_;
  // Of what was opened: by id and salt. Few: one for each start whose FlowFiles are still queued.
  mutable std::map<std::string, std::shared_ptr<const Cipher>, std::less<>> ciphers_
      GUARDED_BY(mutex_);
};

}  // namespace runnel
