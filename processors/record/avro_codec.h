// Avro's binary form of values, by a schema, from bytes that nobody vouches for.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "processors/record/avro_schema.h"
#include "processors/record/record.h"

namespace runnel::avro {

// Where bytes come from, front to back.
class Input {
 public:
  virtual ~Input() = default;
  // Fills as much of `into` as there is; 0 at the end.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
};

// The same, read ahead in pieces.
class ByteStream {
 public:
  explicit ByteStream(Input& input) : input_(input) {}

  Result<bool> is_at_end();
  // Before anything is taken: whether these come first. At most as many as are read ahead.
  Result<bool> begins_with(std::string_view bytes);
  std::uint64_t taken() const { return taken_; }
  // kInvalid: the bytes end here.
  Result<std::uint8_t> byte();
  Result<> exactly(std::span<char> into);
  // At most so many, without reading ahead more than is asked for in all; 0 at the end.
  Result<std::size_t> some(std::span<char> into);
  // A zigzag number of variable length; kInvalid beyond 64 bits.
  Result<std::int64_t> number();

 private:
  Result<> fill();

  Input& input_;
  std::vector<char> buffer_ = std::vector<char>(16 << 10);
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t taken_ = 0;
};

inline constexpr std::size_t kDepthMax = 64;  // of values in values, read or written

// Reads one value; kInvalid when the bytes are none of this type, nest deeper, or when
// texts and values come to more than `size_max` bytes (a value counts as 16 beside its text).
Result<Value> decode(ByteStream& from, const Type& type, std::size_t size_max);
// The same of a value that was written by another schema (avro_resolution.h). What is passed over
// counts 16 bytes for a value, whatever its text.
struct Step;
Result<Value> decode(ByteStream& from, const Step& step, std::size_t size_max);

// Appends one value. kInvalid: it does not fit; the text says where. Texts are taken for the
// numbers and flags that they spell where the type asks for those, numbers for texts, and an empty
// text for null.
Result<> encode(std::string& into, const Type& type, const Value& value);
// The same of a record, for a type that is one.
Result<> encode(std::string& into, const Type& type, const Value::Fields& fields);
void append_number(std::string& into, std::int64_t number);

}  // namespace runnel::avro
