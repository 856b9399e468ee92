// A reader of records goes on at any mark as the one that made it.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "processors/record/record.h"
#include "processors/registry.h"
#include "tests/support/processor_runner.h"
#include "tests/support/text_reader.h"

namespace runnel {

ServiceType avro_reader();
ServiceType csv_reader();
ServiceType json_tree_reader();

namespace {

// A service that reads records.
class Readers {
 public:
  Readers(const ServiceType& type, const PropertyValues& properties)
      : service_(type.make(properties).value()),
        factory_(dynamic_cast<RecordReaderFactory&>(*service_)) {}
  RecordReaderFactory* operator->() { return &factory_; }

 private:
  std::unique_ptr<Service> service_;
  RecordReaderFactory& factory_;
};

// Goes on behind each record, and reads what is left. How many records there are.
std::size_t check_marks(Readers readers, std::string_view content) {
  std::vector<Record> all;
  std::vector<RecordMark> marks;
  test::TextReader text(content);
  const auto reader = readers->open(text).value();
  while (true) {
    marks.push_back(reader->mark());
    auto record = reader->next().value();
    if (!record) break;
    all.push_back(std::move(*record));
  }
  marks.push_back(reader->mark());
  for (std::size_t i = 0; i < marks.size(); ++i) {
    CAPTURE(i);
    CAPTURE(marks[i].note);
    test::TextReader front(content);
    REQUIRE(marks[i].offset <= content.size());
    test::TextReader rest(content.substr(marks[i].offset));
    const auto later = readers->resume(front, rest, marks[i]).value();
    CHECK(later->mark().offset <= content.size());
    const std::size_t few = std::min(i + 40, all.size());  // enough to get beyond a block
    for (std::size_t k = std::min(i, all.size()); k < few; ++k) {
      const auto record = later->next().value();
      REQUIRE(record);
      REQUIRE(record->fields == all[k].fields);
      // The marks of who goes on are those of who came from the front.
      const RecordMark mark = later->mark();
      CHECK(mark.offset == marks[k + 1].offset);
      CHECK(mark.note == marks[k + 1].note);
    }
    if (few == all.size()) CHECK(!later->next().value());
  }
  return all.size();
}

std::string converted(const RunnerService& in, const RunnerService& out, const std::string& text) {
  ProcessorRunner runner("ConvertRecord", {{"Record Reader", "in"}, {"Record Writer", "out"}},
                         {.services = {{"in", in}, {"out", out}}});
  runner.enqueue(text);
  runner.run();
  return runner.taken("success").at(0).content;
}

TEST_CASE("JSON goes on within an array and between objects, arrays and blanks") {
  CHECK(check_marks({json_tree_reader(), {}}, R"( [ {"a":1} , {"a":[{"b":"}]"}]}, {} ] )") == 3);
  CHECK(check_marks({json_tree_reader(), {}}, R"({"a":1}[{"a":2},{"a":3}][] {"a":4} [{"a":5}])") ==
        5);
  CHECK(check_marks({json_tree_reader(), {}}, "") == 0);
}

TEST_CASE("CSV goes on with its header, its columns' types and the number of the line") {
  const std::string text =
      "\xEF\xBB\xBFid,\"a\nb\",mixed\r\n1,\"x\ny\",7\n\n2.5,,q\n\n\n-3,\"\",true\n4,z,\"8\"";
  CHECK(check_marks({csv_reader(), {}}, text) == 4);
  CHECK(check_marks({csv_reader(), {{"Schema Access Strategy", "csv-header-derived"}}}, text) == 4);
  CHECK(check_marks({csv_reader(), {}}, "a,b\n") == 0);
  CHECK(check_marks({csv_reader(), {}}, "") == 0);

  Readers readers(csv_reader(), {{"Schema Access Strategy", "csv-header-derived"}});
  const std::string bad = "a\n1\n\"2\n3\"\n4,5\n";
  test::TextReader content(bad);
  const auto reader = readers->open(content).value();
  CHECK(reader->next().value());
  test::TextReader front(bad);
  test::TextReader rest(std::string_view(bad).substr(reader->mark().offset));
  const auto later = readers->resume(front, rest, reader->mark()).value();
  CHECK(later->next().value());
  CHECK(later->next().error().text() == "the CSV in line 5: the row has 2 fields, the header 1");
}

TEST_CASE("Avro goes on within its blocks, packed or not, and among bare records") {
  const std::string schema =
      R"({"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"t","type":"string"}]})";
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += R"({"id":)" + std::to_string(i) + R"(,"t":")" + std::string(1000, 'x') + "\"}";
  }
  const RunnerService json{"JsonTreeReader"};
  for (const std::string codec : {"NONE", "DEFLATE", "SNAPPY", "ZSTANDARD"}) {
    CAPTURE(codec);
    const RunnerService out{"AvroRecordSetWriter",
                            {{"Schema Text", schema}, {"Compression Format", codec}}};
    const std::string file = converted(json, out, text);
    CHECK(check_marks({avro_reader(), {}}, file) == 300);
    // Brought to another schema.
    CHECK(check_marks(
              {avro_reader(),
               {{"Schema Access Strategy", "schema-text-property"},
                {"Schema Text",
                 R"({"type":"record","name":"R","fields":[{"name":"id","type":"double"}]})"}}},
              file) == 300);
  }
  const RunnerService bare{"AvroRecordSetWriter",
                           {{"Schema Text", schema}, {"Schema Write Strategy", "no-schema"}}};
  CHECK(check_marks({avro_reader(),
                     {{"Schema Access Strategy", "schema-text-property"}, {"Schema Text", schema}}},
                    converted(json, bare, text)) == 300);
}

TEST_CASE("a mark of another reader, or of other content, is refused") {
  const auto refusal = [](Readers readers, std::string_view content, const RecordMark& mark) {
    test::TextReader front(content);
    test::TextReader rest(content.substr(mark.offset));
    const auto reader = readers->resume(front, rest, mark);
    return reader.ok() ? std::string() : reader.error().text();
  };
  CHECK(refusal({json_tree_reader(), {}}, "{}", {0, "1 -"}) == "no mark in JSON");
  for (const std::string note : {"", "array", "1", "0 --", "x --", "1 -", "1 ---"}) {
    CAPTURE(note);
    CHECK(refusal({csv_reader(), {}}, "a,b\n1,2\n", {4, note}) == "no mark in this CSV");
  }
  CHECK(refusal({avro_reader(), {}}, "x", {1, "bare 1"}) == "no mark in this Avro");
  CHECK(refusal({avro_reader(), {}}, "{}", {0, "array"}) ==
        "the head of an Avro file: the bytes end too early");
  const std::string file = converted(
      {"JsonTreeReader"},
      {"AvroRecordSetWriter",
       {{"Schema Text", R"({"type":"record","name":"R","fields":[{"name":"id","type":"long"}]})"}}},
      R"({"id":1})");
  for (const std::string note : {"array", "plain 1", "plain 1 5", "packed 1", "packed 1 1"}) {
    CAPTURE(note);
    CHECK(refusal({avro_reader(), {}}, file, {file.size(), note}) == "no mark in this Avro");
  }
}

}  // namespace
}  // namespace runnel
