// Catching signals; what signals.h promises.

#include "agent/signals.h"

#include <signal.h>

#include <array>

namespace runnel {
namespace {

constexpr std::array<int, 3> kCaught{SIGINT, SIGTERM, SIGHUP};
std::array<struct sigaction, kCaught.size()> before;
std::atomic<bool> has_come{false};
std::atomic<int> which{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  which = signal;
  has_come = true;
}

}  // namespace

StopSignals::StopSignals() {
  has_come = false;
  which = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  // The second one does what it always does. No SA_RESTART: what waits is to see the flag.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kCaught.size(); ++i) {
    sigaction(kCaught[i], nullptr, &before[i]);
    // Whoever started us with a signal ignored (nohup) wants it so.
    if (before[i].sa_handler != SIG_IGN) sigaction(kCaught[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kCaught.size(); ++i) sigaction(kCaught[i], &before[i], nullptr);
}

const std::atomic<bool>& StopSignals::is_stopped() const { return has_come; }

int StopSignals::signal() const { return which; }

void StopSignals::pass_on(int signal) {
  if (signal == 0) return;
  ::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace runnel
