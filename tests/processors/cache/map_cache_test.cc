// LocalMapCache, and the processors that put into it, fetch from it and detect duplicates by it.

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

RunnerOptions with_cache(PropertyValues properties = {}) {
  return {.services = {{"cache", {"LocalMapCache", std::move(properties)}}}};
}

PropertyValues keyed(PropertyValues more = {}) {
  more.insert({{"Cache Entry Identifier", "${key}"}, {"Distributed Cache Service", "cache"}});
  return more;
}

// The keys of those that went there.
std::string keys(ProcessorRunner& runner, std::string_view relationship) {
  std::string all;
  for (const TakenFlowFile& one : runner.taken(relationship)) all += one.attribute("key");
  return all;
}

void enqueue_keys(ProcessorRunner& runner, std::string_view all) {
  for (const char key : all) runner.enqueue("x", {{"key", std::string(1, key)}});
  runner.run();
}

TEST_CASE("a key that was seen before is a duplicate, over a restart, too") {
  ProcessorRunner runner("DetectDuplicate", keyed({{"FlowFile Description", "no. ${n}"}}),
                         with_cache());
  runner.enqueue("", {{"key", "a"}, {"n", "1"}});
  runner.enqueue("", {{"key", "b"}, {"n", "2"}});
  runner.enqueue("", {{"key", "a"}, {"n", "3"}});
  runner.enqueue("", {{"key", " "}});
  runner.run();
  CHECK(keys(runner, "non-duplicate") == "ab");
  auto duplicates = runner.taken("duplicate");
  REQUIRE(duplicates.size() == 1);
  CHECK(duplicates[0].attribute("original.flowfile.description") == "no. 1");
  CHECK(runner.count("failure") == 1);
  CHECK(runner.has_bulletin("`Cache Entry Identifier` is empty"));
  runner.restart();
  runner.enqueue("", {{"key", "b"}, {"n", "4"}});
  runner.run();
  duplicates = runner.taken("duplicate");
  REQUIRE(duplicates.size() == 1);
  CHECK(duplicates[0].attribute("original.flowfile.description") == "no. 2");
  check_balanced(runner.loss());
}

TEST_CASE("after the age-off a key is new again, and is remembered from then on") {
  ProcessorRunner runner("DetectDuplicate", keyed({{"Age Off Duration", "10 s"}}), with_cache());
  enqueue_keys(runner, "a");
  runner.advance(9s);
  enqueue_keys(runner, "a");
  CHECK(keys(runner, "duplicate") == "a");
  runner.advance(1s);
  enqueue_keys(runner, "a");
  CHECK(keys(runner, "non-duplicate") == "aa");
  runner.advance(9s);
  enqueue_keys(runner, "a");
  CHECK(keys(runner, "duplicate") == "a");
}

TEST_CASE("who only looks remembers nothing") {
  ProcessorRunner runner("DetectDuplicate", keyed({{"Cache The Entry Identifier", "false"}}),
                         with_cache());
  enqueue_keys(runner, "aa");
  CHECK(keys(runner, "non-duplicate") == "aa");
}

TEST_CASE("the least used, the least recently used, or the first one makes room") {
  const auto left_of = [](const std::string& strategy) {
    ProcessorRunner runner(
        "DetectDuplicate", keyed(),
        with_cache({{"Maximum Cache Entries", "3"}, {"Eviction Strategy", strategy}}));
    enqueue_keys(runner, "abc");
    enqueue_keys(runner,
                 "aacc"
                 "b");          // used: a and c twice, b once, but last
    enqueue_keys(runner, "d");  // evicts one
    runner.taken("duplicate");
    runner.taken("non-duplicate");
    // Looked up without a change of what is there.
    std::string left;
    for (const auto& [key, value] : runner.state("cache")) left += key;
    return left;
  };
  CHECK(left_of("Least Frequently Used") == "acd");
  CHECK(left_of("Least Recently Used") == "bcd");
  CHECK(left_of("First In, First Out") == "bcd");
}

TEST_CASE("the size of all entries is bounded, and what is larger than the cache is refused") {
  ProcessorRunner runner("PutDistributedMapCache", keyed(),
                         with_cache({{"Maximum Cache Size", "1 KB"}}));
  for (const char* key : {"a", "b", "c"}) runner.enqueue(std::string(400, 'x'), {{"key", key}});
  runner.enqueue(std::string(2000, 'x'), {{"key", "d"}});
  runner.run();
  CHECK(keys(runner, "success") == "abc");
  CHECK(keys(runner, "failure") == "d");
  CHECK(runner.has_bulletin("larger than the whole cache"));
  std::string left;
  for (const auto& [key, value] : runner.state("cache")) left += key;
  CHECK(left == "bc");
}

TEST_CASE("a put replaces the value, or keeps it and says so") {
  ProcessorRunner runner("PutDistributedMapCache", keyed(), with_cache());
  runner.enqueue("one", {{"key", "a"}});
  runner.enqueue("two", {{"key", "a"}});
  runner.enqueue("", {{"key", "b"}});
  runner.run();
  const auto put = runner.taken("success");
  REQUIRE(put.size() == 2);
  CHECK(put[1].attribute("cached") == "true");
  CHECK(runner.state("cache")["a"].substr(8) == "two");
  CHECK(runner.taken("failure").at(0).has("cached") == false);  // there was no content

  ProcessorRunner keeping("PutDistributedMapCache",
                          keyed({{"Cache Update Strategy", "keeporiginal"}}), with_cache());
  keeping.enqueue("one", {{"key", "a"}});
  keeping.enqueue("two", {{"key", "a"}});
  keeping.run();
  CHECK(keeping.taken("success").size() == 1);
  CHECK(keeping.taken("failure").at(0).attribute("cached") == "false");
  CHECK(keeping.state("cache")["a"].substr(8) == "one");
}

TEST_CASE("what was put is fetched as content, or into attributes, by another processor") {
  test::TempFolder folder;
  RunnerOptions options = with_cache();
  options.state_dir = folder.path();
  {
    ProcessorRunner put("PutDistributedMapCache", keyed(), options);
    put.enqueue(
        "val\xc3\xbc"
        "e",
        {{"key", "a"}});
    put.enqueue("other", {{"key", "b"}});
    put.run();
  }
  {
    ProcessorRunner fetch("FetchDistributedMapCache", keyed(), options);
    fetch.enqueue("old", {{"key", "a"}});
    fetch.enqueue("old", {{"key", "z"}});
    fetch.enqueue("old", {{"key", "a,b"}});
    fetch.run();
    CHECK(fetch.taken("success").at(0).content ==
          "val\xc3\xbc"
          "e");
    CHECK(fetch.taken("not-found").at(0).content == "old");
    CHECK(keys(fetch, "failure") == "a,b");
  }
  ProcessorRunner fetch(
      "FetchDistributedMapCache",
      keyed({{"Put Cache Value In Attribute", "found"}, {"Max Length To Put In Attribute", "4"}}),
      options);
  fetch.enqueue("old", {{"key", "a"}});
  fetch.enqueue("old", {{"key", "a, b"}});
  fetch.enqueue("old", {{"key", "a,z"}});
  fetch.run();
  const auto found = fetch.taken("success");
  REQUIRE(found.size() == 2);
  CHECK(found[0].content == "old");
  CHECK(found[0].attribute("found") == "val");  // the letter of two bytes is not cut in two
  CHECK(found[1].attribute("found.a") == "val");
  CHECK(found[1].attribute("found.b") == "othe");
  CHECK(fetch.taken("not-found").at(0).has("found.a") == false);
}

TEST_CASE("an attribute without a name gets no value") {
  ProcessorRunner on("FetchDistributedMapCache",
                     keyed({{"Put Cache Value In Attribute", "${no.such}"}}), with_cache());
  on.enqueue("old", {{"key", "a"}});
  on.run();
  CHECK_FALSE(on.taken("failure").at(0).has(""));
  CHECK(on.has_bulletin("`Put Cache Value In Attribute` is empty for a FlowFile"));
}

TEST_CASE("after a crash a key is remembered exactly when its FlowFile was sent on") {
  test::TempFolder folder;
  ProcessorRunner runner("DetectDuplicate", keyed(), with_cache());
  enqueue_keys(runner, "abc");
  runner.flush();
  enqueue_keys(runner, "de");  // committed in memory: on disk or not
  // The power fails: what lies on disk now is all that there is.
  const std::string after = folder.path() + "/after";
  fs::copy(runner.state_dir(), after, fs::copy_options::recursive);
  fs::remove(after + "/control.sock");
  RunnerOptions options = with_cache();
  options.state_dir = after;
  ProcessorRunner again("DetectDuplicate", keyed(), options);
  enqueue_keys(again, "abcde");  // the source gives all of it again
  std::string once = keys(again, "non-duplicate");
  std::sort(once.begin(), once.end());
  CHECK(once == "abcde");
  check_balanced(again.loss());
}

}  // namespace
}  // namespace runnel
