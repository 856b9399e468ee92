// JsonTreeReader: reads records from JSON: an array of objects, one object, or several one behind
// the other, with or without line breaks between them.
//
// The content is cut into its records byte by byte, each of which is then parsed, so that an array
// of any length takes the memory of one record.

#include <string>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/json_value.h"
#include "processors/record/record.h"
#include "processors/registry.h"

namespace runnel {
namespace {

constexpr int kDepthMax = 100;
// The notes of marks.
constexpr std::string_view kInArray = "array";
constexpr std::string_view kOutside = "objects";

struct JsonTreeReaderConfig {
  Size record_size_max{4 << 20};
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class JsonRecordReader final : public RecordReader {
 public:
  // `at`: where `content` stands, perhaps within an array.
  JsonRecordReader(ContentReader& content, std::size_t size_max, std::uint64_t at, bool is_in_array)
      : source_(content, at), size_max_(size_max), is_in_array_(is_in_array) {}

  Result<std::optional<Record>> next() override {
    TRY_ASSIGN(first, begin_record());
    if (!first) return std::optional<Record>{};
    const std::uint64_t at = source_.offset() - 1;
    if (*first != '{') return malformed(at, "a record is an object");
    TRY(cut());
    Result<Value> value = parse_json(text_);
    if (!value.ok()) return malformed(at, value.error().text());
    return std::optional<Record>(Record{std::move(std::get<Value::Fields>(value->held))});
  }
  RecordMark mark() const override {
    return {source_.offset(), std::string(is_in_array_ ? kInArray : kOutside)};
  }

 private:
  Error malformed(std::uint64_t at, const std::string& what) const {
    return invalid("the JSON at byte " + std::to_string(at) + ": " + what);
  }

  Result<std::optional<char>> next_visible() {
    while (true) {
      TRY_ASSIGN(byte, source_.next());
      if (!byte || !is_blank(*byte)) return byte;
    }
  }

  // Programs on Windows put one before UTF-8; NiFi's readers pass over it.
  Result<> skip_byte_order_mark() {
    TRY_ASSIGN(first, source_.next());
    if (!first) return {};
    if (*first != '\xEF') {
      source_.unread();
      return {};
    }
    for (const char each : {'\xBB', '\xBF'}) {
      TRY_ASSIGN(byte, source_.next());
      if (!byte || *byte != each) return malformed(0, "a record is an object");
    }
    return {};
  }

  // The first byte of the next record; none: there is no more.
  Result<std::optional<char>> begin_record() {
    if (source_.offset() == 0) TRY(skip_byte_order_mark());
    while (true) {
      TRY_ASSIGN(byte, next_visible());
      if (!byte && !is_in_array_) return byte;
      if (!byte) return malformed(source_.offset(), "the array does not end");
      if (!is_in_array_ && *byte != '[') return byte;
      const bool is_between = is_in_array_;
      if (is_between && *byte == ']') {
        is_in_array_ = false;
        continue;
      }
      if (is_between && *byte != ',')
        return malformed(source_.offset() - 1, "`,` or `]` is missing");
      is_in_array_ = true;
      TRY_ASSIGN(first, next_visible());
      if (!first) return malformed(source_.offset(), "the array does not end");
      if (is_between || *first != ']') return first;
      is_in_array_ = false;  // it is empty
    }
  }

  // The text of the object whose brace has been read.
  Result<> cut() {
    text_ = "{";
    int depth = 1;
    bool is_text = false;
    bool is_escaped = false;
    while (depth > 0) {
      if (!is_escaped)
        text_ += source_.until(is_text ? "\"\\" : "\"{}[]", size_max_ - text_.size());
      TRY_ASSIGN(byte, source_.next());
      if (!byte) return malformed(source_.offset(), "the object does not end");
      const char c = *byte;
      text_ += c;
      if (text_.size() > size_max_) {
        return malformed(source_.offset(), "a record is larger than `Maximum Record Size`");
      }
      if (is_escaped) {
        is_escaped = false;
      } else if (is_text) {
        if (c == '\\') is_escaped = true;
        if (c == '"') is_text = false;
      } else if (c == '"') {
        is_text = true;
      } else if (c == '{' || c == '[') {
        if (++depth > kDepthMax) {
          return malformed(source_.offset(), "nested deeper than " + std::to_string(kDepthMax));
        }
      } else if (c == '}' || c == ']') {
        --depth;
      }
    }
    return {};
  }

  ByteSource source_;
  const std::size_t size_max_;
  std::string text_;
  bool is_in_array_;
};

class JsonTreeReader final : public Service, public RecordReaderFactory {
 public:
  using Config = JsonTreeReaderConfig;
  explicit JsonTreeReader(const Config& config) : config_(config) {}

  Result<std::unique_ptr<RecordReader>> open(ContentReader& content) override {
    return opened(content, 0, false);
  }
  Result<std::unique_ptr<RecordReader>> resume(ContentReader&, ContentReader& rest,
                                               const RecordMark& mark) override {
    if (mark.note != kInArray && mark.note != kOutside) return invalid("no mark in JSON");
    return opened(rest, mark.offset, mark.note == kInArray);
  }

 private:
  std::unique_ptr<RecordReader> opened(ContentReader& content, std::uint64_t at,
                                       bool is_in_array) const {
    return std::make_unique<JsonRecordReader>(
        content, static_cast<std::size_t>(config_.record_size_max.bytes), at, is_in_array);
  }

  const Config config_;
};

}  // namespace

ServiceType json_tree_reader() {
  return DescribeService<JsonTreeReader>("JsonTreeReader",
                                         "Reads records from JSON: an array of objects, or objects "
                                         "one behind the other. Values "
                                         "keep the types that they have there; of several fields "
                                         "with one name the last one counts.")
      .property("Maximum Record Size", &JsonTreeReaderConfig::record_size_max,
                {.doc = "A larger record makes the content malformed.",
                 .min = Size{64},
                 .max = Size{64 << 20}})
      .provides<RecordReaderFactory>();
}

}  // namespace runnel
