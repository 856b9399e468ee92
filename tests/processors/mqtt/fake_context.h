// Fakes by which these tests decide themselves when an arrival is safe: Context, Intake,
// DurableMap, Session.

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/assert.h"
#include "agent/base/mutex.h"
#include "agent/sdk/context.h"
#include "agent/sdk/processor.h"

namespace runnel::test {

class FakeDurableMap final : public DurableMap {
 public:
  Result<> put(std::string_view key, std::string_view bytes) override {
    const Lock lock(mutex_);
    if (is_broken) return unavailable("the disk is full");
    map_[std::string(key)] = bytes;
    return {};
  }
  Result<std::optional<std::string>> find(std::string_view key) override {
    const Lock lock(mutex_);
    const auto found = map_.find(std::string(key));
    if (found == map_.end()) return std::optional<std::string>{};
    return std::optional<std::string>(found->second);
  }
  Result<> remove(std::string_view key) override {
    const Lock lock(mutex_);
    map_.erase(std::string(key));
    return {};
  }
  std::atomic<bool> is_broken{false};

 private:
  Mutex mutex_;
  std::map<std::string, std::string> map_ GUARDED_BY(mutex_);
};

// Waits for things that other threads do.
class Watch {
 public:
  void changed() {
    {
      const Lock lock(mutex_);
      ++count_;
    }
    condition_.notify_all();
  }
  // Whether `is_so` becomes true within the deadline; asked after each change.
  bool wait(const std::function<bool()>& is_so,
            std::chrono::milliseconds within = std::chrono::seconds(15)) {
    const auto deadline = std::chrono::steady_clock::now() + within;
    while (true) {
      std::uint64_t seen = 0;
      {
        const Lock lock(mutex_);
        seen = count_;
      }
      if (is_so()) return true;
      const Lock lock(mutex_);
      while (count_ == seen) {
        if (!condition_.wait_until(mutex_, deadline)) return false;
      }
    }
  }

 private:
  Mutex mutex_;
  CondVar condition_;
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
};

// A session in which nothing is.
class EmptySession : public Session {
 public:
  FlowFile get() override { return {}; }
  FlowFile create() override { return {}; }
  FlowFile create(FlowFile) override { return {}; }
  FlowFile clone(FlowFile) override { return {}; }
  FlowFile clone(FlowFile, std::uint64_t, std::uint64_t) override { return {}; }
  FlowFile merge(std::span<const FlowFile>, MergeText) override { return {}; }
  Result<std::string_view> content(FlowFile, std::size_t) override { return std::string_view(); }
  Result<std::unique_ptr<ContentReader>> reader(FlowFile) override { return invalid("empty"); }
  Result<std::unique_ptr<ContentReader>> reader(FlowFile, std::uint64_t) override {
    return invalid("empty");
  }
  Result<> write(FlowFile, std::string_view) override { return {}; }
  Result<std::unique_ptr<ContentWriter>> writer(FlowFile) override { return invalid("empty"); }
  Result<> write(FlowFile, ContentDraft&) override { return invalid("empty"); }
  void transfer(FlowFile, Relationship) override {}
  void drop(FlowFile) override {}
  void keep(FlowFile) override {}
  void penalize(FlowFile) override {}
  Handed hand_over(FlowFile, std::string_view) override { return {}; }
  FlowFile take_back(Handed) override { return {}; }
  void event(FlowFile, ProvenanceKind, std::string_view, std::string_view,
             std::string_view) override {}
  std::optional<std::string> state(std::string_view) override { return std::nullopt; }
  void set_state(std::string_view, std::string_view) override {}
  void remove_state(std::string_view) override {}
  void each_state(const std::function<void(std::string_view, std::string_view)>&) override {}
  std::optional<std::string> shared_state(std::string_view, std::string_view) override {
    return std::nullopt;
  }
  void set_shared_state(std::string_view, std::string_view, std::string_view) override {}
  void remove_shared_state(std::string_view, std::string_view) override {}
  void when_ended(std::function<void(bool)> then) override { then(true); }
  void when_safe(std::function<void()>) override {}
  void when_stored(std::function<void()> then) override { then(); }
  void yield() override {}
  std::optional<std::string_view> attribute(const FlowRecord&, std::string_view) const override {
    return std::nullopt;
  }
  void set_attribute(FlowRecord&, std::string_view, std::string_view) override {}
  void remove_attribute(FlowRecord&, std::string_view) override {}
  void each_attribute(
      const FlowRecord&,
      const std::function<void(std::string_view, std::string_view)>&) const override {}
  std::string uuid(const FlowRecord&) const override { return {}; }
};

// A session that has nothing but the processor's state.
class StateSession final : public EmptySession {
 public:
  std::optional<std::string> state(std::string_view key) override {
    const Lock lock(mutex_);
    const auto found = all_.find(key);
    return found == all_.end() ? std::nullopt : std::optional<std::string>(found->second);
  }
  void set_state(std::string_view key, std::string_view value) override {
    const Lock lock(mutex_);
    all_[std::string(key)] = value;
  }
  void remove_state(std::string_view key) override {
    const Lock lock(mutex_);
    all_.erase(std::string(key));
  }
  void each_state(const std::function<void(std::string_view, std::string_view)>& visit) override {
    for (const auto& [key, value] : all()) visit(key, value);
  }
  void when_stored(std::function<void()> then) override {
    if (!is_held) return then();
    held.push_back(std::move(then));
  }

  std::map<std::string, std::string, std::less<>> all() const {
    const Lock lock(mutex_);
    return all_;
  }
  bool is_held = false;  // the disk takes its time
  std::vector<std::function<void()>> held;

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::string, std::less<>> all_ GUARDED_BY(mutex_);
};

// What the processors of one test share: everything that has arrived, and who decides when it is
// safe.
class FakeContext final : public Context {
 public:
  explicit FakeContext(std::string id = "bus-id") : id_(std::move(id)) {}

  const std::string& name() const override { return name_; }
  const std::string& path() const override { return name_; }
  const std::string& id() const override { return id_; }
  const std::string& agent_id() const override { return agent_id_; }
  Relationship relationship(std::string_view) const override { return {0}; }
  bool is_connected(Relationship) const override { return true; }
  void wake() override {
    ++wakes;
    watch.changed();
  }
  void wake_at(SteadyTime) override {}
  bool is_blocked() const override { return false; }
  void bulletin(BulletinLevel, std::string_view text) override {
    {
      const Lock lock(mutex_);
      bulletins_.emplace_back(text);
    }
    watch.changed();
  }
  std::unique_ptr<Intake> open_intake(IntakeOptions options) override;
  std::unique_ptr<ContentDraft> open_draft() override { return nullptr; }
  void urge() override {
    ++urges;
    watch.changed();
  }
  DurableMap& durable() override { return map; }
  Clock& clock() override { return system_clock(); }

  std::vector<Arrival> arrivals() const {
    const Lock lock(mutex_);
    return arrivals_;
  }
  std::size_t count() const {
    const Lock lock(mutex_);
    return arrivals_.size();
  }
  bool has_bulletin(std::string_view part) const {
    const Lock lock(mutex_);
    for (const std::string& text : bulletins_) {
      if (text.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::string all_bulletins() const {
    const Lock lock(mutex_);
    std::string all;
    for (const std::string& text : bulletins_) all += text + "\n";
    return all;
  }
  bool wait_for(std::size_t count_wanted) {
    return watch.wait([&] { return count() >= count_wanted; });
  }
  bool wait_for_bulletin(std::string_view part) {
    return watch.wait([&] { return has_bulletin(part); });
  }
  // Everything that has been delivered to the present intake becomes safe.
  void make_all_safe();
  void make_safe(Ticket ticket);

  std::size_t intake_max = 1'000'000;  // how many unsafe arrivals the intake takes
  std::atomic<int> wakes{0};
  std::atomic<int> urges{0};
  FakeDurableMap map;
  StateSession session;  // its state stays over crashes, as `map` does
  Watch watch;

 private:
  class FakeIntake;
  friend class FakeIntake;

  const std::string name_ = "bus";
  const std::string id_;
  const std::string agent_id_ = "agent-1";
  mutable Mutex mutex_;
  std::vector<Arrival> arrivals_ GUARDED_BY(mutex_);
  std::vector<std::string> bulletins_ GUARDED_BY(mutex_);
  FakeIntake* intake_ GUARDED_BY(mutex_) = nullptr;
};

class FakeContext::FakeIntake final : public Intake {
 public:
  FakeIntake(FakeContext& context, IntakeOptions options)
      : context_(context), options_(std::move(options)) {}
  ~FakeIntake() override {
    const Lock lock(context_.mutex_);
    context_.intake_ = nullptr;
  }
  Result<Ticket> deliver(Arrival&& arrival) override {
    Ticket ticket = 0;
    {
      const Lock lock(context_.mutex_);
      if (last_ - safe_ >= context_.intake_max) return full("the intake is full");
      if (arrival.state) context_.session.set_state(arrival.state->first, arrival.state->second);
      context_.arrivals_.push_back(std::move(arrival));
      ticket = ++last_;
    }
    context_.watch.changed();
    return ticket;
  }
  FlowFile next(Session&) override { return {}; }
  std::size_t waiting() const override { return static_cast<std::size_t>(last_ - safe_); }
  Ticket safe_through() const override { return safe_; }
  void make_safe(Ticket ticket) {
    safe_ = ticket;
    options_.on_safe(ticket);
  }
  Ticket last() const { return last_; }

 private:
  FakeContext& context_;
  const IntakeOptions options_;
  std::atomic<Ticket> last_{0};
  std::atomic<Ticket> safe_{0};
};

inline std::unique_ptr<Intake> FakeContext::open_intake(IntakeOptions options) {
  auto intake = std::make_unique<FakeIntake>(*this, std::move(options));
  const Lock lock(mutex_);
  intake_ = intake.get();
  return intake;
}
inline void FakeContext::make_safe(Ticket ticket) {
  FakeIntake* intake = nullptr;
  {
    const Lock lock(mutex_);
    intake = intake_;
  }
  if (intake != nullptr) intake->make_safe(ticket);
}
inline void FakeContext::make_all_safe() {
  Ticket last = 0;
  {
    const Lock lock(mutex_);
    if (intake_ != nullptr) last = intake_->last();
  }
  make_safe(last);
}

}  // namespace runnel::test
