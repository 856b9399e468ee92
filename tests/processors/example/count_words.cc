// CountWords: counts the words of each FlowFile's content into an attribute, and all of them over
// time.

#include <string>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct CountWordsConfig {
  std::string attribute = "words";
  Size content_size_max{1 << 20};
};

class CountWords final : public Processor {
 public:
  using Config = CountWordsConfig;
  explicit CountWords(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  const Config config_;
  Relationship success_;
  Relationship failure_;
};

}  // namespace

ProcessorType count_words() {
  return Describe<CountWords>("CountWords", "Counts the words of each FlowFile's content.")
      .property("Attribute", &CountWordsConfig::attribute,
                {.doc = "The attribute that gets the number."})
      .property("Maximum Content Size", &CountWordsConfig::content_size_max,
                {.doc = "A FlowFile with more content goes to `failure`.", .min = Size{1}})
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
  std::int64_t words = 0;
  bool is_inside = false;
  for (const char c : *content) {
    const bool is_letter = c != ' ' && c != '\n' && c != '\t';
    if (is_letter && !is_inside) ++words;
    is_inside = is_letter;
  }
  flowfile.set(config_.attribute, std::to_string(words));
  // Committed in the same transaction as the FlowFile: after a crash both are there, or neither.
  const std::int64_t before = parse_int(session.state("words").value_or("0")).value_or(0);
  session.set_state("words", std::to_string(before + words));
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
