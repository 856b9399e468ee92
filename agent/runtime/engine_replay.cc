// Replay: FlowFiles that have ended are queued once more, as new ones, where they stood last.

#include <algorithm>

#include "agent/runtime/attributes.h"
#include "agent/runtime/engine_core.h"
#include "agent/runtime/provenance_ranges.h"
#include "agent/runtime/provenance_told.h"

namespace runnel {
namespace {

constexpr std::size_t kBatchBytes = 8 << 20;
constexpr std::size_t kBatch = 256;  // nobody waits longer for the ledger than for a session
constexpr std::size_t kDropEventsMax = 1000;

void refuse(ReplayAnswer& answer, IdRange flowfiles, std::string reason) {
  answer.refused_count += flowfiles.count();
  if (!answer.refused.empty()) {
    ReplayAnswer::Refused& last = answer.refused.back();
    if (last.last + 1 == flowfiles.first && last.reason == reason) {
      last.last = flowfiles.last;
      return;
    }
  }
  if (answer.refused.size() == ReplayAnswer::kListed) return;
  answer.refused.push_back({flowfiles.first, flowfiles.last, std::move(reason)});
}

// Large content belongs into segment files, also when it comes from the archive.
Result<> settle_content(FlowRecord& record, SegmentStore& segments) {
  if (record.size <= kSmallContentMax || !record.content->is_in_memory()) return {};
  ContentBuilder builder(segments);
  TRY(builder.write(record.content->bytes().substr(record.offset, record.size)));
  TRY_ASSIGN(settled, builder.finish());
  record.content->release();
  record.content = settled;
  record.offset = 0;
  return {};
}

void tell_replayed(ProvenanceLog& log, ProvenanceTold& told,
                   std::span<const std::pair<std::uint64_t, FlowRecord>> replayed,
                   std::string_view connection_id, std::int64_t now_ms) {
  std::vector<ProvenanceRecord> records;
  told.put_into(records, now_ms, connection_id);
  // Both are kept until the log has read them.
  std::vector<std::string> values;
  std::vector<IdRange> ids;
  values.reserve(replayed.size() * log.marked_attributes().size());
  ids.reserve(values.capacity());
  for (const std::string& name : log.marked_attributes()) {
    for (const auto& [id, record] : replayed) {
      const auto value = record.attributes ? record.attributes->find(name) : std::nullopt;
      if (!value) continue;
      values.emplace_back(value->substr(0, kMarkValueMax));
      ids.push_back({id, id});
      records.push_back({.kind = kProvenanceMark,
                         .at_ms = now_ms,
                         .component = connection_id,
                         .flowfiles = {&ids.back(), 1},
                         .uri = name,
                         .details = values.back()});
    }
  }
  log.add(records);
}

}  // namespace

Result<> EngineCore::open_archive() {
  if (options_.archive.bytes_max == 0) return {};
  ReplayArchive::Options options = options_.archive;
  options.state_dir = options_.state_dir;
  options.is_driven = options_.is_driven;
  options.vault = options_.ledger.vault;
  TRY_ASSIGN(archive, ReplayArchive::open(std::move(options), ledger_->segments(), clock_));
  archive_ = std::move(archive);
  if (archive_->files_put_aside() > 0) {
    bulletins_.post({}, BulletinLevel::kError,
                    std::to_string(archive_->files_put_aside()) +
                        " files of the replay archive could not be read; they lie in quarantine/");
  }
  return {};
}

const PlannedQueue* EngineCore::planned_queue(const Running& running,
                                              std::string_view queue_id) const {
  for (const PlannedQueue& one : running.queues) {
    if (one.queue->id() == queue_id) return &one;
  }
  return nullptr;
}

// All of one connection. Takes over the references.
void EngineCore::replay_batch(std::vector<ReplayArchive::Ended> batch, bool is_dry_run,
                              ReplayAnswer& answer) {
  if (batch.empty()) return;
  const auto now = running();
  const std::string queue_id = batch.front().queue_id;
  const PlannedQueue* const planned = now ? planned_queue(*now, queue_id) : nullptr;
  if (planned == nullptr) {
    std::string name = queue_id;
    if (Queue* const old = ledger_->find(queue_id)) {
      Lock lock(ledger_->mutex());
      old->held();
      name = old->spec().name;
    }
    for (const ReplayArchive::Ended& one : batch) {
      refuse(answer, {one.record.id, one.record.id},
             "the connection `" + name + "` where it stood is no longer in the flow");
      release(one.record);
    }
    return;
  }
  if (!is_dry_run) {
    std::erase_if(batch, [&](ReplayArchive::Ended& one) {
      const Result<> settled = settle_content(one.record, ledger_->segments());
      if (settled.ok()) return false;
      refuse(answer, {one.record.id, one.record.id}, settled.error().text());
      release(one.record);
      return true;
    });
  }
  Queue& queue = *planned->queue;
  const std::string& name = planned->connection->name;
  const std::int64_t wall_ms = ledger_->wall_ms();
  std::vector<FlowRecord> gone;
  std::vector<std::pair<std::uint64_t, FlowRecord>> replayed;
  ProvenanceTold told;
  {
    // What is put into the queue may be taken and gone before it is told of.
    Lock lock(ledger_->mutex());
    const std::uint32_t now_ms = ledger_->now_ms();
    for (const ReplayArchive::Ended& one : batch) {
      const std::uint64_t old_id = one.record.id;
      if (queue.is_full() || ledger_->is_over_quota()) {
        refuse(answer, {old_id, old_id},
               queue.is_full() ? "the connection `" + name + "` is full"
                               : "the disk's quota is reached");
        gone.push_back(one.record);
        continue;
      }
      std::uint64_t new_id = 0;
      if (is_dry_run) {
        gone.push_back(one.record);
      } else {
        FlowRecord record = one.record;
        record.id = new_id = ledger_->take_ids(1);
        record.entry_ms = wall_ms;
        record.lineage_lead_ms = 0;
        record.penalty_until_ms = 0;
        record.epoch = ledger_->birth_epoch();
        retain(record);
        replayed.emplace_back(new_id, record);
        told.kin(1, ProvenanceKind::kReplay, new_id, old_id);
        ledger_->count_birth(record.epoch, 1);
        ledger_->put(queue, record, now_ms, gone);
        queue.held();
        queue.publish();  // the next one is refused if it is full now
      }
      ++answer.replayed_count;
      if (answer.replayed.size() < ReplayAnswer::kListed)
        answer.replayed.push_back({old_id, new_id, name, one.at_ms});
    }
    ledger_->settle();
  }
  if (provenance_ && !replayed.empty())
    tell_replayed(*provenance_, told, replayed, queue.id(), wall_ms);
  for (const auto& [id, record] : replayed) release(record);
  for (const FlowRecord& record : gone) release(record);
  if (!replayed.empty() && queue.on_ready) queue.on_ready();
}

std::string EngineCore::why_not_held(std::uint64_t flowfile) const {
  static const std::string kOff = "its content is not held: no archive is kept (`replay_archive`)";
  static const std::string kGone =
      "its content is not held: it is older than the archive, or larger than 4 MiB";
  if (flowfile != 0) {
    ProvenanceQuery query;
    query.flowfile = flowfile;
    query.limit = 1;
    if (provenance_) {
      const Result<ProvenanceAnswer> known = provenance_->query(query, {});
      if (known.ok() && known->events.empty()) return "nothing is known of it";
      if (known.ok() && known->events.front().kind == ProvenanceKind::kExpire)
        return "it has expired; what expires is not held";
      if (known.ok() && known->events.front().kind != ProvenanceKind::kDrop)
        return "it has not ended yet: it is queued, or on its way";
    }
  }
  return archive_ ? kGone : kOff;
}

// Of a span of time: what ended there, by provenance, and is not held.
Result<> EngineCore::name_what_is_not_held(const ReplayRequest& request, const IdSet& held,
                                           std::uint64_t fresh, ReplayAnswer& answer) {
  if (!provenance_) return {};
  ProvenanceQuery query;
  query.kind = ProvenanceKind::kDrop;
  query.from_ms = request.from_ms.value_or(0);
  query.to_ms = request.to_ms.value_or(INT64_MAX);
  query.limit = kDropEventsMax;
  TRY_ASSIGN(known, provenance_->query(query, components_of(request.component)));
  const std::string reason = why_not_held(0);
  IdSet not_held;
  IdSet known_held = held;
  known_held.add(IdRange{fresh, UINT64_MAX - 1});
  for (const ProvenanceEvent& event : known.events) {
    std::vector<IdRange> ranges;
    for (const auto& [first, last] : event.flowfiles) ranges.push_back({first, last});
    for (const IdRange& range : difference(ranges, known_held.ranges())) not_held.add(range);
  }
  for (const IdRange& range : not_held.ranges()) refuse(answer, range, reason);
  return {};
}

Result<ReplayAnswer> EngineCore::replay(const ReplayRequest& request) {
  if (!request.flowfile && !request.from_ms && !request.to_ms)
    return invalid("what is to be replayed? Give a FlowFile, or a time");
  Lock control(control_);  // the flow stays what it is
  const auto now = running();
  if (!now) return not_found("no flow is running");
  const std::vector<std::string> components = components_of(request.component);
  ReplayAnswer answer;
  IdSet held;
  // What this replay queues, and what is made of it, may have ended before the replay is over, and
  // within the span of time that is asked for: it is not meant.
  const std::uint64_t fresh = ledger_->take_ids(1);
  std::vector<ReplayArchive::Ended> batch;
  std::size_t batch_bytes = 0;
  const auto replay_one = [&](ReplayArchive::Ended one) {
    const PlannedQueue* const planned = planned_queue(*now, one.queue_id);
    const bool is_meant = components.empty() ||
                          (planned && std::find(components.begin(), components.end(),
                                                planned->connection->to.id) != components.end());
    // One that ended twice (its last end was undone by a crash) is replayed once.
    if (!is_meant || one.record.id >= fresh || (request.flowfile && !held.is_empty())) {
      release(one.record);
      return true;
    }
    held.add(one.record.id);
    if (!batch.empty() && (batch.size() == kBatch || batch_bytes > kBatchBytes ||
                           batch.front().queue_id != one.queue_id)) {
      replay_batch(std::exchange(batch, {}), request.is_dry_run, answer);
      batch_bytes = 0;
    }
    batch_bytes += one.record.size;
    batch.push_back(std::move(one));
    return true;
  };
  if (archive_) {
    answer.damaged_blocks = archive_->each({.flowfile = request.flowfile,
                                            .from_ms = request.from_ms.value_or(0),
                                            .to_ms = request.to_ms.value_or(INT64_MAX)},
                                           replay_one);
    replay_batch(std::move(batch), request.is_dry_run, answer);
  }
  if (!request.flowfile) {
    TRY(name_what_is_not_held(request, held, fresh, answer));
  } else if (held.is_empty()) {
    refuse(answer, {*request.flowfile, *request.flowfile}, why_not_held(*request.flowfile));
  }
  return answer;
}

}  // namespace runnel
