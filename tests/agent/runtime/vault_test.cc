// What of FlowFiles lies on disk, encrypted or not, and comes back.

#include "agent/runtime/vault.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "agent/base/ids.h"
#include "agent/runtime/batch_codec.h"
#include "agent/runtime/ledger_reader.h"
#include "tests/agent/runtime/ledger_rig.h"

namespace runnel {
namespace {

Vault vault_of(const std::string& key, bool seals = true) {
  return {.sealer = Sealer::make({key}), .seals = seals};
}

void write_all(Rig& rig) {
  REQUIRE(rig.ledger->drive_cut(true));
  REQUIRE(rig.ledger->drive_write().ok());
}

bool has_on_disk(Rig& rig, std::string_view text) {
  std::string all;
  for (const char* name : {"/ledger.db", "/ledger.db-wal", "/content/1.blk", "/content/1.enc"}) {
    if (const std::string* bytes = rig.disk.bytes_of(rig.directory() + name)) all += *bytes;
  }
  REQUIRE_FALSE(all.empty());
  return all.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("a sealed body opens in its row only, and damage is told from another key") {
  const std::string key = random_bytes(kCipherKeyBytes);
  const Vault vault = vault_of(key);
  const std::string stored = vault.to_disk("\2abcd", place_of("batch", 1, 2));
  std::string room;
  CHECK(*vault.from_disk(stored, place_of("batch", 1, 2), room) == "\2abcd");
  CHECK(vault.from_disk(stored, place_of("batch", 2, 2), room).code() == Code::kCorrupt);
  CHECK(vault.from_disk(stored, place_of("provenance", 1, 2), room).code() == Code::kCorrupt);
  const Vault other = vault_of(random_bytes(kCipherKeyBytes));
  CHECK(other.from_disk(stored, place_of("batch", 1, 2), room).code() == Code::kInvalid);
  CHECK(Vault{}.from_disk(stored, place_of("batch", 1, 2), room).code() == Code::kInvalid);
  CHECK(check_body(stored).ok());  // it is whole, whoever looks
  for (std::size_t at = 1; at < stored.size(); ++at) {
    std::string damaged = stored;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK(check_body(damaged).code() == Code::kCorrupt);
    CHECK(other.from_disk(damaged, place_of("batch", 1, 2), room).code() == Code::kCorrupt);
  }
}

TEST_CASE("nothing of a FlowFile lies on disk in plain when it is encrypted, small or large") {
  for (const bool seals : {false, true}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{100'000}}) {
      Rig rig(1);
      if (seals) rig.vault = vault_of(random_bytes(kCipherKeyBytes));
      rig.open({});
      rig.give(4711'0815, 4711'0816, nullptr, size);
      write_all(rig);
      CHECK(has_on_disk(rig, "47110815;") == !seals);
      rig.close();
      rig.open({});
      CHECK(rig.take(1) == std::vector<int>{4711'0815});
    }
  }
}

TEST_CASE("encryption is switched on and off between starts, and all that is queued stays") {
  const std::string key = random_bytes(kCipherKeyBytes);
  Rig rig(2);
  for (int life = 0; life < 4; ++life) {
    rig.vault = vault_of(key, life % 2 == 1);
    rig.open({}, 1);
    rig.give(life * 2, life * 2 + 1);
    rig.give(life * 2 + 1, life * 2 + 2, nullptr, 50'000);
    write_all(rig);
    rig.close();
  }
  rig.open({});
  CHECK(rig.take(8) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(rig.ledger->loss().quarantined == 0);
}

TEST_CASE("FlowFiles for whose key nobody knows are neither given out nor quarantined") {
  const std::string key = random_bytes(kCipherKeyBytes);
  Rig rig(3);
  rig.vault = vault_of(key);
  rig.open({});
  rig.give(1, 2);
  write_all(rig);
  rig.close();
  for (const Vault& wrong : {vault_of(random_bytes(kCipherKeyBytes)), Vault{}}) {
    rig.vault = wrong;
    rig.open({});
    CHECK(rig.ledger->page_in(*rig.queue).code() == Code::kInvalid);
    CHECK(rig.ledger->loss().quarantined == 0);
    CHECK(rig.ledger->loss().queued == 1);
    rig.close();
  }
  rig.vault = vault_of(key);
  rig.open({});
  CHECK(rig.take(1) == std::vector<int>{1});
}

TEST_CASE("encrypted blocks of a segment file cannot change places") {
  ForgetfulDisk disk(4);
  REQUIRE(disk.make_directory("state").ok());
  const auto store =
      SegmentStore::open("state/content", disk, 0, vault_of(random_bytes(kCipherKeyBytes))).value();
  const auto place = store->append(std::string(10'000, 'a')).value();
  char byte = 0;
  REQUIRE(place.file->read_at(9'999, &byte, 1).ok());
  CHECK(byte == 'a');
  std::string& bytes = *disk.bytes_of("state/content/1.enc");
  CHECK(bytes.size() == 3 * 4096);
  CHECK(check_segment(disk, "state/content/1.enc", 1)->damaged == 0);
  std::swap_ranges(bytes.begin(), bytes.begin() + 4096, bytes.begin() + 4096);
  CHECK(place.file->read_at(0, &byte, 1).code() == Code::kCorrupt);
  CHECK(check_segment(disk, "state/content/1.enc", 1)->damaged == 2);
}

}  // namespace runnel
