// ArrivalIntake: the hand-over from a client library's thread to one task's sessions.
//
// `deliver` comes from any thread. Everything else comes from the task's worker: what the sessions
// took is kept until their commit, and given again when they roll back. Tickets become safe in
// order, told on the ledger's notifier thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/sdk/context.h"
#include "agent/sdk/session.h"

namespace runnel {

class ArrivalIntake final : public Intake {
 public:
  // `wake` is called without a lock when something was delivered, if the options say so; `on_gone`
  // by the destructor.
  ArrivalIntake(IntakeOptions options, std::function<void()> wake,
                std::function<void(ArrivalIntake*)> on_gone);
  ~ArrivalIntake() override;

  Result<Ticket> deliver(Arrival&& arrival) override;
  FlowFile next(Session& session) override;
  std::size_t waiting() const override;
  Ticket safe_through() const override;

  // ---- the task's side, on its worker
  void begin_call() { call_begin_ = given_.size(); }
  void undo_call() { give_again(call_begin_); }
  void undo_all() { give_again(0); }
  // The session is about to be committed, and was.
  void before_commit(Session& session);
  void committed();

 private:
  struct Entry {
    Arrival arrival;
    Ticket ticket = 0;
    std::size_t bytes = 0;
  };
  // Outlives the intake in the callbacks of sessions that are not safe yet.
  struct Safety {
    Mutex mutex;  // held while on_safe is called
    std::function<void(Ticket)> on_safe GUARDED_BY(mutex);
    std::atomic<Ticket> through{0};
    void reach(Ticket ticket);
  };
  static std::size_t bytes_of(const Arrival& arrival);
  void give_again(std::size_t from);

  const std::size_t count_max_;
  const std::size_t bytes_max_;
  const bool wakes_;
  const std::function<void()> wake_;
  const std::function<void(ArrivalIntake*)> on_gone_;
  std::shared_ptr<Safety> safety_ = std::make_shared<Safety>();

  mutable Mutex mutex_;
  std::deque<Entry> pending_ GUARDED_BY(mutex_);
  Ticket last_ticket_ GUARDED_BY(mutex_) = 0;
  // Delivered and not committed.
  std::size_t held_count_ GUARDED_BY(mutex_) = 0;
  std::size_t held_bytes_ GUARDED_BY(mutex_) = 0;

  // The worker's.
  std::deque<Entry> taking_;  // what it has fetched of `pending_`, all at once
  std::vector<Entry> given_;
  std::size_t call_begin_ = 0;
};

}  // namespace runnel
