// Contents, ropes of them, and the segment files that hold the large ones.

#include "agent/runtime/content.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/support/forgetful_vfs.h"

namespace runnel {
namespace {

std::string text_of(std::mt19937& random, std::size_t size) {
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

std::string read_all(Content* content, std::uint64_t offset, std::uint64_t size,
                     std::size_t at_once) {
  std::string all;
  std::string buffer(at_once, '\0');
  const auto reader = reader_of(content, offset, size);
  while (true) {
    const Result<std::size_t> got = reader->read(buffer);
    REQUIRE(got.ok());
    if (*got == 0) return all;
    all.append(buffer, 0, *got);
  }
}

Content* built(SegmentStore& store, std::string_view bytes) {
  ContentBuilder builder(store);
  REQUIRE(builder.write(bytes).ok());
  Result<Content*> content = builder.finish();
  REQUIRE(content.ok());
  return *content;
}

TEST_CASE("small content stays in memory, larger content goes to a segment file") {
  ForgetfulDisk disk(1);
  std::mt19937 random(1);
  auto store = SegmentStore::open("state/content", disk).value();
  const std::string small = text_of(random, kSmallContentMax);
  const std::string large = text_of(random, kSmallContentMax + 1);
  Content* const in_memory = built(*store, small);
  Content* const on_disk = built(*store, large);
  CHECK(in_memory->is_in_memory());
  CHECK_FALSE(on_disk->is_in_memory());
  CHECK(on_disk->memory_bytes() < 1024);
  CHECK(read_all(in_memory, 0, small.size(), 777) == small);
  CHECK(read_all(on_disk, 0, large.size(), 777) == large);
  CHECK(built(*store, "") == nullptr);
  in_memory->release();
  on_disk->release();
}

TEST_CASE("a last part that would leave most of a block empty stays in memory") {
  ForgetfulDisk disk(1);
  std::mt19937 random(1);
  auto store = SegmentStore::open("state/content", disk).value();
  for (const std::size_t size :
       {std::size_t{32} << 10, std::size_t{1} << 20, std::size_t{20'000}}) {
    const std::uint64_t before = store->written_bytes();
    const std::string text = text_of(random, size);
    Content* const content = built(*store, text);
    CHECK(static_cast<double>(store->written_bytes() - before) <= 1.07 * static_cast<double>(size));
    CHECK(content->memory_bytes() < 4096);
    CHECK(content->size() == size);
    CHECK(read_all(content, 0, size, 5000) == text);
    CHECK(read_all(content, size - 3000, 3000, 777) == text.substr(size - 3000));
    content->release();
  }
}

TEST_CASE("a rope of slices of slices reads as one, and stays flat") {
  ForgetfulDisk disk(2);
  std::mt19937 random(2);
  auto store = SegmentStore::open("state/content", disk).value();
  std::vector<Content*> contents;
  std::vector<std::string> models;
  for (const std::size_t size : {std::size_t{1}, std::size_t{5000}, std::size_t{300'000}}) {
    models.push_back(text_of(random, size));
    contents.push_back(built(*store, models.back()));
  }
  for (int step = 0; step < 30; ++step) {
    std::vector<Content::Slice> slices;
    std::string model;
    for (std::size_t i = 0, n = 1 + random() % 4; i < n; ++i) {
      const std::size_t which = random() % contents.size();
      const std::size_t from = random() % (models[which].size() + 1);
      const std::size_t size =
          std::min<std::size_t>(models[which].size() - from, random() % 100'000);
      slices.push_back({contents[which], from, size});
      model += models[which].substr(from, size);
    }
    Content* const rope = Content::of_slices(slices);
    REQUIRE(rope->size() == model.size());
    REQUIRE(read_all(rope, 0, model.size(), 1 + random() % 70'000) == model);
    const std::size_t from = random() % (model.size() + 1);
    std::string pieces;
    rope->each_piece(from, model.size() - from, [&](const Content::Piece& piece) {
      CHECK((piece.file != nullptr || piece.bytes.size() == piece.size));
      std::string bytes(piece.bytes);
      while (piece.file != nullptr && bytes.size() < piece.size) {
        std::string part(piece.size - bytes.size(), '\0');
        const auto got = piece.file->read_at(piece.offset + bytes.size(), part.data(), part.size());
        REQUIRE(got.ok());
        bytes.append(part, 0, *got);
      }
      pieces += bytes;
    });
    REQUIRE(pieces == model.substr(from));
    contents.push_back(rope);
    models.push_back(model);
  }
  for (Content* const content : contents) content->release();
}

TEST_CASE("a segment file goes when nobody refers to it, and stays when the agent closes") {
  ForgetfulDisk disk(3);
  std::mt19937 random(3);
  {
    auto store = SegmentStore::open("state/content", disk).value();
    const std::string whole(64 << 20, 'x');  // as much as a file takes
    Content* const first = built(*store, whole);
    Content* const second = built(*store, text_of(random, 1 << 20));
    CHECK(disk.exists("state/content/1.blk"));
    CHECK(disk.exists("state/content/2.blk"));
    first->release();
    CHECK_FALSE(disk.exists("state/content/1.blk"));
    REQUIRE(store->sync().ok());
    store->keep_all();
    second->release();
  }
  CHECK(disk.exists("state/content/2.blk"));
  disk.restart();
  auto store = SegmentStore::open("state/content", disk).value();
  CHECK(disk.exists("state/content/2.blk"));
  store->remove_orphans();
  CHECK_FALSE(disk.exists("state/content/2.blk"));
}

TEST_CASE("who only looks at segment files removes none, whatever becomes of what was found") {
  ForgetfulDisk disk(4);
  std::mt19937 random(4);
  {
    auto store = SegmentStore::open("state/content", disk).value();
    Content* const content = built(*store, text_of(random, 1 << 20));
    REQUIRE(store->sync().ok());
    store->keep_all();
    content->release();
  }
  auto store = SegmentStore::open("state/content", disk).value();
  store->keep_found();
  store->find(1).value().reset();
  CHECK(disk.exists("state/content/1.blk"));
}

TEST_CASE("what was synced is there after a power cut") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ForgetfulDisk disk(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const std::string text = text_of(random, 52'000);  // no tail that stays in memory
    {
      auto store = SegmentStore::open("state/content", disk).value();
      Content* const content = built(*store, text);
      REQUIRE(store->sync().ok());
      Content* const later = built(*store, text);
      disk.cut();
      store->keep_all();
      content->release();
      later->release();
    }
    disk.restart();
    auto store = SegmentStore::open("state/content", disk).value();
    auto file = store->find(1);
    REQUIRE(file.ok());
    Content* const content = Content::of_segment({*file, 0}, text.size());
    CHECK(read_all(content, 0, text.size(), 4096) == text);
    store->keep_all();
    content->release();
  }
}

TEST_CASE("what a failed fsync has lost is written again, and is there after a power cut") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    ForgetfulDisk disk(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    auto store = SegmentStore::open("state/content", disk).value();
    const std::string text = text_of(random, 150'000);
    Content* const content = built(*store, text);
    // Of the file, or of its name's directory; once, or again while it is repaired.
    disk.fail_at(1 + seed % 2);
    CHECK_FALSE(store->sync().ok());
    if (seed % 3 == 0) {
      disk.fail_at(1 + seed % 2);
      CHECK_FALSE(store->sync().ok());
    }
    REQUIRE(store->sync().ok());
    disk.cut();
    store->keep_all();
    content->release();
    store.reset();
    disk.restart();
    store = SegmentStore::open("state/content", disk).value();
    Content* const again = Content::of_segment({*store->find(1), 0}, text.size());
    CHECK(read_all(again, 0, text.size(), 4096) == text);
    store->keep_all();
    again->release();
  }
}

TEST_CASE("what cannot be read again after a failed fsync does not count as safe") {
  ForgetfulDisk disk(5);
  std::mt19937 random(5);
  auto store = SegmentStore::open("state/content", disk).value();
  Content* const content = built(*store, text_of(random, 50'000));
  disk.fail_at(1);
  CHECK_FALSE(store->sync().ok());
  disk.damage("state/content/1.blk", 1);
  CHECK_FALSE(store->sync().ok());
  CHECK_FALSE(store->sync().ok());
  content->release();
}

TEST_CASE("a flipped bit, a cut or a block in another's place is found when the block is read") {
  ForgetfulDisk disk(9);
  std::mt19937 random(9);
  const auto store = SegmentStore::open("state/content", disk).value();
  const std::string text = text_of(random, 102'000);  // no tail that stays in memory
  Content* const content = built(*store, text);
  std::string& file = *disk.bytes_of("state/content/1.blk");
  const std::string whole = file;
  REQUIRE(whole.size() == 25 * 4096);
  std::string some(1000, '\0');
  const auto read = [&](std::uint64_t offset) {
    return content->read_at(offset, some.data(), 1000);
  };
  for (int i = 0; i < 300; ++i) {
    const std::size_t at = random() % whole.size();
    file[at] = static_cast<char>(file[at] ^ (1 << (random() % 8)));
    const std::size_t block = at / 4096;
    if (block * 4092 < text.size()) CHECK(read(block * 4092).code() == Code::kCorrupt);
    if (block > 0) CHECK(read((block - 1) * 4092).ok());
    file = whole;
  }
  std::swap_ranges(file.begin(), file.begin() + 4096, file.begin() + 3 * 4096);
  CHECK(read(100).code() == Code::kCorrupt);
  CHECK(read(5000).ok());
  file = whole.substr(0, 10 * 4096 + 7);
  CHECK(read(9 * 4092).ok());
  CHECK(read(10 * 4092).code() == Code::kCorrupt);
  file = whole;
  CHECK(read_all(content, 0, text.size(), 777) == text);
  content->release();
}

TEST_CASE("a segment file of schema 1 is read as it is, and goes like any other") {
  ForgetfulDisk disk(10);
  std::mt19937 random(10);
  const std::string text = text_of(random, 30'000);
  {
    const auto file = disk.make("state/content/7.seg").value();
    REQUIRE(file->write_at(0, text).ok());
  }
  const auto store = SegmentStore::open("state/content", disk).value();
  Content* const content = Content::of_segment({*store->find(7), 10'000}, 20'000);
  store->remove_orphans();
  CHECK(read_all(content, 0, 20'000, 999) == text.substr(10'000));
  Content* const fresh = built(*store, text);
  CHECK(disk.exists("state/content/8.blk"));
  content->release();
  CHECK_FALSE(disk.exists("state/content/7.seg"));
  fresh->release();
}

TEST_CASE("a draft becomes content once, is given out again, and goes when nobody wanted it") {
  ForgetfulDisk disk(6);
  std::mt19937 random(6);
  const auto store = SegmentStore::open("state/content", disk).value();
  const std::string large = text_of(random, 700'000);
  {
    SegmentDraft draft(*store);
    for (std::size_t at = 0; at < large.size(); at += 1000)
      REQUIRE(draft.write(std::string_view(large).substr(at, 1000)).ok());
    CHECK(draft.size() == large.size());
    Content* const first = draft.content().value();
    Content* const again = draft.content().value();
    CHECK(first == again);
    CHECK(!first->is_in_memory());
    first->release();
    CHECK(read_all(again, 0, large.size(), 8192) == large);
    again->release();
  }
  {
    SegmentDraft unused(*store);
    REQUIRE(unused.write(large).ok());
  }
  SegmentDraft empty(*store);
  CHECK(empty.content().value() == nullptr);
}

TEST_CASE("a reader goes back to its front") {
  Content* const content = Content::of_bytes("0123456789");
  const auto reader = reader_of(content, 2, 5);
  content->release();
  std::string some(4, 0);
  REQUIRE(reader->read(some).ok());
  reader->rewind();
  std::string all(9, 0);
  const Result<std::size_t> got = reader->read(all);
  REQUIRE(got.ok());
  CHECK(all.substr(0, *got) == "23456");
}

}  // namespace
}  // namespace runnel
