// Starting, changing and stopping a flow. What is shown of it is in engine_views.cc.

#include "agent/runtime/engine_core.h"

#include <algorithm>
#include <thread>
#include <unordered_set>

#include "agent/base/log.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kDrainLook = 5ms;
constexpr std::chrono::milliseconds kEndingLook = 50ms;
constexpr std::size_t kDrivenSlices = 100'000;

// Keeps those running that run now and are of both lists.
class HeldAlive {
 public:
  HeldAlive(const FlowServices::List& before, const FlowServices::List& after) {
    const std::unordered_set<std::shared_ptr<SharedService>> stays(after.begin(), after.end());
    for (const std::shared_ptr<SharedService>& one : before) {
      if (!stays.contains(one)) continue;
      if (one->acquire_running(kUser)) held_.push_back(one);
    }
  }
  ~HeldAlive() {
    for (const std::shared_ptr<SharedService>& one : held_) one->release(kUser);
  }
  HeldAlive(const HeldAlive&) = delete;
  HeldAlive& operator=(const HeldAlive&) = delete;

 private:
  static constexpr std::string_view kUser = "the update";
  FlowServices::List held_;
};

std::vector<std::shared_ptr<Node>> sources_first(std::vector<std::shared_ptr<Node>> nodes) {
  std::stable_partition(nodes.begin(), nodes.end(),
                        [](const std::shared_ptr<Node>& node) { return node->is_source(); });
  return nodes;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options) {
  TRY_ASSIGN(core, EngineCore::open(std::move(options)));
  return std::unique_ptr<Engine>(std::move(core));
}

EngineCore::EngineCore(EngineOptions options)
    : options_(std::move(options)),
      clock_(options_.clock ? *options_.clock : system_clock()),
      bulletins_(clock_) {}

Result<std::unique_ptr<EngineCore>> EngineCore::open(EngineOptions options) {
  std::unique_ptr<EngineCore> core(new EngineCore(std::move(options)));
  TRY(core->open_parts());
  return core;
}

Result<> EngineCore::open_parts() {
  LedgerOptions options = options_.ledger;
  options.directory = options_.state_dir;
  options.clock = &clock_;
  options.on_trouble = [this](const std::string& text) {
    bulletins_.post({}, BulletinLevel::kError, text);
  };
  TRY_ASSIGN(lock, DirectoryLock::take(options_.state_dir));
  lock_ = std::move(lock);
  TRY_ASSIGN(ledger, Ledger::open(std::move(options)));
  ledger_ = std::move(ledger);
  if (const Result<> opened = open_provenance(); !opened.ok()) {
    bulletins_.post({}, BulletinLevel::kError, opened.error().text() + "; going on without it");
  }
  if (const Result<> opened = open_archive(); !opened.ok()) {
    bulletins_.post({}, BulletinLevel::kError, opened.error().text() + "; going on without it");
  }
  if (!ledger_->repaired().empty()) {
    bulletins_.post({}, BulletinLevel::kError, ledger_->repaired());
  }
  scheduler_ = std::make_unique<Scheduler>(Scheduler::Options{
      .workers = options_.workers, .is_driven = options_.is_driven, .clock = &clock_});
  expiry_ = std::make_unique<ExpiryTimer>(*ledger_, *scheduler_, provenance_.get());
  return {};
}

EngineCore::~EngineCore() {
  if (!ledger_ || !scheduler_) return;
  if (!stop(5s).ok()) {
    // Somebody is in the middle of a call: nothing may go away under it.
    if (const auto now = running()) stop_all(now->nodes, 0ms);
  }
  set_running(nullptr);
  expiry_->watch({});
  {
    Lock lock(view_);
    ends_.clear();
  }
  expiry_.reset();
  scheduler_.reset();
  ledger_->set_provenance(nullptr);
}

void EngineCore::Running::add(std::shared_ptr<Node> node) {
  index_.emplace(node->plan().model.id, nodes.size());
  nodes.push_back(std::move(node));
}

const std::shared_ptr<Node>* EngineCore::Running::find(std::string_view id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &nodes[found->second];
}

std::shared_ptr<const EngineCore::Running> EngineCore::running() const {
  Lock lock(view_);
  return running_;
}

void EngineCore::set_running(std::shared_ptr<const Running> running) {
  // The old one's nodes end when the lock is free.
  Lock lock(view_);
  running_.swap(running);
}

std::shared_ptr<const Flow> EngineCore::flow() const {
  const auto now = running();
  return now ? now->flow : nullptr;
}

// ---- changing

Result<EngineCore::Change> EngineCore::plan_change(const std::shared_ptr<const Flow>& flow) {
  const auto old = running();
  std::map<std::string, Queue*, std::less<>> known;
  if (old) {
    for (const PlannedQueue& one : old->queues) known.emplace(one.queue->id(), one.queue);
  }
  TRY_ASSIGN(services, FlowServices::plan(*flow, options_.services, *ledger_, bulletins_,
                                          old ? old->services : FlowServices::List{}));
  const auto gates = GroupGates::plan(*flow, *ledger_, old ? old->gates.get() : nullptr);
  TRY_ASSIGN(topology, plan_flow(*flow, options_.types, services, *gates, *ledger_, known));
  Change change;
  change.next = std::make_shared<Running>();
  change.next->gates = gates;
  change.next->flow = flow;
  change.next->queues = std::move(topology.queues);
  change.next->services = services.all();
  change.next->started_ms = clock_.wall_ms();
  set_services_by_hand(*change.next, old.get());
  for (const PlannedQueue& one : change.next->queues) {
    if (!known.contains(one.queue->id())) change.attached.push_back(one.queue);
  }
  const NodeHost host{*ledger_, *scheduler_, bulletins_, provenance_.get(), archive_.get()};
  for (NodePlan& plan : topology.plans) {
    const std::shared_ptr<Node>* before = old ? old->find(plan.model.id) : nullptr;
    if (before && (*before)->plan().is_alike(plan)) {
      change.next->add(*before);
      continue;
    }
    if (before) change.gone.push_back(*before);
    Result<std::shared_ptr<Node>> node = Node::make(host, std::move(plan));
    if (!node.ok()) {
      for (Queue* queue : change.attached) ledger_->park(*queue, flow->name);
      return node.error();
    }
    change.next->add(*node);
    change.fresh.push_back(std::move(node).value());
  }
  if (old) {
    for (const std::shared_ptr<Node>& node : old->nodes) {
      if (!change.next->find(node->plan().model.id)) change.gone.push_back(node);
    }
  }
  return change;
}

Result<> EngineCore::change_to(const std::shared_ptr<const Flow>& flow, bool tolerates_absence) {
  TRY_ASSIGN(change, plan_change(flow));
  const auto old = running();
  for (const std::shared_ptr<Node>& node : change.gone) {
    if (node->is_started()) change.ran.push_back(node);
  }
  std::vector<std::shared_ptr<Node>> to_start;
  for (const std::shared_ptr<Node>& node : change.fresh) {
    if (shall_run(*node)) to_start.push_back(node);
  }
  // A service that stays goes on, even if all who use it are replaced.
  const HeldAlive alive(old ? old->services : FlowServices::List{}, change.next->services);
  const auto park_attached = [&] {
    for (Queue* queue : change.attached) ledger_->park(*queue, flow->name);
  };
  if (Result<> paused = pause_all(change.ran); !paused.ok()) {
    park_attached();
    return paused;
  }
  stop_all(change.ran, kFlushTime);
  connect(*change.next);
  const Result<> started = start_all(to_start, tolerates_absence);
  if (!started.ok()) {
    stop_all(change.fresh, 0ms);
    if (old) {
      connect(*old);
      static_cast<void>(start_all(change.ran, true));
    } else {
      disconnect(*change.next);
    }
    park_attached();
    return started;
  }
  respecify(*change.next);
  watch_expiry(*change.next);
  if (old) park_missing(*old, *change.next);
  keep_hands(*change.next);
  set_running(change.next);
  keep_states(*change.next);
  return {};
}

// Those that take before those that give.
Result<> EngineCore::start_all(const std::vector<std::shared_ptr<Node>>& nodes,
                               bool tolerates_absence) {
  for (const bool is_source : {false, true}) {
    for (const std::shared_ptr<Node>& node : nodes) {
      if (node->is_source() != is_source) continue;
      Result<> started = node->start(tolerates_absence);
      if (started.ok() || (tolerates_absence && started.code() == Code::kUnavailable)) continue;
      return started;
    }
  }
  return {};
}

// Before the deadline, or before the end is near.
bool EngineCore::is_paused(Node& node, SteadyTime deadline) const {
  while (true) {
    const auto now = std::chrono::steady_clock::now();
    if (node.pause(std::min(deadline, now + kEndingLook))) return true;
    if (now >= deadline || is_ending_) return false;
  }
}

// Nobody waits for ever for a call that does not come back: on a file system that hangs, for one.
Result<> EngineCore::pause_all(const std::vector<std::shared_ptr<Node>>& nodes) {
  const auto deadline = std::chrono::steady_clock::now() + options_.call_patience;
  std::string busy;
  for (const std::shared_ptr<Node>& node : sources_first(nodes)) {
    if (!is_paused(*node, deadline))
      busy += (busy.empty() ? "`" : ", `") + node->plan().model.path + "`";
  }
  if (busy.empty()) return {};
  for (const std::shared_ptr<Node>& node : nodes) node->resume();
  return unavailable("still busy with a call: " + busy + "; all goes on as it was");
}

void EngineCore::stop_all(const std::vector<std::shared_ptr<Node>>& nodes,
                          std::chrono::milliseconds within) {
  if (nodes.empty()) return;
  const std::vector<std::shared_ptr<Node>> ordered = sources_first(nodes);
  for (const std::shared_ptr<Node>& node : ordered) node->pause();
  // What was committed gets safe, and whoever waits for that is told, before the line is cut.
  if (within > 0ms) {
    const Result<> flushed = ledger_->flush(within);
    if (!flushed.ok())
      log_warn("engine", "stopping unwritten", {{"reason", flushed.error().text()}});
  }
  // A sink with something in flight may wait for its peer a while: all of them at the same time.
  std::vector<std::thread> waiting;
  for (const std::shared_ptr<Node>& node : ordered) {
    if (node->in_flight() > 0) {
      waiting.emplace_back([&node] { node->stop(); });
    } else {
      node->stop();
    }
  }
  for (std::thread& thread : waiting) thread.join();
}

void EngineCore::connect(const Running& running) {
  for (const PlannedQueue& one : running.queues) {
    QueueEnds* ends = nullptr;
    {
      Lock lock(view_);
      std::unique_ptr<QueueEnds>& known = ends_[one.queue->id()];
      const bool is_new = !known;
      if (is_new) known = std::make_unique<QueueEnds>(*ledger_, *one.queue, *expiry_);
      ends = known.get();
      if (is_new || !one.queue->on_ready) ends->attach();
    }
    const std::shared_ptr<Node>* producer = running.find(one.connection->from.id);
    const std::shared_ptr<Node>* consumer = running.find(one.connection->to.id);
    ends->connect(producer ? *producer : nullptr, consumer ? *consumer : nullptr);
  }
  running.gates->connect(running.queues);
}

void EngineCore::disconnect(const Running& running) {
  running.gates->disconnect();
  for (const PlannedQueue& one : running.queues) {
    Lock lock(view_);
    const auto found = ends_.find(one.queue->id());
    if (found != ends_.end()) found->second->connect(nullptr, nullptr);
  }
}

void EngineCore::park_missing(const Running& old, const Running& next) {
  std::unordered_set<const Queue*> stays;
  for (const PlannedQueue& one : next.queues) stays.insert(one.queue);
  for (const PlannedQueue& one : old.queues) {
    if (stays.contains(one.queue)) continue;
    {
      Lock lock(view_);
      if (const auto found = ends_.find(one.queue->id()); found != ends_.end()) {
        found->second->connect(nullptr, nullptr);
      }
    }
    ledger_->park(*one.queue, old.flow->name);
    const std::uint64_t count = one.queue->count();
    if (count > 0) {
      bulletins_.post({}, BulletinLevel::kWarning,
                      "connection `" + one.connection->name + "` is no longer in the flow; its " +
                          std::to_string(count) + " FlowFiles are parked");
    }
  }
}

void EngineCore::respecify(const Running& next) {
  for (const PlannedQueue& one : next.queues) {
    QueueSpec spec = queue_spec_of(*one.connection);
    {
      Lock lock(ledger_->mutex());
      one.queue->held();
      if (spec == one.queue->spec()) continue;
      one.queue->respecify(std::move(spec));
    }
    // Its limits may be higher now, its order another one.
    if (one.queue->on_room) one.queue->on_room();
    if (one.queue->on_ready) one.queue->on_ready();
  }
}

void EngineCore::watch_expiry(const Running& running) {
  std::vector<ExpiryTimer::Watched> queues;
  for (const PlannedQueue& one : running.queues)
    queues.push_back({one.queue, one.connection->to.id});
  expiry_->watch(std::move(queues));
}

// What no bulletin and no error may show: values of sensitive parameters and of sensitive
// properties.
std::vector<std::string> EngineCore::secrets_of(const Flow& flow) const {
  std::vector<std::string> out = flow.secrets;
  const auto add = [&out](const ComponentNode& component, const ComponentSpec& spec) {
    for (const PropertySpec& property : spec.properties) {
      const auto value = component.properties.find(property.name);
      if (property.is_sensitive && value != component.properties.end())
        out.push_back(value->second);
    }
  };
  for (const ProcessorNode* one : all_processors(flow)) {
    for (const ProcessorType& type : options_.types) {
      if (type.spec.type == one->type) add(*one, type.spec);
    }
  }
  for (const ServiceNode* one : all_services(flow)) {
    for (const ServiceType& type : options_.services) {
      if (type.spec.type == one->type) add(*one, type.spec);
    }
  }
  return out;
}

Result<> EngineCore::change_masked(const std::shared_ptr<const Flow>& flow,
                                   bool tolerates_absence) {
  std::vector<std::string> secrets = secrets_of(*flow);
  if (const auto old = running()) {
    const std::vector<std::string> known = secrets_of(*old->flow);
    secrets.insert(secrets.end(), known.begin(), known.end());
  }
  bulletins_.hide(std::move(secrets));
  const Result<> changed = change_to(flow, tolerates_absence);
  if (changed.ok()) return changed;
  return Error(changed.code(), bulletins_.masked(changed.error().text()));
}

Result<> EngineCore::start(std::shared_ptr<const Flow> flow) {
  Lock lock(control_);
  if (running()) return invalid("a flow is running already; update it");
  forget_hands();
  return change_masked(flow, true);
}

Result<> EngineCore::update(std::shared_ptr<const Flow> flow) {
  Lock lock(control_);
  return change_masked(flow, false);
}

// ---- stopping

// Lets what is in the flow go on to where it goes, as long as it goes on.
void EngineCore::drain(const Running& running, SteadyTime deadline) {
  std::uint64_t before = UINT64_MAX;
  auto changed = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < deadline) {
    if (options_.is_driven) scheduler_->run_ready(kDrivenSlices);
    std::uint64_t left = 0;
    for (const PlannedQueue& one : running.queues) left += one.queue->count();
    if (left == 0) return;
    const auto now = std::chrono::steady_clock::now();
    if (left != before) changed = now;
    before = left;
    if (now - changed > 20 * kDrainLook) return;
    std::this_thread::sleep_for(kDrainLook);
  }
}

Result<> EngineCore::stop(std::chrono::milliseconds deadline) {
  Lock lock(control_);
  const auto now = running();
  const auto began = std::chrono::steady_clock::now();
  std::string busy;
  if (now) {
    std::vector<std::shared_ptr<Node>> started;
    for (const std::shared_ptr<Node>& node : now->nodes) {
      if (node->is_started()) started.push_back(node);
    }
    for (const std::shared_ptr<Node>& node : started) {
      if (node->is_source()) node->pause(began + deadline / 4);
    }
    if (!started.empty()) drain(*now, began + deadline / 4);
    // A call that does not come back is left behind; what it took is still queued.
    std::erase_if(started, [&](const std::shared_ptr<Node>& node) {
      const bool is_paused = node->pause(began + deadline / 2);
      if (!is_paused) busy += (busy.empty() ? "`" : ", `") + node->plan().model.path + "`";
      return !is_paused;
    });
    // Nobody moves anything any more: what a group has begun to let in stays begun.
    if (busy.empty()) now->gates->disconnect();
    stop_all(started, deadline / 4);
    if (busy.empty()) {
      disconnect(*now);
      expiry_->watch({});
      set_running(nullptr);
    }
  }
  TRY(ledger_->flush(std::max<std::chrono::milliseconds>(deadline / 4, 100ms)));
  if (!busy.empty()) return unavailable("still busy with a call: " + busy);
  return {};
}

}  // namespace runnel
