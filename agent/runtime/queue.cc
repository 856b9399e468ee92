// The log of positions.

#include "agent/runtime/queue.h"

#include <algorithm>
#include <cmath>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/content.h"

namespace runnel {
namespace {

constexpr std::uint32_t kLiveMs = 10'000;  // longer in the queue: backlog
constexpr unsigned kLiveInRow = 7;         // then one of the backlog

// Out of the way of what each FlowFile goes through: mostly nobody counts.
[[gnu::noinline]] void tell(QueueWatch& watch) {
  if (!watch.is_touched) watch.touch();
}

}  // namespace

Queue::Queue(Mutex& mutex, QueueSpec spec, std::uint64_t key)
    : mutex_(mutex),
      key_(key),
      spec_(std::move(spec)),
      expire_ms_(spec_.expire.count()),
      count_max_(spec_.count_max),
      bytes_max_(spec_.bytes_max) {}

Queue::~Queue() NO_THREAD_SAFETY_ANALYSIS {
  for (auto& [number, chunk] : chunks_) {
    for (std::size_t i = 0; i < kChunk; ++i) {
      if (!has(chunk->present, i)) continue;
      release(chunk->at[i]);
    }
  }
}

void Queue::respecify(QueueSpec spec) {
  const bool is_reordered =
      spec.order != spec_.order || spec.order_attribute != spec_.order_attribute;
  spec_ = std::move(spec);
  const bool is_expiring_anew = expire_ms_ == 0 && spec_.expire.count() != 0;
  expire_ms_ = spec_.expire.count();
  count_max_ = spec_.count_max;
  bytes_max_ = spec_.bytes_max;
  if (is_expiring_anew) recount_oldest(INT64_MIN);
  if (!is_reordered) return;
  ordered_.clear();
  returned_.clear();
  take_ = chunks_.empty() ? tail_ : chunks_.begin()->first * kChunk;
  live_take_ = live_from_ = paged_.empty() ? take_ : paged_.rbegin()->second.last + 1;
  if (is_sequential()) return;
  each([this](Position position, const FlowRecord& record, bool is_taken_now) {
    held();
    if (!is_taken_now && record.penalty_until_ms == 0) enter_order(position, record);
    return true;
  });
}

Queue::Chunk* Queue::chunk_at(Position position) const {
  const std::uint64_t number = position / kChunk;
  if (found_chunk_ != nullptr && found_number_ == number) return found_chunk_;
  const auto found = chunks_.find(number);
  if (found == chunks_.end()) return nullptr;
  found_number_ = number;
  return found_chunk_ = found->second.get();
}

Queue::Chunk& Queue::chunk_for(Position position) {
  std::unique_ptr<Chunk>& chunk = chunks_[position / kChunk];
  if (chunk) return *chunk;
  if (spares_.empty()) {
    chunk = std::make_unique<Chunk>();
  } else {
    chunk = std::move(spares_.back());
    spares_.pop_back();
  }
  return *chunk;
}

// Some that were emptied are kept for the next: a queue that is filled and drained slice by slice
// needs no memory from elsewhere.
void Queue::forget_chunk(std::uint64_t number) {
  const auto found = chunks_.find(number);
  if (found == chunks_.end() || found->second->count != 0) return;
  if (found_number_ == number) found_chunk_ = nullptr;
  if (spares_.size() < kSparesMax) {
    found->second->places.clear();
    spares_.push_back(std::move(found->second));
  }
  chunks_.erase(found);
}

void Queue::shrink() {
  RUNNEL_ASSERT(present_ == 0);
  chunks_.clear();
  found_chunk_ = tail_chunk_ = nullptr;
  spares_.clear();
}

void Queue::publish() {
  is_changed_ = false;
  count_.store(present_ + paged_count_, std::memory_order_relaxed);
  bytes_.store(queued_bytes_ + paged_bytes_, std::memory_order_relaxed);
  ready_.store(untaken_ + paged_count_, std::memory_order_relaxed);
  penalty_ends_ms_.store(penalized_.empty() ? 0 : penalized_.begin()->first,
                         std::memory_order_relaxed);
  if (watch_ != nullptr) [[unlikely]]
    tell(*watch_);
}

std::uint64_t Queue::takeable(std::uint32_t now_ms) const {
  std::uint64_t count = untaken_ + paged_count_;
  for (const auto& [ends_ms, position] : penalized_) {
    if (!is_reached(ends_ms, now_ms)) break;
    ++count;
  }
  return count;
}

void Queue::restore(Position position, const FlowRecord& record, SavedPlace place,
                    std::uint32_t now_ms) {
  Chunk& chunk = chunk_for(position);
  if (position / kChunk == tail_ / kChunk) tail_chunk_ = &chunk;
  const std::size_t i = slot(position);
  RUNNEL_ASSERT(!has(chunk.present, i));
  chunk.at[i] = record;
  chunk.queued_at_ms[i] = now_ms;
  put(chunk.present, i);
  put_saved(chunk, i, place);
  ++chunk.count;
  ++present_;
  ++untaken_;
  queued_bytes_ += record.size;
  memory_bytes_ += weight(record);
  note_start(record);
  if (position >= tail_) tail_ = position + 1;
  if (!is_sequential()) {
    enter_order(position, record);
  } else if (position < take_) {
    returned_.insert(position);
  }
  publish();
}

std::pair<double, std::string> Queue::key_of(Position position, const FlowRecord& record) const {
  const auto lineage = static_cast<double>(record.lineage_start_ms());
  switch (spec_.order) {
    case QueueRule::kNewestFirst:
      return {-lineage, {}};
    case QueueRule::kOldestFirst:
      return {lineage, {}};
    case QueueRule::kAttribute: {
      const auto value = record.attributes == nullptr
                             ? std::nullopt
                             : record.attributes->find(spec_.order_attribute);
      if (!value) return {1.7e308, "\xFF"};  // after all others
      const Result<double> number = parse_double(*value);
      // Nothing stands before or behind `nan`: a set with it in it refuses what comes after it.
      if (number.ok() && std::isfinite(*number)) return {*number, {}};
      return {1e308, std::string(*value)};
    }
    case QueueRule::kFirstIn:
    case QueueRule::kLiveFirst:
      break;
  }
  return {static_cast<double>(position), {}};
}

void Queue::enter_order(Position position, const FlowRecord& record) {
  ordered_.insert({key_of(position, record), position});
}

// Again: it has been taken, or passed over, before.
void Queue::enter(Position position, const FlowRecord& record) {
  if (is_sequential()) {
    returned_.insert(position);
  } else {
    enter_order(position, record);
  }
}

bool Queue::take_at(Position position, std::uint32_t, Taken& taken) {
  Chunk* const chunk = chunk_at(position);
  const std::size_t i = slot(position);
  if (chunk == nullptr || !has(chunk->present, i) || has(chunk->taken, i)) return false;
  put(chunk->taken, i);
  taken = {position, &chunk->at[i]};
  return true;
}

// Those whose penalty is over wait among the others again, where they stood.
void Queue::end_penalties(std::uint32_t now_ms) {
  while (!penalized_.empty() && is_reached(penalized_.begin()->first, now_ms)) {
    const Position position = penalized_.begin()->second;
    penalized_.erase(penalized_.begin());
    FlowRecord& record = *find(position);
    record.penalty_until_ms = 0;
    ++untaken_;
    enter(position, record);
  }
}

// First-in: what was given back, before all others.
bool Queue::take_returned(Taken& taken) {
  const Position end = paged_begin();
  while (!returned_.empty() && *returned_.begin() < end) {
    const Position position = *returned_.begin();
    returned_.erase(returned_.begin());
    if (!take_at(position, 0, taken)) continue;
    --untaken_;
    return true;
  }
  return false;
}

// First-in: those that nobody has had, as they stand.
std::size_t Queue::take_in_row(std::size_t count_max, std::vector<Taken>& into) {
  const Position end = std::min(paged_begin(), tail_);
  std::size_t count = 0;
  while (take_ < end && count < count_max) {
    Chunk* const chunk = chunk_at(take_);
    if (chunk == nullptr) {
      const auto next = chunks_.lower_bound(take_ / kChunk);
      if (next == chunks_.end() || next->first * kChunk >= end) break;
      take_ = next->first * kChunk;
      continue;
    }
    const Position begin = take_ - slot(take_);
    const std::size_t slots = std::min<Position>(kChunk, end - begin);
    std::uint64_t bits = chunk->present[0] & ~chunk->taken[0] & bits_of(slot(take_), slots);
    for (; bits != 0 && count < count_max; bits &= bits - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(bits));
      if (chunk->at[i].penalty_until_ms != 0) continue;
      put(chunk->taken, i);
      into.push_back({begin + i, &chunk->at[i]});
      ++count;
    }
    take_ = bits == 0 ? begin + slots : begin + static_cast<std::size_t>(std::countr_zero(bits));
  }
  untaken_ -= count;
  return count;
}

// The first that stands in `from` .. `to`, given back or at the cursor.
bool Queue::take_between(Position from, Position to, Position& cursor, Taken& taken) {
  const bool is_fresh = find_from(cursor, to);
  for (auto at = returned_.lower_bound(from); at != returned_.end() && *at < to;) {
    if (is_fresh && cursor < *at) break;
    const Position position = *at;
    at = returned_.erase(at);
    if (!take_at(position, 0, taken)) continue;
    --untaken_;
    return true;
  }
  if (!is_fresh) return false;
  --untaken_;
  return take_at(cursor++, 0, taken);
}

bool Queue::find_from(Position& cursor, Position to) const {
  to = std::min(to, tail_);
  for (auto at = chunks_.lower_bound(cursor / kChunk); at != chunks_.end(); ++at) {
    cursor = std::max(cursor, at->first * kChunk);
    const Chunk& chunk = *at->second;
    const Position end = std::min(to, (at->first + 1) * kChunk);
    for (; cursor < end; ++cursor) {
      const std::size_t i = slot(cursor);
      if (has(chunk.present, i) && !has(chunk.taken, i) && chunk.at[i].penalty_until_ms == 0)
        return returned_.count(cursor) == 0;
    }
    if (cursor >= to) break;
  }
  cursor = std::max(cursor, to);
  return false;
}

// What has become too old for live is backlog from now on. Times in the queue rise with positions.
void Queue::advance_live(std::uint32_t now_ms) {
  auto at = chunks_.lower_bound(live_from_ / kChunk);
  while (live_from_ < tail_) {
    if (at == chunks_.end()) {
      live_from_ = tail_;
      break;
    }
    live_from_ = std::max(live_from_, at->first * kChunk);
    const Position end = std::min(tail_, (at->first + 1) * kChunk);
    for (; live_from_ < end; ++live_from_) {
      const std::size_t i = slot(live_from_);
      if (!has(at->second->present, i)) continue;
      const std::uint32_t age = now_ms - at->second->queued_at_ms[i];
      if (is_reached(at->second->queued_at_ms[i], now_ms) && age >= kLiveMs) continue;
      live_take_ = std::max(live_take_, live_from_);
      return;
    }
    ++at;
  }
  live_take_ = std::max(live_take_, live_from_);
}

bool Queue::take_live_first(std::uint32_t now_ms, Taken& taken) {
  advance_live(now_ms);
  const auto take_backlog = [&]() REQUIRES(mutex_) {
    live_taken_ = 0;
    return take_between(0, std::min(live_from_, paged_begin()), take_, taken);
  };
  if (live_taken_ >= kLiveInRow && take_backlog()) return true;
  if (take_between(live_from_, UINT64_MAX, live_take_, taken)) {
    ++live_taken_;
    return true;
  }
  return take_backlog();
}

bool Queue::take_ordered(std::uint32_t now_ms, Taken& taken) {
  while (!ordered_.empty()) {
    const Position position = ordered_.begin()->second;
    ordered_.erase(ordered_.begin());
    if (take_at(position, now_ms, taken)) {
      --untaken_;
      return true;
    }
  }
  return false;
}

std::size_t Queue::take(std::size_t count_max, std::uint32_t now_ms, std::vector<Taken>& into) {
  const bool is_first_in = spec_.order == QueueRule::kFirstIn;
  if (!penalized_.empty()) end_penalties(now_ms);
  const bool is_row = is_first_in && returned_.empty();
  std::size_t count = 0;
  Taken taken{};
  while (!is_row && count < count_max) {
    const bool is_taken_now = is_first_in ? take_returned(taken)
                              : spec_.order == QueueRule::kLiveFirst
                                  ? take_live_first(now_ms, taken)
                                  : take_ordered(now_ms, taken);
    if (!is_taken_now) break;
    into.push_back(taken);
    ++count;
  }
  if (is_first_in) count += take_in_row(count_max - count, into);
  publish();
  return count;
}

void Queue::give_back(Position position, std::uint32_t penalty_until_ms) {
  Chunk* const chunk = chunk_at(position);
  if (chunk == nullptr || !has(chunk->present, slot(position))) return;
  const std::size_t i = slot(position);
  RUNNEL_ASSERT(has(chunk->taken, i));
  clear(chunk->taken, i);
  pay_owed(position, chunk->at[i]);
  note_start(chunk->at[i]);
  chunk->at[i].penalty_until_ms = penalty_until_ms;
  if (penalty_until_ms != 0) {
    penalized_.emplace(penalty_until_ms, position);
  } else {
    ++untaken_;
    enter(position, chunk->at[i]);
  }
  publish();
}

FlowRecord* Queue::find(Position position) {
  Chunk* const chunk = chunk_at(position);
  return chunk != nullptr && has(chunk->present, slot(position)) ? &chunk->at[slot(position)]
                                                                 : nullptr;
}

void Queue::replace(FlowRecord& record, const FlowRecord& with) {
  memory_bytes_ -= weight(record);
  queued_bytes_ += with.size - record.size;
  record.attributes = with.attributes;
  record.content = with.content;
  record.offset = with.offset;
  record.size = with.size;
  memory_bytes_ += weight(record);
  publish();
}

bool Queue::is_taken(Position position) {
  Chunk* const chunk = chunk_at(position);
  return chunk != nullptr && has(chunk->taken, slot(position));
}

void Queue::each(const std::function<bool(Position, const FlowRecord&, bool)>& visit) const {
  for (const auto& [number, chunk] : chunks_) {
    for (std::size_t i = 0; i < kChunk; ++i) {
      if (has(chunk->present, i) && !visit(number * kChunk + i, chunk->at[i], has(chunk->taken, i)))
        return;
    }
  }
}

bool Queue::oldest_untaken(Position& position) {
  bool is_found = false;
  each([&](Position at, const FlowRecord&, bool is_taken_now) {
    if (is_taken_now) return true;
    position = at;
    is_found = true;
    return false;
  });
  return is_found;
}

bool Queue::lowest_untaken(Position& position) {
  while (!ordered_.empty()) {
    const auto first = ordered_.lower_bound({ordered_.rbegin()->first, 0});
    position = first->second;
    const Chunk* const chunk = chunk_at(position);
    const std::size_t i = slot(position);
    if (chunk != nullptr && has(chunk->present, i) && !has(chunk->taken, i)) return true;
    ordered_.erase(first);  // it was removed while it waited
  }
  return false;
}

void Queue::save_each(EpochNumber epoch,
                      const std::function<SavedPlace(Position, const FlowRecord&)>& visit) {
  if (unsaved_ == 0) return;
  bool has_left_one = false;
  for (auto at = chunks_.lower_bound(first_unsaved_ / kChunk); at != chunks_.end(); ++at) {
    Chunk& chunk = *at->second;
    if (chunk.unsaved == 0) continue;
    for (std::size_t word = 0; word < chunk.present.size(); ++word) {
      std::uint64_t bits = chunk.present[word] & ~chunk.saved[word];
      while (bits != 0) {
        const std::size_t i = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        bits &= bits - 1;
        const Position position = at->first * kChunk + i;
        if (chunk.at[i].epoch > epoch) {
          if (!has_left_one) first_unsaved_ = position;
          has_left_one = true;
          continue;
        }
        put_saved(chunk, i, visit(position, chunk.at[i]));
        --chunk.unsaved;
        --unsaved_;
      }
    }
  }
  if (!has_left_one) first_unsaved_ = tail_;
}

std::uint32_t Queue::queued_at_ms(Position position) const {
  const Chunk* const chunk = chunk_at(position);
  return chunk != nullptr && has(chunk->present, slot(position))
             ? chunk->queued_at_ms[slot(position)]
             : 0;
}

std::uint32_t Queue::oldest_queued_at_ms() const {
  std::uint32_t oldest = 0;
  for (const auto& [number, chunk] : chunks_) {
    for (std::size_t i = 0; i < kChunk; ++i) {
      if (has(chunk->present, i)) return chunk->queued_at_ms[i];
    }
  }
  return oldest;
}

}  // namespace runnel
