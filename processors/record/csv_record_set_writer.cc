// CSVRecordSetWriter: writes records as CSV, the names of all fields of all records in the first
// row.

#include <algorithm>
#include <array>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/csv_rows.h"
#include "processors/registry.h"

namespace runnel {

enum class QuoteMode { kAll, kMinimal, kNonNumeric };

template <>
struct EnumNames<QuoteMode> {
  static constexpr std::array<std::pair<QuoteMode, std::string_view>, 3> names{
      {{QuoteMode::kAll, "ALL"},
       {QuoteMode::kMinimal, "MINIMAL"},
       {QuoteMode::kNonNumeric, "NON_NUMERIC"}}};
};

namespace {

struct CsvRecordSetWriterConfig {
  std::string separator = ",";
  std::string quote = "\"";
  QuoteMode quote_mode = QuoteMode::kMinimal;
  bool has_header = true;
  std::string null_text;
};

class CsvRecordWriter final : public RecordWriter {
 public:
  CsvRecordWriter(ContentWriter& content, const CsvRecordSetWriterConfig& config, CsvManner manner,
                  std::vector<std::string> columns)
      : sink_(content), config_(config), manner_(manner), columns_(std::move(columns)) {}

  Result<> write(const Record& record) override {
    write_header();
    const std::size_t before = sink_.buffer().size();
    bool is_first = true;
    std::size_t next = 0;
    for (const std::string& name : columns_) {
      if (!is_first) sink_.buffer() += manner_.separator;
      is_first = false;
      const Value* value = find_from(next, name, record.fields);
      if (value == nullptr || value->is_null()) {
        sink_.buffer() += config_.null_text;
      } else {
        append(text_of(*value), is_number(*value));
      }
    }
    // One empty field would be an empty line, which is no row.
    if (columns_.size() == 1 && sink_.buffer().size() == before) append_quoted("");
    sink_.buffer() += '\n';
    return sink_.settle();
  }

  Result<> finish() override {
    write_header();
    return sink_.flush();
  }

 private:
  static bool is_number(const Value& value) {
    return std::holds_alternative<std::int64_t>(value.held) ||
           std::holds_alternative<double>(value.held) ||
           std::holds_alternative<BigInteger>(value.held);
  }

  void write_header() {
    if (!config_.has_header || has_header_ || columns_.empty()) return;
    has_header_ = true;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) sink_.buffer() += manner_.separator;
      append(columns_[i], false);
    }
    sink_.buffer() += '\n';
  }

  void append(std::string_view text, bool is_number) {
    const bool needs_quotes =
        text.empty() || text.front() == ' ' || text.back() == ' ' ||
        std::any_of(text.begin(), text.end(), [this](char c) {
          return c == manner_.separator || c == manner_.quote || c == '\n' || c == '\r';
        });
    const bool is_quoted = needs_quotes || config_.quote_mode == QuoteMode::kAll ||
                           (config_.quote_mode == QuoteMode::kNonNumeric && !is_number);
    if (is_quoted) {
      append_quoted(text);
    } else {
      sink_.buffer() += text;
    }
  }

  void append_quoted(std::string_view text) {
    std::string& out = sink_.buffer();
    out += manner_.quote;
    for (const char c : text) {
      if (c == manner_.quote) out += c;
      out += c;
    }
    out += manner_.quote;
  }

  ByteSink sink_;
  const CsvRecordSetWriterConfig config_;
  const CsvManner manner_;
  const std::vector<std::string> columns_;
  bool has_header_ = false;
};

class CsvRecordSetWriter final : public Service, public RecordSetWriterFactory {
 public:
  using Config = CsvRecordSetWriterConfig;
  CsvRecordSetWriter(Config config, CsvManner manner)
      : config_(std::move(config)), manner_(manner) {}
  static Result<std::unique_ptr<CsvRecordSetWriter>> make(Config config) {
    CsvManner manner;
    TRY_ASSIGN(separator, csv_character("Value Separator", config.separator));
    TRY_ASSIGN(quote, csv_character("Quote Character", config.quote));
    if (separator == quote) {
      return invalid("properties `Value Separator` and `Quote Character` are the same");
    }
    manner.separator = separator;
    manner.quote = quote;
    return std::make_unique<CsvRecordSetWriter>(std::move(config), manner);
  }

  std::string_view mime_type() const override { return "text/csv"; }
  bool needs_columns() const override { return true; }
  Result<std::unique_ptr<RecordWriter>> open(ContentWriter& content,
                                             const std::vector<std::string>& columns) override {
    return std::unique_ptr<RecordWriter>(
        std::make_unique<CsvRecordWriter>(content, config_, manner_, columns));
  }

 private:
  const Config config_;
  const CsvManner manner_;
};

}  // namespace

ServiceType csv_record_set_writer() {
  using C = CsvRecordSetWriterConfig;
  return DescribeService<CsvRecordSetWriter>(
             "CSVRecordSetWriter",
             "Writes records as CSV, with all fields of all records as columns. Fields within "
             "fields are written as JSON.")
      .property("Value Separator", &C::separator,
                {.doc = "The character between fields; `\\t` is a tab."})
      .property("Quote Character", &C::quote,
                {.doc = "The character around a field that needs it."})
      .property(
          "Quote Mode", &C::quote_mode,
          {.doc = "Which fields are quoted: those that need it, also all that are no numbers, "
                  "or all. A field without a value never is."})
      .property("Include Header Line", &C::has_header,
                {.doc = "Whether the first row has the names of the fields."})
      .property("Null String", &C::null_text, {.doc = "What stands for a field without a value."})
      .provides<RecordSetWriterFactory>();
}

}  // namespace runnel
