// What is shown of a running engine: status, bulletins, queues, metrics. Provenance is shown
// by engine_provenance.cc.

#include <algorithm>

#include "agent/runtime/engine_core.h"

namespace runnel {
namespace {

const MetricFamily kInCount{"runnel_processor_in_flowfiles_total", MetricKind::kCounter,
                            "FlowFiles taken from connections"};
const MetricFamily kInBytes{"runnel_processor_in_bytes_total", MetricKind::kCounter,
                            "Content of FlowFiles taken from connections"};
const MetricFamily kOutCount{"runnel_processor_out_flowfiles_total", MetricKind::kCounter,
                             "FlowFiles put into connections"};
const MetricFamily kOutBytes{"runnel_processor_out_bytes_total", MetricKind::kCounter,
                             "Content of FlowFiles put into connections"};
const MetricFamily kReadBytes{"runnel_processor_read_bytes_total", MetricKind::kCounter,
                              "Content read"};
const MetricFamily kWrittenBytes{"runnel_processor_written_bytes_total", MetricKind::kCounter,
                                 "Content written"};
const MetricFamily kInvocations{"runnel_processor_invocations_total", MetricKind::kCounter,
                                "Calls of the processor"};
const MetricFamily kFailures{"runnel_processor_failures_total", MetricKind::kCounter,
                             "Calls of the processor that failed"};
const MetricFamily kProcessing{"runnel_processor_processing_seconds_total", MetricKind::kCounter,
                               "Time spent in the processor and its commits"};
const MetricFamily kRunning{"runnel_processor_running", MetricKind::kGauge,
                            "1 when the processor runs, also while it backs off"};
const MetricFamily kInFlight{"runnel_processor_in_flight_flowfiles", MetricKind::kGauge,
                             "FlowFiles handed to a client library and not yet decided"};
const MetricFamily kQueued{"runnel_connection_queued_flowfiles", MetricKind::kGauge,
                           "FlowFiles queued"};
const MetricFamily kQueuedBytes{"runnel_connection_queued_bytes", MetricKind::kGauge,
                                "Content of queued FlowFiles"};
const MetricFamily kFull{"runnel_connection_full", MetricKind::kGauge,
                         "1 when the connection holds back who feeds it"};
const MetricFamily kOldest{"runnel_connection_oldest_age_seconds", MetricKind::kGauge,
                           "For how long the FlowFile has been queued that came first"};
const MetricFamily kLoss{"runnel_ledger_flowfiles_total", MetricKind::kCounter,
                         "The loss ledger: in = out + queued + all others"};
const MetricFamily kLossQueued{"runnel_ledger_queued_flowfiles", MetricKind::kGauge,
                               "FlowFiles queued, parked ones included"};
const MetricFamily kLedgerWritten{"runnel_ledger_written_bytes_total", MetricKind::kCounter,
                                  "Bytes the ledger wrote to the disk: database, log, contents"};
const MetricFamily kLedgerWrittenPerDay{
    "runnel_ledger_written_bytes_per_day", MetricKind::kGauge,
    "What the ledger would write in a day at its rate since the start; 0 in the first minute"};
const MetricFamily kLedgerAccepted{"runnel_ledger_accepted_bytes_total", MetricKind::kCounter,
                                   "Bytes of content accepted"};
const MetricFamily kLedgerHealthy{"runnel_ledger_healthy", MetricKind::kGauge,
                                  "1 when the ledger can write"};
const MetricFamily kLedgerMemory{"runnel_ledger_memory_bytes", MetricKind::kGauge,
                                 "Memory of queued FlowFiles"};
const MetricFamily kProvenanceBytes{"runnel_provenance_bytes", MetricKind::kGauge,
                                    "Blocks of provenance on disk"};
const MetricFamily kProvenanceGivenUp{
    "runnel_provenance_given_up_events_total", MetricKind::kCounter,
    "Events that were forgotten because the ledger could not write"};
const MetricFamily kArchiveBytes{"runnel_replay_archive_bytes", MetricKind::kGauge,
                                 "The replay archive on disk"};
const MetricFamily kArchiveLeftOut{"runnel_replay_archive_left_out_flowfiles_total",
                                   MetricKind::kCounter,
                                   "FlowFiles that ended and are not in the replay archive"};
const MetricFamily kLedgerDisk{"runnel_ledger_disk_bytes", MetricKind::kGauge,
                               "Database and content files"};

bool names(const std::string& id, const std::string& path, std::string_view which) {
  return id == which || path == which;
}

}  // namespace

// ---- finding

Result<std::shared_ptr<Node>> EngineCore::find_node(std::string_view which) const {
  const auto now = running();
  if (!now) return not_found("no flow is running");
  std::vector<std::shared_ptr<Node>> by_name;
  for (const std::shared_ptr<Node>& node : now->nodes) {
    const ProcessorNode& model = node->plan().model;
    if (names(model.id, model.path, which)) return node;
    if (model.name == which) by_name.push_back(node);
  }
  if (by_name.size() == 1) return by_name.front();
  return not_found(by_name.empty()
                       ? "no processor `" + std::string(which) + "` in this flow"
                       : "several processors are named `" + std::string(which) +
                             "`; give the path: `" + by_name.front()->plan().model.path + "`");
}

Result<std::shared_ptr<SharedService>> EngineCore::find_service(std::string_view which) const {
  const auto now = running();
  if (!now) return not_found("no flow is running");
  FlowServices::List by_name;
  for (const std::shared_ptr<SharedService>& one : now->services) {
    if (names(one->id(), one->path(), which)) return one;
    if (one->name() == which) by_name.push_back(one);
  }
  if (by_name.size() == 1) return by_name.front();
  return not_found(by_name.empty() ? "no service `" + std::string(which) + "` in this flow"
                                   : "several services are named `" + std::string(which) +
                                         "`; give the path: `" + by_name.front()->path() + "`");
}

Result<Queue*> EngineCore::find_queue(std::string_view which) const {
  const auto now = running();
  std::vector<Queue*> by_name;
  if (now) {
    for (const PlannedQueue& one : now->queues) {
      if (one.connection->id == which) return one.queue;
      if (one.connection->name == which) by_name.push_back(one.queue);
    }
  }
  if (by_name.size() == 1) return by_name.front();
  if (by_name.empty()) {
    if (Queue* parked = ledger_->find(std::string(which))) return parked;
  }
  return not_found(by_name.empty() ? "no connection `" + std::string(which) + "` in this flow"
                                   : "several connections are named `" + std::string(which) +
                                         "`; give the id: `" + by_name.front()->id() + "`");
}

std::shared_ptr<Node> EngineCore::node(std::string_view which) const {
  Result<std::shared_ptr<Node>> found = find_node(which);
  return found.ok() ? *found : nullptr;
}

Queue* EngineCore::queue(std::string_view which) const {
  const Result<Queue*> found = find_queue(which);
  return found.ok() ? *found : nullptr;
}

// ---- status

void EngineCore::fill(ConnectionStatus& status, const PlannedQueue& planned) const {
  const Connection& connection = *planned.connection;
  Queue& queue = *planned.queue;
  status.id = connection.id;
  status.name = connection.name;
  status.group_id = connection.group_id;
  status.from_id = connection.from.id;
  status.from = connection.from.path;
  status.to_id = connection.to.id;
  status.to = connection.to.path;
  for (const NamedPlace& relationship : connection.relationships) {
    status.relationships.push_back(relationship.name);
  }
  status.count = queue.count();
  status.bytes = queue.bytes();
  status.count_max = connection.back_pressure.count;
  status.bytes_max = connection.back_pressure.bytes;
  status.is_full = queue.is_full();
  const std::uint32_t now_ms = ledger_->now_ms();
  Lock lock(ledger_->mutex());
  queue.held();
  const std::uint32_t oldest = queue.oldest_queued_at_ms();
  if (status.count > 0 && oldest != 0 && is_reached(oldest, now_ms))
    status.oldest_age_ms = now_ms - oldest;
  const Queue::Traffic& traffic = queue.traffic();
  status.in_count = traffic.in_count;
  status.in_bytes = traffic.in_bytes;
  status.out_count = traffic.out_count;
  status.out_bytes = traffic.out_bytes;
}

void EngineCore::add_parked(Status& status) const {
  for (const ParkedQueue& parked : ledger_->parked()) {
    ConnectionStatus one;
    one.id = parked.id;
    one.name = parked.name;
    one.from = parked.flow;
    one.is_parked = true;
    one.count = parked.count;
    one.bytes = parked.bytes;
    status.connections.push_back(std::move(one));
  }
}

void EngineCore::add_groups(const Running& running, Status& status) {
  const auto figures = running.gates->figures();
  for (const ProcessGroup* group : all_groups(*running.flow)) {
    const auto found = figures.find(group->id);
    if (found == figures.end()) continue;
    GroupStatus& one = status.groups.emplace_back();
    one.id = group->id;
    one.name = group->name;
    one.path = group->path;
    one.flowfile_concurrency = name_of(group->flowfile_concurrency);
    one.outbound_policy = name_of(group->outbound_policy);
    one.inside_count = found->second.inside;
    one.at_output_count = found->second.at_output;
    one.is_taking_in = found->second.is_taking_in;
    one.is_letting_out = found->second.is_letting_out;
  }
}

Status EngineCore::status() const {
  Status status;
  std::shared_ptr<const Running> now;
  bool is_stopped = false;
  {
    Lock lock(view_);
    now = running_;
    is_stopped = is_stopped_;
  }
  status.agent_id = ledger_->instance_id();
  status.at_ms = clock_.wall_ms();
  if (now) {
    status.flow_name = now->flow->name;
    status.flow_id = now->flow->id;
    status.flow_version = now->flow->version;
    status.state = is_stopped ? FlowState::kStopped : FlowState::kRunning;
    status.started_ms = now->started_ms;
    for (const std::shared_ptr<Node>& node : now->nodes) {
      node->fill(status.processors.emplace_back());
    }
    for (const std::shared_ptr<SharedService>& service : now->services) {
      service->fill(status.services.emplace_back());
    }
    for (const PlannedQueue& queue : now->queues) fill(status.connections.emplace_back(), queue);
    add_groups(*now, status);
  }
  add_parked(status);
  status.loss = ledger_->loss();
  status.drops = ledger_->drops();
  status.ledger = ledger_->status();
  return status;
}

std::vector<Bulletin> EngineCore::bulletins(std::uint64_t since_id) const {
  return bulletins_.since(since_id);
}

// ---- queues

Result<std::uint64_t> EngineCore::purge(std::string_view connection) {
  TRY_ASSIGN(queue, find_queue(connection));
  const std::uint64_t removed = ledger_->purge(*queue);
  TRY(ledger_->flush(kFlushTime).within("removed, but not on disk yet"));
  return removed;
}

Result<std::uint64_t> EngineCore::attach(std::string_view parked, std::string_view connection) {
  TRY_ASSIGN(from, find_queue(parked));
  TRY_ASSIGN(to, find_queue(connection));
  const auto is_parked = [this](const Queue* queue) {
    const auto all = ledger_->parked();
    return std::any_of(all.begin(), all.end(),
                       [queue](const ParkedQueue& one) { return one.id == queue->id(); });
  };
  if (!is_parked(from)) return invalid("`" + std::string(parked) + "` is not parked, or empty");
  if (is_parked(to))
    return invalid("`" + std::string(connection) + "` is no connection of the flow");
  TRY_ASSIGN(moved, ledger_->move_all(*from, *to));
  TRY(ledger_->flush(kFlushTime).within("moved, but not on disk yet"));
  return moved;
}

Result<std::vector<QueuedFlowFile>> EngineCore::list_queue(std::string_view connection,
                                                           std::size_t limit,
                                                           std::size_t bytes_max) const {
  TRY_ASSIGN(queue, find_queue(connection));
  // What an earlier run has left, or what was paged out, lies on disk only. What cannot be read has
  // been told, and is not queued any more.
  const Result<> read = ledger_->page_in(*queue);
  if (!read.ok() && read.code() != Code::kCorrupt) return read.error();
  std::vector<QueuedFlowFile> found;
  std::size_t bytes = 0;
  Lock lock(ledger_->mutex());
  queue->held();
  queue->each([&](Queue::Position position, const FlowRecord& record, bool is_taken) {
    queue->held();
    if (found.size() >= limit || bytes >= bytes_max) return false;
    found.push_back(shown(record, queue->queued_at_ms(position), *ledger_));
    found.back().is_taken = is_taken;
    for (const auto& [name, value] : found.back().attributes) bytes += name.size() + value.size();
    return true;
  });
  return found;
}

Result<PeekedFlowFile> EngineCore::peek(std::string_view connection, std::uint64_t flowfile,
                                        std::size_t content_max) const {
  TRY_ASSIGN(queue, find_queue(connection));
  std::optional<FlowRecord> copy;
  std::uint32_t queued_at_ms = 0;
  bool is_taken_now = false;
  {
    Lock lock(ledger_->mutex());
    queue->held();
    queue->each([&](Queue::Position position, const FlowRecord& record, bool is_taken) {
      queue->held();
      if (record.id != flowfile) return true;
      copy = record;
      queued_at_ms = queue->queued_at_ms(position);
      is_taken_now = is_taken;
      retain(record);
      return false;
    });
  }
  if (!copy) {
    return not_found("FlowFile " + std::to_string(flowfile) + " is not queued there any more");
  }
  Result<PeekedFlowFile> seen = peeked(*copy, queued_at_ms, *ledger_, content_max);
  release(*copy);
  if (seen.ok()) seen->flowfile.is_taken = is_taken_now;
  if (seen.ok() && content_max > 0 && provenance_) {
    const IdRange only{flowfile, flowfile};
    provenance_->add({.kind = ProvenanceKind::kDownload,
                      .at_ms = clock_.wall_ms(),
                      .component = queue->id(),
                      .flowfiles = {&only, 1},
                      .details = "shown to an operator"});
  }
  return seen;
}

Result<std::uint64_t> EngineCore::tap(std::string_view connection, std::size_t count, Tap tap,
                                      std::uint64_t one_of) {
  TRY_ASSIGN(queue, find_queue(connection));
  std::uint64_t number = 0;
  QueueEnds* ends = nullptr;
  {
    Lock lock(view_);
    number = ++last_tap_;
    const auto found = ends_.find(queue->id());
    if (found == ends_.end()) return not_found("nothing enters a parked connection");
    ends = found->second.get();
  }
  ends->add_tap({.number = number,
                 .left = count,
                 .content_max = kTapContentMax,
                 .one_of = std::max<std::uint64_t>(one_of, 1),
                 .tap = std::move(tap)});
  return number;
}

void EngineCore::untap(std::uint64_t number) {
  std::vector<QueueEnds*> all;
  {
    Lock lock(view_);
    for (const auto& [id, ends] : ends_) all.push_back(ends.get());
  }
  for (QueueEnds* ends : all) ends->remove_tap(number);
}

// ---- metrics

void EngineCore::collect(MetricCollection& into) const {
  const Status now = status();
  const auto number = [](auto value) { return static_cast<double>(value); };
  for (const ProcessorStatus& one : now.processors) {
    const MetricLabels labels{{"processor", one.path}, {"type", one.type}};
    into.add(kInCount, labels, number(one.in_count));
    into.add(kInBytes, labels, number(one.in_bytes));
    into.add(kOutCount, labels, number(one.out_count));
    into.add(kOutBytes, labels, number(one.out_bytes));
    into.add(kReadBytes, labels, number(one.read_bytes));
    into.add(kWrittenBytes, labels, number(one.written_bytes));
    into.add(kInvocations, labels, number(one.invocations));
    into.add(kFailures, labels, number(one.failures));
    into.add(kProcessing, labels, number(one.processing_ns) / 1e9);
    into.add(kInFlight, labels, number(one.in_flight));
    const bool is_running = one.state == RunState::kRunning || one.state == RunState::kBackingOff;
    into.add(kRunning, labels, is_running ? 1 : 0);
  }
  for (const ConnectionStatus& one : now.connections) {
    const MetricLabels labels{{"connection", one.name}, {"id", one.id}};
    into.add(kQueued, labels, number(one.count));
    into.add(kQueuedBytes, labels, number(one.bytes));
    into.add(kFull, labels, one.is_full ? 1 : 0);
    into.add(kOldest, labels, number(one.oldest_age_ms) / 1e3);
  }
  const LossFigures& loss = now.loss;
  into.add(kLoss, {{"what", "in"}}, number(loss.in));
  into.add(kLoss, {{"what", "out"}}, number(loss.out));
  into.add(kLoss, {{"what", "expired"}}, number(loss.expired));
  into.add(kLoss, {{"what", "evicted"}}, number(loss.evicted));
  into.add(kLoss, {{"what", "terminated"}}, number(loss.terminated));
  into.add(kLoss, {{"what", "removed"}}, number(loss.removed));
  into.add(kLoss, {{"what", "quarantined"}}, number(loss.quarantined));
  into.add(kLossQueued, {}, number(loss.queued));
  if (provenance_) {
    into.add(kProvenanceBytes, {}, number(provenance_->stored_bytes()));
    into.add(kProvenanceGivenUp, {}, number(provenance_->given_up_events()));
  }
  if (archive_) {
    into.add(kArchiveBytes, {}, number(archive_->bytes()));
    into.add(kArchiveLeftOut, {{"why", "too large"}}, number(archive_->too_large_count()));
    into.add(kArchiveLeftOut, {{"why", "not written"}}, number(archive_->given_up_count()));
  }
  into.add(kLedgerWritten, {}, number(now.ledger.written_bytes));
  into.add(kLedgerWrittenPerDay, {}, number(now.ledger.written_bytes_per_day));
  into.add(kLedgerAccepted, {}, number(now.ledger.accepted_bytes));
  into.add(kLedgerHealthy, {}, now.ledger.is_healthy ? 1 : 0);
  into.add(kLedgerMemory, {}, number(now.ledger.memory_bytes));
  into.add(kLedgerDisk, {}, number(now.ledger.database_bytes + now.ledger.content_bytes));
}

}  // namespace runnel
