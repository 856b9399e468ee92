// Batches to bytes and back, and bytes that are none.

#include "agent/runtime/batch_codec.h"

#include <doctest/doctest.h>

#include <random>

#include "agent/runtime/attributes.h"
#include "tests/support/forgetful_vfs.h"

namespace runnel {
namespace {

std::string bytes_of(const FlowRecord& record) {
  std::string bytes(record.size, '\0');
  const Result<std::size_t> got =
      reader_of(record.content, record.offset, record.size)->read(bytes);
  REQUIRE(got.ok());
  REQUIRE(*got == record.size);
  return bytes;
}

std::vector<FlowRecord> some_records(std::mt19937& random, SegmentStore& store) {
  std::vector<FlowRecord> records;
  for (std::size_t i = 0, n = 1 + random() % 60; i < n; ++i) {
    FlowRecord& record = records.emplace_back();
    record.id = (std::uint64_t{1} << 40) + i * (random() % 3 + 1);
    record.entry_ms = 1'767'225'600'000 + static_cast<std::int64_t>(random() % 1000);
    record.lineage_lead_ms = static_cast<std::uint32_t>(random() % 3);
    for (std::size_t a = random() % 4; a > 0; --a) {
      record.attributes =
          Attributes::with(record.attributes, "name" + std::to_string(random() % 5),
                           std::string(random() % 3, static_cast<char>('a' + random() % 2)));
    }
    ContentBuilder builder(store);
    const std::size_t size = random() % 8 == 0 ? 20'000 : random() % 300;
    REQUIRE(builder.write(std::string(size, static_cast<char>('a' + random() % 26))).ok());
    record.content = *builder.finish();
    record.size = size;
    if (record.content != nullptr && random() % 3 == 0) {
      record.offset = random() % size;
      record.size = size - record.offset;
    }
  }
  return records;
}

TEST_CASE("what is packed into a batch comes out of it") {
  std::mt19937 random(11);
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  for (int round = 0; round < 60; ++round) {
    const std::vector<FlowRecord> records = some_records(random, *store);
    const std::string body = pack_body(records);
    const Result<std::vector<FlowRecord>> again = unpack_body(body, records.size(), *store);
    REQUIRE(again.ok());
    REQUIRE(again->size() == records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      const FlowRecord& a = records[i];
      const FlowRecord& b = (*again)[i];
      CHECK(a.id == b.id);
      CHECK(a.entry_ms == b.entry_ms);
      CHECK(a.lineage_lead_ms == b.lineage_lead_ms);
      CHECK((a.attributes == nullptr) == (b.attributes == nullptr));
      if (a.attributes != nullptr) CHECK(a.attributes->packed() == b.attributes->packed());
      CHECK(bytes_of(a) == bytes_of(b));
      release(a);
      release(b);
    }
  }
}

TEST_CASE("damaged bytes are refused, whatever they are") {
  std::mt19937 random(12);
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  for (int round = 0; round < 40; ++round) {
    const std::vector<FlowRecord> records = some_records(random, *store);
    const std::string body = pack_body(records);
    for (int damage = 0; damage < 50; ++damage) {
      std::string bad = body;
      if (random() % 2 == 0) {
        bad.resize(random() % bad.size());
      } else {
        const std::size_t at = random() % bad.size();
        bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1 + random() % 255));
      }
      const Result<std::vector<FlowRecord>> again = unpack_body(bad, records.size(), *store);
      if (again.ok()) {
        for (const FlowRecord& record : *again) release(record);
      }
    }
    for (const FlowRecord& record : records) release(record);
  }
}

}  // namespace
}  // namespace runnel
