// A damaged state directory, on the machine's own disk: the ledger opens, carries over what can be
// read, counts the rest, and keeps the damaged file.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/base/log.h"
#include "agent/runtime/batch_codec.h"
#include "agent/runtime/ledger_reader.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"
#include "tests/support/wrapped_disk.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPage = 4096;
constexpr int kEach = 50;    // FlowFiles of a write
constexpr int kWrites = 60;  // rows
constexpr int kAll = kEach * kWrites;

class Salvage {
 public:
  Salvage() {
    path_ = (std::filesystem::temp_directory_path() / "runnel-salvage-XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    set_log_sink([](std::string_view) {});
  }
  ~Salvage() {
    close();
    set_log_sink(nullptr);
    std::filesystem::remove_all(path_);
  }

  void open() {
    LedgerOptions options;
    options.directory = path_;
    options.clock = &clock;
    options.is_driven = true;
    options.on_trouble = on_trouble;
    options.disk = disk;
    auto opened = Ledger::open(std::move(options));
    REQUIRE_MESSAGE(opened.ok(), opened.error().text());
    ledger = std::move(*opened);
    queue = *ledger->attach({.id = "queue", .name = "queue", .count_max = 0});
    source.processor_id = "source";
    source.outlets = {{"success", {queue}}};
    source.line = ledger->open_line();
    owner = std::make_unique<HandOver>(*ledger, source);
  }
  void close() {
    if (!ledger) return;
    ledger->close_line(source.line);
    owner.reset();
    ledger.reset();
  }

  // Fills, in many rows; `size` bytes each that do not compress.
  void fill(std::size_t size = 200) {
    std::uint64_t seed = 1;
    for (int i = 0; i < kAll; i += kEach) {
      SessionCore session(*ledger, source, *owner);
      for (int n = i; n < i + kEach; ++n) {
        std::string content = std::to_string(n) + ";";
        while (content.size() < size) {
          seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
          content += static_cast<char>(seed >> 56);
        }
        session.begin_call();
        const FlowFile flowfile = session.create();
        REQUIRE(session.write(flowfile, content).ok());
        session.transfer(flowfile, Relationship{0});
        REQUIRE(session.end_call().ok());
      }
      session.commit();
      REQUIRE(ledger->flush(1s).ok());
    }
  }

  // One row of five that stand in a segment file.
  void put_large() {
    SessionCore session(*ledger, source, *owner);
    for (int n = 0; n < 5; ++n) {
      session.begin_call();
      const FlowFile flowfile = session.create();
      REQUIRE(session.write(flowfile, std::string(20'000, 'x')).ok());
      session.transfer(flowfile, Relationship{0});
      REQUIRE(session.end_call().ok());
    }
    session.commit();
    REQUIRE(ledger->flush(1s).ok());
  }

  // What can be read, by number; all of it is in memory then.
  std::set<int> found() {
    std::set<int> all;
    for (const auto& parked : ledger->parked()) add(*ledger->find(parked.id), all);
    add(*queue, all);
    return all;
  }

  void check_balanced(std::size_t found_count) {
    const LossFigures loss = ledger->loss();
    CHECK(loss.is_balanced());
    CHECK(loss.queued == found_count);
  }

  std::string database() const { return path_ + "/ledger.db"; }
  const std::string& path() const { return path_; }
  std::size_t quarantined() const {
    const std::string folder = path_ + "/quarantine";
    if (!std::filesystem::exists(folder)) return 0;
    std::size_t count = 0;
    for (const auto& one : std::filesystem::directory_iterator(folder)) {
      CHECK(std::filesystem::exists(one.path() / "ledger.db"));
      ++count;
    }
    return count;
  }

  // The names of files of contents: of those in use, or of those put aside.
  std::set<std::string> contents(const char* folder) const {
    std::set<std::string> names;
    if (!std::filesystem::exists(path_ + folder)) return names;
    for (const auto& one : std::filesystem::recursive_directory_iterator(path_ + folder)) {
      if (one.path().extension() == ".blk") names.insert(one.path().filename());
    }
    return names;
  }

  ManualClock clock;
  Disk* disk = nullptr;
  std::function<void(const std::string&)> on_trouble;
  std::unique_ptr<Ledger> ledger;
  Queue* queue = nullptr;
  Wiring source;
  std::unique_ptr<HandOver> owner;

 private:
  void add(Queue& of, std::set<int>& all) {
    while (true) {
      const Result<bool> more = ledger->page_in_next(of);
      if (more.ok() && !*more) break;
      REQUIRE((more.ok() || more.code() == Code::kCorrupt));
    }
    Lock lock(ledger->mutex());
    of.held();
    of.each([&all](Queue::Position, const FlowRecord& record, bool) {
      std::string content(record.size, '\0');
      const Result<std::size_t> got =
          reader_of(record.content, record.offset, record.size)->read(content);
      REQUIRE(got.ok());
      CHECK(all.insert(std::atoi(content.c_str())).second);
      return true;
    });
  }

  std::string path_;
};

void flip(const std::string& file, std::size_t at, std::size_t count) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(stream.good());
  for (std::size_t i = 0; i < count; ++i) {
    stream.seekg(static_cast<std::streamoff>(at + i));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at + i));
    stream.put(static_cast<char>(~byte));
  }
}

TEST_CASE("whichever page is damaged: the agent starts, keeps what can be read, counts the rest") {
  Salvage first;
  first.open();
  first.fill();
  first.close();
  const auto pages = std::filesystem::file_size(first.database()) / kPage;
  REQUIRE(pages > 100);
  std::size_t salvaged = 0;
  std::size_t kept_least = kAll;
  // The first page is the schema: see below.
  for (std::size_t page = 1; page < pages; page += 9) {
    CAPTURE(page);
    Salvage one;
    std::filesystem::copy(first.path(), one.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    flip(one.database(), page * kPage, 64);
    one.open();
    const std::set<int> found = one.found();
    one.check_balanced(found.size());
    const LossFigures loss = one.ledger->loss();
    // The counters of the newest row are lost with it: those born in that write are known to
    // nobody.
    CHECK(loss.quarantined + found.size() >= kAll - kEach);
    kept_least = std::min(kept_least, found.size());
    // It works on, and the next start finds nothing to repair.
    REQUIRE(one.ledger->flush(1s).ok());
    CHECK(one.ledger->is_healthy());
    CHECK(one.quarantined() <= 1);
    salvaged += one.quarantined();
    one.close();
    one.open();
    CHECK(one.ledger->repaired().empty());
    CHECK(one.found().size() == found.size());
    one.check_balanced(found.size());
  }
  MESSAGE("salvaged ", salvaged, ", least kept ", kept_least, " of ", kAll);
  CHECK(salvaged > 0);
}

TEST_CASE("a truncated database: the agent starts, the file is put aside, figures agree") {
  for (const std::size_t part : {90U, 50U, 10U}) {
    CAPTURE(part);
    Salvage one;
    one.open();
    one.fill();
    one.close();
    const auto size = std::filesystem::file_size(one.database());
    std::filesystem::resize_file(one.database(), size * part / 100 / kPage * kPage);
    one.open();
    const std::set<int> found = one.found();
    CHECK(one.quarantined() == 1);
    CHECK_FALSE(one.ledger->repaired().empty());
    one.check_balanced(found.size());
    MESSAGE("of ", part, " % of the file: ", found.size());
    one.fill();
    CHECK(one.ledger->loss().is_balanced());
  }
}

TEST_CASE("a database without a head, or without a byte: the agent starts") {
  for (const bool is_empty : {false, true}) {
    CAPTURE(is_empty);
    Salvage one;
    one.open();
    one.fill();
    one.close();
    if (is_empty) {
      std::filesystem::resize_file(one.database(), 0);
    } else {
      flip(one.database(), 0, 64);
    }
    one.open();
    CHECK(one.quarantined() == (is_empty ? 0 : 1));
    CHECK(one.found().empty());
    one.check_balanced(0);
    one.fill();
    one.check_balanced(kAll);
  }
}

TEST_CASE("a write-ahead log that ends early: as after a power cut, and nothing is put aside") {
  Salvage one;
  one.open();
  one.fill();
  // As it is while the agent runs.
  const std::string copy = one.path() + "/copy";
  std::filesystem::create_directory(copy);
  for (const char* name : {"ledger.db", "ledger.db-wal"})
    std::filesystem::copy(one.path() + "/" + name, copy + "/" + name);
  one.close();
  const auto size = std::filesystem::file_size(copy + "/ledger.db-wal");
  REQUIRE(size > 100'000);
  std::filesystem::resize_file(copy + "/ledger.db-wal", size / 2 + 777);
  for (const char* name : {"ledger.db", "ledger.db-wal"})
    std::filesystem::rename(copy + "/" + name, one.path() + "/" + name);
  one.open();
  const std::set<int> found = one.found();
  CHECK(found.size() > 0);
  CHECK(found.size() < kAll);
  CHECK(found.size() % kEach == 0);
  CHECK(*found.rbegin() == static_cast<int>(found.size()) - 1);
  CHECK(one.quarantined() == 0);
  one.check_balanced(found.size());
}

// A copy of the directory as a crash leaves it: the rows in the log, the content beside it.
void crash(Salvage& one) {
  namespace fs = std::filesystem;
  one.open();
  one.fill(20'000);
  const fs::path copy = one.path() + "-crashed";
  fs::copy(one.path(), copy, fs::copy_options::recursive);
  one.close();
  for (const auto& each : fs::directory_iterator(one.path())) fs::remove_all(each.path());
  for (const auto& each : fs::directory_iterator(copy))
    fs::rename(each.path(), fs::path(one.path()) / each.path().filename());
  fs::remove(copy);
  REQUIRE(fs::file_size(one.database() + "-wal") > 100'000);
}

TEST_CASE("a database that is gone, or without a byte: what the log beside it holds is all there") {
  for (const bool is_gone : {false, true}) {
    CAPTURE(is_gone);
    Salvage one;
    crash(one);
    if (is_gone) {
      std::filesystem::remove(one.database());
    } else {
      std::filesystem::resize_file(one.database(), 0);
    }
    const auto reader = LedgerReader::open(one.path(), {});
    REQUIRE_MESSAGE(reader.ok(), reader.error().text());
    const auto counts =
        (*reader)->each([](const auto&, const auto&) { return Result<>(); }, [](auto, auto) {});
    REQUIRE(counts.ok());
    CHECK(counts->flowfiles == kAll);
    one.open();
    CHECK(one.found().size() == kAll);
    one.check_balanced(kAll);
  }
}

TEST_CASE(
    "a database that is lost with its log: the content that it named is put aside, and told") {
  Salvage one;
  crash(one);
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(one.path() + "/content"))
    bytes += file.file_size();
  std::filesystem::remove(one.database());
  std::filesystem::remove(one.database() + "-wal");
  one.open();
  CHECK(one.found().empty());
  CHECK(one.ledger->repaired().find(std::to_string(bytes) + " bytes") != std::string::npos);
  std::uintmax_t kept = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(one.path() + "/quarantine"))
    if (file.is_regular_file()) kept += file.file_size();
  CHECK(kept == bytes);
  // What the next crash leaves is told from it.
  one.fill(20'000);
  one.close();
  one.open();
  CHECK(one.found().size() == kAll);
  CHECK(one.ledger->repaired().empty());
}

// Two rows, each with a file of contents of its own; what `damage` says is done to the first.
void damage_first_of_two(Salvage& one, const std::string& damage) {
  for (int i = 0; i < 2; ++i) {
    one.open();
    one.put_large();
    one.close();
  }
  REQUIRE(one.contents("/content").size() == 2);
  auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
  REQUIRE(database
              ->execute("UPDATE batch SET " + damage +
                        " WHERE id = (SELECT min(id) FROM batch WHERE length(body) > 40)")
              .ok());
  REQUIRE(database->changes() == 1);
}

TEST_CASE("content that only rows named which a repair could not carry over is put aside, once") {
  Salvage one;
  damage_first_of_two(one, "head = x'8000'");
  one.open();
  REQUIRE(one.quarantined() == 1);
  CHECK(one.queue->count() == 5);
  CHECK(one.ledger->loss().quarantined == 5);
  CHECK(one.contents("/content") == std::set<std::string>{"2.blk"});
  CHECK(one.contents("/quarantine") == std::set<std::string>{"1.blk"});
  CHECK(one.ledger->repaired().find("bytes of content that no row names any more were put aside") !=
        std::string::npos);
  one.close();
  one.open();
  CHECK(one.ledger->repaired().empty());
  CHECK(one.contents("/quarantine").size() == 1);
  // What a crash leaves is no such thing.
  std::ofstream(one.path() + "/content/77.blk") << "left behind";
  one.close();
  one.open();
  CHECK(one.contents("/quarantine").size() == 1);
  CHECK(one.contents("/content") == std::set<std::string>{"2.blk"});
}

TEST_CASE("content of a row that cannot be read when its turn comes outlives the row") {
  Salvage one;
  std::string told;
  one.on_trouble = [&told](const std::string& text) { told += text + "\n"; };
  damage_first_of_two(one, "body = x'00'");
  one.open();
  CHECK(one.ledger->page_in_next(*one.queue).code() == Code::kCorrupt);
  CHECK(one.contents("/quarantine") == std::set<std::string>{"1.blk"});
  CHECK(told.find("bytes of content that no row names any more were put aside") !=
        std::string::npos);
  REQUIRE(one.ledger->flush(1s).ok());
  REQUIRE(one.ledger->flush(1s).ok());
  CHECK(one.contents("/content") == std::set<std::string>{"2.blk"});
  CHECK(one.contents("/quarantine") == std::set<std::string>{"1.blk"});
  CHECK(one.ledger->loss().quarantined == 5);
}

// With as little free as a test says.
class TightDisk final : public test::WrappedDisk {
 public:
  std::uint64_t left = 0;
  Result<std::uint64_t> free_bytes(const std::string&) override { return left; }
};

TEST_CASE("content of lost rows is not kept where the ledger would have no room to go on") {
  for (const char* const damage : {"head = x'8000'", "body = x'00'"}) {
    CAPTURE(damage);
    Salvage one;
    std::string told;
    one.on_trouble = [&told](const std::string& text) { told += text; };
    damage_first_of_two(one, damage);
    TightDisk disk;
    disk.left = 32 << 20;
    one.disk = &disk;
    one.open();
    static_cast<void>(one.ledger->page_in_next(*one.queue).ok());
    REQUIRE(one.ledger->flush(1s).ok());
    REQUIRE(one.ledger->flush(1s).ok());
    CHECK(one.contents("/content") == std::set<std::string>{"2.blk"});
    CHECK(one.contents("/quarantine").empty());
    CHECK((told + one.ledger->repaired()).find("are lost: the disk has no room to keep them") !=
          std::string::npos);
    one.close();
  }
}

TEST_CASE("a missing segment file: what lies in it is counted as quarantined, the rest is there") {
  Salvage one;
  one.open();
  one.fill(20'000);
  one.close();
  std::vector<std::filesystem::path> segments;
  for (const auto& file : std::filesystem::directory_iterator(one.path() + "/content"))
    segments.push_back(file.path());
  REQUIRE_FALSE(segments.empty());
  std::filesystem::remove(segments.front());
  one.open();
  const std::set<int> found = one.found();
  one.check_balanced(found.size());
  CHECK(one.ledger->loss().quarantined == kAll - found.size());
  CHECK(one.ledger->loss().quarantined > 0);
  one.fill();
  CHECK(one.ledger->loss().is_balanced());
}

TEST_CASE("a head that rots after the start: its FlowFiles are counted as quarantined") {
  Salvage one;
  one.open();
  one.fill();
  one.close();
  one.open();
  {
    BatchHead other;
    other.count = kEach + 1;
    other.positions = {{0, kEach + 1}};
    constexpr std::uint32_t kApplication = 0x524E4C31;  // "RNL1"
    auto database = Database::open(one.database(),
                                   {.application_id = kApplication, .checkpoints_itself = false})
                        .value();
    auto update = database->prepare(
        "UPDATE batch SET head = ? WHERE id = "
        "(SELECT MIN(id) FROM batch WHERE length(body) > 1000)");
    REQUIRE(update.ok());
    REQUIRE(update->bind_blob(1, other.text()).run().ok());
    REQUIRE(database->changes() == 1);
  }
  const std::set<int> found = one.found();
  CHECK(found.size() == kAll - kEach);
  one.check_balanced(found.size());
  CHECK(one.ledger->loss().quarantined == kEach);
}

// One more row, as a hostile database may have it: whole, and in places that the first row's
// FlowFiles have, from the `offset`-th on.
void add_row_in_places_of_the_first(Salvage& one, std::uint64_t offset) {
  auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
  auto find = *database->prepare(
      "SELECT id, queue, head, effects, body, (SELECT MAX(id) FROM batch) FROM batch "
      "WHERE length(body) > 1000 ORDER BY id LIMIT 1");
  REQUIRE(*find.step());
  const auto queue = static_cast<std::uint64_t>(find.integer(1));
  auto head = BatchHead::unseal(find.text(2), static_cast<std::uint64_t>(find.integer(0)), queue,
                                find.text(3), false);
  REQUIRE(head.ok());
  for (PositionRange& range : head->positions) range.first += offset;
  const std::uint64_t row = static_cast<std::uint64_t>(find.integer(5)) + 1;
  const std::string body(find.text(4));
  find.reset();
  auto insert = *database->prepare(
      "INSERT INTO batch(id, queue, head, effects, body) VALUES(?, ?, ?, x'', ?)");
  insert.bind(1, static_cast<std::int64_t>(row)).bind(2, static_cast<std::int64_t>(queue));
  const std::string sealed = head->sealed(row, queue, "");
  REQUIRE(insert.bind_blob(3, sealed).bind_blob(4, body).run().ok());
}

TEST_CASE("rows that claim the same places: one of them is read, the other one is quarantined") {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{kEach - 1}}) {
    CAPTURE(offset);
    Salvage one;
    one.open();
    one.fill();
    one.close();
    add_row_in_places_of_the_first(one, offset);
    one.open();
    const std::set<int> found = one.found();
    // Which of the two is read first is not said; either way nothing of the others is missing.
    CHECK(found.size() >= kAll - kEach);
    one.check_balanced(found.size());
    CHECK(one.ledger->loss().quarantined + found.size() == kAll + kEach);
    one.fill();
    CHECK(one.ledger->loss().is_balanced());
    // It is told once: the row is done.
    REQUIRE(one.ledger->flush(1s).ok());
    one.close();
    one.open();
    CHECK(one.ledger->repaired().empty());
    CHECK(one.ledger->loss().is_balanced());
  }
}

// All of the first row that holds FlowFiles are done: the next write deletes it.
void take_first_row(Salvage& one) {
  Lock lock(one.ledger->mutex());
  one.queue->held();
  std::vector<Queue::Taken> taken;
  REQUIRE(one.queue->take(kEach, one.ledger->now_ms(), taken) == kEach);
  for (const Queue::Taken& each : taken) {
    const FlowRecord record = one.ledger->take_out(*one.queue, each.position);
    one.ledger->count_end(record.epoch, End::kOut);
    release(record);
  }
  one.ledger->settle();
}

// The same, of what an earlier run has left.
void take_first_row_from_disk(Salvage& one) {
  one.close();
  one.open();
  REQUIRE(one.ledger->flush(1s).ok());
  REQUIRE(one.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
  REQUIRE(*one.ledger->page_in_next(*one.queue));
  take_first_row(one);
}

void damage_rows(Salvage& one) {
  for (std::size_t page = 7; page < 60; ++page) flip(one.database(), page * kPage, 64);
}

void damage_table(Salvage& one, const std::string& name) {
  auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
  auto find = *database->prepare("SELECT rootpage FROM sqlite_schema WHERE name = '" + name + "'");
  REQUIRE(*find.step());
  flip(one.database(), (static_cast<std::size_t>(find.integer(0)) - 1) * kPage, 64);
}

// Of the first row that holds FlowFiles all are done, and what it lies on is damaged: the write
// that deletes it finds the damage.
void damage_what_is_deleted_next(Salvage& one) {
  one.fill();
  take_first_row_from_disk(one);
  damage_rows(one);
}

TEST_CASE("while a repair cannot go on nobody reads; what can be read is there when it is done") {
  Salvage one;
  one.open();
  damage_what_is_deleted_next(one);
  std::ofstream(one.path() + "/quarantine").close();  // in the way
  REQUIRE(one.ledger->drive_cut(true));
  CHECK_FALSE(one.ledger->drive_write().ok());
  CHECK(one.ledger->page_in_next(*one.queue).code() == Code::kUnavailable);
  CHECK(one.ledger->provenance_shelf().first_from(0).code() == Code::kUnavailable);
  CHECK(one.queue->count() == kAll - kEach);
  CHECK(one.ledger->loss().quarantined == 0);
  std::filesystem::remove(one.path() + "/quarantine");
  REQUIRE(one.ledger->drive_write().ok());
  CHECK(one.quarantined() == 1);
  const std::set<int> found = one.found();
  CHECK(found.size() > kAll / 2);
  one.check_balanced(found.size());
}

TEST_CASE("content of rows that a repair while running could not carry over outlives them") {
  Salvage one;
  std::string told;
  one.on_trouble = [&told](const std::string& text) { told += text + "\n"; };
  one.open();
  one.fill();
  one.put_large();
  take_first_row_from_disk(one);
  const auto pages = std::filesystem::file_size(one.database()) / kPage;
  for (std::size_t page = 7; page < pages; ++page) flip(one.database(), page * kPage, 64);
  REQUIRE(one.ledger->drive_cut(true));
  REQUIRE(one.ledger->drive_write().ok());
  REQUIRE(one.quarantined() == 1);
  CHECK(one.ledger->loss().quarantined > 0);
  CHECK(one.contents("/quarantine") == std::set<std::string>{"1.blk"});
  CHECK(told.find("were put aside into ") != std::string::npos);
  one.ledger->purge(*one.queue);
  REQUIRE(one.ledger->flush(1s).ok());
  REQUIRE(one.ledger->flush(1s).ok());
  CHECK(one.contents("/content").empty());
  CHECK(one.contents("/quarantine") == std::set<std::string>{"1.blk"});
  one.close();
  one.open();
  CHECK(one.ledger->repaired().empty());
}

TEST_CASE("what memory knows of connections is there again after a repair while running") {
  Salvage one;
  one.open();
  damage_what_is_deleted_next(one);
  damage_table(one, "queue");
  REQUIRE(one.ledger->drive_cut(true));
  REQUIRE(one.ledger->drive_write().ok());
  REQUIRE(one.quarantined() == 1);
  one.close();
  one.open();
  CHECK(one.ledger->parked().empty());
  CHECK(one.queue->count() > kAll / 2);
}

TEST_CASE("FlowFiles in memory and state whose rows cannot be read are written again by a repair") {
  Salvage one;
  one.open();
  one.fill();
  {
    SessionCore session(*one.ledger, one.source, *one.owner);
    session.begin_call();
    session.set_state("offset", "4711");
    session.set_state("gone", "soon");
    REQUIRE(session.end_call().ok());
    session.commit();
    REQUIRE(one.ledger->flush(1s).ok());
  }
  REQUIRE(one.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
  take_first_row(one);
  {
    SessionCore session(*one.ledger, one.source, *one.owner);
    session.begin_call();
    session.remove_state("gone");
    REQUIRE(session.end_call().ok());
    session.commit();
  }
  damage_rows(one);
  damage_table(one, "state");
  REQUIRE(one.ledger->drive_cut(true));
  REQUIRE(one.ledger->drive_write().ok());
  REQUIRE(one.quarantined() == 1);
  CHECK(one.ledger->loss().quarantined == 0);
  // What is on disk now is what a power cut would leave.
  Salvage after;
  for (const char* name : {"/ledger.db", "/ledger.db-wal"}) {
    if (std::filesystem::exists(one.path() + name))
      std::filesystem::copy(one.path() + name, after.path() + name);
  }
  after.open();
  CHECK(after.ledger->repaired().empty());
  CHECK(after.found().size() == kAll - kEach);
  CHECK(after.ledger->loss().quarantined == 0);
  after.check_balanced(kAll - kEach);
  {
    Lock lock(after.ledger->mutex());
    CHECK(after.ledger->state("source", "offset") == "4711");
    CHECK_FALSE(after.ledger->state("source", "gone"));
  }
  CHECK(after.ledger->instance_id() == one.ledger->instance_id());
}

TEST_CASE("contents in segment files outlive a repair at the start") {
  Salvage one;
  one.open();
  one.fill(20'000);
  one.close();
  {
    auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
    REQUIRE(database
                ->execute("UPDATE batch SET head = x'8000' WHERE id = (SELECT max(id) - 5 FROM "
                          "batch WHERE queue <> 0)")
                .ok());
  }
  one.open();
  CHECK(one.quarantined() == 1);
  CHECK(one.found().size() == kAll - kEach);
  CHECK(one.ledger->loss().quarantined == kEach);
  one.check_balanced(kAll - kEach);
}

TEST_CASE("a state directory that is removed while the agent runs: red, and nothing is told safe") {
  Salvage one;
  std::vector<std::string> told;
  one.on_trouble = [&told](const std::string& text) { told.push_back(text); };
  one.open();
  one.fill();
  CHECK(one.ledger->status().is_healthy);
  const std::string away = one.path() + "-away";
  std::filesystem::rename(one.path(), away);
  // Without any traffic, whoever looks sees it.
  CHECK_FALSE(one.ledger->status().is_healthy);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("was removed or replaced while the agent runs") != std::string::npos);
  bool is_safe = false;
  SessionCore session(*one.ledger, one.source, *one.owner);
  session.begin_call();
  session.transfer(session.create(), Relationship{0});
  session.when_safe([&is_safe] { is_safe = true; });
  REQUIRE(session.end_call().ok());
  session.commit();
  CHECK(one.ledger->flush(1s).code() == Code::kUnavailable);
  std::filesystem::create_directory(one.path());  // another one of that name is not ours
  CHECK(one.ledger->flush(1s).code() == Code::kUnavailable);
  one.ledger->drive_notify();
  CHECK_FALSE(is_safe);
  // Put back, it goes on.
  std::filesystem::remove_all(one.path());
  std::filesystem::rename(away, one.path());
  CHECK(one.ledger->flush(1s).ok());
  one.ledger->drive_notify();
  CHECK(is_safe);
  CHECK(one.ledger->status().is_healthy);
}

TEST_CASE("a write of which a repair has carried over a part is written as a whole") {
  Salvage one;
  one.open();
  one.fill();
  Queue* const other = *one.ledger->attach({.id = "other", .name = "other"});
  one.source.outlets = {{"success", {one.queue, other}}};
  {
    SessionCore session(*one.ledger, one.source, *one.owner);
    session.begin_call();
    session.transfer(session.create(), Relationship{0});
    REQUIRE(session.end_call().ok());
    session.commit();
  }
  {
    auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
    REQUIRE(database
                ->execute("INSERT INTO batch(id, queue, head, effects, body) SELECT max(id) + 1, "
                          "0, head, effects, body FROM batch")
                .ok());
  }
  CHECK(one.ledger->flush(1s).ok());
  one.close();
  one.open();
  CHECK(one.queue->count() == kAll + 1);
  CHECK(one.ledger->find("other")->count() == 1);
  CHECK(one.ledger->loss().is_balanced());
}

TEST_CASE("a repair that the power has interrupted is taken up by the next start") {
  Salvage one;
  one.open();
  one.fill();
  one.close();
  const std::string unfinished = one.path() + "/quarantine/unfinished";
  // Just begun; all moved; half of it carried over.
  for (const int step : {0, 1, 2}) {
    CAPTURE(step);
    std::filesystem::create_directories(unfinished);
    if (step > 0) std::filesystem::rename(one.database(), unfinished + "/ledger.db");
    if (step > 1) {
      std::filesystem::copy(unfinished + "/ledger.db", one.database());
      auto database = *Database::open(one.database(), {.application_id = 0x524E4C31});
      REQUIRE(
          database->execute("DELETE FROM batch WHERE id > (SELECT max(id) / 2 FROM batch)").ok());
    }
    one.open();
    CHECK_FALSE(one.ledger->repaired().empty());
    CHECK_FALSE(std::filesystem::exists(unfinished));
    CHECK(one.quarantined() == static_cast<std::size_t>(step) + 1);
    CHECK(one.found().size() == kAll);
    one.check_balanced(kAll);
    CHECK(one.ledger->loss().quarantined == 0);
    one.close();
  }
}

}  // namespace
}  // namespace runnel
