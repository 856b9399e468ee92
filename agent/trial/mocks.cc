// The mocks of flow tests.

#include "agent/trial/mocks.h"

#include <algorithm>

namespace runnel {
namespace {

constexpr std::size_t kContentMax = 64 << 20;

class MockSource final : public Processor {
 public:
  explicit MockSource(std::vector<MockGiven> given) : given_(std::move(given)) {
    std::stable_sort(given_.begin(), given_.end(), [](const MockGiven& a, const MockGiven& b) {
      return a.flowfile.after < b.flowfile.after;
    });
  }

  Result<> start(Context& context) override {
    context_ = &context;
    began_ = context.clock().steady();
    if (!given_.empty()) context.wake();
    return {};
  }

  Result<> on_trigger(Session& session) override {
    if (next_ >= given_.size()) return {};
    const GivenFlowFile& one = given_[next_].flowfile;
    if (context_->clock().steady() < began_ + one.after) {
      context_->wake_at(began_ + one.after);
      return {};
    }
    FlowFile flowfile = session.create();
    for (const auto& [name, value] : one.attributes) flowfile.set(name, value);
    TRY(session.write(flowfile, one.content));
    session.transfer(flowfile, context_->relationship(given_[next_].relationship));
    if (++made_ == one.count) {
      made_ = 0;
      ++next_;
    }
    return {};
  }

 private:
  std::vector<MockGiven> given_;
  std::size_t next_ = 0;
  std::uint64_t made_ = 0;  // of the next one
  SteadyTime began_{};
  Context* context_ = nullptr;
};

class MockSink final : public Processor {
 public:
  MockSink(std::string at, const Mock* mock, Collector& collector)
      : at_(std::move(at)), mock_(mock), collector_(collector) {}

  Result<> start(Context& context) override {
    context_ = &context;
    return {};
  }

  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (!flowfile) return {};
    TRY_ASSIGN(content, session.content(flowfile, kContentMax));
    SeenFlowFile seen{at_, std::string(content), {}};
    flowfile.each_attribute([&](std::string_view name, std::string_view value) {
      seen.attributes.emplace(name, value);
    });
    if (mock_ == nullptr) {
      session.drop(flowfile);
    } else {
      const auto& turn = mock_->turns[std::min(turn_, mock_->turns.size() - 1)];
      for (std::size_t i = 1; i < turn.size(); ++i) {
        FlowFile child = session.create(flowfile);
        TRY(answer(session, child, turn[i], seen.content));
      }
      TRY(answer(session, flowfile, turn.front(), seen.content));
      ++turn_;
    }
    collector_.add(std::move(seen));
    return {};
  }

 private:
  Result<> answer(Session& session, FlowFile flowfile, const MockAnswer& how,
                  const std::string& content) const {
    for (const auto& [name, value] : how.attributes) flowfile.set(name, value);
    const bool is_child = flowfile.size() != content.size();
    if (how.content || is_child) TRY(session.write(flowfile, how.content.value_or(content)));
    session.transfer(flowfile, context_->relationship(how.relationship.name));
    return {};
  }

  const std::string at_;
  const Mock* const mock_;
  Collector& collector_;
  Context* context_ = nullptr;
  std::size_t turn_ = 0;
};

}  // namespace

void Collector::add(SeenFlowFile seen) {
  const Lock lock(mutex_);
  all_.push_back(std::move(seen));
}

std::vector<SeenFlowFile> Collector::take() {
  const Lock lock(mutex_);
  return std::move(all_);
}

std::unique_ptr<Processor> mock_source(std::vector<MockGiven> given) {
  return std::make_unique<MockSource>(std::move(given));
}

std::unique_ptr<Processor> mock_sink(std::string at, const Mock* mock, Collector& collector) {
  return std::make_unique<MockSink>(std::move(at), mock, collector);
}

}  // namespace runnel
