// CSVReader: reads records from CSV whose first row names the fields.
//
// With `infer-schema` a field's type is that of its whole column, as NiFi has it: the content is
// read twice, and a column in which one cell is no number is text from the first row on.

#include <algorithm>
#include <array>
#include <set>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/csv_rows.h"
#include "processors/registry.h"

namespace runnel {

enum class CsvSchema { kInfer, kHeader };

template <>
struct EnumNames<CsvSchema> {
  static constexpr std::array<std::pair<CsvSchema, std::string_view>, 2> names{
      {{CsvSchema::kInfer, "infer-schema"}, {CsvSchema::kHeader, "csv-header-derived"}}};
};

namespace {

struct CsvReaderConfig {
  CsvSchema schema = CsvSchema::kInfer;
  std::string separator = ",";
  std::string quote = "\"";
  bool trims = true;
  std::optional<std::string> null_text;
  Size record_size_max{4 << 20};
};

struct CsvColumn {
  std::string name;
  std::optional<std::size_t> kind;  // the index in Value's variant; none: nothing but nulls so far
  bool is_text = false;
};

// Their indexes in Value's variant.
constexpr std::size_t kInteger = 2;
constexpr std::size_t kDecimal = 3;
// What a mark's note says of each column: all its cells are text, decimals, or what they look like.
constexpr char kNotesText = 't';
constexpr char kNotesDecimal = 'd';
constexpr char kNotesAny = '-';

class CsvRecordReader final : public RecordReader {
 public:
  // `at`: where `content` stands; behind the header, unless at the front.
  CsvRecordReader(ContentReader& content, const CsvManner& manner, std::vector<CsvColumn> columns,
                  std::optional<std::string> null_text, CsvRows::Place at = {})
      : rows_(content, manner, at),
        columns_(std::move(columns)),
        null_text_(std::move(null_text)),
        has_header_(at.offset > 0) {}

  Result<std::optional<Record>> next() override {
    if (!has_header_) {
      TRY_ASSIGN(header, read_header());
      if (!header) return std::optional<Record>{};
    }
    TRY_ASSIGN(row, rows_.next());
    if (!row) return std::optional<Record>{};
    if (row->size() > columns_.size()) {
      return invalid("the CSV in line " + std::to_string(rows_.line()) + ": the row has " +
                     std::to_string(row->size()) + " fields, the header " +
                     std::to_string(columns_.size()));
    }
    Record record;
    record.fields.reserve(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      Value value;
      if (i < row->size()) value = value_of((*row)[i], columns_[i]);
      record.fields.push_back({columns_[i].name, std::move(value)});
    }
    return std::optional<Record>(std::move(record));
  }

  // The note: the line, a blank, and a character for each column.
  RecordMark mark() const override {
    const CsvRows::Place place = rows_.place();
    std::string note = std::to_string(place.line) + " ";
    for (const CsvColumn& one : columns_)
      note += one.is_text ? kNotesText : one.kind == kDecimal ? kNotesDecimal : kNotesAny;
    return {place.offset, std::move(note)};
  }

  // Learns the types of the columns: reads all.
  Result<std::vector<CsvColumn>> infer() {
    while (true) {
      TRY_ASSIGN(record, next());
      if (!record) return std::move(columns_);
      for (std::size_t i = 0; i < columns_.size(); ++i) widen(columns_[i], record->fields[i].value);
    }
  }

  // The columns that the first row names.
  Result<std::vector<CsvColumn>> header() {
    TRY(read_header());
    return std::move(columns_);
  }

 private:
  // False: there is none.
  Result<bool> read_header() {
    TRY_ASSIGN(row, rows_.header());
    has_header_ = true;
    if (!row) return false;
    if (!columns_.empty()) return true;  // inferred before
    std::set<std::string> seen;
    for (std::size_t i = 0; i < row->size(); ++i) {
      std::string name = std::move((*row)[i].text);
      // NiFi's name for a field that the header has none for.
      if (seen.contains(name)) name = "unknown_field_index_" + std::to_string(i);
      if (!seen.insert(name).second) {
        return invalid("the CSV in line " + std::to_string(rows_.line()) + ": the header names `" +
                       name + "` twice");
      }
      columns_.push_back({std::move(name), {}, false});
    }
    return true;
  }

  Value value_of(const CsvRows::Cell& cell, const CsvColumn& column) const {
    if (null_text_ && cell.text == *null_text_) return {};
    if (cell.text.empty() && !cell.is_quoted) return {};
    if (cell.is_quoted || column.is_text) return Value{cell.text};
    Value value = csv_value(cell.text);
    if (column.kind == kDecimal && value.held.index() == kInteger) {
      return Value{static_cast<double>(std::get<std::int64_t>(value.held))};
    }
    return value;
  }

  static void widen(CsvColumn& column, const Value& value) {
    if (value.is_null() || column.is_text) return;
    const std::size_t kind = value.held.index();
    if (std::holds_alternative<std::string>(value.held)) {
      column.is_text = true;
    } else if (!column.kind || *column.kind == kind) {
      column.kind = kind;
    } else {
      const bool are_numbers = (*column.kind == kInteger || *column.kind == kDecimal) &&
                               (kind == kInteger || kind == kDecimal);
      if (are_numbers) {
        column.kind = kDecimal;
      } else {
        column.is_text = true;
      }
    }
  }

  CsvRows rows_;
  std::vector<CsvColumn> columns_;
  const std::optional<std::string> null_text_;
  bool has_header_;
};

class CsvReader final : public Service, public RecordReaderFactory {
 public:
  using Config = CsvReaderConfig;
  CsvReader(Config config, CsvManner manner) : config_(std::move(config)), manner_(manner) {}
  static Result<std::unique_ptr<CsvReader>> make(Config config) {
    CsvManner manner{.trims = config.trims,
                     .row_size_max = static_cast<std::size_t>(config.record_size_max.bytes)};
    TRY_ASSIGN(separator, csv_character("Value Separator", config.separator));
    TRY_ASSIGN(quote, csv_character("Quote Character", config.quote));
    if (separator == quote) {
      return invalid("properties `Value Separator` and `Quote Character` are the same");
    }
    manner.separator = separator;
    manner.quote = quote;
    return std::make_unique<CsvReader>(std::move(config), manner);
  }

  Result<std::unique_ptr<RecordReader>> open(ContentReader& content) override {
    CsvRecordReader scout(content, manner_, {}, config_.null_text);
    const bool infers = config_.schema == CsvSchema::kInfer;
    TRY_ASSIGN(columns, infers ? scout.infer() : scout.header());
    if (!infers) {
      // Every column is text, whatever its name.
      for (CsvColumn& one : columns) one.is_text = true;
    }
    content.rewind();
    return std::unique_ptr<RecordReader>(
        std::make_unique<CsvRecordReader>(content, manner_, std::move(columns), config_.null_text));
  }

  Result<std::unique_ptr<RecordReader>> resume(ContentReader& front, ContentReader& rest,
                                               const RecordMark& mark) override {
    const std::size_t blank = std::min(mark.note.find(' '), mark.note.size());
    const Result<std::int64_t> line = parse_int(std::string_view(mark.note).substr(0, blank));
    CsvRecordReader scout(front, manner_, {}, config_.null_text);
    TRY_ASSIGN(columns, scout.header());
    if (!line.ok() || *line < 1 || mark.note.size() != blank + 1 + columns.size()) {
      return invalid("no mark in this CSV");
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const char note = mark.note[blank + 1 + i];
      columns[i].is_text = note == kNotesText;
      if (note == kNotesDecimal) columns[i].kind = kDecimal;
    }
    return std::unique_ptr<RecordReader>(std::make_unique<CsvRecordReader>(
        rest, manner_, std::move(columns), config_.null_text,
        CsvRows::Place{mark.offset, static_cast<std::uint64_t>(*line)}));
  }

 private:
  const Config config_;
  const CsvManner manner_;
};

}  // namespace

ServiceType csv_reader() {
  using C = CsvReaderConfig;
  return DescribeService<CsvReader>(
             "CSVReader",
             "Reads records from CSV whose first row names the fields. Quotes are doubled within "
             "quotes (RFC 4180); a row with fewer fields than the header has no value for the "
             "rest, one with more is malformed. A name that the header has again is that of the "
             "first; the other field is `unknown_field_index_2`, by its place from 0.")
      .property("Schema Access Strategy", &C::schema,
                {.doc = "`infer-schema`: a column is of integers, decimals or `true` and `false` "
                        "where all its cells are written so (`007` is text), else of text; the "
                        "content is read twice. `csv-header-derived`: all is text."})
      .property("Value Separator", &C::separator,
                {.doc = "The character between fields; `\\t` is a tab."})
      .property("Quote Character", &C::quote,
                {.doc = "The character around a field that needs it."})
      .property("Trim Fields", &C::trims,
                {.doc = "Whether blanks around fields that are not quoted are left out."})
      .property("Null String", &C::null_text,
                {.doc = "A field of this text has no value. One that is empty and not quoted never "
                        "has."})
      .property("Maximum Record Size", &C::record_size_max,
                {.doc = "A larger row makes the content malformed.",
                 .min = Size{64},
                 .max = Size{64 << 20}})
      .provides<RecordReaderFactory>();
}

}  // namespace runnel
