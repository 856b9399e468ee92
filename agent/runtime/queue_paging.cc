// What of a queue lies on disk only, and what grows too old in it.

#include <algorithm>

#include "agent/base/assert.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/queue.h"

namespace runnel {

// ---- expiry

void Queue::note_start(const FlowRecord& record) {
  if (expire_ms() != 0 && record.lineage_start_ms() < oldest_start_ms())
    oldest_start_ms_ = record.lineage_start_ms();
}

std::vector<Queue::Position> Queue::started_before(std::int64_t start_ms) const {
  std::vector<Position> found;
  each([&](Position position, const FlowRecord& record, bool is_taken_now) {
    if (!is_taken_now && record.lineage_start_ms() < start_ms) found.push_back(position);
    return true;
  });
  return found;
}

const Queue::Paged* Queue::paged_before(std::int64_t start_ms, Position& first) const {
  for (const auto& [position, paged] : paged_) {
    if (paged.oldest_ms >= start_ms) continue;
    first = position;
    return &paged;
  }
  return nullptr;
}

void Queue::recount_oldest(std::int64_t taken_ms) {
  std::int64_t oldest = INT64_MAX;
  each([&](Position, const FlowRecord& record, bool is_taken_now) {
    const std::int64_t start = record.lineage_start_ms();
    oldest = std::min(oldest, is_taken_now ? std::max(start, taken_ms) : start);
    return true;
  });
  for (const auto& [first, paged] : paged_) oldest = std::min(oldest, paged.oldest_ms);
  oldest_start_ms_ = oldest;
}

void Queue::pay_owed(Position position, FlowRecord& record) {
  if (owed_ms_.empty()) return;
  const auto found = owed_ms_.find(position);
  if (found == owed_ms_.end()) return;
  record.entry_ms += found->second;
  owed_ms_.erase(found);
}

void Queue::shift_entries(std::int64_t by_ms, std::int64_t until_ms) {
  ordered_.clear();
  for (auto& [number, chunk] : chunks_) {
    for (std::size_t i = 0; i < kChunk; ++i) {
      if (!has(chunk->present, i)) continue;
      const Position position = number * kChunk + i;
      const bool follows = chunk->at[i].entry_ms <= until_ms;
      if (has(chunk->taken, i)) {
        if (follows) owed_ms_[position] += by_ms;
        continue;
      }
      if (follows) chunk->at[i].entry_ms += by_ms;
      if (!is_sequential() && chunk->at[i].penalty_until_ms == 0)
        enter_order(position, chunk->at[i]);
    }
  }
  for (auto& [first, paged] : paged_) {
    if (paged.oldest_ms != INT64_MIN && paged.oldest_ms <= until_ms) paged.oldest_ms += by_ms;
  }
  if (expire_ms() != 0) recount_oldest(INT64_MIN);
}

// ---- paging

void Queue::add_paged(Position first, Paged paged) {
  paged_count_ += paged.count;
  paged_bytes_ += paged.bytes;
  tail_ = std::max(tail_, paged.last + 1);
  live_from_ = std::max(live_from_, paged.last + 1);
  live_take_ = std::max(live_take_, live_from_);
  paged_.emplace(first, paged);
  if (expire_ms() != 0 && paged.oldest_ms < oldest_start_ms()) oldest_start_ms_ = paged.oldest_ms;
  publish();
}

const Queue::Paged* Queue::next_paged(Position& first) const {
  if (paged_.empty()) return nullptr;
  first = paged_.begin()->first;
  const Paged& paged = paged_.begin()->second;
  // By any other rule than first-in, what comes first can only be known when all is in memory.
  if (!is_sequential() || untaken_ == 0) return &paged;
  // What lies on disk is backlog; live-first, so is what stands before it in memory.
  Position next = returned_.empty() ? UINT64_MAX : *returned_.begin();
  bool is_found = false;
  for (auto at = chunks_.lower_bound(take_ / kChunk); at != chunks_.end() && !is_found; ++at) {
    const Chunk& chunk = *at->second;
    for (std::size_t i = at->first == take_ / kChunk ? slot(take_) : 0; i < kChunk; ++i) {
      if (!has(chunk.present, i) || has(chunk.taken, i) || chunk.at[i].penalty_until_ms != 0)
        continue;
      next = std::min(next, at->first * kChunk + i);
      is_found = true;
      break;
    }
    if (at->first * kChunk >= std::min(first, next)) break;  // behind what counts here
  }
  return first < next ? &paged : nullptr;
}

void Queue::drop_paged(Position first) {
  const auto found = paged_.find(first);
  RUNNEL_ASSERT(found != paged_.end());
  paged_count_ -= found->second.count;
  paged_bytes_ -= found->second.bytes;
  paged_.erase(found);
  publish();
}

void Queue::shrink_paged(Position first) {
  Paged& paged = paged_.at(first);
  const std::uint64_t bytes = paged.bytes / paged.count;  // about: sizes are known when it is read
  --paged.count;
  paged.bytes -= bytes;
  --paged_count_;
  paged_bytes_ -= bytes;
  if (paged.count == 0) return drop_paged(first);
  publish();
}

void Queue::unsave(const std::function<bool(std::uint64_t row)>& is_gone) {
  for (auto& [number, chunk] : chunks_) {
    for (std::size_t i = 0; i < kChunk; ++i) {
      if (!has(chunk->present, i) || !has(chunk->saved, i) || !is_gone(chunk->places.at(i).batch))
        continue;
      clear(chunk->saved, i);
      ++chunk->unsaved;
      ++unsaved_;
      first_unsaved_ = std::min(first_unsaved_, number * kChunk + i);
    }
  }
}

bool Queue::fold(const FoldOut& wanted, AttributesFolder& folder, std::vector<Attributes*>& gone) {
  auto at = chunks_.lower_bound((is_sequential() ? take_ : 0) / kChunk);
  for (std::size_t i = 0; i < wanted.chunks_kept && at != chunks_.end(); ++i) ++at;
  if (at == chunks_.end()) return false;
  folded_to_ = std::max(folded_to_, at->first * kChunk);
  std::size_t count = 0;
  for (at = chunks_.lower_bound(folded_to_ / kChunk); at != chunks_.end(); ++at) {
    Chunk& chunk = *at->second;
    folded_to_ = std::max(folded_to_, at->first * kChunk);
    for (; folded_to_ < (at->first + 1) * kChunk; ++folded_to_) {
      const std::size_t i = slot(folded_to_);
      if (!has(chunk.present, i)) continue;
      // What is not written yet is looked at when it is.
      if (!has(chunk.saved, i) || chunk.places.at(i).batch > wanted.row_max) return false;
      if (count++ == wanted.count_max) return true;
      FlowRecord& record = chunk.at[i];
      if (has(chunk.taken, i) || record.attributes == nullptr || record.attributes->is_shared())
        continue;
      Attributes* const folded = folder.fold(*record.attributes);
      if (folded == nullptr) continue;
      gone.push_back(record.attributes);
      memory_bytes_ -= record.attributes->memory_bytes();
      record.attributes = folded;
      memory_bytes_ += folded->memory_bytes();
    }
  }
  return false;
}

FlowRecord Queue::page_out(Position position) {
  Chunk* const chunk = chunk_at(position);
  const std::size_t i = slot(position);
  const FlowRecord record = chunk->at[i];
  clear(chunk->present, i);
  clear(chunk->saved, i);
  --chunk->count;
  --present_;
  --untaken_;
  queued_bytes_ -= record.size;
  memory_bytes_ -= weight(record);
  returned_.erase(position);
  if (chunk->count == 0 && chunk != tail_chunk_) forget_chunk(position / kChunk);
  publish();
  return record;
}

std::vector<std::pair<Queue::Position, SavedPlace>> Queue::pageable(const PageOut& wanted,
                                                                    std::uint32_t now_ms) {
  if (!is_sequential()) return {};
  if (spec_.order == QueueRule::kFirstIn) return pageable_from(take_, UINT64_MAX, wanted);
  advance_live(now_ms);
  auto found = pageable_from(take_, live_from_, wanted);
  // So much comes in 10 s that it does not fit: what is paged out is backlog from then on.
  if (found.empty()) found = pageable_from(live_take_, UINT64_MAX, wanted);
  return found;
}

std::vector<std::pair<Queue::Position, SavedPlace>> Queue::pageable_from(
    Position from, Position to, const PageOut& wanted) const {
  std::vector<std::pair<Position, SavedPlace>> found;
  auto first = chunks_.lower_bound(from / kChunk);
  for (std::size_t i = 0; i < wanted.chunks_kept && first != chunks_.end(); ++i) ++first;
  std::uint64_t held = 0;
  std::uint64_t row = 0;
  for (auto at = chunks_.end(); at != first;) {
    --at;
    const Chunk& chunk = *at->second;
    for (std::size_t i = kChunk; i-- > 0;) {
      if (at->first * kChunk + i >= to) continue;
      if (!has(chunk.present, i) || !has(chunk.saved, i)) continue;
      const SavedPlace place = chunk.places.at(i);
      if (place.batch > wanted.row_max) continue;
      if (place.batch != row && held >= wanted.bytes) return found;
      row = place.batch;
      if (has(chunk.taken, i) || chunk.at[i].penalty_until_ms != 0) continue;
      held += weight(chunk.at[i]);
      found.emplace_back(at->first * kChunk + i, place);
    }
  }
  return found;
}

}  // namespace runnel
