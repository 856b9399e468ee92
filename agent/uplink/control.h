// AgentControl: what the line to the hub may do with the agent, and see of it.
//
// The uplink knows no engine: `agent/hub_control.cc` puts one behind this. Called on the uplink's
// thread only; every call may take as long as it needs.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/c2/messages.h"

namespace runnel {

// A flow as a hub delivers it.
struct DeliveredFlow {
  std::string id;  // the hub's: reported as `flowInfo.flowId` while it runs
  std::string version = {};
  std::string text = {};
  std::string url = {};  // where it was fetched

  bool operator==(const DeliveredFlow&) const = default;
};

// What the agent says of itself in a heartbeat; the uplink adds who it is and the machine's part.
struct AgentFigures {
  c2::FlowInfo flow = {};  // flow_id stays empty: the uplink knows it
  std::vector<c2::ComponentState> components = {};
  c2::RunnelInfo runnel = {};  // without boot, sequence, interval, update
};

// What components remember, as far as the bounds go.
struct Remembered {
  static constexpr std::size_t kBytesMax = 256 << 10;  // of keys and values
  std::vector<c2::ComponentMemory> components = {};
  std::uint64_t left_out = 0;  // keys beyond that
};

class AgentControl {
 public:
  virtual ~AgentControl() = default;

  virtual AgentFigures figures() = 0;
  // JSON of agent/spec/manifest.h; made anew at each call, since it is large and seldom asked for.
  virtual std::string manifest_json() = 0;
  virtual std::string manifest_hash() = 0;

  // Checks the flow and runs it instead of the present one. Well: it runs, but for the processors
  // that are named with their reasons, one each; they are tried again. An error: the present one
  // runs on; one complaint a line.
  virtual Result<std::vector<std::string>> apply_flow(const DeliveredFlow& flow) = 0;
  virtual Result<> start_flow() = 0;
  virtual Result<> stop_flow() = 0;
  // By id, path or unique name.
  virtual Result<> start_processor(std::string_view processor) = 0;
  virtual Result<> stop_processor(std::string_view processor) = 0;
  // One that stands still: triggers it once, and says what that has done. An error: why not.
  virtual Result<std::string> run_processor_once(std::string_view processor) = 0;
  // How many FlowFiles were removed.
  virtual Result<std::uint64_t> clear_connection(std::string_view connection) = 0;
  // What a component that stands still remembers; how many keys.
  virtual Result<std::uint64_t> clear_state(std::string_view component) = 0;
  // What these components remember, by id, path or unique name; none named: all that remember
  // something. An error: one of them is none, or remembers nothing.
  virtual Result<Remembered> remembered(const std::vector<std::string>& components) = 0;
  // Asks the program to end in good order and begin anew; returns at once.
  virtual void restart() = 0;
};

}  // namespace runnel
