// Reading Avro's binary form.

#include <algorithm>
#include <cstring>

#include "processors/record/avro_codec.h"

namespace runnel::avro {
namespace {

constexpr std::size_t kValueCost = 16;

class Decoder {
 public:
  Decoder(ByteStream& from, std::size_t size_max) : from_(from), left_(size_max) {}

  Result<Value> value(const Type& type, std::size_t depth) {
    if (depth > kDepthMax) return invalid("values nest too deeply");
    TRY(charge(kValueCost));
    switch (type.kind) {
      case Kind::kNull:
        return Value{};
      case Kind::kBoolean: {
        TRY_ASSIGN(flag, from_.byte());
        if (flag > 1) return invalid("a boolean that is neither 0 nor 1");
        return Value{flag == 1};
      }
      case Kind::kInt: {
        TRY_ASSIGN(number, from_.number());
        if (!std::in_range<std::int32_t>(number)) return invalid("an int of more than 32 bits");
        return Value{number};
      }
      case Kind::kLong: {
        TRY_ASSIGN(number, from_.number());
        return Value{number};
      }
      case Kind::kFloat:
        return floating<float>();
      case Kind::kDouble:
        return floating<double>();
      case Kind::kBytes:
      case Kind::kString: {
        TRY_ASSIGN(bytes, text());
        return Value{std::move(bytes)};
      }
      case Kind::kFixed: {
        TRY_ASSIGN(bytes, text_of_size(type.size));
        return Value{std::move(bytes)};
      }
      case Kind::kEnum: {
        TRY_ASSIGN(index, index_below(type.symbols.size()));
        TRY(charge(type.symbols[index].size()));
        return Value{type.symbols[index]};
      }
      case Kind::kUnion: {
        TRY_ASSIGN(index, index_below(type.branches.size()));
        return value(*type.branches[index], depth + 1);
      }
      case Kind::kRecord:
        return record(type, depth);
      case Kind::kArray:
        return list(*type.branches[0], depth);
      case Kind::kMap:
        return map(*type.branches[0], depth);
    }
    return invalid("an unknown type");
  }

 private:
  Result<> charge(std::size_t bytes) {
    if (bytes > left_) return invalid("the record is larger than `Maximum Record Size`");
    left_ -= bytes;
    return {};
  }

  template <typename F>
  Result<Value> floating() {
    char bytes[sizeof(F)];
    TRY(from_.exactly(bytes));
    F number;
    std::memcpy(&number, bytes, sizeof number);  // both are little-endian
    return Value{static_cast<double>(number)};
  }

  Result<std::string> text() {
    TRY_ASSIGN(size, from_.number());
    if (size < 0) return invalid("a text of negative length");
    return text_of_size(static_cast<std::uint64_t>(size));
  }
  Result<std::string> text_of_size(std::uint64_t size) {
    TRY(charge(size));
    std::string out(size, '\0');
    TRY(from_.exactly(out));
    return out;
  }

  Result<std::size_t> index_below(std::size_t count) {
    TRY_ASSIGN(index, from_.number());
    if (index < 0 || static_cast<std::uint64_t>(index) >= count)
      return invalid("an index of an enum or union beyond its end");
    return static_cast<std::size_t>(index);
  }

  Result<Value> record(const Type& type, std::size_t depth) {
    Value::Fields fields;
    fields.reserve(type.fields.size());
    for (const MemberField& field : type.fields) {
      TRY(charge(field.name.size()));
      TRY_ASSIGN(one, value(*field.type, depth + 1).within("`" + field.name + "`"));
      fields.push_back({field.name, std::move(one)});
    }
    return Value{std::move(fields)};
  }

  // How many come next; 0: none any more. Before a negative count stands the size in bytes.
  Result<std::uint64_t> block() {
    TRY_ASSIGN(count, from_.number());
    if (count >= 0) return static_cast<std::uint64_t>(count);
    TRY(from_.number());
    return std::uint64_t{0} - static_cast<std::uint64_t>(count);
  }

  Result<Value> list(const Type& items, std::size_t depth) {
    Value::List out;
    while (true) {
      TRY_ASSIGN(count, block());
      if (count == 0) return Value{std::move(out)};
      for (std::uint64_t i = 0; i < count; ++i) {  // each costs something, whatever the count says
        TRY_ASSIGN(one, value(items, depth + 1));
        out.push_back(std::move(one));
      }
    }
  }

  Result<Value> map(const Type& values, std::size_t depth) {
    Value::Fields out;
    while (true) {
      TRY_ASSIGN(count, block());
      if (count == 0) return Value{std::move(out)};
      for (std::uint64_t i = 0; i < count; ++i) {
        TRY_ASSIGN(key, text());
        TRY_ASSIGN(one, value(values, depth + 1));
        out.push_back({std::move(key), std::move(one)});
      }
    }
  }

  ByteStream& from_;
  std::size_t left_;
};

}  // namespace

// ---- ByteStream

Result<> ByteStream::fill() {
  TRY_ASSIGN(count, input_.read(buffer_));
  at_ = 0;
  end_ = count;
  return {};
}

Result<bool> ByteStream::is_at_end() {
  if (at_ == end_) TRY(fill());
  return at_ == end_;
}

Result<bool> ByteStream::begins_with(std::string_view bytes) {
  while (end_ < bytes.size()) {
    TRY_ASSIGN(count, input_.read(std::span<char>(buffer_).subspan(end_)));
    if (count == 0) return false;
    end_ += count;
  }
  return std::string_view(buffer_.data(), bytes.size()) == bytes;
}

Result<std::uint8_t> ByteStream::byte() {
  TRY_ASSIGN(is_end, is_at_end());
  if (is_end) return invalid("the bytes end too early");
  ++taken_;
  return static_cast<std::uint8_t>(buffer_[at_++]);
}

Result<std::size_t> ByteStream::some(std::span<char> into) {
  TRY_ASSIGN(is_end, is_at_end());
  if (is_end) return std::size_t{0};
  const std::size_t count = std::min(into.size(), end_ - at_);
  std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), count, into.begin());
  at_ += count;
  taken_ += count;
  return count;
}

Result<> ByteStream::exactly(std::span<char> into) {
  while (!into.empty()) {
    TRY_ASSIGN(count, some(into));
    if (count == 0) return invalid("the bytes end too early");
    into = into.subspan(count);
  }
  return {};
}

Result<std::int64_t> ByteStream::number() {
  std::uint64_t bits = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    TRY_ASSIGN(one, byte());
    if (shift == 63 && one > 1) break;
    bits |= static_cast<std::uint64_t>(one & 0x7F) << shift;
    if ((one & 0x80) == 0)
      return static_cast<std::int64_t>((bits >> 1) ^ (std::uint64_t{0} - (bits & 1)));
  }
  return invalid("a number of more than 64 bits");
}

Result<Value> decode(ByteStream& from, const Type& type, std::size_t size_max) {
  return Decoder(from, size_max).value(type, 0);
}

}  // namespace runnel::avro
