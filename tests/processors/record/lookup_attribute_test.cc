// LookupAttribute with a table in a CSV file.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct Table {
  explicit Table(const std::string& text) { write(text); }
  // As a careful writer does: a new file in its place.
  void write(const std::string& text) const {
    std::ofstream(path + ".new", std::ios::binary) << text;
    std::filesystem::rename(path + ".new", path);
  }
  RunnerService service(PropertyValues more = {}) const {
    more.insert(
        {{"CSV File", path}, {"Lookup Key Column", "plate"}, {"Lookup Value Column", "depot"}});
    return {"SimpleCsvFileLookupService", more};
  }
  test::TempFolder folder;
  const std::string path = folder.path() + "/depots.csv";
};

const PropertyValues kFound{{"Lookup Service", "depots"},
                            {"Include Empty Values", "false"},
                            {"depot", "${plate:toUpper()}"}};

TEST_CASE("an attribute gets what the table has for its key; what is not there is unmatched") {
  const Table table("plate,depot,other\nA-1,\"North, 2\",x\nA-2,,y\nA-1,second,z\n");
  ProcessorRunner runner("LookupAttribute", kFound, {.services = {{"depots", table.service()}}});
  for (const char* plate : {"a-1", "A-2", "B-9"}) runner.enqueue("", {{"plate", plate}});
  runner.run();
  const auto matched = runner.taken("matched");
  REQUIRE(matched.size() == 1);
  CHECK(matched[0].attribute("depot") == "North, 2");  // the first of two
  const auto unmatched = runner.taken("unmatched");
  REQUIRE(unmatched.size() == 2);
  CHECK_FALSE(unmatched[0].has("depot"));
  check_balanced(runner.loss());
}

TEST_CASE("a byte order mark before a table is no part of its first column's name") {
  const Table table("\xEF\xBB\xBFplate,depot\r\nA-1,North\r\n");
  ProcessorRunner runner("LookupAttribute", kFound, {.services = {{"depots", table.service()}}});
  runner.enqueue("", {{"plate", "a-1"}});
  runner.run();
  CHECK(runner.taken("matched").at(0).attribute("depot") == "North");
}

TEST_CASE("with empty values included nothing is unmatched, as NiFi has it") {
  const Table table("plate,depot\nA-2,\n");
  PropertyValues values = kFound;
  values.erase("Include Empty Values");
  ProcessorRunner runner("LookupAttribute", values, {.services = {{"depots", table.service()}}});
  for (const char* plate : {"A-2", "B-9"}) runner.enqueue("", {{"plate", plate}});
  runner.run();
  const auto matched = runner.taken("matched");
  REQUIRE(matched.size() == 2);
  CHECK(matched[0].attribute("depot").empty());
  CHECK(matched[1].attribute("depot") == "null");
  CHECK(runner.count("unmatched") == 0);
}

TEST_CASE("a file that has changed is read anew; a bad one is told of, and the old table goes on") {
  const Table table("plate,depot\nA,1\n");
  ProcessorRunner runner("LookupAttribute", kFound, {.services = {{"depots", table.service()}}});
  const auto depot = [&] {
    runner.advance(2s);
    runner.enqueue("", {{"plate", "A"}});
    runner.run();
    const auto out = runner.taken("matched");
    return out.empty() ? std::string() : out[0].attribute("depot");
  };
  CHECK(depot() == "1");
  table.write("plate,depot\nA,22\n");
  CHECK(depot() == "22");
  table.write("plate,other\nA,3\n");
  CHECK(depot() == "22");
  CHECK(runner.has_bulletin("has no column `depot`; going on with what it was before"));
  std::filesystem::remove(table.path);
  CHECK(depot() == "22");
  table.write("plate,depot\nA,4444\n");
  CHECK(depot() == "4444");
}

TEST_CASE("a table that cannot be used keeps the flow from running, with its reason") {
  const Table table("plate,depot\nA,1\nA,2\n");
  const auto error = [&](const PropertyValues& more) {
    ProcessorRunner runner("LookupAttribute", kFound,
                           {.services = {{"depots", table.service(more)}}, .must_start = false});
    return runner.start_error();
  };
  CHECK(
      error({{"Ignore Duplicates", "false"}}).ends_with(", line 3: the key `A` is there already"));
  CHECK(error({{"Lookup Key Column", "id"}}).ends_with("has no column `id`"));
  CHECK(error({{"CSV File", "/nonexistent/x.csv"}}).find("No such file") != std::string::npos);
  CHECK(error({{"Value Separator", "ab"}}).find("is not one character") != std::string::npos);
}

}  // namespace
}  // namespace runnel
