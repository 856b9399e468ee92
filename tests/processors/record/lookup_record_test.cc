// LookupRecord, with tables in a CSV file and in SQLite, and the paths that it takes.

#include <doctest/doctest.h>

#include <fstream>

#include "agent/store/database.h"
#include "processors/record/record_expression.h"
#include "processors/record/record_path.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

// ---- paths

std::string texts(const std::vector<Value*>& places) {
  std::string out;
  for (const Value* one : places) out += (out.empty() ? "" : " ") + text_of(*one);
  return out;
}

Value sample() {
  return Value{Value::Fields{
      {"a", Value{std::int64_t{1}}},
      {"b", Value{Value::Fields{{"c", Value{std::string("x")}}, {"it's", Value{true}}}}},
      {"l", Value{Value::List{Value{std::int64_t{7}}, Value{std::int64_t{8}}}}},
      {"r", Value{Value::List{Value{Value::Fields{{"k", Value{std::string("p")}}}},
                              Value{Value::Fields{{"k", Value{std::string("q")}}}}}}},
      {"n", Value{}}}};
}

std::string selected(std::string_view path) {
  const auto compiled = RecordPath::compile(path);
  if (!compiled.ok()) return compiled.error().text();
  Value of = sample();
  return texts(compiled->select(of));
}

TEST_CASE("a path names fields, items and all of them; what is not there is not selected") {
  CHECK(selected("/a") == "1");
  CHECK(selected("/b/c") == "x");
  CHECK(selected("/b['c']") == "x");
  CHECK(selected("/b/'it''s'") == "true");
  CHECK(selected("/l[0]") == "7");
  CHECK(selected("/l[-1]") == "8");
  CHECK(selected("/l[*]") == "7 8");
  CHECK(selected("/r[*]/k") == "p q");
  CHECK(selected("/b/*") == "x true");
  CHECK(selected("/l[2]") == "");
  CHECK(selected("/a/b") == "");
  CHECK(selected("/z") == "");
  CHECK(selected("/") == text_of(sample()));
  for (const char* bad :
       {"a", "//a", "/a[", "/a[x]", "/a[]", "/'a", "/toUpperCase(a)", "/a[./b]", "/a/", "/a]"})
    CHECK_MESSAGE(selected(bad).find("the record path") == 0, bad, ": ", selected(bad));
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/a";
  CHECK(selected(deep).find("too long") != std::string::npos);
}

TEST_CASE("fields on a path are made where they are missing, but no items") {
  const auto made = [](std::string_view path) {
    Value of = sample();
    for (Value* one : RecordPath::compile(path).value().make(of)) *one = Value{std::string("new")};
    return text_of(of);
  };
  CHECK(made("/b/d").find(R"("it's":true,"d":"new")") != std::string::npos);
  CHECK(made("/n/x/y").find(R"("n":{"x":{"y":"new"}})") != std::string::npos);
  CHECK(made("/r[*]/z").find(R"([{"k":"p","z":"new"},{"k":"q","z":"new"}])") != std::string::npos);
  CHECK(made("/l[5]") == text_of(sample()));
  CHECK(made("/a/b") == text_of(sample()));  // a number is no record
}

// ---- expressions

// What an expression makes, with a bar between values.
std::string made_by(std::string_view text) {
  Value of = sample();
  const auto expression = RecordExpression::compile(text);
  if (!expression.ok()) return "no: " + expression.error().text();
  const auto values = expression->evaluate(of);
  if (!values.ok()) return "bad: " + values.error().text();
  std::string out;
  for (const Value& one : *values) out += (out.empty() ? "" : "|") + text_of(one);
  return out;
}

TEST_CASE("functions make a value of paths, texts and functions, as NiFi's do") {
  CHECK(made_by("/r[*]/k") == "p|q");
  CHECK(made_by("concat(/a, '-', /b/c)") == "1-x");
  CHECK(made_by("concat( /l[*] , \", \" , /n, /none )") == "78, ");
  CHECK(made_by("coalesce(/n, /none, /b/c, /a)") == "x");
  CHECK(made_by("coalesce(/n, 'or')") == "or");
  CHECK(made_by("toUpperCase(/r[*]/k)") == "P|Q");
  CHECK(made_by("toLowerCase(toUpperCase(concat(/b/c, 'É')))") == "xé");
  CHECK(made_by("substringBefore(concat('ab', '-', 'cd', '-e'), '-')") == "ab");
  CHECK(made_by("substringAfter(concat('ab-cd-e'), '-')") == "cd-e");
  CHECK(made_by("substringAfter(/b/c, '-')") == "x");
  CHECK(made_by("substringBefore(/b/c, '')") == "x");
  CHECK(made_by("trim(concat('  it''s ', /a, ' '))") == "it's 1");
  CHECK(made_by("toString(/a, 'UTF-8')") == "1");
  CHECK(made_by("trim(/b/'it''s')") == "true");  // a quoted name within a function
  CHECK(made_by("trim(/n)") == "");              // null makes nothing
  CHECK(made_by("trim(/b)") == "");              // neither does a record
}

TEST_CASE("an expression that is none is refused with its place, and long ones are bounded") {
  CHECK(made_by("plate") == "no: the record path `plate`, at character 1: a path begins with `/`");
  CHECK(made_by("'x'").find("is a text") != std::string::npos);
  CHECK(made_by("upper(/a)").find("there is no function `upper`; there are `coalesce`") !=
        std::string::npos);
  CHECK(made_by("trim(/a, /b)").find("character 1: `trim` takes 1 argument") != std::string::npos);
  CHECK(made_by("substringAfter(/a)").find("takes 2 arguments") != std::string::npos);
  CHECK(made_by("trim(/a").find("`,` or `)` is missing") != std::string::npos);
  CHECK(made_by("trim(/a) x").find("nothing may follow") != std::string::npos);
  CHECK(made_by("concat('a, /b)").find("the quote does not end") != std::string::npos);
  CHECK(made_by("toString(/a, 'UTF-16')").find("texts are UTF-8") != std::string::npos);
  CHECK(made_by("trim()").starts_with("no: "));
  CHECK(made_by("").starts_with("no: "));
  std::string deep = "/a";
  for (int i = 0; i < 20; ++i) deep = "trim(" + deep + ")";
  CHECK(made_by(deep).find("too deep") != std::string::npos);
  std::string wide = "concat(/a";
  for (int i = 0; i < 80; ++i) wide += ",/a";
  CHECK(made_by(wide + ")").find("too many parts") != std::string::npos);
  Value of{Value::Fields{{"t", Value{std::string(40'000, 'x')}}}};
  CHECK(RecordExpression::compile("trim(/t)")->evaluate(of).ok());
  CHECK_FALSE(RecordExpression::compile("concat(/t, /t)")->evaluate(of).ok());
}

// ---- the processor

struct Tables {
  Tables() {
    std::ofstream(folder.path() + "/depots.csv") << "plate,depot\nA-1,North\nA-2,South\n7,Seven\n";
    auto database = Database::open(folder.path() + "/fleet.db", DatabaseOptions{});
    REQUIRE(database.ok());
    REQUIRE(
        (*database)
            ->execute("CREATE TABLE vehicle (plate TEXT PRIMARY KEY, depot TEXT, seats INTEGER);"
                      "INSERT INTO vehicle VALUES ('A-1', 'North', 40), ('A-2', NULL, 55);"
                      "CREATE TABLE stop (line INTEGER, name TEXT, zone TEXT, fare REAL,"
                      "                   PRIMARY KEY (line, name));"
                      "INSERT INTO stop VALUES (7, 'Mill', 'B', 2.5), (8, 'Mill', 'C', 3)")
            .ok());
  }
  std::map<std::string, RunnerService> services(const char* writer = "JsonRecordSetWriter") const {
    return {{"in", {"JsonTreeReader"}},
            {"out", {writer}},
            {"csv",
             {"SimpleCsvFileLookupService",
              {{"CSV File", folder.path() + "/depots.csv"},
               {"Lookup Key Column", "plate"},
               {"Lookup Value Column", "depot"}}}},
            {"sql",
             {"SQLiteLookupService",
              {{"Database File", folder.path() + "/fleet.db"},
               {"Table Name", "vehicle"},
               {"Lookup Key Column", "plate"},
               {"Lookup Value Column", "depot,seats"}}}},
            {"stops",
             {"SQLiteLookupService",
              {{"Database File", folder.path() + "/fleet.db"},
               {"Table Name", "stop"},
               {"Lookup Key Column", "name, line"},
               {"Lookup Value Column", "zone,fare"}}}}};
  }
  test::TempFolder folder;
};

PropertyValues with(PropertyValues more) {
  more.insert({{"Record Reader", "in"}, {"Record Writer", "out"}, {"Lookup Service", "csv"}});
  return more;
}

// What `success` gets of one FlowFile.
std::string enriched(const PropertyValues& properties, std::string_view content) {
  const Tables tables;
  ProcessorRunner runner("LookupRecord", with(properties), {.services = tables.services()});
  runner.enqueue(content);
  runner.run();
  check_balanced(runner.loss());
  const auto taken = runner.taken("success");
  return taken.size() == 1 ? taken[0].content : "not one on success";
}

TEST_CASE("what is found is put where the path says, and all records go to success") {
  CHECK(enriched({{"key", "/plate"}, {"Result RecordPath", "/at/depot"}},
                 R"([{"plate":"A-1"},{"plate":"Z"},{"plate":7,"at":null},{"other":1}])") ==
        R"([{"plate":"A-1","at":{"depot":"North"}},{"plate":"Z"},)"
        R"({"plate":7,"at":{"depot":"Seven"}},{"other":1}])");
}

TEST_CASE("records are routed by what was found, each FlowFile with its count") {
  const Tables tables;
  ProcessorRunner runner(
      "LookupRecord", with({{"key", "/plate"}, {"Routing Strategy", "route-to-matched-unmatched"}}),
      {.services = tables.services()});
  runner.enqueue(
      R"([{"plate":"A-1"},{"plate":"Z"},{"plate":"A-2"},{"plate":null},{"plate":["A-1"]}])",
      {{"from", "here"}});
  runner.enqueue(R"([{"plate":"A-1"}])");
  runner.enqueue("[]");
  runner.run();
  const auto matched = runner.taken("matched");
  const auto unmatched = runner.taken("unmatched");
  REQUIRE(matched.size() == 2);
  REQUIRE(unmatched.size() == 2);
  CHECK(matched[0].content == R"([{"plate":"A-1"},{"plate":"A-2"}])");
  CHECK(matched[0].attribute("record.count") == "2");
  CHECK(matched[0].attribute("mime.type") == "application/json");
  CHECK(matched[0].attribute("from") == "here");
  CHECK(unmatched[0].content == R"([{"plate":"Z"},{"plate":null},{"plate":["A-1"]}])");
  CHECK(unmatched[0].attribute("record.count") == "3");
  CHECK(unmatched[1].content == "[]");
  CHECK(runner.count("success") == 0);
  CHECK(runner.queued() == 0);
  check_balanced(runner.loss());
}

TEST_CASE("several keys are looked up together, each by the property of its name") {
  const PropertyValues keys{
      {"Lookup Service", "stops"}, {"name", "trim(/at)"}, {"line", "substringAfter(/trip, '-')"}};
  const auto into = [&keys](PropertyValues more, std::string_view content) {
    more.insert(keys.begin(), keys.end());
    return enriched(more, content);
  };
  CHECK(
      into(
          {{"Result RecordPath", "/"}, {"Record Result Contents", "record-fields"}},
          R"([{"at":" Mill","trip":"n-7"},{"at":"Mill","trip":8},{"at":"Mill","trip":9},{"at":"Mill"}])") ==
      R"([{"at":" Mill","trip":"n-7","zone":"B","fare":2.5},)"
      R"({"at":"Mill","trip":8,"zone":"C","fare":3.0},)"
      R"({"at":"Mill","trip":9},{"at":"Mill"}])");
}

TEST_CASE("a service with several values gives a record, whole or field by field") {
  const PropertyValues sql{{"key", "/plate"}, {"Lookup Service", "sql"}};
  const auto into = [&sql](PropertyValues more, std::string_view content) {
    more.insert(sql.begin(), sql.end());
    return enriched(more, content);
  };
  CHECK(into({{"Result RecordPath", "/vehicle"}}, R"([{"plate":"A-1"},{"plate":"A-2"}])") ==
        R"([{"plate":"A-1","vehicle":{"depot":"North","seats":40}},)"
        R"({"plate":"A-2","vehicle":{"depot":null,"seats":55}}])");
  CHECK(into({{"Result RecordPath", "/"}, {"Record Result Contents", "record-fields"}},
             R"([{"seats":0,"plate":"A-1"}])") ==
        R"([{"seats":40,"plate":"A-1","depot":"North"}])");
  CHECK(into({{"Result RecordPath", "/v"}, {"Record Result Contents", "record-fields"}},
             R"([{"v":{"x":1},"plate":"A-1"}])") ==
        R"([{"v":{"x":1,"depot":"North","seats":40},"plate":"A-1"}])");
}

TEST_CASE("values are replaced in place by what is found for them, as many as there are paths") {
  CHECK(enriched({{"Record Update Strategy", "replace-existing-values"},
                  {"first", "/plate"},
                  {"others", "/stops[*]/at"}},
                 R"([{"plate":"A-1","stops":[{"at":"A-2"},{"at":"Z"}]}])") ==
        R"([{"plate":"North","stops":[{"at":"South"},{"at":"Z"}]}])");
}

TEST_CASE("records inside records are looked up by themselves; two values for one key are none") {
  CHECK(enriched({{"key", "/plate"}, {"Root Record Path", "/all[*]"}, {"Result RecordPath", "/d"}},
                 R"([{"all":[{"plate":"A-1"},{"plate":"Z"},{"plate":"A-2"}]}])") ==
        R"([{"all":[{"plate":"A-1","d":"North"},{"plate":"Z"},{"plate":"A-2","d":"South"}]}])");
  CHECK(
      enriched(
          {{"key", "/all[*]/plate"}, {"Result RecordPath", "/d"}},
          R"([{"all":[{"plate":"A-1"},{"plate":"A-2"}]},{"all":[{"plate":null},{"plate":"A-1"}]}])") ==
      R"([{"all":[{"plate":"A-1"},{"plate":"A-2"}]},)"
      R"({"all":[{"plate":null},{"plate":"A-1"}],"d":"North"}])");
}

TEST_CASE("a record with records inside is matched if all of them are") {
  const Tables tables;
  ProcessorRunner runner("LookupRecord",
                         with({{"key", "/plate"},
                               {"Root Record Path", "/all[*]"},
                               {"Routing Strategy", "route-to-matched-unmatched"}}),
                         {.services = tables.services()});
  runner.enqueue(
      R"([{"all":[{"plate":"A-1"},{"plate":"A-2"}]},{"all":[{"plate":"A-1"},{"plate":"Z"}]},{"all":[]}])");
  runner.run();
  CHECK(runner.taken("matched").at(0).attribute("record.count") == "1");
  CHECK(runner.taken("unmatched").at(0).attribute("record.count") == "2");
}

TEST_CASE("a writer that must know all fields beforehand gets those that are looked up, too") {
  const Tables tables;
  ProcessorRunner runner("LookupRecord",
                         with({{"key", "/plate"},
                               {"Result RecordPath", "/depot"},
                               {"Routing Strategy", "route-to-matched-unmatched"}}),
                         {.services = tables.services("CSVRecordSetWriter")});
  runner.enqueue(R"([{"plate":"Z","x":1},{"plate":"A-1"},{"plate":"A-2"}])");
  runner.run();
  CHECK(runner.taken("matched").at(0).content == "plate,depot\nA-1,North\nA-2,South\n");
  CHECK(runner.taken("unmatched").at(0).content == "plate,x\nZ,1\n");
}

TEST_CASE("content that is malformed goes to failure as it came, whatever was written before") {
  const Tables tables;
  ProcessorRunner runner("LookupRecord", with({{"key", "/plate"}, {"Result RecordPath", "/d"}}),
                         {.services = tables.services()});
  const std::string bad = R"([{"plate":"A-1"},{"plate":)";
  runner.enqueue(bad);
  runner.enqueue(R"([{"plate":"A-1"}])");
  runner.run();
  const auto failed = runner.taken("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == bad);
  CHECK(failed[0].attribute("record.error.message").find("JSON") != std::string::npos);
  CHECK(runner.taken("success").size() == 1);
  CHECK(runner.queued() == 0);
  check_balanced(runner.loss());
}

TEST_CASE("single values have no place at the root, which a record says") {
  const Tables tables;
  ProcessorRunner runner("LookupRecord",
                         with({{"key", "/plate"},
                               {"Result RecordPath", "/"},
                               {"Record Result Contents", "record-fields"}}),
                         {.services = tables.services()});
  runner.enqueue(R"([{"plate":"A-1"}])");
  runner.run();
  CHECK(runner.taken("failure").at(0).attribute("record.error.message").find("single values") !=
        std::string::npos);
}

TEST_CASE("what cannot work is refused at the start, with its reason") {
  const Tables tables;
  const auto refusal = [&tables](const PropertyValues& more,
                                 std::vector<std::string> left_out = {}) {
    RunnerOptions options;
    options.services = tables.services();
    options.leave_out = std::move(left_out);
    options.must_start = false;
    return ProcessorRunner("LookupRecord", with(more), options).start_error();
  };
  CHECK(refusal({}).find("the path of the key is missing") != std::string::npos);
  CHECK(refusal({{"key", "/a"}, {"other", "/b"}}).find("2 properties") != std::string::npos);
  const auto of_stops = [&](PropertyValues more) {
    more.emplace("Lookup Service", "stops");
    return refusal(more);
  };
  CHECK(of_stops({{"name", "/a"}}).find("a property `line`") != std::string::npos);
  CHECK(of_stops({{"name", "/a"}, {"line", "/b"}, {"lin", "/c"}})
            .find("property `lin`: the service has no such key") != std::string::npos);
  CHECK(of_stops({{"name", "/a"}, {"Record Update Strategy", "replace-existing-values"}})
            .find("several keys together") != std::string::npos);
  CHECK(refusal({{"key", "trim(/a)"}, {"Record Update Strategy", "replace-existing-values"}})
            .find("cannot be replaced") != std::string::npos);
  CHECK(refusal({{"key", "plate"}}).find("property `key`") != std::string::npos);
  CHECK(refusal({{"key", "/"}}).find("no key") != std::string::npos);
  CHECK(refusal({{"key", "/a"}, {"Result RecordPath", "/"}}).find("record-fields") !=
        std::string::npos);
  CHECK(refusal({{"key", "/a"}}, {"success"}).find("`success` must be") != std::string::npos);
  CHECK(refusal({{"key", "/a"}, {"Routing Strategy", "route-to-matched-unmatched"}}, {"matched"})
            .find("must be connected") != std::string::npos);
}

}  // namespace
}  // namespace runnel
