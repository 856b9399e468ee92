// ControlRate lets pass what fits the rate; the rest waits.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<ProcessorBench> bench(PropertyValues values) {
  auto on = ProcessorBench::open("ControlRate", std::move(values));
  REQUIRE_MESSAGE(on.ok(), (on.ok() ? "" : on.error().text()));
  return std::move(*on);
}

void trigger(ProcessorBench& on, int times) {
  for (int i = 0; i < times; ++i) REQUIRE(on.trigger().ok());
}

TEST_CASE("so many FlowFiles pass in one span of time, the others in the next") {
  const auto on = bench({{"Rate Control Criteria", "flowfile count"},
                         {"Maximum Rate", "2"},
                         {"Time Duration", "1 sec"}});
  for (int i = 0; i < 5; ++i) on->put(std::to_string(i));
  trigger(*on, 10);
  CHECK(on->take("success").size() == 2);
  on->clock().advance(1100ms);
  trigger(*on, 10);
  CHECK(on->take("success").size() == 2);
  on->clock().advance(1100ms);
  trigger(*on, 10);
  CHECK(on->take("success").size() == 1);
}

TEST_CASE("bytes are counted") {
  const auto on = bench({{"Maximum Rate", "10 B"}, {"Time Duration", "1 sec"}});
  on->put(std::string(6, 'x'));
  on->put(std::string(6, 'y'));
  on->put(std::string(6, 'z'));
  trigger(*on, 10);
  CHECK(on->take("success").size() < 3);
}

TEST_CASE("an attribute that is no number is a failure") {
  const auto on = bench({{"Rate Control Criteria", "attribute value"},
                         {"Rate Controlled Attribute", "weight"},
                         {"Maximum Rate", "5"}});
  on->put("a", {{"weight", "heavy"}});
  on->put("b", {{"weight", "5"}});
  trigger(*on, 4);
  CHECK(on->take("failure").size() == 1);
  CHECK(on->take("success").size() == 1);
}

TEST_CASE("a rate that is none is refused") {
  CHECK_FALSE(ProcessorBench::open("ControlRate", {{"Maximum Rate", "fast"}}).ok());
}

}  // namespace
}  // namespace runnel
