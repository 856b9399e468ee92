// AvroReader and AvroRecordSetWriter: what they write they read, and what the specification shows
// they write to the byte.

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "agent/base/bytes.h"
#include "processors/record/avro_blocks.h"
#include "processors/record/avro_codec.h"
#include "processors/record/avro_resolution.h"
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
  for (const char* codec : {"NONE", "DEFLATE", "SNAPPY", "ZSTANDARD"}) {
    CAPTURE(codec);
    const Converted file = convert(kJsonIn, file_out(kAll, codec), json);
    REQUIRE(file.problem == "");
    CHECK(file.content.substr(0, 4) == std::string("Obj\1", 4));
    const Converted back = convert(kAvroIn, kJsonOut, file.content);
    CHECK(back.problem == "");
    CHECK(back.content == json);
    CHECK(convert(bare_in(kAll), kJsonOut, file.content).content == json);
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
  for (const char* codec : {"deflate", "snappy", "zstandard"})
    CHECK_MESSAGE(convert(kAvroIn, kLines, file_of(codec)).content == plain.content, codec);
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

TEST_CASE("numbers that JSON has none for are texts there and in CSV, and come back") {
  const std::string schema = record(field("d", R"("double")") + "," + field("f", R"("float")"));
  const std::string text = R"([{"d":"NaN","f":"-Infinity"},{"d":"Infinity","f":0.5}])";
  const Converted out = convert(kJsonIn, file_out(schema, "NONE"), text);
  REQUIRE(out.problem == "");
  CHECK(convert(kAvroIn, kJsonOut, out.content).content == text);
  CHECK(convert(kAvroIn, {"CSVRecordSetWriter"}, out.content).content ==
        "d,f\nNaN,-Infinity\nInfinity,0.5\n");
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
  for (const char* codec : {"NONE", "DEFLATE", "SNAPPY", "ZSTANDARD"}) {
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
                "\x0a"
                "bzip2" +
                std::string(1, '\0') + std::string(16, 'm');
  CHECK(convert(kAvroIn, kJsonOut, with_codec).problem.find("codec `bzip2`") != std::string::npos);
}

// A file of one block: `packed` as it is.
std::string file_of_block(const std::string& schema, const std::string& codec,
                          const std::string& packed) {
  std::string file("Obj\1", 4);
  const auto text = [&file](const std::string& one) {
    avro::append_number(file, static_cast<std::int64_t>(one.size()));
    file += one;
  };
  avro::append_number(file, 2);
  text("avro.schema");
  text(schema);
  text("avro.codec");
  text(codec);
  file += std::string(1, '\0') + std::string(16, 'm');
  avro::append_number(file, 1);
  text(packed);
  return file + std::string(16, 'm');
}

TEST_CASE("a bomb of compressed bytes is unpacked no further than a record goes") {
  const std::string schema = record(field("t", R"("string")"));
  std::string claim;
  avro::append_number(claim, 300 << 20);
  for (const avro::Codec codec :
       {avro::Codec::kDeflate, avro::Codec::kSnappy, avro::Codec::kZstandard}) {
    std::string packed;
    avro::pack(packed, claim + std::string(20 << 20, 'x'), codec);
    const std::string file = file_of_block(schema, std::string(name_of(codec)), packed);
    CHECK(convert(kAvroIn, kJsonOut, file).problem.find("Maximum Record Size") !=
          std::string::npos);
  }
}

TEST_CASE("a block of Snappy that claims much, holds much or has a wrong sum is refused") {
  const std::string schema = record(field("t", R"("string")"));
  const auto problem_of_block = [&](const std::string& packed) {
    return convert(kAvroIn, kJsonOut, file_of_block(schema, "snappy", packed)).problem;
  };
  CHECK(problem_of_block("\x80\x80\x40sums").find("Snappy") != std::string::npos);
  CHECK(problem_of_block(std::string("\xff\xff\xff\xff\x0f", 5) + "sums").find("are the most") !=
        std::string::npos);
  CHECK(problem_of_block("sum").find("end too early") != std::string::npos);
  std::string packed;
  avro::pack(packed, std::string("\x02t", 2), avro::Codec::kSnappy);
  CHECK(problem_of_block(packed) == "");
  packed.back() = static_cast<char>(packed.back() ^ 1);
  CHECK(problem_of_block(packed).find("sum of a block") != std::string::npos);
  packed.clear();
  avro::pack(packed, std::string(avro::kSnappyBlockMax + 1, 'x'), avro::Codec::kSnappy);
  CHECK(problem_of_block(packed).find("are the most") != std::string::npos);
}

TEST_CASE("a frame of Zstandard that looks back further than 16 MiB is refused") {
  // RFC 8878, 3.1.1.1: magic number, no single segment, a window of 2^31 bytes.
  const std::string head("\x28\xb5\x2f\xfd\x00\xa8", 6);
  const std::string last("\x09\x00\x00t", 4);  // a raw block of one byte
  const auto problem =
      convert(kAvroIn, kJsonOut,
              file_of_block(record(field("t", R"("string")")), "zstandard", head + last))
          .problem;
  CHECK_MESSAGE(problem.find("Zstandard") != std::string::npos, problem);
}

// ---- schema resolution

// The record of `json`, written by one schema into a file, read by another.
std::string evolved(const std::string& written, const std::string& read, const std::string& json) {
  const Converted file = convert(kJsonIn, file_out(written, "NONE"), json);
  REQUIRE_MESSAGE(file.problem.empty(), file.problem);
  const Converted out = convert(bare_in(read), kJsonOut, file.content);
  return out.problem.empty() ? out.content : out.problem;
}

TEST_CASE("a file of another schema is read as the flow's: fields by name, in its order") {
  const std::string written = record(field("a", R"("int")") + "," + field("b", R"("string")") +
                                     "," + field("gone", R"({"type":"map","values":"long"})"));
  const std::string read = record(
      R"({"name":"c","type":["null","string"],"default":null},)" + field("b", R"("string")") +
      R"(,{"name":"d","type":"double","default":7},)" + field("a", R"("int")") +
      R"(,{"name":"e","type":{"type":"record","name":"E","fields":[)"
      R"({"name":"x","type":"int","default":3},{"name":"raw","type":"bytes"}]},)"
      R"("default":{"raw":"A"}},{"name":"f","type":{"type":"array","items":"long"},)"
      R"("default":[1,2]})");
  CHECK(evolved(written, read, R"([{"a":1,"b":"x","gone":{"k":5}}])") ==
        R"([{"c":null,"b":"x","d":7.0,"a":1,"e":{"x":3,"raw":"A"},"f":[1,2]}])");
  CHECK(evolved(written, record(field("z", R"("int")")), R"([{"a":1,"b":"x","gone":{}}])")
            .find("`z` is not there, and has no default") != std::string::npos);
  CHECK(evolved(written, record(R"({"name":"z","type":"int","default":"no"})"),
                R"([{"a":1,"b":"x","gone":{}}])")
            .find("its default is none of its type") != std::string::npos);
}

TEST_CASE("in a default, characters stand for bytes, wherever in it bytes are") {
  const auto schema = avro::Schema::parse(
      record(R"({"name":"a","type":["bytes","null"],"default":"\u00e9"},)"
             R"({"name":"b","type":{"type":"map","values":{"type":"array","items":"bytes"}},)"
             R"("default":{"k":["\u00ff"]}})"));
  REQUIRE(schema.ok());
  const auto& fields = (*schema)->root().fields;
  CHECK(*fields[0].default_value == Value{std::string("\xE9")});
  CHECK(*fields[1].default_value ==
        Value{Value::Fields{{"k", Value{Value::List{Value{std::string("\xFF")}}}}}});
  CHECK(avro::Schema::parse(record(R"({"name":"a","type":["bytes"],"default":"\u0100"})")).code() ==
        Code::kInvalid);
}

TEST_CASE("numbers are promoted, string and bytes are each other's, and nothing is narrowed") {
  struct Case {
    const char* written;
    const char* read;
    const char* json;
    const char* result;  // nullptr: refused
  };
  const std::vector<Case> cases{
      {"int", "long", "5", "5"},
      {"int", "float", "16777217", "16777216.0"},
      {"int", "double", "16777217", "16777217.0"},
      {"long", "float", "9007199254740993", "9007199254740992.0"},
      {"long", "double", "3", "3.0"},
      {"float", "double", "0.5", "0.5"},
      {"string", "bytes", "\"x\"", "\"x\""},
      {"bytes", "string", "\"x\"", "\"x\""},
      {"long", "int", "5", nullptr},
      {"float", "long", "5", nullptr},
      {"double", "float", "5", nullptr},
      {"string", "long", "\"5\"", nullptr},
      {"boolean", "int", "true", nullptr},
      {"null", "string", "null", nullptr},
  };
  for (const Case& one : cases) {
    CAPTURE(one.written);
    CAPTURE(one.read);
    const auto of = [](const char* type) {
      return record(field("v", "\"" + std::string(type) + "\"") + "," + field("w", R"("int")"));
    };
    const std::string json = R"([{"v":)" + std::string(one.json) + R"(,"w":1}])";
    const std::string out = evolved(of(one.written), of(one.read), json);
    if (one.result != nullptr) {
      CHECK(out == R"([{"v":)" + std::string(one.result) + R"(,"w":1}])");
    } else {
      CHECK(out.find("cannot be read as the schema's " + std::string(one.read)) !=
            std::string::npos);
    }
  }
}

TEST_CASE("aliases of the flow's schema name fields and types of the file's") {
  const std::string written =
      record(field("speed", R"({"type":"record","name":"Old","fields":[)" +
                                field("kmh", R"("int")") + "]}") +
             "," + field("mode", R"({"type":"enum","name":"M1","symbols":["P","D"]})"));
  const auto read = [](const std::string& type_aliases) {
    return record(
        R"({"name":"velocity","aliases":["v","speed"],"type":{"type":"record","name":"New",)"
        R"("aliases":[)" +
        type_aliases +
        R"(],"fields":[{"name":"value","type":"long","aliases":["kmh"]}]}},)"
        R"({"name":"mode","type":{"type":"enum","name":"M2","aliases":["M1"],"symbols":["D","P"]}})");
  };
  const std::string json = R"([{"speed":{"kmh":80},"mode":"P"}])";
  CHECK(evolved(written, read(R"("x.y.Old")"), json) ==
        R"([{"velocity":{"value":80},"mode":"P"}])");
  CHECK(evolved(written, read(""), json)
            .find("record `x.y.Old`, which cannot be read as the schema's record `x.y.New`") !=
        std::string::npos);
  // A field's own name comes before an alias of another.
  CHECK(evolved(record(field("a", R"("int")")),
                record(R"({"name":"b","type":"int","default":9,"aliases":["a"]},)" +
                       field("a", R"("int")")),
                R"([{"a":1}])") == R"([{"b":9,"a":1}])");
}

TEST_CASE("a symbol that the flow's enum does not know becomes its default, if it has one") {
  const auto of = [](const std::string& symbols, const std::string& more) {
    return record(
        field("e", R"({"type":"enum","name":"E","symbols":[)" + symbols + "]" + more + "}"));
  };
  const std::string written = of(R"("A","B","C")", "");
  const std::string json = R"([{"e":"A"},{"e":"C"}])";
  CHECK(evolved(written, of(R"("C","U")", R"(,"default":"U")"), json) ==
        R"([{"e":"U"},{"e":"C"}])");
  CHECK(evolved(written, of(R"("C","U")", ""), json).find("the symbol `A` is none of") !=
        std::string::npos);
  CHECK(avro::Schema::parse(of(R"("A")", R"(,"default":"Z")")).code() == Code::kInvalid);
}

TEST_CASE("unions: the branch that was written counts, and the first that matches takes it") {
  const auto of = [](const std::string& type) { return record(field("u", type)); };
  const std::string json = R"([{"u":null},{"u":5},{"u":"x"}])";
  const std::string written = of(R"(["null","int","string"])");
  CHECK(evolved(written, of(R"(["string","null","double"])"), json) ==
        R"([{"u":null},{"u":5.0},{"u":"x"}])");
  CHECK(evolved(written, of(R"(["null","long"])"), json).find("record 3") != std::string::npos);
  // Only what is there must fit.
  CHECK(evolved(written, of(R"("long")"), R"([{"u":5}])") == R"([{"u":5}])");
  CHECK(evolved(written, of(R"("long")"), json).find("type null") != std::string::npos);
  // From no union into one; the specification says the first that matches.
  CHECK(evolved(of(R"("int")"), of(R"(["null","double","int"])"), R"([{"u":5}])") ==
        R"([{"u":5.0}])");
  // Items of arrays and values of maps, too.
  CHECK(evolved(of(R"({"type":"array","items":"int"})"),
                of(R"({"type":"array","items":["null","double"]})"),
                R"([{"u":[1,2]}])") == R"([{"u":[1.0,2.0]}])");
  CHECK(evolved(of(R"({"type":"map","values":"bytes"})"), of(R"({"type":"map","values":"string"})"),
                R"([{"u":{"k":"v"}}])") == R"([{"u":{"k":"v"}}])");
  CHECK(evolved(of(R"({"type":"fixed","name":"F","size":2})"),
                of(R"({"type":"fixed","name":"F","size":3})"), R"([{"u":"ab"}])")
            .find("fixed `x.y.F`") != std::string::npos);
}

TEST_CASE("schemas that name themselves are brought together, and hostile ones are bounded") {
  const auto self = [](const std::string& number) {
    return R"({"type":"record","name":"N","fields":[)" + field("v", number) +
           R"(,{"name":"next","type":["null","N"],"default":null}]})";
  };
  CHECK(evolved(self(R"("int")"), self(R"("double")"), R"([{"v":1,"next":{"v":2}}])") ==
        R"([{"v":1.0,"next":{"v":2.0,"next":null}}])");
  // Values that take no bytes, any number of them, in a field that is passed over.
  const std::string nulls =
      R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"null"}},)"
      R"({"name":"b","type":"int"}]})";
  std::string block;
  avro::append_number(block, std::int64_t{1} << 60);
  const auto problem = convert(bare_in(record(field("b", R"("int")"))), kJsonOut,
                               file_of_block(nulls, "null", block))
                           .problem;
  CHECK_MESSAGE(problem.find("Maximum Record Size") != std::string::npos, problem);
  // A text that is passed over takes no room, whatever its size.
  std::string large;
  avro::append_number(large, 6 << 20);
  large += std::string(6 << 20, 'x') + "\x0e";
  const std::string with_text = record(field("t", R"("string")") + "," + field("b", R"("int")"));
  CHECK(convert(bare_in(record(field("b", R"("int")"))), kJsonOut,
                file_of_block(with_text, "null", large))
            .content == R"([{"b":7}])");
  // Each of a thousand branches against each of so many unions: no more steps than a bound.
  const auto resolve = [](int unions) {
    std::string named;
    std::string names;
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "E" + std::to_string(i);
      const char* const comma = i == 0 ? "" : ",";
      named += comma + (R"({"type":"fixed","name":")" + name) + R"(","size":1})";
      names += comma + ("\"" + name) + "\"";
    }
    std::string written = field("all", "[" + named + "]");
    std::string read = field("all", R"(["null"])");
    for (int i = 0; i < unions; ++i) {
      written += "," + field("f" + std::to_string(i), "[" + names + "]");
      read += "," + field("f" + std::to_string(i), R"(["null","int"])");
    }
    return avro::Resolution::of(avro::Schema::parse(record(written)).value(),
                                avro::Schema::parse(record(read)).value());
  };
  CHECK(resolve(5).ok());
  REQUIRE_FALSE(resolve(60).ok());
  CHECK(resolve(60).code() == Code::kInvalid);
}

}  // namespace
}  // namespace runnel
