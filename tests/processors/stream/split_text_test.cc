// SplitText cuts content into pieces of so many lines.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

struct Split {
  std::vector<std::string> pieces;
  std::vector<TakenFlowFile> splits;
  std::size_t originals = 0;
  std::size_t failures = 0;
};

Split split_up(const std::string& content, PropertyValues values) {
  ProcessorRunner on("SplitText", std::move(values));
  on.enqueue(content, {{"filename", "f"}, {"kept", "x"}});
  on.run();
  Split out;
  out.splits = on.taken("splits");
  for (const TakenFlowFile& one : out.splits) out.pieces.push_back(one.content);
  out.originals = on.taken("original").size();
  out.failures = on.taken("failure").size();
  return out;
}

using Pieces = std::vector<std::string>;

TEST_CASE("each piece has so many lines, the last one the rest") {
  const Split one = split_up("a\nb\nc\n", {{"Line Split Count", "1"}});
  CHECK(one.pieces == Pieces{"a", "b", "c"});
  CHECK(one.originals == 1);
  CHECK(one.splits[0].attribute("fragment.index") == "1");
  CHECK(one.splits[2].attribute("fragment.count") == "3");
  CHECK(one.splits[2].attribute("kept") == "x");
  CHECK(one.splits[0].attribute("segment.original.filename") == "f");
  CHECK(one.splits[0].attribute("fragment.identifier") ==
        one.splits[2].attribute("fragment.identifier"));
  CHECK(split_up("a\nb\nc", {{"Line Split Count", "2"}}).pieces == Pieces{"a\nb", "c"});
}

TEST_CASE("line ends at the end of a piece stay where the flow wants them") {
  CHECK(split_up("a\nb\n", {{"Line Split Count", "1"}, {"Remove Trailing Newlines", "false"}})
            .pieces == Pieces{"a\n", "b\n"});
  CHECK(split_up("a\n\nb\n", {{"Line Split Count", "1"}}).pieces == Pieces{"a", "b"});
}

TEST_CASE("header lines stand before each piece") {
  const Split counted =
      split_up("h\na\nb\n", {{"Line Split Count", "1"}, {"Header Line Count", "1"}});
  CHECK(counted.pieces == Pieces{"h\na", "h\nb"});
  CHECK(counted.splits[0].attribute("text.line.count") == "1");
  CHECK(split_up("#h\n#i\na\nb\n",
                 {{"Line Split Count", "1"}, {"Header Line Marker Characters", "#"}})
            .pieces == Pieces{"#h\n#i\na", "#h\n#i\nb"});
  CHECK(split_up("a\nb\n", {{"Line Split Count", "1"}, {"Header Line Marker Characters", ""}})
            .pieces == Pieces{"a", "b"});
}

TEST_CASE("a header stands before a piece that is larger than what stays in memory") {
  const std::string body = std::string(40'000, 'a') + '\n' + std::string(40'000, 'b');
  const Split out =
      split_up("h\n" + body + "\n", {{"Line Split Count", "2"}, {"Header Line Count", "1"}});
  CHECK(out.pieces == Pieces{"h\n" + body});
  CHECK(out.splits[0].attribute("fragment.size") == std::to_string(body.size() + 2));
}

TEST_CASE("fewer lines than the header should have are a failure") {
  const Split out = split_up("h\n", {{"Line Split Count", "1"}, {"Header Line Count", "2"}});
  CHECK(out.failures == 1);
  CHECK(out.pieces.empty());
}

TEST_CASE("a piece ends before it gets larger than it may") {
  CHECK(split_up("aaaa\nbbbb\ncc\n", {{"Line Split Count", "0"}, {"Maximum Fragment Size", "10 B"}})
            .pieces == Pieces{"aaaa\nbbbb", "cc"});
}

TEST_CASE("empty content makes no pieces, and the original goes on") {
  const Split out = split_up("", {{"Line Split Count", "1"}});
  CHECK(out.pieces.empty());
  CHECK(out.originals == 1);
}

TEST_CASE("many pieces come in sessions of ten thousand, in order, also across a restart") {
  std::string content = "head\n";
  for (int i = 0; i < 35'000; ++i) content += std::to_string(i) + (i % 7 == 0 ? "\n\n" : "\n");
  const PropertyValues values{{"Line Split Count", "1"}, {"Header Line Count", "1"}};
  ProcessorRunner on("SplitText", values, {.output_limit = {.count = 15'000, .bytes = 0}});
  on.enqueue(content, {{"filename", "first"}});
  on.enqueue("head\nlast", {{"filename", "second"}});
  std::vector<TakenFlowFile> splits;
  std::vector<std::size_t> rounds;
  while (splits.size() < 35'001 && rounds.size() < 10) {
    on.run();
    const std::vector<TakenFlowFile> some = on.taken("splits");
    rounds.push_back(some.size());
    splits.insert(splits.end(), some.begin(), some.end());
    if (rounds.size() == 1) {
      CHECK(on.taken("original").empty());
      on.restart();
    }
  }
  // A full connection stops it between two sessions.
  CHECK(rounds == std::vector<std::size_t>{20'000, 15'000, 1});
  REQUIRE(splits.size() == 35'001);
  const std::string identifier = splits[0].attribute("fragment.identifier");
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < 35'000; ++i) {
    const TakenFlowFile& one = splits[i];
    const bool is_right = one.content == "head\n" + std::to_string(i) &&
                          one.attribute("fragment.index") == std::to_string(i + 1) &&
                          one.attribute("fragment.count") == "35000" &&
                          one.attribute("fragment.identifier") == identifier;
    if (!is_right) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(splits[35'000].content == "head\nlast");
  CHECK(on.taken("original").size() == 2);
  CHECK(on.state().empty());
}

TEST_CASE("a large header makes a session end after fewer pieces, which have it all the same") {
  const std::string header(100'000, 'h');
  std::string content = header + "\n";
  for (int i = 0; i < 200; ++i) content += std::to_string(i) + "\n";
  const PropertyValues values{{"Line Split Count", "1"}, {"Header Line Count", "1"}};
  ProcessorRunner on("SplitText", values, {.output_limit = {.count = 50, .bytes = 0}});
  on.enqueue(content);
  std::vector<TakenFlowFile> splits;
  std::vector<std::size_t> rounds;
  while (splits.size() < 200 && rounds.size() < 10) {
    on.run();
    const std::vector<TakenFlowFile> some = on.taken("splits");
    rounds.push_back(some.size());
    splits.insert(splits.end(), some.begin(), some.end());
  }
  CHECK(rounds == std::vector<std::size_t>{84, 84, 32});
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < splits.size(); ++i)
    wrong += splits[i].content == header + "\n" + std::to_string(i) ? 0U : 1U;
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace runnel
