// The agent manifest: what an agent can run, as data and as C2's JSON.
//
// Written exactly as C2's RuntimeManifest wants it (bundles → componentManifest → processors), so
// that other hubs read it; read leniently, so that the manifests of MiNiFi C++ and Java become
// specs too (`bundles` as object or list, dotted types, missing members).

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/spec/component.h"

namespace runnel {

struct BuildInfo {
  std::string version;
  std::string revision;
  std::int64_t timestamp_s = 0;
  std::string target_arch;
  std::string compiler;
  std::string compiler_flags;
};
// Of this program.
BuildInfo build_info();

// An operation that the agent understands: `type` and its operands, in capitals ("UPDATE",
// {"CONFIGURATION", …}).
struct SupportedOperation {
  std::string type;
  struct Operand {
    std::string name;
    // The values of its members, such as `availableProperties`, as JSON text; empty: {}.
    std::string properties_json = {};
  };
  std::vector<Operand> operands;
};

struct Bundle {
  std::string group = "runnel";
  std::string artifact = "runnel-processors";
  std::string version;
  std::vector<ComponentSpec> processors;
  std::vector<ComponentSpec> controller_services = {};
};

struct SchedulingDefaults {
  std::string strategy = "TIMER_DRIVEN";
  std::int64_t period_ms = 1000;
  std::int64_t penalty_ms = 30'000;
  std::int64_t yield_ms = 1000;
  std::int64_t run_duration_ns = 0;
  std::int64_t tasks_max = 1;
};

struct Manifest {
  std::string identifier;  // of the build, not of the agent
  std::string agent_type = "runnel";
  BuildInfo build;
  std::vector<Bundle> bundles;
  SchedulingDefaults scheduling;
  std::vector<SupportedOperation> operations;

  // The processors of all bundles, in order, then their controller services.
  std::vector<ComponentSpec> specs() const;
  std::vector<std::string> types() const;  // of processors
};

// Manifests of other makers are bounded by this.
inline constexpr std::size_t kManifestTextMax = 16 * 1024 * 1024;

// This program's manifest: one bundle with these processors and services.
Manifest make_manifest(std::span<const ComponentSpec> specs,
                       std::vector<SupportedOperation> operations);

// Compact JSON, the same text for the same manifest.
std::string to_json(const Manifest& manifest);
Result<Manifest> manifest_from_json(std::string_view json);
// Hex SHA-512 of the JSON: `agentManifestHash`.
std::string manifest_hash(const Manifest& manifest);
// Hex SHA-256 over the bundles alone, whoever sent it: equal for agents that can run the same.
std::string bundles_hash(const Manifest& manifest);

// One component as JSON, everything said of it, with our own names: `describe --json`.
std::string to_json(const ComponentSpec& spec);

}  // namespace runnel
