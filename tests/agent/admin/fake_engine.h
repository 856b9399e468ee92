// An engine that has two processors, one connection and whatever a test gives it.

#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/flow/model.h"
#include "agent/runtime/engine.h"

namespace runnel {

class FakeEngine final : public Engine {
 public:
  FakeEngine() {
    state.agent_id = "a1";
    state.flow_name = "demo";
    state.state = FlowState::kRunning;
    state.processors = {{.id = "p1",
                         .name = "make",
                         .path = "make",
                         .group_id = "root",
                         .type = "GenerateFlowFile",
                         .state = RunState::kRunning,
                         .out_count = 5,
                         .out_bytes = 50,
                         .last_error = {}},
                        {.id = "p2",
                         .name = "log",
                         .path = "log",
                         .group_id = "root",
                         .type = "LogAttribute",
                         .state = RunState::kRunning,
                         .in_count = 3,
                         .in_bytes = 30,
                         .last_error = {}}};
    state.connections = {{.id = "c1",
                          .name = "make to log",
                          .group_id = "root",
                          .from_id = "p1",
                          .from = "make",
                          .to_id = "p2",
                          .to = "log",
                          .relationships = {"success"},
                          .count = 2,
                          .bytes = 20,
                          .count_max = 10'000,
                          .bytes_max = 100}};
    state.loss = {.in = 5, .out = 3, .queued = 2};
  }

  Result<> start(std::shared_ptr<const Flow> flow) override {
    return run(std::move(flow), "start ");
  }
  Result<> update(std::shared_ptr<const Flow> flow) override {
    return run(std::move(flow), "update ");
  }
  std::shared_ptr<const Flow> flow() const override { return flow_; }
  Result<> stop(std::chrono::milliseconds) override { return note("stop"); }
  Result<> start_processor(std::string_view which) override {
    return note("start " + std::string(which));
  }
  Result<> start_component(std::string_view which) override { return start_processor(which); }
  Result<> stop_component(std::string_view which) override { return stop_processor(which); }
  Result<std::vector<RanOnce>> run_once(std::string_view which) override {
    if (which == "make") return invalid("`make` runs; stop it first, then it can be run once");
    return std::vector<RanOnce>{{.id = "p2", .path = std::string(which), .in_count = 1}};
  }
  Result<> stop_processor(std::string_view which) override {
    if (which == "ghost") return not_found("no processor `ghost`");
    return note("stop " + std::string(which));
  }
  Result<> start_flow() override { return note("start flow"); }
  Result<> stop_flow() override { return note("stop flow"); }
  Result<std::uint64_t> purge(std::string_view connection) override {
    if (connection != "make to log")
      return not_found("no connection `" + std::string(connection) + "`");
    return std::uint64_t{2};
  }
  Result<std::uint64_t> attach(std::string_view parked, std::string_view connection) override {
    TRY(note("attach " + std::string(parked) + " to " + std::string(connection)));
    return std::uint64_t{2};
  }
  Result<std::uint64_t> clear_state(std::string_view component) override {
    if (component == "make") return invalid("`make` runs; stop it first");
    TRY(note("clear " + std::string(component)));
    return std::uint64_t{2};
  }
  std::vector<ComponentState> states() const override {
    return {{"p1", "make", 2, 30}, {"gone", "", 1, 5}};
  }
  Result<StateView> state_of(std::string_view component, std::size_t limit) const override {
    if (component == "ghost") return not_found("no component `ghost`");
    if (component == "secret") {
      return StateView{{"p1", "make", 2, 30}, {{"token", "is s3cr3t", 9}, {"other", "plain", 5}}};
    }
    if (component == "large") {
      StateView large{{"p1", "make", 100, 1}, {}};
      for (int i = 0; i < 100; ++i)
        large.entries.push_back({std::to_string(i), std::string(4096, 'x'), 4096});
      return large;
    }
    StateView view{{"p1", std::string(component), 2, 30},
                   {{"begun", "1", 1}, {"bytes\xff", std::string(9, '\xfe'), 9000}}};
    view.entries.resize(std::min(limit, view.entries.size()));
    return view;
  }
  Result<> flush(std::chrono::milliseconds within) override {
    return note("flush " + std::to_string(within.count()));
  }
  Status status() const override { return state; }
  std::vector<Bulletin> bulletins(std::uint64_t since_id) const override {
    std::vector<Bulletin> out;
    for (const Bulletin& one : said)
      if (one.id > since_id) out.push_back(one);
    return out;
  }
  Result<ProvenanceAnswer> provenance(const ProvenanceQuery& query) const override {
    last_query = query;
    ProvenanceEvent event;
    event.id = 1;
    event.kind = ProvenanceKind::kCreate;
    event.component = "make";
    event.flowfiles = {{7, 9}};
    event.count = 3;
    return ProvenanceAnswer{.events = {event}};
  }
  Result<ProvenanceLineage> lineage(std::uint64_t flowfile) const override {
    if (flowfile != known_lineage.flowfile) return not_found("nothing is known of it");
    return known_lineage;
  }
  Result<ReplayAnswer> replay(const ReplayRequest& request) override {
    last_replay = request;
    return replayed;
  }
  Result<std::uint64_t> flowfile_of(std::string_view uuid) const override {
    if (uuid == "u7") return std::uint64_t{7};
    return not_found("no FlowFile `" + std::string(uuid) + "`");
  }
  Result<std::vector<QueuedFlowFile>> list_queue(std::string_view, std::size_t limit,
                                                 std::size_t) const override {
    if (limit == 0) return std::vector<QueuedFlowFile>{};
    return std::vector{queued()};
  }
  Result<PeekedFlowFile> peek(std::string_view, std::uint64_t flowfile,
                              std::size_t content_max) const override {
    if (flowfile != 7) return not_found("it has gone on");
    PeekedFlowFile out{.flowfile = queued(), .content = content.substr(0, content_max)};
    out.is_cut = content.size() > content_max;
    return out;
  }
  Result<std::uint64_t> tap(std::string_view, std::size_t, Tap tap, std::uint64_t) override {
    const std::lock_guard lock(mutex);
    taps[++last_tap] = std::move(tap);
    return last_tap;
  }
  void untap(std::uint64_t number) override {
    const std::lock_guard lock(mutex);
    taps.erase(number);
  }
  void collect(MetricCollection& into) const override {
    static const MetricFamily family{"runnel_test_total", MetricKind::kCounter, "A test's"};
    into.add(family, {{"name", "x"}}, 4);
  }

  // A worker's thread hands the next FlowFile to all taps.
  std::size_t flow_through() {
    const std::lock_guard lock(mutex);
    for (const auto& [number, tap] : taps) tap({.flowfile = queued(), .content = content});
    return taps.size();
  }
  QueuedFlowFile queued() const {
    QueuedFlowFile out;
    out.id = 7;
    out.uuid = "u7";
    out.size = 5;
    out.attributes = attributes;
    return out;
  }

  Status state;
  std::vector<Bulletin> said;
  std::string content = "hello";
  decltype(QueuedFlowFile::attributes) attributes{{"filename", "a.txt"}, {"odd", "\xff"}};
  std::vector<std::string> done;
  mutable ProvenanceQuery last_query;
  ProvenanceLineage known_lineage;
  ReplayRequest last_replay;
  ReplayAnswer replayed;
  std::mutex mutex;
  std::map<std::uint64_t, Tap> taps;
  std::uint64_t last_tap = 0;
  bool refuses = false;

 private:
  Result<> note(std::string what) {
    done.push_back(std::move(what));
    return {};
  }
  Result<> run(std::shared_ptr<const Flow> flow, const std::string& how) {
    if (refuses) return invalid("it does not start");
    done.push_back(how + flow->name);
    flow_ = std::move(flow);
    return {};
  }
  std::shared_ptr<const Flow> flow_;
};

}  // namespace runnel
