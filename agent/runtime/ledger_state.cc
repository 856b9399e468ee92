// What components remember (processors, services, gates of groups): reading, changing, forgetting.

#include <algorithm>
#include <set>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

// Changes of state that one more may fall together with.
constexpr std::ptrdiff_t kStateLookBack = 32;

// Components that no flow has any more stand under this id, which is nobody's, with the number of
// the change of flows that removed them.
const std::string kRemoved;
constexpr std::size_t kRemovedComponents = 1000;   // components
constexpr std::uint64_t kRemovedBytes = 16 << 20;  // of their state

std::uint64_t number_of(std::string_view mark) {
  const Result<std::int64_t> number = parse_int(mark);
  return number.ok() && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

std::uint64_t bytes_of(const std::map<std::string, std::string>& values) {
  std::uint64_t bytes = 0;
  for (const auto& [name, value] : values) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

void Ledger::change_state(const std::string& processor, const std::string& name,
                          std::optional<std::string> value, EpochNumber number, bool is_mid_flow) {
  if (value) {
    state_[processor][name] = *value;
  } else {
    const auto known = state_.find(processor);
    if (known != state_.end() && known->second.erase(name) > 0 && known->second.empty())
      state_.erase(known);
  }
  // Several changes of one epoch are one. (Epoch 0, of FlowFiles that an earlier life has stored,
  // is an epoch like any other here.)
  // (Looked for among the last few only: what is said twice is written twice, in order.)
  bool is_known = false;
  const auto end = state_changes_.rbegin() +
                   std::min<std::ptrdiff_t>(std::ssize(state_changes_), kStateLookBack);
  for (auto change = state_changes_.rbegin(); !is_known && change != end && change->epoch == number;
       ++change) {
    is_known = change->name == name && change->processor == processor;
    if (is_known) change->value = value;
  }
  if (!is_known) state_changes_.push_back({processor, name, std::move(value), number});
  if (lazy_since_ == SteadyTime::max()) lazy_since_ = now();
  if (!is_mid_flow) {
    if (!epochs_.empty()) epochs_.back().has_state = true;
    return;
  }
  // The state is now made of all that was committed so far: it is written with all of it, at once.
  if (!epochs_.empty()) {
    const EpochNumber newest = first_epoch_ + epochs_.size() - 1;
    for (Epoch& epoch : epochs_) epoch.must_write = true;
    raise_to_ = std::max(raise_to_, newest);
    state_changes_.back().epoch = std::min(state_changes_.back().epoch, newest);
  }
  is_cut_wanted_ = true;
}

std::optional<std::string> Ledger::state(const std::string& processor, const std::string& name) {
  const auto known = state_.find(processor);
  if (known == state_.end()) return std::nullopt;
  const auto found = known->second.find(name);
  if (found == known->second.end()) return std::nullopt;
  return found->second;
}

void Ledger::each_state(const std::string& processor,
                        const std::function<void(std::string_view, std::string_view)>& visit) {
  const auto known = state_.find(processor);
  if (known == state_.end()) return;
  for (const auto& [name, value] : known->second) visit(name, value);
}

// ---- all of it

std::vector<StateExtent> Ledger::state_extents() {
  Lock lock(mutex_);
  std::vector<StateExtent> all;
  for (const auto& [component, values] : state_) {
    if (component != kRemoved) all.push_back({component, values.size(), bytes_of(values)});
  }
  return all;
}

std::uint64_t Ledger::clear_state(const std::string& component) {
  if (component == kRemoved) return 0;
  Lock lock(mutex_);
  const std::uint64_t count = forget_state(component, true);
  settle();
  return count;
}

std::uint64_t Ledger::forget_state(const std::string& component, bool is_at_once) {
  std::vector<std::string> names;
  each_state(component,
             [&names](std::string_view name, std::string_view) { names.emplace_back(name); });
  const EpochNumber epoch = names.empty() ? 0 : birth_epoch();
  for (const std::string& name : names)
    change_state(component, name, std::nullopt, epoch, is_at_once);
  return names.size();
}

std::vector<std::string> Ledger::keep_state(
    const std::function<bool(const std::string&)>& is_in_flow) {
  std::set<std::string> owners = durable_owners();
  std::vector<std::string> forgotten;
  {
    Lock lock(mutex_);
    for (const auto& [component, values] : state_) {
      if (component != kRemoved) owners.insert(component);
    }
    mark_removed(owners, is_in_flow);
    forgotten = surplus_state();
    for (const std::string& component : forgotten) {
      forget_state(component, false);
      change_state(kRemoved, component, std::nullopt, birth_epoch(), false);
    }
    settle();
  }
  forget_durable(forgotten);
  return forgotten;
}

void Ledger::mark_removed(const std::set<std::string>& owners,
                          const std::function<bool(const std::string&)>& is_in_flow) {
  const std::map<std::string, std::string> before = state_[kRemoved];
  std::uint64_t last = 0;
  for (const auto& [component, mark] : before) last = std::max(last, number_of(mark));
  const std::string next = std::to_string(last + 1);
  for (const std::string& component : owners) {
    if (!is_in_flow(component) && !before.contains(component))
      change_state(kRemoved, component, next, birth_epoch(), false);
  }
  for (const auto& [component, mark] : before) {
    if (!owners.contains(component) || is_in_flow(component))
      change_state(kRemoved, component, std::nullopt, birth_epoch(), false);
  }
}

std::vector<std::string> Ledger::surplus_state() {
  struct Removed {
    std::uint64_t number;
    const std::string* component;
  };
  std::vector<Removed> newest_first;
  for (const auto& [component, mark] : state_[kRemoved])
    newest_first.push_back({number_of(mark), &component});
  std::stable_sort(newest_first.begin(), newest_first.end(),
                   [](const Removed& a, const Removed& b) { return a.number > b.number; });
  std::vector<std::string> surplus;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  for (const Removed& one : newest_first) {
    const auto held = state_.find(*one.component);
    if (held != state_.end()) bytes += bytes_of(held->second);
    ++count;
    const bool is_newest = one.number == newest_first.front().number;
    if (!is_newest && (count > kRemovedComponents || bytes > kRemovedBytes))
      surplus.push_back(*one.component);
  }
  return surplus;
}

}  // namespace runnel
