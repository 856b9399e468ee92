// What was delivered, what sessions hold of it, and how far it is safe.

#include "agent/runtime/intake.h"

#include <algorithm>
#include <utility>

#include "agent/runtime/content.h"

namespace runnel {

ArrivalIntake::ArrivalIntake(IntakeOptions options, std::function<void()> wake,
                             std::function<void(ArrivalIntake*)> on_gone)
    : count_max_(options.count_max),
      bytes_max_(options.bytes_max),
      wakes_(options.wakes),
      wake_(std::move(wake)),
      on_gone_(std::move(on_gone)) {
  Lock lock(safety_->mutex);
  safety_->on_safe = std::move(options.on_safe);
}

ArrivalIntake::~ArrivalIntake() {
  on_gone_(this);
  Lock lock(safety_->mutex);  // waits for a call under way
  safety_->on_safe = nullptr;
}

std::size_t ArrivalIntake::bytes_of(const Arrival& arrival) {
  std::size_t bytes = arrival.content.size() + arrival.uri.size();
  if (arrival.draft) {
    bytes += std::min<std::size_t>(arrival.draft->size(), kSmallContentMax);
  }
  for (const auto& [name, value] : arrival.attributes) bytes += name.size() + value.size();
  if (arrival.state) bytes += arrival.state->first.size() + arrival.state->second.size();
  return bytes;
}

Result<Ticket> ArrivalIntake::deliver(Arrival&& arrival) {
  Ticket ticket = 0;
  {
    const std::size_t bytes = bytes_of(arrival);
    Lock lock(mutex_);
    // One that is larger than the bound itself comes in when nothing else is held.
    const bool is_too_much = held_bytes_ + bytes > bytes_max_ && held_count_ > 0;
    if (held_count_ >= count_max_ || is_too_much) {
      return full("the intake holds " + std::to_string(held_count_) +
                  " arrivals; wait until they are taken");
    }
    ticket = ++last_ticket_;
    ++held_count_;
    held_bytes_ += bytes;
    pending_.push_back({std::move(arrival), ticket, bytes});
  }
  if (wakes_) wake_();
  return ticket;
}

FlowFile ArrivalIntake::next(Session& session) {
  if (taking_.empty()) {
    Lock lock(mutex_);
    taking_.swap(pending_);
  }
  if (taking_.empty()) return {};
  given_.push_back(std::move(taking_.front()));
  taking_.pop_front();
  const Arrival& arrival = given_.back().arrival;
  FlowFile flowfile = session.create();
  for (const auto& [name, value] : arrival.attributes) flowfile.set(name, value);
  if (arrival.draft || !arrival.content.empty()) {
    const Result<> written = arrival.draft ? session.write(flowfile, *arrival.draft)
                                           : session.write(flowfile, arrival.content);
    if (!written.ok()) {
      // No room on the disk: it stays here, and its sender waits.
      session.drop(flowfile);
      give_again(given_.size() - 1);
      session.yield();
      return {};
    }
  }
  if (arrival.state) session.set_state(arrival.state->first, arrival.state->second);
  session.event(flowfile, arrival.kind, arrival.uri, arrival.details);
  return flowfile;
}

void ArrivalIntake::give_again(std::size_t from) {
  while (given_.size() > from) {
    taking_.push_front(std::move(given_.back()));
    given_.pop_back();
  }
}

void ArrivalIntake::before_commit(Session& session) {
  if (given_.empty()) return;
  session.when_safe([safety = safety_, ticket = given_.back().ticket] { safety->reach(ticket); });
}

void ArrivalIntake::committed() {
  if (given_.empty()) return;
  std::size_t bytes = 0;
  for (const Entry& entry : given_) bytes += entry.bytes;
  {
    Lock lock(mutex_);
    held_count_ -= given_.size();
    held_bytes_ -= bytes;
  }
  given_.clear();
  call_begin_ = 0;
}

void ArrivalIntake::Safety::reach(Ticket ticket) {
  Lock lock(mutex);
  if (ticket <= through) return;
  through = ticket;
  if (on_safe) on_safe(ticket);
}

std::size_t ArrivalIntake::waiting() const {
  Lock lock(mutex_);
  return static_cast<std::size_t>(last_ticket_ - safety_->through);
}

Ticket ArrivalIntake::safe_through() const { return safety_->through; }

}  // namespace runnel
