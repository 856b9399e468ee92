// GroupGates: the gates of a flow's process groups, the ports that ask them, and what they count.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"
#include "agent/runtime/group_gate.h"
#include "agent/runtime/ledger.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct PlannedQueue;

class GroupGates : public std::enable_shared_from_this<GroupGates> {
 public:
  // Takes over of `known` (nullptr: nothing) the gates whose group lets in and out as before, by
  // the same ports.
  static std::shared_ptr<GroupGates> plan(const Flow& flow, Ledger& ledger,
                                          const GroupGates* known);

  // What a port of this id runs as; nullptr: it passes on what comes.
  std::shared_ptr<const ProcessorType> port_type(std::string_view port_id) const;
  // Whether a port of this id takes one FlowFile at a time.
  bool takes_one(std::string_view port_id) const;
  // Whether it holds back nobody who feeds it, since what it holds can only leave together.
  bool is_open_ended(const Connection& connection) const;
  // Whether it feeds a port with a gate from where that port leads. Such a cycle is closed there: a
  // gate that waits for its group would else hold back what the group waits for.
  bool closes_cycle(const Connection& connection) const { return closing_.contains(connection.id); }

  // From now on these gates count, and no others: before the ports start, and again when an update
  // is taken back. `queues` are the flow's.
  void connect(std::span<const PlannedQueue> queues);
  void disconnect();

  // By group; the root and groups without a gate have none.
  std::map<std::string, GroupGate::Figures> figures() const;

 private:
  struct Counted : QueueWatch {
    Queue* queue = nullptr;
    std::uint64_t seen = 0;
    struct Role {
      GroupGate* gate;
      GroupGate::Place place;
      std::size_t port;
    };
    std::vector<Role> roles = {};
  };
  struct PortOf {
    std::shared_ptr<GroupGate> gate;
    PortKind kind = PortKind::kInput;
    std::size_t number = 0;
    std::shared_ptr<const ProcessorType> type;
  };

  explicit GroupGates(Ledger& ledger) : ledger_(ledger) {}
  void add(const ProcessGroup& group, const GroupGates* known);
  void add_port(const std::shared_ptr<GroupGate>& gate, const Port& port, std::size_t number,
                const GroupGates* known);
  void find_ways(const Flow& flow);
  void add_roles(const Connection& connection, Counted& counted, Queue& queue);
  void on_touched();

  Ledger& ledger_;
  std::map<std::string, std::shared_ptr<GroupGate>, std::less<>> gates_;  // by group id
  std::map<std::string, std::vector<GroupGate*>, std::less<>> around_;    // gates, by group id
  std::map<std::string, PortOf, std::less<>> ports_;                      // by id
  std::map<std::string, GroupGate*, std::less<>> beyond_;  // by connection: who takes its batch
  std::set<std::string, std::less<>> closing_;             // connections
  std::vector<std::string> ungated_;                       // groups without a gate
  std::deque<Counted> counted_;                            // addresses stay
};

}  // namespace runnel
