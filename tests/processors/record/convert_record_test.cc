// ConvertRecord with the readers and writers of JSON and CSV.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using Services = std::map<std::string, RunnerService>;

const PropertyValues kBoth{{"Record Reader", "in"}, {"Record Writer", "out"}};

struct Converted {
  std::string content;
  std::string count;
  std::string problem;  // "": it went to success
};

Converted convert(const RunnerService& in, const RunnerService& out, std::string_view content) {
  ProcessorRunner runner("ConvertRecord", kBoth, {.services = {{"in", in}, {"out", out}}});
  runner.enqueue(content);
  runner.run();
  const auto good = runner.taken("success");
  check_balanced(runner.loss());
  if (!good.empty()) return {good.at(0).content, good[0].attribute("record.count"), ""};
  const auto bad = runner.taken("failure");
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].content == content);  // as it came
  return {"", "", bad[0].attribute("record.error.message")};
}

const RunnerService kJsonIn{"JsonTreeReader"};
const RunnerService kJsonOut{"JsonRecordSetWriter"};
const RunnerService kCsvIn{"CSVReader"};
const RunnerService kCsvOut{"CSVRecordSetWriter"};
const RunnerService kLines{"JsonRecordSetWriter", {{"Output Grouping", "One Line Per Object"}}};

TEST_CASE("JSON keeps its types, its order and its numbers to the last digit") {
  const std::string text =
      R"([{"b":1,"a":-9223372036854775808,"big":18446744073709551616,"d":0.1,"e":1e300,"f":2.0},)"
      R"({"t":"\"\\\n\u0001ü","n":null,"y":true,"l":[1,[],{}],"o":{"x":{"y":[false]}}}])";
  const Converted out = convert(kJsonIn, kJsonOut, text);
  CHECK(out.problem.empty());
  CHECK(out.count == "2");
  CHECK(
      out.content ==
      R"([{"b":1,"a":-9223372036854775808,"big":18446744073709551616,"d":0.1,"e":1e+300,"f":2.0},)"
      R"({"t":"\"\\\n\u0001ü","n":null,"y":true,"l":[1,[],{}],"o":{"x":{"y":[false]}}}])");
}

TEST_CASE("an array, one object and objects one behind the other are all records") {
  CHECK(convert(kJsonIn, kLines, R"( [ {"a":1} , {"a":2} ] )").content == "{\"a\":1}\n{\"a\":2}");
  CHECK(convert(kJsonIn, kLines, R"({"a":1})").content == R"({"a":1})");
  CHECK(convert(kJsonIn, kLines, "{\"a\":\"}]\"}\n{\"a\":2}{\"a\":3}\n").content ==
        "{\"a\":\"}]\"}\n{\"a\":2}\n{\"a\":3}");
  CHECK(convert(kJsonIn, kLines, "[{\"a\":1}] [{\"a\":2}]").count == "2");
  CHECK(convert(kJsonIn, kJsonOut, "[]").content == "[]");
  CHECK(convert(kJsonIn, kJsonOut, "").count == "0");
}

TEST_CASE("any number of arrays without a record are no record") {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "[ ]";
  CHECK(convert(kJsonIn, kJsonOut, text).content == "[]");
  CHECK(convert(kJsonIn, kJsonOut, text + "[{\"a\":1}]").content == "[{\"a\":1}]");
}

TEST_CASE("of several fields with one name the last one counts, at the place of the first") {
  CHECK(convert(kJsonIn, kLines, R"({"a":1,"b":2,"a":{"c":1,"c":[3]},"b":null})").content ==
        R"({"a":{"c":[3]},"b":null})");
  // Of so many a name is found by its hash.
  std::string text = "{";
  std::string expected = "{";
  for (int i = 0; i < 40; ++i)
    text += "\"f" + std::to_string(i % 20) + "\":" + std::to_string(i) + ",";
  for (int i = 0; i < 20; ++i)
    expected += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":" + std::to_string(i + 20);
  text.back() = '}';
  CHECK(convert(kJsonIn, kLines, text).content == expected + "}");
}

TEST_CASE("malformed JSON goes to failure as it came, with the place") {
  const auto problem = [](std::string_view text) {
    return convert(kJsonIn, kJsonOut, text).problem;
  };
  CHECK(problem(R"([{"a":1},)") == "the JSON at byte 9: the array does not end");
  CHECK(problem(R"([{"a":1} {"a":2}])") == "the JSON at byte 9: `,` or `]` is missing");
  CHECK(problem(R"([{"a":1}, 7])") == "the JSON at byte 10: a record is an object");
  CHECK(problem(R"({"a":)") == "the JSON at byte 5: the object does not end");
  CHECK(problem(R"({"a":nul})").starts_with("the JSON at byte 0: "));
  CHECK(problem("hello") == "the JSON at byte 0: a record is an object");
  CHECK(problem("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}") ==
        "the JSON at byte 105: nested deeper than 100");
  const RunnerService small{"JsonTreeReader", {{"Maximum Record Size", "64 B"}}};
  CHECK(convert(small, kJsonOut, R"({"a":")" + std::string(100, 'x') + "\"}").problem ==
        "the JSON at byte 65: a record is larger than `Maximum Record Size`");
}

TEST_CASE("a column of CSV has one type over all its rows; what would lose digits stays text") {
  const Converted out = convert(kCsvIn, kLines,
                                "id,speed,plate,on,mixed,code\r\n"
                                "1,2,007,true,1,\"5\"\r\n"
                                "2,2.5,008,false,x,\r\n"
                                "-3,,\"a \"\"b\"\",c\n d\",,3,\"\"\r\n");
  CHECK(out.problem.empty());
  CHECK(out.content ==
        R"({"id":1,"speed":2.0,"plate":"007","on":true,"mixed":"1","code":"5"})"
        "\n"
        R"({"id":2,"speed":2.5,"plate":"008","on":false,"mixed":"x","code":null})"
        "\n"
        R"({"id":-3,"speed":null,"plate":"a \"b\",c\n d","on":null,"mixed":"3","code":""})");
}

TEST_CASE("CSV by its header alone is text; separators, quotes and null texts can be others") {
  const RunnerService in{"CSVReader",
                         {{"Schema Access Strategy", "csv-header-derived"},
                          {"Value Separator", ";"},
                          {"Quote Character", "'"},
                          {"Null String", "NULL"},
                          {"Trim Fields", "false"}}};
  CHECK(convert(in, kLines,
                "\xEF\xBB\xBF"
                "a;b\n1; 'x'\nNULL;'it''s; so'\n")
            .content == "{\"a\":\"1\",\"b\":\" 'x'\"}\n{\"a\":null,\"b\":\"it's; so\"}");
  const RunnerService tabs{"CSVReader", {{"Value Separator", "\\t"}}};
  CHECK(convert(tabs, kLines, "a\tb\n\n1\t2\n\n").content == "{\"a\":1,\"b\":2}");
}

TEST_CASE("lines of CSV end in LF, CRLF or CR; a carriage return in quotes is text") {
  const std::string expected = "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"\"}";
  for (const std::string_view text :
       {"a,b\n1,x\n2,\"\"\n", "a,b\r\n1,x\r\n2,\"\"\r\n", "a,b\r1,x\r2,\"\"\r", "a,b\r1,x\r2,\"\"",
        "a,b\r\r\n1,x\r\r\n\r2,\"\" \r\n"}) {
    CAPTURE(text);
    CHECK(convert(kCsvIn, kLines, text).content == expected);
  }
  CHECK(convert(kCsvIn, kLines, "a\r\"x\ry\"\r").content == R"({"a":"x\ry"})");
  CHECK(convert(kCsvIn, kLines, "a\r1\r1,2\r").problem ==
        "the CSV in line 3: the row has 2 fields, the header 1");
}

TEST_CASE("a byte order mark before JSON, or before a quoted name of CSV, is passed over") {
  const std::string mark = "\xEF\xBB\xBF";
  CHECK(convert(kJsonIn, kLines, mark + R"([{"a":1}])").content == R"({"a":1})");
  CHECK(convert(kJsonIn, kLines, mark).count == "0");
  CHECK(convert(kJsonIn, kLines, "\xEF\xBB{}").problem ==
        "the JSON at byte 0: a record is an object");
  CHECK(convert(kCsvIn, kLines, mark + "\"a,b\",c\n1,2\n").content == R"({"a,b":1,"c":2})");
}

TEST_CASE("malformed CSV goes to failure as it came, with the line") {
  const auto problem = [](std::string_view text) {
    return convert(kCsvIn, kJsonOut, text).problem;
  };
  CHECK(problem("a,b\n1,2\n1,2,3\n") == "the CSV in line 3: the row has 3 fields, the header 2");
  CHECK(problem("a,b\n1,\"2\n") == "the CSV in line 2: a quote has no end");
  CHECK(problem("a,b\n\"1\"x,2\n") == "the CSV in line 2: text behind the end of a quote");
  CHECK(convert(kCsvIn, kLines, "a,b\n1\n").content == "{\"a\":1,\"b\":null}");
}

TEST_CASE("a row of CSV is bounded with all its cells, quoted or not, and in their number") {
  const RunnerService small{"CSVReader", {{"Maximum Record Size", "64 B"}}};
  const std::string cell(40, 'x');
  const std::string large = "the CSV in line 2: a row is larger than `Maximum Record Size`";
  CHECK(convert(small, kLines, "a,b\n" + cell + "," + cell + "\n").problem == large);
  CHECK(convert(small, kLines, "a,b\n\"" + cell + "\",\"" + cell + "\"\n").problem == large);
  CHECK(convert(small, kLines, "a,b\n\"" + cell + "\"\n\"" + cell + "\"\n").count == "2");
  const std::string many = "a row has more than 10000 fields";
  CHECK(convert(kCsvIn, kLines, std::string(10'000, ',') + "\n").problem ==
        "the CSV in line 1: " + many);
  CHECK(convert(kCsvIn, kLines, "a,b\n" + std::string(10'000, ',') + "\n").problem ==
        "the CSV in line 2: " + many);
}

TEST_CASE("a name that a header of CSV has twice is not that of two fields") {
  const Converted out = convert(kCsvIn, kLines, "a,b,a,,\n1,2,3,4,5\n");
  CHECK(out.content == R"({"a":1,"b":2,"unknown_field_index_2":3,"":4,"unknown_field_index_4":5})");
  CHECK(convert(kCsvIn, kCsvOut, "a,b,a\n1,2,3\n").content == "a,b,unknown_field_index_2\n1,2,3\n");
  CHECK(convert(kCsvIn, kLines, "unknown_field_index_2,a,a\n1,2,3\n").problem ==
        "the CSV in line 1: the header names `unknown_field_index_2` twice");
}

TEST_CASE("a row of one field without a value is a row, wherever it stands") {
  std::string text;
  std::string expected;
  for (int i = 0; i < 40'000; ++i) {
    text += R"({"a":null})";
    expected += "\"\"\n";
  }
  const RunnerService bare{"CSVRecordSetWriter", {{"Include Header Line", "false"}}};
  CHECK(convert(kJsonIn, bare, text).content == expected);
  CHECK(convert(kJsonIn, kCsvOut, text).content == "a\n" + expected);
}

TEST_CASE("as many columns as there may be are written, in the order of the first record") {
  std::string text = "n0";
  std::string row = "0";
  for (int i = 1; i < 10'000; ++i) {
    text += ",n" + std::to_string(i);
    row += "," + std::to_string(i);
  }
  text += "\n";
  for (int i = 0; i < 100; ++i) text += row + "\n";
  CHECK(convert(kCsvIn, kCsvOut, text).content == text);
  CHECK(convert(kJsonIn, kCsvOut, R"([{"a":1,"b":2},{"c":5,"b":4,"a":3},{"c":6}])").content ==
        "a,b,c\n1,2,\n3,4,5\n,,6\n");
}

TEST_CASE("JSON becomes CSV with the fields of all records as columns, and comes back as it was") {
  const std::string text =
      R"([{"a":1,"b":"x,y"},{"c":" z","a":-2.5},{"b":"say \"hi\"","c":""},{"a":null,"d":{"e":[1]}}])";
  const Converted csv = convert(kJsonIn, kCsvOut, text);
  CHECK(csv.content ==
        "a,b,c,d\n"
        "1,\"x,y\",,\n"
        "-2.5,,\" z\",\n"
        ",\"say \"\"hi\"\"\",\"\",\n"
        ",,,\"{\"\"e\"\":[1]}\"\n");
  const RunnerService without_nulls{"JsonRecordSetWriter",
                                    {{"Suppress Null Values", "Always Suppress"}}};
  CHECK(
      convert(kCsvIn, without_nulls, csv.content).content ==
      R"([{"a":1.0,"b":"x,y"},{"a":-2.5,"c":" z"},{"b":"say \"hi\"","c":""},{"d":"{\"e\":[1]}"}])");
  const RunnerService all{"CSVRecordSetWriter",
                          {{"Quote Mode", "ALL"},
                           {"Value Separator", "\\t"},
                           {"Include Header Line", "false"},
                           {"Null String", "-"}}};
  CHECK(convert(kJsonIn, all, R"({"a":1,"b":null})").content == "\"1\"\t-\n");
}

TEST_CASE("pretty JSON is for people, and reads back") {
  const RunnerService pretty{"JsonRecordSetWriter", {{"Pretty Print JSON", "true"}}};
  const std::string text = convert(kJsonIn, pretty, R"([{"a":[1,2],"b":{}}])").content;
  CHECK(text == "[ {\n  \"a\" : [\n    1,\n    2\n  ],\n  \"b\" : {}\n} ]");
  CHECK(convert(kJsonIn, kJsonOut, text).content == R"([{"a":[1,2],"b":{}}])");
}

TEST_CASE("what has no records is passed on or dropped, as the flow says") {
  PropertyValues values = kBoth;
  values["Include Zero Record FlowFiles"] = "false";
  ProcessorRunner runner("ConvertRecord", values,
                         {.services = {{"in", kJsonIn}, {"out", kJsonOut}}});
  runner.enqueue("[]");
  runner.enqueue("[{}]");
  runner.run();
  const auto out = runner.taken("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].attribute("mime.type") == "application/json");
  CHECK(runner.count("failure") == 0);
  check_balanced(runner.loss());
}

TEST_CASE("a long array is converted record by record") {
  std::string text = "[";
  for (int i = 0; i < 20'000; ++i) {
    text += (i ? "," : "") + std::string("{\"id\":") + std::to_string(i) + ",\"t\":\"" +
            std::string(50, 'x') + "\"}";
  }
  const Converted out = convert(kJsonIn, kCsvOut, text + "]");
  CHECK(out.count == "20000");
  CHECK(convert(kCsvIn, kJsonOut, out.content).content == text + "]");
}

}  // namespace
}  // namespace runnel
