// ProcessorBench: one processor of the registry on a bench, without an engine: FlowFiles in memory,
// time that the test owns. For tests of what a processor does with one FlowFile after the other.

#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/sdk/describe.h"

namespace runnel {

struct BenchFlowFile {
  std::string content;
  std::map<std::string, std::string, std::less<>> attributes;
  bool is_penalized = false;

  // The attribute's value, or "(none)".
  std::string at(std::string_view name) const;
};

class ProcessorBench {
 public:
  // `left_out`: optional relationships that the flow does not have. Fails as `check`, `make` or
  // `start` fail.
  static Result<std::unique_ptr<ProcessorBench>> open(std::string_view type, PropertyValues values,
                                                      std::set<std::string> left_out = {});
  ~ProcessorBench();

  void put(std::string content, std::map<std::string, std::string, std::less<>> attributes = {});
  // One session: `on_trigger` once, then commit, or roll back when it failed.
  Result<> trigger();
  // Triggers until the input is empty, or does not get shorter.
  Result<> run();

  // What went there so far, and is forgotten now.
  std::vector<BenchFlowFile> take(std::string_view relationship);
  std::size_t queued() const;   // in its input, those handed over not counted
  std::size_t dropped() const;  // by the processor itself
  const std::vector<std::string>& bulletins() const;
  std::map<std::string, std::string, std::less<>>& state();
  ManualClock& clock();
  bool has_yielded() const;

 private:
  class Room;
  explicit ProcessorBench(std::unique_ptr<Room> room);
  std::unique_ptr<Room> room_;
};

}  // namespace runnel
