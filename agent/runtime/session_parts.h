// What a session's commit and what was handed over have in common. Only agent/runtime includes it.

#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "agent/runtime/ledger.h"
#include "agent/runtime/session_core.h"

namespace runnel {

// The hook of each, where it has one.
void call_each(const std::vector<Queue*>& queues, std::function<void()> Queue::*hook);

// Sends it back to where it came from when its outlet says so. `yields`: how long its processor is
// to yield then, if it is to.
bool sent_back(Ledger& ledger, const Outlet& outlet, Queue& from, Queue::Position position,
               std::chrono::milliseconds& yields) REQUIRES(ledger.mutex());

}  // namespace runnel
