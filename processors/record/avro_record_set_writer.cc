// AvroRecordSetWriter: writes records in Avro's binary form, by a schema that the flow says.

#include <array>
#include <memory>
#include <string>

#include "agent/base/ids.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/avro_blocks.h"
#include "processors/record/avro_codec.h"
#include "processors/record/avro_schema.h"
#include "processors/record/record.h"
#include "processors/registry.h"

namespace runnel {

enum class SchemaWrite { kEmbedded, kNone };

template <>
struct EnumNames<SchemaWrite> {
  static constexpr std::array<std::pair<SchemaWrite, std::string_view>, 2> names{
      {{SchemaWrite::kEmbedded, "avro-embedded"}, {SchemaWrite::kNone, "no-schema"}}};
};
template <>
struct EnumNames<avro::Codec> {
  static constexpr std::array<std::pair<avro::Codec, std::string_view>, 4> names{
      {{avro::Codec::kNull, "NONE"},
       {avro::Codec::kDeflate, "DEFLATE"},
       {avro::Codec::kSnappy, "SNAPPY"},
       {avro::Codec::kZstandard, "ZSTANDARD"}}};
};

namespace {

constexpr std::size_t kSyncMark = 16;     // bytes between blocks
constexpr std::size_t kBlock = 64 << 10;  // a block is written when it is as large

struct AvroRecordSetWriterConfig {
  std::string schema_text;
  SchemaWrite schema_write = SchemaWrite::kEmbedded;
  avro::Codec codec = avro::Codec::kNull;
};

void append_text(std::string& into, std::string_view text) {
  avro::append_number(into, static_cast<std::int64_t>(text.size()));
  into += text;
}

class AvroRecordWriter final : public RecordWriter {
 public:
  AvroRecordWriter(ContentWriter& content, const AvroRecordSetWriterConfig& config,
                   std::shared_ptr<const avro::Schema> schema)
      : content_(content),
        is_file_(config.schema_write == SchemaWrite::kEmbedded),
        codec_(config.codec),
        schema_(std::move(schema)) {}

  Result<> write(const Record& record) override {
    ++count_;
    ++number_;
    TRY(avro::encode(block_, schema_->root(), record.fields)
            .within("record " + std::to_string(number_)));
    return block_.size() < kBlock ? Result<>() : settle();
  }

  Result<> finish() override {
    TRY(settle());
    return is_file_ ? write_head() : Result<>();  // of a file without records
  }

 private:
  Result<> write_head() {
    if (is_head_written_) return {};
    is_head_written_ = true;
    const auto bytes = random_bytes(kSyncMark);
    mark_.assign(bytes.begin(), bytes.end());
    std::string head("Obj\1", 4);
    avro::append_number(head, 2);
    append_text(head, "avro.schema");
    append_text(head, schema_->text());
    append_text(head, "avro.codec");
    append_text(head, name_of(codec_));
    avro::append_number(head, 0);
    return content_.write(head + mark_);
  }

  Result<> settle() {
    if (count_ == 0) return {};
    if (!is_file_) {
      TRY(content_.write(block_));
    } else {
      TRY(write_head());
      std::string packed;
      const bool is_packed = codec_ != avro::Codec::kNull;
      if (is_packed) avro::pack(packed, block_, codec_);
      const std::string& bytes = is_packed ? packed : block_;
      std::string head;
      avro::append_number(head, static_cast<std::int64_t>(count_));
      avro::append_number(head, static_cast<std::int64_t>(bytes.size()));
      TRY(content_.write(head));
      TRY(content_.write(bytes));
      TRY(content_.write(mark_));
    }
    count_ = 0;
    block_.clear();
    return {};
  }

  ContentWriter& content_;
  const bool is_file_;
  const avro::Codec codec_;
  const std::shared_ptr<const avro::Schema> schema_;
  std::string mark_;
  std::string block_;
  std::uint64_t count_ = 0;   // records in `block_`
  std::uint64_t number_ = 0;  // of the last record
  bool is_head_written_ = false;
};

class AvroRecordSetWriter final : public Service, public RecordSetWriterFactory {
 public:
  using Config = AvroRecordSetWriterConfig;
  AvroRecordSetWriter(Config config, std::shared_ptr<const avro::Schema> schema)
      : config_(std::move(config)), schema_(std::move(schema)) {}
  static Result<std::unique_ptr<AvroRecordSetWriter>> make(Config config) {
    TRY_ASSIGN(schema, avro::Schema::parse(config.schema_text).within("property `Schema Text`"));
    if (schema->root().kind != avro::Kind::kRecord)
      return invalid("property `Schema Text`: a record is what it must describe");
    if (config.codec != avro::Codec::kNull && config.schema_write == SchemaWrite::kNone)
      return invalid("property `Compression Format`: only files (`avro-embedded`) are compressed");
    return std::make_unique<AvroRecordSetWriter>(std::move(config), std::move(schema));
  }

  std::string_view mime_type() const override { return "application/avro-binary"; }
  Result<std::unique_ptr<RecordWriter>> open(ContentWriter& content,
                                             const std::vector<std::string>& /*columns*/) override {
    return std::unique_ptr<RecordWriter>(
        std::make_unique<AvroRecordWriter>(content, config_, schema_));
  }

 private:
  const Config config_;
  const std::shared_ptr<const avro::Schema> schema_;
};

}  // namespace

ServiceType avro_record_set_writer() {
  using C = AvroRecordSetWriterConfig;
  return DescribeService<AvroRecordSetWriter>(
             "AvroRecordSetWriter",
             "Writes records in Avro's binary form. Fields that the schema does not have are left "
             "out; one that a record does not have gets its default, or null.")
      .property(
          "Schema Text", &C::schema_text,
          {.doc = "The schema of a record, in JSON.",
           .required = true,
           .example = R"({"type":"record","name":"R","fields":[{"name":"a","type":"long"}]})"})
      .property("Schema Write Strategy", &C::schema_write,
                {.doc = "`avro-embedded`: an Avro file with its schema; `no-schema`: the records "
                        "alone, one behind the other."})
      .property("Compression Format", &C::codec,
                {.doc = "How the blocks of a file are compressed. NiFi's names, and `ZSTANDARD`."})
      .provides<RecordSetWriterFactory>();
}

}  // namespace runnel
