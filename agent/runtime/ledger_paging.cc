// Paging in: reading again what lies in the database only.

#include "agent/base/assert.h"
#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

void release_all(const std::vector<FlowRecord>& records) {
  for (const FlowRecord& record : records) {
    release(record);
  }
}

}  // namespace

Result<> Ledger::page_in(Queue& queue) {
  TRY(page_in_one(queue, [&queue](Queue::Position& first) {
    queue.held();
    return queue.next_paged(first);
  }));
  return {};
}

Result<bool> Ledger::page_in_next(Queue& queue) {
  return page_in_one(queue, [&queue](Queue::Position& first) -> const Queue::Paged* {
    queue.held();
    if (queue.paged().empty()) return nullptr;
    first = queue.paged().begin()->first;
    return &queue.paged().begin()->second;
  });
}

Result<> Ledger::quarantine_lost(const std::function<bool(const FlowRecord&)>& is_lost) {
  RUNNEL_ASSERT(options_.is_driven);
  std::vector<Queue*> queues;
  {
    Lock lock(mutex_);
    for (const auto& [id, queue] : queues_) queues.push_back(queue.get());
  }
  for (Queue* const queue : queues) {
    Queue::Position next = 0;
    while (true) {
      const Result<bool> more =
          page_in_one(*queue, [&](Queue::Position& first) -> const Queue::Paged* {
            queue->held();
            const auto found = queue->paged().lower_bound(next);
            if (found == queue->paged().end()) return nullptr;
            first = found->first;
            next = first + 1;
            return &found->second;
          });
      if (!more.ok() && more.code() != Code::kCorrupt) return more.error();
      if (more.ok() && !*more) break;
      std::vector<FlowRecord> gone;
      {
        Lock lock(mutex_);
        queue->held();
        std::vector<Queue::Position> lost;
        queue->each([&](Queue::Position position, const FlowRecord& record, bool is_taken) {
          if (!is_taken && is_lost(record)) lost.push_back(position);
          return true;
        });
        for (const Queue::Position position : lost) {
          gone.push_back(take_out(*queue, position));
          count_drop(gone.back().epoch, End::kQuarantined, gone.back().id);
        }
        settle();
      }
      release_all(gone);
      TRY(flush({}));  // and what was read leaves memory
    }
  }
  return {};
}

Result<bool> Ledger::page_in_one(
    Queue& queue, const std::function<const Queue::Paged*(Queue::Position& first)>& find) {
  Lock paging(paging_mutex_);
  Queue::Paged paged;
  Queue::Position first = 0;
  std::uint32_t count = 0;
  {
    Lock lock(mutex_);
    const Queue::Paged* const found = find(first);
    if (found == nullptr) return false;
    paged = *found;
    count = batches_.at(paged.batch).count;
  }
  TRY(page_in_batch(queue, first, paged, count));
  return true;
}

// Whether a FlowFile of the batch claims a place in which another stands: no row that the ledger
// wrote does.
bool Ledger::is_crowded(Queue& queue, const BatchHead& head, const Batch& batch) {
  queue.held();
  std::uint32_t index = 0;
  for (const PositionRange& range : head.positions) {
    for (std::uint64_t i = 0; i < range.count; ++i, ++index) {
      if (!batch.done[index] && queue.find(range.first + i) != nullptr) return true;
    }
  }
  return false;
}

Result<> Ledger::page_in_batch(Queue& queue, Queue::Position first, Queue::Paged paged,
                               std::uint32_t count) {
  Result<std::vector<FlowRecord>> records =
      corrupt("row " + std::to_string(paged.batch) + " is missing");
  BatchHead head;
  {
    Lock lock(reader_mutex_);
    TRY_ASSIGN(select, prepare_read("SELECT queue, head, effects, body FROM batch WHERE id = ?"));
    select.bind(1, static_cast<std::int64_t>(paged.batch));
    const Result<bool> has_row = select.step();
    if (!has_row.ok() && has_row.code() != Code::kCorrupt) return has_row.error();
    if (has_row.ok() && *has_row) {
      const bool is_sealed = paged.batch >= sealed_from_;
      Result<BatchHead> parsed = BatchHead::unseal(select.text(1), paged.batch,
                                                   static_cast<std::uint64_t>(select.integer(0)),
                                                   select.text(2), !is_sealed);
      if (parsed.ok() && parsed->count != count) parsed = corrupt("row of another length");
      if (parsed.ok()) {
        head = std::move(*parsed);
        std::string room;
        const Result<std::string_view> body = options_.vault.from_disk(
            select.text(3), batch_place(paged.batch, static_cast<std::uint64_t>(select.integer(0))),
            room);
        records = body.ok() ? unpack_body(*body, count, *segments_, is_sealed)
                            : Result<std::vector<FlowRecord>>(body.error());
      } else {
        records = parsed.error();
      }
    } else if (!has_row.ok()) {
      records = has_row.error();
    }
  }
  if (!records.ok() && records.code() != Code::kCorrupt) return records.error();
  std::vector<FlowRecord> gone;
  std::vector<std::shared_ptr<SegmentFile>> lost;
  {
    Lock lock(mutex_);
    queue.held();
    const bool is_there = queue.paged().count(first) != 0;  // else it was evicted meanwhile
    if (is_there) queue.drop_paged(first);
    if (!is_there) {
      if (records.ok()) release_all(*records);
      return {};
    }
    Batch& batch = batches_.at(paged.batch);
    if (records.ok() && is_crowded(queue, head, batch)) {
      release_all(*records);
      records = corrupt("it claims places of other rows");
    }
    if (!records.ok()) {
      lost = batch.segments;
      for (std::uint32_t i = 0; i < batch.count; ++i) {
        if (batch.done[i]) continue;
        note_saved_done({paged.batch, i});
        count_drop(0, End::kQuarantined, 0);
      }
      settle();
    }
    const std::uint32_t at_ms = now_ms();
    std::uint32_t index = 0;
    for (const PositionRange& range : head.positions) {
      for (std::uint64_t i = 0; records.ok() && i < range.count; ++i, ++index) {
        FlowRecord& record = (*records)[index];
        if (record.entry_ms <= batch.until_ms) record.entry_ms += batch.set_by_ms;
        for (const WallStep& step : wall_steps_) {
          if (paged.batch < step.row && record.entry_ms <= step.until_ms)
            record.entry_ms += step.by_ms;
        }
        if (batch.done[index]) {
          gone.push_back(record);
        } else {
          queue.restore(range.first + i, record, {paged.batch, index}, at_ms);
          note_occupied(queue);
        }
      }
    }
  }
  release_all(gone);
  if (records.ok()) return {};
  keep_lost(std::move(lost), {});
  tell(std::to_string(paged.count) + " FlowFiles of `" + queue.id() +
       "` cannot be read and are counted as quarantined (row " + std::to_string(paged.batch) +
       "): " + records.error().text());
  return records.error();
}

}  // namespace runnel
