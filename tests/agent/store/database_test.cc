// SQLite behind its door.

#include "agent/store/database.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace runnel {
namespace {

// A directory of the test's own, removed with what is in it.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/runnel_store_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() {
    for (const char* end : {"", "-wal", "-shm"}) std::remove((file() + end).c_str());
    rmdir(path_.c_str());
  }
  std::string file() const { return path_ + "/test.db"; }

 private:
  std::string path_;
};

constexpr std::array<Migration, 2> kTwo{
    {{1, "0001_item", "CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"},
     {2, "0002_note", "ALTER TABLE item ADD COLUMN note TEXT;"}}};
const DatabaseOptions kOurs{.application_id = 77};

}  // namespace

TEST_CASE("what was committed is there when the database is opened again") {
  const Folder folder;
  {
    auto database = std::move(*Database::open(folder.file(), kOurs));
    REQUIRE(database->migrate(kTwo).ok());
    auto insert = std::move(*database->prepare("INSERT INTO item(body, note) VALUES(?, ?)"));
    REQUIRE(insert.bind_blob(1, std::string_view("a\0b", 3)).bind_null(2).run().ok());
    REQUIRE(insert.bind_blob(1, "").bind_text(2, "empty").run().ok());
    CHECK(database->last_rowid() == 2);
  }
  auto database = std::move(*Database::open(folder.file(), kOurs));
  REQUIRE(database->migrate(kTwo).ok());
  auto select = std::move(*database->prepare("SELECT body, note FROM item ORDER BY id"));
  REQUIRE(*select.step());
  CHECK(select.text(0) == std::string_view("a\0b", 3));
  CHECK(select.is_null(1));
  REQUIRE(*select.step());
  CHECK(select.text(1) == "empty");
  CHECK_FALSE(*select.step());
}

TEST_CASE("a transaction that is not committed leaves nothing") {
  const Folder folder;
  auto database = std::move(*Database::open(folder.file(), kOurs));
  REQUIRE(database->migrate(kTwo).ok());
  {
    auto transaction = std::move(*Transaction::begin(*database));
    REQUIRE(database->execute("INSERT INTO item(body) VALUES(x'00')").ok());
  }
  auto count = std::move(*database->prepare("SELECT count(*) FROM item"));
  REQUIRE(*count.step());
  CHECK(count.integer(0) == 0);
}

TEST_CASE("a newer schema and another application's database are refused with the reason") {
  const Folder folder;
  {
    auto database = std::move(*Database::open(folder.file(), kOurs));
    REQUIRE(database->migrate(kTwo).ok());
    const Result<> older = database->migrate(std::span(kTwo).first(1));
    CHECK(older.code() == Code::kInvalid);
    CHECK(older.error().text().find("newer version") != std::string::npos);
  }
  const auto other = Database::open(folder.file(), {.application_id = 78});
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().text().find("another application") != std::string::npos);
}

TEST_CASE("a database and its log are for their owner's eyes alone") {
  namespace fs = std::filesystem;
  const Folder folder;
  const auto database = std::move(*Database::open(folder.file(), kOurs));
  REQUIRE(database->migrate(kTwo).ok());
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const fs::perms mode = fs::status(folder.file() + suffix).permissions();
    CHECK_MESSAGE((mode & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none,
                  suffix);
  }
}

TEST_CASE("a file that is no database is corrupt") {
  const Folder folder;
  std::ofstream(folder.file()) << std::string(8192, 'x');
  const auto opened = Database::open(folder.file(), kOurs);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.code() == Code::kCorrupt);
}

TEST_CASE("a checkpoint empties the log, and a backup can be opened") {
  const Folder folder;
  auto database = std::move(*Database::open(folder.file(), kOurs));
  REQUIRE(database->migrate(kTwo).ok());
  REQUIRE(database->execute("INSERT INTO item(body) VALUES(zeroblob(100000))").ok());
  const auto done = database->checkpoint(CheckpointMode::kTruncate);
  REQUIRE(done.ok());
  CHECK(done->is_complete);
  const Folder other;
  REQUIRE(database->back_up_to(other.file()).ok());
  CHECK((*Database::open(other.file(), kOurs))->check().ok());
}

}  // namespace runnel
