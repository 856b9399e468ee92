// MergeContent makes one FlowFile of each full bin.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<ProcessorRunner> bench(PropertyValues values) {
  return std::make_unique<ProcessorRunner>("MergeContent", std::move(values));
}

TEST_CASE("a bin that is full is merged, with what all have alike") {
  const auto on = bench({{"Minimum Number of Entries", "3"},
                         {"Maximum Number of Entries", "3"},
                         {"Delimiter Strategy", "Text"},
                         {"Header File", "["},
                         {"Demarcator File", ","},
                         {"Footer File", "]"}});
  on->enqueue("1", {{"vehicle", "a"}, {"seq", "1"}});
  on->enqueue("2", {{"vehicle", "a"}, {"seq", "2"}});
  on->run();
  CHECK(on->taken("merged").empty());
  on->enqueue("3", {{"vehicle", "a"}, {"seq", "3"}});
  on->run();
  const auto merged = on->taken("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "[1,2,3]");
  CHECK(merged[0].attribute("vehicle") == "a");
  CHECK_FALSE(merged[0].has("seq"));
  CHECK(merged[0].attribute("merge.count") == "3");
  CHECK(on->taken("original").size() == 3);
}

TEST_CASE("only those with the same correlation share a bin") {
  const auto on = bench({{"Minimum Number of Entries", "2"},
                         {"Maximum Number of Entries", "2"},
                         {"Correlation Attribute Name", "vehicle"}});
  on->enqueue("a1", {{"vehicle", "a"}});
  on->enqueue("b1", {{"vehicle", "b"}});
  on->enqueue("a2", {{"vehicle", "a"}});
  on->run();
  const auto merged = on->taken("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "a1a2");
}

TEST_CASE("a bin that has grown old is merged as it is") {
  const auto on = bench({{"Minimum Number of Entries", "10"}, {"Max Bin Age", "1 min"}});
  on->enqueue("only", {});
  on->run();
  CHECK(on->taken("merged").empty());
  on->advance(2min);
  const auto merged = on->taken("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "only");
}

TEST_CASE("pieces are put together in their order") {
  const auto on = bench({{"Merge Strategy", "Defragment"}});
  for (const char* piece : {"3", "1", "2"}) {
    on->enqueue(piece,
                {{"fragment.identifier", "x"}, {"fragment.index", piece}, {"fragment.count", "3"}});
  }
  on->run();
  const auto merged = on->taken("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "123");
}

std::map<std::string, std::string> piece_of(const std::string& index, const std::string& count) {
  return {{"fragment.identifier", "x"}, {"fragment.index", index}, {"fragment.count", count}};
}

TEST_CASE("a piece that comes twice takes the place of no other") {
  const auto on = bench({{"Merge Strategy", "Defragment"}, {"Max Bin Age", "1 min"}});
  on->enqueue("a", piece_of("0", "2"));
  on->enqueue("again", piece_of("0", "2"));
  on->run();
  CHECK(on->taken("merged").empty());
  on->enqueue("b", piece_of("1", "2"));
  on->run();
  const auto merged = on->taken("merged");
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].content == "ab");
  on->advance(2min);
  const auto failed = on->taken("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == "again");
  CHECK(on->has_bulletin("fragments of `x` are missing: 1 of 2; the bin reached its age"));
  check_balanced(on->loss());
}

TEST_CASE("pieces that disagree about how many there are, are a failure") {
  const auto on = bench({{"Merge Strategy", "Defragment"}});
  on->enqueue("a", piece_of("0", "3"));
  on->enqueue("b", piece_of("1", "2"));
  on->run();
  CHECK(on->taken("merged").empty());
  CHECK(on->taken("failure").size() == 2);
  CHECK(
      on->has_bulletin("fragments of `x` cannot be put together: they disagree about "
                       "`fragment.count`"));
}

TEST_CASE("bounds of which the largest is below the least are refused") {
  const auto error = [](PropertyValues values) {
    return ProcessorRunner("MergeContent", std::move(values), {.must_start = false}).start_error();
  };
  const std::string entries = "`Maximum Number of Entries` is below `Minimum Number of Entries`";
  CHECK(error({{"Minimum Number of Entries", "5"}, {"Maximum Number of Entries", "4"}})
            .find(entries) != std::string::npos);
  CHECK(error({{"Minimum Number of Entries", "10001"}}).find(entries) != std::string::npos);
  CHECK(error({{"Minimum Group Size", "2 MB"}, {"Maximum Group Size", "1 MB"}})
            .find("`Maximum Group Size` is below `Minimum Group Size`") != std::string::npos);
  CHECK(error({{"Minimum Number of Entries", "5"}, {"Maximum Number of Entries", "5"}}).empty());
}

TEST_CASE("pieces without numbers are a failure") {
  const auto on = bench({{"Merge Strategy", "Defragment"}});
  on->enqueue("x",
              {{"fragment.identifier", "x"}, {"fragment.index", "one"}, {"fragment.count", "3"}});
  on->run();
  CHECK(on->taken("failure").size() == 1);
}

}  // namespace
}  // namespace runnel
