// LocalMapCache: a bounded map in the agent's own ledger, which takes the place of NiFi's pair of
// MapCacheServer and MapCacheClientService.
//
// Keys and values are shared state of this service (Session::set_shared_state): what a session has
// put is on disk exactly when what it did to its FlowFiles is. A stored value is eight bytes, which
// number the puts (big-endian), and the value itself. This object holds the keys alone, in the
// order in which they are evicted; how often and when a key was asked for is in memory only, so
// that reading writes nothing: after a restart both begin anew, in the order of the puts.

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/cache/map_cache.h"
#include "processors/registry.h"

namespace runnel {
namespace {

enum class Eviction { kLeastFrequentlyUsed, kLeastRecentlyUsed, kFirstInFirstOut };

}  // namespace

template <>
struct EnumNames<Eviction> {
  static constexpr std::array<std::pair<Eviction, std::string_view>, 3> names{
      {{Eviction::kLeastFrequentlyUsed, "Least Frequently Used"},
       {Eviction::kLeastRecentlyUsed, "Least Recently Used"},
       {Eviction::kFirstInFirstOut, "First In, First Out"}}};
};

namespace {

struct LocalMapCacheConfig {
  std::uint32_t entries_max = 10'000;
  Size size_max{16 << 20};
  Eviction eviction = Eviction::kLeastFrequentlyUsed;
};

class LocalMapCache final : public Service, public DistributedMapCacheClient {
 public:
  using Config = LocalMapCacheConfig;
  explicit LocalMapCache(const Config& config) : config_(config) {}

  Result<> start(ServiceContext& context) override EXCLUDES(mutex_);
  void stop() override EXCLUDES(mutex_);

  std::optional<std::string> get(Session& session, std::string_view key) override EXCLUDES(mutex_);
  Result<> put(Session& session, std::string_view key, std::string_view value) override
      EXCLUDES(mutex_);
  Result<std::optional<std::string>> get_and_put_if_absent(Session& session, std::string_view key,
                                                           std::string_view value) override
      EXCLUDES(mutex_);

 private:
  // The lowest goes first: by uses where these count, then by the number of the put or of the use.
  using Rank = std::pair<std::uint64_t, std::uint64_t>;
  struct Entry {
    std::uint64_t bytes = 0;
    Rank rank;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  // What a call has changed, to be undone if it is rolled back.
  struct Change {
    std::string put;
    std::vector<std::pair<std::string, Entry>> taken_out;
  };

  Result<> check(std::string_view key, std::string_view value) const;
  void take_turn(Session& session) EXCLUDES(mutex_);
  void end_turn() REQUIRES(mutex_);
  void add(const std::string& key, Entry entry) REQUIRES(mutex_);
  Entry take_out(Entries::iterator found) REQUIRES(mutex_);
  void touch(std::string_view key) EXCLUDES(mutex_);
  void put_in_turn(Session& session, std::string_view key, std::string_view value) EXCLUDES(mutex_);

  const Config config_;
  std::string id_;  // constant while it runs
  Mutex mutex_;
  CondVar turn_ended_;
  const Session* holder_ GUARDED_BY(mutex_) = nullptr;  // whose turn it is to change things
  std::size_t holds_ GUARDED_BY(mutex_) = 0;
  Entries entries_ GUARDED_BY(mutex_);
  std::map<Rank, Entries::iterator> order_ GUARDED_BY(mutex_);
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

ServiceType local_map_cache() {
  using C = LocalMapCacheConfig;
  return DescribeService<LocalMapCache>(
             "LocalMapCache",
             "A map of keys and values that processors share, kept in the agent's ledger over "
             "restarts, in the place of NiFi's MapCacheServer and MapCacheClientService. What is "
             "put is committed with the FlowFile for which it is put.")
      .property("Maximum Cache Entries", &C::entries_max,
                {.doc = "When there are so many, each new one evicts another.",
                 .min = 1,
                 .max = 1'000'000})
      .property("Maximum Cache Size", &C::size_max,
                {.doc = "Of all keys and values together; they are held in memory.",
                 .min = Size{1024},
                 .max = Size{1 << 30}})
      .property("Eviction Strategy", &C::eviction,
                {.doc = "Which one is evicted. How often and when a key was asked for is not kept "
                        "over a restart."})
      .provides<DistributedMapCacheClient>();
}

Result<> LocalMapCache::start(ServiceContext& context) {
  id_ = context.id();
  std::vector<std::pair<std::string, Entry>> stored;
  context.each_state([&](std::string_view key, std::string_view value) {
    if (value.size() < kNumberBytes) return;
    const std::uint64_t bytes = key.size() + value.size() - kNumberBytes;
    stored.emplace_back(key, Entry{bytes, {0, number_before(value)}});
  });
  Lock lock(mutex_);
  for (auto& [key, entry] : stored) {
    last_number_ = std::max(last_number_, entry.rank.second);
    add(key, entry);
  }
  return {};
}

void LocalMapCache::stop() {
  Lock lock(mutex_);
  order_.clear();
  entries_.clear();
  bytes_ = 0;
}

void LocalMapCache::add(const std::string& key, Entry entry) {
  const auto [at, is_new] = entries_.emplace(key, entry);
  RUNNEL_ASSERT(is_new);
  order_.emplace(entry.rank, at);
  bytes_ += entry.bytes;
}

LocalMapCache::Entry LocalMapCache::take_out(Entries::iterator found) {
  const Entry entry = found->second;
  order_.erase(entry.rank);
  bytes_ -= entry.bytes;
  entries_.erase(found);
  return entry;
}

// Asked for once more. One that another session is about to evict is not there any more.
void LocalMapCache::touch(std::string_view key) {
  if (config_.eviction == Eviction::kFirstInFirstOut) return;
  Lock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Rank& rank = found->second.rank;
  order_.erase(rank);
  if (config_.eviction == Eviction::kLeastFrequentlyUsed) {
    ++rank.first;
  } else {
    rank.second = ++last_number_;
  }
  order_.emplace(rank, found);
}

std::optional<std::string> LocalMapCache::get(Session& session, std::string_view key) {
  std::optional<std::string> stored = session.shared_state(id_, key);
  if (!stored || stored->size() < kNumberBytes) return std::nullopt;
  touch(key);
  return stored->substr(kNumberBytes);
}

Result<> LocalMapCache::check(std::string_view key, std::string_view value) const {
  if (key.empty()) return invalid("the key is empty");
  if (key.size() > kKeyBytesMax) return invalid("the key is longer than 64 KiB");
  if (key.size() + value.size() <= config_.size_max.bytes) return {};
  return full("key and value are larger than the whole cache (`Maximum Cache Size`)");
}

// Nobody who waits here has a turn of another cache (the contract), so that all go on.
void LocalMapCache::take_turn(Session& session) {
  Lock lock(mutex_);
  while (holder_ != nullptr && holder_ != &session) turn_ended_.wait(mutex_);
  holder_ = &session;
  ++holds_;
}

void LocalMapCache::end_turn() {
  if (--holds_ > 0) return;
  holder_ = nullptr;
  turn_ended_.notify_all();
}

void LocalMapCache::put_in_turn(Session& session, std::string_view key, std::string_view value) {
  Change change{std::string(key), {}};
  std::uint64_t number = 0;
  {
    Lock lock(mutex_);
    const std::uint64_t bytes = key.size() + value.size();
    const auto known = entries_.find(key);
    if (known != entries_.end()) change.taken_out.emplace_back(change.put, take_out(known));
    while (!entries_.empty() &&
           (entries_.size() >= config_.entries_max || bytes_ + bytes > config_.size_max.bytes)) {
      const auto victim = order_.begin()->second;
      std::string name = victim->first;
      session.remove_shared_state(id_, name);
      change.taken_out.emplace_back(std::move(name), take_out(victim));
    }
    number = ++last_number_;
    add(change.put, {bytes, {0, number}});
  }
  session.set_shared_state(id_, key, behind_number(number, value));
  session.when_ended([this, change = std::move(change)](bool is_committed) {
    Lock lock(mutex_);
    if (!is_committed) {
      take_out(entries_.find(change.put));
      for (const auto& [name, entry] : change.taken_out) add(name, entry);
    }
    end_turn();
  });
}

Result<> LocalMapCache::put(Session& session, std::string_view key, std::string_view value) {
  TRY(check(key, value));
  take_turn(session);
  put_in_turn(session, key, value);
  return {};
}

Result<std::optional<std::string>> LocalMapCache::get_and_put_if_absent(Session& session,
                                                                        std::string_view key,
                                                                        std::string_view value) {
  TRY(check(key, value));
  take_turn(session);
  std::optional<std::string> known = get(session, key);
  if (!known) {
    put_in_turn(session, key, value);
    return known;
  }
  // Nobody changes what the session has been told before it ends.
  session.when_ended([this](bool) {
    Lock lock(mutex_);
    end_turn();
  });
  return known;
}

}  // namespace runnel
