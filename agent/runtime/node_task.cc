// One task of a node: when it is due, its slices, its failures, and the processor's Context.

#include <algorithm>
#include <exception>

#include "agent/base/ids.h"
#include "agent/runtime/content.h"
#include "agent/runtime/node.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// One session takes no more FlowFiles than this, and no longer than this.
constexpr std::size_t kSliceMax = 256;
constexpr auto kSliceTime = 25ms;
constexpr unsigned kCallsPerClockLook = 8;
// With so many waiting, another worker shall help.
constexpr std::uint64_t kDeep = 4 * kSliceMax;
constexpr auto kBackoffFirst = 1s;
constexpr auto kBackoffMax = 30s;
// A source without a period that found nothing is asked again after this time.
constexpr auto kBored = 100ms;
constexpr auto kDiskFullWait = 1s;
constexpr auto kBehindWait = 5ms;  // about as long as a write takes
// The wall clock may be set; a cron timer looks at it at least this often.
constexpr auto kWallLook = 10min;
// Set back by more than this, it shows moments once more that a cron text means. What NTP corrects
// is less.
constexpr std::int64_t kSetBackMs = 60'000;
constexpr std::size_t kTimersMax = 4096;

std::int64_t ns_of(SteadyTime when) { return when.time_since_epoch().count(); }

}  // namespace

// How far a slice may go before one of the outputs is full. As long as all that it has done would
// fit into the fullest one, which costs one look at each output, nothing more is counted.
class NodeTask::Limit {
 public:
  Limit(const Node& node, SessionCore& session)
      : node_(node), session_(session), at_(node.room()) {}

  bool is_reached() {
    const std::uint64_t bytes = session_.transferred_bytes();
    if (session_.flowfiles() < at_.count && bytes < at_.bytes) return false;
    const Queue::Room left = node_.room(&session_);
    if (left.count == 0 || left.bytes == 0) return true;
    at_.count = left.count == UINT64_MAX ? left.count : session_.flowfiles() + left.count;
    at_.bytes = left.bytes == UINT64_MAX ? left.bytes : bytes + left.bytes;
    return false;
  }

 private:
  const Node& node_;
  SessionCore& session_;
  Queue::Room at_;
};

NodeTask::NodeTask(Node& node, std::unique_ptr<Processor> processor)
    : node_(node),
      session_(node.host_.ledger, node.wiring_, *node.hand_over_),
      backoff_(kBackoffFirst, kBackoffMax),
      services_(node.plan_.services),
      processor_(std::move(processor)) {
  if (!node.plan_.cycle_inputs.empty())
    cycle_session_.emplace(node.host_.ledger, node.cycle_wiring_, *node.hand_over_);
  const ProcessorNode& model = node.plan_.model;
  kind_ = model.schedule.kind;
  if (kind_ == Schedule::Kind::kDefault) {
    // What can do without input, and has none, would never be triggered by an event.
    const ComponentSpec& spec = node.plan_.type->spec;
    const bool is_timer = spec.trigger == DefaultTrigger::kTimer ||
                          (spec.input == InputRule::kAllowed && node.is_source());
    kind_ = is_timer ? Schedule::Kind::kEvery : Schedule::Kind::kEvent;
  }
  if (kind_ == Schedule::Kind::kCron) {
    Result<Cron> cron = Cron::parse(model.schedule.cron);
    RUNNEL_ASSERT(cron.ok());  // the flow has passed its checks
    cron_ = std::move(cron).value();
  }
  is_by_tick_ = kind_ == Schedule::Kind::kCron ||
                (kind_ == Schedule::Kind::kEvery && model.schedule.period > 0ns);
  slice_time_ = model.run_duration > 0ns ? model.run_duration : kSliceTime;
}

// ---- start and stop

Result<> NodeTask::start_processor() {
  TRY(services_.acquire(path()));
  Result<> started;
  try {
    started = processor_->start(*this);
  } catch (const std::exception& thrown) {
    started = invalid(std::string("the processor threw: ") + thrown.what());
  }
  if (started.ok()) return started;
  processor_->stop();
  services_.release();
  return started;
}

void NodeTask::begin(bool is_starting) {
  const SteadyTime now = clock().steady();
  is_starting_ = is_starting;
  is_starting_seen_ = is_starting;
  is_continuing_ = false;
  if (!is_by_tick_) is_woken_ = true;  // what its library has called meanwhile counts, too
  backoff_.reset();
  next_tick_ = now;
  not_before_ = is_starting ? now + backoff_.next(random_u64()) : SteadyTime{};
  back_off_until_ns_ = is_starting ? ns_of(not_before_) : 0;
  if (kind_ == Schedule::Kind::kCron) plan_tick(now);
  node_.host_.scheduler.activate(*this);
  node_.host_.scheduler.wake(*this);
}

void NodeTask::stop_processor() {
  if (!is_starting_) processor_->stop();
  services_.release();
  is_starting_ = false;
  is_starting_seen_ = false;
  is_woken_ = false;
  back_off_until_ns_ = 0;
  yield_until_ns_ = 0;
  Lock lock(timers_mutex_);
  timers_.clear();
}

Task::Next NodeTask::try_start(SteadyTime now) {
  const Result<> started = start_processor();
  if (started.ok()) {
    is_starting_ = false;
    is_starting_seen_ = false;
    back_off_until_ns_ = 0;
    backoff_.reset();
    next_tick_ = now;
    if (kind_ == Schedule::Kind::kCron) plan_tick(now);
    return Next::kAgain;
  }
  node_.note_error(BulletinLevel::kError, "starting: " + started.error().text());
  not_before_ = now + backoff_.next(random_u64());
  back_off_until_ns_ = ns_of(not_before_);
  node_.host_.scheduler.wake_at(*this, not_before_);
  return Next::kIdle;
}

// ---- when

void NodeTask::plan_tick(SteadyTime now) {
  if (kind_ == Schedule::Kind::kEvery) {
    const auto period = node_.plan_.model.schedule.period;
    next_tick_ += period;
    // Ticks that were missed are not made up for.
    if (next_tick_ <= now) next_tick_ = now + period;
    return;
  }
  const std::int64_t wall = clock().wall_ms();
  planned_wall_ms_ = wall;
  const auto next = cron_->next(wall, node_.plan_.model.schedule.zone);
  next_wall_ms_ = next.ok() && *next ? **next : INT64_MAX;
  if (!next.ok()) node_.note_error(BulletinLevel::kError, next.error().text());
  next_tick_ = SteadyTime::max();
}

// Whether a tick is due; if not, its timer is set.
bool NodeTask::is_due(SteadyTime now) {
  if (!is_by_tick_) return true;
  Scheduler& scheduler = node_.host_.scheduler;
  if (kind_ == Schedule::Kind::kEvery) {
    if (now >= next_tick_) return true;
    scheduler.wake_at(*this, next_tick_);
    return false;
  }
  const std::int64_t wall = clock().wall_ms();
  if (wall < planned_wall_ms_ - kSetBackMs) plan_tick(now);
  if (next_wall_ms_ != INT64_MAX && wall >= next_wall_ms_) return true;
  const std::chrono::milliseconds left(next_wall_ms_ - std::max<std::int64_t>(wall, 0));
  scheduler.wake_at(*this, now + std::min<std::chrono::milliseconds>(left, kWallLook));
  return false;
}

// Whether its processor has called it (wake, wake_at), whatever the schedule says.
bool NodeTask::is_called(SteadyTime now) {
  if (is_woken_) return true;
  Lock lock(timers_mutex_);
  if (timers_.empty()) return false;
  if (*timers_.begin() <= now) return true;
  node_.host_.scheduler.wake_at(*this, *timers_.begin());
  return false;
}

bool NodeTask::has_ready_input() const {
  const bool is_cycle_first = node_.has_full_cycle_input();
  const std::vector<Queue*>& inputs =
      is_cycle_first ? node_.plan_.cycle_inputs : node_.plan_.inputs;
  const std::uint32_t now_ms = node_.host_.ledger.now_ms();
  return std::any_of(inputs.begin(), inputs.end(), [now_ms](const Queue* queue) {
    const std::uint32_t ends = queue->penalty_ends_ms();
    return queue->is_ready() || (ends != 0 && is_reached(ends, now_ms));
  });
}

// Who makes much of little is not to be faster than the disk.
bool NodeTask::is_held_back(SteadyTime now) {
  if (node_.plan_.blocking.empty() || !node_.host_.ledger.is_behind()) return false;
  is_woken_ = true;
  node_.host_.scheduler.wake_at(*this, now + kBehindWait);
  return true;
}

// Whether there is something to trigger it for, apart from the schedule.
bool NodeTask::has_reason(SteadyTime now) {
  bool is_timer = false;
  {
    Lock lock(timers_mutex_);
    while (!timers_.empty() && *timers_.begin() <= now) {
      timers_.erase(timers_.begin());
      is_timer = true;
    }
    if (!timers_.empty()) node_.host_.scheduler.wake_at(*this, *timers_.begin());
  }
  const bool is_woken = is_woken_.exchange(false);
  if (is_keeping_ && is_held_back(now)) return false;
  if (node_.is_source()) {
    if (!node_.plan_.blocking.empty() && node_.host_.ledger.is_over_quota()) {
      is_woken_ = true;
      node_.host_.scheduler.wake_at(*this, now + kDiskFullWait);
      return false;
    }
    if (is_held_back(now)) return false;
    return is_woken || is_timer || is_continuing_ || kind_ != Schedule::Kind::kEvent;
  }
  return is_woken || is_timer || has_ready_input();
}

// Penalized FlowFiles wake nobody when their time has come: the timer does.
void NodeTask::arm_penalties(SteadyTime now) {
  const std::uint32_t now_ms = node_.host_.ledger.now_ms();
  for (const Queue* queue : node_.plan_.inputs) {
    const std::uint32_t ends = queue->penalty_ends_ms();
    if (ends == 0) continue;
    const std::chrono::milliseconds left(is_reached(ends, now_ms) ? 0 : ends - now_ms);
    node_.host_.scheduler.wake_at(*this, now + left);
  }
}

Task::Next NodeTask::run() {
  const SteadyTime now = clock().steady();
  const SteadyTime node_yield{std::chrono::nanoseconds(node_.yield_until_ns_.load())};
  const SteadyTime not_before = std::max(not_before_, node_yield);
  if (now < not_before) {
    node_.host_.scheduler.wake_at(*this, not_before);
    return Next::kIdle;
  }
  if (is_starting_) return try_start(now);
  is_scheduled_ = is_due(now);
  if (!is_scheduled_ && !is_called(now)) return Next::kIdle;
  // Whoever makes room wakes us: a wake that comes after this look is not lost.
  if (node_.is_blocked()) return Next::kIdle;
  if (!has_reason(now)) {
    // A moment that finds nothing to do has passed; a period that has begun may be used later.
    if (kind_ == Schedule::Kind::kCron) plan_tick(now);
    arm_penalties(now);
    return Next::kIdle;
  }
  return run_slice(now);
}

// ---- a slice

Result<> NodeTask::call(SessionCore& session) {
  session.begin_call();
  for (ArrivalIntake* intake : intakes_) intake->begin_call();
  node_.invocations_.fetch_add(1, std::memory_order_relaxed);
  Result<> outcome;
  try {
    outcome = processor_->on_trigger(session);
  } catch (const std::exception& thrown) {
    outcome = invalid(std::string("the processor threw: ") + thrown.what());
  }
  if (outcome.ok()) outcome = session.end_call();
  if (outcome.ok()) return {};
  // What will never be taken makes way for others; what waits for somebody keeps its place.
  const bool is_penalized = outcome.code() != Code::kUnavailable && outcome.code() != Code::kFull;
  if (outcome.code() == Code::kCorrupt) {
    session.rollback_corrupt_call();
  } else {
    session.rollback_call(is_penalized);
  }
  for (ArrivalIntake* intake : intakes_) intake->undo_call();
  return outcome;
}

SessionCore& NodeTask::session_of_call() {
  return node_.has_full_cycle_input() ? *cycle_session_ : session_;
}

void NodeTask::commit_calls(SessionCore& session, SteadyTime began) {
  for (ArrivalIntake* intake : intakes_) intake->before_commit(session);
  session.commit();
  for (ArrivalIntake* intake : intakes_) intake->committed();
  node_.active_.fetch_sub(1, std::memory_order_relaxed);
  node_.processing_ns_.fetch_add(
      static_cast<std::uint64_t>((std::chrono::steady_clock::now() - began).count()),
      std::memory_order_relaxed);
}

Task::Next NodeTask::run_slice(SteadyTime now) {
  SessionCore& session = session_of_call();
  const auto began = std::chrono::steady_clock::now();
  const SteadyTime deadline = now + slice_time_;
  // A source that is called between two ticks has arrivals to take, or more of what it began; what
  // is fed by connections keeps to its schedule.
  const bool is_one_call =
      is_by_tick_ && node_.plan_.model.run_duration <= 0ns && (is_scheduled_ || !node_.is_source());
  node_.active_.fetch_add(1, std::memory_order_relaxed);
  Result<> outcome;
  bool has_progress = false;  // of any call: what a commit sends back is to be taken again
  bool wants_yield = false;
  Limit limit(node_, session);
  for (unsigned calls = 1;; ++calls) {
    outcome = call(session);
    const bool goes_on = outcome.ok() && session.has_progress();
    has_progress = has_progress || goes_on;
    wants_yield = session.wants_yield();
    is_keeping_ = session.has_kept();
    if (!goes_on || wants_yield || is_one_call || is_keeping_) break;
    if (session.flowfiles() >= kSliceMax || limit.is_reached()) break;
    if (calls % kCallsPerClockLook == 0 && clock().steady() >= deadline) break;
  }
  commit_calls(session, began);
  const SteadyTime after = clock().steady();
  if (wants_yield) {
    not_before_ = after + node_.plan_.model.yield_period;
    yield_until_ns_ = ns_of(not_before_);
  }
  if (!outcome.ok()) {
    if (has_progress) backoff_.reset();
    failed(outcome.error(), after);
  } else if (has_progress) {
    backoff_.reset();
    back_off_until_ns_ = 0;
  }
  return after_slice(after, has_progress);
}

void NodeTask::failed(const Error& error, SteadyTime now) {
  node_.failures_.fetch_add(1, std::memory_order_relaxed);
  not_before_ = std::max(not_before_, now + backoff_.next(random_u64()));
  back_off_until_ns_ = ns_of(not_before_);
  node_.note_error(BulletinLevel::kError, error.text());
}

Task::Next NodeTask::after_slice(SteadyTime now, bool has_progress) {
  Scheduler& scheduler = node_.host_.scheduler;
  is_continuing_ = has_progress;
  arm_penalties(now);
  if (is_by_tick_) {
    const bool is_tick = std::exchange(is_scheduled_, true);
    if (is_tick) plan_tick(now);
    if (!is_tick && has_progress && node_.is_source()) is_woken_ = true;
    if (is_woken_ && now >= not_before_) return Next::kAgain;
    // With nothing to take, the next FlowFile wakes it; a source is woken by its tick.
    if (node_.is_source() || has_ready_input()) is_due(now);
    if (now < not_before_) scheduler.wake_at(*this, not_before_);
    return Next::kIdle;
  }
  if (now < not_before_) {
    // What it was to do is still to be done.
    is_woken_ = true;
    scheduler.wake_at(*this, not_before_);
    return Next::kIdle;
  }
  if (!has_progress) {
    // It has been asked and took nothing: whoever changes that wakes it.
    if (node_.is_source() && kind_ == Schedule::Kind::kEvery) {
      scheduler.wake_at(*this, now + kBored);
    }
    return Next::kIdle;
  }
  if (node_.is_source()) return Next::kAgain;
  std::uint64_t ready = 0;
  for (const Queue* queue : node_.plan_.inputs) ready += queue->ready();
  if (ready == 0) {
    // It may have more to do without input (bins that are ripe): one more call tells.
    return is_woken_ ? Next::kAgain : Next::kIdle;
  }
  return ready >= kDeep ? Next::kDeep : Next::kAgain;
}

// ---- Context

Relationship NodeTask::relationship(std::string_view name) const {
  const auto found = node_.outlets_.find(name);
  if (found != node_.outlets_.end()) return Relationship{found->second};
  const ComponentSpec& spec = node_.plan_.type->spec;
  const RelationshipSpec* described = spec.relationship(name);
  RUNNEL_ASSERT(described != nullptr && described->is_optional);
  return {};
}

bool NodeTask::is_connected(Relationship relationship) const {
  return relationship && !node_.plan_.outlets[relationship.index].queues.empty();
}

void NodeTask::wake() {
  is_woken_ = true;
  node_.host_.scheduler.wake(*this);
}

void NodeTask::wake_at(SteadyTime when) {
  {
    Lock lock(timers_mutex_);
    if (timers_.size() < kTimersMax) timers_.insert(when);
  }
  node_.host_.scheduler.wake_at(*this, when);
}

std::unique_ptr<Intake> NodeTask::open_intake(IntakeOptions options) {
  auto intake = std::make_unique<ArrivalIntake>(
      std::move(options), [this] { wake(); },
      [this](ArrivalIntake* gone) { std::erase(intakes_, gone); });
  intakes_.push_back(intake.get());
  return intake;
}

std::unique_ptr<ContentDraft> NodeTask::open_draft() {
  return std::make_unique<SegmentDraft>(node_.host_.ledger.segments());
}

DurableMap& NodeTask::durable() {
  if (!durable_) durable_ = node_.host_.ledger.durable(node_.plan_.model.id);
  return *durable_;
}

}  // namespace runnel
