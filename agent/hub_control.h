// HubControl: what the hub may do with the agent and see of it, over the engine.

#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "agent/settings.h"
#include "agent/uplink/control.h"
#include "processors/registry.h"

namespace runnel {

class HubControl final : public AgentControl {
 public:
  // `on_running` is told the flow's name whenever one of the hub begins to run; `on_restart` asks
  // the program to end and begin anew. Both are called on the uplink's thread.
  // `providers`: which providers of parameters its flows may use.
  HubControl(Engine& engine, ParameterValues parameters, ProviderAllowance providers,
             std::function<void(const std::string&)> on_running, std::function<void()> on_restart);

  AgentFigures figures() override;
  std::string manifest_json() override;
  std::string manifest_hash() override { return manifest_hash_; }
  Result<std::vector<std::string>> apply_flow(const DeliveredFlow& flow) override;
  Result<> start_flow() override { return engine_.start_flow(); }
  Result<> stop_flow() override { return engine_.stop_flow(); }
  Result<> start_processor(std::string_view which) override {
    return engine_.start_processor(which);
  }
  Result<> stop_processor(std::string_view which) override { return engine_.stop_processor(which); }
  Result<std::string> run_processor_once(std::string_view which) override;
  Result<std::uint64_t> clear_connection(std::string_view which) override {
    return engine_.purge(which);
  }
  Result<std::uint64_t> clear_state(std::string_view which) override {
    return engine_.clear_state(which);
  }
  Result<Remembered> remembered(const std::vector<std::string>& components) override;
  void restart() override { on_restart_(); }

 private:
  Engine& engine_;
  const ParameterValues parameters_;
  const ProviderAllowance providers_;
  const std::function<void(const std::string&)> on_running_;
  const std::function<void()> on_restart_;
  const std::string manifest_hash_;
};

// The engine's snapshot as the heartbeat has it.
AgentFigures figures_of(const Status& status, const std::vector<Bulletin>& bulletins);

}  // namespace runnel
