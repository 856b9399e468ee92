// What a commit moves under the ledger's mutex: FlowFiles that follow one another and go the same
// way are one row, so that what is done for each of them by itself is little.

#include <array>

#include "agent/runtime/attributes.h"
#include "agent/runtime/session_core.h"
#include "agent/runtime/session_parts.h"

namespace runnel {

// Side by side in one queue, or all made here.
struct SessionCore::Row {
  static constexpr std::size_t kMax = 64;

  Work& operator[](std::size_t i) { return static_cast<Work&>(*works[i]); }
  bool takes(const Work& next) {
    if (count == 0) return true;
    if (count == kMax) return false;
    const Work& last = (*this)[count - 1];
    if (next.course() != last.course() || next.from != last.from || next.epoch != last.epoch)
      return false;
    return next.from == nullptr ||
           (next.position == last.position + 1 && next.stored->epoch == last.stored->epoch);
  }

  void replace_nothing() {
    for (std::size_t i = 0; i < count; ++i) {
      attributes[i] = nullptr;
      contents[i] = nullptr;
    }
  }

  std::size_t count = 0;
  std::array<FlowRecord*, kMax> works;  // each is a Work
  // What the queue's record of each held that this session has replaced; ours to let go.
  std::array<Attributes*, kMax> attributes;
  std::array<Content*, kMax> contents;
};

// Delivered, dropped on purpose or auto-terminated: what expired would only expire again.
bool SessionCore::ends_here(const Work& work) const {
  return work.fate == Fate::kDrop ||
         (work.fate == Fate::kTransfer && wiring_.outlets[work.to].queues.empty());
}

inline bool SessionCore::has_retries() const {
  for (const Outlet& outlet : wiring_.outlets) {
    if (outlet.retry) return true;
  }
  return false;
}

bool SessionCore::retried(Work& work) {
  if (work.fate != Fate::kTransfer || !wiring_.outlets[work.to].retry) return false;
  std::chrono::milliseconds yields{0};
  if (!sent_back(ledger_, wiring_.outlets[work.to], *work.from, work.position, yields))
    return false;
  if (yields.count() > 0 && wiring_.on_yield) wiring_.on_yield(yields);
  return true;
}

// What was not replaced is handed on with its reference; what was replaced is let go.
inline void SessionCore::take_out(Row& row, Moved& moved) {
  const Work& first = row[0];
  Queue& from = *first.from;
  from.held();
  const bool is_archived = wiring_.archive != nullptr && ends_here(first);
  for (std::size_t i = 0; i < row.count; ++i) {
    Work& work = row[i];
    const FlowRecord& old = *work.stored;
    // It may have followed the wall clock. (Mostly not: what is not written now is copied sooner.)
    const std::int64_t entry_ms = old.entry_ms + from.owed_ms(work.position);
    if (work.entry_ms != entry_ms) work.entry_ms = entry_ms;
    if (is_archived) {
      retain(old);
      ended_.push_back({from.id(), wall_ms_, old});
      ended_.back().record.entry_ms = work.entry_ms;
    }
    const bool has_other_content =
        work.owns_content || (work.has_new_content && work.content == nullptr);
    row.attributes[i] = work.owns_attributes ? old.attributes : nullptr;
    row.contents[i] = has_other_content ? old.content : nullptr;
  }
  // Its figures are published when all is done.
  if (from.is_full() && (roomy_.empty() || roomy_.back() != &from)) roomy_.push_back(&from);
  moved.in_count += row.count;
  moved.in_bytes += ledger_.let_out(from, first.position, row.count, first.stored->epoch);
}

// To their end. Their references are with us, to be let go later.
inline void SessionCore::end(Row& row, Moved& moved) {
  const Work& first = row[0];
  if (first.fate == Fate::kExpired) {
    for (std::size_t i = 0; i < row.count; ++i)
      ledger_.count_drop(first.epoch, End::kExpired, row[i].id);
  } else {
    const bool is_terminated = first.fate == Fate::kTransfer && !first.is_sent;
    ledger_.count_end(first.epoch, is_terminated ? End::kTerminated : End::kOut, row.count);
  }
  moved.dropped_count += row.count;
  for (std::size_t i = 0; i < row.count; ++i) {
    Work& work = row[i];
    work.owns_attributes = work.attributes != nullptr;
    work.owns_content = work.content != nullptr;
    if (row.attributes[i] == nullptr && row.contents[i] == nullptr) continue;
    FlowRecord& gone = gone_.emplace_back();
    gone.attributes = row.attributes[i];
    gone.content = row.contents[i];
  }
}

// Into the next queue. What is left of their references with us is let go later.
inline void SessionCore::send_on(Row& row, std::uint32_t at_ms, Moved& moved) {
  const Work& first = row[0];
  Queue& to = *wiring_.outlets[first.to].queues[first.way];
  for (std::size_t i = 0; i < row.count; ++i) {
    Work& work = row[i];
    moved.out_bytes += work.size;
    if (!work.is_penalized && work.penalty_until_ms == 0) continue;
    work.penalty_until_ms =
        work.is_penalized ? at_ms + static_cast<std::uint32_t>(wiring_.penalty.count()) : 0;
  }
  moved.out_count += row.count;
  const std::size_t gone_before = gone_.size();
  ledger_.put(to, std::span(row.works).first(row.count), at_ms, gone_);
  for (std::size_t i = gone_before; i < gone_.size(); ++i) evicted_.add(gone_[i].id);
  if (readied_.empty() || readied_.back() != &to) readied_.push_back(&to);
  for (std::size_t i = 0; i < row.count; ++i) {
    Work& work = row[i];
    work.attributes = row.attributes[i];
    work.content = row.contents[i];
    work.owns_attributes = work.attributes != nullptr;
    work.owns_content = work.content != nullptr;
  }
}

void SessionCore::move(Row& row, std::uint32_t at_ms, Moved& moved) {
  const Work& first = row[0];
  if (first.from != nullptr) {
    take_out(row, moved);
  } else {
    ledger_.count_birth(first.epoch, row.count);
    moved.made_count += row.count;
    row.replace_nothing();
  }
  if (first.fate == Fate::kTransfer && !wiring_.outlets[first.to].queues.empty()) {
    send_on(row, at_ms, moved);
  } else {
    end(row, moved);
  }
  row.count = 0;
}

void SessionCore::move_all(std::uint32_t at_ms, Moved& moved) {
  const bool may_retry = has_retries();
  Row row;
  works_.each([&](Work& work) {
    ledger_.held();
    if (work.fate == Fate::kHanded) return;
    if (work.from != nullptr) {
      moved.has_inputs = true;
      if (work.fate == Fate::kKept ? give_back_kept(work) : may_retry && retried(work)) {
        release(work);
        work.fate = Fate::kHanded;  // it is as it was: nothing is told of it
        return;
      }
    }
    if (!row.takes(work)) move(row, at_ms, moved);
    row.works[row.count++] = &work;
  });
  if (row.count != 0) move(row, at_ms, moved);
}

void SessionCore::count(const Moved& moved) {
  ProcessorCounters& counters = *wiring_.counters;
  counters.in_count.add(moved.in_count);
  counters.in_bytes.add(moved.in_bytes);
  counters.out_count.add(moved.out_count);
  counters.out_bytes.add(moved.out_bytes);
  counters.made_count.add(moved.made_count);
  counters.dropped_count.add(moved.dropped_count);
  counters.read_bytes.add(read_bytes_);
  counters.written_bytes.add(written_bytes_);
  counters.sessions.add(1);
  counters.last_session_ms.store(wall_ms_, std::memory_order_relaxed);
}

}  // namespace runnel
