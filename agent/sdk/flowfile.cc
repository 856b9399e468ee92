// What a FlowFile handle and a handed-over FlowFile do: they ask their session, or their owner.

#include "agent/sdk/flowfile.h"

#include "agent/sdk/flow_record.h"
#include "agent/sdk/session.h"

namespace runnel {

std::uint64_t FlowFile::id() const { return record_->id; }
std::string FlowFile::uuid() const { return session_->uuid(*record_); }
std::uint64_t FlowFile::size() const { return record_->size; }
std::int64_t FlowFile::entry_ms() const { return record_->entry_ms; }
std::int64_t FlowFile::lineage_start_ms() const {
  return record_->entry_ms - record_->lineage_lead_ms;
}

std::optional<std::string_view> FlowFile::attribute(std::string_view name) const {
  return session_->attribute(*record_, name);
}

void FlowFile::set(std::string_view name, std::string_view value) {
  session_->set_attribute(*record_, name, value);
}

void FlowFile::remove(std::string_view name) { session_->remove_attribute(*record_, name); }

void FlowFile::each_attribute(
    const std::function<void(std::string_view name, std::string_view value)>& visit) const {
  session_->each_attribute(*record_, visit);
}

void Handed::transfer(Relationship to,
                      std::initializer_list<std::pair<std::string_view, std::string_view>> set) && {
  RUNNEL_ASSERT(owner_ != nullptr);
  Owner* const owner = std::exchange(owner_, nullptr);
  owner->transfer(std::span(&slot_, 1), to, std::span(set.begin(), set.size()));
}

void Handed::transfer_all(std::vector<Handed>& all, Relationship to) {
  if (all.empty()) return;
  Owner* const owner = all.front().owner_;
  std::vector<std::uint64_t> slots;
  slots.reserve(all.size());
  for (Handed& one : all) {
    RUNNEL_ASSERT(one.owner_ == owner);
    slots.push_back(one.release());
  }
  all.clear();
  owner->transfer(slots, to, {});
}

void Handed::give_back(bool is_penalized) && {
  RUNNEL_ASSERT(owner_ != nullptr);
  std::exchange(owner_, nullptr)->give_back(slot_, is_penalized);
}

void Handed::reset() {
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->give_back(slot_, false);
}

}  // namespace runnel
