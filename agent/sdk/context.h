// Context: what a running processor may ask of the runtime, beyond its sessions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/sdk/service.h"
#include "agent/sdk/session.h"

namespace runnel {

// One thing that arrived from outside, on its way to become a FlowFile.
struct Arrival {
  std::string content;
  std::shared_ptr<ContentDraft> draft = nullptr;  // in place of `content`, when it may be large
  std::vector<std::pair<std::string, std::string>> attributes;
  // For provenance: where it came from, and what is to be said of it to people.
  std::string uri;
  std::string details = {};
  ProvenanceKind kind = ProvenanceKind::kReceive;  // or CREATE: nobody sent it
  // A state of the processor (name and value) that is committed with the FlowFile.
  std::optional<std::pair<std::string, std::string>> state = std::nullopt;
};

// The hand-over from a client library's thread to the processor's sessions: bounded, in order.
class Intake {
 public:
  virtual ~Intake() = default;
  // From any thread, at once. The ticket says which acknowledgement it is: one more than the last
  // one's. kFull when the bounds are reached: `arrival` is as it was, hold it back and try again.
  virtual Result<Ticket> deliver(Arrival&& arrival) = 0;
  // In on_trigger: the next arrival as a FlowFile of `session` (content, attributes, RECEIVE
  // event), or none. If the session rolls back it is given again.
  virtual FlowFile next(Session& session) = 0;
  // Delivered, not yet safe.
  virtual std::size_t waiting() const = 0;
  virtual Ticket safe_through() const = 0;
};

struct IntakeOptions {
  std::size_t count_max = 10'000;
  std::size_t bytes_max = 16 << 20;
  // False: `deliver` wakes nobody; who delivers calls `Context::wake`, once for many.
  bool wakes = true;
  // Called in order, on the ledger's notifier thread; must not block. Not called any more when the
  // Intake has been destroyed: its destructor waits for a call under way.
  std::function<void(Ticket safe_through)> on_safe;
};

// Small values that must be on disk when the call returns (a client library's session, for
// instance). Any thread.
class DurableMap {
 public:
  virtual ~DurableMap() = default;
  virtual Result<> put(std::string_view key, std::string_view bytes) = 0;
  virtual Result<std::optional<std::string>> find(std::string_view key) = 0;
  virtual Result<> remove(std::string_view key) = 0;
};

class Context : public ServiceUser {
 public:
  // The processor's name in its flow, its path of groups (`group/sub/name`), and its id, stable
  // over edits of the flow.
  virtual const std::string& name() const = 0;
  virtual const std::string& path() const = 0;
  virtual const std::string& id() const = 0;
  // Stable for this agent's state directory.
  virtual const std::string& agent_id() const = 0;

  // The relationship of this name; asserts that the processor has described it. An optional one
  // that the flow neither connects nor terminates is false.
  virtual Relationship relationship(std::string_view name) const = 0;
  // Whether FlowFiles sent there go anywhere (not auto-terminated).
  virtual bool is_connected(Relationship relationship) const = 0;

  // Trigger me: there is something to do, whatever the schedule says. Any thread, at any time,
  // cheap when already woken.
  virtual void wake() = 0;
  // Trigger me not before then (in addition to other reasons).
  virtual void wake_at(SteadyTime when) = 0;
  // In on_trigger: whether this call is one that the schedule asks for. False: between two moments
  // of a timer or cron schedule, because of a wake. What begins something at each moment of its
  // schedule (a program, a request) looks at it.
  virtual bool is_scheduled() const { return true; }
  // Whether connections lead to this processor.
  virtual bool has_input() const { return true; }
  // Whether an output connection is full, so that no trigger will come.
  virtual bool is_blocked() const = 0;

  // Tells the operator. Bounded and rate-limited by the runtime. Any thread.
  virtual void bulletin(BulletinLevel level, std::string_view text) = 0;

  virtual std::unique_ptr<Intake> open_intake(IntakeOptions options) = 0;
  // Content to be written before there is a session. Any thread.
  virtual std::unique_ptr<ContentDraft> open_draft() = 0;
  // The peer will send nothing more before it gets acknowledgements: do not wait for the linger
  // time, write now. Any thread, cheap.
  virtual void urge() = 0;
  virtual DurableMap& durable() = 0;
  virtual Clock& clock() = 0;
};

}  // namespace runnel
