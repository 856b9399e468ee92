// Builds a flow around one processor: a queue in front of it, a queue behind each relationship.

#include "tests/support/processor_runner.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/runtime/queue_ends.h"
#include "processors/registry.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

ProcessorType registered(std::string_view name) {
  const ProcessorType* type = find_processor_type(name);
  REQUIRE_MESSAGE(type != nullptr, "no processor type `" << std::string(name) << "`");
  return *type;
}

// What the harness itself puts in and takes out goes through a session like any other.
struct Hand {
  Hand(Ledger& ledger, std::vector<Queue*> inputs, std::vector<Outlet> outlets)
      : line(ledger.open_line()) {
    wiring.processor_id = "harness";
    wiring.inputs = std::move(inputs);
    wiring.outlets = std::move(outlets);
    wiring.line = line;
    hand_over = std::make_unique<HandOver>(ledger, wiring);
    session = std::make_unique<SessionCore>(ledger, wiring, *hand_over);
    closes = [&ledger, this] { ledger.close_line(line); };
  }
  ~Hand() {
    session.reset();
    closes();
  }
  std::shared_ptr<SafeLine> line;
  Wiring wiring;
  std::unique_ptr<HandOver> hand_over;
  std::unique_ptr<SessionCore> session;
  std::function<void()> closes;
};

}  // namespace

const std::string& TakenFlowFile::attribute(const std::string& name) const {
  const auto found = attributes.find(name);
  REQUIRE_MESSAGE(found != attributes.end(), "no attribute `" << name << "`");
  return found->second;
}

ProcessorRunner::ProcessorRunner(std::string_view type, PropertyValues properties, Options options)
    : ProcessorRunner(registered(type), std::move(properties), std::move(options)) {}

ProcessorRunner::ProcessorRunner(ProcessorType type, PropertyValues properties, Options options)
    : types_{std::move(type)},
      properties_(std::move(properties)),
      options_(std::move(options)),
      directory_(options_.state_dir) {
  if (directory_.empty()) {
    std::string name = (std::filesystem::temp_directory_path() / "runnel-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    is_temporary_ = true;
  }
  for (const PropertyComplaint& complaint : check_values(types_[0].spec, properties_)) {
    FAIL_CHECK(complaint.property << ": " << complaint.text);
  }
  service_types_.assign(service_types().begin(), service_types().end());
  service_types_.insert(service_types_.end(), options_.service_types.begin(),
                        options_.service_types.end());
  for (const auto& [name, service] : options_.services) {
    const ServiceType* known = find_service(service.type);
    REQUIRE_MESSAGE(known != nullptr, "no service type `" << service.type << "`");
    for (const PropertyComplaint& complaint : check_values(known->spec, service.properties)) {
      FAIL_CHECK(name << ": " << complaint.property << ": " << complaint.text);
    }
  }
  open();
}

ProcessorRunner::~ProcessorRunner() {
  engine_.reset();
  if (is_temporary_) std::filesystem::remove_all(directory_);
}

const ServiceType* ProcessorRunner::find_service(std::string_view type) const {
  for (const ServiceType& one : service_types_) {
    if (one.spec.type == type) return &one;
  }
  return nullptr;
}

void ProcessorRunner::open() {
  EngineOptions options;
  options.ledger.disk = options_.disk;
  options.state_dir = directory_;
  options.types = types_;
  options.services = service_types_;
  options.clock = options_.clock ? options_.clock : &own_clock_;
  options.is_driven = true;
  Result<std::unique_ptr<EngineCore>> opened = EngineCore::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  engine_ = std::move(opened).value();
  const Result<> started = engine_->start(flow());
  if (options_.must_start) REQUIRE_MESSAGE(started.ok(), started.error().text());
  start_error_ = started.ok() ? status().last_error : started.error().text();
  if (options_.must_start) CHECK_MESSAGE(start_error_.empty(), start_error_);
}

std::vector<std::string> ProcessorRunner::relationships() const {
  const ComponentSpec& spec = types_[0].spec;
  std::vector<std::string> names;
  for (const RelationshipSpec& one : spec.relationships) names.push_back(one.name);
  if (spec.dynamic_properties && spec.dynamic_properties->makes_relationship) {
    for (const auto& [name, value] : properties_) {
      if (spec.property(name) == nullptr) names.push_back(name);
    }
  }
  return names;
}

std::string ProcessorRunner::queue_id(std::string_view name) {
  return connection_id("test", "", name);
}

std::shared_ptr<const Flow> ProcessorRunner::flow() const {
  auto flow = std::make_shared<Flow>();
  flow->name = "test";
  flow->id = flow_id(flow->name);
  ProcessGroup& root = flow->root;
  root.name = flow->name;
  ProcessorNode node;
  for (const auto& [name, service] : options_.services) {
    ServiceNode& one = root.services.emplace_back();
    one.name = one.path = name;
    one.id = element_id(flow->name, name);
    one.type = service.type;
    one.properties = service.properties;
    one.bulletin_level = LogLevel::kDebug;
  }
  node.name = node.path = options_.name;
  node.id = element_id(flow->name, node.path);
  node.type = types_[0].spec.type;
  node.properties = properties_;
  node.schedule = options_.schedule;
  node.run_duration = options_.run_duration;
  node.concurrent_tasks = options_.concurrent_tasks;
  node.penalty_period = options_.penalty_period;
  node.yield_period = options_.yield_period;
  node.retry = options_.retry;
  node.bulletin_level = LogLevel::kDebug;
  for (const std::string& name : options_.terminate) node.terminate.push_back({name, {}});
  const auto connect = [&](const std::string& name, Endpoint from, Endpoint to,
                           const BackPressure& limit) {
    Connection connection;
    connection.name = name;
    connection.id = queue_id(name);
    connection.from = std::move(from);
    connection.to = std::move(to);
    connection.back_pressure = limit;
    root.connections.push_back(std::move(connection));
  };
  const auto funnel = [&](const std::string& name) {
    Funnel one;
    one.name = one.path = name;
    one.id = element_id(flow->name, name);
    root.funnels.push_back(one);
    return Endpoint{EndpointKind::kFunnel, one.id, one.path, {}};
  };
  const Endpoint subject{EndpointKind::kProcessor, node.id, node.path, {}};
  const bool takes = types_[0].spec.input != InputRule::kForbidden;
  if (options_.has_input.value_or(takes)) {
    // The harness puts in by hand; the funnel in front only makes it a connection.
    connect("> input", funnel("> source"), subject, {.count = 0, .bytes = 0});
  }
  for (const std::string& name : relationships()) {
    const auto is_in = [&name](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    if (is_in(options_.terminate) || is_in(options_.leave_out)) continue;
    connect(name, subject, funnel("< " + name), options_.output_limit);
    root.connections.back().relationships.push_back({name, {}});
  }
  root.processors.push_back(std::move(node));
  return flow;
}

std::uint64_t ProcessorRunner::enqueue(std::string_view content,
                                       const std::map<std::string, std::string>& attributes) {
  Queue* queue = engine_->queue("> input");
  REQUIRE_MESSAGE(queue != nullptr, "this processor has no input");
  Hand hand(engine_->ledger(), {}, {{.name = "in", .queues = {queue}}});
  hand.session->begin_call();
  FlowFile made = hand.session->create();
  const std::uint64_t id = made.id();
  for (const auto& [name, value] : attributes) made.set(name, value);
  const Result<> written = hand.session->write(made, content);
  REQUIRE_MESSAGE(written.ok(), written.error().text());
  hand.session->transfer(made, Relationship{0});
  REQUIRE(hand.session->end_call().ok());
  hand.session->commit();
  return id;
}

std::size_t ProcessorRunner::run(std::size_t slices_max) {
  return engine_->scheduler().run_ready(slices_max);
}

bool ProcessorRunner::run_until(const std::function<bool()>& is_done,
                                std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    run();
    if (is_done()) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return false;
    // A client's thread may change what is asked for without a wake: look again now and then.
    engine_->scheduler().wait_for_wake(std::min<std::chrono::milliseconds>(left, 20ms));
  }
}

std::size_t ProcessorRunner::advance(std::chrono::nanoseconds by) {
  REQUIRE(options_.clock == nullptr);
  own_clock_.advance(by);
  return run();
}

void ProcessorRunner::flush() {
  const Result<> flushed = engine_->ledger().flush(30s);
  REQUIRE_MESSAGE(flushed.ok(), flushed.error().text());
}

void ProcessorRunner::damage_content(std::size_t at) const {
  std::fstream file(directory_ + "/content/1.blk", std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  REQUIRE(byte != EOF);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x10));
  file.close();
  REQUIRE(file.good());
}

TakenFlowFile ProcessorRunner::seen(const FlowRecord& record) const {
  // When it came to its queue is shown nowhere here.
  const Result<PeekedFlowFile> peeked_at =
      peeked(record, 0, engine_->ledger(), std::size_t{1} << 30);
  REQUIRE_MESSAGE(peeked_at.ok(), peeked_at.error().text());
  TakenFlowFile out;
  out.id = record.id;
  out.content = peeked_at->content;
  out.is_penalized = peeked_at->flowfile.is_penalized;
  out.entry_ms = peeked_at->flowfile.entry_ms;
  out.lineage_start_ms = peeked_at->flowfile.lineage_start_ms;
  for (const auto& [name, value] : peeked_at->flowfile.attributes) out.attributes[name] = value;
  return out;
}

std::vector<TakenFlowFile> ProcessorRunner::taken(std::string_view relationship) {
  Queue* queue = engine_->queue(queue_id(relationship));
  REQUIRE_MESSAGE(queue != nullptr, "no relationship `" << std::string(relationship) << "`");
  std::vector<TakenFlowFile> all;
  Ledger& ledger = engine_->ledger();
  // What lies on disk only comes first: `purge` would drop it unread.
  Result<bool> has_paged = true;
  while (has_paged.ok() && *has_paged) has_paged = ledger.page_in_next(*queue);
  REQUIRE_MESSAGE(has_paged.ok(), has_paged.error().text());
  std::vector<FlowRecord> records;
  {
    Lock lock(ledger.mutex());
    queue->each([&](Queue::Position, const FlowRecord& record, bool) {
      retain(record);
      records.push_back(record);
      return true;
    });
  }
  for (const FlowRecord& record : records) {
    all.push_back(seen(record));
    release(record);
  }
  // Not in vain: it wakes the processor.
  if (!records.empty()) REQUIRE(ledger.purge(*queue) == records.size());
  return all;
}

std::size_t ProcessorRunner::count(std::string_view relationship) const {
  const Queue* queue = engine_->queue(queue_id(relationship));
  REQUIRE_MESSAGE(queue != nullptr, "no relationship `" << std::string(relationship) << "`");
  return queue->count();
}

std::size_t ProcessorRunner::queued() const {
  const Queue* queue = engine_->queue("> input");
  REQUIRE_MESSAGE(queue != nullptr, "this processor has no input");
  return queue->count();
}

std::vector<TakenFlowFile> ProcessorRunner::waiting() const {
  Queue* queue = engine_->queue("> input");
  REQUIRE_MESSAGE(queue != nullptr, "this processor has no input");
  std::vector<FlowRecord> records;
  {
    Lock lock(engine_->ledger().mutex());
    queue->each([&](Queue::Position, const FlowRecord& record, bool) {
      retain(record);
      records.push_back(record);
      return true;
    });
  }
  std::vector<TakenFlowFile> all;
  for (const FlowRecord& record : records) {
    all.push_back(seen(record));
    release(record);
  }
  return all;
}

std::vector<Bulletin> ProcessorRunner::bulletins() const { return engine_->bulletins(0); }

bool ProcessorRunner::has_bulletin(std::string_view text) const {
  const std::vector<Bulletin> all = bulletins();
  return std::any_of(all.begin(), all.end(), [text](const Bulletin& bulletin) {
    return bulletin.text.find(text) != std::string::npos;
  });
}

std::vector<ProvenanceEvent> ProcessorRunner::events() const {
  ProvenanceQuery query;
  query.component = options_.name;
  query.limit = 100'000;
  Result<ProvenanceAnswer> found = engine_->provenance(query);
  REQUIRE_MESSAGE(found.ok(), found.error().text());
  std::reverse(found->events.begin(), found->events.end());
  return std::move(found->events);
}

std::vector<ProvenanceEvent> ProcessorRunner::events(ProvenanceKind kind) const {
  std::vector<ProvenanceEvent> all = events();
  std::erase_if(all, [kind](const ProvenanceEvent& event) { return event.kind != kind; });
  return all;
}

std::map<std::string, std::string> ProcessorRunner::state(std::string_view name) {
  std::map<std::string, std::string> all;
  Lock lock(engine_->ledger().mutex());
  engine_->ledger().each_state(
      element_id("test", std::string(name)),
      [&all](std::string_view key, std::string_view value) { all.emplace(key, value); });
  return all;
}

ProcessorStatus ProcessorRunner::status() const {
  for (ProcessorStatus& one : engine_->status().processors) {
    if (one.path == options_.name) return one;
  }
  return {};
}

void ProcessorRunner::stop() {
  const Result<> stopped = engine_->stop_processor(options_.name);
  REQUIRE_MESSAGE(stopped.ok(), stopped.error().text());
}

void ProcessorRunner::start() {
  const Result<> started = engine_->start_processor(options_.name);
  REQUIRE_MESSAGE(started.ok(), started.error().text());
}

void ProcessorRunner::restart() {
  engine_.reset();
  open();
}

void check_balanced(const LossFigures& loss) {
  CHECK_MESSAGE(loss.is_balanced(), "in " << loss.in << ", out " << loss.out << ", queued "
                                          << loss.queued << ", dropped " << loss.dropped());
}

}  // namespace runnel
