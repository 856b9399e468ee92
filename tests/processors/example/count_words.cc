// CountWords: counts the words of each FlowFile's content into an attribute, and all of them over
// time. StopWords: the words that several of them leave out.

#include <algorithm>
#include <set>
#include <string>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "agent/sdk/service.h"
#include "processors/registry.h"

namespace runnel {
namespace {

// What users see of the service; in a header of its own where others shall use or provide it, too.
class WordFilter {
 public:
  static constexpr std::string_view kService = "WordFilter";
  virtual ~WordFilter() = default;
  virtual bool lets_pass(std::string_view word) const = 0;  // any thread
};

struct StopWordsConfig {
  std::string words;
};

class StopWords final : public Service, public WordFilter {
 public:
  using Config = StopWordsConfig;
  explicit StopWords(const Config& config) {
    for (const std::string_view word : split(config.words, ' ')) words_.emplace(word);
  }
  // Opening what its users shall share, and closing it, would be `start` and `stop`.
  bool lets_pass(std::string_view word) const override { return !words_.contains(word); }

 private:
  std::set<std::string, std::less<>> words_;
};

struct CountWordsConfig {
  std::string attribute = "words";
  Size content_size_max{1 << 20};
  ServiceRef<WordFilter> filter;
};

class CountWords final : public Processor {
 public:
  using Config = CountWordsConfig;
  explicit CountWords(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(filter, context.service(config_.filter));
    filter_ = filter;  // running until after our `stop`; nullptr where the flow names none
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  std::int64_t count(std::string_view text) const;

  const Config config_;
  WordFilter* filter_ = nullptr;
  Relationship success_;
  Relationship failure_;
};

}  // namespace

ServiceType stop_words() {
  return DescribeService<StopWords>("StopWords", "Words that are not counted.")
      .property("Words", &StopWordsConfig::words,
                {.doc = "The words, with blanks between them.", .required = true})
      .provides<WordFilter>();
}

ProcessorType count_words() {
  return Describe<CountWords>("CountWords", "Counts the words of each FlowFile's content.")
      .property("Attribute", &CountWordsConfig::attribute,
                {.doc = "The attribute that gets the number."})
      .property("Maximum Content Size", &CountWordsConfig::content_size_max,
                {.doc = "A FlowFile with more content goes to `failure`.", .min = Size{1}})
      .property("Word Filter", &CountWordsConfig::filter,
                {.doc = "The service that says which words count. None: all do."})
      .relationship("success", "Counted.")
      .relationship("failure", "Too large.");
}

Result<> CountWords::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::string_view> content =
      session.content(flowfile, config_.content_size_max.bytes);
  if (!content.ok()) {
    if (content.code() != Code::kFull) return content.error();  // rolled back, told, tried again
    session.transfer(flowfile, failure_);
    return {};
  }
  const std::int64_t words = count(*content);
  flowfile.set(config_.attribute, std::to_string(words));
  // Committed in the same transaction as the FlowFile: after a crash both are there, or neither.
  const std::int64_t before = parse_int(session.state("words").value_or("0")).value_or(0);
  session.set_state("words", std::to_string(before + words));
  session.transfer(flowfile, success_);
  return {};
}

std::int64_t CountWords::count(std::string_view text) const {
  std::int64_t words = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n\t"), text.size());
    if (end > 0 && (filter_ == nullptr || filter_->lets_pass(text.substr(0, end)))) ++words;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace runnel
