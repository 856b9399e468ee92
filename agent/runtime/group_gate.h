// GroupGate: what one process group lets in and out, where its flow says that this is not
// everything at once (NiFi's FlowFile Concurrency and Outbound Policy).
//
// What is *in* a group stands in a connection of it or of a group in it, also while a session has
// taken it or a client library has it in flight. Counts are read from the queues at the end of each
// commit, so a FlowFile that moves on is never seen as gone.
//
//   let in   single: one FlowFile, when nothing is in the group and no other port lets one in.
//            batch: when nothing is in the group, as many as can be taken just then (the *intake*);
//            more only when the group is empty again and the intake is over.
//   let out  stream: always. batch: when all that is in the group waits at its output ports, and
//            nothing is on its way in, as much as waits there just then (the *release*).
//
// A batch that goes from one group straight into another that takes batches stays one: the second
// takes nothing in while the first still lets out, and the first lets nothing out while something
// lies between them. Not where a way leads back from the second to the first: they could wait for
// each other. A first that cannot go on, since another of its connections is full, is not waited
// for.
//
// Everything is under the ledger's mutex. A port that is refused is woken when it would not be any
// more: nothing is polled.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/flow/model.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/queue.h"
#include "agent/sdk/context.h"

namespace runnel {

class GroupGate {
 public:
  // The states, under the group's id, in which what is unfinished stands: of a release its counts,
  // of an intake how many are still to come in by each port.
  static constexpr std::string_view kReleaseState = "batch.output";
  static constexpr std::string_view kIntakeState = "batch.input";
  static constexpr std::string_view kReleaseAttribute = "batch.output.";
  // One port moves no more in one session.
  static constexpr std::uint64_t kGrantMax = 256;

  using Counts = std::vector<std::pair<std::string, std::string>>;  // of output ports, by name

  GroupGate(Ledger& ledger, const ProcessGroup& group);
  // Whether it would be the same gate: same rules, same ports.
  bool is_of(const ProcessGroup& group) const;
  const std::string& group_id() const { return group_id_; }
  bool is_batch_output() const { return outbound_ == OutboundPolicy::kBatch; }
  bool takes_batches() const { return concurrency_ == FlowFileConcurrency::kBatch; }

  // ---- its ports, by their number among the group's input (output) ports; from their task
  void join(PortKind kind, std::size_t port, Context& context) EXCLUDES(mutex_);
  void leave(PortKind kind, std::size_t port) EXCLUDES(mutex_);

  struct Grant {
    std::uint64_t count = 0;  // FlowFiles that may pass in this session; 0: none
    // Output: attributes of each.
    std::shared_ptr<const Counts> counts = {};
    // What the session does with kReleaseState.
    bool stores = false;
    bool forgets = false;
  };
  // Of one session: `ended` follows when it has been committed or rolled back.
  Grant ask(PortKind kind, std::size_t port) EXCLUDES(mutex_);
  struct Outcome {
    bool is_committed = false;
    bool is_dry = false;  // fewer than granted could be taken
    Grant grant = {};
  };
  void ended(PortKind kind, std::size_t port, const Outcome& outcome) EXCLUDES(mutex_);

  // ---- what it counts; by GroupGates
  void held() const ASSERT_CAPABILITY(mutex_) {}
  enum class Place {
    kInside,
    kAtOutput,  // inside, before output port `port`
    kFeeding,   // outside, before input port `port`
    kBeyond,    // outside, behind an output port, before a group that takes batches
  };
  void forget_places() REQUIRES(mutex_);
  void add_place(Place place, std::size_t port, const Queue& queue) REQUIRES(mutex_);
  // `into` takes batches; the last queue that was added as kBeyond leads there.
  void add_beyond(GroupGate& into) REQUIRES(mutex_);
  void follow(Place place, std::size_t port, std::uint64_t before, std::uint64_t now)
      REQUIRES(mutex_);
  // When all places are there. What is stored is taken up the first time: an earlier life of the
  // agent began it.
  void settle() REQUIRES(mutex_);
  // After `follow`, of all gates: first ends what is over and stores how far an intake has come, in
  // the commit that is just made; then wakes who may pass now.
  void close() REQUIRES(mutex_);
  void wake() REQUIRES(mutex_);
  struct Figures {
    std::uint64_t inside = 0;     // FlowFiles, those at output ports included
    std::uint64_t at_output = 0;  // of them
    bool is_taking_in = false;
    bool is_letting_out = false;
  };
  Figures figures() const REQUIRES(mutex_);

 private:
  struct GatePort {
    std::string id;
    std::string name;
    Context* context = nullptr;             // while it is started
    std::vector<const Queue*> queues = {};  // before it
    std::uint64_t waits = 0;                // output: what stands before it
    std::uint64_t quota = 0;                // of the intake or the release
    bool is_busy = false;                   // a session of it has been granted something
    bool is_refused = false;                // and wants to be woken
  };

  std::vector<GatePort>& ports(PortKind kind) REQUIRES(mutex_) {
    return kind == PortKind::kInput ? inputs_ : outputs_;
  }
  std::string stored(std::string_view state) const REQUIRES(mutex_);
  void resume_intake(std::string_view text) REQUIRES(mutex_);
  void store_intake() REQUIRES(mutex_);
  static std::uint64_t quota_of(const std::vector<GatePort>& ports);
  bool is_any_input_busy() const REQUIRES(mutex_);
  bool may_open() const REQUIRES(mutex_);
  bool may_let_in(const GatePort& port) const REQUIRES(mutex_);
  bool holds_back() const REQUIRES(mutex_);
  bool may_release() const REQUIRES(mutex_);
  bool may_let_out(const GatePort& port) const REQUIRES(mutex_);
  bool yields_turn(std::size_t port) REQUIRES(mutex_);
  void open_intake() REQUIRES(mutex_);
  void open_release() REQUIRES(mutex_);
  Grant let_in(std::size_t port) REQUIRES(mutex_);
  Grant let_out(std::size_t port) REQUIRES(mutex_);
  static void call(GatePort& port);

  Ledger& ledger_;
  Mutex& mutex_;  // the ledger's
  const std::string group_id_;
  const FlowFileConcurrency concurrency_;
  const OutboundPolicy outbound_;
  std::vector<GatePort> inputs_ GUARDED_BY(mutex_);
  std::vector<GatePort> outputs_ GUARDED_BY(mutex_);
  struct Beyond {
    const Queue* queue;
    const GroupGate* into;
  };
  std::vector<Beyond> beyond_ GUARDED_BY(mutex_);
  std::vector<const GroupGate*> feeders_ GUARDED_BY(mutex_);  // let out batches straight into this
  std::uint64_t inside_ GUARDED_BY(mutex_) = 0;
  std::uint64_t at_output_ GUARDED_BY(mutex_) = 0;
  bool is_taking_in_ GUARDED_BY(mutex_) = false;             // batch: the intake
  bool is_letting_out_ GUARDED_BY(mutex_) = false;           // the release
  bool has_stored_ GUARDED_BY(mutex_) = false;               // kReleaseState is there
  std::string stored_intake_ GUARDED_BY(mutex_);             // kIntakeState; "" if it is not there
  bool is_settled_ GUARDED_BY(mutex_) = false;               // once
  std::shared_ptr<const Counts> counts_ GUARDED_BY(mutex_);  // of the release
  // single: who let the last one in stands back once when others have something, too.
  std::size_t last_in_ GUARDED_BY(mutex_) = SIZE_MAX;
  bool has_stood_back_ GUARDED_BY(mutex_) = false;
};

// One line for each port.
std::string counts_text(const GroupGate::Counts& counts);
GroupGate::Counts parse_counts(std::string_view text);

}  // namespace runnel
