// ControlRate: lets at most so much pass in a span of time.
//
// What counts is FlowFiles, bytes of content, or the sum of an attribute. The count lives in memory
// only: after a restart it is zero again, which errs on the side of letting data pass. FlowFiles
// that are over the rate wait in the queue.

#include <array>
#include <map>
#include <string>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"

namespace runnel {

enum class RateCriteria { kDataRate, kFlowFileCount, kAttributeValue };

template <>
struct EnumNames<RateCriteria> {
  static constexpr std::array<std::pair<RateCriteria, std::string_view>, 3> names{
      {{RateCriteria::kDataRate, "data rate"},
       {RateCriteria::kFlowFileCount, "flowfile count"},
       {RateCriteria::kAttributeValue, "attribute value"}}};
};

namespace {

using namespace std::chrono_literals;

struct ControlRateConfig {
  RateCriteria criteria = RateCriteria::kDataRate;
  std::string maximum_rate;
  std::optional<std::string> rate_controlled_attribute;
  std::chrono::milliseconds time_duration = 1min;
  std::optional<std::string> grouping_attribute;
};

class ControlRate final : public Processor {
 public:
  using Config = ControlRateConfig;
  static Result<std::unique_ptr<ControlRate>> make(Config config);
  ControlRate(Config config, std::uint64_t rate_max)
      : config_(std::move(config)), rate_max_(rate_max) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  struct Span {
    SteadyTime began{};
    std::uint64_t passed = 0;
  };

  Result<std::uint64_t> weight_of(FlowFile flowfile) const;

  const Config config_;
  const std::uint64_t rate_max_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship failure_;
  std::map<std::string, Span, std::less<>> spans_;  // by group
};

constexpr std::size_t kGroupsMax = 10'000;

}  // namespace

ProcessorType control_rate() {
  using C = ControlRateConfig;
  return Describe<ControlRate>(
             "ControlRate",
             "Lets at most `Maximum Rate` pass per `Time Duration`; the others wait in the queue.")
      .property("Rate Control Criteria", &C::criteria, {.doc = "What is counted."})
      .property(
          "Maximum Rate", &C::maximum_rate,
          {.doc =
               "What may pass in one span of time: a size (`1 MB`) for `data rate`, else a number.",
           .required = true,
           .example = "1 MB"})
      .property("Rate Controlled Attribute", &C::rate_controlled_attribute,
                {.doc = "For `attribute value`: the attribute whose whole numbers are summed up."})
      .property("Time Duration", &C::time_duration,
                {.doc = "Length of one span of time.", .min = 10ms, .max = 24h})
      .property("Grouping Attribute", &C::grouping_attribute,
                {.doc = "If given, each value of this attribute has a rate of its own (at most "
                        "10,000 values; then all others share one)."})
      .relationship("success", "FlowFiles within the rate.")
      .relationship("failure",
                    "With `attribute value`: the attribute is missing or no whole number.");
}

Result<std::unique_ptr<ControlRate>> ControlRate::make(Config config) {
  std::uint64_t rate_max = 0;
  if (config.criteria == RateCriteria::kDataRate) {
    TRY_ASSIGN(size, parse_size(config.maximum_rate).within("property `Maximum Rate`"));
    rate_max = size;
  } else {
    TRY_ASSIGN(number, parse_int(config.maximum_rate).within("property `Maximum Rate`"));
    if (number < 1) return invalid("property `Maximum Rate` must be at least 1");
    rate_max = static_cast<std::uint64_t>(number);
  }
  if (rate_max == 0) return invalid("property `Maximum Rate` must be above 0");
  if (config.criteria == RateCriteria::kAttributeValue && !config.rate_controlled_attribute) {
    return invalid("`attribute value` needs `Rate Controlled Attribute`");
  }
  return std::make_unique<ControlRate>(std::move(config), rate_max);
}

Result<std::uint64_t> ControlRate::weight_of(FlowFile flowfile) const {
  if (config_.criteria == RateCriteria::kFlowFileCount) return std::uint64_t{1};
  if (config_.criteria == RateCriteria::kDataRate) return flowfile.size();
  const auto value = flowfile.attribute(*config_.rate_controlled_attribute);
  if (!value) return invalid("it has no attribute `" + *config_.rate_controlled_attribute + "`");
  TRY_ASSIGN(number,
             parse_int(*value).within("attribute `" + *config_.rate_controlled_attribute + "`"));
  if (number < 0)
    return invalid("attribute `" + *config_.rate_controlled_attribute + "` is negative");
  return static_cast<std::uint64_t>(number);
}

Result<> ControlRate::on_trigger(Session& session) {
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::uint64_t> weight = weight_of(flowfile);
  if (!weight.ok()) {
    context_->bulletin(BulletinLevel::kError,
                       "FlowFile " + flowfile.uuid() + ": " + weight.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  std::string group;
  if (config_.grouping_attribute) {
    group = flowfile.attribute(*config_.grouping_attribute).value_or(std::string_view{});
    if (spans_.size() >= kGroupsMax && !spans_.contains(group)) group.clear();
  }
  const SteadyTime now = context_->clock().steady();
  Span& span = spans_[group];
  if (span.began == SteadyTime{} || now - span.began >= config_.time_duration) span = Span{now, 0};
  // One that is larger than the rate by itself passes when nothing else has: else it would wait for
  // ever.
  const bool fits = span.passed + *weight <= rate_max_ || span.passed == 0;
  if (!fits) {
    Handed held = session.hand_over(flowfile);
    std::move(held).give_back();
    context_->wake_at(span.began + config_.time_duration);
    session.yield();
    return {};
  }
  span.passed += *weight;
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
