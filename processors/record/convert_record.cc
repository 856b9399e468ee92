// ConvertRecord: reads records in one format and writes them in another.
//
// The content is streamed; only a writer that must know all fields beforehand (CSV) makes it read
// the content twice.

#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/record/record.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct ConvertRecordConfig {
  ServiceRef<RecordReaderFactory> reader;
  ServiceRef<RecordSetWriterFactory> writer;
  bool includes_empty = true;
};

class ConvertRecord final : public Processor {
 public:
  using Config = ConvertRecordConfig;
  explicit ConvertRecord(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(reader, context.service(config_.reader));
    TRY_ASSIGN(writer, context.service(config_.writer));
    reader_ = reader;
    writer_ = writer;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  Result<std::uint64_t> convert(Session& session, FlowFile flowfile);

  const Config config_;
  Context* context_ = nullptr;
  RecordReaderFactory* reader_ = nullptr;
  RecordSetWriterFactory* writer_ = nullptr;
  Relationship success_;
  Relationship failure_;
};

}  // namespace

ProcessorType convert_record() {
  using C = ConvertRecordConfig;
  return Describe<ConvertRecord>("ConvertRecord",
                                 "Reads the records of a FlowFile in one format and writes them "
                                 "in another.")
      .property("Record Reader", &C::reader,
                {.doc = "The service that reads.", .required = true, .example = "from-csv"})
      .property("Record Writer", &C::writer,
                {.doc = "The service that writes.", .required = true, .example = "to-json"})
      .property("Include Zero Record FlowFiles", &C::includes_empty,
                {.doc = "Pass on what has no records; else it is dropped."})
      .relationship("success", "FlowFiles with the converted content.")
      .relationship("failure", "FlowFiles that could not be read, as they came.")
      .writes("record.count", "How many records it has.")
      .writes("mime.type", "The format's.")
      .writes("record.error.message", "On `failure`: why.")
      .concurrent();
}

Result<> ConvertRecord::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::uint64_t> count = convert(session, flowfile);
  if (!count.ok()) {
    return fail_records(*context_, session, flowfile, count.error(), failure_);
  }
  if (*count == 0 && !config_.includes_empty) {
    session.drop(flowfile);
    return {};
  }
  flowfile.set("record.count", std::to_string(*count));
  flowfile.set("mime.type", writer_->mime_type());
  session.transfer(flowfile, success_);
  return {};
}

Result<std::uint64_t> ConvertRecord::convert(Session& session, FlowFile flowfile) {
  TRY_ASSIGN(content, session.reader(flowfile));
  RecordSurvey seen;
  if (writer_->needs_columns()) {
    TRY_ASSIGN(scout, reader_->open(*content));
    TRY_ASSIGN(surveyed, survey(*scout, true));
    seen = std::move(surveyed);
    content->rewind();
  }
  TRY_ASSIGN(reader, reader_->open(*content));
  TRY_ASSIGN(into, session.writer(flowfile));
  TRY_ASSIGN(writer, writer_->open(*into, seen.columns));
  std::uint64_t count = 0;
  while (true) {
    TRY_ASSIGN(record, reader->next());
    if (!record) break;
    ++count;
    TRY(writer->write(*record));
  }
  TRY(writer->finish());
  TRY(into->finish());
  return count;
}

}  // namespace runnel
