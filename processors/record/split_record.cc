// SplitRecord: cuts a FlowFile into FlowFiles of so many records each.
//
// The content is read once to see that it is well formed, and how many records it has, before any
// piece is made: what is malformed goes to `failure` whole.
//
// A session makes 10,000 pieces at most, or about 8 MiB of them. While there are more to come the
// original stays in its connection, and where its next record begins stands in the processor's
// state, as SplitText has it.

#include <algorithm>
#include <sstream>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/record/record.h"
#include "processors/registry.h"
#include "processors/split_progress.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

constexpr std::size_t kNoteMax = 1 << 20;  // in the state, once in 10,000 pieces

struct SplitRecordConfig {
  ServiceRef<RecordReaderFactory> reader;
  ServiceRef<RecordSetWriterFactory> writer;
  Text records_per_split;
};

// What the progress's note says: three words, of which the last may have blanks.
struct SplitRecordNote {
  std::uint64_t per_split = 0;
  // None where the writer needs none: `-`. Else `:` and each name in Base64, with commas between
  // them: names can be any bytes.
  std::vector<std::string> columns;
  std::string mark;  // the reader's note

  std::string text() const;
  // kInvalid: it is none.
  static Result<SplitRecordNote> parse(const std::string& text);
};

std::string SplitRecordNote::text() const {
  std::string out = std::to_string(per_split) + " ";
  if (columns.empty()) out += '-';
  for (std::size_t i = 0; i < columns.size(); ++i) {
    out += i == 0 ? ':' : ',';
    out += to_base64(columns[i]);
  }
  return out + " " + mark;
}

Result<SplitRecordNote> SplitRecordNote::parse(const std::string& text) {
  SplitRecordNote out;
  std::istringstream in(text);
  std::string names;
  in >> out.per_split >> names;
  if (!in || out.per_split == 0) return invalid("the state is none of this processor");
  in.ignore();
  std::getline(in, out.mark);
  if (!names.starts_with(':')) return out;
  for (const std::string_view one : split(std::string_view(names).substr(1), ',')) {
    TRY_ASSIGN(name, from_base64(one));
    out.columns.push_back(std::move(name));
  }
  return out;
}

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
  Result<std::uint64_t> records_per_split(FlowFile original) const;
  Result<SplitProgress> begin(Session& session, FlowFile original);
  Result<> make_some(Session& session, FlowFile original, SplitProgress& progress,
                     std::vector<FlowFile>& pieces);
  Result<std::uint64_t> write_some(Session& session, FlowFile piece, RecordReader& reader,
                                   const SplitRecordNote& note);

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
                               "Cuts a FlowFile into FlowFiles of so many records each. Of more "
                               "than 10,000 pieces, or 8 MB, each 10,000 are a session; the "
                               "original stays in its connection until the last.")
      .property("Record Reader", &C::reader,
                {.doc = "The service that reads.", .required = true, .example = "from-csv"})
      .property("Record Writer", &C::writer,
                {.doc = "The service that writes.", .required = true, .example = "to-json"})
      .property(
          "Records Per Split", &C::records_per_split,
          {.doc = "How many records each piece has at most.", .required = true, .example = "1000"})
      .relationship("splits", "The pieces, in their order.")
      .relationship("original", "The FlowFile that was cut, as it came.")
      .relationship("failure",
                    "FlowFiles that could not be read, or whose records do not fit the format, as "
                    "they came; or with more than 1,000,000,000 pieces.")
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
  const FlowFile original = session.get();
  if (!original) return {};
  const std::optional<SplitProgress> before = split_progress(session, original);
  Result<SplitProgress> progress = before ? *before : begin(session, original);
  std::vector<FlowFile> pieces;
  const Result<> made =
      progress.ok() ? make_some(session, original, *progress, pieces) : progress.error();
  if (!made.ok()) {
    for (const FlowFile& piece : pieces) session.drop(piece);
    if (before) forget_split_progress(session, original);
    return fail_records(*context_, session, original, made.error(), failure_);
  }
  for (const FlowFile& piece : pieces) session.transfer(piece, splits_);
  if (progress->made < progress->count && !pieces.empty()) {
    note_split_progress(session, original, *progress);
    session.keep(original);
    return {};
  }
  if (before) forget_split_progress(session, original);
  session.transfer(original, original_);
  return {};
}

Result<std::uint64_t> SplitRecord::records_per_split(FlowFile original) const {
  TRY_ASSIGN(text, config_.records_per_split.of(original));
  const auto number = parse_int(text);
  if (number.ok() && *number >= 1) return static_cast<std::uint64_t>(*number);
  return invalid("property `Records Per Split`: `" + to_utf8(text) +
                 "` is no number of at least 1");
}

// Reads all, to be counted.
Result<SplitProgress> SplitRecord::begin(Session& session, FlowFile original) {
  TRY_ASSIGN(per_split, records_per_split(original));
  TRY_ASSIGN(content, session.reader(original));
  TRY_ASSIGN(reader, reader_->open(*content));
  RecordMark front = reader->mark();
  TRY_ASSIGN(seen, survey(*reader, writer_->needs_columns()));
  SplitRecordNote note{per_split, std::move(seen.columns), std::move(front.note)};
  const std::uint64_t count = seen.count / per_split + (seen.count % per_split > 0 ? 1 : 0);
  if (count > kPiecesMax) {
    return invalid("it has more than " + std::string(kPiecesMaxText) + " pieces");
  }
  return SplitProgress{front.offset, 0, count, random_uuid().text(), note.text()};
}

// As many pieces as are left, or as one session makes.
Result<> SplitRecord::make_some(Session& session, FlowFile original, SplitProgress& progress,
                                std::vector<FlowFile>& pieces) {
  TRY_ASSIGN(note, SplitRecordNote::parse(progress.note));
  TRY_ASSIGN(front, session.reader(original, 0));
  TRY_ASSIGN(rest, session.reader(original, std::min(progress.offset, original.size())));
  TRY_ASSIGN(reader, reader_->resume(*front, *rest, {progress.offset, note.mark}));
  std::uint64_t bytes = 0;
  while (progress.made < progress.count && pieces.size() < kPiecesAtOnce && bytes < kBytesAtOnce) {
    FlowFile piece = session.create(original);
    pieces.push_back(piece);
    TRY_ASSIGN(count, write_some(session, piece, *reader, note));
    piece.set("record.count", std::to_string(count));
    piece.set("mime.type", writer_->mime_type());
    name_piece(piece, original, progress, progress.made);
    ++progress.made;
    bytes += piece.size();
  }
  if (progress.made == progress.count) return {};
  RecordMark next = reader->mark();
  progress.offset = next.offset;
  note.mark = std::move(next.note);
  progress.note = note.text();
  if (progress.note.size() > kNoteMax) return invalid("the names of its fields are above 1 MB");
  return {};
}

Result<std::uint64_t> SplitRecord::write_some(Session& session, FlowFile piece,
                                              RecordReader& reader, const SplitRecordNote& note) {
  TRY_ASSIGN(into, session.writer(piece));
  TRY_ASSIGN(writer, writer_->open(*into, note.columns));
  std::uint64_t count = 0;
  while (count < note.per_split) {
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
