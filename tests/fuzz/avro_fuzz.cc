// Any bytes as an Avro file, and as a schema with bare records behind it: what is read is written
// by the same schema, and reads back the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "processors/record/avro_codec.h"
#include "processors/record/avro_schema.h"
#include "processors/record/record.h"
#include "processors/registry.h"
#include "tests/support/text_reader.h"

namespace runnel {
ServiceType avro_reader();
}  // namespace runnel

namespace {

constexpr std::size_t kRecordMax = 64 << 10;
constexpr int kRecordsMax = 1000;

class Text final : public runnel::test::TextReader, public runnel::avro::Input {
 public:
  using TextReader::TextReader;
  runnel::Result<std::size_t> read(std::span<char> into) override { return TextReader::read(into); }
};

void must(bool holds) {
  if (!holds) std::abort();
}

// Of names and types that files in the corpus have.
constexpr const char* kOther =
    R"({"type":"record","name":"R","fields":[{"name":"a","type":["null","double"],"default":null},)"
    R"({"name":"i","type":"long","aliases":["id"],"default":3},)"
    R"({"name":"s","type":"bytes","aliases":["t","name"],"default":"x"}]})";

void read_file(std::string_view bytes, bool is_brought_to_another) {
  static const auto plain = runnel::avro_reader().make({}).value();
  static const auto other =
      runnel::avro_reader()
          .make({{"Schema Access Strategy", "schema-text-property"}, {"Schema Text", kOther}})
          .value();
  Text text(bytes);
  const auto& service = is_brought_to_another ? other : plain;
  const auto reader = dynamic_cast<runnel::RecordReaderFactory&>(*service).open(text);
  must(reader.ok());
  for (int i = 0; i < kRecordsMax; ++i) {
    const auto record = (*reader)->next();
    if (!record.ok() || !*record) return;
  }
}

void read_values(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\n'), bytes.size());
  const auto schema = runnel::avro::Schema::parse(bytes.substr(0, end));
  if (!schema.ok()) return;
  Text text(bytes.substr(std::min(end + 1, bytes.size())));
  runnel::avro::ByteStream stream(text);
  for (int i = 0; i < kRecordsMax; ++i) {
    const auto value = runnel::avro::decode(stream, (*schema)->root(), kRecordMax);
    if (!value.ok()) return;
    std::string written;
    if (!runnel::avro::encode(written, (*schema)->root(), *value).ok()) continue;
    Text again(written);
    runnel::avro::ByteStream from(again);
    const auto read = runnel::avro::decode(from, (*schema)->root(), 2 * kRecordMax);
    must(read.ok());
    must(from.is_at_end().value_or(false));
    if (written.empty()) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with("Obj")) {
    read_file(bytes, false);
    read_file(bytes, true);
  } else {
    read_values(bytes);
  }
  return 0;
}
