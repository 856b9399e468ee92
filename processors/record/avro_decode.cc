// Reading Avro's binary form.

#include <algorithm>
#include <array>
#include <cstring>

#include "processors/record/avro_codec.h"
#include "processors/record/avro_resolution.h"

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
        return symbol(type.symbols[index]);
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

  Result<Value> value(const Step& step, std::size_t depth) {
    if (depth > kDepthMax) return invalid("values nest too deeply");
    switch (step.how) {
      case Step::How::kSame:
        return value(*step.writer, depth);
      case Step::How::kFloat:
      case Step::How::kDouble:
        return promoted(step);
      case Step::How::kUnion: {
        TRY_ASSIGN(index, index_below(step.steps.size()));
        return value(*step.steps[index], depth + 1);
      }
      case Step::How::kEnum: {
        TRY(charge(kValueCost));
        TRY_ASSIGN(index, index_below(step.symbols.size()));
        if (step.symbols[index] != nullptr) return symbol(*step.symbols[index]);
        return invalid("the symbol `" + step.writer->symbols[index] + "` is none of `" +
                       step.reader->name + "`, which has no default");
      }
      case Step::How::kRecord:
        return resolved_record(step, depth);
      case Step::How::kArray:
        TRY(charge(kValueCost));
        return list(*step.steps[0], depth);
      case Step::How::kMap:
        TRY(charge(kValueCost));
        return map(*step.steps[0], depth);
      case Step::How::kNever:
        break;
    }
    return invalid(step.why);
  }

 private:
  Result<Value> symbol(const std::string& symbol) {
    TRY(charge(symbol.size()));
    return Value{symbol};
  }

  Result<Value> promoted(const Step& step) {
    TRY_ASSIGN(whole, value(*step.writer, 0));
    const auto number = std::get<std::int64_t>(whole.held);
    if (step.how == Step::How::kDouble) return Value{static_cast<double>(number)};
    return Value{static_cast<double>(static_cast<float>(number))};
  }

  Result<Value> resolved_record(const Step& step, std::size_t depth) {
    TRY(charge(kValueCost));
    const std::vector<MemberField>& fields = step.reader->fields;
    Value::Fields out(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      TRY(charge(fields[i].name.size()));
      out[i].name = fields[i].name;
    }
    for (std::size_t i = 0; i < step.steps.size(); ++i) {
      const MemberField& written = step.writer->fields[i];
      if (step.steps[i] == nullptr) {
        TRY(skip(*written.type, depth + 1).within("`" + written.name + "`"));
        continue;
      }
      TRY_ASSIGN(one, value(*step.steps[i], depth + 1).within("`" + written.name + "`"));
      out[step.places[i]].value = std::move(one);
    }
    for (const Step::Missing& one : step.missing) {
      TRY(charge(one.cost));
      out[one.place].value = one.value;
    }
    return Value{std::move(out)};
  }

  // Passes over a value, which takes no room, but some of the bound: a few bytes may claim any
  // number of values that have none.
  Result<> skip(const Type& type, std::size_t depth) {
    if (depth > kDepthMax) return invalid("values nest too deeply");
    switch (type.kind) {
      case Kind::kBytes:
      case Kind::kString: {
        TRY(charge(kValueCost));
        TRY_ASSIGN(size, from_.number());
        if (size < 0) return invalid("a text of negative length");
        return skip_bytes(static_cast<std::uint64_t>(size));
      }
      case Kind::kFixed:
        TRY(charge(kValueCost));
        return skip_bytes(type.size);
      case Kind::kUnion: {
        TRY_ASSIGN(index, index_below(type.branches.size()));
        return skip(*type.branches[index], depth + 1);
      }
      case Kind::kRecord:
        TRY(charge(kValueCost));
        for (const MemberField& field : type.fields) TRY(skip(*field.type, depth + 1));
        return {};
      case Kind::kArray:
      case Kind::kMap:
        return skip_items(type, depth);
      default: {
        TRY(value(type, depth));
        return {};
      }
    }
  }

  Result<> skip_items(const Type& type, std::size_t depth) {
    const Type key{.kind = Kind::kString};
    TRY(charge(kValueCost));
    while (true) {
      TRY_ASSIGN(count, block());
      if (count == 0) return {};
      for (std::uint64_t i = 0; i < count; ++i) {
        if (type.kind == Kind::kMap) TRY(skip(key, depth + 1));
        TRY(skip(*type.branches[0], depth + 1));
      }
    }
  }

  Result<> skip_bytes(std::uint64_t size) {
    std::array<char, 1024> room;
    while (size > 0) {
      const auto part = std::span<char>(room).first(std::min<std::uint64_t>(size, room.size()));
      TRY_ASSIGN(count, from_.some(part));
      if (count == 0) return invalid("the bytes end too early");
      size -= count;
    }
    return {};
  }

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

  // Of types, or of steps.
  template <typename Items>
  Result<Value> list(const Items& items, std::size_t depth) {
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

  template <typename Values>
  Result<Value> map(const Values& values, std::size_t depth) {
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

Result<Value> decode(ByteStream& from, const Step& step, std::size_t size_max) {
  return Decoder(from, size_max).value(step, 0);
}

}  // namespace runnel::avro
