// MergeContent makes one FlowFile of each full bin.

#include <doctest/doctest.h>

#include "tests/support/processor_bench.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<ProcessorBench> bench(PropertyValues values) {
  auto on = ProcessorBench::open("MergeContent", std::move(values));
  REQUIRE_MESSAGE(on.ok(), (on.ok() ? "" : on.error().text()));
  return std::move(*on);
}

TEST_CASE("a bin that is full is merged, with what all have alike") {
  const auto on = bench({{"Minimum Number of Entries", "3"},
                         {"Maximum Number of Entries", "3"},
                         {"Delimiter Strategy", "Text"},
                         {"Header File", "["},
                         {"Demarcator File", ","},
                         {"Footer File", "]"}});
  on->put("1", {{"vehicle", "a"}, {"seq", "1"}});
  on->put("2", {{"vehicle", "a"}, {"seq", "2"}});
  REQUIRE(on->run().ok());
  CHECK(on->take("merged").empty());
  on->put("3", {{"vehicle", "a"}, {"seq", "3"}});
  REQUIRE(on->run().ok());
  REQUIRE(on->trigger().ok());
  const auto merged = on->take("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "[1,2,3]");
  CHECK(merged[0].at("vehicle") == "a");
  CHECK(merged[0].at("seq") == "(none)");
  CHECK(merged[0].at("merge.count") == "3");
  CHECK(on->take("original").size() == 3);
}

TEST_CASE("only those with the same correlation share a bin") {
  const auto on = bench({{"Minimum Number of Entries", "2"},
                         {"Maximum Number of Entries", "2"},
                         {"Correlation Attribute Name", "vehicle"}});
  on->put("a1", {{"vehicle", "a"}});
  on->put("b1", {{"vehicle", "b"}});
  on->put("a2", {{"vehicle", "a"}});
  REQUIRE(on->run().ok());
  REQUIRE(on->trigger().ok());
  const auto merged = on->take("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "a1a2");
}

TEST_CASE("a bin that has grown old is merged as it is") {
  const auto on = bench({{"Minimum Number of Entries", "10"}, {"Max Bin Age", "1 min"}});
  on->put("only", {});
  REQUIRE(on->run().ok());
  REQUIRE(on->trigger().ok());
  CHECK(on->take("merged").empty());
  on->clock().advance(2min);
  REQUIRE(on->trigger().ok());
  const auto merged = on->take("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "only");
}

TEST_CASE("pieces are put together in their order") {
  const auto on = bench({{"Merge Strategy", "Defragment"}});
  for (const char* piece : {"3", "1", "2"}) {
    on->put(piece,
            {{"fragment.identifier", "x"}, {"fragment.index", piece}, {"fragment.count", "3"}});
  }
  REQUIRE(on->run().ok());
  REQUIRE(on->trigger().ok());
  const auto merged = on->take("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "123");
}

TEST_CASE("pieces without numbers are a failure") {
  const auto on = bench({{"Merge Strategy", "Defragment"}});
  on->put("x", {{"fragment.identifier", "x"}, {"fragment.index", "one"}, {"fragment.count", "3"}});
  REQUIRE(on->run().ok());
  REQUIRE(on->trigger().ok());
  CHECK(on->take("failure").size() == 1);
}

}  // namespace
}  // namespace runnel
