// RouteOnAttribute sends FlowFiles where their attributes say.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

std::unique_ptr<ProcessorRunner> bench(PropertyValues values,
                                       std::vector<std::string> leave_out = {}) {
  return std::make_unique<ProcessorRunner>("RouteOnAttribute", std::move(values),
                                           RunnerOptions{.leave_out = std::move(leave_out)});
}

std::string start_error(PropertyValues values, std::vector<std::string> leave_out = {}) {
  return ProcessorRunner("RouteOnAttribute", std::move(values),
                         {.leave_out = std::move(leave_out), .must_start = false})
      .start_error();
}

const PropertyValues kBySpeed{{"fast", "${speed:gt(80)}"}, {"moving", "${speed:gt(0)}"}};

TEST_CASE("a FlowFile goes to each relationship whose condition it fulfils, or to unmatched") {
  const auto on = bench(kBySpeed);
  on->enqueue("a", {{"speed", "100"}});
  on->enqueue("b", {{"speed", "50"}});
  on->enqueue("c", {{"speed", "0"}});
  on->enqueue("d");
  on->run();
  const auto fast = on->taken("fast");
  REQUIRE(fast.size() == 1);
  CHECK(fast[0].content == "a");
  CHECK(fast[0].attribute("speed") == "100");
  const auto moving = on->taken("moving");
  REQUIRE(moving.size() == 2);
  CHECK(moving[0].content == "a");
  CHECK(moving[1].content == "b");
  const auto unmatched = on->taken("unmatched");
  REQUIRE(unmatched.size() == 2);
  CHECK(unmatched[0].content == "c");
  CHECK(unmatched[1].content == "d");
}

TEST_CASE("where all conditions must hold, matched is reached only by those that fulfil all") {
  PropertyValues values = kBySpeed;
  values["Routing Strategy"] = "Route to 'match' if all match";
  const auto on = bench(values);
  on->enqueue("a", {{"speed", "100"}});
  on->enqueue("b", {{"speed", "50"}});
  on->run();
  REQUIRE(on->taken("matched").size() == 1);
  CHECK(on->taken("unmatched").size() == 1);
  CHECK(on->taken("fast").empty());
}

TEST_CASE("where any condition suffices, matched is reached once") {
  PropertyValues values = kBySpeed;
  values["Routing Strategy"] = "Route to 'match' if any matches";
  const auto on = bench(values);
  on->enqueue("a", {{"speed", "100"}});
  on->enqueue("b", {{"speed", "50"}});
  on->enqueue("c", {{"speed", "0"}});
  on->run();
  CHECK(on->taken("matched").size() == 2);
  CHECK(on->taken("unmatched").size() == 1);
}

TEST_CASE("a strategy that needs matched is refused without it") {
  PropertyValues values = kBySpeed;
  CHECK(start_error(values, {"matched"}) == "");
  values["Routing Strategy"] = "Route to 'match' if any matches";
  CHECK(start_error(values, {"matched"}).find("`matched` must be connected") != std::string::npos);
}

TEST_CASE(
    "a condition that has no value leads to failure, or to unmatched where that is left out") {
  const PropertyValues values{{"bad", "${at:toDate('yyyy'):toNumber():gt(0)}"}};
  const auto on = bench(values);
  on->enqueue("a", {{"at", "never"}});
  on->run();
  const auto failed = on->taken("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].is_penalized);
  CHECK(on->bulletins().size() == 1);
  const auto without = bench(values, {"failure"});
  without->enqueue("a", {{"at", "never"}});
  without->run();
  CHECK(without->taken("unmatched").size() == 1);
}

TEST_CASE("a condition that does not compile is refused by name") {
  CHECK(start_error({{"x", "${a:nonsens()}"}}).find("property `x`") != std::string::npos);
}

}  // namespace
}  // namespace runnel
