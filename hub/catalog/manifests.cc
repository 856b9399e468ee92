// What agents can run.

#include "hub/catalog/manifests.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/log.h"
#include "agent/spec/manifest.h"

namespace runnel::hub {
namespace {

constexpr std::string_view kSelectAll = "SELECT hash, json FROM manifests ORDER BY seen_ms DESC";
constexpr std::string_view kInsert = "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)";

std::string known_type(const std::string& type) { return type == "cpp" ? "minifi-cpp" : type; }

bool takes_run_once(const SupportedOperation::Operand& operand) {
  const nlohmann::json members = nlohmann::json::parse(operand.properties_json, nullptr, false);
  return members.is_object() && members.contains("runOnce") && members["runOnce"] == true;
}

}  // namespace

bool AgentManifest::supports(std::string_view operation, std::string_view operand) const {
  const std::string wanted = std::string(operation) + "/" + std::string(operand);
  // An agent that lists an operation without operands means all of them.
  return operations.contains(wanted) || operations.contains(std::string(operation) + "/");
}

Result<std::unique_ptr<Manifests>> Manifests::open(Store& store, const Clock& clock) {
  std::unique_ptr<Manifests> manifests(new Manifests(store, clock));
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectAll));
    Lock lock(manifests->mutex_);
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      const auto kept = manifests->keep(text_of(select, 0), text_of(select, 1));
      if (!kept.ok())
        log_warn("catalog", "a stored manifest was left out", {{"reason", kept.error().text()}});
    }
  }));
  return manifests;
}

Result<ManifestPtr> Manifests::keep(const std::string& hash, const std::string& json) {
  TRY_ASSIGN(read, manifest_from_json(json).within("manifest"));
  auto manifest = std::make_shared<AgentManifest>();
  manifest->hash = hash;
  manifest->bundles_hash = bundles_hash(read);
  manifest->agent_type = known_type(read.agent_type);
  manifest->agent_version = read.build.version;
  for (const SupportedOperation& operation : read.operations) {
    const std::string type = to_lower(operation.type);
    if (operation.operands.empty()) manifest->operations.insert(type + "/");
    for (const auto& operand : operation.operands) {
      manifest->operations.insert(type + "/" + to_lower(operand.name));
      if (type == "start" && takes_run_once(operand))
        manifest->operations.insert("run_once/" + to_lower(operand.name));
    }
  }
  auto& specs = bodies_[manifest->bundles_hash];
  if (specs == nullptr) {
    if (bodies_.size() > kBodiesMax) {
      bodies_.erase(manifest->bundles_hash);
      return full("there are as many different manifests as there may be");
    }
    specs = std::make_shared<const std::vector<ComponentSpec>>(read.specs());
  }
  manifest->specs = specs;
  manifests_[hash] = manifest;
  return ManifestPtr(manifest);
}

ManifestPtr Manifests::find(std::string_view hash) const {
  Lock lock(mutex_);
  const auto found = manifests_.find(hash);
  return found == manifests_.end() ? nullptr : found->second;
}

Result<ManifestPtr> Manifests::add(const std::string& hash, const std::string& json) {
  const std::string key = hash.empty() ? sha512_hex(json) : hash;
  Lock lock(mutex_);
  if (const auto found = manifests_.find(key); found != manifests_.end()) return found->second;
  if (manifests_.size() >= kMax) return full("there are as many manifests as there may be");
  TRY_ASSIGN(manifest, keep(key, json));
  unsaved_.push_back({key, manifest->bundles_hash, json});
  return manifest;
}

std::vector<ManifestPtr> Manifests::all() const {
  Lock lock(mutex_);
  std::vector<ManifestPtr> all;
  for (const auto& [hash, manifest] : manifests_) all.push_back(manifest);
  return all;
}

Result<> Manifests::flush() {
  std::vector<Unsaved> unsaved;
  {
    Lock lock(mutex_);
    unsaved.swap(unsaved_);
  }
  if (unsaved.empty()) return Ok{};
  const Result<> written = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(insert, database.prepare(kInsert));
    for (const Unsaved& each : unsaved) {
      TRY(insert.bind_text(1, each.hash)
              .bind_text(2, each.bundles_hash)
              .bind_text(3, each.json)
              .bind(4, clock_.wall_ms())
              .run());
    }
    return Ok{};
  });
  if (!written.ok()) {
    Lock lock(mutex_);
    unsaved_.insert(unsaved_.begin(), unsaved.begin(), unsaved.end());
  }
  return written;
}

}  // namespace runnel::hub
