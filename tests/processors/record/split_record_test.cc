// SplitRecord cuts content into pieces of so many records, however many there are.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

const PropertyValues kBoth{{"Record Reader", "in"}, {"Record Writer", "out"}};

const RunnerService kJsonIn{"JsonTreeReader"};
const RunnerService kJsonOut{"JsonRecordSetWriter"};
const RunnerService kCsvIn{"CSVReader"};
const RunnerService kCsvOut{"CSVRecordSetWriter"};
const RunnerService kLines{"JsonRecordSetWriter", {{"Output Grouping", "One Line Per Object"}}};
const RunnerService kAvroIn{"AvroReader"};

const std::string kSchema = R"({"type":"record","name":"R","fields":[{"name":"id","type":"long"},)"
                            R"({"name":"t","type":["null","string"],"default":null}]})";

RunnerService avro_out(const std::string& codec) {
  return {"AvroRecordSetWriter", {{"Schema Text", kSchema}, {"Compression Format", codec}}};
}

PropertyValues per_split(const std::string& records) {
  PropertyValues values = kBoth;
  values["Records Per Split"] = records;
  return values;
}

std::string converted(const RunnerService& in, const RunnerService& out, const std::string& text) {
  ProcessorRunner runner("ConvertRecord", kBoth, {.services = {{"in", in}, {"out", out}}});
  runner.enqueue(text);
  runner.run();
  return runner.taken("success").at(0).content;
}

TEST_CASE("records are split into pieces of so many, which know their place") {
  PropertyValues values = kBoth;
  values["Records Per Split"] = "${size}";
  ProcessorRunner runner("SplitRecord", values, {.services = {{"in", kCsvIn}, {"out", kLines}}});
  runner.enqueue("a\n1\n2\n3\n4\n5\n", {{"size", "2"}, {"filename", "five.csv"}});
  runner.enqueue("a\n1\n", {{"size", "none"}});
  runner.enqueue("a\n1\n\"", {{"size", "1"}});
  runner.run();
  const auto pieces = runner.taken("splits");
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[0].content == "{\"a\":1}\n{\"a\":2}");
  CHECK(pieces[2].content == "{\"a\":5}");
  CHECK(pieces[2].attribute("record.count") == "1");
  CHECK(pieces[1].attribute("fragment.index") == "1");
  CHECK(pieces[1].attribute("fragment.count") == "3");
  CHECK(pieces[1].attribute("segment.original.filename") == "five.csv");
  CHECK(pieces[0].attribute("fragment.identifier") == pieces[2].attribute("fragment.identifier"));
  CHECK(runner.taken("original").at(0).content == "a\n1\n2\n3\n4\n5\n");
  const auto failed = runner.taken("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].attribute("record.error.message") ==
        "property `Records Per Split`: `none` is no number of at least 1");
  check_balanced(runner.loss());
}

// What 25,000 records come to in pieces of one, where the connection is full after 15,000 and the
// agent restarts between the sessions.
void check_many(const RunnerService& in, const RunnerService& out, const std::string& content,
                const std::function<std::string(int)>& piece) {
  ProcessorRunner on(
      "SplitRecord", per_split("1"),
      {.services = {{"in", in}, {"out", out}}, .output_limit = {.count = 15'000, .bytes = 0}});
  on.enqueue(content, {{"filename", "many"}});
  std::vector<TakenFlowFile> splits;
  std::vector<std::size_t> rounds;
  while (splits.size() < 25'000 && rounds.size() < 10) {
    on.run();
    const std::vector<TakenFlowFile> some = on.taken("splits");
    rounds.push_back(some.size());
    splits.insert(splits.end(), some.begin(), some.end());
    if (rounds.size() > 1) break;
    CHECK(on.taken("original").empty());
    CHECK(on.queued() == 1);
    on.restart();
  }
  CHECK(rounds == std::vector<std::size_t>{20'000, 5'000});
  REQUIRE(splits.size() == 25'000);
  const std::string identifier = splits[0].attribute("fragment.identifier");
  std::size_t wrong = 0;
  for (int i = 0; i < 25'000; ++i) {
    const TakenFlowFile& one = splits[static_cast<std::size_t>(i)];
    const bool is_right = one.content == piece(i) && one.attribute("record.count") == "1" &&
                          one.attribute("fragment.index") == std::to_string(i) &&
                          one.attribute("fragment.count") == "25000" &&
                          one.attribute("segment.original.filename") == "many" &&
                          one.attribute("fragment.identifier") == identifier;
    if (!is_right) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(on.taken("original").at(0).content == content);
  CHECK(on.count("failure") == 0);
  CHECK(on.state().empty());
  check_balanced(on.loss());
}

std::string object(int i) {
  return "{\"id\":" + std::to_string(i) + ",\"t\":\"x\\n" + std::to_string(i % 7) + "\"}";
}

std::string array_of_many() {
  std::string text = "[";
  for (int i = 0; i < 25'000; ++i) text += (i == 0 ? "" : ",\n") + object(i);
  return text + "]";
}

TEST_CASE("many JSON pieces come in sessions of ten thousand, in order, also across a restart") {
  check_many(kJsonIn, kLines, array_of_many(), object);
}

TEST_CASE("many CSV pieces have the types of the whole column, wherever a session begins") {
  std::string rows = "id,\"t\n\xE9\"\n";
  for (int i = 0; i < 25'000; ++i)
    rows += std::to_string(i) + ",\"x\n" + std::to_string(i % 7) + "\"\n";
  // By the last row alone the column is one of decimals.
  rows.replace(rows.rfind("24999"), 5, "24999.5");
  check_many(kCsvIn, kCsvOut, rows, [](int i) {
    return "id,\"t\n\xE9\"\n" + std::to_string(i) + (i == 24'999 ? ".5" : ".0") + ",\"x\n" +
           std::to_string(i % 7) + "\"\n";
  });
}

TEST_CASE("many Avro pieces come out of packed blocks and of plain ones") {
  for (const std::string codec : {"NONE", "DEFLATE"}) {
    CAPTURE(codec);
    check_many(kAvroIn, kLines, converted(kJsonIn, avro_out(codec), array_of_many()), object);
  }
}

TEST_CASE("a session makes about eight megabytes, however few its pieces") {
  std::string text;
  const std::string filler(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) text += R"({"t":")" + filler + "\"}";
  ProcessorRunner on("SplitRecord", per_split("1"),
                     {.services = {{"in", kJsonIn}, {"out", kLines}}});
  on.enqueue(text);
  on.run(1);
  CHECK(on.count("splits") == 8);
  CHECK(on.queued() == 1);
  on.run();
  CHECK(on.count("splits") == 20);
  CHECK(on.count("original") == 1);
  check_balanced(on.loss());
}

TEST_CASE("a record that does not fit the writer's schema leaves no pieces, and the whole fails") {
  const std::string text = R"([{"id":1},{"id":2},{"id":"none"}])";
  ProcessorRunner on("SplitRecord", per_split("1"),
                     {.services = {{"in", kJsonIn}, {"out", avro_out("NONE")}}});
  on.enqueue(text);
  on.run();
  CHECK(on.count("splits") == 0);
  CHECK(on.count("original") == 0);
  const auto failed = on.taken("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == text);
  CHECK(failed[0].attribute("record.error.message").find("id") != std::string::npos);
  CHECK(on.queued() == 0);
  check_balanced(on.loss());
}

TEST_CASE("records of any number of fields are split where the format need not know them all") {
  std::string text;
  for (int i = 0; i < 10'001; ++i) text += "{\"v" + std::to_string(i) + "\":1}\n";
  for (const bool is_json : {true, false}) {
    ProcessorRunner on("SplitRecord", per_split("5001"),
                       {.services = {{"in", kJsonIn}, {"out", is_json ? kLines : kCsvOut}}});
    on.enqueue(text);
    on.run();
    CHECK(on.taken("splits").size() == (is_json ? 2 : 0));
    CHECK(on.taken("failure").size() == (is_json ? 0 : 1));
    check_balanced(on.loss());
  }
}

TEST_CASE("names of fields that a state cannot hold fail a FlowFile of several sessions alone") {
  const std::string name(600'000, 'n');
  std::string text = "[{\"" + name + "a\":0},{\"" + name + "b\":0}";
  ProcessorRunner on("SplitRecord", per_split("1"),
                     {.services = {{"in", kJsonIn}, {"out", kCsvOut}}});
  on.enqueue(text + "]");
  for (int i = 0; i < 20; ++i) text += ",{\"t\":\"" + std::string(1 << 20, 'x') + "\"}";
  on.enqueue(text + "]");
  on.run();
  CHECK(on.taken("splits").size() == 2);
  const auto failed = on.taken("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].attribute("record.error.message") == "the names of its fields are above 1 MB");
  check_balanced(on.loss());
}

}  // namespace
}  // namespace runnel
