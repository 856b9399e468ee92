// Benchmark `memory`: three hops in memory, generate -> update attribute -> route -> drop, on one
// worker with all bookkeeping, beside a naive loop of maps, shared pointers and virtual calls.
//
// Prints one JSON object. `value` is with slices of 256 FlowFiles, `per_session` with a session for
// each FlowFile.

#include <unistd.h>

#include <algorithm>
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

#include "tests/bench/three_hops.h"

namespace runnel {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

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
    ThreeHops flow(directory);
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
