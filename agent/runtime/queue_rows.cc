// What enters a queue and what is done in it, row by row: what one commit moves alike.

#include <algorithm>

#include "agent/base/assert.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/content.h"
#include "agent/runtime/queue.h"

namespace runnel {

// What FlowFiles hold. Each one is weighed twice in each queue.
struct Queue::Weight {
  std::uint64_t bytes = 0;
  std::uint64_t held = 0;      // in memory
  std::uint64_t contents = 0;  // of that

  void add(const FlowRecord& record) {
    bytes += record.size;
    held += sizeof(Chunk) / kChunk;
    if (record.attributes != nullptr) held += record.attributes->memory_bytes();
    if (record.content == nullptr || !record.content->is_in_memory()) return;
    contents += record.size;
    held += record.size + 32;
  }
};

std::uint64_t Queue::weight(const FlowRecord& record) {
  Weight weight;
  weight.add(record);
  return weight.held;
}

// ---- entering

Queue::Chunk& Queue::open_tail() {
  Chunk* const full = std::exchange(tail_chunk_, &chunk_for(tail_));
  if (full != nullptr && full->count == 0) forget_chunk(tail_ / kChunk - 1);
  return *tail_chunk_;
}

// (Written once and compiled twice: a row of one, as with a session for each FlowFile, is the other
// common case, and takes half the time where that is known.)
[[gnu::always_inline]] inline Queue::Passed Queue::append_row(const FlowRecord* const* records,
                                                              std::size_t count,
                                                              std::uint32_t now_ms) {
  const Position first = tail_;
  Weight weight;
  std::uint32_t penalties = 0;
  for (std::size_t next = 0; next < count;) {
    Chunk& chunk = tail_chunk_ == nullptr || slot(tail_) == 0 ? open_tail() : *tail_chunk_;
    const std::size_t begin = slot(tail_);
    const std::size_t end = std::min(kChunk, begin + (count - next));
    for (std::size_t i = begin; i < end; ++i, ++next) {
      const FlowRecord& record = *records[next];
      chunk.at[i] = record;
      chunk.queued_at_ms[i] = now_ms;
      weight.add(record);
      penalties |= record.penalty_until_ms;
    }
    chunk.present[0] |= bits_of(begin, end);
    chunk.count += static_cast<std::uint32_t>(end - begin);
    chunk.unsaved += static_cast<std::uint32_t>(end - begin);
    tail_ += end - begin;
  }
  if (unsaved_ == 0) first_unsaved_ = first;
  unsaved_ += count;
  present_ += count;
  queued_bytes_ += weight.bytes;
  memory_bytes_ += weight.held;
  traffic_.in_count += count;
  traffic_.in_bytes += weight.bytes;
  if (penalties == 0 && is_sequential() && expire_ms() == 0 && !tap) [[likely]] {
    untaken_ += count;
  } else {
    for (std::size_t i = 0; i < count; ++i) note_entered(first + i, *records[i]);
  }
  return {weight.bytes, weight.contents + count * kUnsavedEach};
}

Queue::Passed Queue::append(std::span<const FlowRecord* const> records, std::uint32_t now_ms) {
  return records.size() == 1 ? append_row(records.data(), 1, now_ms) : append_many(records, now_ms);
}

[[gnu::noinline]] Queue::Passed Queue::append_many(std::span<const FlowRecord* const> records,
                                                   std::uint32_t now_ms) {
  return append_row(records.data(), records.size(), now_ms);
}

void Queue::note_entered(Position position, const FlowRecord& record) {
  note_start(record);
  if (record.penalty_until_ms != 0) {
    penalized_.emplace(record.penalty_until_ms, position);
  } else {
    ++untaken_;
    if (!is_sequential()) enter_order(position, record);
  }
  if (tap) tap(record);
}

Queue::Position Queue::append(const FlowRecord& record, std::uint32_t now_ms) {
  const Position position = tail_;
  const FlowRecord* const one = &record;
  append({&one, 1}, now_ms);
  return position;
}

// ---- leaving

[[gnu::always_inline]] inline Queue::Passed Queue::done_row(Position first, std::size_t count,
                                                            std::vector<SavedPlace>& saved) {
  if (!attempts_.empty() || !owed_ms_.empty()) [[unlikely]]
    forget_past(first, first + count);
  Weight weight;
  Weight of_saved;
  const std::size_t saved_before = saved.size();
  for (Position position = first; position < first + count;) {
    Chunk* const chunk = chunk_at(position);
    RUNNEL_ASSERT(chunk != nullptr);
    const std::size_t begin = slot(position);
    const std::size_t end = std::min(kChunk, begin + (first + count - position));
    const std::uint64_t row = bits_of(begin, end);
    RUNNEL_ASSERT((chunk->present[0] & row) == row);
    if ((chunk->taken[0] & row) != row) forget_waiting(*chunk, position, end - begin);
    for (std::size_t i = begin; i < end; ++i) weight.add(chunk->at[i]);
    auto unsaved = static_cast<std::uint32_t>(end - begin);
    for (std::uint64_t bits = chunk->saved[0] & row; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(bits));
      saved.push_back(chunk->places.at(i));
      of_saved.add(chunk->at[i]);
      --unsaved;
    }
    chunk->present[0] &= ~row;
    chunk->taken[0] &= ~row;
    chunk->saved[0] &= ~row;
    chunk->unsaved -= unsaved;
    chunk->count -= static_cast<std::uint32_t>(end - begin);
    // A chunk goes when its own are done; the one that is being filled stays.
    if (chunk->count == 0 && chunk != tail_chunk_) forget_chunk(position / kChunk);
    position += end - begin;
  }
  const std::size_t unsaved = count - (saved.size() - saved_before);
  unsaved_ -= unsaved;
  present_ -= count;
  queued_bytes_ -= weight.bytes;
  memory_bytes_ -= weight.held;
  traffic_.out_count += count;
  traffic_.out_bytes += weight.bytes;
  return {weight.bytes, weight.contents - of_saved.contents + unsaved * kUnsavedEach};
}

Queue::Passed Queue::done(Position first, std::size_t count, std::vector<SavedPlace>& saved) {
  return count == 1 ? done_row(first, 1, saved) : done_many(first, count, saved);
}

[[gnu::noinline]] Queue::Passed Queue::done_many(Position first, std::size_t count,
                                                 std::vector<SavedPlace>& saved) {
  return done_row(first, count, saved);
}

// Those that are removed while they wait.
void Queue::forget_waiting(const Chunk& chunk, Position first, std::size_t count) {
  for (Position position = first; position < first + count; ++position) {
    const std::size_t i = slot(position);
    if (has(chunk.taken, i)) continue;
    const std::uint32_t until_ms = chunk.at[i].penalty_until_ms;
    if (until_ms == 0) {
      --untaken_;
      if (!returned_.empty()) returned_.erase(position);
      continue;
    }
    const auto [from, to] = penalized_.equal_range(until_ms);
    const auto found =
        std::find_if(from, to, [position](const auto& one) { return one.second == position; });
    if (found != to) penalized_.erase(found);
  }
}

// What is known of their past.
void Queue::forget_past(Position first, Position last) {
  for (Position position = first; position < last; ++position) {
    attempts_.erase(position);
    owed_ms_.erase(position);
  }
}

}  // namespace runnel
