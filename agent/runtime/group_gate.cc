// One gate: when its ports may pass, and who is woken.

#include "agent/runtime/group_gate.h"

#include <algorithm>
#include <numeric>

#include "agent/base/bytes.h"

namespace runnel {

GroupGate::GroupGate(Ledger& ledger, const ProcessGroup& group)
    : ledger_(ledger),
      mutex_(ledger.mutex()),
      group_id_(group.id),
      concurrency_(group.flowfile_concurrency),
      outbound_(group.outbound_policy) {
  for (const Port& one : group.input_ports) inputs_.push_back({.id = one.id, .name = one.name});
  for (const Port& one : group.output_ports) outputs_.push_back({.id = one.id, .name = one.name});
}

bool GroupGate::is_of(const ProcessGroup& group) const {
  const auto are_alike = [](const std::vector<GatePort>& known, const std::vector<Port>& ports) {
    return std::equal(
        known.begin(), known.end(), ports.begin(), ports.end(),
        [](const GatePort& a, const Port& b) { return a.id == b.id && a.name == b.name; });
  };
  Lock lock(mutex_);
  return group_id_ == group.id && concurrency_ == group.flowfile_concurrency &&
         outbound_ == group.outbound_policy && are_alike(inputs_, group.input_ports) &&
         are_alike(outputs_, group.output_ports);
}

// ---- its ports

void GroupGate::join(PortKind kind, std::size_t port, Context& context) {
  Lock lock(mutex_);
  ports(kind)[port].context = &context;
}

// What it would still have let in comes later; what it would still have let out waits for it.
void GroupGate::leave(PortKind kind, std::size_t port) {
  Lock lock(mutex_);
  GatePort& one = ports(kind)[port];
  one.context = nullptr;
  one.is_refused = false;
  if (kind == PortKind::kInput) one.quota = 0;
  ledger_.held();
  ledger_.tell_watchers();
}

void GroupGate::call(GatePort& port) {
  port.is_refused = false;
  if (port.context != nullptr) port.context->wake();
}

GroupGate::Grant GroupGate::ask(PortKind kind, std::size_t port) {
  Lock lock(mutex_);
  return kind == PortKind::kInput ? let_in(port) : let_out(port);
}

GroupGate::Grant GroupGate::let_in(std::size_t port) {
  GatePort& asking = inputs_[port];
  if (!may_let_in(asking) || yields_turn(port)) {
    asking.is_refused = true;
    return {};
  }
  if (takes_batches() && !is_taking_in_) open_intake();
  if (takes_batches() && asking.quota == 0) return {};  // nothing can be taken: what comes wakes it
  asking.is_busy = true;
  last_in_ = port;
  has_stood_back_ = false;
  return {.count = takes_batches() ? std::min(asking.quota, kGrantMax) : 1, .forgets = has_stored_};
}

GroupGate::Grant GroupGate::let_out(std::size_t port) {
  GatePort& asking = outputs_[port];
  if (!may_let_out(asking)) {
    asking.is_refused = true;
    return {};
  }
  if (!is_letting_out_) open_release();
  if (asking.quota == 0) return {};
  asking.is_busy = true;
  Grant grant{.count = std::min(asking.quota, kGrantMax), .counts = counts_};
  // A release that one session finishes needs no memory.
  const bool is_last = grant.count == quota_of(outputs_);
  grant.stores = !is_last && !has_stored_;
  grant.forgets = is_last && has_stored_;
  return grant;
}

void GroupGate::ended(PortKind kind, std::size_t port, const Outcome& outcome) {
  Lock lock(mutex_);
  GatePort& one = ports(kind)[port];
  one.is_busy = false;
  if (outcome.is_committed) {
    has_stored_ = (has_stored_ || outcome.grant.stores) && !outcome.grant.forgets;
    // What it was to take has gone elsewhere (expired, removed), or cannot be taken now. What
    // waits at an output and is penalized goes out when its time has come.
    if (outcome.is_dry && kind == PortKind::kInput) one.quota = 0;
  }
  if (kind == PortKind::kInput && one.quota > 0) call(one);
  ledger_.held();
  ledger_.tell_watchers();
}

// ---- the rules

std::uint64_t GroupGate::quota_of(const std::vector<GatePort>& ports) {
  return std::accumulate(ports.begin(), ports.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const GatePort& one) { return sum + one.quota; });
}

bool GroupGate::is_any_input_busy() const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [](const GatePort& one) { return one.is_busy; });
}

bool GroupGate::may_open() const {
  if (inside_ > 0 || is_taking_in_ || is_any_input_busy()) return false;
  return std::none_of(feeders_.begin(), feeders_.end(), [](const GroupGate* one) {
    one->held();
    return one->holds_back();
  });
}

// Whether more of a batch is still to come out of it, as far as it can.
bool GroupGate::holds_back() const {
  return is_letting_out_ && std::any_of(outputs_.begin(), outputs_.end(), [](const GatePort& one) {
           return one.quota > 0 && (one.context == nullptr || !one.context->is_blocked());
         });
}

bool GroupGate::may_let_in(const GatePort& port) const {
  return is_taking_in_ ? port.quota > 0 && !port.is_busy : may_open();
}

bool GroupGate::may_release() const {
  if (at_output_ == 0 || inside_ > at_output_ || is_taking_in_ || is_any_input_busy()) return false;
  return std::none_of(beyond_.begin(), beyond_.end(), [](const Beyond& one) {
    one.into->held();
    return one.queue->count() > 0 || one.into->is_taking_in_;
  });
}

bool GroupGate::may_let_out(const GatePort& port) const {
  return is_letting_out_ ? port.quota > 0 && !port.is_busy : may_release();
}

// Whether it lets the others ask first. They are woken, and so is it, behind them.
bool GroupGate::yields_turn(std::size_t port) {
  if (takes_batches() || port != last_in_ || has_stood_back_) return false;
  bool has_others = false;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const bool has_some = std::any_of(inputs_[i].queues.begin(), inputs_[i].queues.end(),
                                      [](const Queue* one) { return one->is_ready(); });
    if (i == port || inputs_[i].context == nullptr || !has_some) continue;
    has_others = true;
    call(inputs_[i]);
  }
  has_stood_back_ = true;
  if (has_others) inputs_[port].context->wake();
  return has_others;
}

void GroupGate::open_intake() {
  for (GatePort& one : inputs_) {
    one.quota = 0;
    if (one.context == nullptr) continue;
    for (const Queue* queue : one.queues) {
      queue->held();
      one.quota += queue->takeable(ledger_.now_ms());
    }
  }
  is_taking_in_ = quota_of(inputs_) > 0;
  for (GatePort& one : inputs_) {
    if (one.quota > 0) call(one);
  }
}

void GroupGate::open_release() {
  auto counts = std::make_shared<Counts>();
  for (GatePort& one : outputs_) {
    one.quota = one.waits;
    counts->emplace_back(one.name, std::to_string(one.waits));
  }
  counts_ = std::move(counts);
  is_letting_out_ = true;
  for (GatePort& one : outputs_) {
    if (one.quota > 0) call(one);
  }
}

// ---- counting

void GroupGate::forget_places() {
  inside_ = at_output_ = 0;
  beyond_.clear();
  feeders_.clear();
  for (GatePort& one : inputs_) one.queues.clear();
  for (GatePort& one : outputs_) {
    one.queues.clear();
    one.waits = 0;
  }
}

void GroupGate::add_place(Place place, std::size_t port, const Queue& queue) {
  if (place == Place::kFeeding) inputs_[port].queues.push_back(&queue);
  if (place == Place::kAtOutput) outputs_[port].queues.push_back(&queue);
  if (place == Place::kBeyond) beyond_.push_back({&queue, nullptr});
  if (place != Place::kFeeding) follow(place, port, 0, queue.count());
}

void GroupGate::add_beyond(GroupGate& into) {
  into.held();
  beyond_.back().into = &into;
  into.feeders_.push_back(this);
}

void GroupGate::follow(Place place, std::size_t port, std::uint64_t before, std::uint64_t now) {
  const std::uint64_t gone = before > now ? before - now : 0;
  if (place == Place::kInside || place == Place::kAtOutput) inside_ += now - before;
  if (place == Place::kAtOutput) {
    GatePort& one = outputs_[port];
    at_output_ += now - before;
    one.waits += now - before;
    one.quota -= std::min(one.quota, gone);
  }
  if (place == Place::kFeeding) inputs_[port].quota -= std::min(inputs_[port].quota, gone);
}

// ---- what outlives the agent

std::string GroupGate::stored(std::string_view state) const {
  ledger_.held();
  return ledger_.state(group_id_, std::string(state)).value_or("");
}

void GroupGate::settle() {
  // Connections that hold some of it may have gone.
  for (GatePort& one : outputs_) one.quota = std::min(one.quota, one.waits);
  if (std::exchange(is_settled_, true)) return;
  stored_intake_ = stored(kIntakeState);
  if (takes_batches()) resume_intake(stored_intake_);
  const std::string release = stored(kReleaseState);
  if (release.empty()) return;
  has_stored_ = true;
  if (!is_batch_output() || at_output_ == 0) return;
  counts_ = std::make_shared<const Counts>(parse_counts(release));
  is_letting_out_ = true;
  for (GatePort& one : outputs_) one.quota = one.waits;
}

void GroupGate::resume_intake(std::string_view text) {
  for (const auto& [name, count] : parse_counts(text)) {
    const Result<std::int64_t> left = parse_int(count);
    for (GatePort& one : inputs_) {
      if (!left.ok() || *left < 0 || one.name != name) continue;
      std::uint64_t waiting = 0;
      for (const Queue* queue : one.queues) waiting += queue->count();
      one.quota = std::min(static_cast<std::uint64_t>(*left), waiting);
    }
  }
  is_taking_in_ = quota_of(inputs_) > 0;
}

// An intake that one session finishes needs no memory.
void GroupGate::store_intake() {
  std::string text;
  if (is_taking_in_ && (inside_ > 0 || !stored_intake_.empty())) {
    Counts counts;
    for (const GatePort& one : inputs_) counts.emplace_back(one.name, std::to_string(one.quota));
    text = counts_text(counts);
  }
  if (text == stored_intake_) return;
  stored_intake_ = text;
  std::optional<std::string> value;
  if (!text.empty()) value = std::move(text);
  ledger_.held();
  ledger_.change_state(group_id_, std::string(kIntakeState), std::move(value),
                       ledger_.birth_epoch(), true);
}

void GroupGate::close() {
  if (is_taking_in_ && quota_of(inputs_) == 0) is_taking_in_ = false;
  if (is_letting_out_ && quota_of(outputs_) == 0) is_letting_out_ = false;
  store_intake();
}

void GroupGate::wake() {
  for (GatePort& one : inputs_) {
    if (one.is_refused && may_let_in(one)) call(one);
  }
  for (GatePort& one : outputs_) {
    if (one.is_refused && may_let_out(one)) call(one);
  }
}

GroupGate::Figures GroupGate::figures() const {
  return {.inside = inside_,
          .at_output = at_output_,
          .is_taking_in = is_taking_in_,
          .is_letting_out = is_letting_out_};
}

// ---- what is stored: `3 done`, a line for each port

std::string counts_text(const GroupGate::Counts& counts) {
  std::string text;
  for (const auto& [port, count] : counts) text += count + ' ' + port + '\n';
  return text;
}

GroupGate::Counts parse_counts(std::string_view text) {
  GroupGate::Counts counts;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    counts.emplace_back(line.substr(blank + 1), line.substr(0, blank));
  }
  return counts;
}

}  // namespace runnel
