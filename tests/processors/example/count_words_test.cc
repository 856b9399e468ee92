// CountWords counts words, but those of its filter.

#include <doctest/doctest.h>

#include "tests/support/processor_runner.h"

namespace runnel {

ProcessorType count_words();
ServiceType stop_words();

TEST_CASE("words are counted into the attribute and over time, over a restart, too") {
  ProcessorRunner runner(count_words(), {{"Maximum Content Size", "20 B"}});
  runner.enqueue("two words");
  runner.enqueue("");
  runner.run();
  const auto counted = runner.taken("success");
  REQUIRE(counted.size() == 2);
  CHECK(counted[0].attribute("words") == "2");
  CHECK(counted[1].attribute("words") == "0");
  runner.restart();
  runner.enqueue("a third");
  runner.enqueue("far too many words for it");
  runner.run();
  CHECK(runner.taken("failure").size() == 1);
  CHECK(runner.state()["words"] == "4");
  check_balanced(runner.loss());
}

TEST_CASE("words that the service holds back are not counted") {
  ProcessorRunner runner(count_words(), {{"Word Filter", "fillers"}},
                         {.services = {{"fillers", {"StopWords", {{"Words", "the a"}}}}},
                          .service_types = {stop_words()}});
  runner.enqueue("the  bus and\na tram");
  runner.run();
  CHECK(runner.taken("success").at(0).attribute("words") == "3");
}

}  // namespace runnel
