// AvroReader and AvroRecordSetWriter: what they write they read, and what the specification shows
// they write to the byte.

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "agent/base/bytes.h"
#include "processors/record/avro_codec.h"
#include "processors/record/deflate.h"
#include "tests/support/processor_runner.h"
#include "tests/support/source_dir.h"

namespace runnel {
namespace {

const PropertyValues kBoth{{"Record Reader", "in"}, {"Record Writer", "out"}};

struct Converted {
  std::string content;
  std::string problem;  // "": it went to success
};

Converted convert(const RunnerService& in, const RunnerService& out, std::string_view content) {
  ProcessorRunner runner("ConvertRecord", kBoth, {.services = {{"in", in}, {"out", out}}});
  runner.enqueue(content);
  runner.run();
  check_balanced(runner.loss());
  const auto good = runner.taken("success");
  if (!good.empty()) return {good.at(0).content, ""};
  const auto bad = runner.taken("failure");
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].content == content);  // as it came
  return {"", bad[0].attribute("record.error.message")};
}

const RunnerService kJsonIn{"JsonTreeReader"};
const RunnerService kJsonOut{"JsonRecordSetWriter"};
const RunnerService kLines{"JsonRecordSetWriter", {{"Output Grouping", "One Line Per Object"}}};
const RunnerService kAvroIn{"AvroReader"};

RunnerService bare_in(const std::string& schema) {
  return {"AvroReader",
          {{"Schema Access Strategy", "schema-text-property"}, {"Schema Text", schema}}};
}
RunnerService bare_out(const std::string& schema) {
  return {"AvroRecordSetWriter", {{"Schema Write Strategy", "no-schema"}, {"Schema Text", schema}}};
}
RunnerService file_out(const std::string& schema, const std::string& codec) {
  return {"AvroRecordSetWriter", {{"Schema Text", schema}, {"Compression Format", codec}}};
}

std::string record(const std::string& fields) {
  return R"({"type":"record","name":"R","namespace":"x.y","fields":[)" + fields + "]}";
}
std::string field(const std::string& name, const std::string& type) {
  return R"({"name":")" + name + R"(","type":)" + type + "}";
}

// The bytes in hexadecimal of one JSON record, written without a head.
std::string bytes_of(const std::string& schema, const std::string& json) {
  const Converted out = convert(kJsonIn, bare_out(schema), json);
  CHECK(out.problem == "");
  return to_hex(out.content);
}

std::string problem_of(const std::string& schema, const std::string& json) {
  return convert(kJsonIn, bare_out(schema), json).problem;
}

std::string json_of(const std::string& schema, const std::string& hex) {
  const Converted out = convert(bare_in(schema), kJsonOut, from_hex(hex).value());
  return out.problem.empty() ? out.content : out.problem;
}

const std::string kAll =
    record(field("null", R"("null")") + "," + field("flag", R"("boolean")") + "," +
           field("int", R"("int")") + "," + field("long", R"("long")") + "," +
           field("float", R"("float")") + "," + field("double", R"("double")") + "," +
           field("bytes", R"("bytes")") + "," + field("text", R"("string")") + "," +
           field("suit", R"({"type":"enum","name":"Suit","symbols":["HEARTS","SPADES"]})") + "," +
           field("four", R"({"type":"fixed","name":"Four","size":4})") + "," +
           field("list", R"({"type":"array","items":"long"})") + "," +
           field("map", R"({"type":"map","values":["null","Suit"]})") + "," +
           field("any", R"(["null","long","string",{"type":"array","items":"string"}])") + "," +
           field("self", R"(["null","R"])"));

TEST_CASE("values are written as the specification shows them") {
  // 1.11.1, "Binary encoding": numbers, a record, an array, a union.
  const std::string number = record(field("a", R"("long")"));
  for (const auto& [value, hex] : std::vector<std::pair<std::string, std::string>>{
           {"0", "00"},
           {"-1", "01"},
           {"1", "02"},
           {"-2", "03"},
           {"-64", "7f"},
           {"64", "8001"},
           {"9223372036854775807", "feffffffffffffffff01"},
           {"-9223372036854775808", "ffffffffffffffffff01"}}) {
    CHECK(bytes_of(number, "{\"a\":" + value + "}") == hex);
    CHECK(json_of(number, hex) == "[{\"a\":" + value + "}]");
  }
  const std::string spec = record(field("a", R"("long")") + "," + field("b", R"("string")"));
  CHECK(bytes_of(spec, R"({"a":27,"b":"foo"})") == "3606666f6f");
  const std::string list = record(field("a", R"({"type":"array","items":"long"})"));
  CHECK(bytes_of(list, R"({"a":[3,27]})") == "04063600");
  CHECK(json_of(list, "0304063600") == R"([{"a":[3,27]}])");  // with its size before it
  CHECK(bytes_of(list, R"({"a":[]})") == "00");
  const std::string either = record(field("a", R"(["null","string"])"));
  CHECK(bytes_of(either, R"({"a":null})") == "00");
  CHECK(bytes_of(either, R"({"a":"a"})") == "020261");
  const std::string numbers = record(field("f", R"("float")") + "," + field("d", R"("double")"));
  CHECK(bytes_of(numbers, R"({"f":1.5,"d":-2})") == "0000c03f00000000000000c0");
}

TEST_CASE("every type comes back from a file as it was, compressed or not") {
  const std::string json =
      R"([{"null":null,"flag":true,"int":-5,"long":9223372036854775807,"float":0.5,"double":1e+300,)"
      R"("bytes":"b","text":"ü","suit":"SPADES","four":"abcd","list":[1,2,3],)"
      R"("map":{"x":"HEARTS","y":null},"any":["p","q"],"self":{"null":null,"flag":false,"int":0,)"
      R"("long":0,"float":0.0,"double":0.0,"bytes":"","text":"","suit":"HEARTS","four":"....",)"
      R"("list":[],"map":{},"any":7,"self":null}}])";
  for (const char* codec : {"NONE", "DEFLATE"}) {
    CAPTURE(codec);
    const Converted file = convert(kJsonIn, file_out(kAll, codec), json);
    REQUIRE(file.problem == "");
    CHECK(file.content.substr(0, 4) == std::string("Obj\1", 4));
    const Converted back = convert(kAvroIn, kJsonOut, file.content);
    CHECK(back.problem == "");
    CHECK(back.content == json);
    // The schema of the file counts, whatever the flow says.
    CHECK(convert(bare_in(record(field("z", R"("long")"))), kJsonOut, file.content).content ==
          json);
  }
}

TEST_CASE("files that Apache's own library has written are read") {
  // files/apache-*.avro: by the Python library, six records of every kind of type.
  const auto file_of = [](const std::string& codec) {
    std::ifstream in(test::source_dir() +
                         std::string("/tests/processors/record/files/apache-" + codec + ".avro"),
                     std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const Converted plain = convert(kAvroIn, kLines, file_of("null"));
  REQUIRE(plain.problem == "");
  CHECK(plain.content.starts_with(
      R"({"id":-5,"speed":null,"f":0.0,"ok":true,"name":"vehicle ü 0","raw":"abc","gear":"P",)"
      R"("mac":"xyz","tags":[],"more":{"k":0,"g":"D","n":null},"next":null})"));
  CHECK(std::count(plain.content.begin(), plain.content.end(), '\n') == 5);
  CHECK(plain.content.find(R"("next":{"id":14000000093,"speed":3.5,"f":7.0)") != std::string::npos);
  CHECK(convert(kAvroIn, kLines, file_of("deflate")).content == plain.content);
}

TEST_CASE("many records make many blocks, and none make an empty file") {
  const std::string schema = record(field("i", R"("int")") + "," + field("t", R"("string")"));
  std::string json = "[";
  for (int i = 0; i < 20'000; ++i)
    json +=
        (i == 0 ? "" : ",") + ("{\"i\":" + std::to_string(i)) + ",\"t\":\"text of some length\"}";
  json += "]";
  const Converted plain = convert(kJsonIn, file_out(schema, "NONE"), json);
  const Converted packed = convert(kJsonIn, file_out(schema, "DEFLATE"), json);
  CHECK(plain.content.size() > 400'000);
  CHECK(packed.content.size() < plain.content.size() / 3);
  CHECK(convert(kAvroIn, kJsonOut, plain.content).content == json);
  CHECK(convert(kAvroIn, kJsonOut, packed.content).content == json);
  const Converted none = convert(kJsonIn, file_out(schema, "NONE"), "[]");
  CHECK(convert(kAvroIn, kJsonOut, none.content).content == "[]");
  CHECK(convert(kAvroIn, kJsonOut, "").content == "[]");
}

TEST_CASE("texts become what the schema asks for, so that CSV can be written") {
  const std::string schema =
      record(field("n", R"("long")") + "," + field("d", R"(["null","double"])") + "," +
             field("f", R"("boolean")") + "," + field("t", R"("string")") + "," +
             R"({"name":"x","type":"int","default":9})");
  const Converted out = convert({"CSVReader"}, file_out(schema, "NONE"),
                                "other,n,d,f,t\nz,5,1.5,true,7\nz,-1,,FALSE,q\n");
  REQUIRE(out.problem == "");
  CHECK(convert(kAvroIn, kJsonOut, out.content).content ==
        R"([{"n":5,"d":1.5,"f":true,"t":"7","x":9},{"n":-1,"d":null,"f":false,"t":"q","x":9}])");
}

TEST_CASE("a value that does not fit is told with its record, its field and what it should be") {
  CHECK(problem_of(record(field("a", R"("int")")), R"([{"a":1},{"a":"x"}])") ==
        "record 2: `a`: `x` is no int");
  CHECK(problem_of(record(field("a", R"("int")")), R"({"a":2147483648})") ==
        "record 1: `a`: `2147483648` is no int");
  CHECK(problem_of(record(field("a", R"("long")")), R"({"b":1})") ==
        "record 1: `a`: `null` is no long");
  CHECK(problem_of(record(field("a", R"(["null","boolean"])")), R"({"a":[1]})") ==
        "record 1: `a`: `[1]` is no union");
}

std::string refused(const std::string& schema) {
  RunnerOptions options{.services = {{"in", kJsonIn}, {"out", bare_out(schema)}}};
  options.must_start = false;
  return ProcessorRunner("ConvertRecord", kBoth, options).start_error();
}

TEST_CASE("a schema that is none is refused, and the text says what is wrong") {
  const auto says = [](const std::string& schema, const std::string& what) {
    const std::string error = refused(schema);
    CHECK_MESSAGE(error.find(what) != std::string::npos, schema, ": ", error);
  };
  says("{", "no JSON");
  says("[]", "a union has no branches");
  says(R"("string")", "a record is what it must describe");
  says(record(field("a", R"("strin")")), "there is no type `strin`");
  says(record(field("a", R"("int")") + "," + field("a", R"("int")")), "`a` is there twice");
  says(record(field("a", R"(["int","int"])")), "has `int` twice");
  says(record(field("a", R"(["int",["null"]])")), "a union stands in a union");
  says(record(field("a-b", R"("int")")), "names no field");
  says(record(field("a", R"({"type":"fixed","name":"F","size":99999999})")), "too large");
  says(record(field("a", R"({"type":"enum","name":"E","symbols":["A","A"]})")), "is there twice");
  says(record(field("a", R"({"type":"record","name":"R","fields":[]})")), "`x.y.R` is there twice");
  std::string deep = R"("int")";
  for (int i = 0; i < 200; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  says(record(field("a", deep)), "nest too deeply");
  says(std::string(200'000, '['), "no JSON");
}

TEST_CASE("hostile bytes are refused at once, whatever they claim") {
  const std::string text = record(field("a", R"("string")"));
  CHECK(json_of(text, "02").find("end too early") != std::string::npos);
  CHECK(json_of(text, "01").find("negative length") != std::string::npos);
  CHECK(json_of(text, "feffffffffffffffff01").find("Maximum Record Size") != std::string::npos);
  CHECK(json_of(text, "ffffffffffffffffffff01").find("more than 64 bits") != std::string::npos);
  const std::string nulls = record(field("a", R"({"type":"array","items":"null"})"));
  CHECK(json_of(nulls, "feffffffffffffffff01").find("Maximum Record Size") != std::string::npos);
  CHECK(json_of(nulls, "ffffffffffffffffff0102").find("Maximum Record Size") != std::string::npos);
  const std::string self = record(field("a", R"("R")"));
  CHECK(json_of(self, "00").find("nest too deeply") != std::string::npos);
  CHECK(json_of(record(field("a", R"("null")")), "00").find("takes no bytes") != std::string::npos);
  CHECK(json_of(record(field("a", R"(["null","int"])")), "04").find("beyond its end") !=
        std::string::npos);
  CHECK(json_of(record(field("a", R"("boolean")")), "02").find("neither 0 nor 1") !=
        std::string::npos);
  CHECK(json_of(record(field("a", R"("int")")), "8080808020").find("32 bits") != std::string::npos);
  CHECK(convert(kAvroIn, kJsonOut, "Object").problem.find("no Avro file") != std::string::npos);
}

TEST_CASE("a file that is cut, flipped or packed by somebody unknown is refused, never wrong") {
  const std::string schema = record(field("i", R"("int")") + "," + field("t", R"("string")"));
  std::string json = "[";
  for (int i = 0; i < 50; ++i)
    json += (i == 0 ? "" : ",") + ("{\"i\":" + std::to_string(i)) + ",\"t\":\"t\"}";
  json += "]";
  for (const char* codec : {"NONE", "DEFLATE"}) {
    const std::string good = convert(kJsonIn, file_out(schema, codec), json).content;
    for (std::size_t size = 1; size < good.size(); size += 7) {
      const Converted cut = convert(kAvroIn, kJsonOut, good.substr(0, size));
      const bool is_head_alone = cut.problem.empty() && cut.content == "[]";
      CHECK_MESSAGE((is_head_alone || !cut.problem.empty()), "cut at ", size);
    }
    std::string flipped = good;
    flipped.back() = static_cast<char>(flipped.back() ^ 1);
    CHECK(convert(kAvroIn, kJsonOut, flipped).problem.find("does not end where it says") !=
          std::string::npos);
  }
  std::string head("Obj\1", 4);
  head +=
      "\x04\x16"
      "avro.schema";
  std::string with_codec = head;
  avro::append_number(with_codec, static_cast<std::int64_t>(schema.size()));
  with_codec += schema +
                "\x14"
                "avro.codec"
                "\x0c"
                "snappy" +
                std::string(1, '\0') + std::string(16, 'm');
  CHECK(convert(kAvroIn, kJsonOut, with_codec).problem.find("codec `snappy`") != std::string::npos);
}

TEST_CASE("a bomb of compressed bytes is unpacked no further than a record goes") {
  const std::string schema = record(field("t", R"("string")"));
  std::string claim;
  avro::append_number(claim, 300 << 20);
  std::string packed;
  deflate_to(packed, claim + std::string(20 << 20, 'x'));
  std::string file("Obj\1", 4);
  file +=
      "\x04\x16"
      "avro.schema";
  avro::append_number(file, static_cast<std::int64_t>(schema.size()));
  file += schema +
          "\x14"
          "avro.codec"
          "\x0e"
          "deflate" +
          std::string(1, '\0') + std::string(16, 'm');
  avro::append_number(file, 1);
  avro::append_number(file, static_cast<std::int64_t>(packed.size()));
  file += packed + std::string(16, 'm');
  CHECK(convert(kAvroIn, kJsonOut, file).problem.find("Maximum Record Size") != std::string::npos);
}

}  // namespace
}  // namespace runnel
