// RouteOnAttribute sends FlowFiles where their attributes say.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

std::unique_ptr<ProcessorBench> bench(PropertyValues values, std::set<std::string> left_out = {}) {
  auto opened = ProcessorBench::open("RouteOnAttribute", std::move(values), std::move(left_out));
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
  return std::move(*opened);
}

const PropertyValues kBySpeed{{"fast", "${speed:gt(80)}"}, {"moving", "${speed:gt(0)}"}};

TEST_CASE("a FlowFile goes to each relationship whose condition it fulfils, or to unmatched") {
  const auto on = bench(kBySpeed);
  on->put("a", {{"speed", "100"}});
  on->put("b", {{"speed", "50"}});
  on->put("c", {{"speed", "0"}});
  on->put("d");
  REQUIRE(on->run().ok());
  const auto fast = on->take("fast");
  REQUIRE(fast.size() == 1);
  CHECK(fast[0].content == "a");
  CHECK(fast[0].at("speed") == "100");
  const auto moving = on->take("moving");
  REQUIRE(moving.size() == 2);
  CHECK(moving[0].content == "a");
  CHECK(moving[1].content == "b");
  const auto unmatched = on->take("unmatched");
  REQUIRE(unmatched.size() == 2);
  CHECK(unmatched[0].content == "c");
  CHECK(unmatched[1].content == "d");
}

TEST_CASE("where all conditions must hold, matched is reached only by those that fulfil all") {
  PropertyValues values = kBySpeed;
  values["Routing Strategy"] = "Route to 'match' if all match";
  const auto on = bench(values);
  on->put("a", {{"speed", "100"}});
  on->put("b", {{"speed", "50"}});
  REQUIRE(on->run().ok());
  REQUIRE(on->take("matched").size() == 1);
  CHECK(on->take("unmatched").size() == 1);
  CHECK(on->take("fast").empty());
}

TEST_CASE("where any condition suffices, matched is reached once") {
  PropertyValues values = kBySpeed;
  values["Routing Strategy"] = "Route to 'matched' if any matches";
  const auto on = bench(values);
  on->put("a", {{"speed", "100"}});
  on->put("b", {{"speed", "50"}});
  on->put("c", {{"speed", "0"}});
  REQUIRE(on->run().ok());
  CHECK(on->take("matched").size() == 2);
  CHECK(on->take("unmatched").size() == 1);
}

TEST_CASE("a strategy that needs matched is refused without it") {
  PropertyValues values = kBySpeed;
  CHECK(ProcessorBench::open("RouteOnAttribute", values, {"matched"}).ok());
  values["Routing Strategy"] = "Route to 'matched' if any matches";
  const auto opened = ProcessorBench::open("RouteOnAttribute", values, {"matched"});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().text().find("`matched` must be connected") != std::string::npos);
}

TEST_CASE(
    "a condition that has no value leads to failure, or to unmatched where that is left out") {
  const PropertyValues values{{"bad", "${at:toDate('yyyy'):toNumber():gt(0)}"}};
  const auto on = bench(values);
  on->put("a", {{"at", "never"}});
  REQUIRE(on->run().ok());
  const auto failed = on->take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].is_penalized);
  CHECK(on->bulletins().size() == 1);
  const auto without = bench(values, {"failure"});
  without->put("a", {{"at", "never"}});
  REQUIRE(without->run().ok());
  CHECK(without->take("unmatched").size() == 1);
}

TEST_CASE("a condition that does not compile is refused by name") {
  const auto opened = ProcessorBench::open("RouteOnAttribute", {{"x", "${a:nonsens()}"}});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().text().find("property `x`") != std::string::npos);
}

}  // namespace
}  // namespace runnel
