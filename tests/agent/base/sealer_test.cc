// Sealing by known answers, in its place only, with nonces that never come twice.

#include "agent/base/sealer.h"

#include <doctest/doctest.h>

#include <set>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"

namespace runnel {
namespace {

std::string opened(const Cipher& cipher, std::string_view nonce, std::string_view bound,
                   std::string_view sealed) {
  std::string out(sealed.size() - kCipherTagBytes, '\0');
  return cipher.open(nonce, bound, sealed, out.data()) ? out : "refused";
}

std::string sealed_by(const Cipher& cipher, std::string_view nonce, std::string_view bound,
                      std::string_view plain) {
  std::string out(plain.size() + kCipherTagBytes, '\0');
  cipher.seal(nonce, bound, plain, out.data());
  return out;
}

}  // namespace

TEST_CASE("AES-256-GCM is what NIST's vectors and the GCM specification's test case 16 say") {
  // gcmEncryptExtIV256: a key with nothing to hide has a tag only.
  const Cipher bare(*from_hex("b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4"));
  CHECK(to_hex(sealed_by(bare, *from_hex("516c33929df5a3284ff463d7"), "", "")) ==
        "bdc1ac884d332457a1d2664f168c76f0");
  const Cipher cipher(
      *from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  const std::string nonce = *from_hex("cafebabefacedbaddecaf888");
  const std::string bound = *from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string plain = *from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b39");
  const std::string sealed = sealed_by(cipher, nonce, bound, plain);
  CHECK(to_hex(sealed) ==
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
        "828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
  CHECK(opened(cipher, nonce, bound, sealed) == plain);
}

TEST_CASE("HMAC-SHA256 is what RFC 4231's second case says") {
  CHECK(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("what is sealed opens in its place only, and no bit of it can be changed") {
  const auto sealer = Sealer::make({random_bytes(kCipherKeyBytes)});
  const std::string sealed = sealer->seal("a secret", "here");
  CHECK(*sealer->open(sealed, "here") == "a secret");
  CHECK(sealer->open(sealed, "there").code() == Code::kCorrupt);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(sealer->open(changed, "here").ok());
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    CHECK_FALSE(sealer->open(std::string_view(sealed).substr(0, size), "here").ok());
}

TEST_CASE("bytes under a key that is not there are told from damaged ones") {
  const std::string first = random_bytes(kCipherKeyBytes);
  const std::string second = random_bytes(kCipherKeyBytes);
  const std::string sealed = Sealer::make({first})->seal("a secret", "here");
  const auto other = Sealer::make({second})->open(sealed, "here");
  CHECK(other.code() == Code::kInvalid);
  CHECK(other.error().text().find(to_hex(data_key_id(first))) != std::string::npos);
  // After a rotation both are there, and the last one seals.
  const auto both = Sealer::make({first, second});
  CHECK(*both->open(sealed, "here") == "a secret");
  CHECK(both->seal("x", "").substr(0, 8) == data_key_id(second));
}

TEST_CASE("no key meets a nonce twice: not within a life, nor in lives that begin from one copy") {
  const std::string key = random_bytes(kCipherKeyBytes);
  std::set<std::string> seen;
  for (int life = 0; life < 50; ++life) {
    const auto sealer = Sealer::make({key});
    for (int i = 0; i < 100; ++i)
      CHECK(seen.insert(sealer->seal("the same", "here").substr(0, Sealer::kHeadBytes)).second);
  }
}

}  // namespace runnel
