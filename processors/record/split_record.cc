// SplitRecord: cuts a FlowFile into FlowFiles of so many records each.
//
// The content is read once to see that it is well formed, and how many records it has, before any
// piece is made: what is malformed goes to `failure` whole.

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/record/record.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

constexpr std::uint64_t kSplitsMax = 1'000'000;

struct SplitRecordConfig {
  ServiceRef<RecordReaderFactory> reader;
  ServiceRef<RecordSetWriterFactory> writer;
  Text records_per_split;
};

class SplitRecord final : public Processor {
 public:
  using Config = SplitRecordConfig;
  explicit SplitRecord(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    splits_ = context.relationship("splits");
    original_ = context.relationship("original");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(reader, context.service(config_.reader));
    TRY_ASSIGN(writer, context.service(config_.writer));
    reader_ = reader;
    writer_ = writer;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  struct Plan {
    RecordSurvey seen;
    std::uint64_t per_split = 0;
  };
  Result<Plan> plan(Session& session, FlowFile original);
  Result<> split(Session& session, FlowFile original, const Plan& plan);
  Result<std::uint64_t> write_some(Session& session, FlowFile piece, RecordReader& reader,
                                   const Plan& plan);

  const Config config_;
  Context* context_ = nullptr;
  RecordReaderFactory* reader_ = nullptr;
  RecordSetWriterFactory* writer_ = nullptr;
  Relationship splits_;
  Relationship original_;
  Relationship failure_;
};

}  // namespace

ProcessorType split_record() {
  using C = SplitRecordConfig;
  return Describe<SplitRecord>("SplitRecord",
                               "Cuts a FlowFile into FlowFiles of so many records each.")
      .property("Record Reader", &C::reader,
                {.doc = "The service that reads.", .required = true, .example = "from-csv"})
      .property("Record Writer", &C::writer,
                {.doc = "The service that writes.", .required = true, .example = "to-json"})
      .property(
          "Records Per Split", &C::records_per_split,
          {.doc = "How many records each piece has at most.", .required = true, .example = "1000"})
      .relationship("splits", "The pieces, in their order.")
      .relationship("original", "The FlowFile that was cut, as it came.")
      .relationship("failure", "FlowFiles that could not be read, as they came.")
      .writes("record.count", "How many records the piece has.")
      .writes("mime.type", "The format's.")
      .writes("fragment.identifier", "The same random text for all pieces of one FlowFile.")
      .writes("fragment.index", "Which piece it is; the first is 0.")
      .writes("fragment.count", "How many pieces there are.")
      .writes("segment.original.filename", "The `filename` of the FlowFile that was cut.")
      .writes("record.error.message", "On `failure`: why.")
      .concurrent();
}

Result<> SplitRecord::on_trigger(Session& session) {
  FlowFile original = session.get();
  if (!original) return {};
  const Result<Plan> planned = plan(session, original);
  if (!planned.ok()) {
    return fail_records(*context_, session, original, planned.error(), failure_);
  }
  TRY(split(session, original, *planned));
  session.transfer(original, original_);
  return {};
}

Result<SplitRecord::Plan> SplitRecord::plan(Session& session, FlowFile original) {
  Plan out;
  TRY_ASSIGN(text, config_.records_per_split.of(original));
  const auto number = parse_int(text);
  if (!number || *number < 1) {
    return invalid("property `Records Per Split`: `" + to_utf8(text) +
                   "` is no number of at least 1");
  }
  out.per_split = static_cast<std::uint64_t>(*number);
  TRY_ASSIGN(content, session.reader(original));
  TRY_ASSIGN(seen, survey(*reader_, *content));
  out.seen = std::move(seen);
  if ((out.seen.count + out.per_split - 1) / out.per_split > kSplitsMax) {
    return invalid("it has more than 1,000,000 pieces");
  }
  return out;
}

Result<> SplitRecord::split(Session& session, FlowFile original, const Plan& plan) {
  TRY_ASSIGN(content, session.reader(original));
  TRY_ASSIGN(reader, reader_->open(*content));
  const std::uint64_t pieces = (plan.seen.count + plan.per_split - 1) / plan.per_split;
  const std::string identifier = random_uuid().text();
  const std::string filename(original.attribute("filename").value_or(""));
  for (std::uint64_t i = 0; i < pieces; ++i) {
    FlowFile piece = session.create(original);
    TRY_ASSIGN(count, write_some(session, piece, *reader, plan));
    piece.set("record.count", std::to_string(count));
    piece.set("mime.type", writer_->mime_type());
    piece.set("fragment.identifier", identifier);
    piece.set("fragment.index", std::to_string(i));
    piece.set("fragment.count", std::to_string(pieces));
    piece.set("segment.original.filename", filename);
    session.transfer(piece, splits_);
  }
  return {};
}

Result<std::uint64_t> SplitRecord::write_some(Session& session, FlowFile piece,
                                              RecordReader& reader, const Plan& plan) {
  TRY_ASSIGN(into, session.writer(piece));
  TRY_ASSIGN(writer, writer_->open(*into, plan.seen.columns));
  std::uint64_t count = 0;
  while (count < plan.per_split) {
    TRY_ASSIGN(record, reader.next());
    if (!record) break;
    TRY(writer->write(*record));
    ++count;
  }
  TRY(writer->finish());
  TRY(into->finish());
  return count;
}

}  // namespace runnel
