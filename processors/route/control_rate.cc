// ControlRate: lets at most so much pass in a span of time.
//
// What counts is FlowFiles, bytes of content, or the sum of an attribute. The count lives in memory
// only: after a restart it is zero again, which errs on the side of letting data pass. A FlowFile
// that is over the rate is held, in its place in the queue, until its group's next span of time
// begins; others of its group stay behind it, other groups pass by.

#include <array>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

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
  void stop() override {
    due_.clear();
    groups_.clear();  // gives back what they hold
    held_ = 0;
  }

 private:
  struct Held {
    Handed handed;
    std::uint64_t weight;
  };
  struct Group {
    SteadyTime began{};  // its span of time
    std::uint64_t passed = 0;
    std::deque<Held> held;
  };

  Result<std::uint64_t> weight_of(FlowFile flowfile) const;
  Group& group_of(std::string& name, SteadyTime now);
  bool passes(Group& group, std::uint64_t weight, SteadyTime now) const;
  void release_due(Session& session, SteadyTime now);
  bool may_hold_more() const { return held_ < (config_.grouping_attribute ? kHeldMax : 1); }

  static constexpr std::size_t kGroupsMax = 10'000;
  static constexpr std::size_t kHeldMax = 1000;

  const Config config_;
  const std::uint64_t rate_max_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship failure_;
  std::map<std::string, Group, std::less<>> groups_;
  std::set<std::pair<SteadyTime, std::string>> due_;  // groups that hold something: their span ends
  std::size_t held_ = 0;
};

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

ControlRate::Group& ControlRate::group_of(std::string& name, SteadyTime now) {
  if (groups_.size() >= kGroupsMax && !groups_.contains(name)) {
    std::erase_if(groups_, [&](const auto& one) {
      return one.second.held.empty() && now - one.second.began >= config_.time_duration;
    });
    if (groups_.size() >= kGroupsMax) name.clear();
  }
  return groups_[name];
}

// Whether so much more fits into the group's span of time; a new one begins when the last is over.
bool ControlRate::passes(Group& group, std::uint64_t weight, SteadyTime now) const {
  if (group.began == SteadyTime{} || now - group.began >= config_.time_duration) {
    group.began = now;
    group.passed = 0;
  }
  // One that is larger than the rate by itself passes when nothing else has: else it would wait for
  // ever.
  if (group.passed != 0 && (weight > rate_max_ || group.passed > rate_max_ - weight)) return false;
  group.passed += weight;
  return true;
}

void ControlRate::release_due(Session& session, SteadyTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const std::string name = due_.begin()->second;
    due_.erase(due_.begin());
    Group& group = groups_[name];
    while (!group.held.empty() && passes(group, group.held.front().weight, now)) {
      session.transfer(session.take_back(std::move(group.held.front().handed)), success_);
      group.held.pop_front();
      --held_;
    }
    if (!group.held.empty()) due_.emplace(group.began + config_.time_duration, name);
  }
  if (!due_.empty()) context_->wake_at(due_.begin()->first);
}

Result<> ControlRate::on_trigger(Session& session) {
  const SteadyTime now = context_->clock().steady();
  release_due(session, now);
  if (!may_hold_more()) return {};  // the timer wakes us
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
  std::string name;
  if (config_.grouping_attribute) {
    name = flowfile.attribute(*config_.grouping_attribute).value_or(std::string_view{});
  }
  Group& group = group_of(name, now);
  if (group.held.empty() && passes(group, *weight, now)) {
    session.transfer(flowfile, success_);
    return {};
  }
  group.held.push_back({session.hand_over(flowfile), *weight});
  ++held_;
  if (group.held.size() == 1) {
    const SteadyTime ends = group.began + config_.time_duration;
    due_.emplace(ends, name);
    context_->wake_at(ends);
  }
  return {};
}

}  // namespace runnel
