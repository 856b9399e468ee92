// ReplaceText: changes the content of each FlowFile as text, as a whole or line by line.

#include <algorithm>
#include <array>
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

  Result<std::string> replaced(FlowFile flowfile, std::string_view content);
  Result<> append_replaced(std::string& out, const Job& job, std::string_view text) const;
  bool is_chosen(bool is_first, bool is_last) const;

  const Config config_;
  Context* context_ = nullptr;
  std::optional<Regex> pattern_;  // of a constant search value
  Relationship success_;
  Relationship failure_;
};

constexpr std::size_t kResultMax = 256 << 20;

// `${name}` in a text stands for the attribute; what is no attribute stays as it is.
std::string substituted(std::string_view text, FlowFile flowfile) {
  std::string out;
  while (true) {
    const std::size_t begin = text.find("${");
    const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    out += text.substr(0, begin);
    if (end == std::string_view::npos) {
      if (begin != std::string_view::npos) out += text.substr(begin);
      return out;
    }
    const auto value = flowfile.attribute(text.substr(begin + 2, end - begin - 2));
    out += value ? *value : text.substr(begin, end + 1 - begin);
    text.remove_prefix(end + 1);
  }
}

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
      .property("Maximum Buffer Size", &C::buffer_size_max,
                {.doc = "A FlowFile with more content goes to `failure`.",
                 .min = Size{1},
                 .max = Size{256 << 20}})
      .relationship("success", "Changed, or without anything to change.")
      .relationship("failure", "Too large, or the expression cannot be evaluated.")
      .concurrent();
}

Result<std::unique_ptr<ReplaceText>> ReplaceText::make(Config config) {
  auto made = std::make_unique<ReplaceText>(std::move(config));
  const Config& given = made->config_;
  if (given.strategy == ReplacementStrategy::kLiteralReplace && !given.search_value) {
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
  const Result<std::string_view> content = session.content(flowfile, config_.buffer_size_max.bytes);
  Result<std::string> changed = content.ok() ? replaced(flowfile, *content) : content.error();
  if (changed.ok()) {
    if (*changed != *content) TRY(session.write(flowfile, *changed));
    session.transfer(flowfile, success_);
    return {};
  }
  if (changed.code() == Code::kCorrupt || changed.code() == Code::kUnavailable)
    return changed.error();
  context_->bulletin(BulletinLevel::kError,
                     "FlowFile " + flowfile.uuid() + ": " + changed.error().text());
  session.penalize(flowfile);
  session.transfer(flowfile, failure_);
  return {};
}

Result<std::string> ReplaceText::replaced(FlowFile flowfile, std::string_view content) {
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
  std::string out;
  if (config_.evaluation_mode == EvaluationMode::kEntireText) {
    TRY(append_replaced(out, job, content));
    return out;
  }
  bool is_first = true;
  while (!content.empty() || is_first) {
    std::size_t end = content.find('\n');
    const bool has_end = end != std::string_view::npos;
    if (!has_end) end = content.size();
    const std::size_t line_end = end > 0 && content[end - 1] == '\r' && has_end ? end - 1 : end;
    const std::size_t next = has_end ? end + 1 : end;
    const bool is_last = next == content.size();
    if (is_chosen(is_first, is_last)) {
      TRY(append_replaced(out, job, content.substr(0, line_end)));
    } else {
      out += content.substr(0, line_end);
    }
    out += content.substr(line_end, next - line_end);
    content.remove_prefix(next);
    is_first = false;
  }
  return out;
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
      out += substituted(text, job.flowfile);
      return {};
    case ReplacementStrategy::kLiteralReplace: {
      if (job.search.empty()) return invalid("`Search Value` is empty");
      for (std::size_t at = text.find(job.search); at != std::string_view::npos;
           at = text.find(job.search)) {
        out += text.substr(0, at);
        out += job.replacement;
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
