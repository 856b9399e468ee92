// The bodies of batches: columns of FlowFiles to bytes and back.

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "agent/base/crc32c.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/batch_codec.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/varint.h"
#include "agent/runtime/vault.h"

namespace runnel {
namespace {

constexpr std::uint64_t kPackedMax =
    1 << 24;  // of anything in one batch: beyond it the bytes are not ours
constexpr std::uint64_t kPlaceMax = std::uint64_t{1} << 38;  // no segment file is as long
constexpr std::size_t kBodyMax = 1 << 30;
constexpr std::size_t kColumns = 8;
// The first byte of a body; those with a sum have it behind this.
constexpr char kPlain = 0;
constexpr char kZstd = 1;
constexpr char kPlainSummed = 2;
constexpr char kZstdSummed = 3;
constexpr std::size_t kPrefix = 5;  // with a sum

Error damaged_body(std::string_view what) {
  return corrupt("damaged " + std::string(what) + " of a batch");
}

// Bytes of one column. A string would look at its end for each number's byte, and fill with zeros
// what is overwritten.
class Column {
 public:
  void put(std::uint64_t number) {
    if (number < 0x80 && size_ < capacity_) {
      bytes_[size_++] = static_cast<char>(number);
      return;
    }
    make_room(10);
    while (number >= 0x80) {
      bytes_[size_++] = static_cast<char>(number | 0x80);
      number >>= 7;
    }
    bytes_[size_++] = static_cast<char>(number);
  }
  void append(std::string_view bytes) {
    make_room(bytes.size());
    if (!bytes.empty()) std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void make_room(std::size_t size) {
    if (capacity_ - size_ >= size) return;
    capacity_ = std::max(capacity_ * 2, size_ + size + 256);
    std::unique_ptr<char[]> wider(new char[capacity_]);
    if (size_ > 0) std::memcpy(wider.get(), bytes_.get(), size_);
    bytes_ = std::move(wider);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }
  // Into those, from now on, and back.
  void borrow(Scratch& scratch) {
    bytes_ = std::move(scratch.bytes);
    capacity_ = std::exchange(scratch.size, 0);
    size_ = 0;
  }
  void give_back(Scratch& scratch) {
    scratch.bytes = std::move(bytes_);
    scratch.size = std::exchange(capacity_, 0);
    size_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// The columns of a body, while it is packed; contents come last and are not collected first.
struct Columns {
  std::array<Column, kColumns - 1> of;
  Column& ids() { return of[0]; }
  Column& times() { return of[1]; }
  Column& leads() { return of[2]; }
  Column& shapes() { return of[3]; }
  Column& value_sizes() { return of[4]; }
  Column& values() { return of[5]; }
  Column& forms() { return of[6]; }
  std::size_t contents_size = 0;
};

// Packs attributes: names once for all FlowFiles that have the same ones, a value that is the same
// as in the FlowFile before in one byte. Views point into the records' attributes.
class AttributePacker {
 public:
  explicit AttributePacker(Columns& columns) : columns_(columns) {}

  void add(const Attributes* attributes) {
    if (attributes == nullptr || attributes->is_empty()) {
      columns_.shapes().put(0);
      return;
    }
    if (attributes == last_ && !current_->is_new) {  // shared with the one before
      columns_.shapes().put(current_->number);
      for (std::size_t i = 0; i < current_->names.size(); ++i) columns_.value_sizes().put(0);
      return;
    }
    last_ = attributes;
    if (current_ == nullptr || !fits(*attributes)) current_ = &find(*attributes);
    columns_.shapes().put(current_->number);
    if (current_->is_new) put_names(*current_);
    for (const std::size_t i : current_->order) {
      const std::string_view value = values_[i];
      if (!current_->is_new && current_->last[i] == value) {
        columns_.value_sizes().put(0);
        continue;
      }
      columns_.value_sizes().put(value.size() + 1);
      columns_.values().append(value);
      current_->last[i] = value;
    }
    current_->is_new = false;
  }

 private:
  // Names as they stand in memory; on disk they are in their order.
  struct Shape {
    std::uint64_t number = 0;  // from 1
    bool is_new = true;
    std::vector<std::string_view> names;
    std::vector<std::string_view> last;
    std::vector<std::size_t> order;  // of names
  };

  // Whether they have the names of the present shape; then their values stand in `values_`.
  bool fits(const Attributes& attributes) {
    const std::vector<std::string_view>& names = current_->names;
    std::size_t count = 0;
    bool is_alike = true;
    values_.resize(names.size());
    attributes.each([&](std::string_view name, std::string_view value) {
      is_alike = is_alike && count < names.size() && names[count] == name;
      if (is_alike) values_[count] = value;
      ++count;
    });
    return is_alike && count == names.size();
  }

  Shape& find(const Attributes& attributes) {
    std::string key;
    values_.clear();
    attributes.each([&](std::string_view name, std::string_view value) {
      put_varint(key, name.size());
      key += name;
      values_.push_back(value);
    });
    Shape& shape = shapes_[std::move(key)];
    if (shape.number == 0) {
      shape.number = shapes_.size();
      attributes.each(
          [&](std::string_view name, std::string_view) { shape.names.push_back(name); });
      shape.last.resize(shape.names.size());
      shape.order.resize(shape.names.size());
      std::iota(shape.order.begin(), shape.order.end(), std::size_t{0});
      std::sort(shape.order.begin(), shape.order.end(),
                [&](std::size_t a, std::size_t b) { return shape.names[a] < shape.names[b]; });
    }
    return shape;
  }

  void put_names(const Shape& shape) {
    columns_.shapes().put(shape.names.size());
    for (const std::size_t i : shape.order) {
      columns_.shapes().put(shape.names[i].size());
      columns_.shapes().append(shape.names[i]);
    }
  }

  Columns& columns_;
  std::vector<std::string_view> values_;
  std::unordered_map<std::string, Shape> shapes_;
  Shape* current_ = nullptr;
  const Attributes* last_ = nullptr;
};

// The form of a content; its bytes follow by `append_content`.
void pack_form(Columns& columns, const FlowRecord& record) {
  if (record.size == 0 || record.content->is_in_memory()) {
    columns.forms().put(0);
    columns.forms().put(record.size);
    columns.contents_size += record.size;
    return;
  }
  Column pieces;
  std::uint64_t count = 0;
  record.content->each_piece(record.offset, record.size, [&](const Content::Piece& piece) {
    ++count;
    if (piece.file == nullptr) {
      pieces.put(0);
      pieces.put(piece.size);
      columns.contents_size += piece.size;
    } else {
      pieces.put(piece.file->number() + 1);
      pieces.put(piece.offset);
      pieces.put(piece.size);
    }
  });
  columns.forms().put(1);
  columns.forms().put(count);
  columns.forms().append(pieces.view());
}

void append_content(Column& plain, const FlowRecord& record) {
  if (record.size == 0) return;
  if (record.content->is_in_memory()) {
    plain.append(record.content->bytes().substr(record.offset, record.size));
    return;
  }
  record.content->each_piece(record.offset, record.size, [&plain](const Content::Piece& piece) {
    if (piece.file == nullptr) plain.append(piece.bytes);
  });
}

}  // namespace

std::string pack_body(const std::vector<FlowRecord>& records) {
  Columns columns;
  AttributePacker attributes(columns);
  std::uint64_t last_id = 0;
  std::int64_t last_ms = 0;
  for (const FlowRecord& record : records) {
    columns.ids().put(zigzag(static_cast<std::int64_t>(record.id - last_id)));
    columns.times().put(zigzag(record.entry_ms - last_ms));
    columns.leads().put(record.lineage_lead_ms);
    last_id = record.id;
    last_ms = record.entry_ms;
    attributes.add(record.attributes);
    pack_form(columns, record);
  }
  Scratch own_plain;
  Scratch own_packed;
  Scratch& lent = PackingRoom::scratch(0, own_plain);
  Column plain;
  plain.borrow(lent);
  std::size_t size = columns.contents_size + 10;
  for (const Column& column : columns.of) size += column.view().size() + 10;
  plain.make_room(size);
  for (const Column& column : columns.of) {
    plain.put(column.view().size());
    plain.append(column.view());
  }
  plain.put(columns.contents_size);
  for (const FlowRecord& record : records) append_content(plain, record);
  const std::string_view bytes = plain.view();
  const std::string_view packed = compress_into(PackingRoom::scratch(1, own_packed), bytes);
  const bool is_smaller = packed.size() < bytes.size() - bytes.size() / 20;
  std::string body;
  body.reserve(kPrefix + (is_smaller ? packed : bytes).size());
  body.assign(kPrefix, is_smaller ? kZstdSummed : kPlainSummed);
  body += is_smaller ? packed : bytes;
  plain.give_back(lent);
  const std::uint32_t sum = crc32c(std::string_view(body).substr(kPrefix));
  for (std::size_t i = 0; i < 4; ++i) body[1 + i] = static_cast<char>(sum >> (8 * i));
  return body;
}

Result<> check_body(std::string_view body) {
  if (is_sealed_body(body)) return has_right_sum(body) ? Result<>() : damaged_body("body");
  if (body.empty() || body[0] < kPlain || body[0] > kZstdSummed) return damaged_body("body");
  if (body[0] == kPlain || body[0] == kZstd) return {};
  if (body.size() < kPrefix) return damaged_body("body");
  const std::uint32_t sum = crc32c(body.substr(kPrefix));
  for (std::size_t i = 0; i < 4; ++i) {
    if (body[1 + i] != static_cast<char>(sum >> (8 * i))) return damaged_body("body");
  }
  return {};
}

namespace {

class Unpacker {
 public:
  Unpacker(SegmentStore& segments, std::vector<FlowRecord>& records)
      : segments_(segments), records_(records) {}

  Result<> run(std::string_view plain, std::uint64_t count) {
    for (std::string_view& column : columns_) {
      std::uint64_t size = 0;
      if (!take_varint(plain, size) || size > plain.size()) return damaged_body("body");
      column = plain.substr(0, size);
      plain.remove_prefix(size);
    }
    std::uint64_t id = 0;
    std::int64_t ms = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t id_step = 0;
      std::uint64_t ms_step = 0;
      std::uint64_t lead = 0;
      if (!take_varint(columns_[0], id_step) || !take_varint(columns_[1], ms_step) ||
          !take_varint(columns_[2], lead)) {
        return damaged_body("body");
      }
      id += static_cast<std::uint64_t>(unzigzag(id_step));
      ms = stepped_ms(ms, ms_step);
      if (!is_a_time(ms) || lead > UINT32_MAX) return damaged_body("body");
      FlowRecord& record = records_.emplace_back();
      record.id = id;
      record.entry_ms = ms;
      record.lineage_lead_ms = static_cast<std::uint32_t>(lead);
      TRY(take_attributes(record));
      TRY(take_content(record));
    }
    return {};
  }

 private:
  struct Shape {
    std::vector<std::string_view> names;
    std::vector<std::string_view> last;
    Attributes* packed = nullptr;  // the last FlowFile's of this shape, which holds them
  };

  Result<> take_attributes(FlowRecord& record) {
    std::uint64_t number = 0;
    if (!take_varint(columns_[3], number) || number > shapes_.size() + 1)
      return damaged_body("attributes");
    if (number == 0) return {};
    const bool is_new = number == shapes_.size() + 1;
    if (is_new) TRY(take_shape());
    Shape& shape = shapes_[number - 1];
    packed_.clear();
    bool is_changed = is_new;
    for (std::size_t i = 0; i < shape.names.size() && packed_.size() < kBodyMax; ++i) {
      std::uint64_t size = 0;
      if (!take_varint(columns_[4], size) || (size == 0 && is_new) ||
          (size != 0 && size - 1 > columns_[5].size()))
        return damaged_body("attributes");
      if (size != 0) {
        is_changed = true;
        shape.last[i] = columns_[5].substr(0, size - 1);
        columns_[5].remove_prefix(size - 1);
      }
      put_u32(shape.names[i].size());
      put_u32(shape.last[i].size());
      packed_ += shape.names[i];
      packed_ += shape.last[i];
    }
    if (!is_changed) {
      shape.packed->retain();
      record.attributes = shape.packed;
      return {};
    }
    attribute_bytes_ += packed_.size();
    if (attribute_bytes_ >= kBodyMax || !Attributes::is_well_formed(packed_))
      return damaged_body("attributes");
    record.attributes = shape.packed = Attributes::copy_of(packed_);
    return {};
  }

  Result<> take_shape() {
    std::uint64_t count = 0;
    if (!take_varint(columns_[3], count) || count == 0 || count > columns_[3].size())
      return damaged_body("attributes");
    Shape shape;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t size = 0;
      if (!take_varint(columns_[3], size) || size > columns_[3].size())
        return damaged_body("attributes");
      shape.names.push_back(columns_[3].substr(0, size));
      columns_[3].remove_prefix(size);
    }
    shape.last.resize(count);
    shapes_.push_back(std::move(shape));
    return {};
  }

  void put_u32(std::size_t number) {
    const auto narrow = static_cast<std::uint32_t>(number);
    packed_.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  }

  Result<std::string_view> take_bytes(std::uint64_t size) {
    if (size > columns_[7].size()) return damaged_body("contents");
    const std::string_view bytes = columns_[7].substr(0, size);
    columns_[7].remove_prefix(size);
    return bytes;
  }

  Result<> take_content(FlowRecord& record) {
    std::uint64_t form = 0;
    std::uint64_t number = 0;
    if (!take_varint(columns_[6], form) || !take_varint(columns_[6], number) || form > 1)
      return damaged_body("contents");
    if (form == 0) {
      TRY_ASSIGN(bytes, take_bytes(number));
      record.size = number;
      if (number > 0) record.content = Content::of_bytes(bytes);
      return {};
    }
    if (number > kPackedMax) return damaged_body("contents");
    std::vector<Content::Slice> slices;
    const Result<> taken = take_pieces(number, slices);
    if (taken.ok()) {
      record.content = Content::of_slices(slices);
      record.size = record.content->size();
    }
    for (const Content::Slice& slice : slices) slice.of->release();
    return taken;
  }

  Result<> take_pieces(std::uint64_t count, std::vector<Content::Slice>& slices) {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t segment = 0;
      std::uint64_t offset = 0;
      std::uint64_t size = 0;
      if (!take_varint(columns_[6], segment)) return damaged_body("contents");
      if (segment != 0 && !take_varint(columns_[6], offset)) return damaged_body("contents");
      if (!take_varint(columns_[6], size)) return damaged_body("contents");
      if (segment == 0) {
        TRY_ASSIGN(bytes, take_bytes(size));
        slices.push_back({Content::of_bytes(bytes), 0, size});
      } else {
        if (offset > kPlaceMax || size > kPlaceMax) return damaged_body("contents");
        TRY_ASSIGN(file, segments_.find(segment - 1));
        slices.push_back({Content::of_segment({std::move(file), offset}, size), 0, size});
      }
    }
    return {};
  }

  SegmentStore& segments_;
  std::vector<FlowRecord>& records_;
  std::array<std::string_view, kColumns> columns_;
  std::vector<Shape> shapes_;
  std::string packed_;
  std::size_t attribute_bytes_ = 0;
};

}  // namespace

Result<std::vector<FlowRecord>> unpack_body(std::string_view body, std::uint64_t count,
                                            SegmentStore& segments, bool is_summed) {
  if (count > kPackedMax) return damaged_body("body");
  TRY(check_body(body));
  const char form = body[0];
  if (is_sealed_body(body)) return invalid("an encrypted body was not opened");
  const bool has_sum = form == kPlainSummed || form == kZstdSummed;
  if (is_summed && !has_sum) return damaged_body("body");
  body.remove_prefix(has_sum ? kPrefix : 1);
  std::string unpacked_bytes;
  std::string_view plain = body;
  if (form == kZstd || form == kZstdSummed) {
    TRY_ASSIGN(bytes, decompress(body, kBodyMax));
    unpacked_bytes = std::move(bytes);
    plain = unpacked_bytes;
  }
  std::vector<FlowRecord> records;
  records.reserve(std::min<std::size_t>(count, plain.size()));  // each takes a byte, and more
  const Result<> unpacked = Unpacker(segments, records).run(plain, count);
  if (unpacked.ok()) return records;
  for (const FlowRecord& record : records) {
    release(record);
  }
  const Error& why = unpacked.error();
  return why.code() == Code::kNotFound ? corrupt(why.text()) : why;
}

}  // namespace runnel
