// JsonRecordSetWriter: writes records as a JSON array, or as one object a line.

#include <array>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/record.h"
#include "processors/registry.h"

namespace runnel {

enum class OutputGrouping { kArray, kLines };
enum class SuppressNulls { kNever, kAlways };

template <>
struct EnumNames<OutputGrouping> {
  static constexpr std::array<std::pair<OutputGrouping, std::string_view>, 2> names{
      {{OutputGrouping::kArray, "Array"}, {OutputGrouping::kLines, "One Line Per Object"}}};
};
template <>
struct EnumNames<SuppressNulls> {
  static constexpr std::array<std::pair<SuppressNulls, std::string_view>, 2> names{
      {{SuppressNulls::kNever, "Never Suppress"}, {SuppressNulls::kAlways, "Always Suppress"}}};
};

namespace {

struct JsonRecordSetWriterConfig {
  OutputGrouping output_grouping = OutputGrouping::kArray;
  bool is_pretty = false;
  SuppressNulls suppress_nulls = SuppressNulls::kNever;
};

class JsonRecordWriter final : public RecordWriter {
 public:
  JsonRecordWriter(ContentWriter& content, const JsonRecordSetWriterConfig& config)
      : sink_(content), config_(config) {}

  Result<> write(const Record& record) override {
    const bool is_array = config_.output_grouping == OutputGrouping::kArray;
    std::string& out = sink_.buffer();
    if (is_array) {
      out += is_first_ ? '[' : ',';
      if (!is_first_ && config_.is_pretty) out += ' ';
      if (is_first_ && config_.is_pretty) out += ' ';
    } else if (!is_first_) {
      out += '\n';
    }
    is_first_ = false;
    append_json(out, record, config_.suppress_nulls == SuppressNulls::kAlways,
                config_.is_pretty ? 2 : -1);
    return sink_.settle();
  }

  Result<> finish() override {
    if (config_.output_grouping == OutputGrouping::kArray) {
      sink_.buffer() += is_first_ ? "[]" : config_.is_pretty ? " ]" : "]";
    }
    return sink_.flush();
  }

 private:
  ByteSink sink_;
  const JsonRecordSetWriterConfig config_;
  bool is_first_ = true;
};

class JsonRecordSetWriter final : public Service, public RecordSetWriterFactory {
 public:
  using Config = JsonRecordSetWriterConfig;
  explicit JsonRecordSetWriter(const Config& config) : config_(config) {}
  static Result<std::unique_ptr<JsonRecordSetWriter>> make(const Config& config) {
    if (config.is_pretty && config.output_grouping == OutputGrouping::kLines) {
      return invalid("property `Pretty Print JSON`: one line per object leaves no room for it");
    }
    return std::make_unique<JsonRecordSetWriter>(config);
  }

  std::string_view mime_type() const override { return "application/json"; }
  Result<std::unique_ptr<RecordWriter>> open(ContentWriter& content,
                                             const std::vector<std::string>& /*columns*/) override {
    return std::unique_ptr<RecordWriter>(std::make_unique<JsonRecordWriter>(content, config_));
  }

 private:
  const Config config_;
};

}  // namespace

ServiceType json_record_set_writer() {
  using C = JsonRecordSetWriterConfig;
  return DescribeService<JsonRecordSetWriter>(
             "JsonRecordSetWriter", "Writes records as JSON: one array, or one object a line.")
      .property("Output Grouping", &C::output_grouping,
                {.doc = "Whether the records are an array or stand one on a line."})
      .property("Pretty Print JSON", &C::is_pretty,
                {.doc = "Lines and blanks for people. Not with one line per object."})
      .property("Suppress Null Values", &C::suppress_nulls,
                {.doc = "Whether fields without a value are left out."})
      .provides<RecordSetWriterFactory>();
}

}  // namespace runnel
