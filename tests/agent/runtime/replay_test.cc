// Replay: what has ended is queued once more, where it stood; what cannot be is named.

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "agent/runtime/attributes.h"
#include "tests/agent/runtime/stage.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

FlowBuilder three_hops() {
  return std::move(FlowBuilder()
                       .processor("source", "TestSource")
                       .processor("pass", "TestPass")
                       .processor("sink", "TestSink")
                       .connect("source", "pass")
                       .connect("pass", "sink"));
}

DrivenEngine with_archive(std::uint64_t bytes = 10 << 20) {
  return DrivenEngine([bytes](EngineOptions& options) { options.archive.bytes_max = bytes; });
}

ReplayRequest of(std::uint64_t flowfile) {
  ReplayRequest request;
  request.flowfile = flowfile;
  return request;
}

ReplayRequest between(std::int64_t from_ms, std::int64_t to_ms, const std::string& component = {}) {
  ReplayRequest request;
  request.from_ms = from_ms;
  request.to_ms = to_ms;
  request.component = component;
  return request;
}

ReplayRequest everything() { return between(0, INT64_MAX); }

ReplayAnswer replayed(DrivenEngine& engine, const ReplayRequest& request) {
  auto answer = engine->replay(request);
  REQUIRE_MESSAGE(answer.ok(), answer.error().text());
  return std::move(answer).value();
}

std::vector<ProvenanceEvent> events_of(DrivenEngine& engine, ProvenanceKind kind) {
  ProvenanceQuery query;
  query.kind = kind;
  query.limit = 1000;
  auto answer = engine->provenance(query);
  REQUIRE(answer.ok());
  return std::move(answer->events);
}

// The FlowFile that the source made last.
std::uint64_t last_made(DrivenEngine& engine) {
  return events_of(engine, ProvenanceKind::kCreate).at(0).flowfiles.back().second;
}

TEST_CASE("a FlowFile is replayed as it stood in its last connection, as a new one with a parent") {
  clear_roles();
  DrivenEngine engine = with_archive();
  role("source").to_make = 3;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const std::uint64_t id = last_made(engine);
  REQUIRE(role("sink").all() == std::vector<std::string>{"1", "2", "3"});
  for (int life = 0; life < 2; ++life) {
    const ReplayAnswer answer = replayed(engine, of(id));
    REQUIRE(answer.replayed.size() == 1);
    CHECK(answer.refused.empty());
    CHECK(answer.replayed[0].flowfile == id);
    CHECK(answer.replayed[0].replayed_as > id);
    CHECK(answer.replayed[0].connection == "pass -> sink");
    engine.run();
    CHECK(role("sink").all().back() == "3");
    CHECK(role("pass").seen == 3);  // it goes on from where it stood, not from the start
    const auto lineage = engine->lineage(answer.replayed[0].replayed_as);
    REQUIRE(lineage.ok());
    REQUIRE(!lineage->ancestry.empty());
    CHECK(lineage->ancestry[0].kind == ProvenanceKind::kReplay);
    CHECK(lineage->ancestry[0].parent == id);
    CHECK(lineage->ancestry[0].component == "pass -> sink");
    engine.check_balanced();
    if (life == 0) {
      // The archive lasts longer than the agent's life.
      engine.reopen();
      REQUIRE(engine->start(three_hops().build()).ok());
      engine.run();
    }
  }
  CHECK(role("sink").all().size() == 5);
  CHECK(engine->status().loss.in == 5);
}

TEST_CASE("a dry run says what would be replayed and changes nothing") {
  clear_roles();
  DrivenEngine engine = with_archive();
  role("source").to_make = 3;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const LossFigures before = engine->status().loss;
  ReplayRequest request = everything();
  request.is_dry_run = true;
  const ReplayAnswer answer = replayed(engine, request);
  CHECK(answer.replayed_count == 3);
  REQUIRE(answer.replayed.size() == 3);
  CHECK(answer.replayed[0].replayed_as == 0);
  engine.run();
  CHECK(role("sink").all().size() == 3);
  CHECK(engine->status().loss.in == before.in);
  CHECK(events_of(engine, ProvenanceKind::kReplay).empty());
}

TEST_CASE("all that ended in a span of time at one component is replayed, and nothing else") {
  clear_roles();
  DrivenEngine engine = with_archive();
  REQUIRE(engine->start(three_hops().build()).ok());
  std::vector<std::int64_t> times;
  for (int i = 0; i < 3; ++i) {
    role("source").to_make = 10;
    role("source").wake();
    engine.run();
    times.push_back(engine.clock.wall_ms());
    engine.clock.advance(1min);
  }
  REQUIRE(role("sink").all().size() == 30);
  CHECK(replayed(engine, between(times[1], times[1], "pass")).replayed_count == 0);
  const ReplayAnswer answer = replayed(engine, between(times[1], times[1], "sink"));
  CHECK(answer.replayed_count == 10);
  engine.run();
  const std::vector<std::string> seen = role("sink").all();
  REQUIRE(seen.size() == 40);
  for (std::size_t i = 0; i < 10; ++i) CHECK(seen[30 + i] == std::to_string(11 + i));
  engine.check_balanced();
}

TEST_CASE("what a replay has queued itself, and is gone before it is over, is no part of it") {
  clear_roles();
  const TemporaryDirectory directory;
  EngineOptions options;
  options.state_dir = directory.path;
  options.types = stage_types();
  options.workers = 2;
  options.archive.bytes_max = 100 << 20;
  auto engine = EngineCore::open(std::move(options)).value();
  constexpr int kMade = 20'000;
  role("source").to_make = kMade;
  REQUIRE(engine->start(three_hops().build()).ok());
  role("sink").wait_for_seen(kMade);
  const auto answer = engine->replay(everything());
  REQUIRE(answer.ok());
  CHECK(answer->replayed_count <= kMade);  // what has just ended may not be in the archive yet
  CHECK(answer->replayed_count + answer->refused_count <= kMade);
  role("sink").wait_for_seen(kMade + static_cast<int>(answer->replayed_count));
  CHECK(engine->stop(10s).ok());
  CHECK(engine->status().loss.in == kMade + answer->replayed_count);
}

TEST_CASE("what is not held is named with its reason: no archive, too large, unknown, not ended") {
  clear_roles();
  DrivenEngine engine;
  role("source").to_make = 2;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const std::uint64_t id = last_made(engine);
  ReplayAnswer answer = replayed(engine, of(id));
  CHECK(answer.replayed_count == 0);
  REQUIRE(answer.refused.size() == 1);
  CHECK(answer.refused[0].reason.find("no archive is kept") != std::string::npos);
  answer = replayed(engine, everything());
  CHECK(answer.refused_count == 2);
  REQUIRE(answer.refused.size() == 1);  // as a range
  CHECK(answer.refused[0].last == id);
  answer = replayed(engine, of(99'999));
  CHECK(answer.refused.at(0).reason == "nothing is known of it");
  REQUIRE(engine->stop_processor("sink").ok());
  role("source").to_make = 1;
  role("source").wake();
  engine.run();
  answer = replayed(engine, of(last_made(engine)));
  CHECK(answer.refused.at(0).reason.find("has not ended yet") != std::string::npos);
  CHECK(engine->replay({}).code() == Code::kInvalid);
}

TEST_CASE("a FlowFile whose connection is gone is not replayed, and the connection is named") {
  clear_roles();
  DrivenEngine engine = with_archive();
  role("source").to_make = 1;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  const std::uint64_t id = last_made(engine);
  REQUIRE(engine
              ->update(FlowBuilder()
                           .processor("source", "TestSource")
                           .processor("sink", "TestSink")
                           .connect("source", "sink")
                           .build())
              .ok());
  const ReplayAnswer answer = replayed(engine, of(id));
  CHECK(answer.replayed_count == 0);
  REQUIRE(answer.refused.size() == 1);
  CHECK(answer.refused[0].reason ==
        "the connection `pass -> sink` where it stood is no longer in the flow");
  engine.check_balanced();
}

TEST_CASE("a connection that is full takes no more replayed FlowFiles, and those left are named") {
  clear_roles();
  DrivenEngine engine = with_archive();
  FlowBuilder builder = std::move(FlowBuilder()
                                      .processor("source", "TestSource")
                                      .processor("sink", "TestSink")
                                      .connect("source", "sink", [](Connection& connection) {
                                        connection.back_pressure.count = 4;
                                      }));
  REQUIRE(engine->start(builder.build()).ok());
  for (int i = 0; i < 10; ++i) {
    role("source").to_make = 1;
    role("source").wake();
    engine.run();
  }
  REQUIRE(role("sink").all().size() == 10);
  REQUIRE(engine->stop_processor("sink").ok());
  const ReplayAnswer answer = replayed(engine, everything());
  CHECK(answer.replayed_count == 4);
  CHECK(answer.refused_count == 6);
  CHECK(answer.refused.at(0).reason == "the connection `source -> sink` is full");
  CHECK(engine.connection("source -> sink").count == 4);
  engine.check_balanced();
}

// ---- the archive by itself

struct Shelf {
  TemporaryDirectory directory;
  ManualClock clock;
  std::unique_ptr<SegmentStore> segments = SegmentStore::open(directory.path).value();
  ReplayArchive::Options options;
  std::unique_ptr<ReplayArchive> archive;

  explicit Shelf(std::uint64_t bytes_max = 10 << 20) {
    options.bytes_max = bytes_max;
    options.state_dir = directory.path;
    options.is_driven = true;
    open();
  }
  void open() {
    archive.reset();
    auto opened = ReplayArchive::open(options, *segments, clock);
    REQUIRE(opened.ok());
    archive = std::move(opened).value();
  }
  void keep(std::uint64_t id, const std::string& content) {
    FlowRecord record;
    record.id = id;
    record.size = content.size();
    record.content = content.empty() ? nullptr : Content::of_bytes(content);
    record.attributes = Attributes::with(nullptr, "name", "n" + std::to_string(id));
    std::vector<ReplayArchive::Ended> ended{{"queue", clock.wall_ms(), record}};
    archive->keep(ended);
    CHECK(ended.empty());
  }
  // Content and attribute of the FlowFile; empty: it is not held.
  std::string find(std::uint64_t id) {
    std::string found;
    archive->each({.flowfile = id}, [&](ReplayArchive::Ended one) {
      std::string bytes(one.record.size, '\0');
      if (one.record.size > 0)
        CHECK(one.record.content->read_at(one.record.offset, bytes.data(), bytes.size())
                  .value_or(0) == bytes.size());
      found = bytes + "/" + std::string(one.record.attributes->find("name").value_or(""));
      CHECK(one.queue_id == "queue");
      release(one.record);
      return true;
    });
    return found;
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path + "/archive"))
      all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
  }
};

std::string noise(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 2654435761 + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

TEST_CASE("the archive gives back what it holds, from memory and from its files") {
  Shelf shelf;
  const std::string large = noise(1, 100'000);
  shelf.keep(1, "one");
  shelf.keep(2, large);
  shelf.keep(3, "");
  for (int round = 0; round < 3; ++round) {
    CHECK(shelf.find(1) == "one/n1");
    CHECK(shelf.find(2) == large + "/n2");
    CHECK(shelf.find(3) == "/n3");
    CHECK(shelf.find(4).empty());
    if (round == 0) shelf.archive->flush();
    if (round == 1) shelf.open();
  }
}

TEST_CASE("the archive is bounded by size and age, and leaves out what is too large") {
  Shelf shelf(3 << 20);
  for (std::uint64_t id = 1; id <= 100; ++id) shelf.keep(id, noise(id, 100'000));
  shelf.archive->flush();
  CHECK(shelf.archive->bytes() <= (3 << 20));
  CHECK(shelf.archive->bytes() > (1 << 20));
  CHECK(shelf.find(1).empty());
  CHECK(!shelf.find(100).empty());
  std::uint64_t on_disk = 0;
  for (const auto& file : shelf.files()) on_disk += std::filesystem::file_size(file);
  CHECK(on_disk == shelf.archive->bytes());
  shelf.keep(101, std::string(ReplayArchive::kContentMax + 1, 'x'));
  CHECK(shelf.archive->too_large_count() == 1);
  CHECK(shelf.find(101).empty());
  shelf.clock.advance(24h * 8);
  shelf.keep(102, "new");
  shelf.archive->flush();
  CHECK(shelf.find(100).empty());
  CHECK(shelf.find(102) == "new/n102");
}

TEST_CASE(
    "a file whose end was lost in a crash is used up to there; one that is damage is put aside") {
  Shelf shelf;
  for (std::uint64_t id = 1; id <= 9; ++id) {
    shelf.keep(id, noise(id, 5'000));
    shelf.archive->flush();         // a block for each
    if (id % 3 == 0) shelf.open();  // a file for each life
  }
  auto files = shelf.files();
  REQUIRE(files.size() == 3);
  shelf.archive.reset();
  std::filesystem::resize_file(files[1], std::filesystem::file_size(files[1]) - 100);
  std::ofstream(files[0], std::ios::binary | std::ios::trunc) << "no archive at all, but long "
                                                                 "enough to be taken for one, sure";
  {
    std::fstream file(files[2], std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(300);
    file << "damage";
  }
  shelf.open();
  CHECK(shelf.archive->files_put_aside() == 1);
  CHECK(shelf.files().size() == 2);
  CHECK(std::filesystem::exists(shelf.directory.path + "/quarantine"));
  for (const std::uint64_t id : {1U, 2U, 3U, 6U, 7U}) CHECK(shelf.find(id).empty());
  for (const std::uint64_t id : {4U, 5U, 8U, 9U}) CHECK(!shelf.find(id).empty());
  shelf.keep(20, "goes on");
  shelf.archive->flush();
  shelf.open();
  CHECK(shelf.find(20) == "goes on/n20");
}

TEST_CASE("an engine starts with a damaged archive, and says so") {
  clear_roles();
  DrivenEngine engine = with_archive();
  role("source").to_make = 1;
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.run();
  engine.engine.reset();
  for (const auto& entry : std::filesystem::directory_iterator(engine.directory.path + "/archive"))
    std::ofstream(entry.path(), std::ios::binary | std::ios::trunc) << std::string(200, 'x');
  engine.open();
  const std::vector<Bulletin> bulletins = engine->bulletins(0);
  CHECK(std::any_of(bulletins.begin(), bulletins.end(), [](const Bulletin& one) {
    return one.text.find("1 files of the replay archive") != std::string::npos;
  }));
  REQUIRE(engine->start(three_hops().build()).ok());
  engine.check_balanced();
}

}  // namespace
}  // namespace runnel
