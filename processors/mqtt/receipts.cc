// Receipts: what lies between PUBREC and PUBREL, on disk.

#include "processors/mqtt/receipts.h"

#include "agent/base/bytes.h"

namespace runnel::mqtt {
namespace {

constexpr std::string_view kPrefix = "mqtt.received/";

// The packet identifier in a key of a received PUBLISH, or none for other keys.
std::optional<std::uint16_t> id_of(std::string_view key) {
  const std::size_t dash = key.find('-');
  if (dash == std::string_view::npos ||
      (key.substr(0, dash) != "r" && key.substr(0, dash) != "r5")) {
    return std::nullopt;
  }
  const Result<std::int64_t> number = parse_int(key.substr(dash + 1));
  if (!number.ok() || *number < 1 || *number > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

std::string stored(const std::string& key) { return std::string(kPrefix) + key; }

}  // namespace

Result<> Receipts::put(const std::string& key, std::string_view packet) {
  const std::optional<std::uint16_t> id = id_of(key);
  if (!id) return {};
  {
    const Lock lock(mutex_);
    delivered_.erase(*id);
  }
  return map_.put(stored(key), packet);
}

Result<std::optional<std::string>> Receipts::find(const std::string& key) {
  const std::optional<std::uint16_t> id = id_of(key);
  if (!id) return std::optional<std::string>{};
  {
    const Lock lock(mutex_);
    if (delivered_.count(*id) != 0) return std::optional<std::string>{};
  }
  return map_.find(stored(key));
}

Result<> Receipts::remove(const std::string&) { return {}; }

void Receipts::delivered(std::uint16_t id) {
  const Lock lock(mutex_);
  delivered_.insert(id);
}

Result<> Receipts::clear() {
  TRY_ASSIGN(all, map_.keys());
  for (const std::string& key : all) {
    if (key.rfind(kPrefix, 0) == 0) TRY(map_.remove(key));
  }
  const Lock lock(mutex_);
  delivered_.clear();
  return {};
}

Result<std::vector<std::string>> Receipts::keys() {
  TRY_ASSIGN(all, map_.keys());
  std::vector<std::string> keys;
  const Lock lock(mutex_);
  for (const std::string& key : all) {
    if (key.rfind(kPrefix, 0) != 0) continue;
    std::string own = key.substr(kPrefix.size());
    const std::optional<std::uint16_t> id = id_of(own);
    if (id && delivered_.count(*id) == 0) keys.push_back(std::move(own));
  }
  return keys;
}

Result<> Receipts::forget(std::uint16_t id) {
  {
    const Lock lock(mutex_);
    if (delivered_.count(id) == 0) return {};
  }
  for (const char* kind : {"r-", "r5-"}) TRY(map_.remove(stored(kind + std::to_string(id))));
  const Lock lock(mutex_);
  delivered_.erase(id);
  return {};
}

}  // namespace runnel::mqtt
