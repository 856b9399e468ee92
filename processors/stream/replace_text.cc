// ReplaceText: changes the content of each FlowFile as text, as a whole or line by line.
//
// By lines, content of any size streams through, of which one line stands in memory.

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class EvaluationMode { kLineByLine, kEntireText };
enum class LineChoice { kAll, kFirst, kLast, kExceptFirst, kExceptLast };
enum class ReplacementStrategy {
  kRegexReplace,
  kPrepend,
  kAppend,
  kLiteralReplace,
  kAlwaysReplace,
  kSubstituteVariables
};

template <>
struct EnumNames<EvaluationMode> {
  static constexpr std::array<std::pair<EvaluationMode, std::string_view>, 2> names{
      {{EvaluationMode::kLineByLine, "Line-by-Line"},
       {EvaluationMode::kEntireText, "Entire text"}}};
};
template <>
struct EnumNames<LineChoice> {
  static constexpr std::array<std::pair<LineChoice, std::string_view>, 5> names{
      {{LineChoice::kAll, "All"},
       {LineChoice::kFirst, "First-Line"},
       {LineChoice::kLast, "Last-Line"},
       {LineChoice::kExceptFirst, "Except-First-Line"},
       {LineChoice::kExceptLast, "Except-Last-Line"}}};
};
template <>
struct EnumNames<ReplacementStrategy> {
  static constexpr std::array<std::pair<ReplacementStrategy, std::string_view>, 6> names{
      {{ReplacementStrategy::kPrepend, "Prepend"},
       {ReplacementStrategy::kAppend, "Append"},
       {ReplacementStrategy::kRegexReplace, "Regex Replace"},
       {ReplacementStrategy::kLiteralReplace, "Literal Replace"},
       {ReplacementStrategy::kAlwaysReplace, "Always Replace"},
       {ReplacementStrategy::kSubstituteVariables, "Substitute Variables"}}};
};

namespace {

struct ReplaceTextConfig {
  EvaluationMode evaluation_mode = EvaluationMode::kLineByLine;
  LineChoice line_choice = LineChoice::kAll;
  ReplacementStrategy strategy = ReplacementStrategy::kRegexReplace;
  std::optional<Text> search_value;
  Text replacement_value;
  Size buffer_size_max{1 << 20};
};

class ReplaceText final : public Processor {
 public:
  using Config = ReplaceTextConfig;
  static Result<std::unique_ptr<ReplaceText>> make(Config config);
  explicit ReplaceText(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // What the properties are for one FlowFile.
  struct Job {
    FlowFile flowfile;
    std::string search;
    std::string replacement;
    std::optional<Regex> pattern;
  };

  // kInvalid: this FlowFile cannot be changed.
  Result<> change(Session& session, FlowFile flowfile);
  Result<Job> job_for(FlowFile flowfile) const;
  Result<> change_whole(Session& session, const Job& job) const;
  Result<> add_to_whole(Session& session, const Job& job) const;
  Result<> change_lines(Session& session, const Job& job) const;
  Result<> append_replaced(std::string& out, const Job& job, std::string_view text) const;
  bool is_chosen(bool is_first, bool is_last) const;

  const Config config_;
  Context* context_ = nullptr;
  std::optional<Regex> pattern_;  // of a constant search value
  Relationship success_;
  Relationship failure_;
};

constexpr std::size_t kResultMax = 256 << 20;

constexpr std::size_t kReadPiece = 64 << 10;

Error too_large() { return invalid("the result is larger than 256 MB"); }

// `${name}` in a text stands for the attribute; what is no attribute stays as it is.
Result<> append_substituted(std::string& out, std::string_view text, FlowFile flowfile) {
  while (true) {
    const std::size_t begin = text.find("${");
    const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    out += text.substr(0, begin);
    if (end == std::string_view::npos) {
      if (begin != std::string_view::npos) out += text.substr(begin);
      return {};
    }
    const auto value = flowfile.attribute(text.substr(begin + 2, end - begin - 2));
    out += value ? *value : text.substr(begin, end + 1 - begin);
    if (out.size() > kResultMax) return too_large();
    text.remove_prefix(end + 1);
  }
}

// Content line by line, of which one stands in memory, and the beginning of the next.
class LineReader {
 public:
  LineReader(ContentReader& reader, std::size_t piece, std::size_t line_max)
      : reader_(reader), piece_(std::max<std::size_t>(piece, 1)), line_max_(line_max) {}

  struct Line {
    std::string_view text;
    std::string_view
        end;  // its line feed, with the carriage return before it; the last may lack it
    bool is_first = false;
    bool is_last = false;
  };

  // The next line, which holds until the next call, or none. Empty content is one empty line.
  // kInvalid: the line is too long.
  Result<std::optional<Line>> next() {
    std::size_t scanned = at_;
    std::size_t end = std::string::npos;
    while (true) {
      end = buffer_.find('\n', scanned);
      // Behind the line must be something, or the end of all, to know whether it is the last one.
      if (is_at_end_ || (end != std::string::npos && end + 1 < buffer_.size())) break;
      scanned = (end == std::string::npos ? buffer_.size() : end) - at_;
      if (scanned > line_max_ + 1) return too_long();  // a carriage return is none of it
      TRY(fill());
    }
    if (at_ == buffer_.size() && has_begun_) return std::optional<Line>{};
    const bool has_end = end != std::string::npos;
    const std::size_t next = has_end ? end + 1 : buffer_.size();
    std::size_t text_end = has_end ? end : next;
    if (has_end && text_end > at_ && buffer_[text_end - 1] == '\r') --text_end;
    if (text_end - at_ > line_max_) return too_long();
    const std::string_view all = buffer_;
    const Line line{all.substr(at_, text_end - at_), all.substr(text_end, next - text_end),
                    !has_begun_, is_at_end_ && next == buffer_.size()};
    has_begun_ = true;
    at_ = next;
    return std::optional<Line>(line);
  }

 private:
  static Error too_long() { return invalid("a line is longer than `Maximum Buffer Size`"); }

  // Reads a piece behind what is left, which goes to the front.
  Result<> fill() {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + piece_);
    TRY_ASSIGN(got, reader_.read(std::span<char>(buffer_).subspan(before)));
    buffer_.resize(before + got);
    is_at_end_ = got == 0;
    return {};
  }

  ContentReader& reader_;
  const std::size_t piece_;
  const std::size_t line_max_;
  std::string buffer_;
  std::size_t at_ = 0;  // of the next line
  bool is_at_end_ = false;
  bool has_begun_ = false;
};

}  // namespace

ProcessorType replace_text() {
  using C = ReplaceTextConfig;
  return Describe<ReplaceText>(
             "ReplaceText",
             "Changes the content of each FlowFile as text: replaces, prepends, appends.")
      .property("Evaluation Mode", &C::evaluation_mode,
                {.doc = "Whether each line is changed by itself, or the whole text at once."})
      .property("Line-by-Line Evaluation Mode", &C::line_choice,
                {.doc = "Which lines are changed."})
      .property("Replacement Strategy", &C::strategy,
                {.doc = "What is done. `Substitute Variables` puts attributes in for `${name}` in "
                        "the content."})
      .property("Search Value", &C::search_value,
                {.doc = "What to look for: a regular expression for `Regex Replace` (default: "
                        "everything), a text for `Literal Replace`."})
      .property("Replacement Value", &C::replacement_value,
                {.doc = "What comes in its place; with `Regex Replace`, `$1` stands for the first "
                        "group. With `Prepend` and `Append`: what is added."})
      .property(
          "Maximum Buffer Size", &C::buffer_size_max,
          {.doc = "A FlowFile with a longer line, or with more content where the whole text is "
                  "changed at once, goes to `failure`. What is only added to the whole text, "
                  "or takes its place, needs no buffer.",
           .min = Size{1},
           .max = Size{256 << 20}})
      .relationship("success", "Changed, or without anything to change.")
      .relationship("failure", "Too large, or the expression cannot be evaluated.")
      .concurrent();
}

Result<std::unique_ptr<ReplaceText>> ReplaceText::make(Config config) {
  auto made = std::make_unique<ReplaceText>(std::move(config));
  const Config& given = made->config_;
  const bool has_search = given.search_value && !(given.search_value->is_constant() &&
                                                  given.search_value->constant().empty());
  if (given.strategy == ReplacementStrategy::kLiteralReplace && !has_search) {
    return invalid("`Literal Replace` needs a `Search Value`");
  }
  if (given.strategy == ReplacementStrategy::kRegexReplace &&
      (!given.search_value || given.search_value->is_constant())) {
    const std::string_view text =
        given.search_value ? given.search_value->constant() : "(?s)(^.*$)";
    TRY_ASSIGN(pattern, Regex::compile(text).within("property `Search Value`"));
    made->pattern_ = std::move(pattern);
    if (given.replacement_value.is_constant()) {
      TRY(made->pattern_->check_replacement(given.replacement_value.constant())
              .within("property `Replacement Value`"));
    }
  }
  return made;
}

Result<> ReplaceText::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<> changed = change(session, flowfile);
  if (changed.ok()) {
    session.transfer(flowfile, success_);
    return {};
  }
  if (changed.code() != Code::kInvalid) return changed.error();
  context_->bulletin(BulletinLevel::kError,
                     "FlowFile " + flowfile.uuid() + ": " + changed.error().text());
  session.penalize(flowfile);
  session.transfer(flowfile, failure_);
  return {};
}

Result<> ReplaceText::change(Session& session, FlowFile flowfile) {
  TRY_ASSIGN(job, job_for(flowfile));
  if (config_.evaluation_mode == EvaluationMode::kLineByLine) return change_lines(session, job);
  switch (config_.strategy) {
    case ReplacementStrategy::kAlwaysReplace:
      return session.write(flowfile, job.replacement);
    case ReplacementStrategy::kPrepend:
    case ReplacementStrategy::kAppend:
      return add_to_whole(session, job);
    default:
      return change_whole(session, job);
  }
}

Result<ReplaceText::Job> ReplaceText::job_for(FlowFile flowfile) const {
  Job job{flowfile, {}, {}, pattern_};
  TRY_ASSIGN(replacement, config_.replacement_value.of(flowfile).within("`Replacement Value`"));
  job.replacement = std::move(replacement);
  if (config_.search_value) {
    TRY_ASSIGN(search, config_.search_value->of(flowfile).within("`Search Value`"));
    job.search = std::move(search);
  }
  if (config_.strategy == ReplacementStrategy::kRegexReplace && !job.pattern) {
    TRY_ASSIGN(pattern, Regex::compile(job.search).within("`Search Value`"));
    job.pattern = std::move(pattern);
  }
  return job;
}

Result<> ReplaceText::change_whole(Session& session, const Job& job) const {
  const Result<std::string_view> content =
      session.content(job.flowfile, config_.buffer_size_max.bytes);
  if (!content.ok()) {
    if (content.code() == Code::kFull) return invalid(content.error().text());
    return content.error();
  }
  std::string out;
  TRY(append_replaced(out, job, *content));
  return out == *content ? Result<>() : session.write(job.flowfile, out);
}

// Something before the content, or behind it, whatever its size.
Result<> ReplaceText::add_to_whole(Session& session, const Job& job) const {
  if (job.replacement.empty()) return {};
  const bool is_before = config_.strategy == ReplacementStrategy::kPrepend;
  TRY_ASSIGN(reader, session.reader(job.flowfile));
  TRY_ASSIGN(writer, session.writer(job.flowfile));
  if (is_before) TRY(writer->write(job.replacement));
  std::vector<char> piece(std::min<std::uint64_t>(job.flowfile.size() + 1, kReadPiece));
  while (true) {
    TRY_ASSIGN(got, reader->read(piece));
    if (got == 0) break;
    TRY(writer->write({piece.data(), got}));
  }
  if (!is_before) TRY(writer->write(job.replacement));
  return writer->finish();
}

Result<> ReplaceText::change_lines(Session& session, const Job& job) const {
  TRY_ASSIGN(reader, session.reader(job.flowfile));
  LineReader lines(*reader, std::min<std::uint64_t>(job.flowfile.size(), kReadPiece),
                   config_.buffer_size_max.bytes);
  std::unique_ptr<ContentWriter> writer;  // of what is more than a piece
  std::string out;
  bool is_changed = false;
  while (true) {
    TRY_ASSIGN(line, lines.next());
    if (!line) break;
    if (is_chosen(line->is_first, line->is_last)) {
      const std::size_t before = out.size();
      TRY(append_replaced(out, job, line->text));
      is_changed = is_changed || std::string_view(out).substr(before) != line->text;
    } else {
      out += line->text;
    }
    out += line->end;
    if (out.size() < kReadPiece) continue;
    if (!writer) {
      TRY_ASSIGN(opened, session.writer(job.flowfile));
      writer = std::move(opened);
    }
    TRY(writer->write(out));
    out.clear();
  }
  if (!is_changed) return {};
  if (!writer) return session.write(job.flowfile, out);
  TRY(writer->write(out));
  return writer->finish();
}

bool ReplaceText::is_chosen(bool is_first, bool is_last) const {
  switch (config_.line_choice) {
    case LineChoice::kAll:
      return true;
    case LineChoice::kFirst:
      return is_first;
    case LineChoice::kLast:
      return is_last;
    case LineChoice::kExceptFirst:
      return !is_first;
    case LineChoice::kExceptLast:
      return !is_last;
  }
  return true;
}

Result<> ReplaceText::append_replaced(std::string& out, const Job& job,
                                      std::string_view text) const {
  switch (config_.strategy) {
    case ReplacementStrategy::kPrepend:
      out += job.replacement;
      out += text;
      return {};
    case ReplacementStrategy::kAppend:
      out += text;
      out += job.replacement;
      return {};
    case ReplacementStrategy::kAlwaysReplace:
      out += job.replacement;
      return {};
    case ReplacementStrategy::kSubstituteVariables:
      return append_substituted(out, text, job.flowfile);
    case ReplacementStrategy::kLiteralReplace: {
      if (job.search.empty()) return invalid("`Search Value` is empty");
      for (std::size_t at = text.find(job.search); at != std::string_view::npos;
           at = text.find(job.search)) {
        out += text.substr(0, at);
        out += job.replacement;
        if (out.size() > kResultMax) return too_large();
        text.remove_prefix(at + job.search.size());
      }
      out += text;
      return {};
    }
    case ReplacementStrategy::kRegexReplace: {
      TRY_ASSIGN(changed, job.pattern->replace_all(text, job.replacement, kResultMax));
      out += changed;
      return {};
    }
  }
  return {};
}

}  // namespace runnel
