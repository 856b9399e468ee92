// Receipts: the QoS 2 messages that are ours and that the broker has not let go of yet.

#include "processors/mqtt/receipts.h"

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"

namespace runnel::mqtt {
namespace {

constexpr std::string_view kSessionKey = "mqtt.session";
constexpr std::string_view kPrefix = "qos2/";
constexpr std::string_view kLoadedKey = "qos2.loaded";
constexpr std::size_t kTagBytes = 4;
constexpr std::size_t kHashHex = 16;

}  // namespace

// Identifiers on their way out of the state. Destroyed uncalled, when the session rolled back: they
// stay.
class Receipts::Leaving {
 public:
  Leaving(std::shared_ptr<Receipts> receipts, std::vector<std::uint16_t> ids)
      : receipts_(std::move(receipts)), ids_(std::move(ids)) {}
  ~Leaving() {
    if (!is_done_) receipts_->stay(ids_);
  }
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;
  std::vector<std::uint16_t> done() {
    is_done_ = true;
    return receipts_->gone(ids_);
  }

 private:
  const std::shared_ptr<Receipts> receipts_;
  const std::vector<std::uint16_t> ids_;
  bool is_done_ = false;
};

Receipts::Receipts(DurableMap& durable, std::string_view session_name)
    : durable_(durable), session_hash_(sha256_hex(session_name).substr(0, kHashHex)) {}

std::string Receipts::key_of(std::uint16_t id) const {
  return std::string(kPrefix) + tag_ + "/" + std::to_string(id);
}

// ---- the processor's

Result<> Receipts::load(Session& session, std::function<void()> then) {
  TRY_ASSIGN(known, durable_.find(kSessionKey));
  bool has_any = false;
  {
    const Lock lock(mutex_);
    tag_.clear();
    entries_.clear();
    const std::size_t space = known ? known->find(' ') : std::string::npos;
    if (space != std::string::npos && known->substr(space + 1) == session_hash_) {
      tag_ = known->substr(0, space);
    } else {
      TRY(renew());
    }
    const std::string prefix = std::string(kPrefix) + tag_ + "/";
    session.each_state([&](std::string_view key, std::string_view) REQUIRES(mutex_) {
      if (key.rfind(kPrefix, 0) != 0) return;
      has_any = true;
      const auto number =
          key.rfind(prefix, 0) == 0 ? parse_int(key.substr(prefix.size())) : invalid("foreign");
      if (number.ok() && *number > 0 && *number <= 0xFFFF) {
        Entry& entry = entries_[static_cast<std::uint16_t>(*number)];
        entry.is_delivered = entry.is_acknowledged = true;
      } else {
        must_sweep_ = true;
      }
    });
  }
  if (!has_any) {
    then();
    return {};
  }
  // The state in memory may be ahead of the disk: a PUBREC must not be.
  session.set_state(kLoadedKey, "");
  session.when_stored(std::move(then));
  return {};
}

bool Receipts::forget(Session& session,
                      std::function<void(const std::vector<std::uint16_t>&)> then) {
  std::vector<std::uint16_t> leaving;
  std::vector<std::string> gone;
  {
    const Lock lock(mutex_);
    for (const std::uint16_t id : std::exchange(released_, {})) {
      const auto found = entries_.find(id);
      if (found == entries_.end() || found->second.is_leaving) continue;
      found->second.is_leaving = true;
      leaving.push_back(id);
      gone.push_back(key_of(id));
    }
    if (std::exchange(must_sweep_, false)) {
      const std::string prefix = std::string(kPrefix) + tag_ + "/";
      session.each_state([&](std::string_view key, std::string_view) {
        if (key.rfind(kPrefix, 0) == 0 && key.rfind(prefix, 0) != 0) gone.emplace_back(key);
      });
    }
  }
  for (const std::string& key : gone) session.remove_state(key);
  if (leaving.empty()) return !gone.empty();
  auto bound = std::make_shared<Leaving>(shared_from_this(), std::move(leaving));
  session.when_stored([bound, then = std::move(then)] { then(bound->done()); });
  return true;
}

// Those that this connection's broker waits for.
std::vector<std::uint16_t> Receipts::gone(const std::vector<std::uint16_t>& ids) {
  std::vector<std::uint16_t> awaited;
  const Lock lock(mutex_);
  for (const std::uint16_t id : ids) {
    const auto found = entries_.find(id);
    // Of a session that has ended meanwhile, or even of a new message with its number.
    if (found == entries_.end() || !found->second.is_leaving) continue;
    if (found->second.is_awaited) awaited.push_back(id);
    entries_.erase(found);
  }
  return awaited;
}

void Receipts::stay(const std::vector<std::uint16_t>& ids) {
  const Lock lock(mutex_);
  for (const std::uint16_t id : ids) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.is_leaving) continue;
    found->second.is_leaving = false;
    released_.push_back(id);
  }
}

// ---- the gate's

void Receipts::begin() {
  const Lock lock(mutex_);
  std::erase_if(entries_, [](const auto& one) { return !one.second.is_delivered; });
  for (auto& [id, entry] : entries_) entry.is_awaited = false;
}

Result<> Receipts::connected(bool is_session_present) {
  const Lock lock(mutex_);
  if (is_session_present || entries_.empty()) return {};
  return renew();
}

Result<> Receipts::renew() {
  std::string tag = to_hex(random_bytes(kTagBytes));
  TRY(durable_.put(kSessionKey, tag + " " + session_hash_));
  tag_ = std::move(tag);
  entries_.clear();
  released_.clear();
  must_sweep_ = true;
  return {};
}

std::optional<std::uint64_t> Receipts::find(std::uint16_t id) {
  const Lock lock(mutex_);
  const auto [found, is_new] = entries_.try_emplace(id);
  if (is_new || !found->second.is_delivered) return std::nullopt;
  return found->second.number;
}

std::pair<std::string, std::string> Receipts::delivered(std::uint16_t id, std::uint64_t number) {
  const Lock lock(mutex_);
  Entry& entry = entries_[id];
  entry.is_delivered = true;
  entry.number = number;
  return {key_of(id), {}};
}

void Receipts::acknowledged(std::uint16_t id) {
  const Lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found != entries_.end()) found->second.is_acknowledged = true;
}

Result<bool> Receipts::released(std::uint16_t id) {
  const Lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (!entry.is_acknowledged) {
    return corrupt("the broker releases message " + std::to_string(id) +
                   ", which was not acknowledged");
  }
  entry.is_awaited = true;
  if (!std::exchange(entry.is_released, true)) released_.push_back(id);
  return true;
}

// ---- the ledger's

void Receipts::safe_through(std::uint64_t number) {
  const Lock lock(mutex_);
  for (auto& [id, entry] : entries_) {
    if (entry.number <= number) entry.number = 0;
  }
}

}  // namespace runnel::mqtt
