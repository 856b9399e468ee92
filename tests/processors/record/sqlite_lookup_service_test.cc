// SQLiteLookupService, asked by LookupAttribute, on databases that somebody else writes.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "agent/store/database.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kVehicles =
    "CREATE TABLE \"the vehicles\"(plate TEXT PRIMARY KEY, depot TEXT, seats INTEGER, load REAL);"
    "INSERT INTO \"the vehicles\" VALUES('A-1', 'North, 2', 12, 1.5), ('A-2', NULL, 7, NULL)";

// Another application's, which goes on writing it.
struct Fleet {
  explicit Fleet(std::string_view sql = kVehicles) { database = made(path, sql); }
  static std::unique_ptr<Database> made(const std::string& path, std::string_view sql) {
    DatabaseOptions options;
    options.application_id = 4711;
    auto opened = Database::open(path, options);
    REQUIRE(opened.ok());
    const Result<> done = (*opened)->execute(sql);
    REQUIRE_MESSAGE(done.ok(), done.error().text());
    return std::move(opened).value();
  }
  RunnerService service(PropertyValues more = {}) const {
    more.insert({{"Database File", path},
                 {"Table Name", "the vehicles"},
                 {"Lookup Key Column", "plate"},
                 {"Lookup Value Column", "depot"}});
    return {"SQLiteLookupService", more};
  }
  test::TempFolder folder;
  const std::string path = folder.path() + "/fleet.db";
  std::unique_ptr<Database> database;
};

const PropertyValues kFound{
    {"Lookup Service", "fleet"}, {"Include Empty Values", "false"}, {"found", "${plate}"}};

RunnerOptions with(RunnerService service) { return {.services = {{"fleet", std::move(service)}}}; }

// What is found for a plate; `-`: nothing.
std::string found(ProcessorRunner& runner, const std::string& plate) {
  runner.enqueue("", {{"plate", plate}});
  runner.run();
  const auto matched = runner.taken("matched");
  if (!matched.empty()) return matched.at(0).attribute("found");
  return runner.taken("unmatched").size() == 1 ? "-" : "failure";
}

std::string refused(const RunnerService& service) {
  RunnerOptions options = with(service);
  options.must_start = false;
  return ProcessorRunner("LookupAttribute", kFound, options).start_error();
}

TEST_CASE("a value is found by its key, and what is not there or empty is unmatched") {
  const Fleet fleet;
  ProcessorRunner runner("LookupAttribute", kFound, with(fleet.service()));
  CHECK(found(runner, "A-1") == "North, 2");
  CHECK(found(runner, "A-2") == "-");
  CHECK(found(runner, "' OR 1=1 --") == "-");
  CHECK(found(runner, std::string("A-1\0", 4)) == "-");
  CHECK(runner.bulletins().empty());
  check_balanced(runner.loss());
}

TEST_CASE("several columns become a JSON object of theirs, each of its own type") {
  const Fleet fleet;
  ProcessorRunner runner("LookupAttribute", kFound,
                         with(fleet.service({{"Lookup Value Column", "depot, seats,load"}})));
  CHECK(found(runner, "A-1") == R"({"depot":"North, 2","seats":12,"load":1.5})");
  CHECK(found(runner, "A-2") == R"({"depot":null,"seats":7,"load":null})");
}

TEST_CASE("a service that takes several keys together is refused by who has one") {
  const Fleet fleet;
  CHECK(refused(fleet.service({{"Lookup Key Column", "plate, depot"}}))
            .find("several keys together") != std::string::npos);
  CHECK(refused(fleet.service({{"Lookup Key Column", "plate,plate"}})).find("`plate` twice") !=
        std::string::npos);
}

TEST_CASE("what is written meanwhile is found, and so is what a new file has") {
  const Fleet fleet;
  ProcessorRunner runner("LookupAttribute", kFound, with(fleet.service()));
  CHECK(found(runner, "A-3") == "-");
  REQUIRE(fleet.database->execute("INSERT INTO \"the vehicles\" VALUES('A-3', 'East', 1, 1)").ok());
  CHECK(found(runner, "A-3") == "East");
  const std::string other = fleet.path + ".new";
  Fleet::made(other, kVehicles);  // written and closed
  std::filesystem::remove(fleet.path + "-wal");
  std::filesystem::remove(fleet.path + "-shm");
  std::filesystem::rename(other, fleet.path);
  runner.advance(2s);
  CHECK(found(runner, "A-3") == "-");
  CHECK(found(runner, "A-1") == "North, 2");
  std::filesystem::rename(fleet.path, other);
  runner.advance(2s);
  CHECK(found(runner, "A-1") == "North, 2");
  CHECK(runner.has_bulletin("going on with what it was before"));
}

TEST_CASE("a table or column that is not there is refused by name, and so is what is no database") {
  const Fleet fleet;
  CHECK(refused(fleet.service({{"Table Name", "ghosts"}})).find("no such table: ghosts") !=
        std::string::npos);
  CHECK(
      refused(fleet.service({{"Lookup Value Column", "ghost"}})).find("no such column: t.ghost") !=
      std::string::npos);
  CHECK(refused(fleet.service({{"Lookup Key Column", "ghost"}})).find("no such column: t.ghost") !=
        std::string::npos);
  CHECK(refused(fleet.service({{"Lookup Value Column", "depot,"}})).find("without a name") !=
        std::string::npos);
  const std::string path = fleet.folder.path() + "/text.db";
  std::ofstream(path) << std::string(5000, 'x');
  CHECK(refused(fleet.service({{"Database File", path}})).find("not a database") !=
        std::string::npos);
}

TEST_CASE("a key column without an index is told of") {
  const Fleet fleet("CREATE TABLE \"the vehicles\"(plate, depot)");
  ProcessorRunner runner("LookupAttribute", kFound, with(fleet.service()));
  CHECK(runner.has_bulletin("has no index"));
}

TEST_CASE("the database is only read, whatever a view of it would do") {
  const Fleet fleet;
  DatabaseOptions options;
  options.is_read_only = true;
  options.is_foreign = true;
  const auto opened = Database::open(fleet.path, options);
  REQUIRE(opened.ok());
  CHECK_FALSE((*opened)->execute("DELETE FROM \"the vehicles\"").ok());
}

}  // namespace
}  // namespace runnel
