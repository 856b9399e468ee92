// AvroReader: reads records from Avro's object container files, or from bare records one behind the
// other, of a schema that the flow says.
//
// Nothing stands in memory but one record, whatever the size of a block.
//
// A mark's note, its words separated by blanks; `number` counts the records before it:
//
//   (empty)                       at the front
//   bare <number>                 bare records
//   plain <number> <left> <size>  so many records and bytes are left of a block that is not packed;
//                                 0 and 0 between two blocks
//   packed <number> <taken>       at the front of a packed block, of which so many records are
//                                 taken: they are read again, for it can only be unpacked from
//                                 there

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/avro_blocks.h"
#include "processors/record/avro_codec.h"
#include "processors/record/avro_resolution.h"
#include "processors/record/avro_schema.h"
#include "processors/record/record.h"
#include "processors/registry.h"

namespace runnel {

enum class SchemaAccess { kEmbedded, kText };

template <>
struct EnumNames<SchemaAccess> {
  static constexpr std::array<std::pair<SchemaAccess, std::string_view>, 2> names{
      {{SchemaAccess::kEmbedded, "embedded-avro-schema"},
       {SchemaAccess::kText, "schema-text-property"}}};
};

namespace {

constexpr std::string_view kMagic("Obj\1", 4);
constexpr std::size_t kMark = 16;          // bytes between blocks
constexpr std::size_t kHeadMax = 4 << 20;  // of a container's head
// The first words of marks' notes.
constexpr std::string_view kNotesBare = "bare";
constexpr std::string_view kNotesPlain = "plain";
constexpr std::string_view kNotesPacked = "packed";

struct AvroReaderConfig {
  SchemaAccess access = SchemaAccess::kEmbedded;
  std::optional<std::string> schema_text;
  Size record_size_max{4 << 20};
};

class ContentInput final : public avro::Input {
 public:
  explicit ContentInput(ContentReader& content) : content_(content) {}
  Result<std::size_t> read(std::span<char> into) override { return content_.read(into); }

 private:
  ContentReader& content_;
};

// The next so many bytes of another.
class PartInput final : public avro::Input {
 public:
  PartInput(avro::ByteStream& from, std::uint64_t size) : from_(from), left_(size) {}
  Result<std::size_t> read(std::span<char> into) override {
    if (left_ == 0) return std::size_t{0};
    TRY_ASSIGN(count, from_.some(into.first(std::min<std::uint64_t>(into.size(), left_))));
    if (count == 0) return invalid("the bytes end too early");
    left_ -= count;
    return count;
  }

 private:
  avro::ByteStream& from_;
  std::uint64_t left_;
};

class AvroRecordReader final : public RecordReader {
 public:
  AvroRecordReader(ContentReader& content, std::shared_ptr<const avro::Schema> schema,
                   std::size_t size_max)
      : input_(content), stream_(input_), schema_(std::move(schema)), size_max_(size_max) {}

  // Goes on at a mark, which `content` stands at.
  Result<> go_on(ContentReader& front, const RecordMark& mark) {
    if (mark.note.empty()) return {};
    is_begun_ = true;
    base_ = mark.offset;
    std::istringstream note(mark.note);
    std::string kind;
    std::uint64_t number = 0;
    note >> kind >> number;
    is_container_ = kind != kNotesBare;
    if (is_container_) {
      ContentInput input(front);
      avro::ByteStream head(input);
      TRY(read_head(head).within("the head of an Avro file"));
    }
    if (kind == kNotesPlain) {
      std::uint64_t left = 0;
      std::uint64_t size = 0;
      note >> left >> size;
      if (note && left > 0) begin_block(left, size);
    } else if (kind == kNotesPacked) {
      std::uint64_t taken = 0;
      note >> taken;
      if (note) TRY(pass_over(taken));
    } else if (kind != kNotesBare || !schema_) {
      note.setstate(std::ios::failbit);
    }
    if (!note) return invalid("no mark in this Avro");
    number_ = number;
    return {};
  }

  RecordMark mark() const override {
    if (!is_begun_) return {};
    const std::string number = " " + std::to_string(number_);
    if (!is_container_) return {base_ + stream_.taken(), std::string(kNotesBare) + number};
    if (block_left_ == 0) {
      return {base_ + stream_.taken(), std::string(kNotesPlain) + number + " 0 0"};
    }
    if (unpacked_) {
      return {block_head_, std::string(kNotesPacked) + number + " " +
                               std::to_string(block_count_ - block_left_)};
    }
    return {block_begin_ + block_->taken(), std::string(kNotesPlain) + number + " " +
                                                std::to_string(block_left_) + " " +
                                                std::to_string(block_size_ - block_->taken())};
  }

  Result<std::optional<Record>> next() override {
    if (!is_begun_) TRY(begin());
    if (is_container_) {
      TRY_ASSIGN(is_there, find_block());
      if (!is_there) return std::optional<Record>{};
      TRY_ASSIGN(record, read(*block_));
      if (--block_left_ == 0) TRY(end_block());
      return std::optional<Record>(std::move(record));
    }
    TRY_ASSIGN(is_end, stream_.is_at_end());
    if (is_end) return std::optional<Record>{};
    TRY_ASSIGN(record, read(stream_));
    return std::optional<Record>(std::move(record));
  }

 private:
  Result<> begin() {
    is_begun_ = true;
    TRY_ASSIGN(is_container, stream_.begins_with(kMagic));
    is_container_ = is_container;
    if (is_container_) return read_head(stream_).within("the head of an Avro file");
    TRY_ASSIGN(is_end, stream_.is_at_end());
    if (!schema_ && !is_end) return invalid("this is no Avro file, and there is no `Schema Text`");
    return {};
  }

  Result<> read_head(avro::ByteStream& from) {
    std::array<char, kMagic.size()> magic;
    TRY(from.exactly(magic));
    const avro::Type bytes{.kind = avro::Kind::kBytes};
    const avro::Type facts{.kind = avro::Kind::kMap, .branches = {&bytes}};
    TRY_ASSIGN(read, avro::decode(from, facts, kHeadMax));
    std::string schema;
    std::string codec = "null";
    const auto* const known_facts = std::get_if<Value::Fields>(&read.held);
    for (const Field& one : known_facts != nullptr ? *known_facts : Value::Fields{}) {
      if (one.name == "avro.schema") schema = std::get<std::string>(one.value.held);
      if (one.name == "avro.codec") codec = std::get<std::string>(one.value.held);
    }
    TRY_ASSIGN(parsed, avro::Schema::parse(schema));
    if (parsed->root().kind != avro::Kind::kRecord) return invalid("its schema is no record");
    if (schema_ && schema_->text() != parsed->text()) {
      TRY_ASSIGN(resolution, avro::Resolution::of(parsed, schema_));
      resolution_ = std::move(resolution);
    } else {
      schema_ = std::move(parsed);
    }
    const auto known = avro::codec_named(codec);
    if (!known) {
      return invalid("codec `" + codec.substr(0, 100) +
                     "`; there are `null`, `deflate`, `snappy` and `zstandard`");
    }
    codec_ = *known;
    return from.exactly(mark_);
  }

  // False: there is no further record.
  Result<bool> find_block() {
    while (block_left_ == 0) {
      TRY_ASSIGN(is_end, stream_.is_at_end());
      if (is_end) return false;
      block_head_ = base_ + stream_.taken();
      TRY_ASSIGN(count, stream_.number());
      TRY_ASSIGN(size, stream_.number());
      if (count < 0 || size < 0) return invalid("a block of negative size");
      begin_block(static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(size));
      if (block_left_ == 0) TRY(end_block());
    }
    return true;
  }

  void begin_block(std::uint64_t count, std::uint64_t size) {
    block_.reset();
    unpacked_.reset();
    block_begin_ = base_ + stream_.taken();
    block_size_ = size;
    part_ = std::make_unique<PartInput>(stream_, size);
    unpacked_ = avro::unpacked(*part_, codec_);
    block_ = std::make_unique<avro::ByteStream>(unpacked_ ? *unpacked_ : *part_);
    block_count_ = block_left_ = count;
  }

  // The first so many records of the next block, but not all.
  Result<> pass_over(std::uint64_t records) {
    TRY_ASSIGN(is_there, find_block());
    if (!is_there || block_left_ <= records) return invalid("no mark in this Avro");
    for (; records > 0; --records, --block_left_) TRY(read(*block_));
    return {};
  }

  Result<> end_block() {
    TRY_ASSIGN(is_end, block_->is_at_end());
    if (!is_end) return invalid("a block has more bytes than its records");
    // What some writers leave of a sum behind the compressed bytes is passed over.
    std::array<char, 256> rest;
    while (true) {
      TRY_ASSIGN(count, part_->read(rest));
      if (count == 0) break;
    }
    std::array<char, kMark> mark;
    TRY(stream_.exactly(mark));
    if (mark != mark_) return invalid("a block does not end where it says");
    return {};
  }

  Result<Record> read(avro::ByteStream& from) {
    const std::uint64_t before = from.taken();
    ++number_;
    const auto place = [this] { return "record " + std::to_string(number_); };
    TRY_ASSIGN(value, (resolution_ ? avro::decode(from, resolution_->root(), size_max_)
                                   : avro::decode(from, schema_->root(), size_max_))
                          .within(place()));
    // A few bytes could claim any number of them.
    if (from.taken() == before) return invalid(place() + " takes no bytes");
    return Record{std::move(std::get<Value::Fields>(value.held))};
  }

  ContentInput input_;
  avro::ByteStream stream_;
  std::shared_ptr<const avro::Schema> schema_;          // of what is read
  std::shared_ptr<const avro::Resolution> resolution_;  // where a file has another
  const std::size_t size_max_;
  std::uint64_t base_ = 0;  // the byte with which `stream_` begins
  bool is_begun_ = false;
  bool is_container_ = false;
  avro::Codec codec_ = avro::Codec::kNull;
  std::array<char, kMark> mark_{};
  std::unique_ptr<PartInput> part_;  // the present block, and what reads it
  std::unique_ptr<avro::Input> unpacked_;
  std::unique_ptr<avro::ByteStream> block_;
  std::uint64_t block_head_ = 0;  // the byte at which its counts stand
  std::uint64_t block_begin_ = 0;
  std::uint64_t block_size_ = 0;  // packed
  std::uint64_t block_count_ = 0;
  std::uint64_t block_left_ = 0;
  std::uint64_t number_ = 0;
};

class AvroReader final : public Service, public RecordReaderFactory {
 public:
  using Config = AvroReaderConfig;
  AvroReader(const Config& config, std::shared_ptr<const avro::Schema> schema)
      : record_size_max_(config.record_size_max.bytes), schema_(std::move(schema)) {}
  static Result<std::unique_ptr<AvroReader>> make(Config config) {
    if (config.access == SchemaAccess::kEmbedded)
      return std::make_unique<AvroReader>(config, nullptr);
    if (!config.schema_text) return invalid("`schema-text-property` needs `Schema Text`");
    TRY_ASSIGN(schema, avro::Schema::parse(*config.schema_text).within("property `Schema Text`"));
    if (schema->root().kind != avro::Kind::kRecord)
      return invalid("property `Schema Text`: a record is what it must describe");
    return std::make_unique<AvroReader>(config, std::move(schema));
  }

  Result<std::unique_ptr<RecordReader>> open(ContentReader& content) override {
    return std::unique_ptr<RecordReader>(
        std::make_unique<AvroRecordReader>(content, schema_, record_size_max_));
  }
  Result<std::unique_ptr<RecordReader>> resume(ContentReader& front, ContentReader& rest,
                                               const RecordMark& mark) override {
    auto reader = std::make_unique<AvroRecordReader>(rest, schema_, record_size_max_);
    TRY(reader->go_on(front, mark));
    return std::unique_ptr<RecordReader>(std::move(reader));
  }

 private:
  const std::size_t record_size_max_;
  const std::shared_ptr<const avro::Schema> schema_;  // nullptr: that of the content
};

}  // namespace

ServiceType avro_reader() {
  using C = AvroReaderConfig;
  return DescribeService<AvroReader>("AvroReader",
                                     "Reads records from Avro files (codecs `null`, `deflate`, "
                                     "`snappy` and `zstandard`), or "
                                     "from bare records. Values of logical types (dates, decimals) "
                                     "are read as the type that carries them.")
      .property("Schema Access Strategy", &C::access,
                {.doc = "`embedded-avro-schema`: the content is an Avro file, whose schema counts. "
                        "`schema-text-property`: records are read as `Schema Text` says. Those of "
                        "a file of another schema are brought to it as Avro's specification says "
                        "(Schema Resolution: defaults, aliases, numbers promoted, fields left "
                        "out); content without a file's head is records of `Schema Text`, one "
                        "behind the other."})
      .property("Schema Text", &C::schema_text,
                {.doc = "The schema of a record, in JSON, for `schema-text-property`."})
      .property("Maximum Record Size", &C::record_size_max,
                {.doc = "Content with a larger record is malformed. A value counts as 16 bytes, "
                        "and as its text.",
                 .min = Size{1024},
                 .max = Size{64 << 20}})
      .provides<RecordReaderFactory>();
}

}  // namespace runnel
