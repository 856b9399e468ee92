// Waiting until something is safe: lines, those who wait in them, urging and flushing.

#include <algorithm>
#include <utility>

#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {

void Ledger::wait(const std::shared_ptr<SafeLine>& line, EpochNumber number, bool needs_write,
                  SafeLine::Then then) {
  if (Epoch* const epoch = epoch_at(number)) epoch->has_waiter = true;
  if (needs_write) is_cut_wanted_ = true;
  line->waiters_.push_back({number, needs_write ? cuts_ + 1 : 0, std::move(then)});
  if (!std::exchange(line->is_listed_, true)) waiting_lines_.push_back(line);
  has_news_ = true;
}

bool Ledger::settle_commit() {
  for (Queue* const queue : changed_) {
    queue->held();
    queue->publish();
  }
  changed_.clear();
  if (!touched_.empty()) tell_watchers();
  forget_old_epochs();
  if (unsaved_bytes_ >= cut_at_) is_cut_wanted_ = true;
  // The writer is woken only when what it waits for has become earlier.
  if (is_idle_ && (is_cut_wanted_ || next_cut_at() < sleeps_until_)) writer_wake_.notify_one();
  if (is_worth_packing_ahead()) packer_wake_.notify_one();
  for (const auto& line : waiting_lines_) {
    if (!line->waiters_.empty() && !line->is_calling_ && is_safe(line->waiters_.front())) {
      has_news_ = true;
      return true;
    }
  }
  return false;
}

void Ledger::close_line(const std::shared_ptr<SafeLine>& line) {
  std::deque<SafeLine::Waiter> gone;  // destroyed without the mutex: they may hold anything
  {
    Lock lock(mutex_);
    line->is_closed_ = true;
    gone.swap(line->waiters_);
    written_wake_.notify_all();  // a flush that waits for these
    while (line->is_calling_) written_wake_.wait(mutex_);
    if (std::exchange(line->is_listed_, false)) std::erase(waiting_lines_, line);
  }
}

// Calls those of one line whose waiting is over; false when there are none.
bool Ledger::call_ready(std::vector<SafeLine::Then>& ready) {
  std::shared_ptr<SafeLine> line;
  for (const auto& one : waiting_lines_) {
    if (!one->waiters_.empty() && is_safe(one->waiters_.front())) {
      line = one;
      break;
    }
  }
  if (!line) return false;
  while (!line->waiters_.empty() && is_safe(line->waiters_.front())) {
    ready.push_back(std::move(line->waiters_.front().then));
    line->waiters_.pop_front();
    ++line->begun_;
  }
  line->is_calling_ = true;
  mutex_.unlock();
  for (SafeLine::Then& then : ready) then();
  ready.clear();
  mutex_.lock();
  line->is_calling_ = false;
  line->told_ = line->begun_;
  written_wake_.notify_all();
  if (!line->is_listed_) return true;  // it was closed
  // The lines take turns.
  std::erase(waiting_lines_, line);
  line->is_listed_ = !line->waiters_.empty();
  if (line->is_listed_) waiting_lines_.push_back(std::move(line));
  return true;
}

void Ledger::notify_loop() {
  std::vector<SafeLine::Then> ready;
  Lock lock(mutex_);
  while (!is_closing_) {
    if (call_ready(ready)) continue;
    has_news_ = false;
    notifier_wake_.wait(mutex_);
  }
}

void Ledger::urge() {
  Lock lock(mutex_);
  for (const auto& line : waiting_lines_) {
    if (line->waiters_.empty() || is_safe(line->waiters_.front())) continue;
    is_cut_wanted_ = true;
    if (is_idle_) writer_wake_.notify_one();
    return;
  }
}

Result<> Ledger::flush(std::chrono::milliseconds within) {
  if (options_.is_driven) {
    while (!driven_.empty()) TRY(drive_write());
    drive_cut(true);
    return drive_write();
  }
  const auto deadline = now() + within;
  Lock lock(mutex_);
  is_cut_wanted_ = true;
  const std::uint64_t wanted = cuts_ + 1;
  writer_wake_.notify_one();
  while (cuts_written_ < wanted) {
    if (!written_wake_.wait_until(mutex_, deadline) && cuts_written_ < wanted) {
      return unavailable("not everything is written" +
                         (trouble_.empty() ? std::string() : ": " + trouble_));
    }
  }
  wait_until_told(deadline);
  return {};
}

// Those whose waiting is over now; who comes later is not waited for.
void Ledger::wait_until_told(SteadyTime deadline) {
  const auto lines = waiting_lines_;
  for (const auto& line : lines) {
    std::uint64_t wanted = line->begun_;
    for (const SafeLine::Waiter& waiter : line->waiters_) {
      if (!is_safe(waiter)) break;
      ++wanted;
    }
    while (line->told_ < wanted && !line->is_closed_ && !is_closing_) {
      notifier_wake_.notify_one();
      if (!written_wake_.wait_until(mutex_, deadline)) return;
    }
  }
}

}  // namespace runnel
