// SplitText: splits the content of each FlowFile into pieces of so many lines.
//
// The pieces share the original's content: no byte is copied, except where a header is put before
// each. Content is read through once, in pieces of 64 KiB, to know how many there are.
//
// A session makes 10,000 pieces at most, or about 8 MiB of those that have a header. While there
// are more to come the original stays in its connection, and how far it has got stands in the
// processor's state, which is written in the same transaction as the pieces: after a crash the next
// piece comes next.

#include <optional>
#include <string>
#include <vector>

#include "agent/base/ids.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "processors/split_progress.h"

namespace runnel {
namespace {

struct SplitTextConfig {
  std::uint32_t line_split_count = 1;
  std::optional<Size> fragment_size_max;
  std::uint32_t header_line_count = 0;
  std::optional<std::string> header_marker;
  bool remove_trailing_newlines = true;
};

class SplitText final : public Processor {
 public:
  using Config = SplitTextConfig;
  explicit SplitText(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  struct Fragment {
    std::uint64_t from = 0;
    std::uint64_t size = 0;
    std::uint64_t lines = 0;
  };
  // The next pieces.
  struct Plan {
    std::string header;
    std::vector<Fragment> fragments;
    std::uint64_t count = 0;  // also of those that come later, when it has not begun
    std::uint64_t end = 0;    // of the last one, with what was left out
  };
  class Planner;

  Result<Plan> plan(Session& session, FlowFile flowfile, std::optional<std::uint64_t> from) const;
  Result<> emit(Session& session, FlowFile original, const Plan& plan,
                const SplitProgress& progress) const;

  const Config config_;
  Context* context_ = nullptr;
  Relationship splits_;
  Relationship original_;
  Relationship failure_;
};

constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kHeaderMax = 1 << 20;

// Reads content line by line; remembers, of each line, where it is and how many bytes its end has.
class Lines {
 public:
  // `at`: where the reader begins.
  explicit Lines(ContentReader& reader, std::uint64_t at = 0)
      : reader_(reader), piece_(kPiece), at_(at) {}

  struct Line {
    std::uint64_t from = 0;
    std::uint64_t size = 0;  // with its end
    std::uint64_t end_size = 0;
    std::string head;  // its first bytes, at most as many as were asked for
  };

  // False at the end. `head_max`: how much of the line to keep.
  Result<bool> next(Line& line, std::size_t head_max) {
    line = Line{};
    line.from = at_;
    char last = 0;
    while (true) {
      if (used_ == got_) {
        TRY_ASSIGN(got, reader_.read(piece_));
        got_ = got;
        used_ = 0;
        if (got == 0) return line.size > 0;
      }
      const std::string_view rest(piece_.data() + used_, got_ - used_);
      const std::size_t end = rest.find('\n');
      const std::size_t take = end == std::string_view::npos ? rest.size() : end + 1;
      if (line.head.size() < head_max)
        line.head += rest.substr(0, std::min(take, head_max - line.head.size()));
      const char before = take >= 2 ? rest[take - 2] : last;
      last = rest[take - 1];
      used_ += take;
      at_ += take;
      line.size += take;
      if (end == std::string_view::npos) continue;
      line.end_size = before == '\r' && line.size >= 2 ? 2 : 1;
      return true;
    }
  }

 private:
  ContentReader& reader_;
  std::vector<char> piece_;
  std::size_t got_ = 0;
  std::size_t used_ = 0;
  std::uint64_t at_;
};

// However large the body is: it is copied in pieces.
Result<> write_with_header(Session& session, FlowFile to, std::string_view header,
                           ContentReader& body) {
  TRY_ASSIGN(writer, session.writer(to));
  TRY(writer->write(header));
  std::vector<char> piece(kPiece);
  while (true) {
    TRY_ASSIGN(got, body.read(piece));
    if (got == 0) return writer->finish();
    TRY(writer->write({piece.data(), got}));
  }
}

}  // namespace

ProcessorType split_text() {
  using C = SplitTextConfig;
  return Describe<SplitText>(
             "SplitText",
             "Splits the content of each FlowFile into FlowFiles of so many lines. Of more than "
             "10,000 pieces, or 8 MB of them with a header, each 10,000 are a session; the "
             "original "
             "stays in its connection until the last.")
      .property("Line Split Count", &C::line_split_count,
                {.doc = "Lines in each piece, without header lines; 0: as many as `Maximum "
                        "Fragment Size` allows.",
                 .required = true})
      .property("Maximum Fragment Size", &C::fragment_size_max,
                {.doc = "A piece ends before the line with which it would be larger. A single "
                        "longer line makes a piece of its own.",
                 .min = Size{1}})
      .property("Header Line Count", &C::header_line_count,
                {.doc = "So many first lines are put before each piece."})
      .property("Header Line Marker Characters", &C::header_marker,
                {.doc = "First lines that begin so are put before each piece; only without `Header "
                        "Line Count`."})
      .property("Remove Trailing Newlines", &C::remove_trailing_newlines,
                {.doc = "Whether the line ends at the end of each piece are left out; a piece of "
                        "nothing but line ends is then left out itself."})
      .relationship("splits", "The pieces.")
      .relationship("original", "The FlowFile that was split.")
      .relationship(
          "failure",
          "It has fewer header lines than `Header Line Count`, or too many pieces (1,000,000,000).")
      .writes("text.line.count", "Lines in the piece, without the header.")
      .writes("fragment.size", "Bytes of the piece.")
      .writes("fragment.identifier", "The same random text for all pieces of one FlowFile.")
      .writes("fragment.index", "Which piece it is; the first is 1.")
      .writes("fragment.count", "How many pieces there are.")
      .writes("segment.original.filename", "The original's `filename`.");
}

Result<> SplitText::start(Context& context) {
  context_ = &context;
  splits_ = context.relationship("splits");
  original_ = context.relationship("original");
  failure_ = context.relationship("failure");
  if (config_.line_split_count == 0 && !config_.fragment_size_max) {
    return invalid("`Line Split Count` 0 needs a `Maximum Fragment Size`");
  }
  return {};
}

// Makes pieces of lines.
class SplitText::Planner {
 public:
  Planner(const SplitTextConfig& config, Plan& plan) : config_(config), plan_(plan) {}

  void add(const Lines::Line& line) {
    const std::uint64_t with = plan_.header.size() + open_.size + line.size;
    if (config_.fragment_size_max && open_.lines > 0 && with > config_.fragment_size_max->bytes)
      close(line.from);
    if (open_.lines == 0) open_.from = line.from;
    open_.size += line.size;
    ++open_.lines;
    trailing_ = line.size == line.end_size ? trailing_ + line.end_size : line.end_size;
    if (config_.line_split_count > 0 && open_.lines == config_.line_split_count)
      close(line.from + line.size);
  }
  // The piece that is open ends before `end`.
  void close(std::uint64_t end) {
    if (open_.lines == 0) return;
    if (config_.remove_trailing_newlines) open_.size -= trailing_;
    if (open_.size > 0) {
      ++plan_.count;
      if (!is_full()) {
        plan_.fragments.push_back(open_);
        plan_.end = end;
        if (!plan_.header.empty()) written_ += plan_.header.size() + open_.size;
      }
    }
    open_ = Fragment{};
    trailing_ = 0;
  }
  bool is_full() const {
    return plan_.fragments.size() == kPiecesAtOnce || written_ >= kBytesAtOnce;
  }

 private:
  const SplitTextConfig& config_;
  Plan& plan_;
  Fragment open_;
  std::uint64_t trailing_ = 0;  // bytes of line ends at the end of the open piece
  std::uint64_t written_ = 0;   // of pieces with a header; those without share the content
};

// `from`: where it goes on; none: it begins, and all is read to be counted.
Result<SplitText::Plan> SplitText::plan(Session& session, FlowFile flowfile,
                                        std::optional<std::uint64_t> from) const {
  TRY_ASSIGN(reader, session.reader(flowfile));
  Lines head(*reader);
  Lines::Line line;
  Plan plan;
  Planner planner(config_, plan);
  std::uint32_t header_lines = 0;
  bool is_in_header =
      config_.header_line_count > 0 || (config_.header_marker && !config_.header_marker->empty());
  while (is_in_header) {
    TRY_ASSIGN(has_line, head.next(line, kHeaderMax));
    if (!has_line) break;
    is_in_header = config_.header_line_count > 0 ? header_lines < config_.header_line_count
                                                 : line.head.starts_with(*config_.header_marker);
    if (!is_in_header) {
      if (!from) planner.add(line);
      break;
    }
    if (plan.header.size() + line.size > kHeaderMax) return invalid("its header is above 1 MB");
    plan.header += line.head;
    ++header_lines;
  }
  if (header_lines < config_.header_line_count) {
    return invalid("it has " + std::to_string(header_lines) + " of " +
                   std::to_string(config_.header_line_count) + " header lines");
  }
  if (from) {
    TRY_ASSIGN(rest, session.reader(flowfile, *from));
    reader = std::move(rest);
  }
  Lines later(*reader, from.value_or(0));
  Lines& lines = from ? later : head;
  while (!from || !planner.is_full()) {
    TRY_ASSIGN(has_line, lines.next(line, 0));
    if (!has_line) break;
    planner.add(line);
    if (plan.count > kPiecesMax) {
      return invalid("it has more than " + std::string(kPiecesMaxText) + " pieces");
    }
  }
  planner.close(flowfile.size());
  return plan;
}

Result<> SplitText::on_trigger(Session& session) {
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const std::optional<SplitProgress> before = split_progress(session, flowfile);
  const Result<Plan> planned =
      plan(session, flowfile, before ? std::optional(before->offset) : std::nullopt);
  if (!planned.ok()) {
    if (planned.code() != Code::kInvalid) return planned.error();
    context_->bulletin(BulletinLevel::kError,
                       "FlowFile " + flowfile.uuid() + ": " + planned.error().text());
    session.penalize(flowfile);
    if (before) forget_split_progress(session, flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  SplitProgress progress =
      before.value_or(SplitProgress{0, 0, planned->count, random_uuid().text()});
  TRY(emit(session, flowfile, *planned, progress));
  progress.offset = planned->end;
  progress.made += planned->fragments.size();
  if (progress.made < progress.count && !planned->fragments.empty()) {
    note_split_progress(session, flowfile, progress);
    session.keep(flowfile);
    return {};
  }
  if (before) forget_split_progress(session, flowfile);
  session.transfer(flowfile, original_);
  return {};
}

Result<> SplitText::emit(Session& session, FlowFile original, const Plan& plan,
                         const SplitProgress& progress) const {
  std::uint64_t index = progress.made;
  for (const Fragment& fragment : plan.fragments) {
    FlowFile piece = session.clone(original, fragment.from, fragment.size);
    if (!plan.header.empty()) {
      TRY_ASSIGN(body, session.reader(piece));
      TRY(write_with_header(session, piece, plan.header, *body));
    }
    piece.set("text.line.count", std::to_string(fragment.lines));
    piece.set("fragment.size", std::to_string(fragment.size + plan.header.size()));
    name_piece(piece, original, progress, ++index);
    session.transfer(piece, splits_);
  }
  return {};
}

}  // namespace runnel
