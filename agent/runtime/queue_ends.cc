// Wakes the nodes at both ends of a queue, and shows who taps it what enters.

#include "agent/runtime/queue_ends.h"

#include <algorithm>
#include <utility>

#include "agent/runtime/attributes.h"
#include "agent/runtime/content.h"

namespace runnel {

QueuedFlowFile shown(const FlowRecord& record, std::uint32_t queued_at_ms, Ledger& ledger) {
  QueuedFlowFile out;
  out.id = record.id;
  out.uuid = flowfile_uuid(ledger.instance_id(), record.id);
  out.size = record.size;
  out.entry_ms = record.entry_ms;
  out.lineage_start_ms = record.lineage_start_ms();
  const std::uint32_t now_ms = ledger.now_ms();
  if (queued_at_ms != 0) {
    const bool is_past = is_reached(queued_at_ms, now_ms);
    out.queued_ms = ledger.clock().wall_ms() - (is_past ? now_ms - queued_at_ms : 0);
  }
  out.is_penalized = record.penalty_until_ms != 0 && !is_reached(record.penalty_until_ms, now_ms);
  out.attributes.emplace_back("uuid", out.uuid);
  if (record.attributes != nullptr) {
    record.attributes->each([&out](std::string_view name, std::string_view value) {
      if (name != "uuid") out.attributes.emplace_back(name, value);
    });
  }
  std::sort(out.attributes.begin(), out.attributes.end());
  return out;
}

Result<PeekedFlowFile> peeked(const FlowRecord& record, std::uint32_t queued_at_ms, Ledger& ledger,
                              std::size_t content_max) {
  PeekedFlowFile out;
  out.flowfile = shown(record, queued_at_ms, ledger);
  out.is_cut = record.size > content_max;
  out.content.resize(std::min<std::uint64_t>(record.size, content_max));
  if (out.content.empty()) return out;
  const auto reader = reader_of(record.content, record.offset, record.size);
  std::size_t filled = 0;
  while (filled < out.content.size()) {
    TRY_ASSIGN(got, reader->read(std::span<char>(out.content).subspan(filled)));
    if (got == 0) return corrupt("the content ends early");
    filled += got;
  }
  return out;
}

QueueEnds::QueueEnds(Ledger& ledger, Queue& queue, ExpiryTimer& expiry)
    : ledger_(ledger), queue_(queue), expiry_(expiry) {}

QueueEnds::~QueueEnds() {
  for (const FlowRecord& record : tapped_) release(record);
}

void QueueEnds::attach() {
  queue_.on_ready = [this] { on_ready(); };
  queue_.on_room = [this] { on_room(); };
}

void QueueEnds::connect(std::shared_ptr<Node> producer, std::shared_ptr<Node> consumer) {
  // The old ones go when the mutex is free: their end may take long.
  Lock lock(mutex_);
  producer_.swap(producer);
  consumer_.swap(consumer);
}

void QueueEnds::on_ready() {
  if (is_tapped_.load(std::memory_order_relaxed)) show_tapped();
  expiry_.entered(queue_);
  std::shared_ptr<Node> consumer;
  {
    Lock lock(mutex_);
    consumer = consumer_;
  }
  if (consumer) consumer->on_input();
}

void QueueEnds::on_room() {
  std::shared_ptr<Node> producer;
  {
    Lock lock(mutex_);
    producer = producer_;
  }
  if (producer) producer->on_room();
}

// Called by the queue under the ledger's mutex, so only a copy is made here.
void QueueEnds::listen(bool listens) {
  is_tapped_ = listens;
  Lock lock(ledger_.mutex());
  queue_.held();
  if (!listens) {
    queue_.tap = nullptr;
    return;
  }
  queue_.tap = [this](const FlowRecord& record) {
    if (tapped_.size() >= kTappedMax) return;
    retain(record);
    tapped_.push_back(record);
  };
}

void QueueEnds::add_tap(Tapping tapping) {
  if (tapping.left == 0) return;
  Lock lock(showing_);
  taps_.push_back(std::move(tapping));
  listen(true);
}

void QueueEnds::remove_tap(std::uint64_t number) {
  Lock lock(showing_);
  std::erase_if(taps_, [number](const Tapping& one) { return one.number == number; });
  if (taps_.empty()) listen(false);
}

void QueueEnds::show_tapped() {
  std::vector<FlowRecord> entered;
  {
    Lock lock(showing_);
    {
      Lock ledger_lock(ledger_.mutex());
      entered.swap(tapped_);
    }
    for (const FlowRecord& record : entered) {
      for (Tapping& one : taps_) {
        if (++one.seen < one.one_of) continue;
        one.seen = 0;
        const Result<PeekedFlowFile> seen =
            peeked(record, ledger_.now_ms(), ledger_, one.content_max);
        if (seen.ok()) one.tap(*seen);
        --one.left;
      }
      std::erase_if(taps_, [](const Tapping& one) { return one.left == 0; });
    }
    if (taps_.empty()) listen(false);
  }
  for (const FlowRecord& record : entered) release(record);
}

}  // namespace runnel
