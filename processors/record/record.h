// Record: a row inside a FlowFile's content, and the services that read and write records.
//
// Records are streamed: whoever converts holds one at a time, whatever the size of the content. One
// record is bounded by the reader.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/sdk/context.h"
#include "agent/sdk/service.h"
#include "agent/sdk/session.h"

namespace runnel {

struct Field;

// An integer beyond 64 bits, as it was written.
struct BigInteger {
  std::string digits;
  bool operator==(const BigInteger&) const = default;
};

struct Value {
  using Null = std::monostate;
  using List = std::vector<Value>;
  using Fields = std::vector<Field>;

  std::variant<Null, bool, std::int64_t, double, BigInteger, std::string, List, Fields> held;

  bool is_null() const { return std::holds_alternative<Null>(held); }
  // Neither null nor a list or a record.
  bool is_scalar() const {
    return !is_null() && !std::holds_alternative<List>(held) &&
           !std::holds_alternative<Fields>(held);
  }
  bool operator==(const Value& other) const;
};

struct Field {
  std::string name;
  Value value;
  bool operator==(const Field& other) const = default;
};

inline bool Value::operator==(const Value& other) const { return held == other.held; }

// The value of this name, searched for from `next` on, round and round; `next` is behind it then.
// For who asks for many in about their order.
const Value* find_from(std::size_t& next, std::string_view name, const Value::Fields& fields);

// In the order in which they were read.
struct Record {
  Value::Fields fields;

  const Value* find(std::string_view name) const {
    for (const Field& one : fields) {
      if (one.name == name) return &one.value;
    }
    return nullptr;
  }
};

// Where a reader stands between two records: another goes on there, in another session or after a
// restart.
struct RecordMark {
  std::uint64_t offset = 0;  // of the byte from which it reads on
  std::string note = {};     // what else it must know, in words of its own; ASCII, one line
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // The next record, or none at the end. kInvalid: the content is malformed; the text says where.
  virtual Result<std::optional<Record>> next() = 0;
  // Of the record that comes next. Not after an error.
  virtual RecordMark mark() const = 0;
};

class RecordReaderFactory {
 public:
  static constexpr std::string_view kService = "RecordReaderFactory";
  virtual ~RecordReaderFactory() = default;
  // Reads from where `content` stands, which must be its front, and may rewind it. `content`
  // outlives the reader. Any thread.
  virtual Result<std::unique_ptr<RecordReader>> open(ContentReader& content) = 0;
  // Goes on at a mark in the same content: `front` stands at its front, `rest` at `mark.offset`,
  // and both outlive the reader. kInvalid: no reader of this kind has made the mark. Any thread.
  virtual Result<std::unique_ptr<RecordReader>> resume(ContentReader& front, ContentReader& rest,
                                                       const RecordMark& mark) = 0;
};

class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  virtual Result<> write(const Record& record) = 0;
  // Writes what belongs behind the last record. The content itself is finished by its owner.
  virtual Result<> finish() = 0;
};

class RecordSetWriterFactory {
 public:
  static constexpr std::string_view kService = "RecordSetWriterFactory";
  virtual ~RecordSetWriterFactory() = default;
  virtual std::string_view mime_type() const = 0;
  // Whether `open` needs the names of all fields, because they are written before the records.
  virtual bool needs_columns() const { return false; }
  // `content` outlives the writer. Any thread.
  virtual Result<std::unique_ptr<RecordWriter>> open(ContentWriter& content,
                                                     const std::vector<std::string>& columns) = 0;
};

// ---- what the processors have in common

// Records that are malformed: the FlowFile goes to `failure` with the reason, which is told. Any
// other error is returned.
Result<> fail_records(Context& context, Session& session, FlowFile flowfile, const Error& error,
                      Relationship failure);

// ---- what the readers and writers have in common

// The content byte by byte, read in pieces.
class ByteSource {
 public:
  // `at`: where `content` stands.
  explicit ByteSource(ContentReader& content, std::uint64_t at = 0)
      : content_(content), offset_(at) {}
  // The next byte, or none at the end.
  Result<std::optional<char>> next() {
    if (at_ == end_) TRY(fill());
    if (at_ == end_) return std::optional<char>{};
    ++offset_;
    return std::optional<char>(buffer_[at_++]);
  }
  // What is at hand before the first of `ends`, `at_most` bytes, and is passed over: one look at
  // each byte where nothing but an end says anything.
  std::string_view until(std::string_view ends, std::size_t at_most) {
    const std::string_view ahead(buffer_.get() + at_, std::min(at_most, end_ - at_));
    const std::string_view passed = ahead.substr(0, ahead.find_first_of(ends));
    at_ += passed.size();
    offset_ += passed.size();
    return passed;
  }
  // Puts the last byte back.
  void unread() {
    --at_;
    --offset_;
  }
  std::uint64_t offset() const { return offset_; }

 private:
  Result<> fill();

  ContentReader& content_;
  static constexpr std::size_t kBuffer = 32 << 10;
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_;
};

// What is written, in pieces.
class ByteSink {
 public:
  explicit ByteSink(ContentWriter& content) : content_(content) {}
  std::string& buffer() { return buffer_; }
  // Writes the buffer if it is large.
  Result<> settle() { return buffer_.size() < (32U << 10) ? Result<>() : flush(); }
  Result<> flush();

 private:
  ContentWriter& content_;
  std::string buffer_;
};

// What a first reading of all records tells: to the end. kInvalid as RecordReader::next.
struct RecordSurvey {
  std::uint64_t count = 0;
  // Where they are wanted: in the order of their first appearance; up to kColumnsMax.
  std::vector<std::string> columns;
};
inline constexpr std::size_t kColumnsMax = 10'000;
Result<RecordSurvey> survey(RecordReader& reader, bool wants_columns);

// Appends the value as compact JSON, or indented by `indent` blanks a level (-1: compact).
void append_json(std::string& out, const Value& value, bool leaves_out_nulls, int indent,
                 int level);
// The same of a whole record.
void append_json(std::string& out, const Record& record, bool leaves_out_nulls, int indent);
// A scalar as text; lists and fields as JSON; null as nothing.
std::string text_of(const Value& value);

}  // namespace runnel
