// ControlRate lets pass what fits the rate; the rest waits.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<ProcessorRunner> bench(PropertyValues values) {
  return std::make_unique<ProcessorRunner>("ControlRate", std::move(values));
}

TEST_CASE("so many FlowFiles pass in one span of time, the others in the next") {
  const auto on = bench({{"Rate Control Criteria", "flowfile count"},
                         {"Maximum Rate", "2"},
                         {"Time Duration", "1 sec"}});
  for (int i = 0; i < 5; ++i) on->enqueue(std::to_string(i));
  on->run();
  CHECK(on->taken("success").size() == 2);
  on->advance(1100ms);
  CHECK(on->taken("success").size() == 2);
  on->advance(1100ms);
  CHECK(on->taken("success").size() == 1);
}

TEST_CASE("bytes are counted") {
  const auto on = bench({{"Maximum Rate", "10 B"}, {"Time Duration", "1 sec"}});
  on->enqueue(std::string(6, 'x'));
  on->enqueue(std::string(6, 'y'));
  on->enqueue(std::string(6, 'z'));
  on->run();
  CHECK(on->taken("success").size() < 3);
}

TEST_CASE("an attribute that is no number is a failure") {
  const auto on = bench({{"Rate Control Criteria", "attribute value"},
                         {"Rate Controlled Attribute", "weight"},
                         {"Maximum Rate", "5"}});
  on->enqueue("a", {{"weight", "heavy"}});
  on->enqueue("b", {{"weight", "5"}});
  on->run();
  CHECK(on->taken("failure").size() == 1);
  CHECK(on->taken("success").size() == 1);
}

TEST_CASE("a rate that is none is refused") {
  CHECK(ProcessorRunner("ControlRate", {{"Maximum Rate", "fast"}}, {.must_start = false})
            .start_error() != "");
}

}  // namespace
}  // namespace runnel
