// Benchmark `memory`: three hops in memory, generate -> update attribute -> route -> drop, on one
// worker with all bookkeeping, beside a naive loop of maps, shared pointers and virtual calls.
//
// Prints one JSON object. `value` is with slices of 256 FlowFiles, `per_session` with a session for
// each FlowFile.

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

constexpr std::size_t kSlice = 256;
constexpr Relationship kFirst{0};
constexpr Relationship kSecond{1};

std::string payload() {
  std::string text =
      R"({"vehicle":"truck-17","sequence":123456,"speed":61.5,"tyres":[2.4,2.4,2.5,2.4])";
  text.resize(255, ' ');
  return text + "}";
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// ---- ours

struct Stage {
  Wiring wiring;
  ProcessorCounters counters;
  std::unique_ptr<HandOver> hand_over;
  std::unique_ptr<SessionCore> session;
};

class Flow {
 public:
  explicit Flow(const std::string& directory) {
    LedgerOptions options;
    options.directory = directory;
    ledger_ = Ledger::open(std::move(options)).value();
    log_ = ProvenanceLog::open({}, ledger_->provenance_shelf()).value();
    ledger_->set_provenance(log_.get());
    Queue* const generated = queue("generated");
    Queue* const updated = queue("updated");
    Queue* const moving = queue("moving");
    add("generate", {}, {{"success", {generated}}});
    add("update", {generated}, {{"success", {updated}}});
    add("route", {updated}, {{"moving", {moving}}, {"standing", {}}});
    add("drop", {moving}, {{"success", {}}});
  }
  ~Flow() {
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

// ---- the naive loop: what a data-flow engine looks like when nobody measures

struct NaiveFlowFile {
  std::uint64_t id = 0;
  std::map<std::string, std::string> attributes;
  std::shared_ptr<std::vector<char>> content;
};
using NaivePtr = std::shared_ptr<NaiveFlowFile>;

class NaiveProcessor {
 public:
  virtual ~NaiveProcessor() = default;
  virtual void on_trigger(std::vector<NaivePtr>& in, std::vector<NaivePtr>& out) = 0;
};

class NaiveUpdate final : public NaiveProcessor {
 public:
  void on_trigger(std::vector<NaivePtr>& in, std::vector<NaivePtr>& out) override {
    for (NaivePtr& one : in) {
      one->attributes["site"] = "north";
      out.push_back(std::move(one));
    }
  }
};

class NaiveRoute final : public NaiveProcessor {
 public:
  void on_trigger(std::vector<NaivePtr>& in, std::vector<NaivePtr>& out) override {
    for (NaivePtr& one : in) {
      if (std::strtod(one->attributes["speed"].c_str(), nullptr) > 0) out.push_back(std::move(one));
    }
  }
};

struct NaiveEvent {
  std::uint64_t id;
  std::string component;
  std::int64_t at;
};

class NaiveFlow {
 public:
  void run(std::uint64_t count) {
    const std::string content = payload();
    NaiveUpdate update;
    NaiveRoute route;
    std::vector<std::unique_ptr<NaiveEvent>> events;
    std::vector<NaivePtr> a, b, c;
    for (std::uint64_t made = 0; made < count; made += kSlice) {
      for (std::size_t i = 0; i < kSlice; ++i) {
        auto one = std::make_shared<NaiveFlowFile>();
        one->id = ++sequence_;
        one->attributes["mqtt.broker"] = "tcp://127.0.0.1:1883";
        one->attributes["mqtt.qos"] = "1";
        one->attributes["mqtt.topic"] = "vehicle/17/telemetry";
        one->attributes["mime.type"] = "application/json";
        one->attributes["sequence"] = std::to_string(sequence_);
        one->attributes["speed"] = sequence_ % 50 == 0 ? "0" : "61.5";
        one->content = std::make_shared<std::vector<char>>(content.begin(), content.end());
        a.push_back(std::move(one));
      }
      pass(a, b, nullptr, events);
      pass(b, c, &update, events);
      pass(c, a, &route, events);
      for (const NaivePtr& one : a) unsaved_.erase(one->id);
      a.clear();
      events.clear();
    }
  }

 private:
  void pass(std::vector<NaivePtr>& in, std::vector<NaivePtr>& out, NaiveProcessor* processor,
            std::vector<std::unique_ptr<NaiveEvent>>& events) {
    const std::lock_guard lock(mutex_);
    for (const NaivePtr& one : in) {
      events.push_back(std::make_unique<NaiveEvent>(NaiveEvent{
          one->id, "component", std::chrono::steady_clock::now().time_since_epoch().count()}));
      unsaved_.insert(one->id);
    }
    out.clear();
    if (processor != nullptr) {
      processor->on_trigger(in, out);
    } else {
      out = std::move(in);
    }
    in.clear();
  }

  std::mutex mutex_;
  std::unordered_set<std::uint64_t> unsaved_;
  std::uint64_t sequence_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(std::uint64_t count) {
  std::string directory = (std::filesystem::temp_directory_path() / "runnel-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  std::vector<double> slices, sessions, naive;
  bool is_balanced = false;
  std::uint64_t written = 0;
  {
    Flow flow(directory);
    NaiveFlow raw;
    for (int round = 0; round < 5; ++round) {
      slices.push_back(static_cast<double>(count) / seconds_of([&] { flow.run(count, kSlice); }));
      sessions.push_back(static_cast<double>(count / 8) /
                         seconds_of([&] { flow.run(count / 8, 1); }));
      naive.push_back(static_cast<double>(count) / seconds_of([&] { raw.run(count); }));
    }
    is_balanced = flow.loss().is_balanced() && flow.loss().queued == 0;
    written = flow.status().written_bytes;
  }
  std::filesystem::remove_all(directory);
  std::printf(
      "{\"value\": %.0f, \"unit\": \"FlowFiles/s\", \"raw\": %.0f, \"ratio\": %.2f, "
      "\"per_session\": %.0f, \"written_bytes\": %llu, \"balanced\": %s}\n",
      median(slices), median(naive), median(slices) / median(naive), median(sessions),
      static_cast<unsigned long long>(written), is_balanced ? "true" : "false");
  return is_balanced ? 0 : 1;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  return runnel::run(std::max<std::uint64_t>(count, 256) / 256 * 256);
}
