// Three hops in memory for the benchmarks: generate -> update attribute -> route -> drop, on one
// worker with all bookkeeping.

#pragma once

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"

namespace runnel {

inline constexpr std::size_t kSlice = 256;
inline constexpr Relationship kFirst{0};
inline constexpr Relationship kSecond{1};

inline std::string payload() {
  std::string text =
      R"({"vehicle":"truck-17","sequence":123456,"speed":61.5,"tyres":[2.4,2.4,2.5,2.4])";
  text.resize(255, ' ');
  return text + "}";
}

struct Stage {
  Wiring wiring;
  ProcessorCounters counters;
  std::unique_ptr<HandOver> hand_over;
  std::unique_ptr<SessionCore> session;
};

class ThreeHops {
 public:
  // With a clock, the ledger is driven by it, and writes nothing by itself.
  explicit ThreeHops(const std::string& directory, bool has_provenance = true,
                     Clock* clock = nullptr) {
    LedgerOptions options;
    options.directory = directory;
    options.clock = clock;
    options.is_driven = clock != nullptr;
    ledger_ = Ledger::open(std::move(options)).value();
    if (has_provenance) {
      log_ = ProvenanceLog::open({}, ledger_->provenance_shelf(), ledger_->mutex()).value();
      ledger_->set_provenance(log_.get());
    }
    Queue* const generated = queue("generated");
    Queue* const updated = queue("updated");
    Queue* const moving = queue("moving");
    add("generate", {}, {{"success", {generated}}});
    add("update", {generated}, {{"success", {updated}}});
    add("route", {updated}, {{"moving", {moving}}, {"standing", {}}});
    add("drop", {moving}, {{"success", {}}});
  }
  ~ThreeHops() {
    for (auto& stage : stages_) stage->session.reset();
    ledger_->set_provenance(nullptr);
  }

  void run(std::uint64_t count, std::size_t slice) {
    const std::string content = payload();
    for (std::uint64_t made = 0; made < count; made += slice) {
      each(0, slice, [&](SessionCore& session) {
        FlowFile f = session.create();
        char number[24];
        const char* const end = std::to_chars(number, number + sizeof number, ++sequence_).ptr;
        f.set("mqtt.broker", "tcp://127.0.0.1:1883");
        f.set("mqtt.qos", "1");
        f.set("mqtt.topic", "vehicle/17/telemetry");
        f.set("mime.type", "application/json");
        f.set("sequence", {number, static_cast<std::size_t>(end - number)});
        f.set("speed", sequence_ % 50 == 0 ? "0" : "61.5");
        static_cast<void>(session.write(f, content).ok());
        session.transfer(f, kFirst);
        return true;
      });
      each(1, slice, [](SessionCore& session) {
        FlowFile f = session.get();
        if (!f) return false;
        f.set("site", "north");
        session.transfer(f, kFirst);
        return true;
      });
      each(2, slice, [](SessionCore& session) {
        FlowFile f = session.get();
        if (!f) return false;
        const auto speed = f.attribute("speed");
        const Result<double> number = parse_double(speed.value_or(""));
        session.transfer(f, number.ok() && *number > 0 ? kFirst : kSecond);
        return true;
      });
      each(3, slice, [](SessionCore& session) {
        FlowFile f = session.get();
        if (!f) return false;
        session.drop(f);
        return true;
      });
    }
  }

  LossFigures loss() { return ledger_->loss(); }
  LedgerStatus status() { return ledger_->status(); }

 private:
  Queue* queue(const std::string& name) {
    QueueSpec spec;
    spec.id = name;
    spec.name = name;
    return ledger_->attach(std::move(spec)).value();
  }

  void add(const std::string& id, std::vector<Queue*> inputs, std::vector<Outlet> outlets) {
    auto stage = std::make_unique<Stage>();
    stage->wiring.processor_id = id;
    stage->wiring.inputs = std::move(inputs);
    stage->wiring.outlets = std::move(outlets);
    stage->wiring.provenance = log_.get();
    stage->wiring.counters = &stage->counters;
    stage->hand_over = std::make_unique<HandOver>(*ledger_, stage->wiring);
    stage->session = std::make_unique<SessionCore>(*ledger_, stage->wiring, *stage->hand_over);
    stages_.push_back(std::move(stage));
  }

  template <typename Trigger>
  void each(std::size_t which, std::size_t slice, Trigger&& trigger) {
    SessionCore& session = *stages_[which]->session;
    for (std::size_t i = 0; i < slice; ++i) {
      session.begin_call();
      const bool goes_on = trigger(session);
      static_cast<void>(session.end_call().ok());
      if (!goes_on) break;
    }
    session.commit();
  }

  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<ProvenanceLog> log_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::uint64_t sequence_ = 0;
};

}  // namespace runnel
