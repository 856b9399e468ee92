// Batches to bytes and back, and bytes that are none.

#include "agent/runtime/batch_codec.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "agent/runtime/attributes.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/varint.h"
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

std::map<std::string, std::string> attributes_of(const FlowRecord& record) {
  std::map<std::string, std::string> all;
  record.attributes->each(
      [&all](std::string_view name, std::string_view value) { all.emplace(name, value); });
  return all;
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
      if (a.attributes != nullptr) CHECK(attributes_of(a) == attributes_of(b));
      CHECK(bytes_of(a) == bytes_of(b));
      release(a);
      release(b);
    }
  }
}

TEST_CASE("rows that are packed in one room are what they are alone, and take its memory again") {
  std::mt19937 random(12);
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  std::vector<std::vector<FlowRecord>> rows;
  std::vector<std::string> alone;
  for (int i = 0; i < 20; ++i) {
    rows.push_back(some_records(random, *store));
    alone.push_back(pack_body(rows.back()));
  }
  {
    const PackingRoom room;
    Scratch own;
    const char* const bytes = PackingRoom::scratch(0, own).take(1 << 20);
    CHECK(own.size == 0);
    for (std::size_t i = 0; i < rows.size(); ++i) CHECK(pack_body(rows[i]) == alone[i]);
    CHECK(PackingRoom::scratch(0, own).bytes.get() == bytes);
  }
  Scratch own;
  CHECK(&PackingRoom::scratch(0, own) == &own);
  for (const auto& row : rows) {
    for (const FlowRecord& record : row) release(record);
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

std::string varints(std::initializer_list<std::uint64_t> all) {
  std::string bytes;
  for (const std::uint64_t number : all) put_varint(bytes, number);
  return bytes;
}

// A plain body of one FlowFile without attributes, of its step in time, its lead and its content.
std::string body_of_one(std::int64_t step_ms, std::uint64_t lead, const std::string& form) {
  std::string body(1, '\0');
  for (const std::string& column :
       {varints({zigzag(7)}), varints({zigzag(step_ms)}), varints({lead}), varints({0}),
        std::string(), std::string(), form, std::string()}) {
    put_varint(body, column.size());
    body += column;
  }
  return body;
}

TEST_CASE("FlowFiles with the same attributes share them again when they are read") {
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  std::vector<FlowRecord> records(3);
  for (FlowRecord& record : records)
    record.attributes = Attributes::with(nullptr, "topic", std::string(1000, 't'));
  records[2].attributes = Attributes::with(records[2].attributes, "topic", "another");
  const std::vector<FlowRecord> again = unpack_body(pack_body(records), 3, *store).value();
  CHECK(again[0].attributes == again[1].attributes);
  CHECK(again[2].attributes->find("topic") == "another");
  release(again[0]);
  CHECK(again[1].attributes->find("topic") == std::string(1000, 't'));
  release(again[1]);
  release(again[2]);
  for (const FlowRecord& record : records) release(record);
}

TEST_CASE("in whatever order attributes were set, they are written in the order of names") {
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  std::vector<FlowRecord> records(3);
  const std::vector<std::vector<std::string>> orders{
      {"b", "a", "c"}, {"b", "a", "c"}, {"c", "b", "a"}};
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (const std::string& name : orders[i])
      records[i].attributes = Attributes::with(records[i].attributes, name, "of " + name);
  }
  const std::vector<FlowRecord> again = unpack_body(pack_body(records), 3, *store).value();
  for (const FlowRecord& record : again) {
    CHECK(Attributes::is_well_formed(record.attributes->packed()));
    CHECK(attributes_of(record) == attributes_of(records[0]));
    release(record);
  }
  for (const FlowRecord& record : records) release(record);
}

TEST_CASE("a time that nobody can have had is damage, and never overflows") {
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  const std::string empty = varints({0, 0});
  CHECK(unpack_body(body_of_one(1'767'225'600'000, 3, empty), 1, *store).ok());
  for (const std::int64_t ms : {INT64_MAX, INT64_MIN, kFurthestMs + 1, -kFurthestMs - 1})
    CHECK(unpack_body(body_of_one(ms, 0, empty), 1, *store).code() == Code::kCorrupt);
  CHECK(unpack_body(body_of_one(0, std::uint64_t{1} << 32, empty), 1, *store).code() ==
        Code::kCorrupt);
  std::string head = varints({1, 1, 1, 0, 0, 0});
  CHECK(BatchHead::parse(head).ok());
  CHECK(BatchHead::parse(head + varints({zigzag(INT64_MAX)})).code() == Code::kCorrupt);
}

TEST_CASE("a place that no segment file has is damage") {
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  const SegmentStore::Place place = store->append("bytes").value();
  const std::uint64_t segment = place.file->number() + 1;
  const auto code_of = [&](std::uint64_t offset, std::uint64_t size) {
    const auto read =
        unpack_body(body_of_one(0, 0, varints({1, 1, segment, offset, size})), 1, *store);
    if (!read.ok()) return read.code();
    std::string bytes(5, '\0');
    const Result<std::size_t> got = reader_of((*read)[0].content, 0, (*read)[0].size)->read(bytes);
    release((*read)[0]);
    return got.ok() ? Code::kNotFound : got.code();  // nobody asks for what can be read
  };
  CHECK(code_of(0, UINT64_MAX) == Code::kCorrupt);
  CHECK(code_of(UINT64_MAX, 5) == Code::kCorrupt);
  CHECK(code_of(1 << 20, 5) == Code::kCorrupt);  // when it is read
  CHECK(code_of(0, 5) == Code::kNotFound);
}

TEST_CASE("positions that wrap around are damage") {
  CHECK(BatchHead::parse(varints({2, 0, 1, 5, 1, 0})).ok());
  CHECK(BatchHead::parse(varints({2, 0, 1, UINT64_MAX, 1, 0})).code() == Code::kCorrupt);
  CHECK(BatchHead::parse(varints({2, 0, 2, 5, 0, UINT64_MAX - 5, 0, 0})).code() == Code::kCorrupt);
  const std::string counters = varints({0, 0, 0, 0, 0, 0, 0});
  CHECK(BatchEffects::parse(counters + varints({1, 9, 1, 0, 3})).ok());
  CHECK(BatchEffects::parse(counters + varints({1, 9, 1, UINT64_MAX - 1, 3})).code() ==
        Code::kCorrupt);
}

TEST_CASE("what is promised is not believed: no room is taken for more than the bytes can hold") {
  ForgetfulDisk disk(1);
  auto store = SegmentStore::open("state/content", disk).value();
  const std::string one = body_of_one(0, 0, varints({0, 0}));
  const Result<std::vector<FlowRecord>> many = unpack_body(one, 1 << 24, *store);
  CHECK(many.code() == Code::kCorrupt);
  // A frame of zstd: magic number, a size of 8 bytes in a single segment, one empty last block.
  std::string frame("\x28\xB5\x2F\xFD\xE0", 5);
  for (unsigned shift = 0; shift < 64; shift += 8)
    frame += static_cast<char>((std::uint64_t{1} << 29) >> shift);
  frame += std::string("\x01\x00\x00", 3);
  const Result<std::string> refused = decompress(frame, std::size_t{1} << 30);
  REQUIRE(refused.code() == Code::kCorrupt);
  CHECK(refused.error().text().find("too many come out") != std::string::npos);
  const std::string alike(64 << 20, 'a');  // packs as tightly as anything does
  CHECK(decompress(compress(alike), alike.size()).value() == alike);
}

}  // namespace
}  // namespace runnel
