// One trigger of a node that stands still (NiFi's Run Once), by an operator.
//
// It is started, called once whatever waits and whatever its schedule says, and committed; the
// caller stops it. What it has given to a client library is answered first, if that does not take
// too long: calls that bring answers back see an empty input.

#include <chrono>
#include <thread>

#include "agent/runtime/node.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr auto kAnswerTime = 10s;
constexpr auto kAnswerLook = 2ms;

}  // namespace

Result<> Node::may_run_once() const {
  const std::string& path = plan_.model.path;
  if (is_started()) {
    return invalid("`" + path + "` runs; stop it first, then it can be run once");
  }
  if (is_blocked()) return full("`" + path + "` has nowhere to send to: a connection is full");
  if (is_source() && !plan_.blocking.empty() && host_.ledger.is_over_quota())
    return full("`" + path + "` is a source, and the disk's quota is reached");
  return {};
}

Result<RanOnce> Node::run_once() {
  TRY(may_run_once());
  NodeTask& task = *tasks_.front();
  const Result<> started = task.start_processor();
  if (!started.ok()) {
    note_error(BulletinLevel::kError, "starting: " + started.error().text());
    return started.error().within("starting processor `" + plan_.model.path + "`");
  }
  {
    Lock lock(mutex_);
    is_failed_ = false;
    is_started_ = true;
  }
  ProcessorStatus before;
  fill(before);
  const Result<> outcome = task.trigger_once();
  task.await_answers(std::chrono::steady_clock::now() + kAnswerTime);
  ProcessorStatus after;
  fill(after);
  RanOnce ran;
  ran.id = plan_.model.id;
  ran.path = plan_.model.path;
  ran.in_count = after.in_count - before.in_count;
  ran.out_count = after.out_count - before.out_count;
  ran.made_count = after.made_count - before.made_count;
  ran.dropped_count = after.dropped_count - before.dropped_count;
  ran.unanswered_count = after.in_flight;
  if (!outcome.ok()) ran.error = host_.bulletins.masked(outcome.error().text());
  return ran;
}

Result<> NodeTask::trigger_once() {
  is_scheduled_ = true;
  return call_once(session_of_call());
}

Result<> NodeTask::call_once(SessionCore& session) {
  node_.active_.fetch_add(1, std::memory_order_relaxed);
  const auto began = std::chrono::steady_clock::now();
  const Result<> outcome = call(session);
  commit_calls(session, began);
  if (!outcome.ok()) failed(outcome.error(), clock().steady());
  return outcome;
}

// What waits for a moment of its own (a bin's age, the next span of a rate) is not waited for.
void NodeTask::await_answers(std::chrono::steady_clock::time_point deadline) {
  Wiring without_input = node_.wiring_;
  without_input.inputs.clear();
  SessionCore answers(node_.host_.ledger, without_input, *node_.hand_over_);
  is_scheduled_ = false;
  while (node_.in_flight() > 0 && std::chrono::steady_clock::now() < deadline) {
    {
      Lock lock(timers_mutex_);
      if (!timers_.empty()) break;
    }
    if (!is_woken_.exchange(false)) {
      std::this_thread::sleep_for(kAnswerLook);
    } else if (!call_once(answers).ok()) {
      break;
    }
  }
  is_scheduled_ = true;
}

}  // namespace runnel
