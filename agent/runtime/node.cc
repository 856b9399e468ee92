// A node as a whole: how it is built, started, stopped and looked at. Its slices are in
// node_task.cc.

#include "agent/runtime/node.h"

#include <algorithm>
#include <exception>
#include <unordered_map>

namespace runnel {
namespace {

std::vector<std::string> ids_of(const std::vector<Queue*>& queues) {
  std::vector<std::string> ids;
  for (const Queue* queue : queues) ids.push_back(queue->id());
  return ids;
}

bool is_retry_alike(const std::optional<RetryRule>& a, const std::optional<RetryRule>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->attempts == b->attempts && a->backoff_first == b->backoff_first &&
                a->backoff_max == b->backoff_max && a->is_yield == b->is_yield);
}

bool are_outlets_alike(const std::vector<Outlet>& a, const std::vector<Outlet>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Outlet& x, const Outlet& y) {
    return x.name == y.name && ids_of(x.queues) == ids_of(y.queues) &&
           is_retry_alike(x.retry, y.retry);
  });
}

std::vector<Node::Blocking> blocking_of(const NodePlan& plan) {
  std::vector<Node::Blocking> blocking;
  std::unordered_map<const Queue*, std::size_t> known;
  for (const Queue* const queue : plan.blocking) {
    known.emplace(queue, blocking.size());
    blocking.push_back({queue, {}});
  }
  for (std::size_t i = 0; i < plan.outlets.size(); ++i) {
    for (const Queue* const queue : plan.outlets[i].queues) {
      if (const auto at = known.find(queue); at != known.end())
        blocking[at->second].outlets.push_back(i);
    }
  }
  return blocking;
}

std::unordered_map<std::string_view, std::uint16_t> outlets_of(const NodePlan& plan) {
  std::unordered_map<std::string_view, std::uint16_t> outlets;
  for (std::size_t i = 0; i < plan.outlets.size(); ++i)
    outlets.emplace(plan.outlets[i].name, static_cast<std::uint16_t>(i));
  return outlets;
}

std::int64_t ns_of(SteadyTime when) { return when.time_since_epoch().count(); }

}  // namespace

bool NodePlan::is_alike(const NodePlan& other) const {
  const ProcessorNode& a = model;
  const ProcessorNode& b = other.model;
  return a.id == b.id && a.path == b.path && a.type == b.type && a.properties == b.properties &&
         a.schedule == b.schedule && a.concurrent_tasks == b.concurrent_tasks &&
         a.run_duration == b.run_duration && a.penalty_period == b.penalty_period &&
         a.yield_period == b.yield_period && a.bulletin_level == b.bulletin_level &&
         a.is_stopped == b.is_stopped && type == other.type &&
         are_alike(services, other.services) && ids_of(inputs) == ids_of(other.inputs) &&
         ids_of(cycle_inputs) == ids_of(other.cycle_inputs) &&
         ids_of(blocking) == ids_of(other.blocking) && are_outlets_alike(outlets, other.outlets);
}

Node::Node(NodeHost host, NodePlan plan)
    : host_(host),
      plan_(std::move(plan)),
      outlets_(outlets_of(plan_)),
      blocking_(blocking_of(plan_)),
      source_{plan_.model.id, plan_.model.path, plan_.model.type, plan_.model.group_id} {
  wiring_.processor_id = plan_.model.id;
  wiring_.inputs = plan_.inputs;
  wiring_.take_max = plan_.take_max;
  wiring_.outlets = plan_.outlets;
  wiring_.penalty =
      std::chrono::duration_cast<std::chrono::milliseconds>(plan_.model.penalty_period);
  wiring_.provenance = host_.provenance;
  wiring_.archive = host_.archive;
  wiring_.counters = &counters_;
  wiring_.line = host_.ledger.open_line();
  wiring_.on_yield = [this](std::chrono::milliseconds span) {
    const std::int64_t until = ns_of(host_.ledger.clock().steady() + span);
    std::int64_t known = yield_until_ns_.load();
    while (known < until && !yield_until_ns_.compare_exchange_weak(known, until)) {
    }
  };
  cycle_wiring_ = wiring_;
  cycle_wiring_.inputs = plan_.cycle_inputs;
  hand_over_ = std::make_unique<HandOver>(host_.ledger, wiring_);
}

Node::~Node() {
  stop();
  host_.ledger.close_line(wiring_.line);
}

Result<std::shared_ptr<Node>> Node::make(NodeHost host, NodePlan plan) {
  const std::uint32_t count =
      plan.type->spec.is_single_threaded ? 1 : std::max(1U, plan.model.concurrent_tasks);
  std::vector<std::unique_ptr<Processor>> processors;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY_ASSIGN(
        made, plan.type->make(plan.model.properties).within("processor `" + plan.model.path + "`"));
    processors.push_back(std::move(made));
  }
  std::shared_ptr<Node> node(new Node(host, std::move(plan)));
  for (std::unique_ptr<Processor>& processor : processors) {
    node->tasks_.push_back(std::make_unique<NodeTask>(*node, std::move(processor)));
  }
  return node;
}

Result<> Node::start(bool retries) {
  {
    Lock lock(mutex_);
    if (is_started_) return {};
  }
  std::vector<NodeTask*> waiting;
  std::vector<NodeTask*> good;
  Result<> first;
  for (const auto& task : tasks_) {
    Result<> started = task->start_processor();
    if (started.ok()) {
      good.push_back(task.get());
      continue;
    }
    if (first.ok()) first = std::move(started);
    if (retries && first.code() == Code::kUnavailable) {
      waiting.push_back(task.get());
      continue;
    }
    for (NodeTask* one : good) one->stop_processor();
    Lock lock(mutex_);
    is_failed_ = true;
    break;
  }
  if (!first.ok()) note_error(BulletinLevel::kError, "starting: " + first.error().text());
  {
    Lock lock(mutex_);
    if (is_failed_ && !first.ok() && waiting.size() + good.size() < tasks_.size()) {
      return std::move(first).within("starting processor `" + plan_.model.path + "`");
    }
    is_failed_ = false;
    is_started_ = true;
  }
  for (NodeTask* task : good) task->begin(false);
  for (NodeTask* task : waiting) task->begin(true);
  return std::move(first).within("starting processor `" + plan_.model.path + "`");
}

bool Node::is_started() const {
  Lock lock(mutex_);
  return is_started_;
}

Result<> Node::renew() {
  std::vector<std::unique_ptr<Processor>> processors;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    TRY_ASSIGN(made, plan_.type->make(plan_.model.properties));
    processors.push_back(std::move(made));
  }
  for (std::size_t i = 0; i < tasks_.size(); ++i) tasks_[i]->processor_ = std::move(processors[i]);
  return {};
}

bool Node::pause(SteadyTime deadline) {
  bool is_paused = true;
  for (const auto& task : tasks_) {
    is_paused = host_.scheduler.retire(*task, deadline) && is_paused;
  }
  return is_paused;
}

void Node::resume() {
  for (const auto& task : tasks_) {
    host_.scheduler.activate(*task);
    host_.scheduler.wake(*task);
  }
}

void Node::stop() {
  {
    Lock lock(mutex_);
    is_failed_ = false;
    if (!is_started_) return;
    is_started_ = false;
  }
  pause();
  // Nobody of this processor is called any more; after another start there is a new line.
  host_.ledger.close_line(wiring_.line);
  for (const auto& task : tasks_) task->stop_processor();
  yield_until_ns_ = 0;
  wiring_.line = host_.ledger.open_line();
  cycle_wiring_.line = wiring_.line;
}

void Node::on_input() {
  host_.scheduler.wake(*tasks_.front());
  if (tasks_.size() == 1) return;
  std::uint64_t ready = 0;
  for (const Queue* queue : plan_.inputs) ready += queue->ready();
  for (std::size_t i = 1; i < tasks_.size() && ready > i; ++i) host_.scheduler.wake(*tasks_[i]);
}

void Node::on_room() {
  for (const auto& task : tasks_) host_.scheduler.wake(*task);
}

bool Node::is_blocked() const {
  return std::any_of(plan_.blocking.begin(), plan_.blocking.end(),
                     [](const Queue* queue) { return queue->is_full(); });
}

Queue::Room Node::room(SessionCore* session) const {
  Queue::Room least;
  const auto loads = session == nullptr ? std::span<const SessionCore::Load>() : session->loads();
  for (const Blocking& one : blocking_) {
    Queue::Room room = one.queue->room();
    for (const std::size_t outlet : one.outlets) {
      if (loads.empty()) break;
      if (room.count != UINT64_MAX) room.count -= std::min(room.count, loads[outlet].count);
      if (room.bytes != UINT64_MAX) room.bytes -= std::min(room.bytes, loads[outlet].bytes);
    }
    least = {std::min(least.count, room.count), std::min(least.bytes, room.bytes)};
  }
  return least;
}

bool Node::has_full_cycle_input() const {
  return std::any_of(plan_.cycle_inputs.begin(), plan_.cycle_inputs.end(),
                     [](const Queue* queue) { return queue->is_full(); });
}

void Node::post(BulletinLevel level, std::string_view text) {
  if (!is_told(level, plan_.model.bulletin_level)) return;
  host_.bulletins.post(source_, level, text);
}

void Node::note_error(BulletinLevel level, std::string_view text) {
  {
    Lock lock(mutex_);
    last_error_ = host_.bulletins.masked(text).substr(0, BulletinBoard::kTextMax);
    last_error_ms_ = host_.ledger.clock().wall_ms();
  }
  post(level, text);
}

void Node::fill(ProcessorStatus& status) const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  status.id = plan_.model.id;
  status.name = plan_.model.name;
  status.path = plan_.model.path;
  status.group_id = plan_.model.group_id;
  status.type = plan_.model.type;
  status.in_count = counters_.in_count;
  status.in_bytes = counters_.in_bytes;
  status.out_count = counters_.out_count;
  status.out_bytes = counters_.out_bytes;
  status.made_count = counters_.made_count;
  status.dropped_count = counters_.dropped_count;
  status.read_bytes = counters_.read_bytes;
  status.written_bytes = counters_.written_bytes;
  status.sessions = counters_.sessions;
  status.in_flight = read(counters_.in_flight);
  status.last_triggered_ms = counters_.last_session_ms.load(std::memory_order_relaxed);
  status.invocations = read(invocations_);
  status.failures = read(failures_);
  status.processing_ns = read(processing_ns_);
  status.active_tasks = active_.load(std::memory_order_relaxed);
  status.tasks_max = static_cast<std::uint32_t>(tasks_.size());
  const std::int64_t now = ns_of(host_.ledger.clock().steady());
  const auto left_ms = [now](std::int64_t until) {
    return until > now ? (until - now + 999'999) / 1'000'000 : 0;
  };
  bool is_any_starting = false;
  status.yield_left_ms = left_ms(yield_until_ns_.load());
  for (const auto& task : tasks_) {
    status.yield_left_ms = std::max(status.yield_left_ms, left_ms(task->yield_until_ns_.load()));
    status.back_off_left_ms =
        std::max(status.back_off_left_ms, left_ms(task->back_off_until_ns_.load()));
    is_any_starting = is_any_starting || task->is_starting_seen_.load();
  }
  Lock lock(mutex_);
  status.last_error = last_error_;
  status.last_error_ms = last_error_ms_;
  if (!is_started_) {
    status.state = is_failed_ ? RunState::kFailed : RunState::kStopped;
  } else if (is_any_starting) {
    status.state = RunState::kStarting;
  } else {
    status.state = status.back_off_left_ms > 0 ? RunState::kBackingOff : RunState::kRunning;
  }
}

}  // namespace runnel
