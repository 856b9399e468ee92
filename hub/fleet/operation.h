// An operation: something that the hub wants an agent to do, from its wish to the agent's answer.
//
// queued → delivered (in an answer to a heartbeat) → done | failed; or expired, or superseded by a
// newer one. It owns the table operations.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/c2/messages.h"
#include "hub/store/store.h"

namespace runnel::hub {

enum class OperationState { kQueued, kDelivered, kDone, kFailed, kExpired, kSuperseded };

struct Operation {
  std::string id;  // globally unique: an acknowledgement names nothing else
  std::string agent;
  std::string verb;     // start, stop, run_once, clear, restart, describe, update
  std::string operand;  // flow, processor, connection, agent, manifest, corecomponentstate,
                        // configuration
  std::optional<std::string> target = {};
  std::optional<std::string> target_name = {};
  OperationState state = OperationState::kQueued;
  std::optional<std::string> detail = {};
  std::string author = {};
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> delivered_ms = {};
  std::optional<std::int64_t> finished_ms = {};
  std::int64_t expires_ms = 0;
  std::optional<std::string> of_class = {};  // asked of all agents of this class

  // In memory only.
  SteadyTime sent_at{};  // last
  int times_sent = 0;
  std::string flow_id = {};  // of an update

  bool is_open() const {
    return state == OperationState::kQueued || state == OperationState::kDelivered;
  }
};

// Triggers a processor that stands still, or all that stand still of a process group, a single
// time.
inline constexpr std::string_view kRunOnce = "run_once";

// The author of what no operator asked for; no user may have this name.
inline constexpr std::string_view kHubAuthor = "hub";

// Starts or stops a flow as a whole.
bool is_run_order(const Operation& operation);

std::string_view name_of(OperationState state);
std::optional<OperationState> operation_state_of(std::string_view name);

// What the protocol calls it, with the arguments of this operation; not for updates.
c2::Operation to_c2(const Operation& operation);
// Whether a newer operation makes an older one pointless: start and stop of the same thing. What
// is asked to run once twice runs twice.
bool supersedes(const Operation& newer, const Operation& older);

// Saves all in the transaction at hand.
Result<> save_operations(Database& database, const std::vector<Operation>& operations);
// Newest first, of one agent; `total` is how many it has in all.
Result<std::vector<Operation>> load_operations(Store& store, const std::string& agent,
                                               std::size_t offset, std::size_t limit,
                                               std::int64_t* total);
// All that are open, oldest first.
Result<std::vector<Operation>> load_open_operations(Store& store);
// Every start and stop of a flow that an operator has asked of one agent, oldest first.
Result<std::vector<Operation>> load_run_orders(Store& store);
Result<> forget_operations(Database& database, std::int64_t created_before_ms);

}  // namespace runnel::hub
